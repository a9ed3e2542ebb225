-- One row per choice of organizations, period, column and series: ACUs of sessions created then.
-- The five organizations with the most ACUs over all time have a series each; the others share one.
--
-- acus_consumed: What the sessions created then have used to date; not the bill.
--   [ACU = sum of sessions.acus_consumed]
with series as (
    select
        organizations.place as organization,
        drawn.place as series
    from report_page.organizations
    join report_page.organizations as drawn
        on drawn.place = organizations.place or (organizations.place = 0 and drawn.place <= 5)
),

owned as (
    select
        facts.organization,
        facts.created_date,
        facts.acus_consumed,
        case
            when facts.organization > 0 then facts.organization
            when own.place <= 5 then own.place
            else 0
        end as series
    from report_page.facts
    left join report_page.organizations as own on own.org_id = facts.org_id
)

select
    columns.organization,
    columns.period,
    columns.since,
    columns.until <= any_value(calendar.today) as is_complete,
    series.series,
    coalesce(sum(owned.acus_consumed), 0) as acus_consumed
from report_page.columns
cross join report_page.calendar
join series on series.organization = columns.organization
left join owned
    on
        owned.organization = columns.organization
        and owned.series = series.series
        and owned.created_date >= columns.since
        and owned.created_date < columns.until
group by columns.organization, columns.period, columns.since, columns.until, series.series
order by columns.organization, columns.period, columns.since, series.series
