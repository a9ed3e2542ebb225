"""Names for ids: `organizations` and `users`, from the API's lists (v3) and from files.

A load can do without them: whatever the API answers there is logged, and ends nothing. Ids that
are listed no more keep their names, and what a file says goes before what the API says.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import duckdb
import pyarrow as pa

from devin_warehouse import bookkeeping
from devin_warehouse.api.listing import Api
from devin_warehouse.directories import ORGANIZATIONS, USERS, Names
from devin_warehouse.explode import arrow_schema
from devin_warehouse.feed import Feed
from devin_warehouse.plan import Order
from devin_warehouse.redaction import Redactor
from devin_warehouse.tables import SCHEMA, Table
from devin_warehouse.work_file import transaction

ASKED_EACH = timedelta(hours=24)

log = logging.getLogger(__name__)


def renew(
    order: Order,
    connection: duckdb.DuckDBPyConnection,
    feed: Feed,
    redactor: Redactor,
    now: datetime,
) -> bool:
    """Bring names up to date with files and, each day or in a full refresh, with the API.

    Whether the API was asked. Where the policy hides who started a session, no user is named.
    Raises Stopped, and of the API nothing.
    """
    tables = [table for table in (ORGANIZATIONS, USERS) if not order.policy.hides(table.key[0])]
    is_asked = _is_due(order, connection, now)
    told = feed.ask(lambda api: _told(api, tables)) if is_asked else {}
    if not told and not order.names:
        return False
    with transaction(connection):
        if told:
            bookkeeping.note_names_asked(connection, order.connection.host, now)
        changes = [
            _store(connection, table, redactor, told, order.names.get(table.name, {}))
            for table in tables
        ]
        if any(changes):
            bookkeeping.note_change(connection)
    return bool(told)


def _is_due(order: Order, connection: duckdb.DuckDBPyConnection, now: datetime) -> bool:
    before = bookkeeping.names_asked_at(connection, order.connection.host)
    # whichever way the clock was off
    return order.is_full or before is None or abs(now - before) >= ASKED_EACH


async def _told(api: Api, tables: list[Table]) -> dict[str, Names]:
    """What the API's lists say, by table; those that there are, though they say nothing."""
    told: dict[str, Names] = {}
    for directory in api.directories:
        if directory.table in tables:
            told[directory.table.name], problem = await directory.read()
            if problem:
                log.info("%s The names of %s stay as they are.", problem, directory.table.name)
    return told


def _store(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    redactor: Redactor,
    told: dict[str, Names],
    filed: Names,
) -> bool:
    """Store what is told of a table's ids; whether anything is another than before."""
    key, *columns = (column.name for column in table.columns)
    before = {
        row[0]: dict(zip(columns, row[1:], strict=True))
        for row in connection.execute(f"FROM {SCHEMA}.{table.name}").fetchall()
    }
    news = redactor.redacted(table, told.get(table.name, {}))
    own = redactor.redacted(table, filed)
    unnamed = dict.fromkeys(columns)
    after = {
        each: unnamed | (news.get(each) or before.get(each, {})) | own.get(each, {})
        for each in news.keys() | own.keys()
    }
    changed = [{key: each, **row} for each, row in after.items() if row != before.get(each)]
    if changed:
        _replace(connection, table, pa.Table.from_pylist(changed, arrow_schema(table)))
    return bool(changed)


def _replace(connection: duckdb.DuckDBPyConnection, table: Table, rows: pa.Table) -> None:
    name, key = f"{SCHEMA}.{table.name}", table.key[0]
    connection.register("renewed", rows)
    connection.execute(f"DELETE FROM {name} WHERE {key} IN (SELECT {key} FROM renewed)")
    connection.execute(f"INSERT INTO {name} BY NAME FROM renewed")
    connection.unregister("renewed")
