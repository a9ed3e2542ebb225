"""The ledger `devin.load_runs`: what each run did, and so how far each scope has been read.

A scope's watermark is the newest `watermark_after` of its runs: it moves in the transaction that
commits the rows it speaks of, and travels with every copy of the file.
"""

from __future__ import annotations

import re
import sys
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pendulum

from devin_warehouse import __version__
from devin_warehouse.errors import Misuse, WarehouseError
from devin_warehouse.tables import BY_NAME

KEPT = timedelta(days=400)
MOVING_MODES = ("incremental", "full")
TELLING_OPTION = "--on-failure"
V3_SCOPES = """
SELECT DISTINCT scope FROM devin.load_runs
WHERE api_version = 'v3' AND (sessions_read > 0 OR watermark_after IS NOT NULL)
"""


@dataclass(frozen=True)
class Run:
    """A row of the ledger in the making."""

    scope: str
    api_version: str
    mode: str
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    started_at: pendulum.DateTime = field(default_factory=lambda: pendulum.now("UTC"))

    @property
    def moves_watermark(self) -> bool:
        """Whether it reads all of its scope until now."""
        return self.mode in MOVING_MODES


def watermark(connection: duckdb.DuckDBPyConnection, scope: str) -> datetime | None:
    """Up to when the scope has been read and committed, UTC; None if never."""
    found = connection.execute(
        "SELECT max(watermark_after) FROM devin.load_runs WHERE scope = ? AND mode IN ?",
        [scope, MOVING_MODES],
    ).fetchall()[0][0]
    return found.replace(tzinfo=UTC) if found else None


def start(connection: duckdb.DuckDBPyConnection, run: Run) -> datetime | None:
    """Write the run's row, close those of killed runs, forget old ones; returns the watermark."""
    now = naive(run.started_at)
    before = watermark(connection, run.scope)
    connection.execute(
        "UPDATE devin.load_runs SET outcome = 'killed', finished_at = ?, "
        "error = 'The process ended without a word; this run took over.' WHERE outcome = 'running'",
        [now],
    )
    connection.execute(
        "DELETE FROM devin.load_runs WHERE started_at < ? AND run_id NOT IN "
        "(SELECT max_by(run_id, watermark_after) FROM devin.load_runs "
        "WHERE watermark_after IS NOT NULL GROUP BY scope)",
        [now - KEPT],
    )
    _write(connection, run, {"started_at": now, "outcome": "running"} | _about(run, before))
    return before


def note(connection: duckdb.DuckDBPyConnection, run: Run, values: Mapping[str, Any]) -> None:
    """Set columns of the run's row; instants may be aware."""
    known = {column.name for column in BY_NAME["load_runs"].columns}
    if unknown := values.keys() - known:
        raise KeyError(unknown)
    sets = ", ".join(f"{name} = ?" for name in values)
    plain = [naive(v) if isinstance(v, datetime) else v for v in values.values()]
    connection.execute(f"UPDATE devin.load_runs SET {sets} WHERE run_id = ?", [*plain, run.run_id])


def remark(connection: duckdb.DuckDBPyConnection, run: Run, text: str) -> None:
    """Add a sentence to what the run's row says went wrong or deserves notice."""
    connection.execute(
        "UPDATE devin.load_runs SET error = concat_ws('; ', error, ?) WHERE run_id = ?",
        [text, run.run_id],
    )


def finish(connection: duckdb.DuckDBPyConnection, run: Run, exit_code: int) -> None:
    """Say that the run is done."""
    values = {"outcome": "done", "finished_at": pendulum.now("UTC"), "exit_code": exit_code}
    note(connection, run, values)


def fail(connection: duckdb.DuckDBPyConnection, run: Run, error: BaseException) -> None:
    """Say how the run failed."""
    code = error.exit_code if isinstance(error, WarehouseError) else 1
    values = {"outcome": "failed", "finished_at": pendulum.now("UTC"), "exit_code": code}
    note(connection, run, values)
    remark(connection, run, str(error) or type(error).__name__)


