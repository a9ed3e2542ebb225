"""Exporting: the tables as partitioned Parquet, for engines that spread a query over machines.

    devin -> devin.7                                    a link to the latest export
    devin.7/sessions/created_month=2026-10/*.parquet    what belongs to sessions, by their month
    devin.7/organizations/data.parquet                  the rest, and tables without rows
    devin.7/manifest.json                               what it was made of

An export is made beside the last one and shown by switching the link, so that readers see one or
the other; the last one stays until the next. Partitions that have not changed are the same files.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from devin_warehouse.errors import Locked, Misuse
from devin_warehouse.layout import Layout, local_resources, read_json, write_json
from devin_warehouse.publish import published
from devin_warehouse.tables import HISTORY, SCHEMA, TABLES, Table
from devin_warehouse.work_file import database_errors, quoted

MANIFEST = "manifest.json"
# an export has it from its first moment on, the manifest at its end; it holds the export's name, so
# that a copy that somebody keeps as `devin.2024` is not taken for ours
MARK = ".devin-warehouse-export"
PARTITION = "created_month"
WHOLE = "data.parquet"
MEMORY = "1GB"
# of two different contents one in 2**64 would look alike (0.0 and -0.0 are equal to SQL, and here)
PRINTS = """
SELECT {partition}, concat_ws(' ', count(*), bit_xor(hash(rows)), sum(hash(rows)))
FROM {rows} AS rows GROUP BY 1
"""
OF_SESSIONS = """
(
    SELECT own.*, coalesce(strftime(sessions.created_at, '%Y-%m'), 'unknown') AS created_month
    FROM devin.{table} AS own LEFT JOIN devin.sessions USING (session_id)
)
"""


@dataclass
class Exported:
    """What an export did: partitions written, and carried over from the one before it."""

    written: int = 0
    carried_over: int = 0
    is_new: bool = True


def export(layout: Layout, path: Path) -> Exported:
    """Export the published file to a folder that `path` is made a link to.

    Raises Misuse where something else is there, Locked while another export is being made,
    OutOfResources; then the last export stays.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100 resolve() would follow the link
    _last(path)
    with (
        published(layout) as connection,
        local_resources(),
        database_errors(),
        _one_at_a_time(path),
    ):
        about, last = _about(connection), _last(path)
        _remove(other for other in _ours(path) - {last} if not (other / MANIFEST).exists())
        if last and _is_up_to_date(last, about):
            return Exported(is_new=False)
        target = _next(path, last)
        try:
            exported = _Writing(connection, target, last, about).done()
            os.sync()
        except BaseException:
            shutil.rmtree(target, ignore_errors=True)
            raise
        _switch(path, target)
        # somebody may be reading the one before it
        _remove(_ours(path) - {target, last})
    return exported


def _last(path: Path) -> Path | None:
    """The export that the path leads to; raises Misuse where it leads to something else."""
    if not path.parent.is_dir():
        raise Misuse(f"{path}: there is no folder {path.parent}; create it first.")
    if path.is_symlink():
        target = path.with_name(path.readlink().name)
        if path.exists() and target in _ours(path) and path.samefile(target):
            return target
    elif not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return None
    raise Misuse(f"{path}: something that is no export of ours; nothing is written.")


def _ours(path: Path) -> set[Path]:
    """The exports to that path, whole or not; not those to a path `devin.eu` beside `devin`."""
    return {
        folder
        for folder in path.parent.glob(f"{glob.escape(path.name)}.*")
        if _number(path, folder) and not folder.is_symlink() and _marked(folder) == folder.name
    }


def _number(path: Path, folder: Path) -> int:
    found = re.fullmatch(r"\.([1-9][0-9]*)", folder.name.removeprefix(path.name))
    return int(found[1]) if found else 0


def _marked(folder: Path) -> str:
    mark = folder / MARK
    return os.fsdecode(mark.read_bytes()) if mark.is_file() else ""


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    lock = FileLock(path.with_name(f".{path.name}.lock"), mode=0o600)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise Locked(f"{path} is being exported by another process.") from error
    try:
        yield
    finally:
        lock.release()


