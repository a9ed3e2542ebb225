"""What was measured: a line for each contender's step at a size, with an entry for each run."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.bench.processes import Cost

YARDSTICK = "yardstick"


@dataclass
class Line:
    """A line of a table; each list has one entry a run.

    `held_against` is what the seconds are held against, `held_seconds` how long that takes.
    """

    scenario: str
    api: str
    sessions: int
    contender: str
    title: str
    step: str
    wall_seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    peak_mb: list[float] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    least_requests: list[int] = field(default_factory=list)
    sent_mb: list[float] = field(default_factory=list)
    file_mb: list[float] = field(default_factory=list)
    disk_mb: list[float] = field(default_factory=list)
    held_against: str = ""
    held_seconds: list[float] = field(default_factory=list)
    phases: list[dict[str, float]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def add(self, cost: Cost) -> None:
        """Take note of a run."""
        self.wall_seconds.append(cost.wall_seconds)
        self.cpu_seconds.append(cost.cpu_seconds)
        self.peak_mb.append(cost.peak_mb)

    def hold(self, against: str, seconds: float) -> None:
        """Take note of what the last run is held against."""
        self.held_against = against
        self.held_seconds.append(seconds)

    @property
    def seconds(self) -> float:
        """The median."""
        return statistics.median(self.wall_seconds)

    @property
    def is_sound(self) -> bool:
        """Whether it was measured, and nothing was wrong."""
        return bool(self.wall_seconds) and not self.faults


def median(values: Sequence[float]) -> float | None:
    """The median, if there are values."""
    return statistics.median(values) if values else None


def ratio(measured: float | None, yardstick: float | None) -> float | None:
    """How many times the yardstick something is, if both were measured."""
    return measured / yardstick if measured is not None and yardstick else None


def found(lines: Iterable[Line], **wanted: str | int) -> list[Line]:
    """The sound lines with these values."""
    return [
        line
        for line in lines
        if line.is_sound and all(getattr(line, name) == value for name, value in wanted.items())
    ]


def seconds_of(lines: Iterable[Line], **wanted: str | int) -> float | None:
    """The median over all runs of the sound lines with these values."""
    return median([s for line in found(lines, **wanted) for s in line.wall_seconds])


def peak_of(lines: Iterable[Line], **wanted: str | int) -> float | None:
    """The median of the peaks, likewise."""
    return median([mb for line in found(lines, **wanted) for mb in line.peak_mb])
