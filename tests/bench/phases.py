"""`devin-warehouse load` with a clock at each phase of the main thread; says seconds by phase.

Reading goes on in a thread of its own, so `waiting for pages` is what reading adds, not what it
takes; the threads share one interpreter, so that each slows the others down. `sorting out` is
telling what is new or changed, without its exploding.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

STARTED = time.perf_counter()

from devin_warehouse import intake, merge  # noqa: E402 the imports are timed too
from devin_warehouse import load as loading  # noqa: E402
from devin_warehouse.events import Event  # noqa: E402
from devin_warehouse.feed import Connection, Feed, version_of  # noqa: E402
from devin_warehouse.layout import Layout  # noqa: E402
from devin_warehouse.plan import Order  # noqa: E402

SECONDS: defaultdict[str, float] = defaultdict(float)


def clocked(owner: Any, name: str, phase: str) -> None:
    """Let a function's time be counted."""
    function: Callable[..., Any] = getattr(owner, name)

    def timed(*args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            SECONDS[phase] += time.perf_counter() - started

    setattr(owner, name, timed)


def clocked_windows(windows: Callable[..., Iterator[Event]]) -> Callable[..., Iterator[Event]]:
    """Let the time between a page's being wanted and its coming be counted."""

    def timed(*args: Any, **kwargs: Any) -> Iterator[Event]:
        events = windows(*args, **kwargs)
        while True:
            started = time.perf_counter()
            event = next(events, None)
            SECONDS["waiting for pages"] += time.perf_counter() - started
            if event is None:
                return
            yield event

    return timed


def main() -> None:
    """Load, clocked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", type=Path, required=True)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--api", required=True)
    arguments = parser.parse_args()
    Feed.windows = clocked_windows(Feed.windows)  # type: ignore[method-assign]
    clocked(intake.Intake, "sort_out", "sorting out")
    clocked(intake, "explode", "exploding")
    clocked(merge.Merger, "land", "landing by dlt")
    clocked(merge.Merger, "merge", "merging")
    clocked(loading, "publish", "publishing")
    SECONDS["imports"] = time.perf_counter() - STARTED
    key = os.environ["DEVIN_API_KEY"]
    connection = Connection(arguments.base_url, key, version=version_of(arguments.api, key))
    loading.load(Order(Layout.of(arguments.database), connection))
    SECONDS["sorting out"] -= SECONDS["exploding"]
    total = time.perf_counter() - STARTED
    json.dump({**SECONDS, "rest": total - sum(SECONDS.values()), "all": total}, sys.stdout)


if __name__ == "__main__":
    main()
