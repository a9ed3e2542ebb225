-- severity: error
-- No list row without the row of the session, or of the insights, that it belongs to.
with orphans as (
    select 'session_tags' as table_name, session_id from devin.session_tags
    where session_id not in (select session_id from devin.sessions)
    union all
    select 'session_pull_requests', session_id from devin.session_pull_requests
    where session_id not in (select session_id from devin.sessions)
    union all
    select 'session_children', session_id from devin.session_children
    where session_id not in (select session_id from devin.sessions)
    union all
    select 'insight_issues', session_id from devin.insight_issues
    where session_id not in (select session_id from devin.insights)
    union all
    select 'insight_timeline', session_id from devin.insight_timeline
    where session_id not in (select session_id from devin.insights)
    union all
    select 'insight_action_items', session_id from devin.insight_action_items
    where session_id not in (select session_id from devin.insights)
    union all
    select 'insight_feedback_items', session_id from devin.insight_feedback_items
    where session_id not in (select session_id from devin.insights)
)

select table_name, session_id
from orphans
