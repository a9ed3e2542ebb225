"""Rows in, rows out: the views over tables that hold exactly what a test says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from functools import cache
from typing import Any

import duckdb

from devin_warehouse.sql_files import ANALYTICS, Sql, SqlFile
from devin_warehouse.tables import BY_NAME, TABLES
from devin_warehouse.views import create_views
from devin_warehouse.work_file import ddl

Row = dict[str, Any]
SQL = Sql.of()
VIEWS = tuple(sorted(view.name for view in SQL.views if view.schema == ANALYTICS))
PR = "https://github.com/acme/ledger/pull/"
PR1, PR2, PR3 = f"{PR}1", f"{PR}2", f"{PR}3"
PUBLISHED = {"contract_version": "1", "published_at": "2026-06-01"}


def session(session_id: str, created_at: str | None = "2026-01-05 10:00", **columns: Any) -> Row:
    """A session of which only this is known."""
    return {"session_id": session_id, "created_at": created_at, **columns}


def insights(*session_ids: str, **columns: Any) -> list[Row]:
    """The insights of analysed sessions."""
    return [{"session_id": sid, "has_analysis": True, **columns} for sid in session_ids]


def listed(session_id: str, *pull_requests: tuple[str | None, str | None]) -> list[Row]:
    """A session's list of pull requests: address and state."""
    return [{"session_id": session_id, "pr_url": u, "pr_state": s} for u, s in pull_requests]


def seen(session_id: str, pr_url: str, **states: str) -> list[Row]:
    """When a session's pull request was first seen in which state."""
    return [
        {"session_id": session_id, "pr_url": pr_url, "pr_state": state, "first_observed_at": at}
        for state, at in states.items()
    ]


def run_until(watermark: str | None, **columns: Any) -> Row:
    """A run that read everything up to the watermark."""
    known = {"run_id": "run", "scope": "api v2 all", "mode": "incremental", "outcome": "done"}
    return {**known, "window_until": watermark, "watermark_after": watermark, **columns}


def database(views: Iterable[str] = VIEWS, /, **tables: Sequence[Row]) -> duckdb.DuckDBPyConnection:
    """Tables with these rows, and the views, with all that they read, in memory.

    Columns that a row does not name are NULL, but `position`, which counts on.
    """
    connection = _empty_tables()
    _fill(connection, views, tables)
    return connection


@contextmanager
def undone(connection: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """The database, and afterwards as it was before."""
    connection.execute("BEGIN")
    try:
        yield connection
    finally:
        connection.execute("ROLLBACK")


def insert(connection: duckdb.DuckDBPyConnection, name: str, rows: Sequence[Row]) -> None:
    """Add rows to a table."""
    has_positions = any(column.name == "position" for column in BY_NAME[name].columns)
    lengths: Counter[tuple[Any, Any]] = Counter()
    for row in rows:
        one_list = row.get("session_id"), row.get("usage")
        values = {"position": lengths[one_list], **row} if has_positions else row
        lengths[one_list] += 1
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        connection.execute(
            f"INSERT INTO devin.{name} ({names}) VALUES ({marks})", list(values.values())
        )


def rows_of(view: str, **tables: Sequence[Row]) -> list[Row]:
    """Whole rows of a view over such tables."""
    with undone(_shared()) as connection:
        _fill(connection, [view], tables)
        return whole_rows(connection, view)


def values_of(view: str, columns: str, **tables: Sequence[Row]) -> list[tuple[Any, ...]]:
    """Some columns of a view, named with blanks between them, over such tables."""
    names = columns.split()
    return [tuple(row[name] for name in names) for row in rows_of(view, **tables)]


def whole_rows(connection: duckdb.DuckDBPyConnection, view: str) -> list[Row]:
    """The rows of a view, sorted; times and dates as people write them."""
    cursor = connection.execute(f"SELECT * FROM analytics.{view} ORDER BY ALL")
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, map(_written, row), strict=True)) for row in cursor.fetchall()]


def days(first: str, count: int) -> list[str]:
    """So many days, one after the other."""
    start = date.fromisoformat(first)
    return [str(start + timedelta(days=number)) for number in range(count)]


@cache
def _shared() -> duckdb.DuckDBPyConnection:
    return _empty_tables()


def _empty_tables() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    made = (f"CREATE TABLE devin.{table.name} ({ddl(table)})" for table in TABLES)
    connection.execute("; ".join(["CREATE SCHEMA devin", *made]))
    return connection


def _fill(
    connection: duckdb.DuckDBPyConnection,
    views: Iterable[str],
    tables: Mapping[str, Sequence[Row]],
) -> None:
    for name, rows in {"warehouse_info": [PUBLISHED], **tables}.items():
        insert(connection, name, rows)
    create_views(connection, _with_what_they_read(views))


def _written(value: Any) -> Any:
    return str(value) if isinstance(value, date) else value


def _with_what_they_read(views: Iterable[str]) -> list[SqlFile]:
    by_key = {view.key: view for view in SQL.views}
    wanted: set[tuple[str, str]] = set()
    found = {(ANALYTICS, view) for view in views}
    while found:
        wanted |= found
        found = {key for one in found for key in by_key[one].references(by_key)} - wanted
    return [view for view in SQL.views if view.key in wanted]
