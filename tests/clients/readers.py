"""The clients, each in a process and an environment of its own; what they are is in inside/."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import duckdb

from tests.clients.comparison import Answer, Answers

HERE = Path(__file__).parent
BIN = HERE.parents[1] / ".venv-clients" / "bin"
LIMIT = 300
CLIENTS = {
    "Python": "python",
    "CLI": "cli",
    "Node": "node",
    "SQLAlchemy": "sqlalchemy",
    "polars": "polars",
    "ibis": "ibis",
    "harlequin": "harlequin",
}


def command(script: str, client: str, path: Path) -> list[str | Path]:
    """A script of inside/, run by the client's Python: for its own package that is ours."""
    python = sys.executable if client == "python" else BIN / "python"
    return [python, HERE / "inside" / script, client, path]


def asked(client: str, path: Path, statements: Mapping[str, str]) -> Answers:
    """What a client answers."""
    done = subprocess.run(
        command("read.py", client, path),
        input=json.dumps(statements).encode(),
        stdout=subprocess.PIPE,
        timeout=LIMIT,
        check=True,
    )
    answers: Answers = json.loads(done.stdout)
    return answers


def reference(path: Path, statements: Mapping[str, str]) -> Answers:
    """What this process's DuckDB answers, with the columns' types."""
    answers: dict[str, Answer] = {}
    with duckdb.connect(str(path), read_only=True) as connection:
        for name, sql in statements.items():
            cursor = connection.execute(sql)
            columns, types = zip(*((c[0], str(c[1])) for c in cursor.description), strict=True)
            answers[name] = {"columns": columns, "types": types, "rows": cursor.fetchall()}
    return answers
