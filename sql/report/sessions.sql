-- One row per choice of organizations, period, kind and session that wants a look.
-- The twelve of each kind that have used most. Kind unmerged: settled without a merged pull request;
-- research and reviews need none, see their category. Kind unfinished: failed, or still open.
--
-- title: Title as shown in Devin; cut short after 120 characters. [text = sessions.title]
-- created_date: When it was created. [date = date of sessions.created_at]
-- acus_consumed: What it has used to date. [ACU = sessions.acus_consumed]
select
    facts.organization,
    periods.place as period,
    kinds.kind,
    facts.session_id,
    left(facts.title, 120) as title,
    facts.url,
    facts.org_name,
    facts.category,
    facts.condition,
    facts.status,
    facts.status_detail,
    facts.created_date,
    facts.acus_consumed,
    count(*) over (partition by facts.organization, periods.place, kinds.kind) as rows_count
from report_page.facts
join report_page.periods
    on facts.created_date >= periods.since and facts.created_date < periods.until
cross join lateral (
    values
    ('unmerged', facts.is_settled and not facts.is_productive),
    ('unfinished', facts.condition <> 'ended')
) as kinds(kind, applies)
where kinds.applies
qualify
    row_number() over (
        partition by facts.organization, periods.place, kinds.kind
        order by facts.acus_consumed desc, facts.session_id
    ) <= 12
order by
    facts.organization, periods.place, kinds.kind, facts.acus_consumed desc, facts.session_id
