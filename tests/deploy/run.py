"""Whether what schedules loads does what it says: `make test-deploy`.

Each artefact of pipelines/deploy is read by the programs that it is made for, and then really
executed against a sandbox.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.deploy import booted, crontab, orchestrated, units, workflow

Checks = Callable[[Path], Iterator[tuple[str, str]]]

AREAS: dict[str, Checks] = {
    "Dagster": orchestrated.checks,
    "systemd, units": units.checks,
    "systemd, booted": booted.checks,
    "crontab": crontab.checks,
    "GitHub Actions": workflow.checks,
}
console = Console(highlight=False, markup=False, soft_wrap=True)
if not console.is_terminal:
    console.width = 140


@dataclass
class Found:
    """What the checks of an artefact saw, and what went wrong, if anything did."""

    area: str
    rows: list[tuple[str, str, str]] = field(default_factory=list)
    failure: str = ""


def main() -> int:
    """Check every artefact, say what was seen; 1 if something is not as it says."""
    table = Table("artefact", "what", "seen", "seconds", box=None)
    # they mostly wait for programs that they started
    with ThreadPoolExecutor(2) as pool:
        found = [*pool.map(checked, AREAS)]
    for each in found:
        for row in each.rows:
            table.add_row(each.area, *row)
    console.print(table)
    failures = [f"{each.area}: {each.failure}" for each in found if each.failure]
    for failure in failures:
        console.print(failure)
    console.print(f"{table.row_count} passed, {len(failures)} failed")
    return 1 if failures else 0


def checked(area: str) -> Found:
    """Check an artefact, up to the first thing that is not as it says."""
    found = Found(area)
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        try:
            for what, seen in AREAS[area](Path(folder)):
                now = time.monotonic()
                found.rows.append((what, seen, f"{now - started:.1f}"))
                started = now
        except (AssertionError, OSError, subprocess.SubprocessError):
            found.failure = traceback.format_exc()
    return found


if __name__ == "__main__":
    sys.exit(main())
