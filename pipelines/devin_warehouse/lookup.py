"""Asking for given sessions: many in one list request by `session_ids`, or one by one by id.

Which form of an id the filter wants is not documented, nor how many a request may have, nor whether
it is honoured (facts on the API, §2.1 and §3.4). So the bare form is tried, then the prefixed one;
a request that is refused is cut; and where others than those asked for come, it is left alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from devin_warehouse.api.listing import Api, Filters, Listing
from devin_warehouse.errors import ContractBroken, KeyRefused, NotFound, Unavailable
from devin_warehouse.events import Failed, Missing, Put, Records
from devin_warehouse.together import together

IDS_A_REQUEST = 100
ATTEMPTS_BY_ID = 4
MOST_FAILURES_IN_A_ROW = 16
MOST_PAGES = 50

Form = Callable[[str], str]
FORMS: tuple[Form, ...] = (lambda bare: bare, lambda bare: f"devin-{bare}")


class NotAList(Exception):
    """A list that cannot be asked for single sessions: there is none, or it ignores the filter."""


@dataclass
class ById:
    """Asks for sessions one by one, several at a time; single failures are told, not raised."""

    api: Api
    slots: asyncio.Semaphore
    put: Put
    _in_a_row: int = 0
    _patience: int = MOST_FAILURES_IN_A_ROW

    async def ask(self, session_ids: Sequence[str]) -> None:
        """Ask for each session; what failed is asked for once more in the end.

        Raises KeyRefused, and the failure itself if many follow each other: then it is the API's.
        """
        failed = await self._round(session_ids)
        self._in_a_row, self._patience = 0, len(failed) + 1
        for failure in await self._round([f.session_id for f in failed]):
            await self.put(failure)

    async def _round(self, session_ids: Sequence[str]) -> list[Failed]:
        failed: list[Failed] = []
        for start in range(0, len(session_ids), IDS_A_REQUEST):
            asked = session_ids[start : start + IDS_A_REQUEST]
            outcomes = await together(self._one(session_id) for session_id in asked)
            failed += [outcome for outcome in outcomes if outcome]
        return failed

    async def _one(self, session_id: str) -> Failed | None:
        try:
            async with self.slots:
                record = await self.api.by_id(session_id, ATTEMPTS_BY_ID)
        except NotFound:
            self._in_a_row = 0
            await self.put(Missing(session_id))
        except (Unavailable, ContractBroken) as error:
            self._in_a_row += 1
            if self._in_a_row >= self._patience:
                raise
            return Failed(session_id, str(error))
        else:
            self._in_a_row = 0
            await self.put(Records(self.api.by_id_kind, self.api.by_id_endpoint, [record]))
        return None


@dataclass
class ByList:
    """Asks one list for sessions by `session_ids`; `requests` counts what that has taken."""

    listing: Listing
    scope: Filters
    slots: asyncio.Semaphore
    put: Put
    requests: int = 0
    _forms: list[Form] = field(default_factory=lambda: list(FORMS))

    async def ask(self, asked: Sequence[str]) -> None:
        """Ask for so many sessions at once, or in as many pieces as the API takes.

        Raises NotAList where the answer tells nothing about single sessions.
        """
        try:
            for form in list(self._forms):
                if await self._came([form(session_id) for session_id in asked], set(asked)):
                    self._forms = [form]
                    return
        except (ContractBroken, NotFound, KeyRefused) as error:
            if len(asked) == 1 or not isinstance(error, ContractBroken):
                raise NotAList from error
            middle = len(asked) // 2
            await self.ask(asked[:middle])
            await self.ask(asked[middle:])

    async def _came(self, spelled: list[str], asked: set[str]) -> bool:
        """Whether any of the sessions came; all pages are taken."""
        listing = self.listing.narrowed(self.scope.by_session(tuple(spelled)))
        came: set[str] = set()
        place: int | str | None = None
        for _ in range(MOST_PAGES):
            self.requests += 1
            async with self.slots:
                page = await listing.page(None, place)
            news = set(page.ids) - came
            if not news <= asked:
                raise NotAList
            await self.put(Records(listing.kind, listing.endpoint, page.records))
            came |= news
            if not page.has_more or not news:
                break
            place = page.token or page.skip + len(page.ids)
        return bool(came)
