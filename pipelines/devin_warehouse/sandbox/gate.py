"""What every API request passes on its way in: the log, the clock and the faults."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from email.utils import format_datetime
from random import Random
from typing import NamedTuple

import anyio
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .faults import Faults
from .world import World


class LoggedRequest(NamedTuple):
    """One API request, as it came."""

    method: str
    path: str
    query: str


class RequestLog:
    """Every API request, and how many each endpoint has had, failed ones included."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = routes
        self.requests: list[LoggedRequest] = []
        self.counts: Counter[str] = Counter()

    def note(self, scope: Scope) -> None:
        """Adds a request."""
        method, path = scope["method"], scope["path"]
        raw_path = scope.get("raw_path", path.encode()).decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        self.requests.append(LoggedRequest(method, raw_path, query))
        matching = (r.path_format for r in self._routes if r.path_regex.match(path))
        self.counts[f"{method} {next(matching, path)}"] += 1


class Gate:
    """ASGI middleware around the API's endpoints; the control endpoints pass untouched."""

    def __init__(self, app: ASGIApp, world: World, faults: Faults, log: RequestLog) -> None:
        self._app = app
        self._world = world
        self._faults = faults
        self._log = log
        self._answered: deque[datetime] = deque()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request, or lets it fail."""
        if scope["type"] != "http" or scope["path"].startswith("/sandbox/"):
            await self._app(scope, receive, send)
            return
        self._log.note(scope)
        self._world.clock.request_arrived()
        if self._faults.latency:
            await anyio.sleep(self._faults.latency)
        app = self._failing_app() or self._refusal() or self._app
        await app(scope, receive, self._dated(send))

    def _dated(self, send: Send) -> Send:
        async def send_dated(message: Message) -> None:
            if message["type"] == "http.response.start" and self._faults.date_header:
                date = format_datetime(self._world.clock.now(), usegmt=True).encode()
                message["headers"] = [*message["headers"], (b"date", date)]
            await send(message)

        return send_dated

    def _failing_app(self) -> ASGIApp | None:
        """Which requests fail follows from the seed and their place in the log."""
        if not self._faults.error_rate:
            return None
        rng = Random(f"{self._faults.seed}/{len(self._log.requests)}")
        if rng.random() >= self._faults.error_rate:
            return None
        return self._failure(rng.choice(self._faults.failures))

    def _failure(self, kind: str) -> ASGIApp:
        if kind == "reset":
            return _reset
        if kind == "truncated":
            return self._truncated
        if kind == "html":
            return HTMLResponse("<!doctype html><title>Sign in</title><p>Please sign in.</p>")
        if kind == "502":
            return HTMLResponse("<html><h1>502 Bad Gateway</h1></html>", 502)
        if kind == "429":
            return self._too_many(self._world.clock.now() + timedelta(seconds=1))
        return JSONResponse({"detail": "Internal Server Error"}, int(kind))

    async def _truncated(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The right answer and the right Content-Length, but only half the body."""

        async def send_half(message: Message) -> None:
            if message["type"] == "http.response.body":
                body = message["body"]
                message = {**message, "body": body[: len(body) // 2]}
            await send(message)

        await self._app(scope, receive, send_half)

    def _refusal(self) -> Response | None:
        """A 429 for whoever asks more often than `rate_limit`, counted by the world's clock."""
        rate = self._faults.rate_limit
        if rate is None:
            return None
        now, window = self._world.clock.now(), timedelta(seconds=max(1, 1 / rate))
        while self._answered and self._answered[0] <= now - window:
            self._answered.popleft()
        if len(self._answered) >= max(1, int(rate)):
            return self._too_many(self._answered[0] + window)
        self._answered.append(now)
        return None

    def _too_many(self, until: datetime) -> Response:
        """No rate limit is documented, nor a Retry-After; HTTP knows two forms of one."""
        headers = {}
        if self._faults.retry_after == "seconds":
            seconds = (until - self._world.clock.now()).total_seconds()
            headers["Retry-After"] = str(max(1, math.ceil(seconds)))
        elif self._faults.retry_after == "date":
            whole_second = until + timedelta(seconds=1)
            headers["Retry-After"] = format_datetime(whole_second, usegmt=True)
        return JSONResponse({"detail": "Rate limit exceeded"}, 429, headers)


async def _reset(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Breaks off: uvicorn closes the connection, an in-process client gets the exception."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    raise ConnectionResetError("reset by the sandbox's faults")
