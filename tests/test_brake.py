"""The brake against servers that allow so much and no more, in a time that only waiting moves."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections import deque

import httpx
import pytest

from devin_warehouse.api.brake import Clock
from devin_warehouse.api.client import open_client
from devin_warehouse.errors import Unavailable

LATENCY = 0.05


class Selector(selectors.DefaultSelector):
    """Waits for no file: as long as a loop would have waited, so much later it is."""

    now = 0.0

    def select(self, timeout=None):
        self.now += timeout or 0.0
        return super().select(0)


class Loop(asyncio.SelectorEventLoop):
    """An event loop in a time of its own."""

    def __init__(self):
        self.selector = Selector()
        super().__init__(self.selector)

    def time(self):
        return self.selector.now


class LoopClock(Clock):
    """The running loop's time."""

    def now(self):
        return asyncio.get_running_loop().time()


class Server:
    """Answers so many requests in any `seconds`, and says 429 to what is more."""

    def __init__(self, most, seconds=1.0, *, says=(), share_refused=0.0):
        self.most, self.seconds, self.says = most, seconds, says
        self.share_refused = share_refused
        self.answered: deque[float] = deque()
        self.sent = 0
        self.random = random.Random(1)

    async def __call__(self, request):
        now = asyncio.get_running_loop().time()
        self.sent += 1
        recent = [at for at in self.answered if at > now - self.seconds]
        is_refused = len(recent) >= self.most or self.random.random() < self.share_refused
        if not is_refused:
            self.answered.append(now)
        await asyncio.sleep(LATENCY)
        return httpx.Response(429, headers=self.says) if is_refused else httpx.Response(200, json=1)

    def ask(self, requests, *, at_once=8):
        """Seconds that it takes a client to have so many requests answered."""

        async def work(client, numbers):
            for _ in numbers:
                await client.get("/x")

        async def run():
            transport = httpx.MockTransport(self)
            async with open_client(
                "https://api.example", "key", concurrency=at_once, transport=transport,
                clock=LoopClock(),
            ) as client:  # fmt: skip
                shared = iter(range(requests))
                await asyncio.gather(*[work(client, shared) for _ in range(at_once)])
            return asyncio.get_running_loop().time()

        with asyncio.Runner(loop_factory=Loop) as runner:
            return runner.run(run())


@pytest.mark.parametrize("requests", [22, 100, 500])
@pytest.mark.parametrize("says", [[], [("retry-after", "1")]])
@pytest.mark.parametrize("most", [3, 5, 20])
def test_a_rate_limit_makes_no_storm(most, says, requests):
    """Issue 5: fewer than 1.2 requests are sent for one answered, and the rate is made use of."""
    server = Server(most, says=says)
    passed = server.ask(requests)
    assert len(server.answered) == requests
    assert server.sent < 1.2 * requests
    assert passed <= 2 * requests / most + 2


@pytest.mark.parametrize(("most", "seconds"), [(60, 60), (30, 60), (100, 10)])
def test_a_limit_by_the_minute_is_kept_too(most, seconds):
    """A burst is answered, then nothing for long: pauses grow, so that few requests are wasted."""
    server = Server(most, seconds)
    server.ask(3 * most)
    assert server.sent < 1.3 * 3 * most


def test_refusals_at_random_do_not_slow_down_for_good():
    """A proxy that refuses some for no reason at all: the pace comes back again and again."""
    server = Server(10**9, share_refused=0.03)
    assert server.ask(300) < 60


def test_without_refusals_nothing_waits():
    """No limit, no pace: only the server's latency counts, after a careful third of a second."""
    server = Server(10**9)
    assert server.ask(800) <= 800 / 8 * LATENCY + 0.3


def test_whoever_waits_too_long_in_the_line_gives_up():
    """Nothing is answered any more: all end, with few requests, in the time of one."""
    server = Server(0)
    with pytest.raises(Unavailable):
        server.ask(50, at_once=50)
    assert server.sent <= 80
