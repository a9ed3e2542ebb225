"""Whole processes, and what each of them takes."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = str(Path(sysconfig.get_path("scripts")) / "devin-warehouse")
KEYS = {"v2": "apk_user_sandbox", "v3": "cog_sandbox"}
MEMORY_UNIT = 1 if sys.platform == "darwin" else 1024
MB = 1e6


@dataclass(frozen=True)
class Cost:
    """What one process took, with those that it started and waited for.

    Seconds are summed over them; the peak is that of the largest.
    """

    wall_seconds: float
    cpu_seconds: float
    peak_mb: float
    exit_code: int


def script(name: str, *options: str) -> tuple[str, ...]:
    """The command line of a script beside this one."""
    return (sys.executable, "-m", f"tests.bench.{name}", *options)


def environment(api: str) -> dict[str, str]:
    """What processes find: a key, our scripts, no telemetry, and none of our own settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DEVIN_", "DLT_"))}
    return kept | {
        "DEVIN_API_KEY": KEYS[api],
        "PYTHONPATH": str(ROOT),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "TERM": "dumb",
    }


def measured(command: Sequence[str], api: str, folder: Path) -> Cost:
    """Run a command in a folder to its end, whatever that is; what it says is in `log` there.

    It ends with us if we are stopped.
    """
    with (folder / "log").open("w") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment(api), stdout=output, stderr=subprocess.STDOUT
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        wall = time.perf_counter() - started
    # wait4 has collected it: Popen must not look for it again
    process.returncode = os.waitstatus_to_exitcode(status)
    cpu = usage.ru_utime + usage.ru_stime
    return Cost(wall, cpu, usage.ru_maxrss * MEMORY_UNIT / MB, process.returncode)
