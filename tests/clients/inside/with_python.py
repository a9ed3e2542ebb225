"""DuckDB's own package, which is the other clients' too."""

from __future__ import annotations

from typing import Any

import duckdb


class Connection:
    """Read-only."""

    def __init__(self, path: str) -> None:
        self._connection = duckdb.connect(path, read_only=True)

    def ask(self, name: str, sql: str) -> dict[str, Any]:
        return {"rows": self._connection.execute(sql).fetchall()}

    def close(self) -> None:
        self._connection.close()
