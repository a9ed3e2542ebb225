"""A warehouse of invented sessions, as large as wanted, without HTTP: for timing what reads it.

The rows are those of a load over v3, exploded by the code that a load uses; history is what three
runs would have seen, of which the first two found some sessions still at work.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa

from devin_warehouse import ledger
from devin_warehouse.api import v3
from devin_warehouse.explode import explode
from devin_warehouse.history import record_pull_request_states, record_states
from devin_warehouse.layout import Layout
from devin_warehouse.sandbox import World
from devin_warehouse.sandbox.sessions import Session
from devin_warehouse.sandbox.v3 import encoded_insights, encoded_item
from devin_warehouse.work_file import open_work_file

BATCH = 2_000
NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
SCOPE = "sandbox v3 all"
SHARES = (0.3, 0.7, 1.0)
STATE = "session_id, acus_consumed, status, status_detail"


def main() -> None:
    """Fill `--database`'s work file; nothing is published."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", type=Path, required=True)
    parser.add_argument("--sessions", type=int, default=200_000)
    arguments = parser.parse_args()
    layout = Layout.of(arguments.database)
    layout.make_folder()
    with open_work_file(layout) as connection:
        fill(connection, World(1, arguments.sessions, now=NOW))


def fill(connection: duckdb.DuckDBPyConnection, world: World) -> None:
    """Write a world's sessions, their history and a run of the ledger."""
    sessions = list(world.sessions.values())
    for start in range(0, len(sessions), BATCH):
        _insert(connection, sessions[start : start + BATCH])
    run = ledger.Run(SCOPE, "v3", "incremental")
    ledger.start(connection, run)
    _observe(connection)
    ledger.note(connection, run, {"watermark_after": NOW, "window_until": NOW})
    ledger.finish(connection, run, 0)
    connection.execute("UPDATE bookkeeping.publication SET data_version = 1")


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


if __name__ == "__main__":
    main()
