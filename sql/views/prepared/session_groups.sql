-- One row per session, dimension and value: the groups in which outcomes are counted.
-- A session is in a group once, however often it names the value; where it names none, it is in
-- the group '(none)'. In dimension repository only the pull requests of that repository count, in
-- the others all of the session's.
with sessions as (
    select
        sessions.session_id,
        cast(date_trunc('month', sessions.created_date) as date) as month,
        sessions.created_at,
        sessions.acus_consumed,
        sessions.pull_requests_count > 0 as has_pull_request,
        sessions.is_productive,
        facts.own_pull_requests_count,
        facts.own_merged_pull_requests_count
    from analytics.sessions
    join prepared.session_facts as facts on facts.session_id = sessions.session_id
),

listed as (
    select
        session_id,
        pr_url,
        max(case when lower(pr_state) = 'merged' then 1 else 0 end) = 1 as is_merged
    from devin.session_pull_requests
    group by session_id, pr_url
),

listed_repositories as (
    select
        listed.session_id,
        coalesce(urls.repository, '(none)') as value,
        count(*) filter (where listed.is_merged) > 0 as is_productive,
        count(*) filter (where urls.sessions_count = 1) as own_pull_requests_count,
        count(*) filter (where urls.sessions_count = 1 and lower(urls.state) = 'merged')
            as own_merged_pull_requests_count
    from listed
    left join analytics.pull_requests as urls on urls.pr_url = listed.pr_url
    group by listed.session_id, coalesce(urls.repository, '(none)')
),

repositories as (
    select
        sessions.session_id,
        sessions.month,
        coalesce(listed_repositories.value, '(none)') as value,
        sessions.created_at,
        sessions.acus_consumed,
        listed_repositories.session_id is not null as has_pull_request,
        coalesce(listed_repositories.is_productive, false) as is_productive,
        coalesce(listed_repositories.own_pull_requests_count, 0) as own_pull_requests_count,
        coalesce(listed_repositories.own_merged_pull_requests_count, 0)
            as own_merged_pull_requests_count
    from sessions
    left join listed_repositories on listed_repositories.session_id = sessions.session_id
)

select
    sessions.session_id,
    sessions.month,
    session_values.dimension,
    session_values.value,
    sessions.created_at,
    sessions.acus_consumed,
    sessions.has_pull_request,
    sessions.is_productive,
    sessions.own_pull_requests_count,
    sessions.own_merged_pull_requests_count
from prepared.session_values
join sessions on sessions.session_id = session_values.session_id
union all
select
    session_id,
    month,
    'repository' as dimension,
    value,
    created_at,
    acus_consumed,
    has_pull_request,
    is_productive,
    own_pull_requests_count,
    own_merged_pull_requests_count
from repositories
