"""The views in another database than the file: of the same SQL, with the same descriptions.

Where another engine than DuckDB computes, the rows of stored views are kept in tables there too,
and computed anew with each delivery; DuckDB computes them while it reads.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from devin_warehouse import __version__
from devin_warehouse.destination import Database
from devin_warehouse.sql_files import PREPARED, Sql, SqlFile
from devin_warehouse.views import DICTIONARY, DICTIONARY_COLUMNS, comment, rehearse, table_of
from devin_warehouse.work_file import quoted


def renew_views(database: Database, sql: Sql, record: str) -> None:
    """Bring the views up to date with the tables, and with their SQL where that has changed.

    `record` is the table that says which were made. Raises Misuse for one that cannot be created,
    or that other people's views hang on.
    """
    fingerprint = f"{__version__} {sql.fingerprint}"
    made, names = database.execute(f"SELECT fingerprint, names FROM {record}").fetchall()[0]
    if made == fingerprint:
        for view in sql.views:
            if _is_stored(database, view):
                _compute(database, view)
        return
    for name in reversed(json.loads(names)):
        with database.blamed(name):
            database.execute(f"DROP {name}")
    created = list(_create(database, sql))
    database.execute(
        f"UPDATE {record} SET fingerprint = '{fingerprint}', names = {quoted(json.dumps(created))}"
    )


def _create(database: Database, sql: Sql) -> Iterator[str]:
    """Create the views, described; yields each thing that is to be dropped before the next time."""
    for schema in dict.fromkeys([PREPARED, *(view.schema for view in sql.views)]):
        database.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
    columns = ", ".join(f"{name} VARCHAR" for name in DICTIONARY_COLUMNS)
    database.execute(f"CREATE TABLE {DICTIONARY} ({columns})")
    yield f"TABLE {DICTIONARY}"
    for view in sql.views:
        with database.blamed(view.source):
            yield from _create_one(database, view)
    descriptions = rehearse(sql.views)
    for row in descriptions.dictionary:
        values = ", ".join("NULL" if value is None else quoted(value) for value in row)
        database.execute(f"INSERT INTO {DICTIONARY} VALUES ({values})")
    for kind, name, text in descriptions.comments:
        # a DuckLake has none on the columns of views; the dictionary says the same
        if kind == "VIEW" or not database.is_duckdb:
            comment(database, kind, name, text)


def _create_one(database: Database, view: SqlFile) -> Iterator[str]:
    table = table_of(view)
    if not _is_stored(database, view):
        database.execute(f"CREATE VIEW {view.full_name} AS {view.text}")
        yield f"VIEW {view.full_name}"
        return
    database.execute(f"CREATE TABLE {table} AS {view.text}")
    database.gather_statistics(table)
    yield f"TABLE {table}"
    if table != view.full_name:
        database.execute(f"CREATE VIEW {view.full_name} AS SELECT * FROM {table}")
        yield f"VIEW {view.full_name}"


def _is_stored(database: Database, view: SqlFile) -> bool:
    return view.is_stored and not database.is_duckdb


def _compute(database: Database, view: SqlFile) -> None:
    database.execute(f"DELETE FROM {table_of(view)}")
    database.execute(f"INSERT INTO {table_of(view)} {view.text}")
