-- One row per choice of organizations, period and knowledge note that was said to hurt.
-- The eight that hurt most often. Users choose what is analysed: a biased sample.
--
-- bad_usages_count: How often it hurt. [usages = count of insight_note_usages where bad]
-- good_usages_count: How often it helped. [usages = count of insight_note_usages where good]
-- message: Where the latest session used it; cut short after 200 characters.
--   [text = insight_note_usages.message]
-- reason: Why it hurt the latest session; cut short after 200 characters.
--   [text = insight_note_usages.reason]
select
    facts.organization,
    periods.place as period,
    usages.note_id,
    count(*) filter (where usages.usage = 'bad') as bad_usages_count,
    count(*) filter (where usages.usage = 'good') as good_usages_count,
    arg_max(left(usages.reason, 200), (facts.created_date, facts.session_id, usages.position))
        filter (where usages.usage = 'bad') as reason,
    arg_max(left(usages.message, 200), (facts.created_date, facts.session_id, usages.position))
        filter (where usages.usage = 'bad') as message,
    count(*) over (partition by facts.organization, periods.place) as rows_count
from devin.insight_note_usages as usages
join report_page.facts on facts.session_id = usages.session_id
join report_page.periods
    on facts.created_date >= periods.since and facts.created_date < periods.until
group by facts.organization, periods.place, usages.note_id
having count(*) filter (where usages.usage = 'bad') > 0
qualify
    row_number() over (
        partition by facts.organization, periods.place
        order by bad_usages_count desc, good_usages_count, usages.note_id
    ) <= 8
order by
    facts.organization, periods.place, bad_usages_count desc, good_usages_count, usages.note_id
