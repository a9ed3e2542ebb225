-- One row per month in which sessions were created, dimension and value: what adds up over months.
-- stored: ten groupings of all sessions take longer than a reader wants to wait.
-- Pull requests that several sessions list are not in it: see shared_pull_requests.
with settled as (
    select
        coalesce(
            (select max(watermark) from analytics.freshness),
            (select max(updated_at) from devin.sessions)
        ) - interval '14 days' as before
),

of_lists as (
    select
        session_groups.created_month as month,
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
    group by session_groups.created_month, session_groups.dimension, session_groups.value
),

facts as (
    select
        created_month,
        coalesce(category, '(none)') as category,
        coalesce(origin, '(none)') as origin,
        coalesce(playbook_id, '(none)') as playbook_id,
        coalesce(session_size, '(none)') as session_size,
        coalesce(status, '(none)') as status,
        coalesce(org_id, '(none)') as org_id,
        coalesce(user_id, '(none)') as user_id,
        created_at,
        acus_consumed,
        is_productive,
        pull_requests_count,
        own_pull_requests_count,
        own_merged_pull_requests_count
    from prepared.session_facts
),

of_columns as (
    select
        facts.created_month as month,
        case
            when grouping(facts.category) = 0 then 'category'
            when grouping(facts.origin) = 0 then 'origin'
            when grouping(facts.playbook_id) = 0 then 'playbook'
            when grouping(facts.session_size) = 0 then 'session_size'
            when grouping(facts.status) = 0 then 'status'
            when grouping(facts.org_id) = 0 then 'org'
            else 'user'
        end as dimension,
        coalesce(
            facts.category,
            facts.origin,
            facts.playbook_id,
            facts.session_size,
            facts.status,
            facts.org_id,
            facts.user_id
        ) as value,
        count(*) as sessions_count,
        count(*) filter (where facts.created_at < settled.before) as sessions_settled_count,
        coalesce(sum(facts.acus_consumed), 0) as acus_consumed,
        coalesce(sum(facts.acus_consumed) filter (where not facts.is_productive), 0)
            as acus_without_merged_pr,
        count(*) filter (where facts.pull_requests_count > 0) as sessions_with_pr_count,
        count(*) filter (where facts.is_productive) as sessions_with_merged_pr_count,
        cast(sum(facts.own_pull_requests_count) as bigint) as own_pull_requests_count,
        cast(sum(facts.own_merged_pull_requests_count) as bigint)
            as own_merged_pull_requests_count
    from facts
    cross join settled
    group by grouping sets (
        (facts.created_month, facts.category),
        (facts.created_month, facts.origin),
        (facts.created_month, facts.playbook_id),
        (facts.created_month, facts.session_size),
        (facts.created_month, facts.status),
        (facts.created_month, facts.org_id),
        (facts.created_month, facts.user_id)
    )
)

select *
from of_lists
union all
select *
from of_columns
