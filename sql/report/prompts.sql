-- One row per choice of organizations, period and user with an analysed session.
-- The twelve users with most analysed sessions. Sessions with and without remarks differ in more
-- than their prompts. Users choose what is analysed: a biased sample.
--
-- analysed_count: The user's analysed sessions. [sessions = count of sessions where has_analysis]
-- feedback_share: Share of these whose prompt the analysis remarks on.
--   [ratio = analysed sessions where feedback_items_count > 0 / analysed_count]
-- feedback_per_session: Remarks for each analysed session.
--   [remarks per session = sum of sessions.feedback_items_count / analysed_count]
-- merge_rate_with_feedback: Share of the analysed sessions with remarks and a pull request that got
--   one merged. [ratio = of these, sessions where is_productive / where pull_requests_count > 0]
-- merge_rate_without_feedback: Share of the analysed sessions without remarks and with a pull
--   request that got one merged.
--   [ratio = of these, sessions where is_productive / where pull_requests_count > 0]
select
    facts.organization,
    periods.place as period,
    facts.user_name,
    count(*) as analysed_count,
    count(*) filter (where facts.feedback_items_count > 0) / count(*) as feedback_share,
    sum(facts.feedback_items_count) / count(*) as feedback_per_session,
    count(*) filter (where facts.feedback_items_count > 0 and facts.is_productive)
    / nullif(count(*) filter (where facts.feedback_items_count > 0 and facts.has_pull_request), 0)
        as merge_rate_with_feedback,
    count(*) filter (where facts.feedback_items_count = 0 and facts.is_productive)
    / nullif(count(*) filter (where facts.feedback_items_count = 0 and facts.has_pull_request), 0)
        as merge_rate_without_feedback,
    count(*) over (partition by facts.organization, periods.place) as rows_count
from report_page.facts
join report_page.periods
    on facts.created_date >= periods.since and facts.created_date < periods.until
where facts.has_analysis and facts.user_name is not null
group by facts.organization, periods.place, facts.user_id, facts.user_name
qualify
    row_number() over (
        partition by facts.organization, periods.place order by count(*) desc, facts.user_name
    ) <= 12
order by facts.organization, periods.place, analysed_count desc, facts.user_name
