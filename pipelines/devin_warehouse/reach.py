"""How far a change reaches: which rows of the stored views it can have altered.

A session's rows there depend on those that list the same pull requests, and on its family; those
again on theirs. What hangs together so is computed anew together, by the views' own text, in a
database in memory where every table is cut down to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import duckdb

from devin_warehouse.sql_files import SqlFile
from devin_warehouse.tables import BY_NAME, SCHEMA, TABLES
from devin_warehouse.views import blamed, store, table_of


def _names(catalog: str, table: str) -> str:
    columns = ", ".join(column.name for column in BY_NAME[table].columns)
    return f"SELECT {columns} FROM {catalog}.{SCHEMA}.{table}"


OTHER_NAMES = " UNION ALL ".join(
    f"SELECT true FROM ({_names(new, table)} EXCEPT {_names(old, table)})"
    for table in ("organizations", "users")
    for new, old in (("work", "published"), ("published", "work"))
)
# every list that was ever merged is in pull_request_states; a name may stand in any row
REACH = f"""
CREATE OR REPLACE TEMP TABLE reached AS
WITH RECURSIVE changed AS (
    SELECT session_id FROM work.bookkeeping.unpublished
    UNION
    SELECT coalesce(new.session_id, old.session_id) FROM work.{SCHEMA}.deleted_sessions AS new
    FULL JOIN published.{SCHEMA}.deleted_sessions AS old ON old.session_id = new.session_id
    WHERE new.session_id IS NULL OR old.session_id IS NULL
    UNION
    SELECT session_id FROM work.{SCHEMA}.sessions WHERE EXISTS ({OTHER_NAMES})
),
pairs AS (
    SELECT session_id AS one, pr_url AS other FROM work.{SCHEMA}.pull_request_states
    UNION ALL
    SELECT session_id, parent_session_id FROM work.{SCHEMA}.sessions
    UNION ALL
    SELECT session_id, parent_session_id FROM published.{SCHEMA}.sessions
),
links AS (
    SELECT one, other FROM pairs WHERE other IS NOT NULL
    UNION ALL
    SELECT other, one FROM pairs WHERE other IS NOT NULL
),
reached AS (
    SELECT session_id AS key FROM changed
    UNION
    SELECT other FROM reached JOIN links ON links.one = reached.key
)
SELECT key FROM reached
"""


@contextmanager
def affected(connection: duckdb.DuckDBPyConnection, views: Sequence[SqlFile]) -> Iterator[None]:
    """A database of that name, in which views see of the copy in use what a change reaches.

    That is settled on entry, when the copy, attached as `published`, still holds what was there
    before; work file and copy have been opened, and neither is in a transaction yet.
    """
    connection.execute(REACH)
    connection.execute("ATTACH ':memory:' AS affected")
    try:
        with cut_down(connection):
            _create(connection, views)
        yield
    finally:
        connection.execute("USE published")
        connection.execute("DETACH affected")
        connection.execute("DROP TABLE temp.main.reached")


@contextmanager
def cut_down(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """While it lasts, names are those of the database `affected`."""
    connection.execute("USE affected")
    yield
    # after a failure only once the transaction has been rolled back: `affected` sees to that
    connection.execute("USE published")


def renew_views(connection: duckdb.DuckDBPyConnection, views: Sequence[SqlFile]) -> None:
    """Bring up to date what is stored of the copy's views, whose tables are so already.

    Raises Misuse, with file and line, for one that fails on the data.
    """
    for view in views:
        with blamed(view):
            if view.stored_by:
                _renew(connection, view)
            elif view.is_stored:
                store(connection, view)


def _renew(connection: duckdb.DuckDBPyConnection, view: SqlFile) -> None:
    table = f"published.{table_of(view)}"
    connection.execute(f"DELETE FROM {table} WHERE {_is_reached(view.stored_by)}")
    with cut_down(connection):
        connection.execute(f"INSERT INTO {table} {view.text}")


def _create(connection: duckdb.DuckDBPyConnection, views: Sequence[SqlFile]) -> None:
    schemas = dict.fromkeys([SCHEMA, *(view.schema for view in views)])
    for schema in schemas:
        connection.execute(f'CREATE SCHEMA "{schema}"')
    for table in TABLES:
        has_sessions = any(column.name == "session_id" for column in table.columns)
        condition = _is_reached("session_id") if has_sessions else "true"
        name = f"{SCHEMA}.{table.name}"
        connection.execute(f"CREATE VIEW {name} AS FROM published.{name} WHERE {condition}")
    for view in _needed(views):
        rows = view.text
        if view.stored_by:
            rows = f"FROM published.{table_of(view)} WHERE {_is_reached(view.stored_by)}"
        connection.execute(f"CREATE VIEW {view.full_name} AS {rows}")


def _needed(views: Sequence[SqlFile]) -> list[SqlFile]:
    """The views that are stored by a key, and those that they read."""
    by_key = {view.key: view for view in views}
    needed = {view.key for view in views if view.stored_by}
    for view in reversed(views):
        if view.key in needed:
            needed |= view.references(by_key)
    return [view for view in views if view.key in needed]


def _is_reached(column: str) -> str:
    return f"{column} IN (SELECT key FROM temp.main.reached)"
