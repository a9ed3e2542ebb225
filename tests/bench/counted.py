"""The sandbox, served as `devin-warehouse sandbox` does, that counts the bytes it answers with.

Two paths more: `GET /bench/traffic`, and `POST /bench/wait`, after which it is later and nothing
has happened meanwhile. Only what the versions in question tell is encoded beforehand.
"""

from __future__ import annotations

import argparse
import json

import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from devin_warehouse.sandbox import World, create_app, v2, v3
from devin_warehouse.sandbox.server import SandboxServer

ENCODERS = {"v2": (v2.encoded_record,), "v3": (v3.encoded_item, v3.encoded_insights)}


class Counted:
    """Counts requests of the API and the bytes of their answers' bodies."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self._app = app
        self._world = world
        self._requests = 0
        self._bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is not for us, counting what is the API's."""
        path = scope.get("path", "")
        if path.startswith("/bench/"):
            await (await self._told(Request(scope, receive)))(scope, receive, send)
        elif path.startswith(("/v2/", "/v3/")):
            self._requests += 1
            await self._app(scope, receive, self._counting(send))
        else:
            await self._app(scope, receive, send)

    async def _told(self, request: Request) -> JSONResponse:
        if request.url.path == "/bench/wait":
            self._world.clock.advance(json.loads(await request.body())["duration"])
        return JSONResponse({"requests": self._requests, "bytes": self._bytes})

    def _counting(self, send: Send) -> Send:
        async def counting(message: Message) -> None:
            self._bytes += len(message.get("body", b""))
            await send(message)

        return counting


def main() -> None:
    """Serve until told to end; prints one line when ready."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, required=True)
    parser.add_argument("--api", choices=ENCODERS, action="append", required=True)
    arguments = parser.parse_args()
    world = World(1, arguments.sessions)
    for session in world.sessions.values():
        for api in arguments.api:
            for encode in ENCODERS[api]:
                encode(session)
    config = uvicorn.Config(
        Counted(create_app(world), world),
        port=0,
        ws="none",
        access_log=False,
        date_header=False,
        server_header=False,
        log_level="critical",
    )
    SandboxServer(config, world, lambda line: print(line, flush=True)).run()  # noqa: T201


if __name__ == "__main__":
    main()
