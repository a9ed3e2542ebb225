-- One row per choice of organizations, period and thing that stands out, the weightiest first.
-- An organization is named where a merged pull request costs at least half more than in the period
-- before, with ten sessions to judge by in both; an action item where it was proposed five times or
-- more; a knowledge note where it hurt five times or more, and more often than it helped.
--
-- subject: What stands out: an organization, an action item, a knowledge note.
-- figure: ACUs per merged pull request; how often it was proposed; how often it hurt.
-- beside: The same in the period before; sessions that propose it; how often it helped.
-- acus_consumed: What the organization's sessions, or those that propose it, have used to date.
with dearer as (
    select
        organization,
        period,
        1 as place,
        'dearer' as kind,
        title as subject,
        acus_per_merged_pull_request as figure,
        acus_per_merged_pull_request_before as beside,
        acus_consumed
    from report_page.outcomes
    where
        dimension = 'organization'
        and judged_count >= 10
        and judged_count_before >= 10
        and acus_per_merged_pull_request >= 1.5 * acus_per_merged_pull_request_before
    qualify
        row_number() over (
            partition by organization, period
            order by acus_per_merged_pull_request / acus_per_merged_pull_request_before desc, value
        ) = 1
),

proposed as (
    select
        organization,
        period,
        2 as place,
        'proposed' as kind,
        action_item as subject,
        cast(times_proposed as double) as figure,
        cast(sessions_count as double) as beside,
        acus_consumed
    from report_page.action_items
    where times_proposed >= 5
    qualify
        row_number() over (
            partition by organization, period
            order by times_proposed desc, acus_consumed desc, action_item
        ) = 1
),

misleading as (
    select
        organization,
        period,
        3 as place,
        'misleading' as kind,
        note_id as subject,
        cast(bad_usages_count as double) as figure,
        cast(good_usages_count as double) as beside,
        cast(null as double) as acus_consumed
    from report_page.notes
    where bad_usages_count >= 5 and bad_usages_count > good_usages_count
    qualify
        row_number() over (
            partition by organization, period order by bad_usages_count desc, note_id
        ) = 1
)

from dearer
union all
from proposed
union all
from misleading
order by organization, period, place
