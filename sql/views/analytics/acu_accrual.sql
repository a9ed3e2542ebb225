-- One row per session and time at which a run saw it in a new state.
-- stored: one pass over the whole history takes longer than a reader wants to wait.
-- Where a run saw several states of a session, the highest counter counts. The first step is all
-- that a session had used when it was first seen, so that its steps add up to what it has used; on
-- the day of a warehouse's first load that is the use of all the time before. A step may be
-- negative, if the API corrects itself.
--
-- observed_at: When a run saw the state, UTC. [timestamp = session_versions.observed_at]
-- acus_consumed: What the session had used by then. [ACU = session_versions.acus_consumed]
-- step: What it had used since it was last seen in another state; at first, all of it.
--   [ACU = acus_consumed minus that of the session's previous observed_at, else minus 0]
with states as (
    select
        session_id,
        observed_at,
        max(acus_consumed) as acus_consumed
    from devin.session_versions
    where acus_consumed is not null
    group by session_id, observed_at
)

select
    session_id,
    observed_at,
    acus_consumed,
    acus_consumed
    - coalesce(lag(acus_consumed) over (partition by session_id order by observed_at), 0) as step
from states
