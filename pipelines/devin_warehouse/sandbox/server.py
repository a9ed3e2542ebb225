"""Serves a world on a local port."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from . import v2, v3
from .app import create_app
from .faults import Faults
from .world import World

SAMPLE_KEY = "apk_user_sandbox"
SAMPLE_KEY_V3 = "cog_sandbox"


class SandboxServer(uvicorn.Server):
    """Says where it listens as soon as it does."""

    def __init__(
        self, config: uvicorn.Config, world: World, announce: Callable[[str], None]
    ) -> None:
        super().__init__(config)
        self._world = world
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens, then announces."""
        await super().startup(sockets)
        # uvicorn ends the process by itself when it cannot listen; nothing to announce then.
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            self._announce(
                f"Sandbox Devin API on http://{self.config.host}:{port} "
                f"({len(self._world.sessions):,} sessions). "
                f"Key: {SAMPLE_KEY} for v2, {SAMPLE_KEY_V3} for v3"
            )


def sandbox_server(
    world: World,
    faults: Faults | None = None,
    host: str = "127.0.0.1",
    port: int = 8400,
    announce: Callable[[str], None] | None = None,
) -> SandboxServer:
    """A server, not yet running, with every record encoded.

    `announce` gets the readiness line, which is printed by default.
    """
    _encode_all(world, faults)
    config = uvicorn.Config(
        create_app(world, faults),
        host=host,
        port=port,
        ws="none",
        access_log=False,
        date_header=False,
        server_header=False,
        # The injected resets are exceptions: below critical, each would show its traceback.
        log_level="critical",
    )
    return SandboxServer(config, world, announce or _print)


def serve(
    world: World, faults: Faults | None = None, host: str = "127.0.0.1", port: int = 8400
) -> None:
    """Serves until interrupted; port 0 takes a free one. Prints one line when it is ready."""
    # uvicorn has shut down in good order by the time it passes Ctrl-C on.
    with suppress(KeyboardInterrupt):
        sandbox_server(world, faults, host, port).run()


def _encode_all(world: World, faults: Faults | None) -> None:
    """Serialises every record beforehand, so that the first reader meets a fast server too."""
    for session in world.sessions.values():
        v2.encoded_record(session)
        v3.encoded_item(session, faults)
        v3.encoded_insights(session, faults)


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