def _about(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """What an export is made of, and by which DuckDB: another one's hashes are others."""
    names = ("contract_version", "software_version", "published_at")
    rows = connection.execute(f"SELECT {', '.join(names)} FROM {SCHEMA}.warehouse_info").fetchall()
    return {**dict(zip(names, map(str, rows[0]), strict=True)), "duckdb": duckdb.__version__}


def _is_up_to_date(last: Path, about: dict[str, str]) -> bool:
    """Whether an export is of these tables, and nobody has removed some of it."""
    manifest = read_json(last / MANIFEST)
    return manifest.get("about") == about and all(
        (last / table / _place(month)).exists()
        for table, months in manifest["prints"].items()
        for month in months
    )


def _next(path: Path, last: Path | None) -> Path:
    number = _number(path, last) + 1 if last else 1
    while os.path.lexists(path.with_name(f"{path.name}.{number}")):
        number += 1
    target = path.with_name(f"{path.name}.{number}")
    target.mkdir()
    (target / MARK).write_bytes(os.fsencode(target.name))
    return target


class _Writing:
    """An export in the making, in a folder of its own."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        folder: Path,
        last: Path | None,
        about: dict[str, str],
    ) -> None:
        self._connection = connection
        self._folder = folder
        self._last = last
        self._about = about
        self._exported = Exported()
        self._prints: dict[str, dict[str, str]] = {}

    def done(self) -> Exported:
        """Write what has changed, carry over the rest, and say what it was made of."""
        temporary = self._folder / "temporary"
        self._connection.execute(f"SET memory_limit = '{MEMORY}'")
        self._connection.execute(f"SET temp_directory = {quoted(temporary)}")
        self._connection.execute("SET preserve_insertion_order = false")
        for table in TABLES:
            (self._folder / table.name).mkdir()
            self._write(table)
        shutil.rmtree(temporary, ignore_errors=True)
        write_json(self._folder / MANIFEST, {"about": self._about, "prints": self._prints})
        for entry in (self._folder, *self._folder.rglob("*")):
            entry.chmod(0o755 if entry.is_dir() else 0o444)
        return self._exported

    def _write(self, table: Table) -> None:
        """Write a table by month if its rows are of sessions; without rows, or else, as one file.

        (Of the file engines learn the columns and types.)
        """
        whole = f"{SCHEMA}.{table.name}"
        is_of_sessions = bool(table.owner) or table in HISTORY
        rows = OF_SESSIONS.format(table=table.name) if is_of_sessions else whole
        changed, same = self._compared(table, PARTITION if is_of_sessions else "''", rows)
        for month in same:
            self._carry_over(table, _place(month))
        if "" in changed:
            self._copy(f"FROM {whole}", self._folder / table.name / WHOLE)
        elif changed:
            self._copy(
                f"FROM {rows} WHERE {PARTITION} IN ({', '.join(map(quoted, changed))})",
                self._folder / table.name,
                f", PARTITION_BY ({PARTITION}), OVERWRITE_OR_IGNORE",
            )

    def _compared(self, table: Table, partition: str, rows: str) -> tuple[list[str], list[str]]:
        """The partitions of a table: those that differ from the last export's, and the others."""
        statement = PRINTS.format(partition=partition, rows=rows)
        prints = dict(self._connection.execute(statement).fetchall()) or {"": "0"}
        known = self._known.get(table.name, {})
        last = (self._last or self._folder) / table.name
        same = sorted(
            name
            for name, told in prints.items()
            # what somebody has removed is written anew
            if known.get(name) == told and (last / _place(name)).exists()
        )
        changed = sorted(prints.keys() - set(same))
        self._prints[table.name] = prints
        self._exported.written += len(changed)
        self._exported.carried_over += len(same)
        return changed, same

    @cached_property
    def _known(self) -> dict[str, dict[str, str]]:
        manifest = read_json(self._last / MANIFEST) if self._last else {}
        is_like = manifest.get("about", {}).get("duckdb") == self._about["duckdb"]
        prints: dict[str, dict[str, str]] = manifest["prints"] if is_like else {}
        return prints

    def _copy(self, rows: str, target: Path, options: str = "") -> None:
        self._connection.execute(
            f"COPY ({rows}) TO {quoted(target)} (FORMAT parquet, COMPRESSION zstd{options})"
        )

    def _carry_over(self, table: Table, name: str) -> None:
        """The same file under another name, or a copy where a file cannot have two."""
        last = self._last or self._folder
        before, now = last / table.name / name, self._folder / table.name / name
        for source in before.iterdir() if before.is_dir() else [before]:
            target = now / source.name if before.is_dir() else now
            target.parent.mkdir(exist_ok=True)
            try:
                target.hardlink_to(source)
            except OSError:
                shutil.copy2(source, target)


def _place(month: str) -> str:
    """Where the rows of a month are, or those of a table that is not by month."""
    return f"{PARTITION}={month}" if month else WHOLE


def _switch(path: Path, target: Path) -> None:
    """Let the path lead to the new export, in one step."""
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    link = path.with_name(f".{path.name}.link")
    link.unlink(missing_ok=True)
    link.symlink_to(target.name)
    link.replace(path)


def _remove(folders: Iterable[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder)
