-- One row per session and time at which a run saw it in a new state.
-- stored by session_id: one pass over the whole history takes longer than a reader wants to wait.
-- Where a run saw several states of a session, the highest counter counts. What a session had used
-- before it was first seen is no step: nobody knows when that was. A step may be negative, if the
-- API corrects itself.
--
-- observed_at: When a run saw the state, UTC. [timestamp = session_versions.observed_at]
-- acus_consumed: What the session had used by then. [ACU = session_versions.acus_consumed]
-- step: What it had used since it was last seen in another state; 0 at first.
--   [ACU = acus_consumed minus that of the session's previous observed_at, else 0]
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
    coalesce(
        acus_consumed - lag(acus_consumed) over (partition by session_id order by observed_at), 0
    ) as step
from states
