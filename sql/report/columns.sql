-- One row per choice of organizations, period and column of its charts, empty ones too.
-- The first column begins before the period where that does not begin with a week or a month; the
-- last one is the watermark's, and incomplete.
with steps(grain, step) as (
    values
    ('day', interval '1 day'),
    ('week', interval '7 days'),
    ('month', interval '1 month')
),

starts as (
    select
        periods.place as period,
        steps.step,
        unnest(
            generate_series(
                date_trunc(steps.grain, cast(periods.since as timestamp)),
                cast(calendar.today as timestamp),
                steps.step
            )
        ) as since
    from report_page.periods
    join steps on steps.grain = periods.grain
    cross join report_page.calendar
)

select
    organizations.place as organization,
    starts.period,
    cast(starts.since as date) as since,
    cast(starts.since + starts.step as date) as until
from starts
cross join report_page.organizations
