"""Clients that read while loads replace the file: every answer is of one copy, none goes back.

A real load publishes again and again, a day passing between two; meanwhile each client reads in a
process of its own, over a connection that it holds and over new ones (see inside/poll.py).
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from select import select
from statistics import median

from tests.clients.readers import LIMIT, command, reference
from tests.conftest import Warehouse
from tests.served import served
from tests.soak.loads import loaded

LOADS_ALONE = 2
LOADS = 6
STATEMENTS = {
    "published": "SELECT epoch_us(published_at) FROM devin.warehouse_info",
    "newest": "SELECT epoch_us(max(updated_at)) FROM devin.sessions",
    "counted": "SELECT count(*) FROM devin.sessions",
    "summed": "SELECT sum(sessions_count)::BIGINT FROM analytics.usage_daily",
}
Numbers = Mapping[str, int]


@dataclass
class Loads:
    """How long the loads took, what went wrong, and the number of copies that they published."""

    alone: list[float] = field(default_factory=list)
    among_readers: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        alone, among = median(self.alone), median(self.among_readers)
        return (
            f"{len(self.among_readers)} loads, each published: {among:.1f} s each among these "
            f"readers, {alone:.1f} s without"
        )


def read_while_loading(
    warehouse: Warehouse, clients: Mapping[str, str]
) -> tuple[dict[str, list[str]], Loads, list[str]]:
    """A line for each client, the loads, and what is not as it should be."""
    loads = Loads()
    with served(warehouse.world) as base_url:
        for _ in range(LOADS_ALONE):
            loads.alone.append(_load(warehouse, base_url, loads.errors))
        with_readers = {name: _started(client, warehouse.path) for name, client in clients.items()}
        for name, process in with_readers.items():
            if not _has_begun(process):
                loads.errors.append(f"{name}: has read nothing within {LIMIT} seconds")
                process.kill()
        for _ in range(LOADS):
            loads.among_readers.append(_load(warehouse, base_url, loads.errors))
    lines, found = {}, [*loads.errors]
    last = _numbers(warehouse.path)
    for name, process in with_readers.items():
        said, _ = process.communicate("", timeout=LIMIT)
        seen = json.loads(said or '{"fresh": [], "held": [], "errors": ["it did not start"]}')
        errors = [*seen["errors"], *_contradictions(seen["fresh"], seen["held"], last)]
        copies = {numbers["published"] for numbers in seen["fresh"]}
        held = "-" if name == "dbt" else f"{len(seen['held'])}"
        lines[name] = [f"{len(seen['fresh'])}", f"{len(copies)}", held, f"{len(errors)}"]
        found += [f"{name}: {error}" for error in errors]
    return lines, loads, found


def _load(warehouse: Warehouse, base_url: str, errors: list[str]) -> float:
    """The seconds of a load, a day after the one before; it must publish."""
    warehouse.world.advance("1 day")
    before, started = _numbers(warehouse.path), time.monotonic()
    code, said = loaded(warehouse, base_url)
    seconds = time.monotonic() - started
    if code:
        errors.append(f"a load ended with {code}: {said}")
    elif _numbers(warehouse.path)["published"] <= before["published"]:
        errors.append(f"a load published nothing: {said}")
    return seconds


def _numbers(path: Path) -> Numbers:
    answers = reference(path, STATEMENTS)
    return {name: answers[name]["rows"][0][0] for name in STATEMENTS}


def _started(client: str, path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        command("poll.py", client, path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(STATEMENTS) + "\n")
    process.stdin.flush()
    return process


def _has_begun(process: subprocess.Popen[str]) -> bool:
    """Whether it has read something, or ended, in time."""
    assert process.stdout is not None
    ready, _, _ = select([process.stdout], [], [], LIMIT)
    if ready:
        process.stdout.readline()  # "reading", or what it ended with
    return bool(ready)


def _contradictions(
    fresh: Sequence[Numbers], held: Sequence[Numbers], last: Numbers
) -> Iterator[str]:
    """Mixtures of copies, steps back, a held connection that changed, and a copy missed at last."""
    for numbers in fresh:
        if numbers["counted"] != numbers["summed"]:
            yield f"no one copy: {numbers}"
    for before, after in pairwise(fresh):
        if any(after[name] < before[name] for name in ("published", "newest")):
            yield f"back from {before} to {after}"
    if any(numbers != held[0] for numbers in held):
        yield f"a held connection saw {held[-1]} after {held[0]}"
    if not fresh or fresh[-1] != last:
        yield f"saw {dict(*fresh[-1:])} at last, not {last}"
