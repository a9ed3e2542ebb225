"""What is asked of the loader, and what was seen of it. Nothing is asserted: timings never are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.bench import rounds, scenarios
from tests.bench.contenders import FIRST, HELP, IDLE, IMPORTS
from tests.bench.measurements import YARDSTICK, Line, peak_of, ratio, seconds_of
from tests.bench.plan import Sizes


@dataclass(frozen=True)
class Goal:
    """What is asked for, the least and the best that is hoped for, and what was measured."""

    what: str
    must: str
    aim: str
    seen: float | None
    form: str

    @property
    def shown(self) -> str:
        """What was measured, in words."""
        return "not measured" if self.seen is None else self.form.format(self.seen)


def goals(lines: Sequence[Line], sizes: Sizes) -> Iterator[Goal]:
    """Each of them, seen in these lines."""
    yield from _first_loads(lines, sizes.compared)
    yield from _peaks(lines, sizes)
    yield from _short_runs(lines, sizes)


def _first_loads(lines: Sequence[Line], sessions: int) -> Iterator[Goal]:
    def seconds(contender: str) -> float | None:
        return seconds_of(
            lines,
            scenario=rounds.SCENARIO,
            api="v2",
            sessions=sessions,
            step=FIRST,
            contender=contender,
        )

    ours, times = seconds("ours"), "{:.2f} x"
    what = f"first load of {sessions:,} (v2)"
    faster, held = f"{what}, times faster than", f"{what}, times as long as"
    as_it_comes = ratio(seconds("rest_api"), ours)
    parquet = ratio(seconds("rest_api_parquet"), ours)
    yield Goal(f"{faster} rest_api as it comes", ">= 12 x", ">= 20 x", as_it_comes, times)
    yield Goal(f"{faster} rest_api with parquet", ">= 2 x", ">= 3.5 x", parquet, times)
    yield Goal(f"{held} the floor", "<= 2.2 x", "<= 1.5 x", ratio(ours, seconds("floor")), times)


def _peaks(lines: Sequence[Line], sizes: Sizes) -> Iterator[Goal]:
    places = ((rounds.SCENARIO, sizes.compared), (scenarios.GROWTH, sizes.growth[-1]))
    for scenario, sessions in places:
        peak = peak_of(
            lines, scenario=scenario, api="v2", sessions=sessions, step=FIRST, contender="ours"
        )
        what = f"peak memory of a first load of {sessions:,} (v2)"
        yield Goal(what, "<= 400 MB", "<= 250 MB", peak, "{:.0f} MB")


def _short_runs(lines: Sequence[Line], sizes: Sizes) -> Iterator[Goal]:
    for scenario, sessions in (
        (rounds.SCENARIO, sizes.compared),
        (scenarios.SMALL, sizes.small),
    ):
        place: dict[str, str | int] = {"scenario": scenario, "sessions": sessions}
        idle = seconds_of(lines, **place, api="v2", step=IDLE, contender="ours")
        imports = seconds_of(lines, **place, step=YARDSTICK, contender=IMPORTS)
        what = f"idle run at {sessions:,} (v2), times as long as the bare imports"
        yield Goal(what, "<= 1.8 x", "<= 1.2 x", ratio(idle, imports), "{:.2f} x")
    step = scenarios.some_changes(sizes.changes)
    changed = seconds_of(
        lines, scenario=scenarios.SMALL, sessions=sizes.small, step=step, contender="ours"
    )
    what = f"{step} at {sizes.small:,} (v2), publishing included"
    yield Goal(what, "<= 4 s", "<= 2 s", changed, "{:.2f} s")
    helped = seconds_of(lines, step=YARDSTICK, contender=HELP)
    yield Goal("--help", "<= 0.3 s", "<= 0.15 s", helped, "{:.3f} s")
