-- One row per choice of organizations, period and action item, however often it was proposed.
-- The 25 that were proposed most. Users choose what is analysed: a biased sample.
--
-- action_item: What to do, as the latest session says it; cut short after 300 characters.
--   [text = insight_action_items.action_item]
-- type: Where it is to be done. [text = insight_action_items.type]
-- times_proposed: How often it was proposed in the period.
--   [action items = count with equal lower(trim(action_item))]
-- sessions_count: Sessions whose analyses propose it. [sessions = distinct session_id]
-- acus_consumed: What these sessions have used to date; overlaps across action items.
--   [ACU = sum of sessions.acus_consumed over these sessions]
-- latest_date: When the latest of them was created. [date = max of sessions.created_date]
with proposed as (
    select
        session_id,
        lower(trim(action_item)) as wording,
        count(*) as times_proposed,
        min(left(action_item, 300)) as action_item,
        min(type) as type
    from devin.insight_action_items
    where action_item is not null
    group by session_id, lower(trim(action_item))
),

counted as (
    select
        facts.organization,
        periods.place as period,
        proposed.wording,
        arg_max(proposed.action_item, (facts.created_date, facts.session_id)) as action_item,
        arg_max(proposed.type, (facts.created_date, facts.session_id)) as type,
        cast(sum(proposed.times_proposed) as bigint) as times_proposed,
        count(*) as sessions_count,
        sum(facts.acus_consumed) as acus_consumed,
        max(facts.created_date) as latest_date
    from proposed
    join report_page.facts on facts.session_id = proposed.session_id
    join report_page.periods
        on facts.created_date >= periods.since and facts.created_date < periods.until
    group by facts.organization, periods.place, proposed.wording
)

select
    organization,
    period,
    action_item,
    type,
    times_proposed,
    sessions_count,
    acus_consumed,
    latest_date,
    count(*) over (partition by organization, period) as rows_count
from counted
qualify
    row_number() over (
        partition by organization, period
        order by times_proposed desc, acus_consumed desc, wording
    ) <= 25
order by organization, period, times_proposed desc, acus_consumed desc, wording
