"""The SQL files, one select each: `views/<schema>/<view>.sql`, `checks/<name>.sql`, and the queries
of the report, `report/<query>.sql`.

A file says what it is in the comment that it begins with. A view's:

    -- One row per day and organization.            line 1 is the grain, the view's comment
    -- stored: why a reader should not wait for it  its rows are kept in a table
    -- sessions_count: Sessions of that day. [sessions = count of sessions]
    --   a column: its meaning, and in brackets its unit and how it is computed

Where it says `stored by session_id: why`, rows can be renewed by that column alone (see reach).
A check's begins with `severity: error` or `severity: warn`, then says what holds where it finds no
row, and `by session` if it need only look at sessions that have changed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import duckdb

from devin_warehouse.errors import Misuse
from devin_warehouse.tables import SCHEMA

ANALYTICS, PREPARED = "analytics", "prepared"
# where the report's queries find each other's rows; no schema of a user's is likely to be called so
REPORT = "report_page"
OUR_SCHEMAS = frozenset({SCHEMA, ANALYTICS, PREPARED})
RESERVED_SCHEMAS = OUR_SCHEMAS | {"main", "temp", "system", "information_schema", "pg_catalog"}

_COLUMN = re.compile(r"(\w+): (.+?)(?: \[([^\[\]]*?)(?: = ([^\[\]]*))?\])?")
_STORED = re.compile(r"stored(?: by (\w+))?: ")
_NAME = re.compile(r'"?([\w-]+)"?\."?([\w-]+)"?')


@dataclass(frozen=True)
class Meaning:
    """What a column means, in which unit, and how it is computed; None where nobody says."""

    meaning: str | None = None
    unit: str | None = None
    formula: str | None = None


@dataclass(frozen=True)
class SqlFile:
    """An SQL file; `source` is where people find it. A check has no schema."""

    schema: str
    name: str
    text: str
    source: str

    @property
    def full_name(self) -> str:
        """As SQL calls the view."""
        return f'"{self.schema}"."{self.name}"'

    @property
    def key(self) -> tuple[str, str]:
        """Which view it is, whatever the case of its name."""
        return self.schema.lower(), self.name.lower()

    @cached_property
    def header(self) -> tuple[str, ...]:
        """The lines of the comment that it begins with; what is indented continues a line."""
        lines: list[str] = []
        for line in self.text.splitlines():
            if not line.startswith("--"):
                break
            text = line.removeprefix("--").removeprefix(" ")
            if lines and text.startswith("  "):
                lines[-1] = f"{lines[-1]} {text.strip()}"
            else:
                lines.append(text.strip())
        return tuple(lines)

    @property
    def grain(self) -> str:
        """What a row of it is."""
        return self.header[0] if self.header else ""

    @property
    def is_stored(self) -> bool:
        """Whether its rows are kept in a table, for readers not to wait for them."""
        return any(_STORED.match(line) for line in self.header)

    @property
    def stored_by(self) -> str:
        """The column by which stored rows of a view of ours can be renewed alone; "" if none."""
        found = filter(None, map(_STORED.match, self.header))
        column = next((match[1] or "" for match in found), "")
        return column if self.schema in OUR_SCHEMAS else ""

    @property
    def is_by_session(self) -> bool:
        """Of a check: whether what it says of a session depends on that session's rows alone."""
        return "by session" in self.header

    @property
    def severity(self) -> str:
        """Of a check: error, or warn."""
        return self.header[0].removeprefix("severity: ") if self.header else ""

    @cached_property
    def meanings(self) -> dict[str, Meaning]:
        """What it says of its columns, by name."""
        found = (_COLUMN.fullmatch(line) for line in self.header)
        named = {m[1]: Meaning(m[2], m[3], m[4]) for m in found if m}
        return {name: meaning for name, meaning in named.items() if name != "stored"}

    def references(self, known: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Which of the known views it reads."""
        code = "\n".join(line.partition("--")[0] for line in self.text.splitlines())
        named = {(schema.lower(), name.lower()) for schema, name in _NAME.findall(code)}
        return (named & set(known)) - {self.key}


@dataclass(frozen=True)
class Sql:
    """The views, each after those that it reads, and the checks that a warehouse is published with.

    Raises Misuse if views read each other.
    """

    views: tuple[SqlFile, ...]
    checks: tuple[SqlFile, ...]

    @classmethod
    def of(cls, folder: Path | None = None) -> Sql:
        """Ours, and the views of a user's folder; raises Misuse for what cannot be a view."""
        ours = _sql()
        views = [*_views(ours / "views"), *(_views_of_user(folder) if folder else ())]
        return cls(_ordered(views), tuple(_file("", entry) for entry in _entries(ours / "checks")))

    @cached_property
    def fingerprint(self) -> str:
        """Other texts, other fingerprint."""
        digest = hashlib.sha256()
        for file in (*self.views, *self.checks):
            digest.update(f"{file.full_name}\n{file.text}\n".encode())
        return digest.hexdigest()


def report_queries() -> tuple[SqlFile, ...]:
    """The queries of the report, each after those that it reads."""
    return _ordered([_file(REPORT, entry) for entry in _entries(_sql() / "report")])


def located(file: SqlFile, error: duckdb.Error) -> str:
    """Where an error of DuckDB's lies, in a file that was run with its first line as line 1."""
    said = str(error)
    line = re.search(r"^LINE (\d+):", said, re.MULTILINE)
    return f"{file.source}:{line[1] if line else 1}: {said.partition(chr(10))[0]}"


def _ordered(views: Sequence[SqlFile]) -> tuple[SqlFile, ...]:
    by_key = {view.key: view for view in views}
    order = TopologicalSorter({view.key: view.references(by_key) for view in views})
    try:
        return tuple(by_key[key] for key in order.static_order())
    except CycleError as error:
        circle = " -> ".join(by_key[key].source for key in error.args[1])
        raise Misuse(f"These views read each other: {circle}.") from error


def _sql() -> Traversable:
    """The sql folder: inside the wheel, beside `pipelines` in a checkout."""
    packaged = files("devin_warehouse").joinpath("sql")
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "sql"


def _views(folder: Traversable) -> Iterator[SqlFile]:
    for schema in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if schema.is_dir() and not schema.name.startswith("."):
            for entry in _entries(schema):
                yield _file(schema.name, entry)


def _entries(folder: Traversable) -> list[Traversable]:
    found = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return sorted(found, key=lambda entry: entry.name)


def _file(schema: str, entry: Traversable) -> SqlFile:
    name = entry.name.removesuffix(".sql")
    path = str(entry) if isinstance(entry, Path) else entry.name
    return SqlFile(schema, name, entry.read_text(encoding="utf-8"), path)


def _views_of_user(folder: Path) -> Iterator[SqlFile]:
    if not folder.is_dir():
        raise Misuse(f"--views {folder}: no such folder.")
    try:
        found = list(_views(folder))
    except (OSError, UnicodeDecodeError) as error:
        raise Misuse(f"--views {folder}: {error}.") from error
    lost = [entry.name for entry in _entries(folder)]
    if lost or not found:
        what = f"{lost[0]} is in no folder of a schema" if lost else "it holds no view"
        raise Misuse(f"--views {folder}: {what}; views are named <schema>/<view>.sql.")
    for file in found:
        _check(file)
        yield file


def _check(file: SqlFile) -> None:
    """Raise Misuse if a user's view cannot be one of the warehouse's."""
    if file.schema.lower() in RESERVED_SCHEMAS:
        raise Misuse(f"{file.source}: schema {file.schema} is taken; choose another folder name.")
    for name in (file.schema, file.name):
        if not re.fullmatch(r"[A-Za-z_][\w-]*", name):
            raise Misuse(f"{file.source}: {name!r} is no name for a schema or view.")
    try:
        found = duckdb.extract_statements(file.text)
    except duckdb.Error as error:
        raise Misuse(located(file, error)) from error
    if len(found) != 1 or found[0].type is not duckdb.StatementType.SELECT:
        raise Misuse(f"{file.source}:1: a view is one select, and nothing else.")
