"""Whether Superset reads the published file as DuckDB does, and newer copies: `make test-superset`.

Superset really runs, with its metadata in a temporary folder. Prints what was seen, in order.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.clients.comparison import Answer, differences, is_refused
from tests.clients.readers import reference
from tests.clients.run import published, renewed
from tests.clients.superset.bi import Superset
from tests.clients.superset.server import superset

VIEW = "usage_daily"
CHART = f"""
    SELECT created_date, sum(sessions_count)::BIGINT AS sessions_count,
        sum(acus_consumed) AS acus_consumed
    FROM analytics.{VIEW} GROUP BY created_date
"""
# a DOUBLE is shown as SQLAlchemy names it
COLUMNS = f"""
    SELECT column_name, replace(data_type, 'DOUBLE', 'FLOAT') AS type, comment FROM duckdb_columns()
    WHERE schema_name = 'analytics' AND table_name = '{VIEW}'
"""
SQL_LAB = """
    SELECT issue_labels.label, impact, issues_count, acus_consumed
    FROM analytics.issue_labels ORDER BY issues_count DESC, label, impact
"""
WRITES = ("CREATE TABLE devin.refused (number BIGINT)", "DELETE FROM devin.sessions")
console = Console(highlight=False)
started = time.monotonic()


def main() -> int:
    """Publish, look, publish again, look again; 1 if anything is not as in DuckDB."""
    found: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        warehouse = published(Path(folder) / "warehouse.duckdb")
        say("published")
        with superset(Path(folder)) as client:
            bi = Superset(client)
            say("Superset is up")
            database = bi.database(warehouse.path)
            dataset = bi.dataset(database, VIEW)
            chart = bi.chart(dataset)
            version = bi.sql_lab(database, "SELECT version() AS version")[0]["version"]
            say(f"database, dataset and chart made; DuckDB {version}")
            found += compared("columns", warehouse.path, COLUMNS, bi.columns(dataset))
            before = bi.sql_lab(database, SQL_LAB)
            found += looked_at(bi, database, dataset, chart, warehouse.path)
            found += written(bi, database)
            renewed(warehouse)
            say("a newer copy was published")
            found += looked_at(bi, database, dataset, chart, warehouse.path)
            if before == bi.sql_lab(database, SQL_LAB):
                found.append("SQL Lab saw nothing new")
    for difference in found:
        console.print(difference, markup=False, soft_wrap=True)
    return 1 if found else 0


def say(what: str) -> None:
    """With the seconds since the start."""
    console.print(f"{time.monotonic() - started:5.1f} s  {what}")


def looked_at(bi: Superset, database: int, dataset: int, chart: int, path: Path) -> Iterator[str]:
    """How explorer, saved chart and SQL Lab differ from DuckDB."""
    for name, records in (
        ("explorer", bi.chart_data(dataset)),
        ("chart", bi.saved_chart_data(chart)),
    ):
        yield from compared(name, path, CHART, [dated(record) for record in records])
    rows = [[*record.values()] for record in bi.sql_lab(database, SQL_LAB)]
    yield from compared("SQL Lab", path, SQL_LAB, rows)


def dated(record: dict[str, Any]) -> list[Any]:
    """A chart's row; its days come as milliseconds since 1970."""
    day, *sums = record.values()
    return [datetime.fromtimestamp(day / 1000, UTC).date(), *sums]


def compared(name: str, path: Path, sql: str, rows: list[Any]) -> list[str]:
    """What differs, after the number of rows has been said."""
    answer: Answer = {"rows": rows}
    unlike = [f"{name}: {each}" for each in differences(reference(path, {name: sql})[name], answer)]
    say(f"{name}: {len(rows)} rows, {'NOT equal' if unlike else 'equal'}")
    return unlike


def written(bi: Superset, database: int) -> Iterator[str]:
    """Statements in SQL Lab that were not refused."""
    for sql in WRITES:
        try:
            bi.sql_lab(database, sql)
        except RuntimeError as error:
            if is_refused({"error": str(error)}):
                say(f"refused: {sql}")
                continue
            yield str(error)
        else:
            yield f"not refused: {sql}"


if __name__ == "__main__":
    sys.exit(main())
