-- One row per month in which sessions were created, organization and actor.
-- stored: few rows, for which all sessions would be counted at each question.
-- A cohort, like usage_daily: what the sessions of that month have come to since. Who started a
-- session is its user, else its service user, else unknown. Deleted sessions are counted.
-- Distinct counts do not add up over rows; the first count does.
--
-- month: First day of the month in which the sessions were created, UTC.
--   [date = month of sessions.created_at]
-- actor_type: user, service_user or unknown. [text = user if user_id is set, else service_user if
--   service_user_id is set, else unknown]
-- actor_id: Who started the sessions; NULL if unknown. [id = user_id, else service_user_id]
-- sessions_count: Sessions created that month. [sessions = count of sessions]
-- human_sessions_count: Of these, started by people. [sessions = count of sessions where is_human]
-- acus_consumed: What these sessions have used to date; not the spend of that month.
--   [ACU = sum of sessions.acus_consumed]
-- sessions_with_pr_count: Of these sessions, with at least one pull request.
--   [sessions = count of sessions where pull_requests_count > 0]
-- sessions_with_merged_pr_count: Of these sessions, with at least one merged pull request.
--   [sessions = count of sessions where is_productive]
-- pull_requests_count: Different pull requests of these sessions; does not add up over rows.
--   [pull requests = distinct pr_url of the sessions' pull requests]
-- merged_pull_requests_count: Of these, merged; does not add up over rows.
--   [pull requests = distinct pr_url of the sessions' pull requests in state merged]
-- merged_pull_requests_first_count: Merged pull requests whose first session is one of these; adds
--   up. [pull requests = count of pull_requests where state is merged, at their first_session_id]
with sessions as (
    select
        session_id,
        created_month as month,
        org_id,
        case
            when user_id is not null then 'user'
            when service_user_id is not null then 'service_user'
            else 'unknown'
        end as actor_type,
        coalesce(user_id, service_user_id) as actor_id,
        is_human,
        is_productive,
        acus_consumed,
        pull_requests_count,
        own_pull_requests_count,
        own_merged_pull_requests_count,
        merged_pull_requests_first_count
    from prepared.session_facts
),

shared_pull_requests as (
    select
        sessions.month,
        sessions.org_id,
        sessions.actor_type,
        sessions.actor_id,
        count(distinct shared.pr_url) as pull_requests_count,
        count(distinct shared.pr_url) filter (where shared.is_merged)
            as merged_pull_requests_count
    from prepared.shared_pull_requests as shared
    join sessions on sessions.session_id = shared.session_id
    group by sessions.month, sessions.org_id, sessions.actor_type, sessions.actor_id
),

usage as (
    select
        month,
        org_id,
        actor_type,
        actor_id,
        count(*) as sessions_count,
        count(*) filter (where is_human) as human_sessions_count,
        coalesce(sum(acus_consumed), 0) as acus_consumed,
        count(*) filter (where pull_requests_count > 0) as sessions_with_pr_count,
        count(*) filter (where is_productive) as sessions_with_merged_pr_count,
        cast(sum(own_pull_requests_count) as bigint) as own_pull_requests_count,
        cast(sum(own_merged_pull_requests_count) as bigint) as own_merged_pull_requests_count,
        cast(sum(merged_pull_requests_first_count) as bigint) as merged_pull_requests_first_count
    from sessions
    group by month, org_id, actor_type, actor_id
)

select
    usage.month,
    usage.org_id,
    coalesce(organizations.name, usage.org_id) as org_name,
    usage.actor_type,
    usage.actor_id,
    usage.sessions_count,
    usage.human_sessions_count,
    usage.acus_consumed,
    usage.sessions_with_pr_count,
    usage.sessions_with_merged_pr_count,
    usage.own_pull_requests_count + coalesce(shared.pull_requests_count, 0) as pull_requests_count,
    usage.own_merged_pull_requests_count + coalesce(shared.merged_pull_requests_count, 0)
        as merged_pull_requests_count,
    usage.merged_pull_requests_first_count
from usage
left join shared_pull_requests as shared
    on
        shared.month is not distinct from usage.month
        and shared.org_id is not distinct from usage.org_id
        and shared.actor_type = usage.actor_type
        and shared.actor_id is not distinct from usage.actor_id
left join devin.organizations on organizations.org_id = usage.org_id
