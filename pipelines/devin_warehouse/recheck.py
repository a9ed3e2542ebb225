"""The re-check: what can change in a session without its `updated_at` moving is asked for again.

Nothing documents that `updated_at` moves when a pull request is merged, an analysis is generated or
a category is filled in (facts on the API, §5). So unsettled sessions are asked for by `session_ids`
until they are too old to change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from devin_warehouse.api.listing import Api, Filters
from devin_warehouse.events import Due, Put, Rechecked, Records
from devin_warehouse.lookup import IDS_A_REQUEST, ById, ByList, NotAList
from devin_warehouse.together import together
from devin_warehouse.windows import SECOND, Range


@dataclass
class Recheck:
    """Asks for sessions again, within so many requests; those that were are told as Rechecked."""

    api: Api
    scope: Filters
    slots: asyncio.Semaphore
    put: Put
    budget: int
    with_insights: bool = True
    _has_list: bool = True
    _has_insights_list: bool | None = None
    _sessions: ByList = field(init=False)
    _insights: ByList | None = field(init=False)

    def __post_init__(self) -> None:
        self._sessions = ByList(self.api.sessions, self.scope, self.slots, self.put)
        self._insights = None
        if self.api.insights and self.with_insights:
            self._insights = ByList(self.api.insights, self.scope, self.slots, self.put)

    async def read(self, sessions: Sequence[Due]) -> None:
        """Ask for the sessions in their order, batch by batch, as far as the budget goes."""
        left = self.budget
        while sessions and left > 0:
            asked, spent = await self._batch(sessions[:IDS_A_REQUEST], left)
            if not asked:
                return
            await self.put(Rechecked([session.session_id for session in asked]))
            sessions, left = sessions[len(asked) :], left - spent

    async def _batch(self, sessions: Sequence[Due], most: int) -> tuple[Sequence[Due], int]:
        """Ask for sessions, or the first of them; which, and how many requests that took.

        A request is kept for their insights.
        """
        kept = 1 if self._insights and most > 1 else 0
        asked, spent = await self._ask_sessions(sessions, most - kept)
        if self._insights:
            asked, more = await self._ask_insights(self._insights, asked, most - spent)
            spent += more
        return asked, spent

    async def _ask_sessions(self, sessions: Sequence[Due], most: int) -> tuple[Sequence[Due], int]:
        spent = 0
        if self._has_list:
            asked, spent = await self._by_list(self._sessions, sessions, most)
            if asked is not None:
                return asked, spent
            self._has_list = False
        # a session takes a request then, and its insights another unless their list works
        share = 2 if self._insights and not self._has_insights_list else 1
        sessions = sessions[: max(0, (most - spent) // share)]
        await self._one_by_one(sessions)
        return sessions, spent + len(sessions)

    async def _ask_insights(
        self, listing: ByList, sessions: Sequence[Due], most: int
    ) -> tuple[Sequence[Due], int]:
        spent = 0
        if self._has_insights_list is not False:
            listing.at_once = min(listing.at_once, self._sessions.at_once)
            asked, spent = await self._by_list(listing, sessions, most)
            self._has_insights_list = asked is not None
            if asked is not None:
                return asked, spent
        sessions = sessions[: max(0, most - spent)]
        await ById(self.api, self.slots, self.put).ask([s.session_id for s in sessions])
        return sessions, spent + len(sessions)

    async def _by_list(
        self, listing: ByList, sessions: Sequence[Due], most: int
    ) -> tuple[Sequence[Due] | None, int]:
        """The sessions that a list was asked for, None if that is of no use; and the requests."""
        before = listing.requests
        try:
            done = await listing.ask([session.session_id for session in sessions], most)
        except NotAList:
            return None, listing.requests - before
        return sessions[: len(done)], listing.requests - before

    async def _one_by_one(self, sessions: Sequence[Due]) -> None:
        """Where the list ignores `session_ids`: v2 by id, v3 by the second of the last update."""
        if self.api.by_id_kind is self.api.sessions.kind:
            await ById(self.api, self.slots, self.put).ask([s.session_id for s in sessions])
        else:
            await together(self._second(session) for session in sessions)

    async def _second(self, session: Due) -> None:
        listing = self.api.sessions
        asked = Range(session.updated_at - SECOND, session.updated_at + SECOND)
        async with self.slots:
            page = await listing.page(asked)
        if not any(time and asked.is_far_from(time) for time in page.times):
            await self.put(Records(listing.kind, listing.endpoint, page.records))
