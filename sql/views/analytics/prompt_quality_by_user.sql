-- One row per organization and user with an analysed session; users trigger analyses, so a biased sample.
-- See insight_coverage_monthly for which share of all sessions has been analysed. Feedback is an
-- analysis' remarks on the session's prompt. A session's
-- merge rate with and without them compares sessions that differ in more than their prompt.
-- Sessions of service users have no user_id and are in one row an organization.
--
-- analysed_sessions_count: The user's analysed sessions.
--   [sessions = count of sessions where has_analysis]
-- sessions_with_feedback_count: Of these, with a remark on the prompt.
--   [sessions = count of analysed sessions where feedback_items_count > 0]
-- feedback_share: Share of the analysed sessions with a remark on the prompt.
--   [ratio = sessions_with_feedback_count / analysed_sessions_count]
-- feedback_items_count: Remarks on the prompts of these sessions.
--   [remarks = sum of sessions.feedback_items_count]
-- feedback_items_per_session: Remarks for each analysed session.
--   [remarks per session = feedback_items_count / analysed_sessions_count]
-- avg_original_prompt_length: Average length of the prompts that the analyses looked at, where
--   there is one. [characters = average of length(insights.original_prompt)]
-- avg_suggested_prompt_length: Average length of the prompts that they suggest instead, where
--   there is one. [characters = average of length(insights.suggested_prompt)]
-- sessions_with_pr_with_feedback_count: Sessions with remarks, and with a pull request.
--   [sessions = count of analysed sessions with feedback where pull_requests_count > 0]
-- sessions_with_merged_pr_with_feedback_count: Of these, with a merged one.
--   [sessions = count of analysed sessions with feedback where is_productive]
-- session_merge_rate_with_feedback: Share of the sessions with remarks and a pull request that got
--   one merged. [ratio = sessions_with_merged_pr_with_feedback_count /
--   sessions_with_pr_with_feedback_count]
-- sessions_with_pr_without_feedback_count: Analysed sessions without remarks, with a pull request.
--   [sessions = count of analysed sessions without feedback where pull_requests_count > 0]
-- sessions_with_merged_pr_without_feedback_count: Of these, with a merged one.
--   [sessions = count of analysed sessions without feedback where is_productive]
-- session_merge_rate_without_feedback: Share of the analysed sessions without remarks, with a pull
--   request, that got one merged. [ratio = sessions_with_merged_pr_without_feedback_count /
--   sessions_with_pr_without_feedback_count]
with analysed as (
    select
        sessions.org_id,
        sessions.org_name,
        sessions.user_id,
        sessions.user_name,
        sessions.feedback_items_count,
        length(insights.original_prompt) as original_prompt_length,
        length(insights.suggested_prompt) as suggested_prompt_length,
        sessions.feedback_items_count > 0 as has_feedback,
        sessions.pull_requests_count > 0 as has_pull_request,
        sessions.is_productive
    from analytics.sessions
    join devin.insights on insights.session_id = sessions.session_id
    where insights.has_analysis
),

counts as (
    select
        org_id,
        org_name,
        user_id,
        user_name,
        count(*) as analysed_sessions_count,
        count(*) filter (where has_feedback) as sessions_with_feedback_count,
        cast(sum(feedback_items_count) as bigint) as feedback_items_count,
        avg(cast(original_prompt_length as double)) as avg_original_prompt_length,
        avg(cast(suggested_prompt_length as double)) as avg_suggested_prompt_length,
        count(*) filter (where has_feedback and has_pull_request)
            as sessions_with_pr_with_feedback_count,
        count(*) filter (where has_feedback and is_productive)
            as sessions_with_merged_pr_with_feedback_count,
        count(*) filter (where not has_feedback and has_pull_request)
            as sessions_with_pr_without_feedback_count,
        count(*) filter (where not has_feedback and is_productive)
            as sessions_with_merged_pr_without_feedback_count
    from analysed
    group by org_id, org_name, user_id, user_name
)

select
    org_id,
    org_name,
    user_id,
    user_name,
    analysed_sessions_count,
    sessions_with_feedback_count,
    sessions_with_feedback_count / cast(analysed_sessions_count as double) as feedback_share,
    feedback_items_count,
    feedback_items_count / cast(analysed_sessions_count as double) as feedback_items_per_session,
    avg_original_prompt_length,
    avg_suggested_prompt_length,
    sessions_with_pr_with_feedback_count,
    sessions_with_merged_pr_with_feedback_count,
    sessions_with_merged_pr_with_feedback_count
    / nullif(cast(sessions_with_pr_with_feedback_count as double), 0)
        as session_merge_rate_with_feedback,
    sessions_with_pr_without_feedback_count,
    sessions_with_merged_pr_without_feedback_count,
    sessions_with_merged_pr_without_feedback_count
    / nullif(cast(sessions_with_pr_without_feedback_count as double), 0)
        as session_merge_rate_without_feedback
from counts
