-- One row per root session: a session that no other started, with all that it led to.
-- stored by root_session_id: putting all families together takes longer than a reader waits.
-- A session whose parent is missing is its own root; where sessions are each other's parents, the
-- smallest id is the root. Whether a parent's ACUs include its children's is undocumented: if they
-- do, own_acus is the whole and family_acus too much.
--
-- root_session_id: The root. [id = sessions.root_session_id]
-- sessions_count: Sessions of the family, the root included. [sessions = count of sessions]
-- own_acus: What the root has used by itself, as far as that is known.
--   [ACU = sessions.acus_consumed of the root]
-- family_acus: What all sessions of the family have used. [ACU = sum of sessions.acus_consumed]
-- pull_requests_count: Different pull requests of the family; does not add up over families.
--   [pull requests = distinct pr_url of the sessions' pull requests]
-- merged_pull_requests_count: Of these, merged; does not add up over families.
--   [pull requests = distinct pr_url of the sessions' pull requests in state merged]
-- depth: How many generations there are below the root; 0 for a session on its own.
--   [generations = longest way from the root down]
with pull_requests as (
    select
        facts.root_session_id,
        count(distinct pull_requests.pr_url) as pull_requests_count,
        count(distinct pull_requests.pr_url) filter (where lower(pull_requests.pr_state) = 'merged')
            as merged_pull_requests_count
    from devin.session_pull_requests as pull_requests
    join prepared.session_facts as facts on facts.session_id = pull_requests.session_id
    group by facts.root_session_id
),

families as (
    select
        root_session_id,
        count(*) as sessions_count,
        coalesce(sum(acus_consumed) filter (where session_id = root_session_id), 0) as own_acus,
        coalesce(sum(acus_consumed), 0) as family_acus,
        max(depth) as depth
    from prepared.session_facts
    group by root_session_id
)

select
    families.root_session_id,
    families.sessions_count,
    families.own_acus,
    families.family_acus,
    coalesce(pull_requests.pull_requests_count, 0) as pull_requests_count,
    coalesce(pull_requests.merged_pull_requests_count, 0) as merged_pull_requests_count,
    families.depth
from families
left join pull_requests on pull_requests.root_session_id = families.root_session_id
