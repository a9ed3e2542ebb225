"""Many windows at once, for a caller that is not asynchronous.

One event loop in a thread of its own, one client, a bounded queue: while the caller loads a
package, the next pages are on their way, and no more of them than the queue holds.
"""

from __future__ import annotations

import asyncio
import heapq
import queue
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import wait
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any, TypeVar

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal

from devin_warehouse.api import v2
from devin_warehouse.api.client import Client, Clock, Traffic, open_client
from devin_warehouse.errors import NotFound, NotProven
from devin_warehouse.reader import FilterIgnored, Reader
from devin_warehouse.windows import Window

DEEPEST_SPLIT = 64
PULSE_SECONDS = 0.5
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Connection:
    """Where the API is and how to speak to it; `transport` and `clock` are for tests."""

    base_url: str
    api_key: str = field(repr=False)
    filters: v2.Filters = field(default_factory=v2.Filters)
    concurrency: int = 8
    transport: httpx.AsyncBaseTransport | None = None
    clock: Clock | None = None


@dataclass(frozen=True)
class Records:
    """Records as they came, in the order of the responses."""

    endpoint: str
    records: list[dict[str, Any]]


@dataclass(frozen=True)
class Proven:
    """A window whose records have all been handed on before."""

    window: Window


@dataclass(frozen=True)
class Reread:
    """A window that had to be cut: into how many, and whether because it could not be proven."""

    window: Window
    pieces: int


@dataclass(frozen=True)
class FilterWasIgnored:
    """The API does not filter by `updated_at`: the whole listing follows, unfiltered."""


@dataclass(frozen=True)
class Pulse:
    """Nothing came for half a second: a chance to look at the clock, or at a signal."""


Event = Pulse | Records | Proven | Reread | FilterWasIgnored


class Feed:
    """What the API says, as a stream of events; `open_feed` makes one."""

    def __init__(
        self,
        portal: BlockingPortal,
        client: Client,
        connection: Connection,
        on_pulse: Callable[[], None],
    ) -> None:
        self._portal = portal
        self._on_pulse = on_pulse
        self._loop: asyncio.AbstractEventLoop = portal.call(_running_loop)
        self._client = client
        self._concurrency = connection.concurrency
        self._listing = v2.SessionsList(client, connection.filters)

    @property
    def traffic(self) -> Traffic:
        """What has been sent and received so far."""
        return self._client.traffic

    def survey(self) -> tuple[int | None, datetime]:
        """How many sessions the API has in all (None if it does not say), and its time.

        The time is that of the answer's Date header, else of this machine.
        """
        future = self._portal.start_task_soon(self._listing.page, None, 0, 1)
        try:
            while not wait([future], PULSE_SECONDS).done:
                self._on_pulse()
        finally:
            future.cancel()
        page = future.result()
        return page.total, self._client.server_time or datetime.now(UTC)

    @property
    def has_server_time(self) -> bool:
        """Whether the API's answers bear a Date."""
        return self._client.server_time is not None

    def windows(self, window: Window, *, is_open_ended: bool) -> Iterator[Event]:
        """Read a window completely, in as many smaller ones as that takes, oldest first.

        `is_open_ended`: the window ends now, so its last part is asked for without an upper end.
        Raises what the client raises, and NotProven.
        """
        return self._stream(lambda put: self._read(window, put, is_open_ended=is_open_ended))

    def by_id(self, session_ids: list[str]) -> Iterator[Event]:
        """Ask for single sessions; those that the API does not know are left out."""

        async def read(put: Callable[[Event], Awaitable[None]]) -> None:
            slots = asyncio.Semaphore(self._concurrency)

            async def one(session_id: str) -> None:
                async with slots:
                    with suppress(NotFound):
                        record = await v2.session(self._client, session_id)
                        await put(Records(v2.DETAIL_ENDPOINT, [record]))

            await asyncio.gather(*map(one, session_ids))

        return self._stream(read)

    async def _read(
        self, window: Window, put: Callable[[Event], Awaitable[None]], *, is_open_ended: bool
    ) -> None:
        async def emit(records: list[dict[str, Any]]) -> None:
            await put(Records(v2.LIST_ENDPOINT, records))

        slots = asyncio.Semaphore(self._concurrency)
        horizon = window.until if is_open_ended else None
        reader = Reader(self._listing, slots, emit, horizon)
        try:
            await _Schedule(reader, window, put).run(self._concurrency)
        except FilterIgnored:
            await put(FilterWasIgnored())
            await reader.read_all()
            await put(Proven(window))

    def _stream(
        self, produce: Callable[[Callable[[Event], Awaitable[None]]], Awaitable[None]]
    ) -> Iterator[Event]:
        """Run `produce` in the loop's thread and yield what it puts, with a Pulse now and then."""
        events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        room = asyncio.Semaphore(self._concurrency)

        async def put(event: Event) -> None:
            await room.acquire()
            events.put(event)

        future = self._portal.start_task_soon(produce, put)
        future.add_done_callback(lambda _: events.put(None))
        try:
            while True:
                try:
                    event = events.get(timeout=PULSE_SECONDS)
                except queue.Empty:
                    yield Pulse()
                    continue
                if event is None:
                    future.result()
                    return
                self._loop.call_soon_threadsafe(room.release)
                yield event
        finally:
            future.cancel()


async def _running_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


class _Schedule:
    """Windows waiting to be read, the oldest first, by as many workers as requests may run."""

    def __init__(
        self, reader: Reader, window: Window, put: Callable[[Event], Awaitable[None]]
    ) -> None:
        self._reader = reader
        self._put = put
        self._waiting: list[tuple[datetime, int, int, Window]] = []
        self._added = count()
        self._unfinished = 0
        self._changed = asyncio.Condition()
        self._add(window, 0)

    async def run(self, workers: int) -> None:
        """Return when every window is proven; raises the first failure."""
        tasks = [asyncio.create_task(self._work()) for _ in range(workers)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _add(self, window: Window, depth: int) -> None:
        oldest = window.since or datetime.min.replace(tzinfo=UTC)
        heapq.heappush(self._waiting, (oldest, depth, next(self._added), window))
        self._unfinished += 1

    async def _work(self) -> None:
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._waiting or not self._unfinished)
                if not self._waiting:
                    return
                _, depth, _, window = heapq.heappop(self._waiting)
            await self._read(window, depth)
            async with self._changed:
                self._unfinished -= 1
                self._changed.notify_all()

    async def _read(self, window: Window, depth: int) -> None:
        smaller = await self._reader.read(window)
        if not smaller:
            await self._put(Proven(window))
            return
        if depth >= DEEPEST_SPLIT:
            raise NotProven(f"Window {window}: cut {depth} times and still not proven complete.")
        for part in smaller:
            self._add(part, depth + 1)
        await self._put(Reread(window, len(smaller)))


@contextmanager
def open_feed(
    connection: Connection, on_pulse: Callable[[], None] = lambda: None
) -> Iterator[Feed]:
    """A feed with a client and a loop of its own; both end with it.

    `on_pulse` is called now and then while the first answer is waited for; it may raise.
    """
    with start_blocking_portal() as portal:
        stack = AsyncExitStack()
        client = portal.call(
            stack.enter_async_context,
            open_client(
                connection.base_url,
                connection.api_key,
                concurrency=connection.concurrency,
                transport=connection.transport,
                clock=connection.clock,
            ),
        )
        try:
            yield Feed(portal, client, connection, on_pulse)
        finally:
            portal.call(stack.aclose)
