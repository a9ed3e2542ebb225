"""Dagster's example, executed: what its asset and its check make of each way to end."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from devin_warehouse.layout import Layout
from devin_warehouse.locks import one_writer
from devin_warehouse.sandbox import World
from tests.deploy.place import BIN, COMMAND, DEPLOY, HERE, KEY, SESSIONS, expect, seconds_between
from tests.served import served

NOBODY = "http://127.0.0.1:9"


def checks(folder: Path) -> Iterator[tuple[str, str]]:
    """Loaded, another load in progress, a record that cannot be read, no API."""
    broken = World(1, SESSIONS)
    broken.add_malformed(1, "v3")
    locked = Layout.of(folder / "locked.duckdb")
    locked.make_folder()
    with (
        served(World(1, SESSIONS)) as base_url,
        served(broken) as broken_url,
        one_writer(locked, 0),
    ):
        urls = {"loaded": base_url, "locked": base_url, "rejected": broken_url, "failed": NOBODY}
        outcomes = executed(folder, urls)
    expect(seconds_between([outcomes["cron"]]), {outcomes["cron"]: [300]})
    yield from ends(outcomes)


def ends(outcomes: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What each run has come to, for those who look at Dagster alone."""
    loaded, warned = (outcomes[name]["materialized"] for name in ("loaded", "rejected"))
    assert loaded[0]["sessions_new"] == warned[0]["sessions_new"] == SESSIONS
    expect(outcomes["loaded"] | {"materialized": []}, ended_well([True]))
    yield "job, executed", f"success, {SESSIONS} new; check passed"
    expect(outcomes["locked"], ended_well([]))
    yield "job, another load in progress", "success, nothing materialized"
    expect(outcomes["rejected"] | {"materialized": []}, ended_well([True]))
    assert (warned[0]["exit_code"], "warning" in warned[0]) == (8, True)
    assert "warning" not in loaded[0]
    yield "job, a record cannot be read", "success with a warning"
    failed = outcomes["failed"]
    assert (failed["is_success"], failed["materialized"], failed["checks"]) == (False, [], [])
    assert "gave no usable answer" in failed["failures"][0], failed
    assert failed["failures"][0].count("\n") <= 1, failed
    yield "job, no API", "failed with the sentence"


def ended_well(checks: list[bool]) -> dict[str, Any]:
    """The outcome of a run without failure, but for what it has materialized."""
    return {"is_success": True, "materialized": [], "checks": checks, "failures": []}


def executed(folder: Path, urls: dict[str, str]) -> dict[str, Any]:
    """The outcome of a run with each base URL, each with a warehouse of its own."""
    orders = {
        name: {"DEVIN_BASE_URL": url, "DEVIN_DATABASE": str(folder / f"{name}.duckdb")}
        for name, url in urls.items()
    }
    path = f"{COMMAND.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [BIN / "python", HERE / "dagster_runs.py", DEPLOY],
        input=json.dumps(orders),
        env=os.environ | {"DEVIN_API_KEY": KEY, "DAGSTER_HOME": str(folder), "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    outcomes: dict[str, Any] = json.loads(done.stdout)
    return outcomes
