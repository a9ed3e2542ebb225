-- One row per choice of organizations, period and measure: its value, and that of the period earlier.
-- What came of sessions is judged by settled ones, older than 14 days at the watermark: pull
-- requests of younger ones may still be merged. Pull requests are given to their first session.
--
-- sessions_count: Sessions created in the period. [sessions = count of sessions]
-- active_users_count: People who started a session in it.
--   [users = distinct user_id of sessions where is_human]
-- acus_consumed: What the sessions created in it have used to date; not the bill.
--   [ACU = sum of sessions.acus_consumed]
-- merge_rate: Share of the settled sessions with a pull request that got one merged.
--   [ratio = settled sessions where is_productive / settled sessions where pull_requests_count > 0]
-- acus_per_merged_pull_request: ACUs of the settled sessions for each pull request merged.
--   [ACU per pull request = sum of sessions.acus_consumed / merged pull_requests by
--   first_session_id, over settled sessions]
-- unmerged_share: Share of the settled sessions' ACUs that went into sessions without a merged pull
--   request; research and reviews need none. [ratio = sum of sessions.acus_consumed where not
--   is_productive / sum of sessions.acus_consumed, over settled sessions]
-- failed_share: Share of the sessions that ended in an error, or were stopped by a limit.
--   API v2 does not tell of limits. [ratio = sessions where status is error, or suspended but not by
--   inactivity or user_request / count of sessions]
-- cost: ACUs at the price of one that is set. [currency = acus * price]
-- coverage: Share of the sessions whose insights a user had analysed: a biased sample.
--   [ratio = sessions where has_analysis / count of sessions]
with counts as (
    select
        facts.organization,
        spans.period,
        spans.is_before,
        count(*) as sessions_count,
        count(distinct facts.human_user_id) as active_users_count,
        sum(facts.acus_consumed) as acus_consumed,
        count(*) filter (where facts.is_settled) as settled_count,
        count(*) filter (where facts.is_settled and facts.has_pull_request) as judged_count,
        count(*) filter (where facts.is_settled and facts.is_productive) as productive_count,
        sum(facts.acus_consumed) filter (where facts.is_settled) as settled_acus,
        sum(facts.acus_consumed) filter (where facts.is_settled and not facts.is_productive)
            as unmerged_acus,
        sum(facts.merged_pull_requests_count) filter (where facts.is_settled) as merged_count,
        count(*) filter (where facts.condition = 'failed') as failed_count,
        count(*) filter (where facts.has_analysis) as analysed_count
    from report_page.facts
    join report_page.spans
        on facts.created_date >= spans.since and facts.created_date < spans.until
    group by facts.organization, spans.period, spans.is_before
),

measured as (
    select
        counts.organization,
        counts.period,
        counts.is_before,
        measures.place,
        measures.measure,
        measures.value,
        measures.covered_count,
        measures.of_count
    from counts
    cross join lateral (
        values
        (1, 'sessions_count', cast(sessions_count as double), null, null),
        (2, 'active_users_count', active_users_count, null, null),
        (3, 'acus_consumed', acus_consumed, null, null),
        (4, 'merge_rate', productive_count / nullif(judged_count, 0), judged_count, sessions_count),
        (
            5, 'acus_per_merged_pull_request', settled_acus / nullif(merged_count, 0),
            settled_count, sessions_count
        ),
        (
            6, 'unmerged_share', coalesce(unmerged_acus, 0) / nullif(settled_acus, 0),
            settled_count, sessions_count
        ),
        (7, 'failed_share', failed_count / sessions_count, null, null),
        (8, 'coverage', analysed_count / sessions_count, analysed_count, sessions_count)
    ) as measures(place, measure, value, covered_count, of_count)
),

places as (
    select
        organizations.place as organization,
        periods.place as period
    from report_page.organizations
    cross join report_page.periods
)

select
    places.organization,
    places.period,
    measures.place,
    measures.measure,
    coalesce(present.value, case when measures.place <= 3 then 0 end) as value,
    earlier.value as value_before,
    case
        when measures.measure in ('merge_rate', 'unmerged_share', 'failed_share', 'coverage')
            then present.value - earlier.value
        else present.value / nullif(earlier.value, 0) - 1
    end as change,
    present.covered_count,
    present.of_count,
    case
        when measures.measure in ('acus_consumed', 'acus_per_merged_pull_request')
            then present.value * getvariable('acu_price')
    end as cost
from places
cross join (select distinct place, measure from measured) as measures
left join measured as present
    on
        present.organization = places.organization
        and present.period = places.period
        and not present.is_before
        and present.measure = measures.measure
left join measured as earlier
    on
        earlier.organization = places.organization
        and earlier.period = places.period
        and earlier.is_before
        and earlier.measure = measures.measure
order by places.organization, places.period, measures.place
