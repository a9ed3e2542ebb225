"""How a warehouse is doing: word that each run leaves beside it, and the published file.

Neither keeps a load waiting, nor waits for one.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pendulum

from devin_warehouse import ledger, locks
from devin_warehouse.errors import Misuse
from devin_warehouse.layout import Layout, read_json, write_json
from devin_warehouse.tables import BY_NAME, TABLES

RUNS_SHOWN = 10
RUNS_TOLD = 20

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scope:
    """How far a scope has been read and committed, and how far readers see it; aware, UTC.

    The two differ while what was committed last is not published, as after a failed check.
    """

    watermark: datetime
    visible: datetime | None


@dataclass(frozen=True)
class Status:
    """What is known of a warehouse; instants are aware, UTC."""

    database: str
    held_by: str | None
    scopes: dict[str, Scope]
    published_at: datetime | None
    runs: list[dict[str, Any]]
    rows: dict[str, int]
    warnings: list[str]
    at: datetime

    def age(self, scope: str) -> timedelta | None:
        """How far what readers see of a scope lies in the past; None if they see nothing."""
        visible = self.scopes[scope].visible
        return self.at - visible if visible else None

    def is_older_than(self, oldest: timedelta) -> bool:
        """Whether readers see any scope older than that, or nothing at all."""
        ages = [self.age(scope) for scope in self.scopes]
        return not ages or any(age is None or age > oldest for age in ages)


def read_status(layout: Layout) -> Status:
    """The status of a warehouse; raises Misuse where there is neither file nor status."""
    said = read_json(layout.status_file)
    if not said and not layout.database.exists():
        raise Misuse(f"There is no warehouse at {layout.database} yet: run `devin-warehouse load`.")
    runs, rows, published = _published(layout)
    published_at = said.get("published_at")
    return Status(
        database=str(layout.database),
        held_by=locks.holder(layout) if locks.is_held(layout) else None,
        scopes=_scopes(said, published),
        published_at=published_at and _instant(published_at),
        runs=_told(said["runs"]) if said.get("runs") else runs,
        rows=rows,
        warnings=said.get("warnings", []),
        at=pendulum.now("UTC"),
    )


def _scopes(said: dict[str, Any], published: dict[str, str]) -> dict[str, Scope]:
    """What the last run left word of, else what the file itself says."""
    committed = said.get("watermarks") or published
    visible = committed if said.get("is_published", True) else published
    return {
        scope: Scope(_instant(at), _instant(visible[scope]) if scope in visible else None)
        for scope, at in committed.items()
        if not _is_superseded(scope, committed)
    }


def _is_superseded(scope: str, scopes: Iterable[str]) -> bool:
    """Whether the same sessions are loaded over v3 now; nothing moves such a scope any more."""
    host, version, organizations = scope.split(" ", 2)
    return version == "v2" and bool({f"{host} v3 {organizations}", f"{host} v3 all"} & set(scopes))


def write_status(layout: Layout, connection: duckdb.DuckDBPyConnection) -> None:
    """Leave word beside the database of how the run ended; `status` reads it.

    A disk too full for that is no reason to hide how the run ended.
    """
    try:
        write_json(layout.status_file, _status(layout, connection))
    except (OSError, duckdb.Error) as error:
        log.warning("%s could not be written: %s", layout.status_file.name, error)


def _published(layout: Layout) -> tuple[list[dict[str, Any]], dict[str, int], dict[str, str]]:
    """Runs, rows and watermarks as the published file has them."""
    if not layout.database.exists():
        return [], {}, {}
    with duckdb.connect(str(layout.database), read_only=True) as connection:
        cursor = connection.execute(
            f"FROM devin.load_runs ORDER BY started_at DESC LIMIT {RUNS_SHOWN}"
        )
        names = [column[0] for column in cursor.description or []]
        runs = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        counts = [f"(SELECT count(*) FROM devin.{table.name})" for table in TABLES]
        numbers = connection.execute(f"SELECT {', '.join(counts)}").fetchall()[0]
        watermarks = ledger.watermarks(connection)
    rows = dict(zip((table.name for table in TABLES), numbers, strict=True))
    return runs, rows, watermarks


def _told(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Runs as the status file tells them, with instants."""
    return [
        {
            name: _instant(value) if value and name.endswith("_at") else value
            for name, value in run.items()
        }
        for run in runs[:RUNS_SHOWN]
    ]


def _instant(text: str) -> datetime:
    return pendulum.instance(datetime.fromisoformat(text), tz="UTC")


def _status(layout: Layout, connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    latest = connection.execute(
        "SELECT * FROM devin.load_runs ORDER BY started_at DESC LIMIT ?", [RUNS_TOLD]
    ).fetchall()
    names = [column.name for column in BY_NAME["load_runs"].columns]
    published_at, warnings, is_published = connection.execute(
        "SELECT published_at, warnings, data_version IS NOT DISTINCT FROM published_version "
        "FROM bookkeeping.publication"
    ).fetchall()[0]
    return {
        "run": dict(zip(names, latest[0], strict=True)) if latest else None,
        "runs": [dict(zip(names, row, strict=True)) for row in latest],
        "watermarks": ledger.watermarks(connection),
        "published_at": published_at,
        "is_published": is_published,
        "warnings": json.loads(warnings or "[]"),
        "published_file": layout.target,
    }
