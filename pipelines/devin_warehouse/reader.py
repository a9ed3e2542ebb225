"""Reading one window completely, or saying why that cannot be proven (design §5).

In a window that lies in the past sessions only leave: by being updated, or deleted. So what was
read is complete if it holds as many distinct sessions as the first page said there were, and each
page shares a session with the next, so that none slipped through between two requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from devin_warehouse.api.v2 import PAGE_LIMIT, Page, SessionsList
from devin_warehouse.errors import NotProven
from devin_warehouse.windows import SECOND, Window, cuts

LARGEST_WINDOW = 2_000
AIMED_AT = 1_500
MOST_WALKS = 48
WALKS_PER_ROUND = 4
QUIET_WALKS = 12
MOST_PIECES = 64
PAGES_AHEAD = 32

Emit = Callable[[list[dict[str, Any]]], Awaitable[None]]


class FilterIgnored(Exception):
    """The API answered sessions from far outside the window: it does not filter by updated_at."""


@dataclass
class Walk:
    """One pass over a listing: its pages in order, as far as they were read."""

    pages: list[Page]

    @property
    def first_total(self) -> int | None:
        """How many sessions there were when the walk began; None if the API does not say."""
        return self.pages[0].total

    @property
    def ids(self) -> set[str]:
        """The distinct sessions seen."""
        return {session_id for page in self.pages for session_id in page.ids}

    @property
    def times(self) -> list[tuple[int, list[datetime]]]:
        """The `updated_at` seen, by the rank of each page's first session."""
        return [(page.skip, [time for time in page.times if time]) for page in self.pages]

    @property
    def is_proven(self) -> bool:
        """Whether the walk alone shows that it saw everything.

        One page is one answer: that it holds more than its total says shows a total counted late.
        """
        last, total = self.pages[-1], self.first_total
        if last.has_more:
            return False
        if len(self.pages) == 1:
            is_whole = len(last.ids) < PAGE_LIMIT if total is None else len(last.ids) >= total
            return is_whole and len(self.ids) == len(last.ids)
        return self.is_joined and len(self.ids) == total

    @property
    def is_joined(self) -> bool:
        """Whether each page shares a session with the next, and no session came twice otherwise."""
        steps = list(pairwise(self.pages))
        rows = sum(len(page.ids) for page in self.pages)
        return len(self.ids) == rows - len(steps) and all(
            a.ids and b.ids and a.skip + len(a.ids) - 1 == b.skip and a.ids[-1] == b.ids[0]
            for a, b in steps
        )


class Reader:
    """Reads windows of one listing; every record received goes to `emit`, proven or not.

    `slots` bounds the requests in flight together with the pages that wait to be taken. A window
    that ends at `horizon`, the run's own end, is asked for without an upper end: stamps and Date
    header need not come from the same clock.
    """

    def __init__(
        self,
        listing: SessionsList,
        slots: asyncio.Semaphore,
        emit: Emit,
        horizon: datetime | None = None,
    ) -> None:
        self._listing = listing
        self._slots = slots
        self._emit = emit
        self._horizon = horizon

    async def read(self, window: Window) -> list[Window]:
        """Read a window: proven if the answer is empty, else to be read in the windows returned.

        Raises FilterIgnored, NotProven, or what the client raises.
        """
        first = await self._page(window, 0)
        if window.is_divisible and first.has_more and (first.total or 0) > LARGEST_WINDOW:
            return await self._split_evenly(window, first)
        walk = await self._walk(window, first)
        if walk.is_proven:
            return []
        if window.is_divisible:
            return _split_by_seen(window, walk)
        await self._unite_walks(window, walk)
        return []

    async def read_all(self) -> None:
        """Read the whole listing without a filter, until everything at its start has been seen.

        Raises NotProven if that does not come about.
        """
        await self._unite_walks(None, await self._walk(None, await self._page(None, 0)))

    async def _page(self, window: Window | None, skip: int) -> Page:
        """A page whose records have been handed on; it keeps what proofs need."""
        asked = window.asked(open_ended=window.until == self._horizon) if window else None
        async with self._slots:
            page = await self._listing.page(asked, skip)
            if asked and any(time and asked.is_far_from(time) for time in page.times):
                raise FilterIgnored
            await self._emit(page.records)
        return replace(page, records=[])

    async def _split_evenly(self, window: Window, first: Page) -> list[Window]:
        """Windows of about AIMED_AT sessions, cut by what pages spread over the listing say."""
        total = first.total or 0
        pieces = min(-(-total // AIMED_AT), MOST_PIECES)
        samples = max(2, pieces // 3)
        step = (total - len(first.ids)) // samples
        pages = await _together(self._page(window, step * i) for i in range(1, samples + 1))
        walk = Walk([first, *pages])
        if not all(page.ids for page in walk.pages):
            # there are fewer than the total says: it is no guide
            return _split_by_seen(window, walk)
        parts = window.split(cuts(walk.times, pieces))
        return parts if len(parts) > 1 else _halved(window)

    async def _walk(self, window: Window | None, first: Page) -> Walk:
        """The pages after the first: together where their number is known, else in turn.

        A divisible window without a total is walked only as far as it takes to cut it well.
        """
        walk = Walk([first])
        if not first.has_more or not first.ids:
            return walk
        if first.total is not None:
            await self._walk_ahead(window, walk, first.total)
        is_divisible = window is not None and window.is_divisible
        seen = walk.ids
        while walk.pages[-1].has_more and not (
            is_divisible and (first.total is not None or len(seen) >= LARGEST_WINDOW)
        ):
            last = walk.pages[-1]
            page = await self._page(window, last.skip + max(1, len(last.ids) - 1))
            walk.pages.append(page)
            if seen.issuperset(page.ids):
                break
            seen.update(page.ids)
        return walk

    async def _walk_ahead(self, window: Window | None, walk: Walk, total: int) -> None:
        """The pages that there must be if the total is right, several at a time."""
        step = max(1, len(walk.pages[0].ids) - 1)
        skips = range(step, max(total - 1, step + 1), step)
        for start in range(0, len(skips), PAGES_AHEAD):
            ahead = skips[start : start + PAGES_AHEAD]
            walk.pages += await _together(self._page(window, skip) for skip in ahead)
            if not walk.pages[-1].ids:
                return

    async def _unite_walks(self, window: Window | None, walk: Walk) -> None:
        """Walk again until all that was there at the start of a round has been seen.

        For sessions that share an instant: their order may differ from one request to the next.
        Without totals a walk that is joined must see nothing new, or many in a row.
        """
        total, seen, known, quiet = walk.first_total, set[str](), set[str](), 0
        for number in range(1, MOST_WALKS + 1):
            settled = self._settled(window, walk)
            quiet = quiet + 1 if number > 1 and settled <= known else 0
            seen |= walk.ids
            known |= settled
            is_quiet = (quiet > 0 and walk.is_joined) or quiet >= QUIET_WALKS
            is_whole = is_quiet if total is None else len(seen) >= total
            if is_whole and not walk.pages[-1].has_more:
                return
            walk = await self._walk(window, await self._page(window, 0))
            if number % WALKS_PER_ROUND == 0:
                total, seen = walk.first_total, set()
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
    seen = [time for _, times in walk.times for time in times if window.contains(time)]
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


async def _together(pages: Iterable[Coroutine[Any, Any, Page]]) -> list[Page]:
    tasks = [asyncio.ensure_future(page) for page in pages]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        raise
