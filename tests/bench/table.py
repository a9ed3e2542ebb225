"""What was measured, as tables."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from tests.bench.contenders import FIRST, IDLE
from tests.bench.goals import Goal
from tests.bench.measurements import YARDSTICK, Line, median, ratio, seconds_of
from tests.bench.rounds import SCENARIO

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 180
Column = tuple[str, Callable[[Line], str]]


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


COLUMNS: tuple[Column, ...] = (
    ("sessions", lambda line: f"{line.sessions:,}"),
    ("API", lambda line: line.api),
    ("", lambda line: line.title),
    ("step", lambda line: line.step),
    ("runs", lambda line: str(len(line.wall_seconds))),
    ("seconds", lambda line: f"{line.seconds:.2f}"),
    ("min..max", lambda line: f"{min(line.wall_seconds):.2f}..{max(line.wall_seconds):.2f}"),
    ("CPU s", lambda line: f"{statistics.median(line.cpu_seconds):.2f}"),
    ("peak MB", lambda line: f"{statistics.median(line.peak_mb):,.0f}"),
    ("requests", lambda line: _shown(median(line.requests), ",.0f")),
    ("least", lambda line: _shown(median(line.least_requests), ",.0f")),
    ("MB sent", lambda line: _shown(median(line.sent_mb), ",.1f")),
    ("file MB", lambda line: _shown(median(line.file_mb), ",.1f")),
    ("disk MB", lambda line: _shown(median(line.disk_mb), ",.1f")),
)
OF_SCENARIOS: tuple[Column, ...] = (
    ("ms/session", lambda line: _shown(_pace(line), ".3f")),
    ("held against", lambda line: line.held_against),
    ("its s", lambda line: _shown(median(line.held_seconds), ".2f")),
    ("x it", lambda line: _shown(ratio(line.seconds, median(line.held_seconds)), ".2f")),
)
LEFT = ("", "API", "step", "held against", "scenario")


def _pace(line: Line) -> float | None:
    """Milliseconds a session, where all of them were loaded."""
    return 1000 * line.seconds / line.sessions if line.step == FIRST and line.sessions else None


def report(lines: Sequence[Line], goals: Iterable[Goal], about: str) -> None:
    """Print the tables, what took how long within, what went wrong, and what was asked for."""
    from rich.console import Console  # noqa: PLC0415 not to be imported while children start

    # a narrow terminal breaks lines, but no number is cut short
    width = max(WIDTH, shutil.get_terminal_size().columns)
    console = Console(highlight=False, markup=False, width=width)
    main = [line for line in lines if line.scenario == SCENARIO]
    others = [line for line in lines if line.scenario != SCENARIO and line.step != YARDSTICK]
    if main:
        _print(
            console, main, [*COLUMNS, ("x ours", lambda line: _shown(_times(line, main), ".2f"))]
        )
    if others:
        scenario: Column = ("scenario", lambda line: line.scenario)
        columns = [column for column in COLUMNS if column[0] not in ("", "disk MB")]
        _print(console, others, [scenario, *columns, *OF_SCENARIOS])
    console.print(about)
    _print_phases(console, lines)
    for line in lines:
        for fault in line.faults:
            console.print(f"{_named(line)}: {fault}", style="red")
    _print_goals(console, goals)


def _print(console: Console, lines: Sequence[Line], columns: Sequence[Column]) -> None:
    from rich.table import Table  # noqa: PLC0415 likewise

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name, _ in columns:
        table.add_column(name, justify="left" if name in LEFT else "right", no_wrap=True)
    for line in lines:
        table.add_row(*(shown(line) for _, shown in columns))
    console.print(table)
    console.print()


def _times(line: Line, lines: Sequence[Line]) -> float | None:
    """How many times as long as ours a line took; a yardstick is held against our idle run."""
    is_yardstick = line.step == YARDSTICK
    ours = seconds_of(
        lines,
        sessions=line.sessions,
        contender="ours",
        step=IDLE if is_yardstick else line.step,
        api="v2" if is_yardstick else line.api,
    )
    return ratio(line.seconds, ours)


def _named(line: Line) -> str:
    return ", ".join(filter(None, (line.title, line.api, f"{line.sessions:,}", line.step)))


def _print_phases(console: Console, lines: Sequence[Line]) -> None:
    for line in lines:
        if line.phases:
            names = {name: [p.get(name, 0.0) for p in line.phases] for name in line.phases[-1]}
            said = ", ".join(f"{name} {statistics.median(s):.2f}" for name, s in names.items())
            console.print(f"{_named(line)}, seconds: {said}")


def _print_goals(console: Console, goals: Iterable[Goal]) -> None:
    from rich.table import Table  # noqa: PLC0415 likewise

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("", "must", "aim", "seen"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    for goal in goals:
        table.add_row(goal.what, goal.must, goal.aim, goal.shown)
    console.print()
    console.print(table)
