-- One row per choice of organizations, period, dimension and value: what came of the sessions.
-- The ten values with most ACUs. What came of sessions is judged by settled ones, older than 14 days
-- at the watermark; pull requests are given to their first session.
--
-- sessions_count: Sessions created in the period. [sessions = count of sessions]
-- acus_consumed: What they have used to date. [ACU = sum of sessions.acus_consumed]
-- cost: That at the price of an ACU that is set. [currency = acus_consumed * price]
-- judged_count: Settled sessions with a pull request: those that the merge rate is of.
--   [sessions = count of settled sessions where pull_requests_count > 0]
-- judged_count_before: The same of the period before. [sessions = as judged_count]
-- merge_rate: Share of these that got one merged.
--   [ratio = settled sessions where is_productive / judged_count]
-- merge_rate_before: The same in the period earlier. [ratio = as merge_rate]
-- acus_per_merged_pull_request: ACUs of the settled sessions for each pull request merged.
--   [ACU per pull request = sum of sessions.acus_consumed / merged pull_requests by
--   first_session_id, over settled sessions]
-- acus_per_merged_pull_request_before: The same in the period earlier.
--   [ACU per pull request = as acus_per_merged_pull_request]
-- settled_acus: ACUs of the settled sessions.
--   [ACU = sum of sessions.acus_consumed, over settled sessions]
-- merged_count: Pull requests of the settled sessions that were merged.
--   [pull requests = merged pull_requests by first_session_id, over settled sessions]
-- unmerged_acus: ACUs of the settled sessions that got no pull request merged.
--   [ACU = sum of sessions.acus_consumed where not is_productive, over settled sessions]
with valued as (
    select
        facts.*,
        dimensions.dimension,
        coalesce(dimensions.value, '(none)') as value,
        coalesce(dimensions.title, '(none)') as value_title
    from report_page.facts
    cross join lateral (
        values
        ('organization', facts.org_id, facts.org_name),
        ('category', facts.category, facts.category),
        ('origin', facts.origin, facts.origin)
    ) as dimensions(dimension, value, title)
    where dimensions.dimension <> 'organization' or facts.organization = 0
),

counted as (
    select
        valued.organization,
        spans.period,
        spans.is_before,
        valued.dimension,
        valued.value,
        max(valued.value_title) as title,
        count(*) as sessions_count,
        sum(valued.acus_consumed) as acus_consumed,
        count(*) filter (where valued.is_settled) as settled_count,
        count(*) filter (where valued.is_settled and valued.has_pull_request) as judged_count,
        count(*) filter (where valued.is_settled and valued.is_productive) as productive_count,
        coalesce(sum(valued.acus_consumed) filter (where valued.is_settled), 0) as settled_acus,
        coalesce(
            sum(valued.acus_consumed) filter (where valued.is_settled and not valued.is_productive),
            0
        ) as unmerged_acus,
        coalesce(sum(valued.merged_pull_requests_count) filter (where valued.is_settled), 0)
            as merged_count
    from valued
    join report_page.spans
        on valued.created_date >= spans.since and valued.created_date < spans.until
    group by valued.organization, spans.period, spans.is_before, valued.dimension, valued.value
)

select
    present.organization,
    present.period,
    present.dimension,
    present.value,
    present.title,
    present.sessions_count,
    present.acus_consumed,
    present.acus_consumed * getvariable('acu_price') as cost,
    present.judged_count,
    earlier.judged_count as judged_count_before,
    present.productive_count / nullif(present.judged_count, 0) as merge_rate,
    earlier.productive_count / nullif(earlier.judged_count, 0) as merge_rate_before,
    present.settled_acus / nullif(present.merged_count, 0) as acus_per_merged_pull_request,
    earlier.settled_acus / nullif(earlier.merged_count, 0) as acus_per_merged_pull_request_before,
    present.settled_acus,
    present.merged_count,
    case when present.settled_count > 0 then present.unmerged_acus end as unmerged_acus,
    count(*) over (partition by present.organization, present.period, present.dimension)
        as rows_count
from counted as present
left join counted as earlier
    on
        earlier.is_before
        and earlier.organization = present.organization
        and earlier.period = present.period
        and earlier.dimension = present.dimension
        and earlier.value = present.value
where not present.is_before
qualify
    row_number() over (
        partition by present.organization, present.period, present.dimension
        order by present.acus_consumed desc, present.value
    ) <= 10
order by present.organization, present.period, present.dimension, present.acus_consumed desc, present.value
