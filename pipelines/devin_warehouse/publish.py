"""Publishing: a checked copy of the work file goes live whole, and nobody waits for anybody.

The copy holds the contract's tables with their comments, the views of sql/views, and neither dlt's
tables nor the loader's bookkeeping. It is written under a number of its own; then the link that
people open is switched. Who holds the old copy keeps it, who connects anew gets the new one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import duckdb
import pendulum

from devin_warehouse import __version__
from devin_warehouse.errors import CheckFailed
from devin_warehouse.layout import Layout, local_resources
from devin_warehouse.ledger import naive
from devin_warehouse.tables import CONTRACT_VERSION, SCHEMA, TABLES
from devin_warehouse.work_file import database_errors, ddl, quoted, transaction

STORAGE_VERSION = "v1.2.0"
MODE = 0o444
LEDGER_AGE = pendulum.duration(hours=1)


def publish(connection: duckdb.DuckDBPyConnection, layout: Layout) -> bool:
    """Bring the published file up to date with the open work file; whether that took a new copy.

    Nothing is copied if no data changed; a ledger that moved alone is published hourly at most.
    Raises CheckFailed, OutOfResources; then the file that was published before stays.
    """
    now = pendulum.now("UTC")
    if not _is_due(connection, layout, now):
        return False
    before, target = layout.target, _next_target(layout)
    _claim(layout, target)
    try:
        with local_resources(), database_errors():
            _write_copy(connection, target, now)
            _make_durable(target)
            _switch(layout, target)
    except BaseException:
        _remove(target)
        raise
    connection.execute(
        "UPDATE bookkeeping.publication SET published_version = data_version, published_at = ?, "
        "target = ?, software_version = ?",
        [naive(now), target.name, __version__],
    )
    _remove_others(layout, {before, target.name})
    return True


def statements(kind: str) -> Iterator[tuple[str, str, str]]:
    """(schema, name, text) of the files in sql/`kind`: views, or checks, which have no schema."""
    for entry in sorted(_sql().joinpath(kind).iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            for file in sorted(entry.iterdir(), key=lambda file: file.name):
                yield entry.name, file.name.removesuffix(".sql"), file.read_text()
        elif entry.name.endswith(".sql"):
            yield "", entry.name.removesuffix(".sql"), entry.read_text()


def _sql() -> Traversable:
    """The sql folder: inside the wheel, beside `pipelines` in a checkout."""
    packaged = files("devin_warehouse").joinpath("sql")
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "sql"


def _is_due(connection: duckdb.DuckDBPyConnection, layout: Layout, now: datetime) -> bool:
    row = connection.execute(
        "SELECT data_version, published_version, published_at, target, software_version "
        "FROM bookkeeping.publication"
    ).fetchall()[0]
    data_version, published_version, published_at, target, software = row
    return (
        data_version != published_version
        or software != __version__
        or target != layout.target
        or not layout.database.exists()
        or naive(now) - published_at >= LEDGER_AGE
    )


def _next_target(layout: Layout) -> Path:
    """A path that no copy has ever had, so that no stale write-ahead log can belong to it."""
    number = layout.number_of(layout.target) + 1
    while True:
        target = layout.target_path(number)
        if not any(os.path.lexists(path) for path in (target, Path(f"{target}.wal"))):
            return target
        number += 1


def _write_copy(connection: duckdb.DuckDBPyConnection, target: Path, now: datetime) -> None:
    connection.execute(
        f"ATTACH {quoted(target)} AS published (STORAGE_VERSION {quoted(STORAGE_VERSION)})"
    )
    try:
        connection.execute("USE published")
        with transaction(connection):
            _copy_tables(connection)
            connection.execute(
                f"INSERT INTO {SCHEMA}.warehouse_info VALUES (?, ?, ?)",
                [CONTRACT_VERSION, __version__, naive(now)],
            )
            _create_views(connection)
            _check(connection)
    finally:
        connection.execute("USE work")
        connection.execute("DETACH published")


def _copy_tables(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(f"CREATE SCHEMA {SCHEMA}")
    for table in TABLES:
        _copy_table(connection, table.name, ddl(table))
        _comment(connection, "TABLE", f"{SCHEMA}.{table.name}", table.description)
        for column in table.columns:
            name = f"{SCHEMA}.{table.name}.{column.name}"
            _comment(connection, "COLUMN", name, column.description)


def _copy_table(connection: duckdb.DuckDBPyConnection, name: str, columns: str) -> None:
    """Copy a table and prove it: as many rows as in the work file."""
    connection.execute(f"CREATE TABLE {SCHEMA}.{name} ({columns})")
    connection.execute(f"INSERT INTO {SCHEMA}.{name} FROM work.{SCHEMA}.{name}")
    counts = connection.execute(
        f"SELECT (SELECT count(*) FROM {SCHEMA}.{name}), "
        f"(SELECT count(*) FROM work.{SCHEMA}.{name})"
    ).fetchall()[0]
    if counts[0] != counts[1]:
        raise CheckFailed(f"{name}: {counts[1]} rows in the work file, {counts[0]} in the copy.")


def _create_views(connection: duckdb.DuckDBPyConnection) -> None:
    for schema, name, text in statements("views"):
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        connection.execute(f"CREATE VIEW {schema}.{name} AS {text}")
        grain = text.partition("\n")[0].removeprefix("--").strip()
        _comment(connection, "VIEW", f"{schema}.{name}", grain)


def _check(connection: duckdb.DuckDBPyConnection) -> None:
    """Run every check of severity error in the copy; one that finds rows stops the publication."""
    for _, name, text in statements("checks"):
        found = connection.execute(text).fetchmany(3)
        if found and "severity: error" in text.partition("\n")[0]:
            raise CheckFailed(f"The check {name} found {found}; nothing was published.")


def _comment(connection: duckdb.DuckDBPyConnection, kind: str, name: str, description: str) -> None:
    connection.execute(f"COMMENT ON {kind} {name} IS {quoted(description)}")


def _make_durable(target: Path) -> None:
    target.chmod(MODE)
    for path in (target, target.parent):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _switch(layout: Layout, target: Path) -> None:
    """Let the published name lead to the new copy, in one step."""
    link = layout.folder / "link"
    link.unlink(missing_ok=True)
    link.symlink_to(target.name)
    link.replace(layout.database)


def _claim(layout: Layout, target: Path) -> None:
    """Note that a copy is ours before it exists: `warehouse.2025.duckdb` may be an archive."""
    with local_resources():
        _ours(layout).write_text("\n".join([*_claimed(layout), target.name]))


def _remove_others(layout: Layout, kept: set[str | None]) -> None:
    """Remove copies of ours but the current one and the one before it.

    Somebody may just be following the link to the one before.
    """
    for name in _claimed(layout):
        if name not in kept:
            _remove(layout.database.with_name(name))
    _ours(layout).write_text("\n".join(name for name in _claimed(layout) if name in kept))


def _claimed(layout: Layout) -> list[str]:
    return _ours(layout).read_text().splitlines() if _ours(layout).exists() else []


def _ours(layout: Layout) -> Path:
    return layout.folder / "copies"


def _remove(copy: Path) -> None:
    for path in (copy, Path(f"{copy}.wal")):
        path.unlink(missing_ok=True)
