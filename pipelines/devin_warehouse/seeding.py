"""Seeding: a work file that knows nothing yet learns what another database holds of its scope.

So a loader on a new machine, or without a disk that lasts, goes on from the watermark there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import duckdb
import pyarrow as pa

from devin_warehouse.bookkeeping import BY_KEY, DELIVERED, OWE_WHAT_IS_NOT_THERE
from devin_warehouse.destination import Database
from devin_warehouse.explode import arrow_schema
from devin_warehouse.tables import BY_NAME, HISTORY, SCHEMA, TABLES, Table, Type
from devin_warehouse.work_file import quoted, transaction

SLICE_SESSIONS = 20_000
OF_SESSIONS = (
    *(table for table in TABLES if table.owner),
    *HISTORY,
    BY_NAME["deleted_sessions"],
)


def is_blank(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the work file knows of no run."""
    return connection.execute(f"SELECT count(*) FROM {SCHEMA}.load_runs").fetchall() == [(0,)]


def seed(
    connection: duckdb.DuckDBPyConnection,
    database: Database,
    scope: str,
    organizations: Sequence[str],
) -> bool:
    """Copy what the database holds of a scope into an empty work file; whether it holds any."""
    runs = f"scope = {quoted(scope)}"
    known = database.execute(f"SELECT count(*) FROM {SCHEMA}.load_runs WHERE {runs}").fetchall()
    if known == [(0,)]:
        return False
    with transaction(connection):
        for table in BY_KEY:
            _copy(connection, database, table, runs if table.name == "load_runs" else "true")
            connection.execute(
                f"INSERT INTO {DELIVERED}.{table.name} BY NAME FROM {SCHEMA}.{table.name}"
            )
        for slice_ in _slices(database, organizations):
            for table in OF_SESSIONS:
                _copy(connection, database, table, slice_)
        connection.execute(OWE_WHAT_IS_NOT_THERE)
    return True


def _slices(database: Database, organizations: Sequence[str]) -> Iterator[str]:
    """Conditions on session_id that together select the organizations' sessions, or all."""
    names = ", ".join(map(quoted, organizations))
    ours = f"SELECT session_id FROM {SCHEMA}.sessions WHERE org_id IN ({names})"
    within = f" AND session_id IN ({ours})" if organizations else ""
    after = "session_id > ''"
    while True:
        ((end,),) = database.execute(
            f"SELECT max(session_id) FROM (SELECT session_id FROM {SCHEMA}.sessions "
            f"WHERE {after} ORDER BY session_id LIMIT {SLICE_SESSIONS}) AS slice"
        ).fetchall()
        if end is None:
            # sessions that could never be read are among the deleted ones
            yield after + within
            return
        yield f"{after} AND session_id <= {quoted(end)}{within}"
        after = f"session_id > {quoted(end)}"


def _copy(
    connection: duckdb.DuckDBPyConnection, database: Database, table: Table, condition: str
) -> None:
    columns = ", ".join(
        f"CAST({column.name} AS VARCHAR) AS {column.name}"
        if column.type is Type.JSON
        else column.name
        for column in table.columns
    )
    name = f"{SCHEMA}.{table.name}"
    rows = database.execute(f"SELECT {columns} FROM {name} WHERE {condition}").fetchall()
    schema = arrow_schema(table)
    values = zip(*rows, strict=True) if rows else [()] * len(schema)
    arrays = [pa.array(v, field.type) for v, field in zip(values, schema, strict=True)]
    connection.register("seeds", pa.table(arrays, schema=schema))
    connection.execute(f"INSERT INTO {name} BY NAME FROM seeds")
    connection.unregister("seeds")
