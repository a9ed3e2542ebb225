"""The views in Apache Spark over an export, each compared with DuckDB's answer: `make test-spark`.

`python -m tests.servers.spark [sessions]`: 3,000 and awkward ones if not said.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb
from pyspark.sql import SparkSession
from rich.console import Console
from rich.table import Table

from deploy.spark_views import register
from devin_warehouse.export import export
from devin_warehouse.layout import Layout
from devin_warehouse.publish import publish
from devin_warehouse.sandbox import World
from devin_warehouse.sql_files import Sql
from devin_warehouse.tables import SCHEMA, TABLES
from devin_warehouse.work_file import open_work_file
from tests.bench.filled import NOW, fill
from tests.conftest import Warehouse
from tests.places import are_close, bag

SESSIONS = 3_000
TYPES = {
    "VARCHAR": "string",
    "JSON": "string",
    "DOUBLE": "double",
    "BIGINT": "bigint",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIMESTAMP": "timestamp_ntz",
}
console = Console(highlight=False, width=120)


def main() -> int:
    """Fill, export, register, compare; 1 if anything differs."""
    sessions = int(sys.argv[1]) if len(sys.argv) > 1 else SESSIONS
    with tempfile.TemporaryDirectory() as folder:
        layout = published(Path(folder), sessions)
        seconds = {"export": timed(lambda: export(layout, Path(folder, "export")))}
        spark = started(Path(folder))
        seconds["views created"] = timed(lambda: register(spark, Path(folder, "export")))
        with duckdb.connect(str(layout.database), read_only=True) as connection:
            differing = compared(spark, connection)
        spark.stop()
    said = ", ".join(f"{name} {taken:.1f} s" for name, taken in seconds.items())
    console.print(f"{sessions:,} sessions: {said}; {differing or 'no'} answers differ")
    return 1 if differing else 0


def published(folder: Path, sessions: int) -> Layout:
    """A published file: awkward sessions too, or so many that no API would tell them quickly."""
    world = World(1, sessions, now=NOW)
    warehouse = Warehouse(folder / "warehouse.duckdb", world, version="v3")
    layout = warehouse.layout
    if sessions <= SESSIONS:
        world.add_awkward()
        warehouse.load(sql=Sql.of())
    else:
        layout.make_folder()
        with open_work_file(layout) as connection:
            connection.execute("SET memory_limit = '8GB'")  # a load never sees so many at once
            publish(connection, layout, fill(connection, world), Sql.of())
    return layout


def started(folder: Path) -> SparkSession:
    builder: Any = SparkSession.builder
    for name, value in {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.memory": "10g",
        "spark.driver.maxResultSize": "0",
        "spark.sql.shuffle.partitions": "8",
        "spark.sql.warehouse.dir": str(folder / "spark"),
        "spark.local.dir": str(folder),
    }.items():
        builder = builder.config(name, value)
    spark: SparkSession = builder.master("local[2]").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def timed(work: Any) -> float:
    before = time.monotonic()
    work()
    return time.monotonic() - before


def compared(spark: SparkSession, connection: duckdb.DuckDBPyConnection) -> int:
    """How many tables and views have other columns, types or rows; shows each."""
    shown = Table("", "rows", "DuckDB, s", "Spark, s", "")
    wrong = 0
    names = [f"{SCHEMA}.{table.name}" for table in TABLES]
    for name in [*names, *(f"{view.schema}.{view.name}" for view in Sql.of().views)]:
        begun = time.monotonic()
        connection.execute(f"CREATE OR REPLACE TEMP TABLE ours AS FROM {name}")
        between = time.monotonic()
        frame = spark.sql(f"SELECT * FROM {name}")
        connection.register("theirs", frame.toArrow())
        ended = time.monotonic()
        described = connection.execute(f"DESCRIBE {name}").fetchall()
        columns = {column: TYPES[kind] for column, kind, *_ in described}
        missing, odd = (
            bag(
                connection.execute(f"FROM {one} EXCEPT ALL FROM {other}").fetchall(), keeps_nul=True
            )
            for one, other in (("ours", "theirs"), ("theirs", "ours"))
        )
        is_equal = columns == dict(frame.dtypes) and are_close(missing, odd)
        wrong += not is_equal
        rows = connection.execute("SELECT count(*) FROM ours").fetchall()[0][0]
        shown.add_row(
            name,
            f"{rows:,}",
            f"{between - begun:.2f}",
            f"{ended - between:.2f}",
            "equal" if is_equal else "[red]differs[/red]",
        )
        if not is_equal:
            console.print(name, columns, frame.dtypes, markup=False)
            for rows in (missing, odd):
                console.print([*rows][:2], markup=False)
    console.print(shown)
    return wrong


if __name__ == "__main__":
    sys.exit(main())
