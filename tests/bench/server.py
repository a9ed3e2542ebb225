"""A sandbox in a process of its own, and what can be said to it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

from tests.bench.processes import environment, script

# longer than every contender's overlap
LONG = "2 hours"


class Traffic(NamedTuple):
    """What the API has been asked and has answered so far."""

    requests: int
    bytes: int


class Server:
    """A served sandbox."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url

    @property
    def traffic(self) -> Traffic:
        """The API's, without what is said here."""
        return Traffic(**self._send("bench/traffic"))

    def live(self) -> None:
        """Let LONG pass, with what an enterprise does meanwhile."""
        self._send("sandbox/advance", {"duration": LONG})

    def wait(self) -> None:
        """Let LONG pass, and nothing happen meanwhile."""
        self._send("bench/wait", {"duration": LONG})

    def change(self, count: int) -> None:
        """Let sessions change, in ways that both versions show."""
        self._send("sandbox/change", {"count": count})

    def switch(self, **faults: Any) -> None:
        """Set switches of the sandbox's."""
        self._send("sandbox/faults", faults)

    def _send(self, path: str, order: dict[str, Any] | None = None) -> Any:
        data = json.dumps(order).encode() if order else None
        with urlopen(Request(f"{self.base_url}/{path}", data=data)) as answer:
            return json.load(answer)


@contextmanager
def serving(sessions: int, apis: Sequence[str]) -> Iterator[Server]:
    """A sandbox of so many sessions on a free port, stopped in the end."""
    options = [word for api in apis for word in ("--api", api)]
    process = subprocess.Popen(
        script("counted", "--sessions", str(sessions), *options),
        env=environment(apis[0]),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline() if process.stdout else ""
        address = re.search(r"http://\S+", line)
        if not address:
            raise SystemExit(f"The sandbox did not start: {line!r}")
        yield Server(address[0])
    finally:
        process.terminate()
        process.wait()
