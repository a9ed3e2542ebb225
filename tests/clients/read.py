"""What SQLAlchemy or polars sees of a warehouse: `read.py sqlalchemy FILE`.

Standard input has statements by name, as JSON; standard output gets an answer to each: rows, and
columns where the client tells them, or an error. It runs in an environment of its own, with an
older DuckDB.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import polars  # type: ignore[import-not-found]
import sqlalchemy  # type: ignore[import-not-found]

Answer = dict[str, Any]


def sqlalchemy_answers(path: str) -> Callable[[str, str], Answer]:
    """SQLAlchemy's answers; views and comments are what its inspector finds."""
    engine = sqlalchemy.create_engine(f"duckdb:///{path}", connect_args={"read_only": True})
    inspector = sqlalchemy.inspect(engine)

    def answer(name: str, sql: str) -> Answer:
        if name == "views":
            return {"rows": [[view] for view in inspector.get_view_names("analytics")]}
        if name == "comments":
            return {"rows": [row for row in _comments(inspector) if row[-1]]}
        with engine.connect() as connection:
            result = connection.execute(sqlalchemy.text(sql))
            return {"columns": [*result.keys()], "rows": [[*row] for row in result]}

    return answer


def _comments(inspector: Any) -> Iterator[tuple[str, str, str | None, str | None]]:
    tables_and_views = sqlalchemy.engine.reflection.ObjectKind.ANY
    for schema in ("devin", "analytics"):
        comments = inspector.get_multi_table_comment(schema, kind=tables_and_views)
        for (_, name), comment in comments.items():
            yield schema, name, None, comment["text"]
        columns = inspector.get_multi_columns(schema, kind=tables_and_views)
        for (_, name), described in columns.items():
            for column in described:
                yield schema, name, column["name"], column["comment"]


def polars_answers(path: str) -> Callable[[str, str], Answer]:
    """What polars makes of a connection's answers, by way of Arrow."""
    connection = duckdb.connect(path, read_only=True)

    def answer(name: str, sql: str) -> Answer:
        if name == "write":  # which read_database() refuses by itself
            return {"rows": connection.execute(sql).fetchall()}
        frame = polars.read_database(sql, connection)
        return {"columns": frame.columns, "rows": frame.rows()}

    return answer


def main() -> None:
    """Answer every statement, also where one before it failed."""
    client, path = sys.argv[1:]
    answer = {"sqlalchemy": sqlalchemy_answers, "polars": polars_answers}[client](path)
    answers: dict[str, Answer] = {}
    for name, sql in json.load(sys.stdin).items():
        try:
            answers[name] = answer(name, sql)
        except Exception as error:  # noqa: BLE001  whatever a client raises is its answer
            answers[name] = {"error": f"{type(error).__name__}: {error}"}
    json.dump(answers, sys.stdout, default=str)  # dates and times as text


if __name__ == "__main__":
    main()
