-- One row per choice of organizations, period and session that failed or has not ended.
-- The 15 that have used most.
--
-- title: Title as shown in Devin; cut short after 120 characters. [text = sessions.title]
-- created_date: When it was created. [date = date of sessions.created_at]
-- acus_consumed: What it has used to date. [ACU = sessions.acus_consumed]
select
    facts.organization,
    periods.place as period,
    facts.session_id,
    left(facts.title, 120) as title,
    facts.url,
    facts.org_name,
    facts.condition,
    facts.status,
    facts.status_detail,
    facts.created_date,
    facts.acus_consumed,
    count(*) over (partition by facts.organization, periods.place) as rows_count
from report_page.facts
join report_page.periods
    on facts.created_date >= periods.since and facts.created_date < periods.until
where facts.condition <> 'ended'
qualify
    row_number() over (
        partition by facts.organization, periods.place
        order by facts.acus_consumed desc, facts.session_id
    ) <= 15
order by facts.organization, periods.place, facts.acus_consumed desc, facts.session_id
