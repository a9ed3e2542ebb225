"""The checks: queries that find nothing in a warehouse that is as it should be.

Of severity error are our own invariants: what they find is not published. Of severity warn is what
the API may say, however odd: it is told, and published.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import duckdb

from devin_warehouse.errors import Misuse
from devin_warehouse.sql_files import SqlFile

SAMPLE = 5


class Cursor(Protocol):
    """What a query has found."""

    @property
    def description(self) -> Any:  # noqa: ANN401
        """The columns, each beginning with its name."""

    def fetchall(self) -> list[Any]:
        """The rows."""


class Asked(Protocol):
    """Whoever answers queries in DuckDB's SQL."""

    def execute(self, sql: str) -> Cursor:
        """Answer a query."""


@dataclass(frozen=True)
class Result:
    """What a check found: how many rows, and the first of them by column. `rule` is what holds."""

    name: str
    severity: str
    rule: str
    found: int
    sample: list[dict[str, Any]]

    @property
    def is_fatal(self) -> bool:
        """Whether what it found keeps the warehouse from being published."""
        return bool(self.found) and self.severity == "error"

    @property
    def sentence(self) -> str:
        """What was found, in a line."""
        first = ", ".join(f"{name} {value}" for name, value in self.sample[0].items())
        # the API's texts may hold line breaks
        return f"check {self.name} ({self.severity}): {self.found:,} found, as " + " ".join(
            first.split()
        )


def run_checks(connection: Asked, checks: Iterable[SqlFile]) -> list[Result]:
    """Run checks in the current database; raises Misuse if it lacks what they look at."""
    try:
        return [_result(connection, check) for check in checks]
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        raise Misuse(
            f"The checks do not fit the database: {str(error).splitlines()[0]} It was published by "
            "another version of devin-warehouse; the next load publishes it anew."
        ) from error


def _result(connection: Asked, check: SqlFile) -> Result:
    # the text ends its own lines: it may end in a comment
    cursor = connection.execute(f"SELECT * FROM ({check.text}\n) AS found LIMIT {SAMPLE}")
    names = [column[0] for column in cursor.description or []]
    sample = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    found = len(sample)
    if found == SAMPLE:
        count = f"SELECT count(*) FROM ({check.text}\n) AS found"
        found = connection.execute(count).fetchall()[0][0]
    return Result(check.name, check.severity, check.header[1], found, sample)
