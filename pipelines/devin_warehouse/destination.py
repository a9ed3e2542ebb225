"""Another database than the file: which of dlt's can hold a warehouse, and how it is spoken to.

It has to replace rows and to add rows once (dlt's merge strategies delete-insert and insert-only),
and to show a whole load at once. Credentials are dlt's: `DESTINATION__POSTGRES__CREDENTIALS` and
the like, or `.dlt/secrets.toml`. What it is told is DuckDB's SQL, carried over by sqlglot.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import dlt
import duckdb
import pyarrow as pa
import sqlglot
from dlt.common.destination import Destination as KnownDestination
from dlt.common.destination.exceptions import UnknownDestinationModule
from dlt.common.exceptions import DltException
from dlt.destinations.exceptions import DatabaseException
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from devin_warehouse.errors import Misuse, OutOfResources, WarehouseError
from devin_warehouse.landing import FileFormat, land, landing_pipeline
from devin_warehouse.tables import Column, Table, Type

Done = TypeVar("Done")
FILE = "duckdb"
NEEDED_MERGES = frozenset({"delete-insert", "insert-only"})
# how long others may keep a transaction from being committed
PATIENCE_SECONDS = 300
# how long one that opens a DuckLake may find another at making it, which takes a second
OPENING_SECONDS = 30
CONFLICTS = ("conflict", "deadlock", "could not serialize", "duplicate key")
# \u0000 in JSON, but not a backslash and u0000; no JSON text holds the character itself
JSON_WITHOUT_NUL = (
    r"replace(replace(replace({0}::VARCHAR, '\\', chr(0)), '\u0000', ''), chr(0), '\\')"
)


@dataclass(frozen=True)
class Answer:
    """What a query found, as DuckDB's cursors tell it."""

    description: list[tuple[Any, ...]]
    rows: list[tuple[Any, ...]]

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows."""
        return self.rows


class Destination:
    """A destination of dlt's that a warehouse can be kept in; raises Misuse for another.

    `given` is its name, or (in tests) one of dlt's own objects.
    """

    def __init__(self, given: Any) -> None:  # noqa: ANN401
        try:
            known: Any = KnownDestination.from_reference(given)
        except UnknownDestinationModule as error:
            raise Misuse(f"--destination {given}: dlt knows no such destination.") from error
        offered = known.capabilities()
        self.name: str = known.destination_name
        if known.destination_type.endswith(".ducklake"):
            _prepare_ducklake(self.name)
        self.dialect: str = offered.sqlglot_dialect or FILE
        is_plain = offered.preferred_loader_file_format == "insert_values"
        # left to itself dlt takes CSV for PostgreSQL, where its COPY makes NULL of empty texts
        self.file_format: FileFormat = (
            "insert_values" if is_plain and self.dialect != FILE else "parquet"
        )
        self._known = known
        missing = sorted(NEEDED_MERGES - set(offered.supported_merge_strategies or ()))
        if offered.supports_transactions is False:
            missing.append("transactions")
        if missing:
            raise Misuse(
                f"--destination {self.name}: dlt offers no {' and no '.join(missing)} there, so "
                "that lists that shrink would stay, or readers see half a load. postgres and "
                "ducklake do."
            )

    @contextmanager
    def opened(self, folder: Path, dataset: str) -> Iterator[Database]:
        """The database, open; rows land in its schema `dataset`. `folder` is for dlt's own state.

        Raises Misuse where it cannot be reached or is not configured.
        """
        pipeline = landing_pipeline(self._known, dataset, folder)
        try:
            client = _patiently(lambda: _opened(pipeline))
        except Exception as error:  # the drivers' errors share no base
            raise Misuse(
                f"--destination {self.name}: {_said(error)}. Credentials are dlt's: "
                f"DESTINATION__{self.name.upper()}__CREDENTIALS, or .dlt/secrets.toml."
            ) from error
        try:
            yield Database(self, pipeline, client)
        finally:
            client.close_connection()


class Database:
    """An open destination, told in DuckDB's SQL what to do."""

    def __init__(self, destination: Destination, pipeline: dlt.Pipeline, client: Any) -> None:  # noqa: ANN401
        self.name = destination.name
        self.dialect = destination.dialect
        self.landing: str = pipeline.dataset_name
        self._destination = destination
        self._pipeline = pipeline
        self._client = client

    @property
    def is_duckdb(self) -> bool:
        """Whether it computes as DuckDB does: quickly, and in the same SQL."""
        return self.dialect == FILE

    def execute(self, sql: str) -> Answer:
        """Run a statement; its rows, if it has any."""
        with self._client.execute_query(self._carried_over(sql)) as cursor:
            description = list(cursor.description or [])
            return Answer(description, cursor.fetchall() if description else [])

    @contextmanager
    def blamed(self, what: str) -> Iterator[None]:
        """What the database cannot make of a view is its author's to mend."""
        try:
            yield
        except DatabaseException as error:
            if _is_conflict(error):
                raise
            raise Misuse(f"{what}: {_said(error)}; nothing was published.") from error

    def kept(self, column: Column) -> str:
        """The expression for a column of ours as the database can hold it: PostgreSQL no NUL."""
        text = f"{column.name}::VARCHAR" if column.type is Type.JSON else column.name
        if self.dialect == "postgres" and column.type is Type.JSON:
            text = JSON_WITHOUT_NUL.format(column.name)
        elif self.dialect == "postgres" and column.type is Type.TEXT:
            text = f"replace({column.name}, chr(0), '')"
        return f"{text} AS {column.name}"

    def land(self, tables: Iterable[tuple[Table, pa.Table]]) -> None:
        """Bring rows into the landing schema, which is empty before."""
        self.clear_landing()
        land(self._pipeline, tables, self._destination.file_format)

    def clear_landing(self) -> None:
        """Drop the landing schema, if it is there."""
        if self._client.has_dataset():
            self._client.drop_dataset()

    def _carried_over(self, sql: str) -> str:
        """DuckDB's SQL in the database's own."""
        if self.is_duckdb:
            return sql
        return sqlglot.transpile(sql, read=FILE, write=self.dialect)[0]

    def gather_statistics(self, table: str) -> None:
        """Tell a planner of a table that has just been filled; it would find out too late."""
        if self.dialect == "postgres":
            self.execute(f"ANALYZE {table}")

    def in_transaction(self, work: Callable[[], Done]) -> Done:
        """Do all of some work, or nothing of it.

        PostgreSQL lets a transaction wait for another one; in a DuckLake the later one fails, and
        is run again over what the other has written.
        """

        def once() -> Done:
            try:
                with self._client.begin_transaction():
                    return work()
            except AttributeError as error:
                # dlt has let go of a connection that broke, and rolls it back all the same
                if self._client.native_connection is None:
                    raise _lost(self.name, error) from error
                raise

        return _patiently(once)


