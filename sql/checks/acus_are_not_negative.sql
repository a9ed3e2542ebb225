-- severity: warn
-- The API counts no negative ACUs.
select session_id, acus_consumed
from devin.sessions
where acus_consumed < 0
order by acus_consumed, session_id
