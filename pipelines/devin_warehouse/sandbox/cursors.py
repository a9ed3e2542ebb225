"""v3's page tokens. How they work is not documented, so there are two kinds.

A keyset names the last row and goes on strictly behind it, even where that row has gone; an
offset counts rows, which shift while somebody reads. Either is opaque and not safe in a URL.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import NamedTuple

from .listing import Found, Key
from .parameters import InvalidParameterError


class Offset(NamedTuple):
    """So many rows have been read."""

    rows: int


class Behind(NamedTuple):
    """The row of that key has been read, and all before it."""

    key: Key


Cursor = Offset | Behind


def keyset(found: Found, end: int) -> str:
    """The token for what follows the row before `end`."""
    at, session_id = found.key(found.rows(end - 1, 1)[0])
    return _token([at.isoformat(), session_id])


def offset(end: int) -> str:
    """The token for what follows the first `end` rows."""
    return _token([end])


def parse(token: str) -> Cursor:
    """Reads a token of either kind; whatever the sandbox has not issued is refused."""
    try:
        values = json.loads(b64decode(token, validate=True))
        if len(values) == 1:
            return Offset(int(values[0]))
        return Behind((datetime.fromisoformat(values[0]).astimezone(UTC), str(values[1])))
    except (ValueError, TypeError, LookupError) as error:
        raise InvalidParameterError("after", "Invalid cursor", "value_error") from error


def place(cursor: Cursor, found: Found) -> int:
    """Where the page begins."""
    return cursor.rows if isinstance(cursor, Offset) else found.place_behind(cursor.key)


def _token(values: list[object]) -> str:
    text = json.dumps(values)
    # One byte over a multiple of three: base64 then ends in "==", which no URL takes as it is.
    return b64encode((text + " " * ((1 - len(text)) % 3)).encode()).decode()
