"""SQLAlchemy with duckdb-engine; views and comments are what its inspector finds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy


class Connection:
    """An engine without a pool, which would keep a connection, and with it an old copy."""

    def __init__(self, path: str) -> None:
        engine = sqlalchemy.create_engine(
            f"duckdb:///{path}",
            connect_args={"read_only": True},
            poolclass=sqlalchemy.pool.NullPool,
        )
        self._connection = engine.connect()
        self._inspector = sqlalchemy.inspect(engine)

    def ask(self, name: str, sql: str) -> dict[str, Any]:
        if name == "views":
            return {"rows": [[view] for view in self._inspector.get_view_names("analytics")]}
        if name == "comments":
            return {"rows": [row for row in self._comments() if row[-1]]}
        result = self._connection.execute(sqlalchemy.text(sql))
        return {"columns": [*result.keys()], "rows": [[*row] for row in result]}

    def _comments(self) -> Iterator[tuple[str, str, str | None, str | None]]:
        tables_and_views = sqlalchemy.engine.reflection.ObjectKind.ANY
        for schema in ("devin", "analytics"):
            comments = self._inspector.get_multi_table_comment(schema, kind=tables_and_views)
            for (_, name), comment in comments.items():
                yield schema, name, None, comment["text"]
            columns = self._inspector.get_multi_columns(schema, kind=tables_and_views)
            for (_, name), described in columns.items():
                for column in described:
                    yield schema, name, column["name"], column["comment"]

    def close(self) -> None:
        self._connection.close()
