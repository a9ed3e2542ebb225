-- severity: error
-- No row of a list or of history without the session, or the insights, that it belongs to.
-- by session
with members as (
    select 'session_prompts' as table_name, session_id from devin.session_prompts
    union all
    select 'session_tags', session_id from devin.session_tags
    union all
    select 'session_pull_requests', session_id from devin.session_pull_requests
    union all
    select 'session_children', session_id from devin.session_children
    union all
    select 'session_versions', session_id from devin.session_versions
    union all
    select 'pull_request_states', session_id from devin.pull_request_states
),

members_of_insights as (
    select 'insight_issues' as table_name, session_id from devin.insight_issues
    union all
    select 'insight_timeline', session_id from devin.insight_timeline
    union all
    select 'insight_action_items', session_id from devin.insight_action_items
    union all
    select 'insight_feedback_items', session_id from devin.insight_feedback_items
    union all
    select 'insight_note_usages', session_id from devin.insight_note_usages
    union all
    select 'insight_programming_languages', session_id
    from devin.insight_programming_languages
    union all
    select 'insight_tools_and_frameworks', session_id from devin.insight_tools_and_frameworks
)

select members.table_name, members.session_id
from members
left join devin.sessions on sessions.session_id = members.session_id
where sessions.session_id is null
union all
select members_of_insights.table_name, members_of_insights.session_id
from members_of_insights
left join devin.insights on insights.session_id = members_of_insights.session_id
where insights.session_id is null
