-- One row per session, dimension and value: the groups that a session may be in several of.
-- stored by session_id: outcomes are counted anew with each publication, the groups are not.
-- A session is in a group once, however often it names the value; where it names none, it is in
-- the group '(none)'. In dimension repository only the pull requests of that repository count, in
-- the others all of the session's.
with facts as (
    -- once for both halves: DuckDB 1.5 waits for itself for ever where they read the view twice
    select
        session_id,
        created_month,
        created_at,
        acus_consumed,
        is_productive,
        pull_requests_count,
        own_pull_requests_count,
        own_merged_pull_requests_count
    from prepared.session_facts
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
        facts.session_id,
        facts.created_month,
        coalesce(listed_repositories.value, '(none)') as value,
        facts.created_at,
        facts.acus_consumed,
        listed_repositories.session_id is not null as has_pull_request,
        coalesce(listed_repositories.is_productive, false) as is_productive,
        coalesce(listed_repositories.own_pull_requests_count, 0) as own_pull_requests_count,
        coalesce(listed_repositories.own_merged_pull_requests_count, 0)
            as own_merged_pull_requests_count
    from facts
    left join listed_repositories on listed_repositories.session_id = facts.session_id
)

select
    facts.session_id,
    facts.created_month,
    session_values.dimension,
    session_values.value,
    facts.created_at,
    facts.acus_consumed,
    facts.pull_requests_count > 0 as has_pull_request,
    facts.is_productive,
    facts.own_pull_requests_count,
    facts.own_merged_pull_requests_count
from prepared.session_values
join facts on facts.session_id = session_values.session_id
where session_values.dimension in ('tag', 'programming_language')
union all
select
    session_id,
    created_month,
    'repository' as dimension,
    value,
    created_at,
    acus_consumed,
    has_pull_request,
    is_productive,
    own_pull_requests_count,
    own_merged_pull_requests_count
from repositories
