-- severity: warn
-- The API lets no session be updated before it is created.
select session_id, created_at, updated_at
from devin.sessions
where updated_at < created_at
order by session_id
