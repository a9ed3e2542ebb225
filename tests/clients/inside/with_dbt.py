"""dbt: to connect is to build, and what it saw is in its model `copy`, in a file of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import duckdb

COMMAND = Path(sys.executable).with_name("dbt")
PROJECT = Path(__file__).parents[1] / "dbt"


class Connection:
    """One build; its answers are the model's columns."""

    def __init__(self, path: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            own = Path(folder) / "own.duckdb"
            done = build(COMMAND, path, own)
            if done.returncode:
                raise RuntimeError(done.stdout)
            with duckdb.connect(str(own), read_only=True) as connection:
                cursor = connection.execute("FROM copy")
                names = [column[0] for column in cursor.description]
                self._numbers = dict(zip(names, cursor.fetchall()[0], strict=True))

    def ask(self, name: str, sql: str) -> dict[str, Any]:
        return {"rows": [[self._numbers[name]]]}

    def close(self) -> None:
        """Nothing is open after a build."""


def build(
    command: Path, warehouse: str, own: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    """`dbt build`: the warehouse is attached read-only, models and tests go into the own file."""
    return subprocess.run(
        [
            *(command, "--no-use-colors", "build"),
            *("--project-dir", PROJECT, "--profiles-dir", PROJECT),
            *("--target-path", own.parent / "target", "--log-path", own.parent / "logs"),
            *options,
        ],
        env=os.environ | {"WAREHOUSE": warehouse, "OWN": str(own)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
