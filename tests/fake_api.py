"""An API of canned answers and a clock that only sleeping moves, for tests of the client."""

import asyncio
import json
from typing import Any

import httpx

from devin_warehouse.api.brake import Clock
from devin_warehouse.api.client import open_client

KEY = "apk_user_s3cr3t"
HOST = "https://api.example"
LATENCY = 5
DATE = "Mon, 02 Nov 2026 09:30:00 GMT"


class FakeClock(Clock):
    """Sleeping takes no time; of several sleepers the longest says how late it is."""

    def __init__(self):
        self.time = 1000.0

    def now(self):
        return self.time

    async def sleep(self, seconds):
        wakes_at = self.time + seconds
        await asyncio.sleep(0)
        self.time = max(self.time, wakes_at)

    @property
    def passed(self):
        return self.time - 1000


class Api:
    """An API made of answers, in turn, the last for ever; and what a client made of them."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        self.clock = FakeClock()

    async def __call__(self, request):
        self.requests.append((self.clock.passed, request))
        for _ in range(LATENCY):
            await asyncio.sleep(0)
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if isinstance(answer, type):
            raise answer("broken", request=request)
        return answer(request) if callable(answer) else httpx.Response(**answer)

    def run(self, use):
        """Run `use(client)`."""

        async def run():
            async with open_client(
                HOST, KEY, concurrency=8, transport=httpx.MockTransport(self), clock=self.clock
            ) as client:
                self.client = client
                return await use(client)

        return asyncio.run(run())

    def get(self, path="/x"):
        return self.run(lambda client: client.get(path))


def answer(status: int = 200, body: Any = b"{}", headers: Any = ()) -> dict[str, Any]:
    """The arguments of a Response, so that each request gets a fresh one."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return {"status_code": status, "headers": list(headers), "content": content}
