"""Databases that loads deliver to, as readers find them who know nothing of the loader.

`make test` delivers to a DuckDB file through dlt's own destination for it; `make test-servers` runs
the same tests against PostgreSQL and a DuckLake (DEVIN_TEST_PLACE, and DEVIN_TEST_SERVER: where
PostgreSQL is, user and password included).
"""

from __future__ import annotations

import math
import os
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pyarrow as pa

from devin_warehouse.destination import Destination
from devin_warehouse.explode import arrow_schema
from devin_warehouse.layout import Layout
from devin_warehouse.sql_files import Sql
from devin_warehouse.tables import BY_NAME, SCHEMA, TABLES, Table, Type
from devin_warehouse.views import create_views
from devin_warehouse.work_file import ddl

Bag = Counter[tuple[Any, ...]]


class Place:
    """A database of its own, empty at first."""

    keeps_nul = True

    def __init__(self, folder: Path, setenv: Callable[[str, str], None]) -> None:
        self.file = folder / f"{uuid.uuid4().hex}.duckdb"

    @property
    def destination(self) -> Destination:
        return Destination(dlt.destinations.duckdb(str(self.file)))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.file), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def change(self, sql: str) -> None:
        with duckdb.connect(str(self.file)) as connection:
            connection.execute(sql)


class PostgreSQL(Place):
    keeps_nul = False

    def __init__(self, folder: Path, setenv: Callable[[str, str], None]) -> None:
        import psycopg2  # noqa: PLC0415 not everybody has it

        self._connect = psycopg2.connect
        server = os.environ["DEVIN_TEST_SERVER"]
        name = f"test_{uuid.uuid4().hex}"
        self.url = f"{server}/{name}"
        administrator = self._connect(f"{server}/postgres")
        administrator.autocommit = True
        administrator.cursor().execute(f"CREATE DATABASE {name}")
        administrator.close()
        setenv("DESTINATION__POSTGRES__CREDENTIALS", self.url)

    @property
    def destination(self) -> Destination:
        return Destination("postgres")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        connection = self._connect(self.url)
        try:
            cursor = connection.cursor()
            cursor.execute(sql)
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found
        finally:
            connection.close()

    def change(self, sql: str) -> None:
        connection = self._connect(self.url)
        connection.cursor().execute(sql)
        connection.commit()
        connection.close()


class DuckLake(Place):
    def __init__(self, folder: Path, setenv: Callable[[str, str], None]) -> None:
        self._catalog = PostgreSQL(folder, setenv)
        setenv("DESTINATION__DUCKLAKE__CREDENTIALS__CATALOG", self._catalog.url)
        setenv("DESTINATION__DUCKLAKE__CREDENTIALS__STORAGE", str(folder / "lake"))

    @property
    def destination(self) -> Destination:
        return Destination("ducklake")

    def _connected(self, options: str) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect()
        url = self._catalog.url
        connection.execute(
            f"ATTACH 'ducklake:postgres:{url}' AS lake (METADATA_SCHEMA 'ducklake'{options})"
        )
        connection.execute("USE lake")
        return connection

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self._connected(", READ_ONLY") as connection:
            return connection.execute(sql).fetchall()

    def change(self, sql: str) -> None:
        with self._connected("") as connection:
            connection.execute(sql)


PLACES = {"": Place, "postgres": PostgreSQL, "ducklake": DuckLake}


def place_of_tests(folder: Path, setenv: Callable[[str, str], None]) -> Place:
    return PLACES[os.environ.get("DEVIN_TEST_PLACE", "")](folder, setenv)


