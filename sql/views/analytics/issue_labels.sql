-- One row per label and impact of found issues; users trigger analyses, so a biased sample.
-- See insight_coverage_monthly for which share of all sessions has been analysed. A session with
-- several labels is counted at each: sessions and ACUs
-- overlap, and do not add up over rows. Labels and impacts are free text of the API.
--
-- label: Kind of issue, free text. [text = insight_issues.label]
-- impact: How bad, free text. [text = insight_issues.impact]
-- issues_count: Issues with this label and impact. [issues = count of insight_issues]
-- sessions_count: Sessions with at least one of them; does not add up over rows.
--   [sessions = distinct session_id]
-- acus_consumed: What these sessions have used; overlaps across labels.
--   [ACU = sum of sessions.acus_consumed over these sessions]
-- analysed_sessions_count: All analysed sessions of the warehouse, the same on each row.
--   [sessions = count of sessions where has_analysis]
-- share_of_analysed_sessions: Share of all analysed sessions that have such an issue.
--   [ratio = sessions_count / analysed_sessions_count]
-- first_seen_at: When the first of these sessions was created, UTC.
--   [timestamp = min of sessions.created_at]
-- last_seen_at: When the last of these sessions was created, UTC.
--   [timestamp = max of sessions.created_at]
with issues as (
    select
        label,
        impact,
        session_id,
        count(*) as issues_count
    from devin.insight_issues
    group by label, impact, session_id
),

analysed as (
    select count(*) as analysed_sessions_count
    from devin.insights
    where has_analysis
)

select
    issues.label,
    issues.impact,
    cast(sum(issues.issues_count) as bigint) as issues_count,
    count(*) as sessions_count,
    coalesce(sum(sessions.acus_consumed), 0) as acus_consumed,
    analysed.analysed_sessions_count,
    count(*) / nullif(cast(analysed.analysed_sessions_count as double), 0)
        as share_of_analysed_sessions,
    min(sessions.created_at) as first_seen_at,
    max(sessions.created_at) as last_seen_at
from issues
join devin.sessions on sessions.session_id = issues.session_id
cross join analysed
group by issues.label, issues.impact, analysed.analysed_sessions_count
