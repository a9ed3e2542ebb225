-- One row per choice of organizations: people on the last complete day, and before it.
--
-- dau: People with a session that day. [users = adoption_daily.dau]
-- wau: People with a session within the seven days that end with it. [users = adoption_daily.wau]
-- mau: People with a session within the 28 days that end with it. [users = adoption_daily.mau]
-- stickiness: Share of the people of 28 days who came that day. [ratio = adoption_daily.stickiness]
select
    organizations.place as organization,
    adoption.date,
    adoption.dau,
    adoption.wau,
    adoption.mau,
    adoption.stickiness
from analytics.adoption_daily as adoption
join report_page.calendar on adoption.date = calendar.today - 1
join report_page.organizations on organizations.org_id is not distinct from adoption.org_id