def truth(
    layout: Layout, sql: Sql, info: Iterable[tuple[Any, ...]], *, keeps_nul: bool
) -> duckdb.DuckDBPyConnection:
    """Views over what a work file holds, and warehouse_info, as DuckDB computes them."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"ATTACH '{layout.work_file}' AS work (READ_ONLY)")
    connection.execute(f"CREATE SCHEMA {SCHEMA}")
    for table in TABLES:
        name = f"{SCHEMA}.{table.name}"
        connection.execute(f"CREATE TABLE {name} ({ddl(table)})")
        columns = ", ".join(
            f"replace({c.name}, chr(0), '') AS {c.name}"
            if c.type is Type.TEXT and not keeps_nul
            else c.name
            for c in table.columns
        )
        connection.execute(f"INSERT INTO {name} BY NAME SELECT {columns} FROM work.{name}")
    connection.execute("DETACH work")
    for row in info:
        connection.execute(f"INSERT INTO {SCHEMA}.warehouse_info VALUES (?, ?, ?)", row)
    create_views(connection, sql.views)
    return connection


def differing(place: Place, layout: Layout, sql: Sql) -> dict[str, tuple[Bag, Bag]]:
    """The tables and views that do not hold what they should: what is missing, what is too much.

    When it was published is told by the place.
    """
    info = place.rows(f"SELECT * FROM {SCHEMA}.warehouse_info")
    with truth(layout, sql, info, keeps_nul=place.keeps_nul) as expected:
        found = {}
        relations = [f"{SCHEMA}.{table.name}" for table in TABLES]
        relations += [view.full_name for view in sql.views]
        for name in relations:
            query = f"SELECT {_columns(expected, name)} FROM {name}"
            ours = bag(expected.execute(query).fetchall(), keeps_nul=place.keeps_nul)
            theirs = bag(place.rows(query), keeps_nul=True)
            missing, odd = ours - theirs, theirs - ours
            if not are_close(missing, odd):
                found[name] = (missing, odd)
        return found


def _columns(connection: duckdb.DuckDBPyConnection, relation: str) -> str:
    """The columns, by name, JSON as text."""
    described = connection.execute(f"DESCRIBE {relation}").fetchall()
    return ", ".join(
        f'CAST("{name}" AS VARCHAR)' if kind == Type.JSON else f'"{name}"'
        for name, kind, *_ in described
    )


def bag(rows: Iterable[tuple[Any, ...]], *, keeps_nul: bool) -> Bag:
    """Rows as often as they are there; JSON without NUL if the place keeps none."""
    return Counter(tuple(_plain(value, keeps_nul=keeps_nul) for value in row) for row in rows)


def _plain(value: Any, *, keeps_nul: bool) -> Any:
    if isinstance(value, str) and not keeps_nul:
        return value.replace("\\u0000", "")  # in JSON
    return value


def are_close(some: Bag, others: Bag) -> bool:
    """Whether rows differ in fractions alone, whose sums depend on the order of their terms."""
    if some.total() != others.total():
        return False
    pairs = zip(_in_order(some), _in_order(others), strict=True)
    return all(
        math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
        if isinstance(one, float) and isinstance(other, float)
        else one == other
        for row, other_row in pairs
        for one, other in zip(row, other_row, strict=True)
    )


def _in_order(bag: Bag) -> list[tuple[Any, ...]]:
    def exact_first(row: tuple[Any, ...]) -> tuple[str, list[float]]:
        fractions = [value for value in row if isinstance(value, float)]
        return str([value for value in row if not isinstance(value, float)]), fractions

    return sorted(bag.elements(), key=exact_first)


def stored(place: Place, table: Table) -> list[tuple[Any, ...]]:
    """The rows of a table of the contract, JSON as text."""
    columns = ", ".join(
        f"CAST({c.name} AS VARCHAR)" if c.type is Type.JSON else c.name for c in table.columns
    )
    return place.rows(f"SELECT {columns} FROM {SCHEMA}.{table.name}")


def rows_of(place: Place, table: str) -> Bag:
    return bag(stored(place, BY_NAME[table]), keeps_nul=True)


def copied(place: Place) -> duckdb.DuckDBPyConnection:
    """The tables of a place in a DuckDB of their own."""
    connection = duckdb.connect()
    connection.execute(f"CREATE SCHEMA {SCHEMA}")
    for table in TABLES:
        connection.execute(f"CREATE TABLE {SCHEMA}.{table.name} ({ddl(table)})")
        rows = stored(place, table)
        values = zip(*rows, strict=True) if rows else [()] * len(table.columns)
        schema = arrow_schema(table)
        arrays = [pa.array(v, field.type) for v, field in zip(values, schema, strict=True)]
        connection.register("rows", pa.table(arrays, schema=schema))
        connection.execute(f"INSERT INTO {SCHEMA}.{table.name} BY NAME FROM rows")
    return connection
