"""Publishing: a checked copy of the work file goes live whole, and nobody waits for anybody.

The copy holds the contract's tables with their comments, the views of sql/views, and neither dlt's
tables nor the loader's bookkeeping. It is written, or made from the last one and what has changed
since (see copying), under a number of its own; then the link that people open is switched. Who
holds the old copy keeps it, who connects anew gets the new one.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import pendulum

from devin_warehouse import __version__
from devin_warehouse.checks import Result, run_checks
from devin_warehouse.copying import NotACopy, bring_up_to_date, write_anew
from devin_warehouse.errors import CheckFailed, Misuse
from devin_warehouse.layout import Layout, local_resources
from devin_warehouse.ledger import Run, naive, remark
from devin_warehouse.reach import cut_down
from devin_warehouse.sql_files import Sql
from devin_warehouse.tables import CONTRACT_VERSION, SCHEMA
from devin_warehouse.work_file import allow, database_errors, quoted, transaction

STORAGE_VERSION = "v1.2.0"
MODE = 0o444
# in MB: enough for 500,000 sessions
LEAST_MEMORY = 250
LEDGER_AGE = pendulum.duration(hours=1)
# beyond these, writing anew is quicker, or worth its time
LARGEST_CHANGE = 0.2
LARGEST_GROWTH = 2.0


@contextmanager
def published(layout: Layout) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published file, read-only; raises Misuse if there is none, or it is not ours."""
    if not layout.database.exists():
        raise Misuse(f"There is no warehouse at {layout.database} yet: run `devin-warehouse load`.")
    with duckdb.connect(str(layout.database), read_only=True) as connection:
        if not connection.execute(
            "FROM duckdb_tables() WHERE schema_name = ? AND table_name = 'warehouse_info'", [SCHEMA]
        ).fetchall():
            raise Misuse(f"{layout.database}: a DuckDB file, but not a warehouse of ours.")
        yield connection


@dataclass(frozen=True)
class Publication:
    """Whether a new copy went live, and what its checks of severity warn found, in sentences."""

    is_new: bool = False
    warnings: tuple[str, ...] = ()


def publish(
    connection: duckdb.DuckDBPyConnection, layout: Layout, run: Run, sql: Sql
) -> Publication:
    """Bring the published file up to date with the open work file.

    Nothing is copied if neither data nor SQL changed; a ledger that moved alone is published hourly
    at most. Raises CheckFailed, Misuse for a view that cannot be created, OutOfResources; then the
    file that was published before stays.
    """
    now = pendulum.now("UTC")
    if layout.database.exists() and not is_due(connection, layout.target, now, sql.fingerprint):
        return Publication()
    allow(connection, LEAST_MEMORY)
    before = layout.target if _is_kept(connection) else None
    base = _base(connection, layout, run, sql)
    target = _next_target(layout)
    _claim(layout, target)
    try:
        with local_resources(), database_errors():
            is_anew, warnings = _write(connection, base, target, now, run, sql)
            _make_durable(target)
            _switch(layout, target)
    except BaseException:
        _remove(target)
        raise
    for warning in warnings:
        remark(connection, run, warning)
    _note(connection, target, now, sql, warnings, is_anew=is_anew)
    _remove_others(layout, {before, target.name})
    return Publication(is_new=True, warnings=tuple(warnings))


def is_due(
    connection: duckdb.DuckDBPyConnection, target: str | None, now: datetime, fingerprint: str
) -> bool:
    """Whether something has changed since that target was published, if it was the last."""
    row = connection.execute(
        "SELECT data_version, published_version, published_at, target, software_version, "
        "sql_fingerprint FROM bookkeeping.publication"
    ).fetchall()[0]
    data_version, published_version, published_at, published, software, published_sql = row
    return bool(
        data_version != published_version
        or software != __version__
        or published_sql != fingerprint
        or published != target
        # whichever way the clock was off
        or abs(naive(now) - published_at) >= LEDGER_AGE
    )


