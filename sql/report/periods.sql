-- One row per period that can be chosen: whole days, the last of them the day before the watermark's.
-- A period as long as the whole history, or longer, is left out for the one over all time.
--
-- place: Order in which they are offered, the shortest first.
-- title: What it is called.
-- since: Its first day.
-- until: The day after its last one.
-- grain: What its charts draw a column for: day, week or month.
-- before_since: First day of the period before it, as long and next to it; NULL if the history does
--   not reach back so far, and nothing is compared.
with lengths(place, title, days) as (
    values
    (1, 'Last 7 days', 7),
    (2, 'Last 4 weeks', 28),
    (3, 'Last 12 weeks', 84),
    (4, 'Last 52 weeks', 364),
    (5, 'All time', null)
),

periods as (
    select
        lengths.place,
        lengths.title,
        lengths.days,
        coalesce(calendar.today - lengths.days, calendar.first_date) as since,
        calendar.today as until,
        calendar.first_date
    from lengths
    cross join report_page.calendar
    where calendar.first_date is not null
)

select
    place,
    title,
    since,
    until,
    case
        when until - since <= 31 then 'day'
        when until - since <= 120 then 'week'
        else 'month'
    end as grain,
    case when since - days >= first_date then since - days end as before_since
from periods
where days is null or since > first_date
order by place
