-- One row per period, and one per period before it that it is compared with.
select
    place as period,
    false as is_before,
    since,
    until
from report_page.periods
union all
select
    place as period,
    true as is_before,
    before_since as since,
    since as until
from report_page.periods
where before_since is not null
