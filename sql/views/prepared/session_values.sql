-- One row per session, dimension and value: what a session is grouped by, but for its repositories.
-- A session has a value once, however often it names it; where it names none, it has '(none)'.
with dimensions as (
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
    from devin.sessions
    left join devin.session_tags on session_tags.session_id = sessions.session_id
),

programming_languages as (
    select distinct
        sessions.session_id,
        coalesce(languages.programming_language, '(none)') as value
    from devin.sessions
    left join devin.insight_programming_languages as languages
        on languages.session_id = sessions.session_id
)

select
    sessions.session_id,
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
    ) as value
from prepared.session_facts as sessions
cross join dimensions
union all
select
    session_id,
    'tag' as dimension,
    value
from tags
union all
select
    session_id,
    'programming_language' as dimension,
    value
from programming_languages
