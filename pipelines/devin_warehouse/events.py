"""What passes between a feed and whoever loads: sessions to ask for, and what is told of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from devin_warehouse.payloads import Kind, Record
from devin_warehouse.windows import Window


class Due(NamedTuple):
    """A session to be asked for: its `updated_at`, and its rank by that among all sessions."""

    session_id: str
    updated_at: datetime
    rank: int = 0


@dataclass(frozen=True)
class Records:
    """Records of a kind as they came, in the order of the responses."""

    kind: Kind
    endpoint: str
    records: list[Record]


@dataclass(frozen=True)
class Proven:
    """A window whose records have all been handed on before."""

    window: Window


@dataclass(frozen=True)
class Reread:
    """A window that had to be cut, and into how many."""

    window: Window
    pieces: int


@dataclass(frozen=True)
class FilterWasIgnored:
    """The API does not filter by `updated_at`: the whole listing follows, unfiltered."""


@dataclass(frozen=True)
class Missing:
    """A session that the API does not know by its id (404)."""

    session_id: str


@dataclass(frozen=True)
class Failed:
    """A session that could not be had by its id; `error` says why."""

    session_id: str
    error: str


@dataclass(frozen=True)
class Rechecked:
    """Sessions that have been asked for again, whether they came or not."""

    session_ids: list[str]


@dataclass(frozen=True)
class Pulse:
    """Nothing came for half a second: a chance to look at the clock, or at a signal."""


Event = Pulse | Records | Proven | Reread | FilterWasIgnored | Missing | Failed | Rechecked
Put = Callable[[Event], Awaitable[None]]
