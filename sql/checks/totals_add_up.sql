-- severity: error
-- What adds up over the rows of a view comes to the same as over all sessions.
with wholes as (
    select
        count(*) as sessions_count,
        coalesce(sum(acus_consumed), 0) as acus_consumed,
        (
            select count(distinct pr_url)
            from devin.session_pull_requests
            where lower(pr_state) = 'merged'
        ) as merged_pull_requests_count
    from devin.sessions
),

totals as (
    select
        'sessions' as view_name,
        count(*) as sessions_count,
        sum(acus_consumed) as acus_consumed,
        cast(null as bigint) as merged_pull_requests_count
    from analytics.sessions
    union all
    select
        'pull_requests',
        null,
        null,
        count(*) filter (where lower(state) = 'merged')
    from analytics.pull_requests
    union all
    select
        'usage_daily',
        sum(sessions_count),
        sum(acus_consumed),
        sum(merged_pull_requests_first_count)
    from analytics.usage_daily
    union all
    select
        'usage_monthly_by_user',
        sum(sessions_count),
        sum(acus_consumed),
        sum(merged_pull_requests_first_count)
    from analytics.usage_monthly_by_user
    union all
    select 'insight_coverage_monthly', sum(sessions_count), null, null
    from analytics.insight_coverage_monthly
    union all
    select 'session_families', sum(sessions_count), sum(family_acus), null
    from analytics.session_families
    union all
    select
        'outcomes_by_dimension, ' || dimension,
        sum(sessions_count),
        sum(acus_consumed),
        null
    from analytics.outcomes_by_dimension
    where dimension not in ('tag', 'programming_language', 'repository')
    group by dimension
    union all
    select
        'outcomes_monthly, ' || dimension,
        sum(sessions_count),
        sum(acus_consumed),
        null
    from analytics.outcomes_monthly
    where dimension not in ('tag', 'programming_language', 'repository')
    group by dimension
)

select
    totals.view_name,
    totals.sessions_count,
    wholes.sessions_count as all_sessions_count,
    totals.acus_consumed,
    wholes.acus_consumed as all_acus_consumed,
    totals.merged_pull_requests_count,
    wholes.merged_pull_requests_count as all_merged_pull_requests_count
from totals
cross join wholes
where
    totals.sessions_count <> wholes.sessions_count
    -- sums of fractions depend on the order of their terms
    or abs(totals.acus_consumed - wholes.acus_consumed) > 1e-9 * (1 + abs(wholes.acus_consumed))
    or totals.merged_pull_requests_count <> wholes.merged_pull_requests_count
