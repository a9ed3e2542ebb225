"""Whether two clients' answers are the same: columns, rows and values."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

Answer = Mapping[str, Any]
Answers = Mapping[str, Answer]

TOLERANCE = 1e-12
# a client may give a BIGINT as text, and JSON as text or parsed
FORMS: Mapping[str, Callable[[Any], Any]] = {
    "BIGINT": lambda value: int(str(value)),
    "DATE": lambda value: date.fromisoformat(str(value)),
    "DOUBLE": float,
    "JSON": lambda value: json.dumps(json.loads(value) if isinstance(value, str) else value),
    "TIMESTAMP": lambda value: datetime.fromisoformat(str(value)),
}


def is_refused(answer: Answer) -> bool:
    """Whether a client may not write because it reads only, and for no other reason."""
    return "read-only" in answer.get("error", "")


def differences(expected: Answer, answer: Answer) -> Iterator[str]:
    """In which columns, rows and values two answers differ: the first of each."""
    if "error" in answer:
        yield answer["error"]
        return
    if not expected["rows"]:
        yield "nothing there, so nothing proven"
    columns, types = expected["columns"], expected["types"]
    if list(answer.get("columns", columns)) != list(columns):
        yield f"columns {answer['columns']}, not {columns}"
        return
    ours, theirs = (in_order(each["rows"], types) for each in (expected, answer))
    if len(ours) != len(theirs):
        yield f"{len(theirs)} rows, not {len(ours)}"
        return
    for our_row, their_row in zip(ours, theirs, strict=True):
        for column, our, their in zip(columns, our_row, their_row, strict=True):
            if not is_same(our, their):
                yield f"{column} is {ascii(their)[:200]}, not {ascii(our)[:200]}, in {our_row[:2]}"
                return


def in_order(rows: Sequence[Sequence[Any]], types: Sequence[str]) -> list[list[Any]]:
    """The rows in one form, ordered by all that is no DOUBLE first: those may differ a little."""
    alike = [[formed(*each) for each in zip(row, types, strict=True)] for row in rows]

    def place(row: list[Any]) -> tuple[str, list[float]]:
        exact = [None if isinstance(value, float) else value for value in row]
        return repr(exact), [value for value in row if isinstance(value, float)]

    return sorted(alike, key=place)


def formed(value: Any, kind: str) -> Any:
    """A value in the one form for its type; one that has not that type stays, and differs."""
    try:
        return value if value is None else FORMS.get(kind, lambda each: each)(value)
    except (TypeError, ValueError):
        return value


def is_same(our: Any, their: Any) -> bool:
    """Whether two values are one; sums may round otherwise in another client's order."""
    if isinstance(our, float) and isinstance(their, float):
        return math.isclose(our, their, rel_tol=TOLERANCE)
    return type(our) is type(their) and bool(our == their)
