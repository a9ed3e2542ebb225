-- severity: error
-- A list's rows are numbered from 0 without gaps, so that none is missing.
-- That no number is there twice is what keys_are_unique looks for.
-- by session
with lists as (
    select 'session_tags' as table_name, session_id, '' as usage, position
    from devin.session_tags
    union all
    select 'session_pull_requests', session_id, '', position from devin.session_pull_requests
    union all
    select 'session_children', session_id, '', position from devin.session_children
    union all
    select 'insight_issues', session_id, '', position from devin.insight_issues
    union all
    select 'insight_timeline', session_id, '', position from devin.insight_timeline
    union all
    select 'insight_action_items', session_id, '', position from devin.insight_action_items
    union all
    select 'insight_feedback_items', session_id, '', position from devin.insight_feedback_items
    union all
    select 'insight_note_usages', session_id, usage, position from devin.insight_note_usages
    union all
    select 'insight_programming_languages', session_id, '', position
    from devin.insight_programming_languages
    union all
    select 'insight_tools_and_frameworks', session_id, '', position
    from devin.insight_tools_and_frameworks
)

select table_name, session_id, usage, count(*) as rows_count, max(position) as last_position
from lists
group by table_name, session_id, usage
having
    min(position) <> 0
    or count(*) <> max(position) + 1
    or count(position) <> count(*)
