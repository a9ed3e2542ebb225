"""Delivering: what has changed since the last delivery goes to another database, all at once.

There the warehouse is what the published file is here: schema `devin`, the views, the comments.
The work file stays the loader's state, and what it has merged is what is delivered: rows land
through dlt, then one transaction replaces sessions whole, adds to history and renews the views; it
is undone where a check of severity error finds rows. Several loaders may deliver to one database,
each from a work file of its own.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import duckdb
import pendulum
import pyarrow as pa

from devin_warehouse import __version__
from devin_warehouse.bookkeeping import BY_KEY, DELIVERED, loader_id
from devin_warehouse.checks import run_checks
from devin_warehouse.delivered_views import renew_views
from devin_warehouse.destination import Database, Destination, destination_errors
from devin_warehouse.errors import CheckFailed, Misuse
from devin_warehouse.layout import Layout
from devin_warehouse.ledger import V3_SCOPES, Run, naive, refuse_older_version, remark
from devin_warehouse.publish import Publication, is_due, note_publication, warnings_of
from devin_warehouse.redacted import is_unpublished
from devin_warehouse.seeding import is_blank, seed
from devin_warehouse.sql_files import Sql
from devin_warehouse.tables import (
    CONTRACT_VERSION,
    HISTORY,
    SCHEMA,
    TABLES,
    Column,
    Table,
    Type,
)
from devin_warehouse.views import comment
from devin_warehouse.work_file import ddl, quoted, transaction

# a schema of its own there: who delivers, how far they are, and which views were made
RECORD = "devin_delivery"
VIEWS = f"{RECORD}.views"
BATCH_ROWS = 50_000

IDS = Table(
    "delivered_sessions",
    ("session_id",),
    "The sessions whose rows are delivered.",
    (Column("session_id", Type.TEXT, "The session."),),
)
GONE = Table(
    "gone",
    ("table_name", "key"),
    "Rows that are no more.",
    (
        Column("table_name", Type.TEXT, "Their table."),
        Column("key", Type.TEXT, "Their key."),
    ),
)
BY_SESSION = tuple(t for t in TABLES if t.owner or t.name == "deleted_sessions")

# with several loaders, one may know a session from before another has read it
SUPERSEDED = f"""
DELETE FROM {{ids}} WHERE session_id IN (
    SELECT new.session_id FROM {{sessions}} AS new
    JOIN {SCHEMA}.sessions AS old ON old.session_id = new.session_id
    WHERE old.updated_at > new.updated_at OR ({{is_whole}} AND old.updated_at = new.updated_at
        AND old.org_id IS DISTINCT FROM new.org_id)
)
"""
ALL_SESSIONS = f"""
SELECT session_id FROM {SCHEMA}.sessions UNION SELECT session_id FROM {SCHEMA}.deleted_sessions
"""


def prepare(
    connection: duckdb.DuckDBPyConnection,
    destination: Destination,
    layout: Layout,
    scope: str,
    organizations: Sequence[str],
) -> None:
    """Make what is not there yet; a work file that knows nothing yet learns what is known there.

    Raises Misuse where the database cannot be reached, its schema `devin` is somebody else's or of
    a later contract, or v3 has loaded what the scope would be loaded of over v2.
    """
    with _opened(connection, destination, layout) as database:
        database.in_transaction(lambda: _create(database))
        refuse_older_version(scope, database.execute(V3_SCOPES).fetchall())
        if is_blank(connection) and seed(connection, database, scope, organizations):
            _take_up(connection, database)


def deliver(
    connection: duckdb.DuckDBPyConnection,
    destination: Destination,
    layout: Layout,
    run: Run,
    sql: Sql,
) -> Publication:
    """Bring a destination up to date with the open work file, as `publish` does the file.

    Raises CheckFailed, Misuse for a view that cannot be created, OutOfResources; then readers see
    what they saw before.
    """
    now = naive(pendulum.now("UTC"))
    with _opened(connection, destination, layout) as database:
        delivery = _Delivery(connection, database, run, sql, now)
        is_new = is_due(connection, destination.name, now, sql.fingerprint)
        if not is_new and not delivery.is_whole:
            return Publication()
        delivery.land()
        warnings = database.in_transaction(delivery.merge)
        delivery.note(warnings)
        database.clear_landing()
    return Publication(is_new=True, warnings=tuple(warnings))


@contextmanager
def _opened(
    connection: duckdb.DuckDBPyConnection, destination: Destination, layout: Layout
) -> Iterator[Database]:
    dataset = f"devin_landing_{loader_id(connection)}"
    with (
        destination.opened(layout.folder / "delivery", dataset) as database,
        destination_errors(destination.name),
    ):
        yield database


def _is_there(database: Database) -> bool:
    """Whether our tables are there; raises Misuse if they are not ours, or of a later contract."""
    found = database.execute(
        "SELECT DISTINCT table_schema FROM information_schema.tables "
        # a DuckLake's catalog may be in a database that is a warehouse itself
        "WHERE table_catalog = current_database() "
        f"AND table_schema IN ('{SCHEMA}', '{RECORD}')"
    ).fetchall()
    schemas = {schema for (schema,) in found}
    if schemas == {SCHEMA}:
        raise Misuse(f"--destination: schema {SCHEMA} is there, but not ours; nothing was touched.")
    if not schemas:
        return False
    versions = database.execute(f"SELECT contract_version FROM {SCHEMA}.warehouse_info").fetchall()
    if any(int(version) > int(CONTRACT_VERSION) for (version,) in versions):
        raise Misuse(
            f"The warehouse there is of a later version of devin-warehouse than {__version__}: "
            "update it. Nothing was touched."
        )
    return True


def _create(database: Database) -> None:
    """Create what is not there; another loader may be doing the same."""
    if _is_there(database):
        _add_columns(database)
        return
    for schema in (SCHEMA, RECORD):
        database.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    for table in TABLES:
        name = f"{SCHEMA}.{table.name}"
        database.execute(f"CREATE TABLE {name} ({ddl(table)})")
        comment(database, "TABLE", name, table.description)
        for column in table.columns:
            comment(database, "COLUMN", f"{name}.{column.name}", column.description)
    database.execute(
        f"CREATE TABLE {RECORD}.loaders (loader_id VARCHAR, token VARCHAR, delivered_at TIMESTAMP)"
    )
    database.execute(f"CREATE TABLE {VIEWS} (fingerprint VARCHAR, names VARCHAR)")
    database.execute(f"INSERT INTO {VIEWS} VALUES ('', '[]')")


def _add_columns(database: Database) -> None:
    """Add the columns that an older version did not know; then all is to be delivered anew."""
    found = database.execute(
        "SELECT table_name, column_name FROM information_schema.columns "
        f"WHERE table_catalog = current_database() AND table_schema = '{SCHEMA}'"
    ).fetchall()
    known = {(table, column) for table, column in found}
    for table in TABLES:
        for column in table.columns:
            if (table.name, column.name) not in known:
                name = f"{SCHEMA}.{table.name}"
                database.execute(f"ALTER TABLE {name} ADD COLUMN {column.name} {column.type}")
                comment(database, "COLUMN", f"{name}.{column.name}", column.description)
                database.execute(f"DELETE FROM {RECORD}.loaders")


def _take_up(connection: duckdb.DuckDBPyConnection, database: Database) -> None:
    """Go on, in a work file that has been seeded, as if it had delivered what is there."""
    loader, token = loader_id(connection), uuid.uuid4().hex
    database.execute(f"INSERT INTO {RECORD}.loaders VALUES ('{loader}', '{token}', NULL)")
    connection.execute(
        "UPDATE bookkeeping.publication "
        "SET target = ?, token = ?, published_version = data_version",
        [database.name, token],
    )


class _Delivery:
    """One delivery: what goes, and how it is merged there."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        database: Database,
        run: Run,
        sql: Sql,
        now: datetime,
    ) -> None:
        self._connection = connection
        self._database = database
        self._run = run
        self._sql = sql
        self._at = now
        self._now = f"TIMESTAMP '{now}'"
        self._loader = loader_id(connection)
        self._token = uuid.uuid4().hex
        self._landed: Counter[str] = Counter()
        self.is_whole = not self._is_as_we_left_it()

    def _is_as_we_left_it(self) -> bool:
        """Whether our last delivery went there, and nobody has restored either side since."""
        known = self._database.execute(
            f"SELECT token FROM {RECORD}.loaders WHERE loader_id = '{self._loader}'"
        ).fetchall()
        # the second if the process was killed right after that delivery
        ours = self._connection.execute(
            "SELECT unnest([token, next_token]) FROM bookkeeping.publication "
            "WHERE target = ? AND published_version IS NOT NULL",
            [self._database.name],
        ).fetchall()
        return bool(set(known) & set(ours))

    def land(self) -> None:
        """Bring what has changed into the landing schema; raises CheckFailed if some is lost."""
        self._connection.execute("UPDATE bookkeeping.publication SET next_token = ?", [self._token])
        if self.is_whole:
            for table in BY_KEY:
                self._connection.execute(f"DELETE FROM {DELIVERED}.{table.name}")
        ids = ALL_SESSIONS if self.is_whole else "SELECT session_id FROM bookkeeping.unpublished"
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE {IDS.name} AS {ids}")
        self._database.land(self._rows())
        for name, sent in self._landed.items():
            arrived = self._database.execute(f"SELECT count(*) FROM {self._from(name)}").fetchall()
            if arrived != [(sent,)]:
                raise CheckFailed(
                    f"{name}: {sent:,} rows were sent to {self._database.name}, {arrived[0][0]:,} "
                    "arrived. Nothing was published."
                )

    def _rows(self) -> Iterator[tuple[Table, pa.Table]]:
        for table, query in self._queries():
            batches: Any = self._connection.sql(query).to_arrow_reader(BATCH_ROWS)
            for batch in batches:
                if batch.num_rows:
                    self._landed[table.name] += batch.num_rows
                    yield table, pa.Table.from_batches([batch])

    def _queries(self) -> Iterator[tuple[Table, str]]:
        """The tables that land, each with its rows; JSON lands as text."""
        yield IDS, f"FROM {IDS.name}"
        for table in (*BY_SESSION, *HISTORY, *BY_KEY):
            rows = f"{SCHEMA}.{table.name} SEMI JOIN {IDS.name} USING (session_id)"
            if table in BY_KEY:
                names = ", ".join(column.name for column in table.columns)
                rows = (
                    f"(SELECT {names} FROM {SCHEMA}.{table.name} "
                    f"EXCEPT SELECT {names} FROM {DELIVERED}.{table.name})"
                )
            kept = ", ".join(self._database.kept(column) for column in table.columns)
            yield _as_text(table), f"SELECT {kept} FROM {rows}"
        gone = (
            f"SELECT '{table.name}' AS table_name, {table.key[0]} AS key "
            f"FROM {DELIVERED}.{table.name} ANTI JOIN {SCHEMA}.{table.name} USING ({table.key[0]})"
            for table in BY_KEY
        )
        yield GONE, " UNION ALL ".join(gone)

    def merge(self) -> list[str]:
        """Merge what has landed; what the checks warn of. To be called in a transaction."""
        database, landed = self._database, self._landed
        # whoever else delivers waits here, or finds out when it commits
        database.execute(f"UPDATE {VIEWS} SET fingerprint = fingerprint")
        self._say_who()
        is_alone = self._is_alone()
        if landed[IDS.name]:
            if not is_alone:
                self._drop_superseded()
            for table in BY_SESSION:
                self._replace(table, f"session_id IN ({self._ids})")
            for table in HISTORY:
                self._add(table)
        if self.is_whole and is_alone:
            # what has been read since then nobody else tells
            database.execute(f"DELETE FROM {SCHEMA}.rejected_records")
        for table in BY_KEY:
            self._replace_by_key(table)
        if self.is_whole:
            for table in TABLES:
                database.gather_statistics(f"{SCHEMA}.{table.name}")
        renew_views(database, self._sql, VIEWS)
        return self._checked()

    def _say_who(self) -> None:
        execute = self._database.execute
        execute(f"DELETE FROM {RECORD}.loaders WHERE loader_id = '{self._loader}'")
        execute(
            f"INSERT INTO {RECORD}.loaders VALUES ('{self._loader}', '{self._token}', {self._now})"
        )
        execute(f"DELETE FROM {SCHEMA}.warehouse_info")
        execute(
            f"INSERT INTO {SCHEMA}.warehouse_info "
            f"VALUES ('{CONTRACT_VERSION}', '{__version__}', {self._now})"
        )

    def _is_alone(self) -> bool:
        found = self._database.execute(
            f"SELECT count(*) FROM {RECORD}.loaders WHERE loader_id <> '{self._loader}'"
        )
        return found.fetchall() == [(0,)]

    def _drop_superseded(self) -> None:
        """Leave alone what another loader has read later, as `updated_at` tells.

        (Of a single one the later read counts, even if it sees that move backwards.)
        """
        if self._landed["sessions"]:
            self._database.execute(
                SUPERSEDED.format(
                    ids=self._from(IDS.name),
                    sessions=self._from("sessions"),
                    is_whole="true" if self.is_whole else "false",
                )
            )

    def _replace(self, table: Table, condition: str) -> None:
        self._database.execute(f"DELETE FROM {SCHEMA}.{table.name} WHERE {condition}")
        self._insert(table, f"WHERE {condition}")

    def _add(self, table: Table) -> None:
        name, first, others = f"{SCHEMA}.{table.name}", table.key[0], table.key[1:]
        if is_unpublished(self._connection):
            self._database.execute(f"DELETE FROM {name} WHERE session_id IN ({self._ids})")
        same = [f"old.{first} = new.{first}"]
        same += [f"old.{key} IS NOT DISTINCT FROM new.{key}" for key in others]
        self._insert(
            table, f"WHERE NOT EXISTS (SELECT 1 FROM {name} AS old WHERE {' AND '.join(same)})"
        )

    def _replace_by_key(self, table: Table) -> None:
        key = table.key[0]
        if self._landed[GONE.name]:
            self._database.execute(
                f"DELETE FROM {SCHEMA}.{table.name} WHERE {key} IN "
                f"(SELECT key FROM {self._from(GONE.name)} WHERE table_name = '{table.name}')"
            )
        if self._landed[table.name]:
            self._replace(table, f"{key} IN (SELECT {key} FROM {self._from(table.name)})")

    def _insert(self, table: Table, condition: str) -> None:
        if self._landed[table.name]:
            names = ", ".join(column.name for column in table.columns)
            values = ", ".join(
                f"CAST(new.{c.name} AS JSON)" if c.type is Type.JSON else f"new.{c.name}"
                for c in table.columns
            )
            self._database.execute(
                f"INSERT INTO {SCHEMA}.{table.name} ({names}) "
                f"SELECT {values} FROM {self._from(table.name)} AS new {condition}"
            )

    def _checked(self) -> list[str]:
        warnings = warnings_of(run_checks(self._database, self._sql.checks))
        for warning in warnings:
            self._database.execute(
                f"UPDATE {SCHEMA}.load_runs SET error = concat_ws('; ', error, {quoted(warning)}) "
                f"WHERE run_id = '{self._run.run_id}'"
            )
        return warnings

    def note(self, warnings: list[str]) -> None:
        """Remember what has been delivered, and that nothing waits for it any more."""
        for warning in warnings:
            remark(self._connection, self._run, warning)
        with transaction(self._connection):
            note_publication(
                self._connection, self._database.name, self._at, self._sql.fingerprint, warnings
            )
            self._connection.execute("UPDATE bookkeeping.publication SET token = next_token")
            for table in BY_KEY:
                self._connection.execute(f"DELETE FROM {DELIVERED}.{table.name}")
                self._connection.execute(
                    f"INSERT INTO {DELIVERED}.{table.name} BY NAME FROM {SCHEMA}.{table.name}"
                )

    def _from(self, name: str) -> str:
        return f"{self._database.landing}.{name}"

    @property
    def _ids(self) -> str:
        return f"SELECT session_id FROM {self._from(IDS.name)}"


def _as_text(table: Table) -> Table:
    """A table whose JSON is text: dlt would have PostgreSQL take it apart."""
    columns = [replace(c, type=Type.TEXT if c.type is Type.JSON else c.type) for c in table.columns]
    return replace(table, columns=tuple(columns))
