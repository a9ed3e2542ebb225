"""What a client sees of a warehouse: `read.py CLIENT FILE`.

Standard input has statements by name, as JSON; standard output gets an answer to each: rows, and
columns where the client tells them, or an error. A client is the module with_CLIENT beside this
one, with a class Connection; it runs in an environment of its own.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any


def main() -> None:
    """Answer every statement, also where one before it failed."""
    client, path = sys.argv[1:]
    out = sys.stdout  # harlequin puts another in its place, and not always the old one back
    connection = import_module(f"with_{client}").Connection(path)
    answers: dict[str, dict[str, Any]] = {}
    for name, sql in json.load(sys.stdin).items():
        try:
            answers[name] = connection.ask(name, sql)
        except Exception as error:  # noqa: BLE001  whatever a client raises is its answer
            answers[name] = {"error": f"{type(error).__name__}: {error}"}
    connection.close()
    json.dump(answers, out, default=str)  # dates and times as text


if __name__ == "__main__":
    main()
