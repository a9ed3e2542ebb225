"""Loads that are killed (SIGKILL) at random instants, while the API goes on changing.

A round is a warehouse of its own: loads of every mode are started and most of them killed, then one
is left in peace. Its tables must equal the API's, and until then the published file must be one
that can be read. `python -m tests.soak.kills --kills 200` ends with a table.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from urllib.request import Request, urlopen

import duckdb
from rich.console import Console
from rich.table import Table

from devin_warehouse.sandbox import Faults, World
from tests.conftest import NOW, Warehouse
from tests.served import served
from tests.soak.loads import loaded

MODES = {
    "incremental": (),
    "full refresh": ("--full-refresh", "--yes"),
    "backfill": ("--since", "2026-10-01"),
}
SESSIONS = 1_500
KILLS_A_ROUND = 20
# some loads must come to their end, or all kills would be in first loads
SPARED = 0.25
console = Console(highlight=False)


class Round:
    """A warehouse, the API that it is loaded from, and what has been done to both."""

    def __init__(self, folder: Path, seed: int, version: str) -> None:
        self.tried: Counter[tuple[str, str]] = Counter()
        self.version = version
        self._random = random.Random(seed)
        self._world = World(seed, SESSIONS, now=NOW)
        self._faults = Faults()
        self._warehouse = Warehouse(folder / "warehouse.duckdb", self._world, self._faults, version)
        self._longest = 2.0

    def run(self, kills: int) -> list[str]:
        """Kill so many loads, then let one end; what is wrong then."""
        with served(self._world, self._faults) as base_url:
            while self.tried.total() < kills:
                self._disturbed(base_url)
            code, said = loaded(self._warehouse, base_url)
        if code != 0:
            return [f"the quiet load ended with {code}: {said[-300:]}"]
        return self._warehouse.differences()

    def _disturbed(self, base_url: str) -> None:
        """A load that is killed somewhere, unless it is quicker; something changes meanwhile."""
        has_begun = self._warehouse.layout.work_file.exists()
        mode = self._random.choice(list(MODES)) if has_begun else "incremental"
        name = mode if self._warehouse.path.exists() else "first load"
        _post(base_url, "change", {"count": self._random.randint(0, 60), "version": self.version})
        if self._random.random() < 0.3:
            _post(base_url, "advance", {"duration": "20 minutes"})
        began = time.monotonic()
        is_spared = self._random.random() < SPARED
        killed_after = None if is_spared else self._random.uniform(0.4, self._longest)
        code, _ = loaded(self._warehouse, base_url, MODES[mode], killed_after)
        if code == -9:
            self.tried[self.version, name] += 1
        else:
            self._longest = 0.8 * self._longest + 0.2 * (time.monotonic() - began)
        self._read()

    def _read(self) -> None:
        """Whatever has been killed, what is published is whole."""
        if self._warehouse.path.exists():
            with duckdb.connect(str(self._warehouse.path), read_only=True) as connection:
                connection.execute("SELECT count(*) FROM analytics.usage_daily").fetchall()


def _post(base_url: str, path: str, order: dict[str, object]) -> None:
    with urlopen(Request(f"{base_url}/sandbox/{path}", data=json.dumps(order).encode())):
        pass


def main() -> None:
    """Kill, compare, report; exits 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    tried: Counter[tuple[str, str]] = Counter()
    lost: list[str] = []
    began = time.monotonic()
    while tried.total() < arguments.kills:
        number = arguments.seed + len(lost) + tried.total()
        version = ("v2", "v3")[number // KILLS_A_ROUND % 2]
        with tempfile.TemporaryDirectory() as folder:
            found = Round(Path(folder), number, version)
            differences = found.run(KILLS_A_ROUND)
        tried += found.tried
        lost += [f"{version}, seed {number}: {difference}" for difference in differences]
        console.print(f"{tried.total()} kills, {len(lost)} differences")
    table = Table("API", "load", "kills", box=None)
    for (version, name), kills in sorted(tried.items()):
        table.add_row(version, name, str(kills))
    console.print(table)
    console.print(f"{tried.total()} kills in {time.monotonic() - began:.0f} s; lost: {len(lost)}")
    for difference in lost:
        console.print(difference, markup=False)
    sys.exit(bool(lost))


if __name__ == "__main__":
    main()
