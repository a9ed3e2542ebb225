-- One row per session and choice of organizations that it belongs to: all together, and its own.
with first_pull_requests as (
    select
        first_session_id as session_id,
        count(*) as pull_requests_count,
        count(*) filter (where lower(state) = 'merged') as merged_pull_requests_count
    from analytics.pull_requests
    group by first_session_id
),

sessions as (
    select
        sessions.*,
        row_number() over (partition by user_id, is_human order by created_at, session_id) = 1
        and is_human as is_first_of_user
    from analytics.sessions
    where created_date is not null
)

select
    organizations.place as organization,
    sessions.session_id,
    sessions.created_date,
    sessions.created_at < calendar.settled_before as is_settled,
    sessions.org_id,
    sessions.org_name,
    case when sessions.is_human then sessions.user_id end as human_user_id,
    sessions.is_first_of_user,
    sessions.user_id,
    sessions.user_name,
    coalesce(sessions.acus_consumed, 0) as acus_consumed,
    sessions.category,
    sessions.origin,
    sessions.title,
    sessions.url,
    sessions.status,
    sessions.status_detail,
    sessions.pull_requests_count > 0 as has_pull_request,
    sessions.is_productive,
    coalesce(firsts.pull_requests_count, 0) as pull_requests_count,
    coalesce(firsts.merged_pull_requests_count, 0) as merged_pull_requests_count,
    coalesce(sessions.has_analysis, false) as has_analysis,
    sessions.feedback_items_count,
    case
        when
            sessions.status = 'error'
            or (
                sessions.status = 'suspended'
                and sessions.status_detail not in ('inactivity', 'user_request')
            )
            then 'failed'
        when not sessions.is_terminal and not sessions.is_finished then 'open'
        else 'ended'
    end as condition
from sessions
cross join report_page.calendar
join report_page.organizations
    on organizations.place = 0 or organizations.org_id = sessions.org_id
left join first_pull_requests as firsts on firsts.session_id = sessions.session_id
