"""The benchmark: whole processes that load the same sandbox server, side by side, in one table.

A round is: every contender loads into a new file; then again with nothing new; then, after
CHANGES changes, once more. Rounds are repeated, contenders take turns at going first, medians are
reported. After each load the rows are counted and compared with what the API says.

Nothing heavy is imported here: a child's peak memory begins with that of the process it is
forked from.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

HERE = Path(__file__).parent
OURS = str(Path(sysconfig.get_path("scripts")) / "devin-warehouse")
API_KEY = "apk_user_sandbox"
CHANGES = 300
# longer than every contender's overlap, so that a round does not read the changes of the last one
BETWEEN_ROUNDS = "2 hours"
MEMORY_UNIT = 1 if sys.platform == "darwin" else 1024
MB = 1e6

FIRST, IDLE, CHANGED = "first load", "nothing new", f"{CHANGES} changes"
LOADS = (FIRST, IDLE, CHANGED)
YARDSTICK = "yardstick"

OUR_TABLES = {
    "sessions": "sessions",
    "tags": "session_tags",
    "pull_requests": "session_pull_requests",
    "issues": "insight_issues",
    "timeline": "insight_timeline",
    "action_items": "insight_action_items",
    "feedback_items": "insight_feedback_items",
}
DLT_TABLES = {
    "sessions": "sessions",
    "tags": "sessions__tags",
    "pull_requests": "sessions__pull_requests",
    "issues": "sessions__session_analysis__issues",
    "timeline": "sessions__session_analysis__timeline",
    "action_items": "sessions__session_analysis__action_items",
    "feedback_items": "sessions__session_analysis__suggested_prompt__feedback_items",
}


@dataclass(frozen=True)
class Contender:
    """A command that loads; it is told `--database` and `--base-url`."""

    name: str
    title: str
    command: tuple[str, ...]
    schema: str
    tables: Mapping[str, str]
    steps: tuple[str, ...] = LOADS
    largest: int | None = None


def script(name: str, *options: str) -> tuple[str, ...]:
    """The command line of a script beside this one."""
    return (sys.executable, str(HERE / name), *options)


CONTENDERS = (
    Contender("ours", "devin-warehouse load", (OURS, "load"), "devin", OUR_TABLES),
    Contender(
        "dlt_merge",
        "devin_source, merged by dlt",
        script("dlt_merge.py"),
        "devin_api",
        OUR_TABLES,
    ),
    Contender(
        "rest_api_parquet",
        "rest_api of dlt, parquet",
        script("rest_api.py", "--format", "parquet"),
        "rest",
        DLT_TABLES,
    ),
    Contender(
        "rest_api",
        "rest_api of dlt, as it comes",
        script("rest_api.py"),
        "rest",
        DLT_TABLES,
        largest=5_000,
    ),
    Contender(
        "floor",
        "httpx, then DuckDB alone",
        script("floor.py"),
        "main",
        OUR_TABLES,
        steps=(FIRST,),
    ),
)
YARDSTICKS = {
    "import dlt, duckdb, httpx": (sys.executable, "-c", "import dlt, duckdb, httpx"),
    "devin-warehouse --help": (OURS, "--help"),
}


@dataclass(frozen=True)
class Cost:
    """What one process took."""

    wall_seconds: float
    cpu_seconds: float
    peak_mb: float
    exit_code: int


@dataclass
class Line:
    """A line of the table: a contender's step at a size, with one entry a run in each list."""

    sessions: int
    contender: str
    title: str
    step: str
    wall_seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    peak_mb: list[float] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    file_mb: list[float] = field(default_factory=list)
    disk_mb: list[float] = field(default_factory=list)
    phases: list[dict[str, float]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def add(self, cost: Cost) -> None:
        """Take note of a run."""
        self.wall_seconds.append(cost.wall_seconds)
        self.cpu_seconds.append(cost.cpu_seconds)
        self.peak_mb.append(cost.peak_mb)


class Server:
    """A served sandbox."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url

    @property
    def requests(self) -> int:
        """How many API requests it has had."""
        return sum(self._send("state")["requests"].values())

    def advance(self) -> None:
        """Move its clock on, so that what changed in the last round is old."""
        self._send("advance", {"duration": BETWEEN_ROUNDS})

    def change(self) -> None:
        """Let sessions change."""
        self._send("change", {"count": CHANGES})

    def _send(self, path: str, order: dict[str, Any] | None = None) -> Any:
        data = json.dumps(order).encode() if order else None
        with urlopen(Request(f"{self.base_url}/sandbox/{path}", data=data)) as answer:
            return json.load(answer)


@contextmanager
def serving(sessions: int, latency: float) -> Iterator[Server]:
    """A sandbox of so many sessions on a free port, stopped in the end."""
    options = ["--sessions", str(sessions), "--port", "0", "--seed", "1"]
    if latency:
        options += ["--fault", f"latency={latency}"]
    process = subprocess.Popen([OURS, "sandbox", *options], stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        found = re.search(r"http://\S+", line)
        if not found:
            raise SystemExit(f"The sandbox did not start: {line!r}")
        yield Server(found[0])
    finally:
        process.terminate()
        process.wait()


def measured(command: Sequence[str], folder: Path, log: Path) -> Cost:
    """Run a command to its end, whatever that is; it ends with us if we are stopped."""
    with log.open("w") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment(), stdout=output, stderr=subprocess.STDOUT
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


def environment() -> dict[str, str]:
    """What contenders find: a key, no telemetry, and none of our own settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DEVIN_", "DLT_"))}
    return kept | {"DEVIN_API_KEY": API_KEY, "RUNTIME__DLTHUB_TELEMETRY": "false", "TERM": "dumb"}


class Bench:
    """The rounds at one size."""

    def __init__(
        self, sessions: int, server: Server, contenders: Sequence[Contender], root: Path
    ) -> None:
        self.lines: dict[tuple[str, str], Line] = {}
        self._sessions = sessions
        self._server = server
        self._contenders = contenders
        self._root = root

    def round(self, number: int) -> None:
        """All steps of all contenders, each in a folder of its own."""
        self._server.advance()
        turn = number % max(1, len(self._contenders))
        contenders = [*self._contenders[turn:], *self._contenders[:turn]]
        folders = {c.name: self._root / f"{self._sessions}-{number}-{c.name}" for c in contenders}
        for folder in folders.values():
            folder.mkdir()
        for step in LOADS:
            if step == CHANGED:
                self._server.change()
            # reading the truth also lets the server encode what has changed, once for all
            truth = self._truth()
            for contender in contenders:
                if step in contender.steps and not self._has_failed(contender):
                    self._load(contender, step, folders[contender.name], truth)
        for folder in folders.values():
            shutil.rmtree(folder)
        for title, command in YARDSTICKS.items():
            line = self._line(title, title, YARDSTICK)
            line.add(measured(command, self._root, self._root / "log"))

    def phases(self) -> None:
        """One more first load of ours, with a clock at each of its phases."""
        folder = self._root / f"{self._sessions}-phases"
        folder.mkdir()
        command = [*script("phases.py"), *self._target(folder)]
        cost = measured(command, folder, folder / "log")
        if cost.exit_code == 0:
            self._line("ours", "", FIRST).phases.append(_phases(folder / "log"))
        shutil.rmtree(folder)

    def _load(self, contender: Contender, step: str, folder: Path, truth: dict[str, int]) -> None:
        _say(f"{self._sessions:,} sessions, {step}: {contender.title}")
        line = self._line(contender.name, contender.title, step)
        before = self._server.requests
        cost = measured([*contender.command, *self._target(folder)], folder, folder / "log")
        line.add(cost)
        line.requests.append(self._server.requests - before)
        if cost.exit_code:
            said = (folder / "log").read_text(errors="replace")[-2_000:]
            line.faults.append(f"exit {cost.exit_code}: {said}")
            return
        database = folder / "warehouse.duckdb"
        line.file_mb.append(database.stat().st_size / MB)
        line.disk_mb.append(_size(folder) / MB)
        if phases := _phases(folder / "log"):
            line.phases.append(phases)
        tables = {what: f"{contender.schema}.{name}" for what, name in contender.tables.items()}
        found = _asked("rows.py", "--database", str(database), "--tables", json.dumps(tables))
        if found != truth:
            line.faults.append(f"WRONG: it has {found}, the API {truth}")

    def _target(self, folder: Path) -> list[str]:
        return ["--database", str(folder / "warehouse.duckdb"), "--base-url", self._server.base_url]

    def _truth(self) -> dict[str, int]:
        return _asked("rows.py", "--base-url", self._server.base_url)

    def _has_failed(self, contender: Contender) -> bool:
        return any(line.faults for (name, _), line in self.lines.items() if name == contender.name)

    def _line(self, name: str, title: str, step: str) -> Line:
        return self.lines.setdefault((name, step), Line(self._sessions, name, title, step))


def _asked(name: str, *options: str) -> dict[str, int]:
    """What a script of ours answers; {} if it fails, which is never right."""
    answer = subprocess.run(
        script(name, *options), env=environment(), stdout=subprocess.PIPE, check=False
    )
    found: dict[str, int] = json.loads(answer.stdout) if answer.returncode == 0 else {}
    return found


def _phases(log: Path) -> dict[str, float]:
    """Seconds by phase, if that is what a contender's last line says."""
    lines = log.read_text(errors="replace").splitlines()
    try:
        said = json.loads(lines[-1]) if lines else {}
    except ValueError:
        said = {}
    return said if isinstance(said, dict) else {}


def _size(folder: Path) -> int:
    """The bytes that a contender leaves on disk, its own log aside."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files if path.name != "log")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


COLUMNS: tuple[tuple[str, Callable[[Line], str]], ...] = (
    ("sessions", lambda line: f"{line.sessions:,}"),
    ("", lambda line: line.title),
    ("step", lambda line: line.step),
    ("seconds", lambda line: f"{statistics.median(line.wall_seconds):.2f}"),
    ("min..max", lambda line: f"{min(line.wall_seconds):.2f}..{max(line.wall_seconds):.2f}"),
    ("CPU s", lambda line: f"{statistics.median(line.cpu_seconds):.2f}"),
    ("peak MB", lambda line: f"{statistics.median(line.peak_mb):,.0f}"),
    ("requests", lambda line: _shown(line.requests, ",.0f")),
    ("file MB", lambda line: _shown(line.file_mb, ",.1f")),
    ("disk MB", lambda line: _shown(line.disk_mb, ",.1f")),
)


def _shown(values: Sequence[float], form: str) -> str:
    return format(statistics.median(values), form) if values else ""


def _ratio(line: Line, lines: Sequence[Line]) -> float | None:
    """How many times as long as ours a line took; a yardstick is held against our idle run."""
    step = IDLE if line.step == YARDSTICK else line.step
    ours = [each for each in lines if (each.contender, each.step) == ("ours", step)]
    same_size = [each for each in ours if each.sessions == line.sessions]
    if not same_size:
        return None
    return statistics.median(line.wall_seconds) / statistics.median(same_size[0].wall_seconds)


def report(lines: Sequence[Line], about: str) -> None:
    """Print the table, what took how long within, and what went wrong."""
    from rich.console import Console  # noqa: PLC0415 see the module's docstring
    from rich.table import Table  # noqa: PLC0415

    width = None if sys.stdout.isatty() else 160
    console = Console(highlight=False, markup=False, soft_wrap=not width, width=width)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name, _ in COLUMNS:
        table.add_column(name, justify="left" if name in ("", "step") else "right", no_wrap=True)
    table.add_column("x ours", justify="right")
    for line in lines:
        ratio = _ratio(line, lines)
        cells = [shown(line) for _, shown in COLUMNS]
        table.add_row(*cells, "" if ratio is None else f"{ratio:.2f}")
    console.print(table)
    console.print(about)
    for line in lines:
        if line.phases:
            names = {name: [p.get(name, 0.0) for p in line.phases] for name in line.phases[-1]}
            said = ", ".join(f"{name} {statistics.median(s):.2f}" for name, s in names.items())
            console.print(f"{line.title}, {line.sessions:,}, {line.step}, seconds: {said}")
    for line in lines:
        for fault in line.faults:
            console.print(f"{line.title}, {line.sessions:,}, {line.step}: {fault}", style="red")


def fingerprint() -> str:
    """Of the code that is measured: two of them in one table would be no measurement."""
    package = importlib.util.find_spec("devin_warehouse")
    folder = Path(package.origin).parent if package and package.origin else HERE
    contents = b"".join(path.read_bytes() for path in sorted(folder.rglob("*.py")))
    return hashlib.sha256(contents).hexdigest()[:12]


def _about(arguments: argparse.Namespace, code: str) -> str:
    same = code if code == fingerprint() else "CHANGED WHILE IT WAS MEASURED: run again"
    return (
        f"Runs: {arguments.runs}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} now; "
        f"Python {platform.python_version()}, {platform.system()}. Code: {same}. The server "
        f"is on the same machine and answers after {arguments.latency:g} s. Peak MB: the process' "
        "largest resident set. File: what people open; disk: all that is left behind."
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sessions", type=int, nargs="+", default=[2_000, 20_000])
    parser.add_argument("--runs", type=int, default=3)
    names = [contender.name for contender in CONTENDERS]
    parser.add_argument("--only", choices=names, action="append", metavar="NAME", help=f"{names}")
    parser.add_argument("--all", action="store_true", help="also what takes many GB at a size")
    parser.add_argument("--latency", type=float, default=0, help="seconds before each answer")
    parser.add_argument("--json", type=Path, help="where to write the measurements")
    return parser.parse_args()


def _measure(arguments: argparse.Namespace, root: Path) -> Iterator[Line]:
    chosen = [c for c in CONTENDERS if not arguments.only or c.name in arguments.only]
    for sessions in arguments.sessions:
        fit = [c for c in chosen if arguments.all or not c.largest or sessions <= c.largest]
        with serving(sessions, arguments.latency) as server:
            bench = Bench(sessions, server, fit, root)
            for number in range(arguments.runs):
                bench.round(number)
            if ("ours", FIRST) in bench.lines:
                bench.phases()
        order = [c.name for c in fit]
        loads = [bench.lines.get((name, step)) for step in LOADS for name in order]
        yield from (line for line in loads if line)
        yield from (line for line in bench.lines.values() if line.step == YARDSTICK)


def main() -> int:
    """0; 1 if a contender failed or is wrong; 130 if stopped: then whole sizes are reported."""
    arguments = _arguments()
    # so that a terminated run, too, stops its server and removes its folders
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    code = fingerprint()
    lines: list[Line] = []
    was_stopped = True
    with tempfile.TemporaryDirectory(prefix="devin-bench-") as root, suppress(KeyboardInterrupt):
        lines += _measure(arguments, Path(root))
        was_stopped = False
    about = _about(arguments, code)
    if lines:
        report(lines, about)
    if arguments.json:
        content = {"about": about, "lines": [asdict(line) for line in lines]}
        arguments.json.write_text(json.dumps(content, indent=2) + "\n")
    return 130 if was_stopped else int(any(line.faults for line in lines))


if __name__ == "__main__":
    sys.exit(main())
