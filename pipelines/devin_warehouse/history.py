"""History: each state in which a session or a pull request was ever seen, added once."""

from __future__ import annotations

from datetime import datetime

import duckdb

from devin_warehouse.bookkeeping import note_unpublished
from devin_warehouse.ledger import naive

STATES = """
INSERT INTO devin.session_versions BY NAME
WITH states AS (
    SELECT
        s.session_id, s.updated_at, s.status, s.status_detail, s.acus_consumed,
        count(*) FILTER (lower(p.pr_state) = 'open') AS open_pull_requests_count,
        count(*) FILTER (lower(p.pr_state) = 'merged') AS merged_pull_requests_count,
        count(*) FILTER (lower(p.pr_state) = 'closed') AS closed_pull_requests_count,
        any_value(i.analysis_hash) AS analysis_hash
    FROM devin.sessions s
    SEMI JOIN ({sessions}) AS wanted USING (session_id)
    LEFT JOIN devin.session_pull_requests p USING (session_id)
    LEFT JOIN devin.insights i USING (session_id)
    GROUP BY s.session_id, s.updated_at, s.status, s.status_detail, s.acus_consumed
),
keyed AS (SELECT sha256(to_json(states)::VARCHAR) AS version_key, states.* FROM states)
SELECT keyed.*, ?::TIMESTAMP AS observed_at FROM keyed
ANTI JOIN devin.session_versions USING (version_key)
"""
PULL_REQUEST_STATES = """
INSERT INTO devin.pull_request_states BY NAME
SELECT DISTINCT session_id, pr_url, pr_state, ?::TIMESTAMP AS first_observed_at
FROM devin.session_pull_requests AS new
SEMI JOIN ({sessions}) AS wanted USING (session_id)
WHERE NOT EXISTS (
    FROM devin.pull_request_states AS old
    WHERE old.session_id = new.session_id
        AND old.pr_url IS NOT DISTINCT FROM new.pr_url
        AND old.pr_state IS NOT DISTINCT FROM new.pr_state
)
"""


def record_states(
    connection: duckdb.DuckDBPyConnection, sessions: str, observed_at: datetime
) -> bool:
    """Add the states of some sessions, selected by `sessions`, that were never seen before.

    Whether there were any; these sessions' histories are unpublished then.
    """
    statement = STATES.format(sessions=sessions)
    added: int = connection.execute(statement, [naive(observed_at)]).fetchall()[0][0]
    if added:
        note_unpublished(connection, sessions)
    return bool(added)


def record_pull_request_states(
    connection: duckdb.DuckDBPyConnection, sessions: str, observed_at: datetime
) -> None:
    """Add the states of some sessions' pull requests that were never seen before."""
    connection.execute(PULL_REQUEST_STATES.format(sessions=sessions), [naive(observed_at)])
