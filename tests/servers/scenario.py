"""Loads of 20,000 sessions into a database, in processes of their own, while others read it.

`python -m tests.servers.scenario duckdb|postgres|ducklake [sessions]`: what is there after each
load is compared with what the API says and, view by view, with what DuckDB computes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from devin_warehouse.sandbox import World
from devin_warehouse.sql_files import Sql
from tests.conftest import KEYS, Warehouse
from tests.places import PLACES, Place, copied, differing
from tests.served import served
from tests.truth import compared

COMMAND = str(Path(sys.executable).with_name("devin-warehouse"))
CHANGES = 300
LOADERS = 3
ROUNDS = 4
# what a reader looks at: a load changes all of it, and it hangs together
SEEN = """
SELECT
    (SELECT count(*) FROM devin.sessions),
    (SELECT count(*) FROM devin.insights),
    (SELECT count(*) FROM analytics.sessions),
    (SELECT count(*) FROM devin.session_tags),
    (SELECT max(updated_at) FROM devin.sessions),
    (SELECT count(*) FROM devin.load_runs)
"""


class PublishedFile(Place):
    """The file that a load without destination publishes."""

    def __init__(self, folder: Path, _: Any) -> None:
        self.file = folder / "one.duckdb"


class Reader(threading.Thread):
    """Asks again and again, with a new connection each time, until it is told to stop."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.seen: set[tuple[Any, ...]] = set()
        self.errors: list[str] = []
        self.slowest = 0.0
        self.reads = 0
        self._place = place
        self._is_over = threading.Event()

    def run(self) -> None:
        while not self._is_over.is_set():
            before = time.monotonic()
            try:
                self.seen.add(self._place.rows(SEEN)[0])
            except Exception as error:  # noqa: BLE001 whatever a reader may meet
                self.errors.append(str(error))
            self.reads += 1
            self.slowest = max(self.slowest, time.monotonic() - before)
            self._is_over.wait(0.05)

    def stop(self) -> None:
        self._is_over.set()
        self.join()


@contextmanager
def reading(place: Place) -> Iterator[Reader]:
    reader = Reader(place)
    reader.start()
    try:
        yield reader
    finally:
        reader.stop()


