"""How long each view takes to read, whole, from a published file; and how long publishing takes.

Reading is the making of every value of every row, inside DuckDB, by a connection of its own: what
a client then does with them is the client's. The first reading finds nothing in DuckDB's cache.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import duckdb
from rich.console import Console
from rich.table import Table

from devin_warehouse import copying
from devin_warehouse import publish as publishing
from devin_warehouse.layout import Layout
from devin_warehouse.sandbox import World
from devin_warehouse.sql_files import ANALYTICS, Sql
from devin_warehouse.work_file import open_work_file
from tests.bench.filled import NOW, fill

TARGET_SECONDS = 0.3
console = Console(highlight=False)


@dataclass(frozen=True)
class Reading:
    """Seconds of each time that a view was read."""

    view: str
    rows: int
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Of the readings after the first."""
        return statistics.median(self.seconds[1:])


def main() -> None:
    """Fill, publish, read; print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        layout = Layout.of(Path(folder) / "warehouse.duckdb")
        seconds = _published(layout, arguments.sessions)
        megabytes = layout.database.stat().st_size / 1e6
        readings = [
            _read(layout, view.name, arguments.runs)
            for view in Sql.of().views
            if view.schema == ANALYTICS
        ]
    _show(sorted(readings, key=lambda reading: -reading.median))
    phases = ", ".join(f"{name} {spent:.2f}" for name, spent in seconds.items())
    console.print(
        f"{arguments.sessions:,} sessions, {megabytes:,.0f} MB; published in seconds: {phases}; "
        f"DuckDB {duckdb.__version__}, Python {platform.python_version()}, "
        f"median of {arguments.runs} readings after the first"
    )


def _published(layout: Layout, sessions: int) -> dict[str, float]:
    """Fill a work file and publish it; the seconds of publishing, by phase."""
    seconds: defaultdict[str, float] = defaultdict(float)
    _clock(copying, "_write", "tables", seconds)
    _clock(copying, "create_views", "views", seconds)
    _clock(publishing, "run_checks", "checks", seconds)
    _clock(publishing, "publish", "all", seconds)
    layout.make_folder()
    console.print(f"[dim]inventing {sessions:,} sessions[/dim]")
    with open_work_file(layout) as connection:
        run = fill(connection, World(1, sessions, now=NOW))
        publishing.publish(connection, layout, run, Sql.of())
    return seconds


def _clock(module: ModuleType, name: str, phase: str, seconds: defaultdict[str, float]) -> None:
    """Let a function of publishing be timed."""
    function = getattr(module, name)

    def timed(*args: object) -> object:
        started = time.perf_counter()
        try:
            return function(*args)
        finally:
            seconds[phase] += time.perf_counter() - started

    setattr(module, name, timed)


def _read(layout: Layout, view: str, runs: int) -> Reading:
    with duckdb.connect(str(layout.database), read_only=True) as connection:
        seconds = []
        for _ in range(runs + 1):
            started = time.perf_counter()
            rows = connection.execute(
                f"SELECT count(*), bit_xor(hash(v)) FROM {ANALYTICS}.{view} AS v"
            ).fetchall()[0][0]
            seconds.append(time.perf_counter() - started)
    return Reading(view, rows, tuple(seconds))


def _show(readings: list[Reading]) -> None:
    table = Table("view", "rows", "first ms", "median ms", "max ms", "", box=None)
    for reading in readings:
        milliseconds = [1000 * each for each in reading.seconds]
        table.add_row(
            reading.view,
            f"{reading.rows:,}",
            f"{milliseconds[0]:,.0f}",
            f"{1000 * reading.median:,.0f}",
            f"{max(milliseconds):,.0f}",
            "" if reading.median < TARGET_SECONDS else f"over {1000 * TARGET_SECONDS:.0f} ms",
        )
    console.print(table)


if __name__ == "__main__":
    main()
