"""The main table: all contenders in turn, from the same server, at each size.

A round is: every contender loads into a new file; then again with nothing new; then, after
CHANGES changes, once more. Contenders take turns at going first.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench.contenders import CHANGED, CHANGES, FIRST, HELP, IDLE, IMPORTS, LOADS, Contender
from tests.bench.loads import Loads, Rows, least_requests
from tests.bench.measurements import YARDSTICK, Line
from tests.bench.plan import Plan
from tests.bench.processes import OURS
from tests.bench.server import serving

SCENARIO = "first"
BARE_IMPORTS = (sys.executable, "-c", IMPORTS)
Entrant = tuple[Contender, str]


def first(plan: Plan, root: Path) -> Iterator[Line]:
    """The lines of the main table, size by size."""
    entrants = [(c, api) for api in plan.apis for c in plan.contenders if api in c.tables]
    for sessions in plan.sizes.first:
        with serving(sessions, plan.apis) as server:
            loads = Loads(SCENARIO, sessions, server, root)
            for number in range(plan.runs):
                _round(loads, plan, number, _fit(entrants, plan, sessions, number))
            for api in plan.apis:
                if (api, "ours", FIRST) in loads.lines:
                    loads.phases(api)
        order = [(api, c.name, step) for api in plan.apis for step in LOADS for c, _ in entrants]
        yield from (loads.lines[key] for key in dict.fromkeys(order) if key in loads.lines)
        yield from (line for line in loads.lines.values() if line.step == YARDSTICK)


def _fit(entrants: Sequence[Entrant], plan: Plan, sessions: int, number: int) -> list[Entrant]:
    fit = [e for e in entrants if plan.everything or e[0].is_wanted(sessions, number)]
    turn = number % max(1, len(fit))
    return [*fit[turn:], *fit[:turn]]


def _round(loads: Loads, plan: Plan, number: int, entrants: Sequence[Entrant]) -> None:
    """All steps of all contenders, each in a folder of its own."""
    loads.server.live()
    folders = {(c.name, api): loads.folder(f"{number}-{api}-{c.name}") for c, api in entrants}
    truths = _truths(loads, plan)
    for step in LOADS:
        if step == CHANGED:
            loads.server.change(CHANGES)
            truths = _truths(loads, plan)
        for contender, api in entrants:
            if step in contender.steps and not loads.has_failed(contender, api):
                line = loads.load(contender, api, step, folders[contender.name, api], truths[api])
                line.least_requests.append(_least(api, step, truths[api]))
    for folder in folders.values():
        shutil.rmtree(folder)
    loads.yardstick(IMPORTS, BARE_IMPORTS, YARDSTICK)
    loads.yardstick(HELP, (OURS, "--help"), YARDSTICK)


def _truths(loads: Loads, plan: Plan) -> dict[str, Rows]:
    """What the API has, read without the latency."""
    loads.server.switch(latency=0)
    truths = {api: loads.truth(api) for api in plan.apis}
    loads.server.switch(latency=plan.latency)
    return truths


def _least(api: str, step: str, truth: Rows) -> int:
    sessions = truth.get("sessions", 0)
    needed = {FIRST: sessions, IDLE: 0, CHANGED: min(CHANGES, sessions)}
    return least_requests(api, needed[step])
