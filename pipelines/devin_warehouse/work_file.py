"""The work file: the loader's own DuckDB, and the only place where its state lives.

Schema `devin` holds the contract's tables, `bookkeeping` what only the loader needs, `delivered`
what another database holds of some of them, `landing` what a package brings before it is merged.
Storage is pinned so that DuckDB 1.5 can open the file too.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from devin_warehouse import __version__
from devin_warehouse.bookkeeping import (
    BOOKKEEPING,
    BY_KEY,
    DELIVERED,
    OWE_WHAT_IS_NOT_THERE,
    note_change,
)
from devin_warehouse.errors import Locked, Misuse, OutOfResources, WarehouseError
from devin_warehouse.layout import Layout, local_resources
from devin_warehouse.tables import CONTRACT_VERSION, HISTORY, SCHEMA, TABLES, Table

STORAGE_VERSION = "v1.5.0"
NO_ROOM = (
    "No space left",
    "Out of Memory",
    "Permission denied",
    "Read-only file system",
    "Disk quota exceeded",
    "File too large",
)
# one thread at first: Python waits for those of DuckDB, and its own threads with it (a first load
# of 20,000: 6 % less time)
LEAST_MEMORY = 150
SESSIONS_A_MB = 2_000
ROW_GROUP = 122_880
SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": f"{LEAST_MEMORY}MB",
    "preserve_insertion_order": False,
    "threads": 1,
}

log = logging.getLogger(__name__)


@contextmanager
def open_work_file(layout: Layout, wait_seconds: float = 0) -> Iterator[duckdb.DuckDBPyConnection]:
    """The work file, opened read-write; made, or seeded from the published file, if there is none.

    Raises Locked if a reader holds it for longer than that, Misuse if the published file is not
    ours.
    """
    if not layout.work_file.exists():
        _make(layout)
    patiently = Retrying(
        retry=retry_if_exception_type(Locked),
        stop=stop_after_delay(wait_seconds),
        wait=wait_fixed(0.2),
        reraise=True,
    )
    connection = patiently(_connect, layout)
    try:
        connection.execute("SET TimeZone = 'UTC'")
        # DuckDB shows one on stdout in what it takes for a prompt: a notebook, `python -c`
        connection.execute("SET enable_progress_bar = false")
        _check_contract(connection, layout.work_file, "work", "bookkeeping.publication")
        if create_tables(connection, "work"):
            log.warning(
                "%s is of an older version, and got what was missing; `load --full-refresh` fills "
                "it for sessions that do not change any more.",
                layout.work_file,
            )
        allow(connection, LEAST_MEMORY)
        _adopt_history(connection, layout)
        yield connection
    finally:
        connection.close()


def allow(connection: duckdb.DuckDBPyConnection, least_memory: int) -> None:
    """Let DuckDB hold so many MB, and use all cores, as far as the warehouse is large enough.

    What does not fit is spilled, but not everything can be: what joins all sessions needs half a
    kilobyte for each. Threads share a table by row groups: of one, a second thread has nothing.
    """
    sessions = connection.execute(f"SELECT count(*) FROM work.{SCHEMA}.sessions").fetchall()[0][0]
    connection.execute(f"SET memory_limit = '{max(least_memory, sessions // SESSIONS_A_MB)}MB'")
    if sessions > ROW_GROUP:
        connection.execute("RESET threads")


def compact(layout: Layout) -> None:
    """Write the work file anew, without what has been deleted from it."""
    new = layout.folder / "new.duckdb"
    for leftover in (new, Path(f"{new}.wal")):
        leftover.unlink(missing_ok=True)
    with duckdb.connect(config=SETTINGS) as connection:
        connection.execute(f"ATTACH {quoted(layout.work_file)} AS work")
        # a log that stays behind would be applied to the new file
        connection.execute("CHECKPOINT work")
        connection.execute(
            f"ATTACH {quoted(new)} AS compacted (STORAGE_VERSION {quoted(STORAGE_VERSION)})"
        )
        connection.execute("COPY FROM DATABASE work TO compacted")
        connection.execute("DETACH compacted")
        connection.execute("DETACH work")
    new.chmod(0o600)
    new.replace(layout.work_file)


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn a full disk and the like into OutOfResources, whoever met it: DuckDB, or dlt for it."""
    try:
        yield
    except WarehouseError:
        raise
    except Exception as error:
        for line in _said(error):
            if sign := next((sign for sign in NO_ROOM if sign in line), None):
                file = re.search(r'"(/[^"]+)"', line)
                raise OutOfResources(
                    f"{sign}: {file[1] if file else 'the database'}. "
                    "Nothing that was committed or published is lost."
                ) from error
        raise


