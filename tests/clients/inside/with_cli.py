"""The command line: a process that is given statements and answers in its JSON mode."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

COMMAND = (str(Path(sys.executable).with_name("duckdb")), "-no-init", "-readonly", "-json")
END = "-- that was all\n"


class Connection:
    """One process; an answer without rows tells no columns."""

    def __init__(self, path: str) -> None:
        self._process = subprocess.Popen(
            [*COMMAND, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def ask(self, name: str, sql: str) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{sql};\n.print '{END.strip()}'\n")
        stdin.flush()
        said = ""
        while not said.endswith(END):
            line = stdout.readline()
            if not line:
                raise EOFError(said)
            said += line
        return self._read(said.removesuffix(END))

    @staticmethod
    def _read(said: str) -> dict[str, Any]:
        try:
            records = json.loads(said or "[]")
        except json.JSONDecodeError:
            raise RuntimeError(said) from None
        rows = [[*record.values()] for record in records]
        return {"columns": [*records[0]], "rows": rows} if records else {"rows": rows}

    def close(self) -> None:
        self._process.communicate()
