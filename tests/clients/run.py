"""Whether other clients read what our own DuckDB reads, also while loads run: `make test-clients`.

Each client reads every view of a published file with awkward content and the comments in it, and
tries to write (readers.py, comparison.py); dbt builds on it (building.py); then all of them read
while loads replace the file (live.py).
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from devin_warehouse.sandbox import World
from devin_warehouse.sql_files import Sql
from tests.clients.building import built_twice
from tests.clients.comparison import Answers, differences, is_refused
from tests.clients.live import read_while_loading
from tests.clients.readers import CLIENTS, asked, reference
from tests.conftest import NOW, Warehouse

CATALOG = {
    "version": "SELECT version()",
    "views": "SELECT view_name FROM duckdb_views() WHERE schema_name = 'analytics'",
    "comments": """
        FROM (
            SELECT schema_name, table_name, NULL, comment FROM duckdb_tables()
            UNION ALL SELECT schema_name, view_name, NULL, comment FROM duckdb_views()
            UNION ALL SELECT schema_name, table_name, column_name, comment FROM duckdb_columns()
        ) WHERE schema_name IN ('devin', 'analytics') AND comment IS NOT NULL
    """,
}
WRITE = {"write": "CREATE TABLE devin.refused (number BIGINT)"}
COLUMNS = ("client", "DuckDB", "views", "rows", "equal", "comments", "write")
LIVE_COLUMNS = ("client", "reads, connecting", "copies seen", "reads, holding", "errors")
console = Console(highlight=False)


def main() -> int:
    """Load, ask every client, compare, load again among them; 1 if anything is not as it should."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HOME"] = folder  # where clients keep settings and caches
        warehouse = published(Path(folder) / "warehouse.duckdb")
        lines, found = read_at_rest(warehouse.path)
        built, unlike = built_twice(warehouse.path, lambda: renewed(warehouse))
        # dbt runs on the package that the other Python clients have
        lines["dbt"] = [lines["ibis"][0], *built]
        lines_live, loads, errors = read_while_loading(warehouse, CLIENTS | {"dbt": "dbt"})
    show(COLUMNS, lines)
    show(LIVE_COLUMNS, lines_live)
    console.print(str(loads))
    found += [f"dbt: {what}" for what in unlike] + errors
    for difference in found:
        console.print(difference, markup=False, soft_wrap=True)
    return 1 if found else 0


def show(columns: Sequence[str], lines: Mapping[str, Sequence[str]]) -> None:
    """Print a table with a line for each client."""
    table = Table(*columns, box=None)
    for client, line in lines.items():
        table.add_row(client, *line)
    console.print(table)


def published(path: Path) -> Warehouse:
    """A warehouse with awkward sessions, prompts (which only v2 tells) and history."""
    warehouse = Warehouse(path, World(1, 200, now=NOW))
    warehouse.world.add_awkward()
    for version in ("v2", "v3", "v3"):
        warehouse.version = version
        renewed(warehouse)
    return warehouse


def renewed(warehouse: Warehouse) -> None:
    """Load, and let a day pass for the next load."""
    warehouse.load(sql=Sql.of())
    warehouse.world.advance("1 day")


def read_at_rest(path: Path) -> tuple[dict[str, list[str]], list[str]]:
    """A line for each client, and in what it differs."""
    views = sorted(view for (view,) in reference(path, CATALOG)["views"]["rows"])
    statements = CATALOG | {view: f"SELECT * FROM analytics.{view}" for view in views}
    expected = reference(path, statements)
    lines, found = {}, []
    for client, name in CLIENTS.items():
        answers = asked(name, path, statements | WRITE)
        unlike = {
            name: [*differences(expected[name], answers[name])]
            for name in ("views", "comments", *views)
        }
        if not is_refused(answers["write"]):
            unlike["write"] = [str(answers["write"])]
        lines[client] = summary(answers, views, unlike)
        found += [f"{client}, {name}: {what}" for name in unlike for what in unlike[name]]
    return lines, found


def summary(answers: Answers, views: Sequence[str], unlike: Mapping[str, list[str]]) -> list[str]:
    """A client's line in the table."""
    read = [answers[view]["rows"] for view in views if "rows" in answers[view]]
    return [
        answers["version"]["rows"][0][0],
        f"{len(read)}/{len(views)}",
        f"{sum(map(len, read)):,}",
        f"{sum(not unlike[view] for view in views)}/{len(views)}",
        f"{len(answers['comments'].get('rows', ())):,}",
        "NOT REFUSED" if "write" in unlike else "refused",
    ]


if __name__ == "__main__":
    sys.exit(main())
