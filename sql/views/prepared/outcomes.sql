-- One row per month in which sessions were created, dimension and value: what adds up over months.
-- stored: ten groupings of all sessions take longer than a reader wants to wait.
-- Pull requests that several sessions list are not in it: see shared_pull_requests.
with settled as (
    select
        coalesce(
            (select max(watermark) from analytics.freshness),
            (select max(updated_at) from devin.sessions)
        ) - interval '14 days' as before
)

select
    session_groups.month,
    session_groups.dimension,
    session_groups.value,
    count(*) as sessions_count,
    count(*) filter (where session_groups.created_at < settled.before) as sessions_settled_count,
    coalesce(sum(session_groups.acus_consumed), 0) as acus_consumed,
    coalesce(sum(session_groups.acus_consumed) filter (where not session_groups.is_productive), 0)
        as acus_without_merged_pr,
    count(*) filter (where session_groups.has_pull_request) as sessions_with_pr_count,
    count(*) filter (where session_groups.is_productive) as sessions_with_merged_pr_count,
    cast(sum(session_groups.own_pull_requests_count) as bigint) as own_pull_requests_count,
    cast(sum(session_groups.own_merged_pull_requests_count) as bigint)
        as own_merged_pull_requests_count
from prepared.session_groups
cross join settled
group by session_groups.month, session_groups.dimension, session_groups.value
