-- One row per month and organization: how many sessions users had analysed, a biased sample.
-- Analysis is triggered by users: read every insight metric beside this coverage. A session counts
-- in the month in which it was created.
--
-- month: First day of the month in which the sessions were created, UTC.
--   [date = month of sessions.created_at]
-- sessions_count: Sessions created that month. [sessions = count of sessions]
-- analysed_sessions_count: Of these, analysed. [sessions = count of sessions where has_analysis]
-- coverage: Share of the sessions that have been analysed.
--   [ratio = analysed_sessions_count / sessions_count]
with sessions as (
    select
        cast(date_trunc('month', created_date) as date) as month,
        org_id,
        org_name,
        has_analysis
    from analytics.sessions
)

select
    month,
    org_id,
    org_name,
    count(*) as sessions_count,
    count(*) filter (where has_analysis) as analysed_sessions_count,
    count(*) filter (where has_analysis) / nullif(cast(count(*) as double), 0) as coverage
from sessions
group by month, org_id, org_name
