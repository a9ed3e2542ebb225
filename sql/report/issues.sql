-- One row per choice of organizations, period, label and impact of issues that analyses found.
-- The twelve that most sessions have. Users choose what is analysed: a biased sample.
--
-- issues_count: Issues with this label and impact. [issues = count of insight_issues]
-- sessions_count: Analysed sessions with at least one; does not add up over rows.
--   [sessions = distinct session_id]
-- share: Share of the period's analysed sessions that have one.
--   [ratio = sessions_count / sessions where has_analysis]
-- acus_consumed: What these sessions have used to date; overlaps across labels.
--   [ACU = sum of sessions.acus_consumed over these sessions]
with found as (
    select
        session_id,
        label,
        impact,
        count(*) as issues_count
    from devin.insight_issues
    group by session_id, label, impact
),

analysed as (
    select
        facts.organization,
        periods.place as period,
        facts.session_id,
        facts.acus_consumed,
        count(*) over (partition by facts.organization, periods.place) as analysed_count
    from report_page.facts
    join report_page.periods
        on facts.created_date >= periods.since and facts.created_date < periods.until
    where facts.has_analysis
)

select
    analysed.organization,
    analysed.period,
    found.label,
    found.impact,
    cast(sum(found.issues_count) as bigint) as issues_count,
    count(*) as sessions_count,
    count(*) / max(analysed.analysed_count) as share,
    sum(analysed.acus_consumed) as acus_consumed,
    count(*) over (partition by analysed.organization, analysed.period) as rows_count
from analysed
join found on found.session_id = analysed.session_id
group by analysed.organization, analysed.period, found.label, found.impact
qualify
    row_number() over (
        partition by analysed.organization, analysed.period
        order by count(*) desc, found.label, found.impact
    ) <= 12
order by
    analysed.organization, analysed.period, sessions_count desc, found.label, found.impact
