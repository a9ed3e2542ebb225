-- One row per day on which sessions were created and organization.
-- stored: few rows, for which all sessions would be counted at each question.
-- A cohort: everything that the sessions of that day have come to since, and so not what was spent
-- on that day. Days without a session have no row. Deleted sessions are counted: they cost ACUs.
-- Distinct counts do not add up over rows: a pull request may belong to sessions of several days.
-- The first count gives each pull request to its first session, and adds up.
--
-- created_date: Day on which the sessions were created, UTC. [date = date of sessions.created_at]
-- sessions_count: Sessions created that day. [sessions = count of sessions]
-- human_sessions_count: Of these, started by people. [sessions = count of sessions where is_human]
-- active_users_count: People who started at least one of them; does not add up over days.
--   [users = distinct user_id of sessions where is_human]
-- acus_consumed: What these sessions have used to date; not the spend of that day.
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
with shared_pull_requests as (
    select
        facts.created_date,
        facts.org_id,
        count(distinct shared.pr_url) as pull_requests_count,
        count(distinct shared.pr_url) filter (where shared.is_merged)
            as merged_pull_requests_count
    from prepared.shared_pull_requests as shared
    join prepared.session_facts as facts on facts.session_id = shared.session_id
    group by facts.created_date, facts.org_id
),

usage as (
    select
        created_date,
        org_id,
        count(*) as sessions_count,
        count(*) filter (where is_human) as human_sessions_count,
        count(distinct user_id) filter (where is_human) as active_users_count,
        coalesce(sum(acus_consumed), 0) as acus_consumed,
        count(*) filter (where pull_requests_count > 0) as sessions_with_pr_count,
        count(*) filter (where is_productive) as sessions_with_merged_pr_count,
        cast(sum(own_pull_requests_count) as bigint) as own_pull_requests_count,
        cast(sum(own_merged_pull_requests_count) as bigint) as own_merged_pull_requests_count,
        cast(sum(merged_pull_requests_first_count) as bigint) as merged_pull_requests_first_count
    from prepared.session_facts
    group by created_date, org_id
)

select
    usage.created_date,
    usage.org_id,
    coalesce(organizations.name, usage.org_id) as org_name,
    usage.sessions_count,
    usage.human_sessions_count,
    usage.active_users_count,
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
        shared.created_date is not distinct from usage.created_date
        and shared.org_id is not distinct from usage.org_id
left join devin.organizations on organizations.org_id = usage.org_id
