"""The command as a process of its own, that may be killed."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from pathlib import Path

from tests.conftest import KEYS, Warehouse

COMMAND = str(Path(sysconfig.get_path("scripts")) / "devin-warehouse")


def loaded(
    warehouse: Warehouse,
    base_url: str,
    options: tuple[str, ...] = (),
    killed_after: float | None = None,
) -> tuple[int, str]:
    """Exit code (-9 if it was killed, so many seconds after its start) and what was printed."""
    command = [COMMAND, "load", "--base-url", base_url, *options]
    command += ["--database", str(warehouse.path)]
    environment = os.environ | {"DEVIN_API_KEY": KEYS[warehouse.version]}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        said, _ = process.communicate(timeout=killed_after)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
    return process.returncode, said
