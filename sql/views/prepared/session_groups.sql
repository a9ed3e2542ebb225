-- One row per session, dimension and value: the groups in which outcomes are counted.
-- A session is in a group once, however often it names the value; where it names none, it is in
-- the group '(none)'.
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

single_dimensions as (
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

repositories as (
    select distinct
        sessions.session_id,
        coalesce(urls.repository, '(none)') as value
    from sessions
    left join devin.session_pull_requests as pull_requests
        on pull_requests.session_id = sessions.session_id
    left join analytics.pull_requests as urls on urls.pr_url = pull_requests.pr_url
),

multiple_dimensions as (
    select session_id, 'tag' as dimension, value from tags
    union all
    select session_id, 'programming_language' as dimension, value from programming_languages
    union all
    select session_id, 'repository' as dimension, value from repositories
)

select
    sessions.session_id,
    sessions.month,
    single_dimensions.dimension,
    coalesce(
        case single_dimensions.dimension
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
cross join single_dimensions
union all
select
    sessions.session_id,
    sessions.month,
    multiple_dimensions.dimension,
    multiple_dimensions.value,
    sessions.created_at,
    sessions.acus_consumed,
    sessions.has_pull_request,
    sessions.is_productive,
    sessions.own_pull_requests_count,
    sessions.own_merged_pull_requests_count
from sessions
join multiple_dimensions on multiple_dimensions.session_id = sessions.session_id
