-- One row per scope that a run was about, as of publication.
-- What has happened since this copy was published is not in it: `devin-warehouse status` tells.
--
-- scope: API host, API version and organizations that the runs were about. [text = load_runs.scope]
-- watermark: Up to when everything has been read and committed, UTC; NULL if only parts were read.
--   [timestamp = max of load_runs.watermark_after where mode is incremental or full]
-- published_at: When this copy was published, UTC. [timestamp = warehouse_info.published_at]
-- lag_at_publish_seconds: How far the copy lay behind when it was published.
--   [seconds = published_at - watermark]
-- last_success_at: When a run last ended well, UTC.
--   [timestamp = max of load_runs.finished_at where outcome is done]
-- last_failure_at: When a run last failed or was killed, UTC.
--   [timestamp = max of load_runs.finished_at where outcome is failed or killed]
-- last_failure_error: What went wrong then. [text = load_runs.error of that run]
with scopes as (
    select
        scope,
        max(watermark_after) filter (where mode in ('incremental', 'full')) as watermark,
        max(finished_at) filter (where outcome = 'done') as last_success_at
    from devin.load_runs
    group by scope
),

failures as (
    select
        scope,
        finished_at,
        error,
        row_number() over (partition by scope order by finished_at desc, started_at desc) as place
    from devin.load_runs
    where outcome in ('failed', 'killed')
)

select
    scopes.scope,
    scopes.watermark,
    warehouse_info.published_at,
    date_diff('microsecond', scopes.watermark, warehouse_info.published_at)
    / cast(1000000 as double)
        as lag_at_publish_seconds,
    scopes.last_success_at,
    failures.finished_at as last_failure_at,
    failures.error as last_failure_error
from scopes
cross join devin.warehouse_info
left join failures on failures.scope = scopes.scope and failures.place = 1
