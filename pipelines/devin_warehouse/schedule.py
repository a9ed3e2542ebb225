"""Many windows at once: those that wait are read oldest first, by as many workers as may ask."""

from __future__ import annotations

import asyncio
import heapq
from datetime import UTC, datetime
from itertools import count

from devin_warehouse.errors import NotProven
from devin_warehouse.events import Proven, Put, Reread
from devin_warehouse.reader import Reader
from devin_warehouse.windows import Window

DEEPEST_SPLIT = 64


class Schedule:
    """Windows waiting to be read, the oldest first, by as many workers as requests may run."""

    def __init__(self, reader: Reader, window: Window, put: Put) -> None:
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
