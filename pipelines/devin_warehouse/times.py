"""Times and durations as people write them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pendulum


def parse_time(text: str) -> datetime:
    """An instant as people write it; without a zone it is UTC. Raises ValueError."""
    parsed = pendulum.parse(text, tz="UTC")
    if not isinstance(parsed, pendulum.DateTime):
        raise ValueError(f"{text!r} is no point in time")  # noqa: TRY004 one error for callers
    return parsed.in_timezone("UTC")


def parse_duration(text: str) -> timedelta:
    """A duration as people write it: `45m`, `1h30m`, `2d`, or ISO 8601. Raises ValueError."""
    days, _, rest = text.strip().upper().rpartition("D")
    iso = text.strip().upper()
    if not iso.startswith("P"):
        iso = "P" + (f"{days}D" if days else "") + (f"T{rest}" if rest else "")
    parsed = pendulum.parse(iso)
    if not isinstance(parsed, pendulum.Duration):
        raise ValueError(f"{text!r} is no duration")  # noqa: TRY004 one error for callers
    return timedelta(seconds=parsed.total_seconds())