def _opened(pipeline: dlt.Pipeline) -> Any:  # noqa: ANN401
    """An open client; two that open a new DuckLake at once both try to make its tables."""
    return _patiently(
        lambda: pipeline.sql_client().__enter__(), ("already exists",), OPENING_SECONDS
    )


def _patiently(
    work: Callable[[], Done],
    signs: Iterable[str] = CONFLICTS,
    seconds: float = PATIENCE_SECONDS,
) -> Done:
    """Do some work, again where others were in the way, as the signs in an error tell."""
    retrying = Retrying(
        retry=retry_if_exception(lambda error: _is_conflict(error, signs)),
        stop=stop_after_delay(seconds),
        wait=wait_random_exponential(multiplier=0.1, max=5),
        reraise=True,
    )
    return retrying(work)


@contextmanager
def destination_errors(name: str) -> Iterator[None]:
    """Turn what a database or dlt says into OutOfResources, with its first line."""
    try:
        yield
    except DltException as error:
        raise _lost(name, error) from error


def _lost(name: str, error: Exception) -> OutOfResources:
    return OutOfResources(
        f"{name}: {_said(error)}. Nothing that was committed is lost; the next load brings it."
    )


def _prepare_ducklake(name: str) -> None:
    """Have dlt 1.31 see where a lake's files are to be; raises Misuse with a DuckDB that has none.

    It overlooks `storage` as its own documentation has it, and takes a folder of its own instead.
    """
    if not duckdb.__version__.startswith("1."):
        raise Misuse(
            f"--destination {name}: dlt cannot open a DuckLake with DuckDB {duckdb.__version__}; "
            "pip install 'devin-warehouse[ducklake]' brings one that it can."
        )
    storage: object = dlt.secrets.get(f"destination.{name}.credentials.storage")
    if isinstance(storage, str):
        variable = f"DESTINATION__{name.upper()}__CREDENTIALS__STORAGE__BUCKET_URL"
        os.environ.setdefault(variable, storage)


def _is_conflict(error: BaseException, signs: Iterable[str] = CONFLICTS) -> bool:
    said = str(error).lower()
    return not isinstance(error, WarehouseError) and any(sign in said for sign in signs)


def _said(error: BaseException) -> str:
    """What is behind an error, in a line: without passwords and what dlt puts before it."""
    while behind := error.__cause__ or error.__context__:
        error = behind
    line = str(error).strip().split("\n")[0].rpartition("The actual reason given is: ")[2]
    line = re.sub(r"(://[^:/@\s]*):[^@\s]*@", r"\1:***@", " ".join(line.split()))
    return re.sub(r"(password=)\S+", r"\1***", line).rstrip(".")
