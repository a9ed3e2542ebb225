-- severity: error
-- A key stands once in its table.
-- by session
with keys as (
    select 'sessions' as table_name, session_id as key from devin.sessions
    union all
    select 'session_prompts', session_id from devin.session_prompts
    union all
    select 'insights', session_id from devin.insights
    union all
    select 'session_versions', version_key from devin.session_versions
    union all
    select 'deleted_sessions', session_id from devin.deleted_sessions
    union all
    select 'organizations', org_id from devin.organizations
    union all
    select 'users', user_id from devin.users
    union all
    select 'rejected_records', record_key from devin.rejected_records
    union all
    select 'load_runs', run_id from devin.load_runs
    union all
    select 'warehouse_info', 'the only row' from devin.warehouse_info
),

states as (
    select session_id, pr_url, pr_state, count(*) as rows_count
    from devin.pull_request_states
    group by session_id, pr_url, pr_state
)

select table_name, key, count(*) as rows_count
from keys
group by table_name, key
having count(*) > 1 or key is null
union all
select 'pull_request_states', session_id, rows_count
from states
where rows_count > 1 or session_id is null
