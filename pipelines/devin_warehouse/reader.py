"""Reading one window completely, or saying into which smaller ones it must be cut (design §5)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

from devin_warehouse.api.listing import PAGE_LIMIT, Listing, Page
from devin_warehouse.errors import NotProven
from devin_warehouse.payloads import Record
from devin_warehouse.walk import WALKERS, Place, Walk
from devin_warehouse.windows import SECOND, Window, cuts

MOST_WALKS = 48
WALKS_PER_ROUND = 4
QUIET_WALKS = 12
MOST_PIECES = 64

Emit = Callable[[list[Record]], Awaitable[None]]


class FilterIgnored(Exception):
    """The API answered sessions from far outside the window: it does not filter by updated_at."""


class Reader:
    """Reads windows of one listing; every record received goes to `emit`, proven or not.

    `slots` bounds the requests in flight together with the pages that wait to be taken. A window
    that ends at `horizon`, the run's own end, is asked for without an upper end: stamps and Date
    header need not come from the same clock.
    """

    def __init__(
        self,
        listing: Listing,
        slots: asyncio.Semaphore,
        emit: Emit,
        horizon: datetime | None = None,
    ) -> None:
        self._listing = listing
        self._slots = slots
        self._emit = emit
        self._horizon = horizon
        self._walker = WALKERS[listing.kind.version](self._page, horizon)

    async def read(self, window: Window) -> list[Window]:
        """Read a window: proven if the answer is empty, else to be read in the windows returned.

        Raises FilterIgnored, NotProven, or what the client raises.
        """
        first = await self._page(window)
        if window.is_divisible and first.has_more and (first.total or 0) > self._walker.largest:
            return await self._split_evenly(window, first)
        walk = await self._walker.walk(window, first)
        if walk.is_proven or await self._is_seen_twice(window, walk):
            return []
        if window.is_divisible:
            return _split_by_seen(window, walk)
        await self._unite_walks(window, walk)
        return []

    async def read_all(self) -> None:
        """Read the whole listing without a filter, until everything at its start has been seen.

        Raises NotProven if that does not come about.
        """
        await self._unite_walks(None, await self._walker.walk(None, await self._page(None)))

    async def _page(
        self, window: Window | None, place: Place = None, limit: int = PAGE_LIMIT
    ) -> Page:
        """A page whose records have been handed on; it keeps what proofs need."""
        asked = window.asked(open_ended=window.until == self._horizon) if window else None
        async with self._slots:
            page = await self._listing.page(asked, place, limit)
            if asked and any(time and asked.is_far_from(time) for time in page.times):
                raise FilterIgnored
            await self._emit(page.records)
        return replace(page, records=[])

    async def _split_evenly(self, window: Window, first: Page) -> list[Window]:
        """Windows of about as many sessions as the walker likes."""
        pieces = min(-(-(first.total or 0) // self._walker.aimed_at), MOST_PIECES)
        parts = window.split(await self._walker.cuts(window, first, pieces))
        return parts if len(parts) > 1 else _halved(window)

    async def _is_seen_twice(self, window: Window, walk: Walk) -> bool:
        """Whether, without a total, a second walk sees just what the first one saw.

        A session can only slip through if one that was seen leaves; the second walk misses that.
        """
        is_candidate = walk.counted is None and len(walk.pages) > 1
        if not (is_candidate and walk.is_ended and walk.is_joined):
            return False
        again = await self._walker.walk(window, await self._page(window))
        is_same = self._settled(window, again) == self._settled(window, walk)
        return is_same and again.is_ended and again.is_joined

    async def _unite_walks(self, window: Window | None, walk: Walk) -> None:
        """Walk again until all that was there at the start of a round has been seen.

        For sessions that share an instant: their order may differ from one request to the next.
        Without totals a joined walk must see just what the one before saw, or many nothing new.
        In the whole listing those that came up since the count do not count.
        """
        total, counted_at, seen = walk.counted, walk.pages[0].asked_at, set[str]()
        known, met, met_before, before, quiet = set[str](), set[str](), set[str](), None, 0
        for number in range(1, MOST_WALKS + 1):
            settled = self._settled(window, walk)
            quiet = quiet + 1 if number > 1 and settled <= known else 0
            seen |= walk.ids if window else walk.existing(counted_at, met_before)
            known |= settled
            met |= walk.ids
            is_quiet = (walk.is_joined and settled == before) or quiet >= QUIET_WALKS
            is_whole = is_quiet if total is None else len(seen) >= total
            if is_whole and walk.is_ended:
                return
            before = settled
            walk = await self._walker.walk(window, await self._page(window))
            if number % WALKS_PER_ROUND == 0 or (window is None and number == 1):
                total, counted_at, seen = walk.counted, walk.pages[0].asked_at, set()
                met_before = set(met)
        raise NotProven(
            f"{self._listing.endpoint}, window {window or 'all'}: after {MOST_WALKS} walks "
            f"{len(known):,} sessions were seen, and the API says that there are "
            f"{'more' if total is None else format(total, ',')}. The watermark does not pass it."
        )

    def _settled(self, window: Window | None, walk: Walk) -> set[str]:
        """The sessions seen that are not newer than what is read: those come with the next run."""
        end = window.until + SECOND if window else self._horizon
        return {
            session_id
            for page in walk.pages
            for session_id, time in zip(page.ids, page.times, strict=True)
            if not (time and end) or time < end
        }


def _split_by_seen(window: Window, walk: Walk) -> list[Window]:
    """Two or more smaller windows, cut where the sessions seen lie."""
    seen = [time for time in walk.times if window.contains(time)]
    seconds = {time.replace(microsecond=0) for time in seen}
    if len(seconds) == 1:
        second = seconds.pop()
        parts = window.split([second, second + SECOND])
    else:
        pieces = max(2, len(walk.ids) // (PAGE_LIMIT // 2))
        parts = window.split(cuts([(0, seen)], pieces))
    return parts if len(parts) > 1 else _halved(window)


def _halved(window: Window) -> list[Window]:
    """Two windows even if nothing was seen; without a lower end, the last day is one of them."""
    parts = window.halves()
    day_before = window.until - timedelta(days=1)
    return parts if len(parts) > 1 else window.split([day_before, window.until - SECOND])
