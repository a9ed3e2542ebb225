"""A warehouse of invented sessions, as large as wanted, without HTTP: for timing what reads it.

The rows are those of a load over v3, exploded by the code that a load uses, but with 2,000 users,
and one pull request of twenty shared by two sessions; history is what three runs would have seen,
of which the first two found some sessions still at work.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import duckdb
import msgspec
import pyarrow as pa

from devin_warehouse import ledger
from devin_warehouse.api import v3
from devin_warehouse.explode import explode
from devin_warehouse.history import record_pull_request_states, record_states
from devin_warehouse.sandbox import World
from devin_warehouse.sandbox.sessions import Session
from devin_warehouse.sandbox.v3 import encoded_insights, encoded_item

BATCH = 2_000
NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
SCOPE = "sandbox v3 all"
SHARES = (0.3, 0.7, 1.0)
STATE = "session_id, acus_consumed, status, status_detail"


USERS = """
UPDATE devin.sessions SET user_id = user_id || '-' || (hash(session_id) % 60)
"""
SHARED = r"""
UPDATE devin.session_pull_requests SET pr_url = regexp_replace(
    pr_url, '\d+$', (regexp_extract(pr_url, '\d+$')::BIGINT - 1)::VARCHAR
) WHERE hash(session_id) % 20 = 0
"""


def fill(connection: duckdb.DuckDBPyConnection, world: World) -> ledger.Run:
    """Write a world's sessions, their history and a run of the ledger, which is returned."""
    sessions = list(world.sessions.values())
    for start in range(0, len(sessions), BATCH):
        _insert(connection, sessions[start : start + BATCH])
    connection.execute(USERS)
    connection.execute(SHARED)
    run = ledger.Run(SCOPE, "v3", "incremental")
    ledger.start(connection, run)
    _observe(connection)
    ledger.note(connection, run, {"watermark_after": NOW, "window_until": NOW})
    ledger.finish(connection, run, 0)
    connection.execute("UPDATE bookkeeping.publication SET data_version = 1")
    return run


def _insert(connection: duckdb.DuckDBPyConnection, sessions: Sequence[Session]) -> None:
    items = [msgspec.json.decode(encoded_item(session)) for session in sessions]
    insights = [msgspec.json.decode(encoded_insights(session)) for session in sessions]
    for session in sessions:
        session.encoded.clear()
    for records, kind in ((items, v3.SESSION), (insights, v3.INSIGHTS)):
        tables: dict[str, pa.Table] = explode(records, kind).tables
        for name, rows in tables.items():
            connection.register("rows", rows)
            connection.execute(f"INSERT INTO devin.{name} BY NAME FROM rows")
            connection.unregister("rows")


def _observe(connection: duckdb.DuckDBPyConnection) -> None:
    """Let three runs see the sessions, 40 % of them at work at first, pull requests open."""
    some = "SELECT session_id FROM devin.sessions WHERE hash(session_id) % 10 < 4"
    connection.execute(f"CREATE TEMP TABLE final AS SELECT {STATE} FROM devin.sessions")
    connection.execute("CREATE TEMP TABLE reviewed AS FROM devin.session_pull_requests")
    for days, share in zip((2, 1, 0), SHARES, strict=True):
        connection.execute(
            "UPDATE devin.sessions SET acus_consumed = final.acus_consumed * ? FROM final "
            f"WHERE sessions.session_id = final.session_id AND sessions.session_id IN ({some})",
            [share],
        )
        connection.execute(
            "UPDATE devin.session_pull_requests SET pr_state = CASE WHEN ? = 1 "
            "THEN reviewed.pr_state ELSE 'open' END FROM reviewed "
            "WHERE (reviewed.session_id, reviewed.position) = "
            "(session_pull_requests.session_id, session_pull_requests.position)",
            [share],
        )
        seen_at = NOW - timedelta(days=days)
        everything = "SELECT session_id FROM devin.sessions"
        record_states(connection, everything, seen_at)
        record_pull_request_states(connection, everything, seen_at)
