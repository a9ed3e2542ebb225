-- One row per choice of organizations, period and column: how many people came, and how many anew.
--
-- new_users: People whose first human session ever was in that column's time and organization.
--   [users = distinct user_id whose first session by created_at, session_id is of this row]
-- returning_users: The others who started a session then.
--   [users = distinct user_id of sessions where is_human - new_users]
-- is_complete: Whether its time was over at the watermark.
select
    columns.organization,
    columns.period,
    columns.since,
    columns.until <= any_value(calendar.today) as is_complete,
    count(*) filter (where facts.is_first_of_user) as new_users,
    count(distinct facts.human_user_id) - count(*) filter (where facts.is_first_of_user)
        as returning_users
from report_page.columns
cross join report_page.calendar
left join report_page.facts
    on
        facts.organization = columns.organization
        and facts.created_date >= columns.since
        and facts.created_date < columns.until
group by columns.organization, columns.period, columns.since, columns.until
order by columns.organization, columns.period, columns.since
