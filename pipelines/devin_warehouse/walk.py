"""Passes over a listing, and what each of them proves: by `skip` (v2), or by token (v3).

In a window that lies in the past sessions only leave: by being updated, or deleted. So a walk is
complete if it holds as many distinct sessions as there were before it began. By `skip` neighbouring
pages share a session, which shows that none slipped through between two requests. Tokens may be
keysets or offsets, and share nothing; there the count must come from an answer before the walk's
first, and no session come twice. (Where a window is open to now nothing leaves it: what is updated
meanwhile comes twice, or is short in number.)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Protocol

from devin_warehouse.api.listing import PAGE_LIMIT, Page
from devin_warehouse.errors import ContractBroken
from devin_warehouse.together import together
from devin_warehouse.windows import SECOND, Window, cuts, cuts_by_count

PAGES_AHEAD = 32
PROBES = 8
OLDEST_PROBE = timedelta(days=1024)
PAGES_WITHOUT_NEWS = 3
MOST_EMPTY_PAGES = 40

Place = int | str | None


class Take(Protocol):
    """Gets a page of a window (None: of the whole listing) from a place on."""

    def __call__(
        self, window: Window | None, place: Place = None, limit: int = PAGE_LIMIT
    ) -> Coroutine[Any, Any, Page]:
        """Raises what the client raises."""
        ...


@dataclass
class Walk(ABC):
    """One pass over a listing: its pages in order, as far as they were read.

    `counted` is how many sessions there were when it began; None if the API does not say.
    """

    pages: list[Page]
    counted: int | None

    @property
    def ids(self) -> set[str]:
        """The distinct sessions seen."""
        return {session_id for page in self.pages for session_id in page.ids}

    @property
    def times(self) -> list[datetime]:
        """The `updated_at` seen."""
        return [time for page in self.pages for time in page.times if time]

    def existing(self, counted_at: datetime | None, met: set[str]) -> set[str]:
        """The sessions seen that were there when the count was made: met before, or older.

        Stamps of the very second in which it was made tell nothing.
        """
        end = counted_at and counted_at + SECOND
        return {
            session_id
            for page in self.pages
            for session_id, time in zip(page.ids, page.times, strict=True)
            if not (end and time) or time < end or session_id in met
        }

    @property
    def is_ended(self) -> bool:
        """Whether the last page said that there are no more."""
        return not self.pages[-1].has_more

    @property
    def is_proven(self) -> bool:
        """Whether the walk alone shows that it saw everything.

        One page is one answer: that it holds more than its total says shows a total counted late.
        """
        if not self.is_ended:
            return False
        if len(self.pages) > 1:
            return self.is_joined and len(self.ids) == self.counted
        found, total = self.pages[0].ids, self.pages[0].total
        is_whole = len(found) < PAGE_LIMIT if total is None else len(found) >= total
        return is_whole and len(self.ids) == len(found)

    @property
    @abstractmethod
    def is_joined(self) -> bool:
        """Whether nothing can have slipped through between two pages, if none was miscounted."""


class SkipWalk(Walk):
    """A walk whose pages overlap by one session each."""

    @property
    def is_joined(self) -> bool:
        """Whether each page shares a session with the next, and no session came twice otherwise."""
        steps = list(pairwise(self.pages))
        rows = sum(len(page.ids) for page in self.pages)
        return len(self.ids) == rows - len(steps) and all(
            a.ids and b.ids and a.skip + len(a.ids) - 1 == b.skip and a.ids[-1] == b.ids[0]
            for a, b in steps
        )


@dataclass
class TokenWalk(Walk):
    """A walk whose pages follow each other by token.

    `entered_from`: what was updated then or later may have come in since the count.
    """

    entered_from: datetime | None

    @property
    def is_joined(self) -> bool:
        """Whether no session came twice, and none can have come in for one that left."""
        rows = sum(len(page.ids) for page in self.pages)
        return len(self.ids) == rows and not (
            self.entered_from and any(time >= self.entered_from for time in self.times)
        )


class Walker(Protocol):
    """How a kind of paging is walked.

    A window of more than `largest` sessions is cut, into windows of about `aimed_at`.
    """

    largest: int
    aimed_at: int

    async def walk(self, window: Window | None, first: Page) -> Walk:
        """A pass over a window, or the whole listing, whose first page has just come.

        A divisible window without a total is walked only as far as it takes to cut it well.
        """
        ...

    async def cuts(self, window: Window, first: Page, pieces: int) -> Sequence[datetime]:
        """Instants that cut a window of many sessions into about `pieces` equal parts."""
        ...


class SkipWalker:
    """Walks by `skip`: pages together where their number is known, else in turn."""

    largest = 5_000
    aimed_at = 4_000

    def __init__(self, take: Take, _horizon: datetime | None) -> None:
        self._take = take

    async def walk(self, window: Window | None, first: Page) -> Walk:
        """See Walker."""
        walk = SkipWalk([first], first.total)
        if not first.has_more or not first.ids:
            return walk
        if first.total is not None:
            await self._walk_ahead(window, walk, first.total)
        is_divisible = window is not None and window.is_divisible
        seen = walk.ids
        while walk.pages[-1].has_more and not (
            is_divisible and (first.total is not None or len(seen) >= self.largest)
        ):
            last = walk.pages[-1]
            page = await self._take(window, last.skip + max(1, len(last.ids) - 1))
            walk.pages.append(page)
            if seen.issuperset(page.ids):
                break
            seen.update(page.ids)
        return walk

    async def cuts(self, window: Window, first: Page, pieces: int) -> Sequence[datetime]:
        """By what pages spread over the listing say."""
        total = first.total or 0
        samples = max(2, pieces // 3)
        step = (total - len(first.ids)) // samples
        spread = await together(self._take(window, step * i) for i in range(1, samples + 1))
        walk = SkipWalk([first, *spread], total)
        if not all(page.ids for page in walk.pages):
            # there are fewer than the total says: it is no guide
            return cuts([(0, [time for time in walk.times if window.contains(time)])], pieces)
        return cuts([(p.skip, [t for t in p.times if t]) for p in walk.pages], pieces)

    async def _walk_ahead(self, window: Window | None, walk: Walk, total: int) -> None:
        """The pages that there must be if the total is right, several at a time."""
        step = max(1, len(walk.pages[0].ids) - 1)
        skips = range(step, max(total - 1, step + 1), step)
        for start in range(0, len(skips), PAGES_AHEAD):
            ahead = skips[start : start + PAGES_AHEAD]
            walk.pages += await together(self._take(window, skip) for skip in ahead)
            if not walk.pages[-1].ids:
                return


class TokenWalker:
    """Walks by token, one page after the other; each window costs a request more, so fewer."""

    largest = 6_000
    aimed_at = 2_500

    def __init__(self, take: Take, horizon: datetime | None) -> None:
        self._take = take
        self._horizon = horizon
        # a server may look for rows as it goes, and answer pages without any: but not for ever
        self._empty_pages = 0

    async def walk(self, window: Window | None, first: Page) -> Walk:
        """See Walker. The first page is asked for again, so that its total is one from before."""
        is_open = window is None or window.until == self._horizon
        entered_from = first.asked_at
        if is_open and entered_from:
            # stamps of the very second in which it was counted tell nothing
            entered_from += SECOND
        if not first.has_more:
            return TokenWalk([first], first.total, entered_from)
        page = first if first.total is None else await self._take(window)
        walk = TokenWalk([page], first.total, entered_from)
        is_divisible = window is not None and window.is_divisible
        most = self.aimed_at if first.total is None else self.largest
        seen, tokens, without_news = walk.ids, set[str](), 0
        while page.has_more and not (is_divisible and len(seen) >= most):
            if page.token in tokens:
                raise ContractBroken(
                    f"The list of sessions, window {window or 'all'}: the token "
                    f"{page.token[:40]!r} came a second time, so that the list has no end."
                )
            tokens.add(page.token)
            page = await self._take(window, page.token)
            walk.pages.append(page)
            without_news = without_news + 1 if seen.issuperset(page.ids) else 0
            self._empty_pages = 0 if page.ids else self._empty_pages + 1
            is_gap = not page.ids and self._empty_pages < MOST_EMPTY_PAGES
            if without_news >= PAGES_WITHOUT_NEWS and not is_gap:
                break
            seen.update(page.ids)
        return walk

    async def cuts(self, window: Window, first: Page, pieces: int) -> Sequence[datetime]:
        """By how many sessions the API counts from some instants on; one row each is asked for."""
        instants = _probed(window)
        parts = (Window(instant, window.until) for instant in instants)
        pages = await together(self._take(part, limit=1) for part in parts)
        total, known = first.total or 0, list[tuple[int, datetime]]()
        for instant, page in zip(instants, pages, strict=True):
            if page.total is not None:
                older = max(total - page.total, known[-1][0] if known else 0)
                known.append((older, instant))
        return cuts_by_count([*known, (total, window.until)], total, pieces)


def _probed(window: Window) -> list[datetime]:
    """Instants at which a window is counted: evenly, or ever further back where it has no start."""
    if window.since is None:
        return [window.until - OLDEST_PROBE / 2**power for power in range(PROBES)]
    step = (window.until - window.since) / PROBES
    return [window.since + step * i for i in range(1, PROBES)]


WALKERS: dict[str, type[SkipWalker | TokenWalker]] = {
    "v2": SkipWalker,
    "v3": TokenWalker,
}
