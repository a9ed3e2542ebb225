-- One row per choice of organizations, period and state of sessions that failed or have not ended.
--
-- condition: failed, where a session ended in an error or was stopped by a limit; open, where it
--   has not ended. [text = from sessions.status and status_detail]
-- sessions_count: Sessions that stand so. [sessions = count of sessions]
-- acus_consumed: What they have used to date. [ACU = sum of sessions.acus_consumed]
select
    facts.organization,
    periods.place as period,
    facts.condition,
    facts.status,
    facts.status_detail,
    count(*) as sessions_count,
    sum(facts.acus_consumed) as acus_consumed
from report_page.facts
join report_page.periods
    on facts.created_date >= periods.since and facts.created_date < periods.until
where facts.condition <> 'ended'
group by
    facts.organization, periods.place, facts.condition, facts.status, facts.status_detail
order by
    facts.organization, periods.place, facts.condition, sessions_count desc, facts.status,
    facts.status_detail
