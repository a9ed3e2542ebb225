-- One row per action item that an analysis proposes; users trigger analyses, so a biased sample.
-- See insight_coverage_monthly for which share of all sessions has been analysed. API v2 gives
-- issues no ids, so that its action items name no label.
--
-- position: Place in the analysis' list, from 0. [number = insight_action_items.position]
-- type: machine_setup, repo_config, knowledge, ...; new ones may come.
--   [text = insight_action_items.type]
-- action_item: What to do. [text = insight_action_items.action_item]
-- issue_id: The issue that it would settle; NULL for none.
--   [id = insight_action_items.issue_id, an empty one is NULL]
-- issue_label: Label of that issue. [text = insight_issues.label at the session's lowest position
--   with that issue_id]
-- issue_impact: Impact of that issue. [text = insight_issues.impact at the session's lowest
--   position with that issue_id]
-- times_repeated: How many action items of the warehouse say the same, itself included.
--   [action items = count with equal lower(trim(action_item))]
with issues as (
    select
        session_id,
        issue_id,
        label,
        impact,
        row_number() over (partition by session_id, issue_id order by position) as place
    from devin.insight_issues
    where issue_id <> ''
)

select
    action_items.session_id,
    action_items.position,
    sessions.org_id,
    coalesce(organizations.name, sessions.org_id) as org_name,
    sessions.created_at,
    action_items.type,
    action_items.action_item,
    nullif(action_items.issue_id, '') as issue_id,
    issues.label as issue_label,
    issues.impact as issue_impact,
    coalesce(repetitions.times_repeated, 1) as times_repeated
from devin.insight_action_items as action_items
join devin.sessions on sessions.session_id = action_items.session_id
left join devin.organizations on organizations.org_id = sessions.org_id
left join prepared.repeated_action_items as repetitions
    on repetitions.action_item = lower(trim(action_items.action_item))
left join issues
    on
        issues.session_id = action_items.session_id
        and issues.issue_id = action_items.issue_id
        and issues.place = 1
