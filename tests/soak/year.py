"""A year of runs every five minutes on one warehouse: what grows that should not.

Once a day the work file is opened and closed as by a load; in between the runs write their
rows of the ledger, and the sessions that changed meanwhile are merged by the code that a load uses.
API, dlt's landing and publishing are left out, since they keep nothing from run to run;
history keeps what changes, which is what it is for, so the sessions' states do not change.
`python -m tests.soak.year` ends with a table.
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
from rich.table import Table

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

HOURS = 24
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
        console.print(_year(layout, arguments.days, arguments.changes))
        began = time.monotonic()
        with open_work_file(layout) as connection:
            publish(connection, layout, run, Sql.of())
        console.print(
            f"published in {time.monotonic() - began:.1f} s, "
            f"{layout.database.stat().st_size / 1e6:.0f} MB"
        )


def _year(layout: Layout, days: int, changes: int) -> Table:
    table = Table("day", "runs in the ledger", "work file, MB", "of which free", "ms a day")
    for day in range(days + 1):
        began = time.monotonic()
        for hour in range(0, 24, HOURS):
            with open_work_file(layout) as connection:
                with transaction(connection):
                    _keep_ledger(connection, NOW + timedelta(days=day, hours=hour))
                _merge_some(connection, layout, changes * HOURS, day * 24 + hour)
        if day % 30 == 0:
            spent = (time.monotonic() - began) / (24 / HOURS) * 1000
            table.add_row(str(day), *_measured(layout), f"{spent:.0f}")
            console.print(f"day {day}", style="dim")
    return table


def _keep_ledger(connection: duckdb.DuckDBPyConnection, begin: datetime) -> None:
    for minutes in range(0, 60 * HOURS, MINUTES):
        at = pendulum.instance(begin).add(minutes=minutes)
        run = ledger.Run(SCOPE, "v3", "incremental", started_at=at)
        ledger.start(connection, run)
        ledger.note(connection, run, {"watermark_after": at, "window_until": at, "requests": 4})
        ledger.finish(connection, run, 0)


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
