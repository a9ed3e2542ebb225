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
    _has_insights_list: bool = True
    _sessions: ByList = field(init=False)
    _insights: ByList | None = field(init=False)

    def __post_init__(self) -> None:
        self._sessions = ByList(self.api.sessions, self.scope, self.slots, self.put)
        self._insights = None
        if self.api.insights and self.with_insights:
            self._insights = ByList(self.api.insights, self.scope, self.slots, self.put)

    async def read(self, sessions: Sequence[Due]) -> None:
        """Ask for the sessions in their order, as far as the budget goes.

        The first batch finds out how the API can be asked; the others are asked for together.
        """
        if not sessions or self.budget <= 0:
            return
        size = min(IDS_A_REQUEST, len(sessions))
        first = await self._batch(sessions[:size], self.budget)
        left = self.budget - first
        batches: list[tuple[Sequence[Due], int]] = []
        for start in range(size, len(sessions), IDS_A_REQUEST):
            batch = sessions[start : start + IDS_A_REQUEST]
            if left <= 0:
                break
            batches.append((batch, left))
            left -= max(first, self._cost(len(batch)))
        await together(self._batch(batch, allowed) for batch, allowed in batches)

    def _cost(self, sessions: int) -> int:
        """How many requests so many sessions take, as far as is known."""
        cost = 1 if self._has_list else sessions
        if self._insights:
            cost += 1 if self._has_insights_list else sessions
        return cost

    async def _batch(self, sessions: Sequence[Due], allowed: int) -> int:
        """Ask for sessions, or the first of them; returns how many requests that took."""
        spent = await self._by_list(sessions) if self._has_list else 0
        asked = sessions
        if not self._has_list:
            share = 2 if self._insights else 1
            asked = sessions[: max(0, (allowed - spent) // share)]
            spent += await self._one_by_one(asked)
        if self._insights:
            asked, more = await self._ask_insights(asked, allowed - spent)
            spent += more
        await self.put(Rechecked([session.session_id for session in asked]))
        return spent

    async def _by_list(self, sessions: Sequence[Due]) -> int:
        before = self._sessions.requests
        try:
            await self._sessions.ask([session.session_id for session in sessions])
        except NotAList:
            self._has_list = False
        return self._sessions.requests - before

    async def _one_by_one(self, sessions: Sequence[Due]) -> int:
        """Where the list ignores `session_ids`: v2 by id, v3 by the second of the last update."""
        if self.api.by_id_kind is self.api.sessions.kind:
            await ById(self.api, self.slots, self.put).ask([s.session_id for s in sessions])
        else:
            await together(self._second(session) for session in sessions)
        return len(sessions)

    async def _second(self, session: Due) -> None:
        listing = self.api.sessions
        asked = Range(session.updated_at - SECOND, session.updated_at + SECOND)
        async with self.slots:
            page = await listing.page(asked)
        if not any(time and asked.is_far_from(time) for time in page.times):
            await self.put(Records(listing.kind, listing.endpoint, page.records))

    async def _ask_insights(
        self, sessions: Sequence[Due], allowed: int
    ) -> tuple[Sequence[Due], int]:
        """The sessions whose insights were asked for, and how many requests that took."""
        spent = 0
        if self._has_insights_list and self._insights and sessions:
            before = self._insights.requests
            try:
                await self._insights.ask([session.session_id for session in sessions])
            except NotAList:
                self._has_insights_list = False
            spent = self._insights.requests - before
        if not self._has_insights_list:
            sessions = sessions[: max(0, allowed - spent)]
            await ById(self.api, self.slots, self.put).ask([s.session_id for s in sessions])
            spent += len(sessions)
        return sessions, spent
