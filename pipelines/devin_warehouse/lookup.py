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
    _attempts: int = ATTEMPTS_BY_ID

    async def ask(self, session_ids: Sequence[str]) -> None:
        """Ask for each session; what failed is asked for once more in the end.

        Raises KeyRefused. Where many fail in a row, the list tells whether it is the API that is
        down, and raises what it raises then; otherwise the others are tried once each.
        """
        failed = await self._round(session_ids)
        if self._attempts > 1:
            failed = await self._round([failure.session_id for failure in failed])
        for failure in failed:
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
                record = await self.api.by_id(session_id, self._attempts)
        except NotFound:
            self._in_a_row = 0
            await self.put(Missing(session_id))
        except (Unavailable, ContractBroken) as error:
            self._in_a_row += 1
            if self._in_a_row == MOST_FAILURES_IN_A_ROW and self._attempts > 1:
                self._attempts = 1
                async with self.slots:
                    await self.api.sessions.page(None, None, 1)
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
    at_once: int = IDS_A_REQUEST
    _forms: list[Form] = field(default_factory=lambda: list(FORMS))

    async def ask(self, asked: Sequence[str], most: int) -> list[str]:
        """Ask for sessions, all at once or in the pieces that the API takes; those asked for.

        Once `most` requests have been sent the others are left. Raises NotAList where the answer
        tells nothing about single sessions.
        """
        until = self.requests + most
        done: list[str] = []
        while len(done) < len(asked) and self.requests < until:
            piece = asked[len(done) : len(done) + self.at_once]
            if await self._piece(piece, until):
                done += piece
        return done

    async def _piece(self, asked: Sequence[str], until: int) -> bool:
        """Ask in the form that the API wants; False if it wants fewer at once, or time ran out."""
        refusal: Exception | None = None
        for form in list(self._forms):
            try:
                spelled = [form(session_id) for session_id in asked]
                came, is_whole = await self._came(spelled, set(asked), until)
            except ContractBroken as error:
                refusal = error
                continue
            except (NotFound, KeyRefused) as error:
                raise NotAList from error
            refusal = None
            if came:
                self._forms = [form]
            if came or not is_whole:
                return is_whole
        if refusal is None:
            return True
        if len(asked) == 1:
            raise NotAList from refusal
        self.at_once = max(1, len(asked) // 4)
        return False

    async def _came(self, spelled: list[str], asked: set[str], until: int) -> tuple[set[str], bool]:
        """Which sessions came, and whether all pages were taken."""
        listing = self.listing.narrowed(self.scope.by_session(tuple(spelled)))
        came: set[str] = set()
        place: int | str | None = None
        while self.requests < until:
            self.requests += 1
            async with self.slots:
                page = await listing.page(None, place)
            news = set(page.ids) - came
            if not news <= asked:
                raise NotAList
            await self.put(Records(listing.kind, listing.endpoint, page.records))
            came |= news
            if not page.has_more or not news:
                return came, True
            place = page.token or page.skip + len(page.ids)
        return came, False
