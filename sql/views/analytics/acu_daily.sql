-- One row per day of observation and organization: how far ACU counters were seen to grow; not the bill.
-- stored: one pass over the whole history takes longer than a reader wants to wait.
-- Not the bill: local agents burn ACUs without a session, Devin's billing day starts at 08:00 UTC,
-- and what a session had used before it was first seen is left out. A step counts on the day on
-- which a run saw it: without runs, no rows.
--
-- date: Day on which runs saw the steps, UTC. [date = date of acu_accrual.observed_at]
-- acus_observed: By how much the sessions' ACUs were seen to grow that day; not the bill.
--   [ACU = sum of acu_accrual.step]
select
    cast(accrual.observed_at as date) as date,
    sessions.org_id,
    coalesce(organizations.name, sessions.org_id) as org_name,
    sum(accrual.step) as acus_observed
from analytics.acu_accrual as accrual
join devin.sessions on sessions.session_id = accrual.session_id
left join devin.organizations on organizations.org_id = sessions.org_id
group by
    cast(accrual.observed_at as date),
    sessions.org_id,
    coalesce(organizations.name, sessions.org_id)
