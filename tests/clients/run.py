"""Whether every view reads the same in other clients as in our own DuckDB: `make test-clients`.

Each client reads a published file with awkward content and the comments in it, and tries to write.
The views are those of the file's catalog; what goes in and out of a client is said in read.py.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

from devin_warehouse.sandbox import World
from devin_warehouse.sql_files import Sql
from tests.conftest import NOW, Warehouse

HERE = Path(__file__).parent
BIN = HERE.parents[1] / ".venv-clients" / "bin"
TOLERANCE = 1e-12
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
    "write": "CREATE TABLE devin.refused (number BIGINT)",
}
# a client may give a BIGINT as text, and JSON as text or parsed
FORMS: Mapping[str, Callable[[Any], Any]] = {
    "BIGINT": lambda value: int(str(value)),
    "DATE": lambda value: date.fromisoformat(str(value)),
    "DOUBLE": float,
    "JSON": lambda value: json.dumps(json.loads(value) if isinstance(value, str) else value),
    "TIMESTAMP": lambda value: datetime.fromisoformat(str(value)),
}
console = Console(highlight=False)

Answer = Mapping[str, Any]
Answers = Mapping[str, Answer]
Client = Callable[[Path, Mapping[str, str]], Answers]


def main() -> int:
    """Load, ask every client, compare; 1 if one of them differs."""
    clients: dict[str, Client] = {
        "Python": python,
        "CLI": command_line,
        "Node": program("node", HERE / "read.mjs"),
        "SQLAlchemy": program(BIN / "python", HERE / "read.py", "sqlalchemy"),
        "polars": program(BIN / "python", HERE / "read.py", "polars"),
    }
    table = Table("client", "DuckDB", "views", "rows", "equal", "comments", "write", box=None)
    found: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        path = published(Path(folder) / "warehouse.duckdb")
        views = sorted(view for (view,) in python(path, CATALOG)["views"]["rows"])
        statements = {view: f"SELECT * FROM analytics.{view}" for view in views}
        expected = python(path, CATALOG | statements)
        for client, ask in clients.items():
            answers = ask(path, CATALOG | statements)
            unlike = {
                name: [*differences(expected[name], answers[name])]
                for name in ("views", "comments", *views)
            }
            if not is_refused(answers["write"]):
                unlike["write"] = [str(answers["write"])]
            table.add_row(client, *summary(answers, views, unlike))
            found += [f"{client}, {name}: {what}" for name in unlike for what in unlike[name]]
    console.print(table)
    for difference in found:
        console.print(difference, markup=False, soft_wrap=True)
    return 1 if found else 0


def published(path: Path) -> Path:
    """A warehouse with awkward sessions, prompts (which only v2 tells) and history."""
    warehouse = Warehouse(path, World(1, 200, now=NOW))
    warehouse.world.add_awkward()
    for version in ("v2", "v3", "v3"):
        warehouse.version = version
        warehouse.load(sql=Sql.of())
        warehouse.world.advance("1 day")
    return path


def python(path: Path, statements: Mapping[str, str]) -> Answers:
    """What this Python's DuckDB answers, with the columns' types: the reference."""
    answers: dict[str, Answer] = {}
    with duckdb.connect(str(path), read_only=True) as connection:
        for name, sql in statements.items():
            try:
                cursor = connection.execute(sql)
            except duckdb.Error as error:
                answers[name] = {"error": str(error)}
                continue
            columns, types = zip(*((c[0], str(c[1])) for c in cursor.description), strict=True)
            answers[name] = {"columns": columns, "types": types, "rows": cursor.fetchall()}
    return answers


def command_line(path: Path, statements: Mapping[str, str]) -> Answers:
    """What DuckDB's command line answers in its JSON mode, which tells no columns without rows."""
    answers: dict[str, dict[str, Any]] = {}
    command: list[str | Path] = [BIN / "duckdb", "-no-init", "-readonly", "-json", path]
    for name, sql in statements.items():
        done = subprocess.run([*command, sql], capture_output=True, check=False)
        if done.returncode:
            answers[name] = {"error": done.stderr.decode()}
            continue
        records = json.loads(done.stdout or "[]")
        answers[name] = {"rows": [[*record.values()] for record in records]}
        if records:
            answers[name]["columns"] = [*records[0]]
    return answers


def program(*command: str | Path) -> Client:
    """A client that is a program of its own."""

    def ask(path: Path, statements: Mapping[str, str]) -> Answers:
        text = json.dumps(statements).encode()
        done = subprocess.run([*command, path], input=text, stdout=subprocess.PIPE, check=True)
        answers: Answers = json.loads(done.stdout)
        return answers

    return ask


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


def is_refused(answer: Answer) -> bool:
    """Whether a client may not write because it reads only, and for no other reason."""
    return "read-only" in answer.get("error", "")


def differences(expected: Answer, answer: Answer) -> Iterator[str]:
    """In which columns, rows and values two answers differ: the first of each."""
    if "error" in answer:
        yield answer["error"]
        return
    if not expected["rows"]:
        yield "nothing there, so nothing proven"
    columns, types = expected["columns"], expected["types"]
    if list(answer.get("columns", columns)) != list(columns):
        yield f"columns {answer['columns']}, not {columns}"
        return
    ours, theirs = (in_order(each["rows"], types) for each in (expected, answer))
    if len(ours) != len(theirs):
        yield f"{len(theirs)} rows, not {len(ours)}"
        return
    for our_row, their_row in zip(ours, theirs, strict=True):
        for column, our, their in zip(columns, our_row, their_row, strict=True):
            if not is_same(our, their):
                yield f"{column} is {ascii(their)[:200]}, not {ascii(our)[:200]}, in {our_row[:2]}"
                return


def in_order(rows: Sequence[Sequence[Any]], types: Sequence[str]) -> list[list[Any]]:
    """The rows in one form, ordered by all that is no DOUBLE first: those may differ a little."""
    alike = [[formed(*each) for each in zip(row, types, strict=True)] for row in rows]

    def place(row: list[Any]) -> tuple[str, list[float]]:
        exact = [None if isinstance(value, float) else value for value in row]
        return repr(exact), [value for value in row if isinstance(value, float)]

    return sorted(alike, key=place)


def formed(value: Any, kind: str) -> Any:
    """A value in the one form for its type; one that has not that type stays, and differs."""
    try:
        return value if value is None else FORMS.get(kind, lambda each: each)(value)
    except (TypeError, ValueError):
        return value


def is_same(our: Any, their: Any) -> bool:
    """Whether two values are one; sums may round otherwise in another client's order."""
    if isinstance(our, float) and isinstance(their, float):
        return math.isclose(our, their, rel_tol=TOLERANCE)
    return type(our) is type(their) and bool(our == their)


if __name__ == "__main__":
    sys.exit(main())
