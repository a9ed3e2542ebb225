"""ibis: views are its tables, and a table is what it tries to create."""

from __future__ import annotations

from typing import Any

import ibis


class Connection:
    """Read-only."""

    def __init__(self, path: str) -> None:
        self._ibis = ibis.duckdb.connect(path, read_only=True)
        self._views = self._ibis.list_tables(database="analytics")

    def ask(self, name: str, sql: str) -> dict[str, Any]:
        if name == "views":
            return {"rows": [[view] for view in self._views]}
        if name == "write":
            self._ibis.create_table("refused", schema={"number": "int64"}, database="devin")
        if name == "comments":  # which it has no other words for
            return {"rows": self._ibis.raw_sql(sql).fetchall()}
        is_view = name in self._views
        asked = self._ibis.table(name, database="analytics") if is_view else self._ibis.sql(sql)
        answer = asked.to_pyarrow()
        rows = [[*row.values()] for row in answer.to_pylist()]
        return {"columns": answer.column_names, "rows": rows}

    def close(self) -> None:
        self._ibis.disconnect()
