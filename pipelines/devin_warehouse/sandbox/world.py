"""The invented enterprise that the sandbox serves: its sessions, its clock, and what happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain, cycle
from random import Random
from typing import NamedTuple

from .awkward import WRONG_VALUES, WRONG_VALUES_V3, awkward_sessions, full_analysis
from .changes import CHANGES, NEW_SESSION, SILENT_CHANGES, V3_CHANGES, ApiVersion, Change
from .clock import Clock, Duration, to_timedelta
from .inventor import Inventor, creation_times
from .life import live
from .sessions import PullRequest, Session

# How far the clock moves from one change to the next.
STEP = timedelta(milliseconds=10)
# Until which age sessions are expected to change without their `updated_at` moving.
_UNSETTLED_FOR = timedelta(days=35)
_CHILD_SHARE = 0.06
_FAMILY_REACH = 40


class Changed(NamedTuple):
    """What `World.change` did to which session."""

    session_id: str
    kind: str


class World:
    """A deterministic enterprise: the same seed, size and instant give the same sessions.

    `now` makes a clock that stands still until moved; without it time is real. Whoever changes a
    session does so through a method, or tells the world with `mark`.
    """

    def __init__(
        self,
        seed: int = 0,
        sessions: int = 2000,
        *,
        now: datetime | None = None,
        span_days: float = 180,
        tick: float = 0,
        skew: float = 0,
    ) -> None:
        self.seed = seed
        self.clock = Clock(now, tick=tick, skew=skew)
        self.sessions: dict[str, Session] = {}
        self.deleted_org_ids: set[str] = set()
        self.revision = 0
        self._randoms: dict[str, Random] = {}
        self._kinds: dict[ApiVersion, Iterator[Change | None]] = {
            "v2": cycle((*CHANGES, None)),
            "v3": cycle((*CHANGES, *V3_CHANGES, None)),
        }
        self._silent_kinds = {name: cycle(kinds) for name, kinds in SILENT_CHANGES.items()}
        self._births_per_day = 1.5 * sessions / span_days
        self._populate(sessions, timedelta(days=span_days))

    @property
    def org_names(self) -> Mapping[str, str]:
        """What the invented organizations are called, by id; those that somebody adds have none."""
        return self._inventor.org_names

    def _populate(self, count: int, span: timedelta) -> None:
        now = self.clock.now()
        self._inventor = Inventor(self.seed, now - span, now)
        rng = self._random("populate")
        recent: list[Session] = []
        for created_at in creation_times(rng, count, now - span, now):
            session = self._inventor.session(rng, created_at, now)
            self._join_family(rng, session, recent[-_FAMILY_REACH:])
            self._include(session)
            recent.append(session)

    def _join_family(self, rng: Random, session: Session, recent: Sequence[Session]) -> None:
        """Makes a few sessions the child of a recent one."""
        if rng.random() >= _CHILD_SHARE:
            return
        parents = [parent for parent in recent if parent.org_id == session.org_id]
        if parents:
            parent = rng.choice(parents)
            parent.child_session_ids.append(session.session_id)
            session.parent_session_id = parent.session_id

    def _random(self, purpose: str) -> Random:
        """One stream of chance per purpose, so that one does not disturb another."""
        return self._randoms.setdefault(purpose, Random(f"{self.seed}/{purpose}"))

    def _include(self, session: Session) -> None:
        if session.session_id in self.sessions:
            raise ValueError(f"there is a session {session.session_id!r} already")
        self.sessions[session.session_id] = session
        self.revision += 1

    def mark(self, session: Session, updated_at: datetime | None = None) -> None:
        """Notes that a session has changed, at that instant or without its `updated_at` moving."""
        if updated_at is not None:
            session.updated_at = updated_at
        session.encoded.clear()
        self.revision += 1

    def add(
        self,
        *,
        created_at: datetime | None = None,
        updated_at: datetime | None = None,
        **overrides: object,
    ) -> Session:
        """Adds a session just begun, with these fields of `Session` as given; updated now."""
        updated_at = updated_at or self.clock.now()
        created_at = created_at or updated_at
        session = self._inventor.session(self._random("add"), created_at, created_at)
        session.updated_at, session.tags = updated_at, []
        _assign(session, overrides)
        self._include(session)
        return session

    def edit(self, session_id: str, *, moves_updated_at: bool = True, **values: object) -> Session:
        """Sets fields of a session; `moves_updated_at=False` makes it a silent change.

        An `updated_at` among the values stands.
        """
        session = self.sessions[session_id]
        _assign(session, values)
        moves = moves_updated_at and "updated_at" not in values
        self.mark(session, self.clock.advance(STEP) if moves else None)
        return session

    def delete(self, session_id: str) -> None:
        """Removes a session: lists leave it out, and asking for it by id answers 404."""
        del self.sessions[session_id]
        self.revision += 1

    def delete_some(self, count: int) -> list[str]:
        """Deletes so many sessions, drawn by chance; returns their ids."""
        drawn = self._draw("delete", count)
        for session_id in drawn:
            self.delete(session_id)
        return drawn

    def delete_organization(self, org_id: str) -> list[str]:
        """Lists leave its sessions out unless asked for; by id they still answer. Their ids."""
        self.deleted_org_ids.add(org_id)
        self.revision += 1
        return [key for key, session in self.sessions.items() if session.org_id == org_id]

    def advance(self, duration: Duration) -> list[str]:
        """Moves the clock, lets life happen meanwhile, and returns the ids of touched sessions.

        Each of them gets an `updated_at` inside the span.
        """
        span = to_timedelta(duration)
        since = self.clock.now()
        until = since + span
        rng = self._random("advance")
        touched = []
        for session in self.sessions.values():
            if live(rng, self._inventor, session, since, until):
                self.mark(session, since + span * (1 - rng.random()))
                touched.append(session.session_id)
        touched += self._give_birth(rng, since, until)
        self.clock.advance(span)
        return touched

    def _give_birth(self, rng: Random, since: datetime, until: datetime) -> list[str]:
        expected = self._births_per_day * ((until - since) / timedelta(days=1))
        count = int(expected) + (rng.random() < expected % 1)
        born = []
        for created_at in creation_times(rng, count, since, until):
            session = self._inventor.session(rng, created_at, until)
            self._include(session)
            born.append(session.session_id)
        return born

    def change(self, count: int, version: ApiVersion = "v2") -> list[Changed]:
        """Makes `count` changes, cycling through every kind, each of another session if it can.

        Kinds that no session is fit for are passed over. The cycle goes on in the next call; each
        version has its own, v3's with kinds that v2 does not show.
        """
        rng = self._random("change" if version == "v2" else f"change {version}")
        untouched = list(self.sessions)
        done: list[Changed] = []
        while len(done) < count:
            change = next(self._kinds[version])
            if change is None:
                done.append(self._begin(rng))
            elif session := self._pick(rng, untouched, change):
                change.happen(rng, self._inventor, session)
                self.mark(session, self.clock.advance(STEP))
                done.append(Changed(session.session_id, change.kind))
        return done

    def _begin(self, rng: Random) -> Changed:
        now = self.clock.advance(STEP)
        session = self._inventor.session(rng, now, now)
        self._include(session)
        return Changed(session.session_id, NEW_SESSION)

    def _pick(self, rng: Random, untouched: list[str], change: Change) -> Session | None:
        """A session fit for the change, taken from the untouched ones while they last."""
        return self._take(rng, untouched, change) or self._take(rng, list(self.sessions), change)

    def _take(self, rng: Random, keys: list[str], change: Change) -> Session | None:
        """A session fit for the change, taken from those of the keys."""
        place = _find(rng, keys, lambda key: change.is_possible(self.sessions[key]))
        if place is None:
            return None
        keys[place], keys[-1] = keys[-1], keys[place]
        return self.sessions[keys.pop()]

    def change_silently(
        self, count: int, *, unsettled: bool = True, version: ApiVersion = "v3"
    ) -> list[Changed]:
        """Makes `count` changes that leave `updated_at`, cycling through their kinds.

        Each is of another session: of the young unsettled ones, or of the settled ones of any
        age. Fewer where there are no more of them. `version="v2"` has only what v2 shows.
        """
        rng = self._random("silence")
        untouched = [key for key, s in self.sessions.items() if self._may_change(s, unsettled)]
        done: list[Changed] = []
        passed_over = 0
        while len(done) < count and passed_over < len(SILENT_CHANGES[version]):
            change = next(self._silent_kinds[version])
            if session := self._take(rng, untouched, change):
                change.happen(rng, self._inventor, session)
                self.mark(session)
                done.append(Changed(session.session_id, change.kind))
            passed_over = 0 if session else passed_over + 1
        return done

    def _may_change(self, session: Session, unsettled: bool) -> bool:
        if not unsettled:
            return session.is_settled
        is_young = self.clock.now() - session.created_at < _UNSETTLED_FOR
        return is_young and session.is_unsettled

    def touch(self, count: int) -> dict[str, datetime]:
        """Updates so many random sessions now; returns the `updated_at` each had before."""
        before = {}
        for session_id in self._draw("touch", count):
            session = self.sessions[session_id]
            before[session_id] = session.updated_at
            self.mark(session, self.clock.advance(STEP))
        return before

    def _draw(self, purpose: str, count: int) -> list[str]:
        session_ids = list(self.sessions)
        return self._random(purpose).sample(session_ids, min(count, len(session_ids)))

    def same_instant(self, count: int, at: datetime | None = None) -> list[str]:
        """Adds so many sessions that share one `updated_at`: now, or the instant given."""
        instant = at or self.clock.now()
        return [self.add(updated_at=instant).session_id for _ in range(count)]

    def add_awkward(self) -> list[str]:
        """Adds the sessions of `awkward.awkward_sessions`, a moment apart; returns their ids."""
        added = []
        for overrides in awkward_sessions():
            updated_at = self.clock.advance(STEP)
            session = self.add(updated_at=updated_at, **{"status": "exit", **overrides})
            added.append(session.session_id)
        return added

    def add_malformed(self, count: int, version: ApiVersion = "v2") -> list[str]:
        """Adds sessions of which that version tells a value of a wrong type, each another one."""
        return [self._add_malformed(number, version) for number in range(count)]

    def _add_malformed(self, number: int, version: ApiVersion) -> str:
        rng = self._random("malformed")
        task = self._inventor.task(rng, self._inventor.org_ids[0], 0.4)
        session = self.add(
            updated_at=self.clock.advance(STEP),
            status="exit",
            tags=["malformed"],
            pull_requests=[PullRequest(self._inventor.pull_request(task).url, "open")],
            analysis=full_analysis(),
        )
        if version == "v2":
            session.wrong = WRONG_VALUES[number % len(WRONG_VALUES)]
        else:
            session.wrong_v3 = WRONG_VALUES_V3[number % len(WRONG_VALUES_V3)]
        return session.session_id

    def heal(self, *, moves_updated_at: bool = True) -> list[str]:
        """Repairs the malformed sessions; returns their ids."""
        healed = [s for s in self.sessions.values() if s.wrong or s.wrong_v3]
        for session in healed:
            session.wrong = session.wrong_v3 = None
            self.mark(session, self.clock.advance(STEP) if moves_updated_at else None)
        return [session.session_id for session in healed]


def _assign(session: Session, values: Mapping[str, object]) -> None:
    for name, value in values.items():
        setattr(session, name, value)


def _find(rng: Random, keys: Sequence[str], is_fit: Callable[[str], bool]) -> int | None:
    """The place of a fit key, from a random start on."""
    start = rng.randrange(len(keys)) if keys else 0
    places = chain(range(start, len(keys)), range(start))
    return next((place for place in places if is_fit(keys[place])), None)
