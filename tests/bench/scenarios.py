"""Ours alone: a small run beside much that is there, slow answers, and growth.

Each is held against something that does not depend on how fast ours is.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.bench.contenders import FIRST, IDLE, IMPORTS, LOAD
from tests.bench.loads import Loads, least_requests, say
from tests.bench.measurements import YARDSTICK, Line
from tests.bench.plan import Plan
from tests.bench.rounds import BARE_IMPORTS
from tests.bench.server import serving

SMALL, LATENCY, GROWTH = "small", "latency", "growth"
ANSWER_SECONDS = 0.2
CONCURRENCY = 8
EIGHT_AT_ONCE = replace(LOAD, command=(*LOAD.command, "--concurrency", str(CONCURRENCY)))


def some_changes(changes: int) -> str:
    """The step in which there are so many changes."""
    return f"{changes} changes"


def small(plan: Plan, root: Path) -> Iterator[Line]:
    """Few changes, and none, in a large warehouse; publishing included, held against imports."""
    if "v2" not in plan.apis:
        return
    with serving(plan.sizes.small, ["v2"]) as server:
        loads = Loads(SMALL, plan.sizes.small, server, root)
        folder = loads.folder("ours")
        truth = loads.truth("v2")
        line = loads.load(LOAD, "v2", FIRST, folder, truth)
        line.least_requests.append(least_requests("v2", truth.get("sessions", 0)))
        for _ in range(plan.runs):
            if not loads.has_failed(LOAD, "v2"):
                _idle_and_changed(loads, plan.sizes.changes, folder)
        shutil.rmtree(folder)
    yield from loads.lines.values()


def _idle_and_changed(loads: Loads, changes: int, folder: Path) -> None:
    """A run each, both beyond the overlap of what went before."""
    loads.server.wait()
    say("moving the watermark, unmeasured")
    loads.run(LOAD, "v2", folder)
    imports = loads.yardstick(IMPORTS, BARE_IMPORTS, YARDSTICK)
    idle = loads.load(LOAD, "v2", IDLE, folder)
    idle.hold(IMPORTS, imports)
    idle.least_requests.append(least_requests("v2", 0))
    loads.server.change(changes)
    truth = loads.truth("v2")
    changed = loads.load(LOAD, "v2", some_changes(changes), folder, truth)
    changed.hold(IMPORTS, imports)
    changed.least_requests.append(least_requests("v2", changes))


def latency(plan: Plan, root: Path) -> Iterator[Line]:
    """First loads where every answer takes its time, held against what the requests must take.

    That of v3 is one without the list of insights, so that each session takes a request.
    """
    for api in plan.apis:
        sessions = plan.sizes.latency[api]
        with serving(sessions, [api]) as server:
            loads = Loads(LATENCY, sessions, server, root)
            truth = loads.truth(api)
            server.switch(latency=ANSWER_SECONDS, bulk_insights="404")
            for number in range(plan.runs):
                if not loads.has_failed(LOAD, api):
                    folder = loads.folder(f"{api}-{number}")
                    line = loads.load(EIGHT_AT_ONCE, api, FIRST, folder, truth)
                    shutil.rmtree(folder)
                    line.least_requests.append(
                        least_requests(api, truth.get("sessions", 0), has_bulk_insights=False)
                    )
                    line.hold(
                        f"requests x {ANSWER_SECONDS} s / {CONCURRENCY}",
                        line.requests[-1] * ANSWER_SECONDS / CONCURRENCY,
                    )
        yield from loads.lines.values()


def growth(plan: Plan, root: Path) -> Iterator[Line]:
    """One first load at each size, held against the pace at the smallest."""
    if "v2" not in plan.apis:
        return
    pace: float | None = None
    for sessions in plan.sizes.growth:
        with serving(sessions, ["v2"]) as server:
            loads = Loads(GROWTH, sessions, server, root)
            folder = loads.folder("ours")
            truth = loads.truth("v2")
            line = loads.load(LOAD, "v2", FIRST, folder, truth)
            shutil.rmtree(folder)
        pace = pace or line.seconds / sessions
        line.hold(f"the pace at {plan.sizes.growth[0]:,}", pace * sessions)
        line.least_requests.append(least_requests("v2", truth.get("sessions", 0)))
        yield from loads.lines.values()
