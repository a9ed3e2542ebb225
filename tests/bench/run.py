"""The benchmark: whole processes that load the same sandbox server, side by side, in one table.

Four scenarios, all by default: `first`, the main table (see rounds.py); `small`, `latency` and
`growth`, ours alone (see scenarios.py). In the end, what is asked for beside what was seen.

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
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from tests.bench.contenders import CONTENDERS, left_out
from tests.bench.goals import goals
from tests.bench.loads import say
from tests.bench.measurements import Line
from tests.bench.plan import Plan, Sizes
from tests.bench.processes import KEYS, ROOT
from tests.bench.rounds import SCENARIO, first
from tests.bench.scenarios import GROWTH, LATENCY, SMALL, growth, latency, small
from tests.bench.table import report

HERE = Path(__file__).parent
SCENARIOS: Mapping[str, Callable[[Plan, Path], Iterator[Line]]] = {
    SCENARIO: first,
    SMALL: small,
    LATENCY: latency,
    GROWTH: growth,
}


def fingerprint() -> str:
    """Of the code that is measured: two of them in one table would be no measurement."""
    package = importlib.util.find_spec("devin_warehouse")
    folder = Path(package.origin).parent if package and package.origin else HERE
    paths = [*sorted(folder.rglob("*.py")), *sorted((ROOT / "sql").rglob("*.sql"))]
    contents = b"".join(path.read_bytes() for path in paths)
    return hashlib.sha256(contents).hexdigest()[:12]


def _about(plan: Plan, code: str, missing: Mapping[str, str]) -> str:
    same = code if code == fingerprint() else "CHANGED WHILE IT WAS MEASURED: run again"
    absent = "".join(f" Left out: {name}, since {why}" for name, why in missing.items())
    return (
        f"Medians of {plan.runs} runs at most; {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f} now; Python {platform.python_version()}, {platform.system()}. "
        f"Code: {same}. The server is on the same machine and answers after {plan.latency:g} s, "
        "other scenarios than the first aside. Peak MB: the largest resident set of a process. "
        "Least: as few requests as it can be done with. MB sent: bodies of answers. File: what "
        f"people open; disk: all that is left behind.{absent}"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--scenario", choices=SCENARIOS, action="append", help="all if not given")
    parser.add_argument("--sessions", type=int, nargs="+", help="sizes of the main table")
    parser.add_argument("--api", choices=KEYS, action="append", help="both if not given")
    parser.add_argument("--runs", type=int, default=3)
    names = [contender.name for contender in CONTENDERS]
    parser.add_argument("--only", choices=names, action="append", metavar="NAME", help=f"{names}")
    parser.add_argument("--all", action="store_true", help="also what takes many GB at a size")
    parser.add_argument(
        "--latency", type=float, default=0, help="seconds before each answer, in the main table"
    )
    parser.add_argument(
        "--divide", type=int, default=1, help="all sizes by so much, to try the benchmark itself"
    )
    parser.add_argument("--json", type=Path, help="where to write the measurements")
    return parser.parse_args()


def _plan(arguments: argparse.Namespace, missing: Mapping[str, str]) -> Plan:
    sizes = Sizes().divided(arguments.divide)
    if arguments.sessions:
        sizes = replace(sizes, first=arguments.sessions)
    wanted = [c for c in CONTENDERS if not arguments.only or c.name in arguments.only]
    return Plan(
        sizes,
        arguments.runs,
        [api for api in KEYS if not arguments.api or api in arguments.api],
        [contender for contender in wanted if contender.name not in missing],
        arguments.latency,
        arguments.all,
    )


def _measure(plan: Plan, scenarios: Sequence[str], root: Path, lines: list[Line]) -> None:
    """Add lines as they become whole, so that those are kept if it is stopped."""
    for name in scenarios:
        for line in SCENARIOS[name](plan, root):
            if line.wall_seconds:
                lines.append(line)  # noqa: PERF401 what was added must stay if it is stopped


def main() -> int:
    """0; 1 if a contender failed or is wrong; 130 if stopped: then whole sizes are reported."""
    arguments = _arguments()
    # so that a terminated run, too, stops its server and removes its folders
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    code, missing = fingerprint(), left_out()
    for name, why in missing.items():
        say(f"Left out: {name}, since {why}")
    plan = _plan(arguments, missing)
    scenarios = arguments.scenario or list(SCENARIOS)
    lines: list[Line] = []
    was_stopped = True
    with tempfile.TemporaryDirectory(prefix="devin-bench-") as root, suppress(KeyboardInterrupt):
        _measure(plan, scenarios, Path(root), lines)
        was_stopped = False
    about, seen = _about(plan, code, missing), list(goals(lines, plan.sizes))
    if lines:
        report(lines, seen, about)
    if arguments.json:
        content = {
            "about": about,
            "lines": [asdict(line) for line in lines],
            "goals": [asdict(goal) for goal in seen],
        }
        arguments.json.write_text(json.dumps(content, indent=2) + "\n")
    return 130 if was_stopped else int(any(line.faults for line in lines))


if __name__ == "__main__":
    sys.exit(main())
