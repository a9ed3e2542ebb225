-- severity: error
-- A session stands once in every table that has one row per session.
with keys as (
    select 'sessions' as table_name, session_id from devin.sessions
    union all
    select 'session_prompts', session_id from devin.session_prompts
    union all
    select 'insights', session_id from devin.insights
    union all
    select 'deleted_sessions', session_id from devin.deleted_sessions
    union all
    select 'session_versions', version_key from devin.session_versions
)

select table_name, session_id, count(*) as rows_count
from keys
group by table_name, session_id
having count(*) > 1
