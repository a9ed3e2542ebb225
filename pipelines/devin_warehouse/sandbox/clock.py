"""The sandbox server's clock: manual for tests, the real one plus an offset for serving."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pendulum

Duration = timedelta | float | int | str

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SIMPLE = re.compile(
    r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w|secs?|mins?|seconds?|minutes?|hours?|days?|weeks?)\b[\s,]*"
)


def to_timedelta(duration: Duration) -> timedelta:
    """Seconds, a timedelta, `45m`, `1 day`, `1d 12h` or an ISO 8601 duration such as `PT45M`.

    Raises ValueError for anything else, and for a step backwards.
    """
    step = _parse(duration)
    if step < timedelta():
        raise ValueError(f"a clock does not go backwards: {duration!r}")
    return step


def _parse(duration: Duration) -> timedelta:
    if isinstance(duration, timedelta):
        return duration
    if isinstance(duration, int | float):
        return timedelta(seconds=duration)
    text = str(duration).strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return timedelta(seconds=float(text))
    if text.startswith("P"):
        return _iso_duration(text)
    if not re.fullmatch(f"(?:{_SIMPLE.pattern})+", text):
        raise ValueError(f"not a duration: {duration!r}")
    seconds = sum(float(number) * _UNITS[unit[0]] for number, unit in _SIMPLE.findall(text))
    return timedelta(seconds=seconds)


def _iso_duration(text: str) -> timedelta:
    parsed = pendulum.parse(text)
    if isinstance(parsed, pendulum.Duration):
        return timedelta(seconds=parsed.total_seconds())
    raise ValueError(f"not a duration: {text!r}")


class Clock:
    """The only source of time in a world.

    With an instant it stands still until it is moved; without one it runs in real time.
    `tick` seconds pass at every API request. `skew` seconds is how far the server is off: its
    `Date` header and its time stamps alike.
    """

    def __init__(self, at: datetime | None = None, *, tick: float = 0, skew: float = 0) -> None:
        self._at = at.astimezone(UTC) if at else None
        self._moved = timedelta()
        self.tick = tick
        self.skew = skew

    @property
    def is_manual(self) -> bool:
        """Whether time passes only when it is told to."""
        return self._at is not None

    def now(self) -> datetime:
        """The server's time, UTC."""
        return (self._at or datetime.now(UTC)) + self._moved + timedelta(seconds=self.skew)

    def advance(self, duration: Duration) -> datetime:
        """Moves the clock forward, and says what it shows then."""
        self._moved += to_timedelta(duration)
        return self.now()

    def request_arrived(self) -> None:
        """Lets `tick` seconds pass."""
        self._moved += timedelta(seconds=self.tick)
