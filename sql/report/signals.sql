-- One row per choice of organizations, period and thing that stands out, the weightiest first.
-- An organization is named where a merged pull request costs at least half more than in the period
-- before, with ten merged ones now and ten sessions to judge by then; an action item that was
-- proposed five times or more; a limit that stopped five sessions or more; a knowledge note that hurt
-- five times or more, and more often than it helped.
--
-- subject: What stands out: an organization, an action item, a limit, a knowledge note.
--   [text = outcomes.title, action_items.action_item, conditions.status_detail, notes.message]
-- figure: What makes it stand out: ACUs per merged pull request; how often it was proposed; how many
--   sessions it stopped; how often it hurt. [number = outcomes.acus_per_merged_pull_request,
--   action_items.times_proposed, conditions.sessions_count, notes.bad_usages_count]
-- beside: What to hold beside it: the same in the period before; sessions that propose it; nothing;
--   how often it helped. [number = outcomes.acus_per_merged_pull_request_before,
--   action_items.sessions_count, notes.good_usages_count]
-- acus_consumed: What the sessions have used that it is about; of an organization, the settled ones.
--   [ACU = outcomes.settled_acus, action_items.acus_consumed, conditions.acus_consumed]
-- merged_count: Pull requests of the organization's settled sessions that were merged.
--   [pull requests = outcomes.merged_count]
with dearer as (
    select
        organization,
        period,
        1 as place,
        'dearer' as kind,
        title as subject,
        acus_per_merged_pull_request as figure,
        acus_per_merged_pull_request_before as beside,
        settled_acus as acus_consumed,
        merged_count
    from report_page.outcomes
    where
        dimension = 'organization'
        and merged_count >= 10
        and judged_count_before >= 10
        and acus_per_merged_pull_request >= 1.5 * acus_per_merged_pull_request_before
    qualify
        row_number() over (
            partition by organization, period
            order by acus_per_merged_pull_request / acus_per_merged_pull_request_before desc, value
        ) = 1
),

others as (
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
    union all
    select
        organization,
        period,
        3 as place,
        'stopped' as kind,
        status_detail as subject,
        cast(sessions_count as double) as figure,
        cast(null as double) as beside,
        acus_consumed
    from report_page.conditions
    where condition = 'failed' and status = 'suspended' and sessions_count >= 5
    union all
    select
        organization,
        period,
        4 as place,
        'misleading' as kind,
        coalesce(message, note_id) as subject,
        cast(bad_usages_count as double) as figure,
        cast(good_usages_count as double) as beside,
        cast(null as double) as acus_consumed
    from report_page.notes
    where bad_usages_count >= 5 and bad_usages_count > good_usages_count
)

select *
from dearer
union all by name
select *
from others
qualify
    row_number() over (
        partition by organization, period, kind
        order by figure desc, acus_consumed desc nulls last, subject
    ) = 1
order by organization, period, place