def watermarks(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """The watermark of every scope that has one, ISO 8601 UTC."""
    rows = connection.execute(
        "SELECT scope, max(watermark_after) FROM devin.load_runs "
        "WHERE watermark_after IS NOT NULL AND mode IN ? GROUP BY scope ORDER BY scope",
        [MOVING_MODES],
    ).fetchall()
    return {scope: f"{at:%Y-%m-%dT%H:%M:%SZ}" for scope, at in rows}


def distrust(connection: duckdb.DuckDBPyConnection, scope: str, latest: datetime) -> bool:
    """Strike watermarks later than the API's own time can explain; whether there were any.

    One answer with a wrong Date would otherwise hide everything until that date has come.
    """
    struck = connection.execute(
        "UPDATE devin.load_runs SET watermark_after = NULL "
        "WHERE scope = ? AND mode IN ? AND watermark_after > ?",
        [scope, MOVING_MODES, naive(latest)],
    ).fetchall()[0][0]
    return bool(struck)


def has_full_history(connection: duckdb.DuckDBPyConnection, scope: str) -> bool:
    """Whether a run of the scope began at the beginning, not at `--initial-since`."""
    return bool(
        connection.execute(
            "SELECT count(*) FROM devin.load_runs WHERE scope = ? AND mode IN ? "
            "AND window_until IS NOT NULL AND window_since IS NULL",
            [scope, MOVING_MODES],
        ).fetchall()[0][0]
    )


def check_version(connection: duckdb.DuckDBPyConnection, scope: str) -> None:
    """Raise Misuse if the scope is one of v2, and v3 has loaded sessions of it.

    v3 fills columns that v2 would take away again.
    """
    refuse_older_version(scope, connection.execute(V3_SCOPES).fetchall())


def refuse_older_version(scope: str, loaded_over_v3: Iterable[tuple[str]]) -> None:
    """Raise Misuse if a scope of v2 is among those that v3 has loaded, as V3_SCOPES finds them."""
    host, version, organizations = scope.split(" ", 2)
    if version != "v2":
        return
    for (other,) in loaded_over_v3:
        other_host, _, others = other.split(" ", 2)
        ours, theirs = set(organizations.split(",")), set(others.split(" ", 1)[0].split(","))
        if other_host == host and ("all" in ours | theirs or ours & theirs):
            raise Misuse(
                f"API v3 has been loaded into this warehouse ({other}): v2 knows less and would "
                "take columns away. Use a v3 key (cog_...), or another --database."
            )


def naive(instant: datetime) -> datetime:
    """An aware instant as the plain UTC datetime that a TIMESTAMP column holds."""
    utc = instant.astimezone(UTC) if instant.tzinfo else instant
    return datetime(*utc.timetuple()[:6], utc.microsecond)  # noqa: DTZ001


def _about(run: Run, before: datetime | None) -> dict[str, Any]:
    return {
        "command": _command_line(),
        "scope": run.scope,
        "api_version": run.api_version,
        "mode": run.mode,
        "watermark_before": before and naive(before),
        "watermark_after": before and naive(before),
        "software_version": __version__,
    }


def _command_line() -> str:
    """The command line, but for a command of the user's in it: that may hold a secret."""
    words = [Path(sys.argv[0]).name]
    for before, word in pairwise(sys.argv):
        is_telling = before == TELLING_OPTION
        words.append("***" if is_telling else re.sub(f"^({TELLING_OPTION}=).*", r"\1***", word))
    return " ".join(words)


def _write(connection: duckdb.DuckDBPyConnection, run: Run, values: dict[str, Any]) -> None:
    names = ", ".join(["run_id", *values])
    marks = ", ".join("?" * (len(values) + 1))
    connection.execute(
        f"INSERT INTO devin.load_runs ({names}) VALUES ({marks})", [run.run_id, *values.values()]
    )
