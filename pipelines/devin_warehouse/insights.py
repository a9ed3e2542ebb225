"""v3's insights of given sessions: from the bulk list where there is one, else one by one.

That the sessions are complete has been proven before; so the bulk list need not be: what it does
not bring is asked for by id. The warehouse knows when each session was updated, so that windows of
a page each can be cut beforehand and asked for together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from devin_warehouse.api.listing import PAGE_LIMIT, Api, Page
from devin_warehouse.errors import ContractBroken, KeyRefused, NotFound, Unavailable
from devin_warehouse.events import Due, Put, Records
from devin_warehouse.lookup import ById
from devin_warehouse.reader import FilterIgnored
from devin_warehouse.together import together
from devin_warehouse.windows import SECOND, Range

STRETCH = PAGE_LIMIT - 10
STRETCHES_AT_ONCE = 64
NO_LIST = (NotFound, ContractBroken, KeyRefused, Unavailable)


def stretches(due: Sequence[Due], length: int = STRETCH) -> Iterator[list[Due]]:
    """Sessions, given by rank, in groups that span at most so many sessions of the listing."""
    group: list[Due] = []
    for session in due:
        if group and session.rank - group[0].rank >= length:
            yield group
            group = []
        group.append(session)
    if group:
        yield group


@dataclass
class Insights:
    """Reads the insights of sessions, in as few requests as the API takes."""

    api: Api
    slots: asyncio.Semaphore
    put: Put
    _wanted: dict[str, datetime] = field(default_factory=dict)

    async def read(self, due: Sequence[Due]) -> None:
        """Read the insights of each session; raises what ById raises.

        A session with none beside it is asked for by id, unless the key may ask the list alone.
        """
        self._wanted = {session.session_id: session.updated_at for session in due}
        await self._by_list([group for group in stretches(due) if len(group) > 1])
        # the newest first: those that have failed for long are old
        left = [session for session in reversed(due) if session.session_id in self._wanted]
        try:
            await ById(self.api, self.slots, self.put).ask([s.session_id for s in left])
        except KeyRefused:
            await self._by_list(list(stretches(left[::-1])))
            if self._wanted:
                raise

    async def _by_list(self, groups: Sequence[Sequence[Due]]) -> None:
        """Read groups, several at once, from the list if the first one shows that there is one."""
        if groups and await self._is_listed(groups[0]):
            for start in range(1, len(groups), STRETCHES_AT_ONCE):
                ahead = groups[start : start + STRETCHES_AT_ONCE]
                await together(self._stretch_if_listed(group) for group in ahead)

    async def _is_listed(self, group: Sequence[Due]) -> bool:
        """Read a first stretch; whether the others can be read like that."""
        try:
            await self._stretch(group)
        except FilterIgnored:
            await self._whole_list()
            return False
        except NO_LIST:
            # no such list for this key (facts on the API, §2): by id, which tells if that is so
            return False
        return True

    async def _stretch_if_listed(self, group: Sequence[Due]) -> None:
        """Read a stretch; what its pages do not bring is left to be asked for by id."""
        with suppress(FilterIgnored, *NO_LIST):
            await self._stretch(group)

    async def _stretch(self, group: Sequence[Due]) -> None:
        asked = Range(group[0].updated_at - SECOND, group[-1].updated_at + SECOND)
        await self._pages(asked, {session.session_id for session in group})

    async def _whole_list(self) -> None:
        """The list without a filter, if that takes fewer requests than there are sessions."""
        with suppress(*NO_LIST):
            await self._pages(None, set(self._wanted))

    async def _pages(self, asked: Range | None, sought: set[str]) -> None:
        """Pages until nothing is sought in them any more, as long as that pays."""
        place: str | None = None
        for _ in range(len(sought)):
            page = await self._page(asked, place)
            if not page.has_more or sought.isdisjoint(self._wanted):
                return
            if asked is None and page.total and page.total > len(sought) * PAGE_LIMIT:
                return
            place = page.token

    async def _page(self, asked: Range | None, place: str | None) -> Page:
        listing = self.api.insights
        assert listing is not None  # noqa: S101 only an API with a list of insights has any due
        async with self.slots:
            page = await listing.page(asked, place)
        if asked and any(time and asked.is_far_from(time) for time in page.times):
            raise FilterIgnored
        await self.put(Records(listing.kind, listing.endpoint, page.records))
        for session_id, time in zip(page.ids, page.times, strict=True):
            wanted = self._wanted.get(session_id)
            if wanted and (time is None or time >= wanted):
                del self._wanted[session_id]
        return page
