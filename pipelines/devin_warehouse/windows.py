"""Windows of `updated_at`: how they are cut, and how far a run has come. No input or output."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Range:
    """The ends of `updated_at` in one request; None: none is sent."""

    since: datetime | None
    until: datetime | None

    def is_far_from(self, instant: datetime) -> bool:
        """Whether `instant` lies more than a second outside: no honoured filter lets it through."""
        return (self.since is not None and instant < self.since - SECOND) or (
            self.until is not None and instant > self.until + SECOND
        )

    def __str__(self) -> str:
        return f"[{_shown(self.since, 'the beginning')}, {_shown(self.until, 'now')})"


@dataclass(frozen=True)
class Window:
    """Half-open `[since, until)` of `updated_at`, UTC, whole seconds; no `since`: no lower end."""

    since: datetime | None
    until: datetime

    def asked(self, *, open_ended: bool = False) -> Range:
        """What is asked for: a second more at both ends, or no upper end at all.

        Whether the API's ends are inclusive is not documented (facts on the API, §3.4).
        """
        return Range(
            self.since and self.since - SECOND, None if open_ended else self.until + SECOND
        )

    @property
    def is_divisible(self) -> bool:
        """Whether it can be cut into windows of at least a second."""
        return self.since is None or self.until - self.since > SECOND

    def contains(self, instant: datetime) -> bool:
        """Whether `instant` lies in `[since, until)`."""
        return (self.since is None or self.since <= instant) and instant < self.until

    def split(self, instants: Iterable[datetime]) -> list[Window]:
        """The windows between the given instants, oldest first; they tile this one exactly."""
        cuts = {instant.replace(microsecond=0) for instant in instants}
        inside = sorted(c for c in cuts if c < self.until and (not self.since or self.since < c))
        ends = [*inside, self.until]
        return [Window(a, b) for a, b in zip([self.since, *inside], ends, strict=True)]

    def halves(self) -> list[Window]:
        """Two windows of equal length; a window without a lower end is returned as it is."""
        return self.split([self.since + (self.until - self.since) / 2]) if self.since else [self]

    def __str__(self) -> str:
        return str(Range(self.since, self.until))


def cuts(samples: Sequence[tuple[int, Sequence[datetime]]], pieces: int) -> list[datetime]:
    """Instants that cut a listing into about `pieces` equal parts.

    `samples` are evenly spaced stretches of the listing, by rank of their first row. Where their
    middle halves follow each other in time as they do in rank, the listing is (about) sorted by
    time, and ranks tell how many rows lie between two stretches; otherwise each stretch is a fair
    sample of the whole.
    """
    stretches = sorted((rank, sorted(times)) for rank, times in samples if times)
    if not stretches:
        return []
    quartiles = [(times[len(times) // 4], times[3 * len(times) // 4]) for _, times in stretches]
    rising = all(a[1] < b[0] for a, b in pairwise(quartiles))
    falling = all(a[0] > b[1] for a, b in pairwise(quartiles))
    if len(quartiles) > 1 and (rising or falling):
        known = _counted_by_rank(stretches if rising else _reversed(stretches))
    else:
        every = sorted(time for _, times in stretches for time in times)
        known = list(enumerate(every))
    last = known[-1][0]
    return [_interpolate(known, last * piece / pieces) for piece in range(1, pieces)]


def cuts_by_count(known: Sequence[tuple[int, datetime]], total: int, pieces: int) -> list[datetime]:
    """Instants that cut a listing of `total` sessions into about `pieces` equal parts.

    `known`: how many sessions are older than each of some instants; both rise. What is older than
    the first of them is a part of its own.
    """
    counts = [total * piece / pieces for piece in range(1, pieces)]
    first, earliest = known[0]
    older = [earliest] if first else []
    return older + [_interpolate(known, count) for count in counts if count > first]


def _reversed(
    stretches: Sequence[tuple[int, list[datetime]]],
) -> list[tuple[int, list[datetime]]]:
    end = stretches[-1][0] + len(stretches[-1][1])
    return [(end - rank - len(times), times) for rank, times in reversed(stretches)]


def _counted_by_rank(
    stretches: Sequence[tuple[int, list[datetime]]],
) -> list[tuple[int, datetime]]:
    (_, oldest), (rank, newest) = stretches[0], stretches[-1]
    middle = [(rank + len(times) // 2, times[len(times) // 2]) for rank, times in stretches]
    known = [(0, oldest[0]), *middle, (rank + len(newest), newest[-1])]
    return [(count, time) for count, time in known if oldest[0] <= time <= newest[-1]]


def _interpolate(known: Sequence[tuple[int, datetime]], count: float) -> datetime:
    right = min(max(bisect_left(known, count, key=lambda pair: pair[0]), 1), len(known) - 1)
    if right == 0:
        return known[0][1]
    (low, earlier), (high, later) = known[right - 1], known[right]
    return earlier + (later - earlier) * ((count - low) / (high - low) if high > low else 0)


@dataclass
class Frontier:
    """How far everything has been proven: the end of the longest prefix of proven windows."""

    reached: datetime | None
    _waiting: list[Window] = field(default_factory=list)

    def prove(self, window: Window) -> None:
        """Take note of a proven window; one that does not touch the prefix has to wait."""
        self._waiting.append(window)
        while touching := [w for w in self._waiting if self._touches(w)]:
            ends = [w.until for w in touching] + ([self.reached] if self.reached else [])
            self.reached = max(ends)
            self._waiting = [w for w in self._waiting if w not in touching]

    def _touches(self, window: Window) -> bool:
        return window.since is None or (self.reached is not None and window.since <= self.reached)


def _shown(instant: datetime | None, otherwise: str) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}" if instant else otherwise