def _is_kept(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the copy that is published now may stay for a while."""
    return (None,) not in connection.execute(
        "SELECT published_version FROM bookkeeping.publication"
    ).fetchall()


def _next_target(layout: Layout) -> Path:
    """A path that no copy has ever had, so that no stale write-ahead log can belong to it."""
    number = layout.number_of(layout.target) + 1
    while True:
        target = layout.target_path(number)
        if not any(os.path.lexists(path) for path in (target, Path(f"{target}.wal"))):
            return target
        number += 1


def _base(connection: duckdb.DuckDBPyConnection, layout: Layout, run: Run, sql: Sql) -> Path | None:
    """The copy that the next one can be made from; None if that is to be written anew.

    So it is at each full refresh, after other SQL or software, where most has changed or the last
    copy has grown too much, and where somebody else may have written to it.
    """
    row = connection.execute(
        "SELECT target, written_bytes, modified_ns, "
        "(SELECT count(*) FROM bookkeeping.unpublished), (SELECT count(*) FROM devin.sessions) "
        "FROM bookkeeping.publication WHERE published_version IS NOT NULL AND target = ? "
        "AND sql_fingerprint = ? AND software_version = ?",
        [layout.target, sql.fingerprint, __version__],
    ).fetchone()
    if run.mode == "full" or row is None:
        return None
    target, written_bytes, modified_ns, changed, sessions = row
    base = layout.database.with_name(target)
    if not base.exists() or not written_bytes or changed > LARGEST_CHANGE * sessions:
        return None
    found = base.stat()
    is_small = found.st_size <= LARGEST_GROWTH * written_bytes
    return base if is_small and found.st_mtime_ns == modified_ns else None


def _write(
    connection: duckdb.DuckDBPyConnection,
    base: Path | None,
    target: Path,
    now: datetime,
    run: Run,
    sql: Sql,
) -> tuple[bool, list[str]]:
    """Write the copy from its base, else anew; whether anew, and what its checks warn of."""
    _attach(connection, base, target)
    try:
        connection.execute("USE published")
        write = bring_up_to_date if base else write_anew
        with write(connection, sql, (CONTRACT_VERSION, __version__, naive(now))):
            warnings = _check(connection, sql, is_anew=base is None)
            for warning in warnings:
                remark(connection, run, warning)
    except NotACopy:
        if base is None:
            raise
    else:
        return base is None, warnings
    finally:
        connection.execute("USE work")
        connection.execute("DETACH published")
    _remove(target)
    return _write(connection, None, target, now, run, sql)


def _attach(connection: duckdb.DuckDBPyConnection, base: Path | None, target: Path) -> None:
    """Attach a copy of the base as `published`, else an empty file that old DuckDBs can read."""
    if base:
        shutil.copyfile(base, target)
        connection.execute(f"ATTACH {quoted(target)} AS published")
    else:
        connection.execute(
            f"ATTACH {quoted(target)} AS published (STORAGE_VERSION {quoted(STORAGE_VERSION)})"
        )


def _note(
    connection: duckdb.DuckDBPyConnection,
    target: Path,
    now: datetime,
    sql: Sql,
    warnings: list[str],
    *,
    is_anew: bool,
) -> None:
    """Remember what has been written, and that nothing waits for it any more."""
    written = target.stat()
    with transaction(connection):
        note_publication(connection, target.name, now, sql.fingerprint, warnings)
        connection.execute(
            "UPDATE bookkeeping.publication SET written_bytes = if(?, ?, written_bytes), "
            "modified_ns = ?",
            [is_anew, written.st_size, written.st_mtime_ns],
        )


def note_publication(
    connection: duckdb.DuckDBPyConnection,
    target: str,
    now: datetime,
    fingerprint: str,
    warnings: list[str],
) -> None:
    """Remember where all that is committed has been published, with which SQL."""
    connection.execute(
        "UPDATE bookkeeping.publication SET published_version = data_version, published_at = ?, "
        "target = ?, software_version = ?, sql_fingerprint = ?, warnings = ?",
        [naive(now), target, __version__, fingerprint, json.dumps(warnings)],
    )
    connection.execute("DELETE FROM bookkeeping.unpublished")


def _check(connection: duckdb.DuckDBPyConnection, sql: Sql, *, is_anew: bool) -> list[str]:
    """Run the checks in the copy; raises CheckFailed if one of severity error finds rows.

    In a copy made from the last one, what goes by session is looked at where something changed.
    """
    partial = [check for check in sql.checks if check.is_by_session and not is_anew]
    results = run_checks(connection, [check for check in sql.checks if check not in partial])
    if partial:
        with cut_down(connection):
            results += run_checks(connection, partial)
    return warnings_of(results)


def warnings_of(results: Iterable[Result]) -> list[str]:
    """What checks warn of, in sentences; raises CheckFailed if one of severity error found rows."""
    found = [result for result in results if result.found]
    fatal = [result.sentence for result in found if result.is_fatal]
    if fatal:
        raise CheckFailed(f"{'; '.join(fatal)}. Nothing was published.")
    return [result.sentence for result in found]


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
