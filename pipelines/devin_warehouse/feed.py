"""What the API says, for a caller that is not asynchronous, as a stream of events.

One event loop in a thread of its own, one client, a bounded queue: while the caller loads a
package, the next pages are on their way, and no more of them than the queue holds.
"""

from __future__ import annotations

import asyncio
import queue
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import wait
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import quote

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal

from devin_warehouse.api import v2, v3
from devin_warehouse.api.brake import Clock
from devin_warehouse.api.client import Client, Traffic, open_client
from devin_warehouse.api.listing import Api, Filters
from devin_warehouse.errors import Misuse
from devin_warehouse.events import Due, Event, FilterWasIgnored, Proven, Pulse, Put, Records
from devin_warehouse.insights import Insights
from devin_warehouse.lookup import ById
from devin_warehouse.payloads import Kind, Record
from devin_warehouse.reader import FilterIgnored, Reader
from devin_warehouse.recheck import Recheck
from devin_warehouse.schedule import Schedule
from devin_warehouse.windows import Range, Window

PULSE_SECONDS = 0.5
SEPARATORS = re.compile(r"[\s,%]")
Answer = TypeVar("Answer")
APIS: dict[str, Callable[[Client, Filters], Api]] = {v2.VERSION: v2.Api, v3.VERSION: v3.Api}


@dataclass(frozen=True)
class Connection:
    """Where the API is and how to speak to it; `transport` and `clock` are for tests."""

    base_url: str
    api_key: str = field(repr=False)
    filters: Filters = field(default_factory=Filters)
    concurrency: int = 8
    version: str = v2.VERSION
    transport: httpx.AsyncBaseTransport | None = None
    clock: Clock | None = None

    @property
    def host(self) -> str:
        """The API's host."""
        return self.base_url.partition("://")[2]

    @property
    def scope(self) -> str:
        """What a watermark is about: host, version, organizations or all, deleted ones or not."""
        # as they are, but for what separates them here
        names = {SEPARATORS.sub(lambda at: quote(at[0]), name) for name in self.filters.org_ids}
        organizations = ",".join(sorted(names)) or "all"
        deleted = " with deleted organizations" if self.filters.include_deleted_orgs else ""
        return f"{self.host} {self.version} {organizations}{deleted}"


def version_of(api: str, key: str) -> str:
    """The API version to read; raises Misuse if neither `api` nor the key's prefix tells."""
    if api in APIS:
        return api
    if api != "auto":
        raise Misuse(f"--api {api}: auto, {' or '.join(APIS)}.")
    prefixes = {v2.KEY_PREFIX: v2.VERSION, v3.KEY_PREFIX: v3.VERSION}
    for prefix, version in prefixes.items():
        if key.startswith(prefix):
            return version
    raise Misuse(
        f"The key begins neither with {' nor with '.join(prefixes)}, so its API version is not "
        f"known: say --api {' or --api '.join(APIS)}."
    )


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
        self._scope = connection.filters.of_scope()
        self._api = APIS[connection.version](client, connection.filters)

    @property
    def traffic(self) -> Traffic:
        """What has been sent and received so far."""
        return self._client.traffic

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of record that this version of the API sends, that of sessions first."""
        return self._api.kinds

    @property
    def by_id_kind(self) -> Kind:
        """What is told of a session by its id: all of it (v2), or its insights (v3)."""
        return self._api.by_id_kind

    @property
    def has_server_time(self) -> bool:
        """Whether the API's answers bear a Date."""
        return self._client.server_time is not None

    def survey(self, asked: Range | None = None) -> tuple[int | None, datetime]:
        """How many sessions the API has in all, or in a range; and its time.

        None if it does not say. The time is that of the answer's Date header, else of this machine.
        """
        page = self.ask(lambda api: api.sessions.page(asked, None, 1))
        return page.total, self._client.server_time or datetime.now(UTC)

    def ask(self, question: Callable[[Api], Awaitable[Answer]]) -> Answer:
        """The answer to a single question; raises what the client raises."""
        future = self._portal.start_task_soon(question, self._api)
        try:
            while not wait([future], PULSE_SECONDS).done:
                self._on_pulse()
        finally:
            future.cancel()
        return future.result()

    def windows(self, window: Window, *, is_open_ended: bool) -> Iterator[Event]:
        """Read a window completely, in as many smaller ones as that takes, oldest first.

        `is_open_ended`: the window ends now, so its last part is asked for without an upper end.
        Raises what the client raises, and NotProven.
        """
        return self._stream(lambda put: self._read(window, put, is_open_ended=is_open_ended))

    def by_id(self, session_ids: Sequence[str]) -> Iterator[Event]:
        """Ask for single sessions: Records of each, or that it is Missing, or Failed."""
        return self._stream(lambda put: ById(self._api, self._slots(), put).ask(session_ids))

    def insights(self, due: Sequence[Due]) -> Iterator[Event]:
        """Ask for the insights of sessions, given by rank."""
        return self._stream(lambda put: Insights(self._api, self._slots(), put).read(due))

    def recheck(
        self, sessions: Sequence[Due], requests: int, *, with_insights: bool
    ) -> Iterator[Event]:
        """Ask for sessions again, as far as so many requests go; those are told as Rechecked."""
        return self._stream(
            lambda put: Recheck(
                self._api, self._scope, self._slots(), put, requests, with_insights
            ).read(sessions)
        )

    def _slots(self) -> asyncio.Semaphore:
        return asyncio.Semaphore(self._concurrency)

    async def _read(self, window: Window, put: Put, *, is_open_ended: bool) -> None:
        listing = self._api.sessions

        async def emit(records: list[Record]) -> None:
            await put(Records(listing.kind, listing.endpoint, records))

        reader = Reader(listing, self._slots(), emit, window.until if is_open_ended else None)
        try:
            await Schedule(reader, window, put).run(self._concurrency)
        except FilterIgnored:
            await put(FilterWasIgnored())
            await reader.read_all()
            await put(Proven(window))

    def _stream(self, produce: Callable[[Put], Awaitable[None]]) -> Iterator[Event]:
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
