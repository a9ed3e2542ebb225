"""Single loads, measured: process, traffic, files, and whether the rows are those of the API."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

from tests.bench.contenders import FIRST, LOAD, Contender
from tests.bench.measurements import Line
from tests.bench.processes import MB, Cost, environment, measured, script
from tests.bench.server import Server

PAGE = 200
Rows = dict[str, int]


def least_requests(api: str, sessions: int, *, has_bulk_insights: bool = True) -> int:
    """How few requests can bring so many sessions; one is needed to learn that there are none."""
    pages = max(1, math.ceil(sessions / PAGE))
    if api == "v2" or not sessions:
        return pages
    return pages + (pages if has_bulk_insights else sessions)


class Loads:
    """The loads of a scenario from one server, and the lines that they make."""

    def __init__(self, scenario: str, sessions: int, server: Server, root: Path) -> None:
        self.lines: dict[tuple[str, str, str], Line] = {}
        self.server = server
        self._scenario = scenario
        self._sessions = sessions
        self._root = root

    def folder(self, name: str) -> Path:
        """A new folder for a contender's files."""
        folder = self._root / f"{self._scenario}-{self._sessions}-{name}"
        folder.mkdir()
        return folder

    def truth(self, api: str) -> Rows:
        """What the API has; {} if it cannot be read, which is never right.

        Reading it also lets the server encode what has changed, once for all.
        """
        return _asked(api, "rows", "--base-url", self.server.base_url, "--api", api)

    def load(
        self, contender: Contender, api: str, step: str, folder: Path, truth: Rows | None = None
    ) -> Line:
        """Let a contender load; the rows are compared with the truth, where that is given."""
        say(f"{self._scenario}, {api}, {self._sessions:,} sessions, {step}: {contender.title}")
        line = self.line(api, contender.name, contender.title, step)
        before = self.server.traffic
        cost = self.run(contender, api, folder)
        after = self.server.traffic
        line.add(cost)
        line.requests.append(after.requests - before.requests)
        line.sent_mb.append((after.bytes - before.bytes) / MB)
        if cost.exit_code:
            line.faults.append(_complaint(cost, folder))
            return line
        line.file_mb.append((folder / "warehouse.duckdb").stat().st_size / MB)
        line.disk_mb.append(_size(folder) / MB)
        if phases := _phases(folder):
            line.phases.append(phases)
        if truth is not None:
            _compare(line, contender, folder, truth)
        return line

    def run(self, contender: Contender, api: str, folder: Path) -> Cost:
        """Let a contender load, and only say what it took."""
        return measured([*contender.command, *self._target(folder, api)], api, folder)

    def phases(self, api: str) -> None:
        """One more first load of ours, with a clock at each of its phases."""
        folder = self.folder(f"{api}-phases")
        cost = measured([*script("phases"), *self._target(folder, api)], api, folder)
        if cost.exit_code == 0:
            self.line(api, LOAD.name, LOAD.title, FIRST).phases.append(_phases(folder))
        shutil.rmtree(folder)

    def yardstick(self, title: str, command: tuple[str, ...], step: str) -> float:
        """Measure another command beside the loads; the seconds that it took."""
        cost = measured(command, "v2", self._root)
        self.line("", title, title, step).add(cost)
        return cost.wall_seconds

    def has_failed(self, contender: Contender, api: str) -> bool:
        """Whether it has failed or been wrong before: it is not asked again then."""
        wanted = (api, contender.name)
        return any(line.faults for key, line in self.lines.items() if key[:2] == wanted)

    def line(self, api: str, name: str, title: str, step: str) -> Line:
        """The line of these, made where there is none yet."""
        line = Line(self._scenario, api, self._sessions, name, title, step)
        return self.lines.setdefault((api, name, step), line)

    def _target(self, folder: Path, api: str) -> list[str]:
        database = str(folder / "warehouse.duckdb")
        return ["--database", database, "--base-url", self.server.base_url, "--api", api]


def say(text: str) -> None:
    """Let whoever waits know what is being done."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _compare(line: Line, contender: Contender, folder: Path, truth: Rows) -> None:
    tables = json.dumps(contender.relations(line.api))
    database = str(folder / "warehouse.duckdb")
    rows = _asked(line.api, "rows", "--database", database, "--tables", tables)
    if not truth or rows != truth:
        line.faults.append(f"WRONG: it has {rows}, the API {truth}")


def _complaint(cost: Cost, folder: Path) -> str:
    said = (folder / "log").read_text(errors="replace")[-2_000:]
    return f"exit {cost.exit_code}: {said}"


def _asked(api: str, name: str, *options: str) -> Rows:
    answer = subprocess.run(
        script(name, *options), env=environment(api), stdout=subprocess.PIPE, check=False
    )
    rows: Rows = json.loads(answer.stdout) if answer.returncode == 0 else {}
    return rows


def _phases(folder: Path) -> dict[str, float]:
    """Seconds by phase, if that is what a contender's last line says."""
    lines = (folder / "log").read_text(errors="replace").splitlines()
    try:
        said = json.loads(lines[-1]) if lines else {}
    except ValueError:
        said = {}
    return said if isinstance(said, dict) else {}


def _size(folder: Path) -> int:
    """The bytes that a contender leaves on disk, its own log aside."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files if path.name != "log")