def _said(error: BaseException | None) -> Iterator[str]:
    """The lines of an error and of those behind it."""
    while error is not None:
        yield from str(error).splitlines()
        error = error.__cause__ or error.__context__


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Everything inside, or nothing."""
    connection.execute("BEGIN TRANSACTION")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def create_tables(connection: duckdb.DuckDBPyConnection, catalog: str) -> bool:
    """Make the tables, and columns of older ones, that are not there yet.

    Whether an older file got some: then what is read from now on is merged though it be unchanged.
    """
    known = _columns(connection, catalog)
    missing: list[str] = []
    for schema, table in _all_tables():
        name = f"{catalog}.{schema}.{table.name}"
        if (schema, table.name) not in known:
            missing.append(name)
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {catalog}.{schema}")
            connection.execute(f"CREATE TABLE {name} ({ddl(table)})")
            continue
        for column in table.columns:
            if column.name not in known[schema, table.name]:
                missing.append(f"{name}.{column.name}")
                connection.execute(f"ALTER TABLE {name} ADD COLUMN {column.name} {column.type}")
    _describe(connection, catalog)
    is_older = bool(known) and any(name.startswith(f"{catalog}.{SCHEMA}.") for name in missing)
    if is_older:
        connection.execute(f"DELETE FROM {catalog}.bookkeeping.content_hashes")
        connection.execute(f"UPDATE {catalog}.bookkeeping.publication SET written_bytes = NULL")
        note_change(connection)
    return is_older


def _describe(connection: duckdb.DuckDBPyConnection, catalog: str) -> None:
    publication = f"{catalog}.bookkeeping.publication"
    connection.execute(
        f"INSERT INTO {publication} (data_version) SELECT 0 WHERE NOT EXISTS (FROM {publication})"
    )
    connection.execute(
        f"UPDATE {publication} SET contract_version = $ours "
        "WHERE contract_version IS DISTINCT FROM $ours",
        {"ours": CONTRACT_VERSION},
    )


def _check_contract(
    connection: duckdb.DuckDBPyConnection, file: Path, catalog: str, table: str
) -> None:
    """Raise Misuse if a file is of a later contract than ours, or has columns that are not ours."""
    try:
        rows = connection.execute(f"SELECT contract_version FROM {catalog}.{table}").fetchall()
    except (duckdb.CatalogException, duckdb.BinderException):
        return  # from before it was written down
    ours = {(SCHEMA, each.name): {column.name for column in each.columns} for each in TABLES}
    is_later = any(version and int(version) > int(CONTRACT_VERSION) for (version,) in rows) or any(
        set(columns) - ours.get(key, set())
        for key, columns in _columns(connection, catalog).items()
        if key[0] == SCHEMA
    )
    if is_later:
        raise Misuse(
            f"{file} was written by a later version of devin-warehouse than {__version__}: "
            "update it. Nothing was touched."
        )


def ddl(table: Table) -> str:
    """The columns of a CREATE TABLE."""
    return ", ".join(f"{column.name} {column.type}" for column in table.columns)


def quoted(text: str | Path) -> str:
    """A text as an SQL literal."""
    return "'" + str(text).replace("'", "''") + "'"


def _all_tables() -> Iterable[tuple[str, Table]]:
    yield from ((SCHEMA, table) for table in TABLES)
    yield from (("bookkeeping", table) for table in BOOKKEEPING)
    yield from ((DELIVERED, table) for table in BY_KEY)


def _columns(
    connection: duckdb.DuckDBPyConnection, catalog: str
) -> dict[tuple[str, str], list[str]]:
    rows = connection.execute(
        "SELECT schema_name, table_name, list(column_name) FROM duckdb_columns() "
        "WHERE database_name = ? AND NOT internal GROUP BY ALL",
        [catalog],
    ).fetchall()
    return {(schema, name): columns for schema, name, columns in rows}


def _make(layout: Layout) -> None:
    """Build the work file under another name, so that a crash leaves none or a whole one."""
    new = layout.folder / "new.duckdb"
    for leftover in (new, Path(f"{new}.wal"), Path(f"{layout.work_file}.wal")):
        leftover.unlink(missing_ok=True)
    with local_resources(), database_errors(), duckdb.connect(config=SETTINGS) as connection:
        connection.execute(
            f"ATTACH {quoted(new)} AS work (STORAGE_VERSION {quoted(STORAGE_VERSION)})"
        )
        create_tables(connection, "work")
        if layout.database.exists():
            _seed(connection, layout)
        connection.execute("DETACH work")
    new.rename(layout.work_file)


def _seed(connection: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    """Copy the published tables into an empty work file; its ledger tells the watermark."""
    connection.execute(f"ATTACH {quoted(layout.database)} AS published (READ_ONLY)")
    published = _columns(connection, "published")
    if (SCHEMA, "warehouse_info") not in published:
        raise Misuse(
            f"--database {layout.database}: a DuckDB file, but not a warehouse of ours; "
            "nothing was touched."
        )
    _check_contract(connection, layout.database, "published", f"{SCHEMA}.warehouse_info")
    for table in TABLES:
        shared = [
            c.name for c in table.columns if c.name in published.get((SCHEMA, table.name), [])
        ]
        if shared and table.name != "warehouse_info":
            names = ", ".join(shared)
            connection.execute(
                f"INSERT INTO work.{SCHEMA}.{table.name} ({names}) "
                f"SELECT {names} FROM published.{SCHEMA}.{table.name}"
            )
    connection.execute(OWE_WHAT_IS_NOT_THERE)
    connection.execute("DETACH published")


def _adopt_history(connection: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    """Take over what the published file remembers and a restored, older work file does not.

    Only what is never changed: rows and watermark are those of the work file.
    """
    known = connection.execute("SELECT target FROM bookkeeping.publication").fetchall()[0][0]
    if layout.target is None or known == layout.target:
        return
    connection.execute(f"ATTACH {quoted(layout.database)} AS published (READ_ONLY)")
    for table in HISTORY:
        name = f"{SCHEMA}.{table.name}"
        key = " AND ".join(f"old.{k} IS NOT DISTINCT FROM new.{k}" for k in table.key)
        connection.execute(
            f"INSERT INTO work.{name} BY NAME FROM published.{name} AS new "
            f"WHERE NOT EXISTS (FROM work.{name} AS old WHERE {key})"
        )
    connection.execute("DETACH published")


def _connect(layout: Layout) -> duckdb.DuckDBPyConnection:
    try:
        return duckdb.connect(str(layout.work_file), config=SETTINGS)
    except duckdb.Error as error:
        said = str(error)
        if "lock" in said.lower():
            holder = re.search(r"held in (.+? \(PID \d+\))", said)
            raise Locked(
                f"The work file {layout.work_file} is held by "
                f"{holder[1] if holder else 'another process'}."
            ) from error
        raise Misuse(
            f"The work file {layout.work_file} cannot be opened ({said.splitlines()[0]}). If it is "
            "beyond repair, move it away: the next load rebuilds it from the published file."
        ) from error
    finally:
        with suppress(OSError):
            layout.work_file.chmod(0o600)
