-- One row per month in which sessions were created, dimension and value.
-- The same as outcomes_by_dimension, month by month, and with the same caveats. The latest months
-- are censored: their sessions may still get pull requests merged. sessions_settled_count says how
-- many are old enough to be judged.
--
-- month: First day of the month in which the sessions were created, UTC.
--   [date = month of sessions.created_at]
-- dimension: category, origin, playbook, session_size, status, org, user, tag, programming_language
--   or repository. [text = name of what the sessions are grouped by]
-- value: The value that the row's sessions share; '(none)' where they have none.
--   [text = sessions' category, origin, playbook_id, session_size, status, org_id, user_id, tag,
--   programming_language, or repository of a pull request]
-- value_name: The value's name: that of an organization or user, else the value.
--   [text = organizations.name, users.name, else value]
-- sessions_count: Sessions of that month with this value. [sessions = count of sessions]
-- sessions_settled_count: Of these, older than 14 days at the watermark; younger ones are censored.
--   [sessions = count of sessions where created_at < watermark - 14 days]
-- acus_consumed: What they have used to date. [ACU = sum of sessions.acus_consumed]
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
        month,
        dimension,
        value,
        count(distinct pr_url) as pull_requests_count,
        count(distinct pr_url) filter (where is_merged) as merged_pull_requests_count
    from prepared.shared_pull_request_groups
    group by month, dimension, value
),

counted as (
    select
        outcomes.month,
        outcomes.dimension,
        outcomes.value,
        outcomes.sessions_count,
        outcomes.sessions_settled_count,
        outcomes.acus_consumed,
        outcomes.acus_without_merged_pr,
        outcomes.sessions_with_pr_count,
        outcomes.sessions_with_merged_pr_count,
        outcomes.own_pull_requests_count + coalesce(shared.pull_requests_count, 0)
            as pull_requests_count,
        outcomes.own_merged_pull_requests_count + coalesce(shared.merged_pull_requests_count, 0)
            as merged_pull_requests_count
    from prepared.outcomes
    left join shared_pull_requests as shared
        on
            shared.month is not distinct from outcomes.month
            and shared.dimension = outcomes.dimension
            and shared.value = outcomes.value
)

select
    counted.month,
    counted.dimension,
    counted.value,
    case
        when counted.dimension = 'org' then coalesce(organizations.name, counted.value)
        when counted.dimension = 'user' then coalesce(users.name, counted.value)
        else counted.value
    end as value_name,
    counted.sessions_count,
    counted.sessions_settled_count,
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
