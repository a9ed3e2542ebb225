-- One row per session, with what is counted over its lists.
-- Deleted sessions are included: they cost ACUs. The columns of table devin.sessions are as there.
-- Analysis is triggered by users: issues, action items and feedback are those of analysed sessions,
-- a biased sample; the counts of the others are 0. Who is human follows from origin, which only API
-- v3 tells: over v2, every session with a user is.
--
-- org_name: The organization's name, else its id. [text = organizations.name, else org_id]
-- user_name: The user's name, else their id. [text = users.name, else user_id]
-- initial_user_message: What the user asked for first (v2). [text =
--   session_prompts.initial_user_message]
-- session_size: xs, s, m, l or xl, by ACUs and messages (v3). [text = insights.session_size]
-- num_user_messages: Messages by the user (v3). [messages = insights.num_user_messages]
-- num_devin_messages: Messages by Devin (v3). [messages = insights.num_devin_messages]
-- has_analysis: Whether it has been analysed. [true or false = insights.has_analysis, else false]
-- acus_consumed: Agent compute units that it has used so far. [ACU = devin.sessions.acus_consumed]
-- created_date: Day on which it was created, UTC. [date = date of created_at]
-- duration_seconds: Its age when last updated: an upper bound of how long it worked, since the API
--   tells no end. [seconds = updated_at - created_at]
-- is_terminal: Whether it has ended for good. [true or false = status is exit or error]
-- is_finished: Whether it has done what it was to do. [true or false = status is exit; or suspended
--   with status_detail inactivity or user_request; or running with finished]
-- is_human: Whether a person started it. [true or false = user_id is set, and origin is not
--   automation, scheduled or code_scan]
-- pull_requests_count: Entries of its list of pull requests; one may stand there twice.
--   [entries = count of session_pull_requests]
-- open_pull_requests_count: Of these, open. [entries = count of session_pull_requests where open]
-- merged_pull_requests_count: Of these, merged.
--   [entries = count of session_pull_requests where merged]
-- closed_pull_requests_count: Of these, closed without being merged.
--   [entries = count of session_pull_requests where closed]
-- is_productive: Whether it got a pull request merged.
--   [true or false = merged_pull_requests_count >= 1]
-- issues_count: Issues that its analysis found. [issues = count of insight_issues]
-- action_items_count: Action items that its analysis proposes.
--   [action items = count of insight_action_items]
-- feedback_items_count: Remarks of its analysis on the prompt.
--   [remarks = count of insight_feedback_items]
-- root_session_id: The session that its family began with: itself, if no other started it.
--   [id = the topmost session over parent_session_id]
-- is_deleted: Whether the API knows it no longer. [true or false = is in deleted_sessions]
select
    sessions.session_id,
    sessions.org_id,
    coalesce(organizations.name, sessions.org_id) as org_name,
    sessions.user_id,
    coalesce(users.name, sessions.user_id) as user_name,
    sessions.service_user_id,
    sessions.title,
    sessions.url,
    sessions.status,
    sessions.status_detail,
    sessions.origin,
    sessions.category,
    sessions.subcategory,
    sessions.playbook_id,
    sessions.parent_session_id,
    sessions.is_archived,
    sessions.acus_consumed,
    sessions.created_at,
    sessions.updated_at,
    sessions.structured_output,
    sessions.api_version,
    sessions.extra,
    session_prompts.initial_user_message,
    session_facts.session_size,
    session_facts.num_user_messages,
    session_facts.num_devin_messages,
    session_facts.has_analysis,
    session_facts.created_date,
    date_diff('microsecond', sessions.created_at, sessions.updated_at) / cast(1000000 as double)
        as duration_seconds,
    coalesce(sessions.status in ('exit', 'error'), false) as is_terminal,
    coalesce(
        sessions.status = 'exit'
        or (
            sessions.status = 'suspended'
            and sessions.status_detail in ('inactivity', 'user_request')
        )
        or (sessions.status = 'running' and sessions.status_detail = 'finished'),
        false
    ) as is_finished,
    session_facts.is_human,
    session_facts.pull_requests_count,
    session_facts.open_pull_requests_count,
    session_facts.merged_pull_requests_count,
    session_facts.closed_pull_requests_count,
    session_facts.is_productive,
    session_facts.issues_count,
    session_facts.action_items_count,
    session_facts.feedback_items_count,
    session_facts.root_session_id,
    session_facts.is_deleted
from devin.sessions
join prepared.session_facts on session_facts.session_id = sessions.session_id
left join devin.session_prompts on session_prompts.session_id = sessions.session_id
left join devin.organizations on organizations.org_id = sessions.org_id
left join devin.users on users.user_id = sessions.user_id
