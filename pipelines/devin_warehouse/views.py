"""The views in a database: created in order, documented, and listed in the metric dictionary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb

from devin_warehouse.checks import Asked
from devin_warehouse.errors import Misuse
from devin_warehouse.sql_files import ANALYTICS, OUR_SCHEMAS, PREPARED, Meaning, SqlFile, located
from devin_warehouse.tables import BY_NAME, SCHEMA, TABLES, Type
from devin_warehouse.work_file import ddl, quoted

UNITS = {
    Type.TEXT: "text",
    Type.DOUBLE: "number",
    Type.BIGINT: "count",
    Type.BOOLEAN: "true or false",
    Type.TIMESTAMP: "timestamp",
    Type.JSON: "JSON",
}
DICTIONARY = f"{PREPARED}.metric_dictionary"
DICTIONARY_COLUMNS = ("view_name", "column_name", "meaning", "unit", "formula")
COMMENTS = """
SELECT 'VIEW', format('"{}"."{}"', schema_name, view_name), comment
FROM duckdb_views() WHERE comment IS NOT NULL
UNION ALL
SELECT 'COLUMN', format('"{}"."{}"."{}"', schema_name, table_name, column_name), comment
FROM duckdb_columns() WHERE comment IS NOT NULL
"""
# the view that describes what a column of the same name is in the others
LEADING = (ANALYTICS, "sessions")


def create_views(connection: duckdb.DuckDBPyConnection, views: Sequence[SqlFile]) -> None:
    """Create the views in the current database, with comments and dictionary.

    Raises Misuse, with file and line, for one that DuckDB cannot create.
    """
    for schema in dict.fromkeys([PREPARED, *(view.schema for view in views)]):
        connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
    columns = ", ".join(f"{name} VARCHAR" for name in DICTIONARY_COLUMNS)
    connection.execute(f"CREATE TABLE {DICTIONARY} ({columns})")
    comment(connection, "TABLE", DICTIONARY, "What analytics.metric_dictionary shows.")
    for view in views:
        with blamed(view):
            _create(connection, view)
    _document(connection, views)


@dataclass(frozen=True)
class Descriptions:
    """What is said of views: the rows of the dictionary; of each kind and name, the comment."""

    dictionary: list[tuple[str | None, ...]]
    comments: list[tuple[str, str, str]]


def rehearse(views: Sequence[SqlFile]) -> Descriptions:
    """Create the views over empty tables, in memory: raises Misuse before any work is done."""
    with duckdb.connect() as connection:
        connection.execute(f"CREATE SCHEMA {SCHEMA}")
        for table in TABLES:
            connection.execute(f"CREATE TABLE {SCHEMA}.{table.name} ({ddl(table)})")
        create_views(connection, views)
        dictionary = connection.execute(f"FROM {DICTIONARY}").fetchall()
        comments = connection.execute(COMMENTS).fetchall()
    return Descriptions(dictionary, comments)


def read_whole(connection: duckdb.DuckDBPyConnection, views: Sequence[SqlFile]) -> None:
    """Compute users' views, every column: raises Misuse where one fails on the data.

    Those that are stored have been computed; ours are proven by tests.
    """
    for view in views:
        if view.schema not in OUR_SCHEMAS and not view.is_stored:
            with blamed(view):
                connection.execute(f"SELECT bit_xor(hash(v)) FROM {view.full_name} AS v")


def comment(connection: Asked, kind: str, name: str, text: str) -> None:
    """Say what a table, view or column is, where clients look for it."""
    connection.execute(f"COMMENT ON {kind} {name} IS {quoted(text)}")


@contextmanager
def blamed(view: SqlFile) -> Iterator[None]:
    """What DuckDB cannot make of a view is its author's to mend; a full disk is not."""
    try:
        yield
    except duckdb.OperationalError:
        raise
    except duckdb.Error as error:
        raise Misuse(f"{located(view, error)}; nothing was published.") from error


def table_of(view: SqlFile) -> str:
    """Where the rows of a stored view are kept."""
    return view.full_name if view.schema == PREPARED else f'{PREPARED}."{view.schema}_{view.name}"'


def _create(connection: duckdb.DuckDBPyConnection, view: SqlFile) -> None:
    # the text begins on the statement's first line, so that DuckDB counts the file's lines
    if not view.is_stored:
        connection.execute(f"CREATE VIEW {view.full_name} AS {view.text}")
        return
    store(connection, view)
    table = table_of(view)
    if table != view.full_name:
        connection.execute(f"CREATE VIEW {view.full_name} AS SELECT * FROM {table}")


def store(connection: duckdb.DuckDBPyConnection, view: SqlFile) -> None:
    """Compute what is stored of a view, whole."""
    table = table_of(view)
    connection.execute(f"CREATE OR REPLACE TABLE {table} AS {view.text}")
    comment(connection, "TABLE", table, view.grain)


def _document(connection: duckdb.DuckDBPyConnection, views: Sequence[SqlFile]) -> None:
    rows = list(_described(connection, [view for view in views if view.schema != PREPARED]))
    for view, column, meaning in rows:
        if meaning.meaning:
            unit = " = ".join(filter(None, (meaning.unit, meaning.formula)))
            text = f"{meaning.meaning} [{unit}]" if unit else meaning.meaning
            comment(connection, "COLUMN", f'{view.full_name}."{column}"', text)
    for view in {row[0].key: row[0] for row in rows}.values():
        comment(connection, "VIEW", view.full_name, view.grain)
    entries = [(_shown(v), column, m.meaning, m.unit, m.formula) for v, column, m in rows]
    connection.execute(
        f"INSERT INTO {DICTIONARY} SELECT unnest(?), unnest(?), unnest(?), unnest(?), unnest(?)",
        [list(values) for values in zip(*entries, strict=True)] or [[]] * 5,
    )


def _described(
    connection: duckdb.DuckDBPyConnection, views: Sequence[SqlFile]
) -> Iterator[tuple[SqlFile, str, Meaning]]:
    """Every column of the views, in order, with its meaning."""
    found = connection.execute(
        "SELECT schema_name, table_name, list(column_name ORDER BY column_index) "
        "FROM duckdb_columns() WHERE database_name = current_database() GROUP BY ALL"
    ).fetchall()
    columns = {(schema.lower(), name.lower()): names for schema, name, names in found}
    leading = next((view.meanings for view in views if view.key == LEADING), {})
    for view in sorted(views, key=lambda view: view.key):
        meanings = view.meanings
        if view.schema == ANALYTICS:
            own_table = _contract(view.name) if view.name in BY_NAME else {}
            meanings = {**_contract("sessions"), **leading, **own_table, **meanings}
        for column in columns[view.key]:
            yield view, column, meanings.get(column, Meaning())


def _contract(table: str) -> dict[str, Meaning]:
    """What the contract says of a table's columns."""
    return {
        column.name: Meaning(
            column.description, UNITS[column.type], f"{SCHEMA}.{table}.{column.name}"
        )
        for column in BY_NAME[table].columns
    }


def _shown(view: SqlFile) -> str:
    """As the dictionary names a view: ours by its name, a user's with its schema."""
    return view.name if view.schema == ANALYTICS else f"{view.schema}.{view.name}"
