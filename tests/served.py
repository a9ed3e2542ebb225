"""A sandbox on a loopback port, for what has to cross a socket: the command, and dlt's own runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from devin_warehouse.sandbox import Faults, World
from devin_warehouse.sandbox.server import sandbox_server


@contextmanager
def served(world: World, faults: Faults | None = None) -> Iterator[str]:
    """The base URL of a server that ends with the block."""
    ready = threading.Event()
    lines: list[str] = []

    def announce(line: str) -> None:
        lines.append(line)
        ready.set()

    server = sandbox_server(world, faults, port=0, announce=announce)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert ready.wait(20)
        yield lines[0].split()[4]
    finally:
        server.should_exit = True
        thread.join()
