-- severity: error
-- What adds up over the rows of a view comes to the same as over all sessions.
with wholes as (
    select
        count(*) as sessions_count,
        coalesce(sum(acus_consumed), 0) as acus_consumed,
        coalesce(sum(abs(acus_consumed)), 0) as acus_of_any_sign,
        (
            select count(distinct pr_url)
            from devin.session_pull_requests
            where lower(pr_state) = 'merged'
        ) as merged_pull_requests_count
    from devin.sessions
),

dimensions as (
    select dimension
    from (
        values
        ('category'), ('origin'), ('playbook'), ('session_size'), ('status'), ('org'), ('user')
    ) as dimensions (dimension)
),

totals as (
    select
        'sessions' as view_name,
        count(*) as sessions_count,
        coalesce(sum(acus_consumed), 0) as acus_consumed,
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
        coalesce(sum(sessions_count), 0),
        coalesce(sum(acus_consumed), 0),
        coalesce(sum(merged_pull_requests_first_count), 0)
    from analytics.usage_daily
    union all
    select
        'usage_monthly_by_user',
        coalesce(sum(sessions_count), 0),
        coalesce(sum(acus_consumed), 0),
        coalesce(sum(merged_pull_requests_first_count), 0)
    from analytics.usage_monthly_by_user
    union all
    select 'insight_coverage_monthly', coalesce(sum(sessions_count), 0), null, null
    from analytics.insight_coverage_monthly
    union all
    select
        'session_families',
        coalesce(sum(sessions_count), 0),
        coalesce(sum(family_acus), 0),
        null
    from analytics.session_families
    union all
    select
        'outcomes_by_dimension, ' || dimensions.dimension,
        coalesce(sum(outcomes.sessions_count), 0),
        coalesce(sum(outcomes.acus_consumed), 0),
        null
    from dimensions
    left join analytics.outcomes_by_dimension as outcomes
        on outcomes.dimension = dimensions.dimension
    group by dimensions.dimension
    union all
    select
        'outcomes_monthly, ' || dimensions.dimension,
        coalesce(sum(outcomes.sessions_count), 0),
        coalesce(sum(outcomes.acus_consumed), 0),
        null
    from dimensions
    left join analytics.outcomes_monthly as outcomes
        on outcomes.dimension = dimensions.dimension
    group by dimensions.dimension
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
    or abs(totals.acus_consumed - wholes.acus_consumed) > 1e-9 * (1 + wholes.acus_of_any_sign)
    or totals.merged_pull_requests_count <> wholes.merged_pull_requests_count
