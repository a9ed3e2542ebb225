"""A year of runs every five minutes on one warehouse: what grows that should not.

Once a day the work file is opened and closed as by a load; in between, the runs of that day write
their rows of the ledger, and the sessions that changed are merged by the code that a load uses.
API, landing and publishing are left out, since they keep nothing from run to run; history keeps
what changes, which is what it is for, so the sessions' states do not change.
`python -m tests.soak.year` prints a row for each month.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pendulum
from rich.console import Console

from devin_warehouse import ledger
from devin_warehouse.api import v3
from devin_warehouse.bookkeeping import CONTENT_HASHES
from devin_warehouse.layout import Layout
from devin_warehouse.merge import LANDING, Merger, Package
from devin_warehouse.publish import publish
from devin_warehouse.sandbox import World
from devin_warehouse.sql_files import Sql
from devin_warehouse.work_file import open_work_file, transaction
from tests.bench.filled import NOW, SCOPE, fill

MINUTES = 5
KINDS = (v3.SESSION, v3.INSIGHTS)
console = Console(highlight=False)


def main() -> None:
    """Fill, let the hours pass, publish; prints how the work file grew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=50_000)
    parser.add_argument("--changes", type=int, default=120, help="Changed sessions an hour.")
    parser.add_argument("--days", type=int, default=420)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        layout = Layout.of(Path(folder) / "warehouse.duckdb")
        layout.make_folder()
        with open_work_file(layout) as connection:
            run = fill(connection, World(1, arguments.sessions, now=NOW))
        console.print("day, runs in the ledger, MB of the work file, MB free in it, ms a day")
        _live(layout, arguments.days, arguments.changes)
        began = time.monotonic()
        with open_work_file(layout) as connection:
            publish(connection, layout, run, Sql.of())
        console.print(
            f"published in {time.monotonic() - began:.1f} s, "
            f"{layout.database.stat().st_size / 1e6:.0f} MB"
        )


def _live(layout: Layout, days: int, changes: int) -> None:
    for day in range(days + 1):
        began = time.monotonic()
        with open_work_file(layout) as connection:
            _keep_ledger(connection, NOW + timedelta(days=day))
            _merge_some(connection, layout, changes * 24, day)
        if day % 30 == 0:
            spent = (time.monotonic() - began) * 1000
            console.print(day, *_measured(layout), f"{spent:.0f}", sep=", ")


def _keep_ledger(connection: duckdb.DuckDBPyConnection, begin: datetime) -> None:
    """One run by the code that a load uses; the others of the day are its likenesses."""
    at = pendulum.instance(begin)
    run = ledger.Run(SCOPE, "v3", "incremental", started_at=at)
    ledger.start(connection, run)
    ledger.note(connection, run, {"watermark_after": at, "window_until": at, "requests": 4})
    ledger.finish(connection, run, 0)
    connection.execute(
        "INSERT INTO devin.load_runs SELECT load_runs.* REPLACE (uuid()::VARCHAR AS run_id, "
        f"started_at + to_minutes({MINUTES} * n) AS started_at) "
        "FROM devin.load_runs, range(1, ?) AS later (n) WHERE run_id = ?",
        [24 * 60 // MINUTES, run.run_id],
    )


def _merge_some(
    connection: duckdb.DuckDBPyConnection, layout: Layout, changes: int, seed: int
) -> None:
    """Merge rows of some sessions over themselves: all that a change leaves behind, but no news."""
    merger = Merger(connection, layout, KINDS, SCOPE)
    package = Package(kinds={kind.name for kind in KINDS})
    connection.execute(f"CREATE SCHEMA {LANDING}")
    connection.execute(
        "CREATE TEMP TABLE sample AS SELECT session_id FROM devin.sessions "
        f"ORDER BY hash(session_id, {seed}) LIMIT {changes}"
    )
    for table in (table for kind in KINDS for table in kind.tables):
        rows = connection.sql(f"FROM devin.{table.name} SEMI JOIN sample USING (session_id)")
        package.add(table, rows.to_arrow_table())
    hashes = "SELECT session_id, unnest(?) AS payload, ? AS content_hash FROM sample"
    values = [[kind.name for kind in KINDS], str(seed)]
    package.add(CONTENT_HASHES, connection.sql(hashes, params=values).to_arrow_table())
    for table, rows in package:
        connection.register("rows", rows)
        connection.execute(f"CREATE TABLE {LANDING}.{table.name} AS FROM rows")
        connection.unregister("rows")
    with transaction(connection):
        merger.merge(package, NOW)
        connection.execute("DELETE FROM bookkeeping.insights_owed")
        merger.forget()


def _measured(layout: Layout) -> tuple[str, str, str]:
    with duckdb.connect(str(layout.work_file), read_only=True) as connection:
        size, free = connection.execute(
            "SELECT block_size * total_blocks, block_size * free_blocks FROM pragma_database_size()"
        ).fetchall()[0]
        runs = connection.execute("SELECT count(*) FROM devin.load_runs").fetchall()[0][0]
    return f"{runs:,}", f"{size / 1e6:.1f}", f"{free / 1e6:.1f}"


if __name__ == "__main__":
    main()
