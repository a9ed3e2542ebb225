-- One row per week in which sessions were created and category: how long finished sessions took.
-- Finished sessions only: the others' age says how long they have been waiting. The duration is
-- an upper bound, since the API tells no end: it reaches to the last update, which may be the merge
-- of a pull request days later.
--
-- week: Monday of the week in which the sessions were created, UTC.
--   [date = week of sessions.created_at]
-- sessions_count: Finished sessions created that week.
--   [sessions = count of sessions where is_finished]
-- median_seconds: Half of them took at most so long, interpolated.
--   [seconds = median of sessions.duration_seconds]
-- p90_seconds: Nine of ten of them took at most so long, interpolated.
--   [seconds = 90th percentile of sessions.duration_seconds]
with sessions as (
    select
        cast(date_trunc('week', created_date) as date) as week,
        category,
        duration_seconds
    from analytics.sessions
    where is_finished
)

select
    week,
    category,
    count(*) as sessions_count,
    quantile_cont(duration_seconds, 0.5) as median_seconds,
    quantile_cont(duration_seconds, 0.9) as p90_seconds
from sessions
group by week, category
