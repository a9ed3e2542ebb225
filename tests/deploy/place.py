"""Where things are, and what several of the checks ask of a warehouse."""

from __future__ import annotations

import json
import subprocess
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "pipelines" / "deploy"
HERE = Path(__file__).parent
BIN = ROOT / ".venv-deploy" / "bin"
COMMAND = Path(sysconfig.get_path("scripts")) / "devin-warehouse"
# where the artefacts expect it
INSTALLED = "/opt/devin-warehouse/bin/devin-warehouse"
KEY, REFUSED_KEY = "cog_sandbox", "cog_forbidden"
SESSIONS = 200


def expect(seen: object, expected: object) -> None:
    """Raise AssertionError, saying both, if something is not as it should be."""
    assert seen == expected, f"{seen}, not {expected}"


def said_by(*command: str | Path, **options: Any) -> str:
    """What a program says, stderr included; raises AssertionError with it unless it exits 0."""
    done = ended(*command, **options)
    assert done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout}"
    return done.stdout


def ended(*command: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """A program's end, and what it said, stderr included."""
    return subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
        **options,
    )


def seconds_between(crons: Sequence[str]) -> dict[str, list[int]]:
    """How far apart the next runs of each cron expression are."""
    found = json.loads(said_by(BIN / "python", HERE / "intervals.py", *crons))
    return {cron: [round(each) for each in found[cron]] for cron in crons}


def runs(database: Path) -> list[tuple[str, int, int]]:
    """What the ledger says of each run: mode, sessions that were new, and exit code."""
    told = json.loads(database.with_suffix(".status.json").read_text())["runs"]
    return [(run["mode"], run["sessions_new"], run["exit_code"]) for run in reversed(told)]
