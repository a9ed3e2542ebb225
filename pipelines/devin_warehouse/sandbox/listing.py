"""Finding sessions: filter, order, count, for both API versions. Fast for 100,000 sessions."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import Protocol

from .faults import Bounds, Order
from .sessions import Session

_START = datetime.min.replace(tzinfo=UTC)
_END = datetime.max.replace(tzinfo=UTC)
_CREATED = attrgetter("created_at")
_UPDATED = attrgetter("updated_at")


class Sessions(Protocol):
    """What a listing needs of a world."""

    sessions: dict[str, Session]
    revision: int


@dataclass(frozen=True)
class Filter:
    """Which sessions a list request asks for; None asks for all."""

    created_from: datetime | None = None
    created_to: datetime | None = None
    updated_from: datetime | None = None
    updated_to: datetime | None = None
    org_ids: frozenset[str] | None = None
    user_ids: frozenset[str] | None = None
    session_ids: frozenset[str] | None = None

    def matches(self, session: Session) -> bool:
        """Whether all but the `updated_*` ends let the session pass; created is half-open."""
        return (
            (self.created_from is None or session.created_at >= self.created_from)
            and (self.created_to is None or session.created_at < self.created_to)
            and (self.org_ids is None or session.org_id in self.org_ids)
            and (self.user_ids is None or session.user_id in self.user_ids)
            and (self.session_ids is None or session.session_id in self.session_ids)
        )

    def has_updated(self, at: datetime, bounds: Bounds) -> bool:
        """Whether the `updated_*` ends let an instant pass."""
        since, until = self.updated_from or _START, self.updated_to or _END
        return since <= at <= until and not (
            (at == since and bounds[0] == "(") or (at == until and bounds[1] == ")")
        )

    @property
    def is_by_update_only(self) -> bool:
        """Whether nothing but the `updated_*` ends is asked for."""
        return self == Filter(updated_from=self.updated_from, updated_to=self.updated_to)


class Listing:
    """Sorted indexes over a world, rebuilt when it has changed; answers are kept until then."""

    def __init__(self, world: Sessions) -> None:
        self._world = world
        self._revision = -1
        self._by_updated: list[Session] = []
        self._found: dict[tuple[Filter, Order, Bounds], list[Session]] = {}

    def find(self, wanted: Filter, order: Order, bounds: Bounds) -> list[Session]:
        """The sessions that match, in this order. Not to be changed by the caller."""
        self._refresh()
        key = (wanted, order, bounds)
        if key not in self._found:
            self._found[key] = self._in_order(self._select(wanted, bounds), order)
        return self._found[key]

    def count_before(
        self, wanted: Filter, bounds: Bounds, updated_before: Mapping[str, datetime]
    ) -> int:
        """How many matched while the sessions of `updated_before` still had that `updated_at`."""
        count = len(self.find(wanted, "updated_asc", bounds))
        for session_id, at in updated_before.items():
            session = self._world.sessions.get(session_id)
            if session and wanted.matches(session):
                count += wanted.has_updated(at, bounds)
                count -= wanted.has_updated(session.updated_at, bounds)
        return count

    def _refresh(self) -> None:
        if self._revision == self._world.revision:
            return
        rows = [s for s in self._by_updated if self._world.sessions.get(s.session_id) is s]
        if len(rows) < len(self._world.sessions):
            known = {session.session_id for session in rows}
            rows += [s for key, s in self._world.sessions.items() if key not in known]
        # Nearly in order already when little has changed, which is what sort is best at.
        rows.sort(key=_UPDATED)
        self._by_updated = rows
        self._found.clear()
        self._revision = self._world.revision

    def _select(self, wanted: Filter, bounds: Bounds) -> list[Session]:
        rows = self._by_updated
        since, until = wanted.updated_from or _START, wanted.updated_to or _END
        first = (bisect_left if bounds[0] == "[" else bisect_right)(rows, since, key=_UPDATED)
        last = (bisect_right if bounds[1] == "]" else bisect_left)(rows, until, key=_UPDATED)
        if wanted.is_by_update_only:
            return rows[first:last]
        return [session for session in rows[first:last] if wanted.matches(session)]

    def _in_order(self, rows: Iterable[Session], order: Order) -> list[Session]:
        if order == "created_desc":
            return sorted(rows, key=_CREATED, reverse=True)
        if order == "updated_desc":
            return list(rows)[::-1]
        return list(rows)
