"""Node, one process for all connections: node.mjs."""

from __future__ import annotations

import json
import subprocess
from itertools import count
from pathlib import Path
from typing import Any

keys = count()
process = subprocess.Popen(
    ["node", Path(__file__).with_name("node.mjs")],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
)


def answer(**request: object) -> dict[str, Any]:
    """Node's answer to a request; raises RuntimeError for an error."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(request) + "\n")
    process.stdin.flush()
    answered: dict[str, Any] = json.loads(process.stdout.readline())
    if "error" in answered:
        raise RuntimeError(answered["error"])
    return answered


class Connection:
    """An instance of its own, read-only."""

    def __init__(self, path: str) -> None:
        self._key = next(keys)
        answer(act="open", key=self._key, path=path)

    def ask(self, name: str, sql: str) -> dict[str, Any]:
        return answer(act="ask", key=self._key, sql=sql)

    def close(self) -> None:
        answer(act="close", key=self._key)
