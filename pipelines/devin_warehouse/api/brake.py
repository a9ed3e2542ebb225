"""When a request may start: pauses that the API asks for, and a pace once it says "too many".

No rate limit is documented, only that 429 exists (facts on the API, §3.1): neither how many
requests are allowed nor in which time. So none is assumed; what gets answered tells.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

# a server that answers fast shows its limit meanwhile, one that is slow is not kept waiting
CAREFUL_SECONDS = 0.3
CAREFUL_IN_FLIGHT = 2
PATIENCE_SECONDS = 120.0
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 20.0
# slower than that is left to the pauses: a server may also refuse at random
LONGEST_INTERVAL_SECONDS = 0.5
MARGIN = 0.9
SLOWER = 1.25
FASTER_A_SECOND = 2.0
CALM = 15


class Clock:
    """The time that retries and the brake go by; tests bring one of their own."""

    def now(self) -> float:
        """Seconds that only grow."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        await asyncio.sleep(seconds)


class Brake:
    """What every request of a run obeys: what one is told, all heed.

    For a moment two requests are in flight; then they start at will until the first 429. From then
    on they keep an interval: nine tenths of the rate that was just being answered, a quarter slower
    at each further 429, and after 15 answers without one twice as fast within a second. Refusals in
    a row pause for twice as long each.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._line = asyncio.Lock()
        self._freed = asyncio.Event()
        self._in_flight = 0
        self._careful_until: float | None = None
        self._until = 0.0
        self._interval = 0.0
        self._next = 0.0
        self._pause = 0.0
        self._slowed_at = 0.0
        self._refused_since = math.inf
        self._calm = 0
        self._answers: deque[float] = deque()

    @property
    def refused_since(self) -> float:
        """Since when nothing has been answered but 429; infinity if something was."""
        return self._refused_since

    @asynccontextmanager
    async def turn(self, deadline: float) -> AsyncIterator[float]:
        """Where a request belongs: entered when it may start, which is then.

        Raises TimeoutError if that is later than the deadline.
        """
        async with self._line:
            await self._wait(deadline)
        self._in_flight += 1
        try:
            yield self._clock.now()
        finally:
            self._in_flight -= 1
            self._freed.set()

    def pull(self, seconds: float) -> None:
        """Let no request start for so long."""
        self._until = max(self._until, self._clock.now() + seconds)

    def refused(self, started: float) -> None:
        """A request that started then was one too many (429)."""
        if started < self._slowed_at:
            return  # of the same burst, and slowed down for already
        self._refused_since = min(self._refused_since, started)
        self._slow_down()
        self.pull(self._pause)

    def answered(self) -> None:
        """A request was answered."""
        now = self._clock.now()
        self._calm += 1
        if self._calm > CALM:
            self._interval /= FASTER_A_SECOND ** min(now - self._answers[-1], 1.0)
        self._answers.append(now)
        while self._answers[0] <= now - 1:
            self._answers.popleft()
        self._pause = 0.0
        self._refused_since = math.inf

    async def _wait(self, deadline: float) -> None:
        now = self._clock.now()
        if self._careful_until is None:
            self._careful_until = now + CAREFUL_SECONDS
        while now < self._careful_until and self._in_flight >= CAREFUL_IN_FLIGHT:
            self._freed.clear()
            await self._freed.wait()
            now = self._clock.now()
        while (start := max(self._until, self._next)) > now:
            if start > deadline:
                raise TimeoutError("429, it allows too few requests")
            await self._clock.sleep(start - now)
            now = self._clock.now()
        self._next = now + self._interval

    def _slow_down(self) -> None:
        self._slowed_at = self._clock.now()
        self._calm = 0
        is_paced = self._interval > 0
        slower = self._interval * SLOWER if is_paced else 1 / (MARGIN * max(1, len(self._answers)))
        is_in_a_row = self._pause > 0 or not is_paced
        pause = max(2 * self._pause, FIRST_PAUSE_SECONDS) if is_in_a_row else self._interval
        self._pause = min(pause, LONGEST_PAUSE_SECONDS)
        self._interval = min(slower, LONGEST_INTERVAL_SECONDS)
