-- One row per dimension and value, over all time: what came of the sessions of that value.
-- Compare rows of one dimension only. In the dimensions tag, programming_language and repository a
-- session is counted at each of its values, so that they overlap; in the others each session is in
-- one row. In dimension repository only the pull requests of that repository count, in the others
-- all of the row's sessions. Programming languages come from analyses, which users trigger: a
-- biased
-- sample. Deleted sessions are counted: they cost ACUs.
-- Value '(none)' holds the sessions without one.
--
-- dimension: category, origin, playbook, session_size, status, org, user, tag, programming_language
--   or repository. [text = name of what the sessions are grouped by]
-- value: The value that the row's sessions share; '(none)' where they have none.
--   [text = sessions' category, origin, playbook_id, session_size, status, org_id, user_id, tag,
--   programming_language, or repository of a pull request]
-- value_name: The value's name: that of an organization or user, else the value.
--   [text = organizations.name, users.name, else value]
-- sessions_count: Sessions with this value. [sessions = count of sessions]
-- acus_consumed: What they have used. [ACU = sum of sessions.acus_consumed]
-- sessions_with_pr_count: Of these sessions, with at least one pull request (of the repository).
--   [sessions = count of sessions where pull_requests_count > 0]
-- sessions_with_merged_pr_count: Of these sessions, with at least one merged (of the repository).
--   [sessions = count of sessions where is_productive]
-- session_merge_rate: Share of the sessions with a pull request that got one merged.
--   [ratio = sessions_with_merged_pr_count / sessions_with_pr_count]
-- pull_requests_count: Different pull requests of these sessions (in the repository); does not add
--   up over rows. [pull requests = distinct pr_url of the sessions' pull requests]
-- merged_pull_requests_count: Of these, merged; does not add up over rows.
--   [pull requests = distinct pr_url of the sessions' pull requests in state merged]
-- acus_per_merged_pull_request: ACUs of all these sessions for each merged pull request.
--   [ACU per pull request = acus_consumed / merged_pull_requests_count]
-- acus_without_merged_pr: ACUs of the sessions that got no pull request merged (in the repository).
--   [ACU = sum of sessions.acus_consumed where not is_productive]
with shared_pull_requests as (
    select
        dimension,
        value,
        count(distinct pr_url) as pull_requests_count,
        count(distinct pr_url) filter (where is_merged) as merged_pull_requests_count
    from prepared.shared_pull_request_groups
    group by dimension, value
),

outcomes as (
    select
        dimension,
        value,
        cast(sum(sessions_count) as bigint) as sessions_count,
        sum(acus_consumed) as acus_consumed,
        sum(acus_without_merged_pr) as acus_without_merged_pr,
        cast(sum(sessions_with_pr_count) as bigint) as sessions_with_pr_count,
        cast(sum(sessions_with_merged_pr_count) as bigint) as sessions_with_merged_pr_count,
        cast(sum(own_pull_requests_count) as bigint) as own_pull_requests_count,
        cast(sum(own_merged_pull_requests_count) as bigint) as own_merged_pull_requests_count
    from prepared.outcomes
    group by dimension, value
),

counted as (
    select
        outcomes.dimension,
        outcomes.value,
        outcomes.sessions_count,
        outcomes.acus_consumed,
        outcomes.acus_without_merged_pr,
        outcomes.sessions_with_pr_count,
        outcomes.sessions_with_merged_pr_count,
        outcomes.own_pull_requests_count + coalesce(shared.pull_requests_count, 0)
            as pull_requests_count,
        outcomes.own_merged_pull_requests_count + coalesce(shared.merged_pull_requests_count, 0)
            as merged_pull_requests_count
    from outcomes
    left join shared_pull_requests as shared
        on
            shared.dimension = outcomes.dimension
            and shared.value = outcomes.value
)

select
    counted.dimension,
    counted.value,
    case
        when counted.dimension = 'org' then coalesce(organizations.name, counted.value)
        when counted.dimension = 'user' then coalesce(users.name, counted.value)
        else counted.value
    end as value_name,
    counted.sessions_count,
    counted.acus_consumed,
    counted.sessions_with_pr_count,
    counted.sessions_with_merged_pr_count,
    counted.sessions_with_merged_pr_count
    / nullif(cast(counted.sessions_with_pr_count as double), 0) as session_merge_rate,
    counted.pull_requests_count,
    counted.merged_pull_requests_count,
    counted.acus_consumed / nullif(counted.merged_pull_requests_count, 0)
        as acus_per_merged_pull_request,
    counted.acus_without_merged_pr
from counted
left join devin.organizations on organizations.org_id = counted.value
left join devin.users on users.user_id = counted.value
