"""The kinds of record that the API sends, and which tables' rows each of them holds.

v2 has one kind, which holds everything; v3 has two, each with tables of its own. What is merged,
remembered, rejected and asked for again is a record of a kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from devin_warehouse.tables import TABLES, Owner, Table, bare_id

Record = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """A kind of record: its name in the warehouse's bookkeeping, where it comes from, what it owns.

    `endpoints` are those that answer with it, the list first. `cut` takes a record apart in the
    payloads that own tables. `foreign` keys belong to another kind, which tells them too.
    `renamed`: what stands under another key in the record than in its payloads. `read_time` reads
    the API version's times; it raises TypeError or ValueError for anything else.
    """

    name: str
    version: str
    endpoints: tuple[str, ...]
    owners: tuple[Owner, ...]
    cut: Callable[[Record], Mapping[Owner, Record]]
    read_time: Callable[[Any], datetime]
    foreign: frozenset[str] = frozenset()
    renamed: tuple[tuple[str, str], ...] = ()

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables in which a record of this kind replaces its session's rows."""
        return tuple(t for t in TABLES if t.owner in self.owners and self.version in t.versions)

    def place(self, path: str) -> str:
        """Where in a record that stands which a payload has at a dotted path."""
        head, dot, rest = path.partition(".")
        return f"{dict(self.renamed).get(head, head)}{dot}{rest}"

    def content(self, record: Record) -> Record:
        """What of a record is this kind's own."""
        if not self.foreign or self.foreign.isdisjoint(record):
            return record
        return {key: value for key, value in record.items() if key not in self.foreign}

    def updated_at(self, record: Record) -> datetime | None:
        """When the record says that its session was updated; None if that is no time."""
        try:
            return self.read_time(record["updated_at"])
        except (KeyError, TypeError, ValueError, OverflowError):
            return None


def session_id(record: Any) -> str:  # noqa: ANN401
    """The record's session id without `devin-`; "" if the record has none."""
    found = record.get("session_id") if isinstance(record, dict) else None
    return bare_id(found) if isinstance(found, str) else ""
