"""Clients of a sandbox for its own tests, without a socket: one for each API version."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, ClassVar

import httpx

from devin_warehouse.sandbox import Faults, World, create_app

NOW = datetime(2026, 11, 2, 9, 30, 0, 250_000, tzinfo=UTC)


class Api:
    """A client of v2, and of what is the same in v3."""

    KEY: ClassVar[str] = "apk_user_test"
    LIST: ClassVar[str] = "/v2/enterprise/sessions/insights"

    def __init__(self, world: World, faults: Faults | None = None, keys: Any = None) -> None:
        self.world = world
        self.faults = faults or Faults()
        self.app = create_app(world, self.faults, keys)

    def ask(self, method: str, path: str, *, key: str | None = "its own", **options: Any):
        """One request; without a key if that is None or empty."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            own = self.KEY if key == "its own" else key
            headers = {"Authorization": f"Bearer {own}"} if own else {}
            async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as http:
                return await http.request(method, path, headers=headers, **options)

        return asyncio.run(ask())

    def page(self, path: str | None = None, **params: Any) -> dict[str, Any]:
        answer = self.ask("GET", path or self.LIST, params=params)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def ids(self, path: str | None = None, **params: Any) -> list[str]:
        """Of one page, as long as pages can be."""
        return ids_of(self.page(path, **{"limit": 200, **params}))

    def walk(self, limit: int, **params: Any) -> list[dict[str, Any]]:
        pages = [self.page(limit=limit, **params)]
        while pages[-1]["next_cursor"] is not None:
            pages.append(self.page(limit=limit, skip=pages[-1]["next_cursor"], **params))
        return pages

    def order(self, name: str, **order: Any):
        return self.ask("POST", f"/sandbox/{name}", key=None, json=order)


class ApiV3(Api):
    """A client of v3; its lists are those of sessions unless another path is given."""

    KEY = "cog_test"
    LIST = "/v3/enterprise/sessions"

    def ids(self, path: str | None = None, **params: Any) -> list[str]:
        return ids_of(self.page(path, **{"first": 200, **params}))

    def walk(self, limit: int, path: str | None = None, **params: Any) -> list[dict[str, Any]]:
        pages = [self.page(path, first=limit, **params)]
        while pages[-1]["has_next_page"]:
            after = pages[-1]["end_cursor"]
            pages.append(self.page(path, first=limit, after=after, **params))
        return pages


def ids_of(*pages: dict[str, Any]) -> list[str]:
    return [item["session_id"] for page in pages for item in page["items"]]
