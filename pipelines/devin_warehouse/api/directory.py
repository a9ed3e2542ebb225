"""The API's lists of who is there: `/v3/enterprise/organizations` and `.../members/users`.

A load can do without them, and of them nothing is documented but the page: neither order nor
limits, nor how long a token lives. So whatever is no page ends the reading, and what came stays.
Source: facts on the API, §3.3 and §6.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import Any

from devin_warehouse.api.client import Client
from devin_warehouse.directories import Names, entry
from devin_warehouse.errors import ApiError, ContractBroken, KeyRefused
from devin_warehouse.tables import Table

PAGE_LIMIT = 200
ATTEMPTS = 2
MOST_PAGES = 1_000
LONGEST_SECONDS = 300.0


@dataclass(frozen=True)
class Directory:
    """One of the lists; its entries belong into `table`, and `permission` is what it takes."""

    client: Client
    path: str
    table: Table
    permission: str

    @property
    def endpoint(self) -> str:
        """As in `GET /v3/enterprise/organizations`."""
        return f"GET {self.path}"

    async def read(self) -> tuple[Names, str]:
        """What came, by id, and why no more did: "" if that was all."""
        names: Names = {}
        sent: set[str] = set()
        token = ""
        deadline = self.client.clock.now() + LONGEST_SECONDS
        try:
            while len(sent) < MOST_PAGES and self.client.clock.now() < deadline:
                answer, known = await self._page(token, PAGE_LIMIT), len(names)
                names |= self._entries(answer)
                sent.add(token)
                token = self._following(answer, sent)
                if not token:
                    return names, ""
                if len(names) == known:
                    raise ContractBroken(f"{self.endpoint}: a page brings nothing new.")
        except ApiError as error:
            return names, str(error)
        return names, f"{self.endpoint}: not at its end after {len(sent):,} pages."

    async def probe(self) -> None:
        """Ask for one entry; raises what the client raises, and ContractBroken for no page."""
        await self._page("", 1)

    async def _page(self, token: str, limit: int) -> dict[str, Any]:
        params: dict[str, str | int | list[str]] = {"first": limit}
        if token:
            params["after"] = token
        try:
            answer = await self.client.get(self.path, params, attempts=ATTEMPTS)
        except KeyRefused as error:
            raise KeyRefused(
                f"The API refused the key for {self.endpoint}: it needs {self.permission}."
            ) from error
        if not isinstance(answer, dict) or not isinstance(answer.get("items"), list):
            raise ContractBroken(f"{self.endpoint}: the answer has no `items`.")
        return answer

    def _entries(self, answer: dict[str, Any]) -> Names:
        return {key: entry(self.table, item) for key, item in self._usable(answer["items"])}

    def _usable(self, items: list[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        """The entries that are objects with an id."""
        for item in items:
            key = item.get(self.table.key[0]) if isinstance(item, dict) else None
            if isinstance(key, str) and key.strip():
                yield key, item

    def _following(self, answer: dict[str, Any], sent: Set[str]) -> str:
        """The next page's token, "" for none; raises ContractBroken if that cannot be told."""
        more, token = answer.get("has_next_page"), answer.get("end_cursor")
        has_more = token is not None if more is None else more
        if has_more is False:
            return ""
        if has_more is not True or not isinstance(token, str) or token in {"", *sent}:
            raise ContractBroken(
                f"{self.endpoint}: `has_next_page` is {more!r} and `end_cursor` "
                f"{'one that was sent' if token in sent else repr(token)}."
            )
        return token