class Scenario:
    """One kind of place, the world it is loaded from, and the loads."""

    def __init__(self, kind: str, sessions: int, folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        self.world = World(1, sessions)
        self.problems: list[str] = []
        self.place = self._new_place()
        self.base_url = ""

    def _new_place(self) -> Place:
        kinds: dict[str, Any] = {**PLACES, "duckdb": PublishedFile}
        place: Place = kinds[self.kind](self.folder, os.environ.__setitem__)
        return place

    def start(self, name: str, *options: str) -> subprocess.Popen[str]:
        command = [COMMAND, "load", "--base-url", self.base_url, "--destination", self.kind]
        database = ["--database", str(self.folder / f"{name}.duckdb")]
        return subprocess.Popen(
            [*command, *database, "--log-format", "json", *options],
            env={**os.environ, "DEVIN_API_KEY": KEYS["v3"]},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def load(self, name: str, *options: str) -> float:
        """Seconds that a load takes, from start to end of its process."""
        before = time.monotonic()
        self.expect(self.start(name, *options))
        return time.monotonic() - before

    def expect(self, process: subprocess.Popen[str], *codes: int) -> int:
        out, err = process.communicate(timeout=900)
        if process.returncode not in (codes or (0,)):
            self.problems.append(f"exit {process.returncode}: {(out + err)[-600:]}")
        return process.returncode

    def compare(self, name: str, *, views: bool = True) -> tuple[bool, bool]:
        """Whether the tables are what the API says, and tables and views what DuckDB computes."""
        warehouse = Warehouse(self.folder / f"{name}.duckdb", self.world, version="v3")
        with copied(self.place) as connection:
            wrong = compared(connection, warehouse.truth())
        self.problems += wrong[:3]
        if not views:
            return not wrong, True
        unlike = differing(self.place, warehouse.layout, Sql.of())
        self.problems += [f"{name}: {str(found)[:300]}" for name, found in unlike.items()]
        return not wrong, not unlike

    def alone(self) -> dict[str, str]:
        """One loader: a first load, changes, a full refresh; a reader from the first load on."""
        seconds = {"first load": self.load("one")}
        are_right = [self.compare("one")]
        states = {self.place.rows(SEEN)[0]}
        with reading(self.place) as reader:
            for name, options in (("incremental", []), ("full refresh", ["--full-refresh"])):
                self.world.change(CHANGES, "v3")
                self.shrink()
                seconds[name] = self.load("one", *options)
                are_right.append(self.compare("one"))
                states.add(self.place.rows(SEEN)[0])
        self.problems += [f"a reader met: {error}" for error in reader.errors[:3]]
        if strange := reader.seen - states:
            self.problems.append(f"a reader saw half a load: {sorted(strange, key=str)[:2]}")
        return {
            **{name: f"{taken:.1f} s" for name, taken in seconds.items()},
            "exact": "yes" if all(exact for exact, _ in are_right) else "NO",
            "views equal": "yes" if all(equal for _, equal in are_right) else "NO",
            "readers": f"{reader.reads} reads, {len(reader.errors)} errors, "
            f"slowest {reader.slowest:.2f} s",
        }

    def shrink(self) -> None:
        """Lists become shorter, and empty."""
        for session in [s for s in self.world.sessions.values() if len(s.tags) > 1][:5]:
            self.world.edit(session.session_id, tags=session.tags[:1], pull_requests=[])

    def at_once(self) -> str:
        """Two loads of one scope: from one work file, and from two."""
        self.world.change(CHANGES, "v3")
        pair = [self.start("one"), self.start("one")]
        codes = sorted(self.expect(process, 0, 6) for process in pair)
        if codes[0] != 0:
            self.problems.append(f"neither of two loads was done: {codes}")
        if self.kind == "duckdb":
            return f"exit {codes}"
        before = time.monotonic()
        self.load("two")
        adopted = time.monotonic() - before
        self.world.change(CHANGES, "v3")
        for process in [self.start("one"), self.start("two")]:
            self.expect(process)
        exact, _ = self.compare("one", views=False)
        return (
            f"one work file: exit {codes}; two: {'exact' if exact else 'WRONG'}, the second one "
            f"seeded in {adopted:.1f} s"
        )

    def several(self) -> str:
        """Loaders of different organizations, all at once, again and again, and a reader."""
        self.place = self._new_place()
        organizations = sorted({s.org_id for s in self.world.sessions.values()})
        shares = [organizations[number::LOADERS] for number in range(LOADERS)]
        names = [f"loader{number}" for number in range(LOADERS)]
        before = time.monotonic()
        self._all(names, shares)
        first = time.monotonic() - before
        with reading(self.place) as reader:
            for _ in range(ROUNDS):
                self.world.change(CHANGES, "v3")
                before = time.monotonic()
                self._all(names, shares)
                last = time.monotonic() - before
        self.problems += [f"a reader met: {error}" for error in reader.errors[:3]]
        self.problems += [
            f"a reader saw half a load: {row}" for row in reader.seen if row[0] != row[1]
        ]
        exact, _ = self.compare(names[0], views=False)
        scopes = self.place.rows(
            "SELECT count(DISTINCT scope) FROM devin.load_runs WHERE watermark_after IS NOT NULL"
        )
        if scopes != [(LOADERS,)]:
            self.problems.append(f"{scopes} scopes, not {LOADERS}")
        return (
            f"{LOADERS} loaders: first {first:.1f} s, {ROUNDS} x {CHANGES} changes, the last "
            f"{last:.1f} s, {'exact' if exact else 'WRONG'}; {reader.reads} reads, "
            f"{len(reader.errors)} errors"
        )

    def _all(self, names: Sequence[str], shares: Sequence[Sequence[str]]) -> None:
        processes = [
            self.start(name, *(word for org_id in share for word in ("--org-id", org_id)))
            for name, share in zip(names, shares, strict=True)
        ]
        for process in processes:
            self.expect(process)


def main() -> int:
    kind, sessions = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    with tempfile.TemporaryDirectory() as folder:
        scenario = Scenario(kind, sessions, Path(folder))
        with served(scenario.world) as base_url:
            scenario.base_url = base_url
            line = scenario.alone()
            line["two loads at once"] = scenario.at_once()
            if kind != "duckdb":
                line["several loaders"] = scenario.several()
    print(json.dumps({"destination": kind, "DuckDB": duckdb.__version__, **line}, indent=2))  # noqa: T201
    for problem in scenario.problems:
        print(problem)  # noqa: T201
    return 1 if scenario.problems else 0


if __name__ == "__main__":
    sys.exit(main())
