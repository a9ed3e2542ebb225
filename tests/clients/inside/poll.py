"""What a client sees while loads replace the file: `poll.py CLIENT FILE`.

One connection is held from first to last; another is opened for every read, in the same process.
The first line of standard input has statements by name, each for one number. After the first read
"reading" is said; at the end of standard input a last one is made, and all are told, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from importlib import import_module
from typing import Any

PAUSE = 0.5


def main() -> None:
    """Read until told to end, and once more; an error ends it too."""
    os.nice(5)  # what holds a load up is to be a lock, not a lack of processors
    client, path = sys.argv[1:]
    out = sys.stdout  # harlequin puts another in its place, and not always the old one back
    connect = import_module(f"with_{client}").Connection
    statements = json.loads(sys.stdin.readline())
    is_over = threading.Event()
    threading.Thread(target=_await_end, args=[is_over], daemon=True).start()
    seen: dict[str, list[Any]] = {"held": [], "fresh": [], "errors": []}
    try:
        held = connect(path)
        is_last = False
        while not is_last:
            is_last = is_over.wait(PAUSE)
            fresh = connect(path)
            seen["fresh"].append(numbers(fresh, statements))
            fresh.close()
            seen["held"].append(numbers(held, statements))
            if len(seen["fresh"]) == 1:
                out.write("reading\n")
                out.flush()
        held.close()
    except Exception as error:  # noqa: BLE001  whatever a client raises is what it saw
        seen["errors"].append(f"{type(error).__name__}: {error}")
    json.dump(seen, out)


def _await_end(is_over: threading.Event) -> None:
    sys.stdin.read()
    is_over.set()


def numbers(connection: Any, statements: Mapping[str, str]) -> dict[str, int]:
    """What a connection answers to the statements, one after another."""
    return {
        name: int(str(connection.ask(name, sql)["rows"][0][0])) for name, sql in statements.items()
    }


if __name__ == "__main__":
    main()
