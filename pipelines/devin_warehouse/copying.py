"""The copy that is to go live: written anew, or made from the one before it and what has changed.

Either way it holds what the work file holds, and proves it: as many rows in each table, with the
same keys. Both work in an open work file to which the copy is attached as `published`, in use, and
leave a transaction open for those who look at what has been written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import duckdb

from devin_warehouse.errors import CheckFailed
from devin_warehouse.reach import affected, renew_views
from devin_warehouse.sql_files import Sql
from devin_warehouse.tables import HISTORY, SCHEMA, TABLES, Table
from devin_warehouse.views import comment, create_views, read_whole
from devin_warehouse.work_file import ddl, transaction


class NotACopy(CheckFailed):
    """The copy does not hold what the work file holds."""


INFO = "warehouse_info"
# contract version, software version, when it is published
Info = tuple[str, str, datetime]


@contextmanager
def write_anew(connection: duckdb.DuckDBPyConnection, sql: Sql, info: Info) -> Iterator[None]:
    """Write tables, comments and views into an empty copy.

    Raises NotACopy if it is none, Misuse for a view that cannot be created.
    """
    with transaction(connection):
        connection.execute(f"CREATE SCHEMA {SCHEMA}")
        for table in TABLES:
            _write(connection, table)
        _say_what_it_is(connection, info)
        create_views(connection, sql.views)
        read_whole(connection, sql.views)
        yield


@contextmanager
def bring_up_to_date(connection: duckdb.DuckDBPyConnection, sql: Sql, info: Info) -> Iterator[None]:
    """Bring a copy of the last copy, made with the same SQL, up to date with the work file.

    Raises NotACopy if it is none then, because something changed rows without noting it; Misuse for
    a view that fails on the data.
    """
    with affected(connection, sql.views), transaction(connection):
        for table in TABLES:
            for statement in _renewal(table):
                connection.execute(statement)
            if table.name != INFO:
                _prove(connection, table)
        _say_what_it_is(connection, info)
        renew_views(connection, sql.views)
        read_whole(connection, sql.views)
        yield


def _write(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    name = f"{SCHEMA}.{table.name}"
    connection.execute(f"CREATE TABLE {name} ({ddl(table)})")
    connection.execute(f"INSERT INTO {name} BY NAME FROM work.{name}")
    _prove(connection, table)
    comment(connection, "TABLE", name, table.description)
    for column in table.columns:
        comment(connection, "COLUMN", f"{name}.{column.name}", column.description)


def _renewal(table: Table) -> Iterator[str]:
    name = f"{SCHEMA}.{table.name}"
    insert = f"INSERT INTO {name} BY NAME FROM work.{name}"
    if table in HISTORY:
        same = " AND ".join(f"old.{key} IS NOT DISTINCT FROM new.{key}" for key in table.key)
        yield f"{insert} AS new WHERE NOT EXISTS (FROM {name} AS old WHERE {same})"
    elif table.owner is None:
        yield f"DELETE FROM {name}"
        yield insert
    else:
        changed = "FROM work.bookkeeping.unpublished"
        yield f"DELETE FROM {name} WHERE session_id IN ({changed})"
        yield f"{insert} WHERE session_id IN ({changed})"


def _say_what_it_is(connection: duckdb.DuckDBPyConnection, info: Info) -> None:
    # before the views, since what is stored of them may depend on it
    connection.execute(f"INSERT INTO {SCHEMA}.{INFO} VALUES (?, ?, ?)", list(info))


def _prove(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    keys = ", ".join(table.key)
    told = f"SELECT count(*), bit_xor(hash({keys})) FROM"
    name = f"{SCHEMA}.{table.name}"
    ours, theirs = (
        connection.execute(f"{told} {catalog}.{name}").fetchall()[0]
        for catalog in ("work", "published")
    )
    if ours != theirs:
        raise NotACopy(
            f"{table.name}: {ours[0]:,} rows in the work file, {theirs[0]:,} in the copy, or other "
            "keys. Nothing was published."
        )
