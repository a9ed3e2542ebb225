"""Disks that fill up during a load and during publishing: a small tmpfs, and less and less room.

Each trial leaves some room beside a warehouse (or none yet), lets a load meet the end of it, looks
at what is published, makes room and loads once more: then everything must be there.
`python -m tests.soak.full_disk` wants to mount: as root, or where namespaces of users are allowed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import duckdb
from rich.console import Console
from rich.table import Table

from devin_warehouse.sandbox import Faults, World
from devin_warehouse.sandbox.changes import ApiVersion
from tests.conftest import NOW, Warehouse
from tests.served import served
from tests.soak.loads import loaded

SESSIONS = 2_000
WHOLE = 400 * 2**20
UNMOUNTED = "DEVIN_WAREHOUSE_SOAK_UNMOUNTED"
console = Console(highlight=False)


class Trial:
    """A warehouse on a disk of its own."""

    def __init__(self, disk: Path, version: ApiVersion) -> None:
        self._disk = disk
        self._version = version
        self._world = World(1, SESSIONS, now=NOW)
        self._faults = Faults()
        self._warehouse = Warehouse(disk / "warehouse.duckdb", self._world, self._faults, version)

    def run(self, rooms: list[int], *, is_first: bool) -> Iterator[tuple[int, int, str, list[str]]]:
        """For each room, in bytes: exit code, what was said, and what is wrong after all."""
        with served(self._world, self._faults) as base_url:
            if not is_first:
                loaded(self._warehouse, base_url)
            for room in rooms:
                yield room, *self._tried(base_url, room)
                if is_first:
                    for path in self._disk.iterdir():
                        subprocess.run(["rm", "-rf", path], check=True)

    def _tried(self, base_url: str, room: int) -> tuple[int, str, list[str]]:
        self._world.change(200, self._version)
        before = self._sessions()
        target = self._warehouse.layout.target
        with self._room(room):
            code, said = loaded(self._warehouse, base_url)
        wrong = [] if code in (0, 9) else [f"exit {code}: {said[-300:]}"]
        if code and (before, target) != (self._sessions(), self._warehouse.layout.target):
            wrong.append("the published file is another one")
        code_after, said_after = loaded(self._warehouse, base_url)
        if code_after:
            wrong.append(f"with room again: {code_after}: {said_after[-300:]}")
        return code, said, wrong + self._warehouse.differences()

    @contextmanager
    def _room(self, room: int) -> Iterator[None]:
        ballast = self._disk / "ballast"
        filled = os.statvfs(self._disk).f_bavail * os.statvfs(self._disk).f_frsize - room
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(filled, 1))
        yield
        ballast.unlink()

    def _sessions(self) -> int | None:
        if not self._warehouse.path.exists():
            return None
        with duckdb.connect(str(self._warehouse.path), read_only=True) as connection:
            rows: list[tuple[int]] = connection.execute(
                "SELECT count(*) FROM devin.sessions"
            ).fetchall()
            return rows[0][0]


def main() -> None:
    """Try, report; exits 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20, help="Of each kind.")
    trials = parser.parse_args().trials
    if os.geteuid() and UNMOUNTED not in os.environ:
        os.environ[UNMOUNTED] = "1"
        again = ["unshare", "--map-root-user", "--mount", sys.executable, "-m", __spec__.name]
        os.execvp(again[0], [*again, *sys.argv[1:]])
    table = Table("API", "load", "room, MB", "exit 9", "exit 0", box=None)
    lost: list[str] = []
    for version in get_args(ApiVersion):
        for is_first in (True, False):
            most = 25 if is_first else 16
            rooms = [round(most * 2**20 * (n + 0.5) / trials) for n in range(trials)]
            codes: Counter[int] = Counter()
            with _disk() as disk:
                for room, code, said, wrong in Trial(disk, version).run(rooms, is_first=is_first):
                    codes[code] += 1
                    lost += [f"{version} {is_first=} {room=}: {each}" for each in wrong]
                    console.print(f"{version} {room / 1e6:.1f} MB: {code} {said.strip()[-160:]}")
            name = "first" if is_first else "incremental"
            table.add_row(version, name, f"0 to {most}", str(codes[9]), str(codes[0]))
    console.print(table)
    console.print(f"lost: {len(lost)}", *lost, sep="\n")
    sys.exit(bool(lost))


@contextmanager
def _disk() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={WHOLE}", "tmpfs", folder]
        subprocess.run(mount, check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


if __name__ == "__main__":
    main()
