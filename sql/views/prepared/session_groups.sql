-- One row per session, dimension and value: the groups in which outcomes are counted.
-- A session is in a group once, however often it names the value; where it names none, it is in
-- the group '(none)'. In dimension repository only the pull requests of that repository count, in
-- the others all of the session's.
with sessions as (
    select
        sessions.session_id,
        cast(date_trunc('month', sessions.created_date) as date) as month,
        sessions.created_at,
        sessions.category,
        sessions.origin,
        sessions.playbook_id,
        sessions.session_size,
        sessions.status,
        sessions.org_id,
        sessions.user_id,
        sessions.acus_consumed,
        sessions.pull_requests_count > 0 as has_pull_request,
        sessions.is_productive,
        facts.own_pull_requests_count,
        facts.own_merged_pull_requests_count
    from analytics.sessions
    join prepared.session_facts as facts on facts.session_id = sessions.session_id
),

dimensions as (
    select dimension
    from (
        values
        ('category'), ('origin'), ('playbook'), ('session_size'), ('status'), ('org'), ('user')
    ) as dimensions (dimension)
),

tags as (
    select distinct
        sessions.session_id,
        coalesce(session_tags.tag, '(none)') as value
    from sessions
    left join devin.session_tags on session_tags.session_id = sessions.session_id
),

programming_languages as (
    select distinct
        sessions.session_id,
        coalesce(languages.programming_language, '(none)') as value
    from sessions
    left join devin.insight_programming_languages as languages
        on languages.session_id = sessions.session_id
),

labels as (
    select session_id, 'tag' as dimension, value from tags
    union all
    select session_id, 'programming_language' as dimension, value from programming_languages
),

repositories as (
    select
        sessions.session_id,
        sessions.month,
        coalesce(urls.repository, '(none)') as value,
        sessions.created_at,
        sessions.acus_consumed,
        count(pull_requests.session_id) > 0 as has_pull_request,
        count(*) filter (where lower(pull_requests.pr_state) = 'merged') > 0 as is_productive,
        count(distinct urls.pr_url) filter (where urls.sessions_count = 1)
            as own_pull_requests_count,
        count(distinct urls.pr_url)
            filter (where urls.sessions_count = 1 and lower(urls.state) = 'merged')
            as own_merged_pull_requests_count
    from sessions
    left join devin.session_pull_requests as pull_requests
        on pull_requests.session_id = sessions.session_id
    left join analytics.pull_requests as urls on urls.pr_url = pull_requests.pr_url
    group by
        sessions.session_id,
        sessions.month,
        coalesce(urls.repository, '(none)'),
        sessions.created_at,
        sessions.acus_consumed
)

select
    sessions.session_id,
    sessions.month,
    dimensions.dimension,
    coalesce(
        case dimensions.dimension
            when 'category' then sessions.category
            when 'origin' then sessions.origin
            when 'playbook' then sessions.playbook_id
            when 'session_size' then sessions.session_size
            when 'status' then sessions.status
            when 'org' then sessions.org_id
            when 'user' then sessions.user_id
        end,
        '(none)'
    ) as value,
    sessions.created_at,
    sessions.acus_consumed,
    sessions.has_pull_request,
    sessions.is_productive,
    sessions.own_pull_requests_count,
    sessions.own_merged_pull_requests_count
from sessions
cross join dimensions
union all
select
    sessions.session_id,
    sessions.month,
    labels.dimension,
    labels.value,
    sessions.created_at,
    sessions.acus_consumed,
    sessions.has_pull_request,
    sessions.is_productive,
    sessions.own_pull_requests_count,
    sessions.own_merged_pull_requests_count
from sessions
join labels on labels.session_id = sessions.session_id
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
