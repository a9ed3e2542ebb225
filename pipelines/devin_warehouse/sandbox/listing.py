"""Finding sessions: filter, order, count, for both API versions. Fast for 100,000 sessions."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import Protocol

from .faults import Bounds, Order, is_visible
from .sessions import Session

# A place in a list: the instant that it is sorted by, and the id where instants are equal.
Key = tuple[datetime, str]

_START = datetime.min.replace(tzinfo=UTC)
_END = datetime.max.replace(tzinfo=UTC)
_INSTANT = attrgetter("updated_at")
_CREATED: Callable[[Session], Key] = attrgetter("created_at", "session_id")
_UPDATED: Callable[[Session], Key] = attrgetter("updated_at", "session_id")


class Sessions(Protocol):
    """What a listing needs of a world."""

    sessions: dict[str, Session]
    revision: int


@dataclass(frozen=True)
class Filter:
    """Which sessions a list request asks for; None asks for all.

    `bounds`, `hidden_org_ids` and `visible_share` are not asked for, but how the server is.
    """

    created_from: datetime | None = None
    created_to: datetime | None = None
    updated_from: datetime | None = None
    updated_to: datetime | None = None
    bounds: Bounds = "[)"
    org_ids: frozenset[str] | None = None
    user_ids: frozenset[str] | None = None
    service_user_ids: frozenset[str] | None = None
    session_ids: frozenset[str] | None = None
    tags: frozenset[str] | None = None
    origins: frozenset[str] | None = None
    category: str | None = None
    playbook_id: str | None = None
    schedule_id: str | None = None
    hidden_org_ids: frozenset[str] = frozenset()
    visible_share: float = 1.0

    def matches(self, session: Session) -> bool:
        """Whether all but the `updated_*` ends let the session pass; created is half-open."""
        return (
            (self.created_from is None or session.created_at >= self.created_from)
            and (self.created_to is None or session.created_at < self.created_to)
            and session.org_id not in self.hidden_org_ids
            and self._has_its_ids(session)
            and self._is_of_its_kind(session)
            and is_visible(session.session_id, self.visible_share)
        )

    def _has_its_ids(self, session: Session) -> bool:
        return (
            (self.org_ids is None or session.org_id in self.org_ids)
            and (self.user_ids is None or session.user_id in self.user_ids)
            and (self.service_user_ids is None or session.service_user_id in self.service_user_ids)
            and (self.session_ids is None or session.session_id in self.session_ids)
            and (self.playbook_id is None or session.playbook_id == self.playbook_id)
            and (self.schedule_id is None or session.schedule_id == self.schedule_id)
        )

    def _is_of_its_kind(self, session: Session) -> bool:
        """One of the tags is enough."""
        return (
            (self.tags is None or not self.tags.isdisjoint(session.tags))
            and (self.origins is None or session.origin in self.origins)
            and (self.category is None or session.category == self.category)
        )

    def has_updated(self, at: datetime) -> bool:
        """Whether the `updated_*` ends let an instant pass."""
        since, until = self.updated_from or _START, self.updated_to or _END
        return since <= at <= until and not (
            (at == since and self.bounds[0] == "(") or (at == until and self.bounds[1] == ")")
        )

    @property
    def is_by_update_only(self) -> bool:
        """Whether nothing but the `updated_*` ends decides."""
        return self == Filter(
            updated_from=self.updated_from, updated_to=self.updated_to, bounds=self.bounds
        )


@dataclass(frozen=True)
class Found:
    """The sessions that match, in order: `ascending` by `key`, or the other way round."""

    ascending: list[Session]
    key: Callable[[Session], Key]
    is_reversed: bool

    def __len__(self) -> int:
        return len(self.ascending)

    def rows(self, start: int, count: int) -> list[Session]:
        """So many from a place on, fewer at the end."""
        if not self.is_reversed:
            return self.ascending[start : start + count]
        end = max(0, len(self) - start)
        return self.ascending[max(0, end - count) : end][::-1]

    def place_behind(self, key: Key) -> int:
        """Where the sessions strictly behind that key begin, whether or not one has it."""
        if self.is_reversed:
            return len(self) - bisect_left(self.ascending, key, key=self.key)
        return bisect_right(self.ascending, key, key=self.key)


class Listing:
    """A sorted index over a world, renewed when it has changed; answers are kept until then."""

    def __init__(self, world: Sessions) -> None:
        self._world = world
        self._revision = -1
        self._by_updated: list[Session] = []
        self._found: dict[tuple[Filter, Order], Found] = {}

    def find(self, wanted: Filter, order: Order) -> Found:
        """The sessions that match, in this order."""
        self._refresh()
        if (wanted, order) not in self._found:
            self._found[wanted, order] = _in_order(self._select(wanted), order)
        return self._found[wanted, order]

    def count_before(self, wanted: Filter, updated_before: Mapping[str, datetime]) -> int:
        """How many matched while the sessions of `updated_before` still had that `updated_at`."""
        count = len(self.find(wanted, "updated_asc"))
        for session_id, at in updated_before.items():
            session = self._world.sessions.get(session_id)
            if session and wanted.matches(session):
                count += wanted.has_updated(at)
                count -= wanted.has_updated(session.updated_at)
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

    def _select(self, wanted: Filter) -> list[Session]:
        """Those that match, in ascending order of their update."""
        if wanted.session_ids is not None:
            named = [self._world.sessions.get(each) for each in wanted.session_ids]
            present = [s for s in named if s is not None and wanted.has_updated(s.updated_at)]
            return sorted(filter(wanted.matches, present), key=_UPDATED)
        rows, bounds = self._by_updated, wanted.bounds
        since, until = wanted.updated_from or _START, wanted.updated_to or _END
        first = (bisect_left if bounds[0] == "[" else bisect_right)(rows, since, key=_INSTANT)
        last = (bisect_right if bounds[1] == "]" else bisect_left)(rows, until, key=_INSTANT)
        if wanted.is_by_update_only:
            return rows[first:last]
        return [session for session in rows[first:last] if wanted.matches(session)]


def _in_order(rows: list[Session], order: Order) -> Found:
    if order == "created_desc":
        return Found(sorted(rows, key=_CREATED), _CREATED, is_reversed=True)
    return Found(rows, _UPDATED, is_reversed=order == "updated_desc")
