-- severity: error
-- No scope has been read further than the API's own time when a run of it last asked.
-- That time is the end of what was read: this machine's clock may be wrong.
select
    scope,
    max(watermark_after) as watermark,
    max(window_until) as read_until
from devin.load_runs
where mode in ('incremental', 'full')
group by scope
having max(watermark_after) > max(window_until)
