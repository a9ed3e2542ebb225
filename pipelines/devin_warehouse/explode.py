"""Payloads in, one Arrow table per warehouse table out; derived from tables.py, column by column.

A value of a wrong type rejects its record, never its neighbours. Keys that the contract does not
know are kept in `extra` and counted as drift.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import chain
from typing import Any

import msgspec
import pyarrow as pa

from devin_warehouse.errors import ContractBroken
from devin_warehouse.payloads import Kind, Record, session_id
from devin_warehouse.tables import BY_NAME, Column, Owner, Table, Type, bare_id

Payload = Record
NONE: type = type(None)

ARROW_TYPES = {
    Type.TEXT: pa.string(),
    Type.DOUBLE: pa.float64(),
    Type.BIGINT: pa.int64(),
    Type.BOOLEAN: pa.bool_(),
    Type.TIMESTAMP: pa.timestamp("us"),
    Type.JSON: pa.string(),
}
EXPECTED: dict[Type, tuple[frozenset[type], str]] = {
    Type.TEXT: (frozenset({str, NONE}), "text"),
    Type.DOUBLE: (frozenset({int, float, NONE}), "a number"),
    Type.BIGINT: (frozenset({int, float, NONE}), "a whole number"),
    Type.BOOLEAN: (frozenset({bool, NONE}), "true or false"),
}
OBJECT: tuple[frozenset[type], str] = (frozenset({dict, NONE}), "an object")
LIST: tuple[frozenset[type], str] = (frozenset({list, NONE}), "a list")
FOUND = {str: "text", int: "a number", float: "a number", bool: "true or false", dict: "an object"}
FOUND |= {list: "a list", NONE: "null"}

_canonical = msgspec.json.Encoder(order="sorted")


@dataclass(frozen=True)
class Exploded:
    """Arrow tables by name, why which payload was left out (by its place), unknown keys' counts."""

    tables: dict[str, pa.Table]
    rejected: dict[int, str]
    drift: Counter[str]


def explode(records: Sequence[Record], kind: Kind) -> Exploded:
    """The rows of all tables that records of a kind own.

    Each record has a `session_id` of type str. One that cannot be read is left out of all tables.
    """
    cut = [kind.cut(kind.content(record)) for record in records]
    batches = {
        owner: _Batch(owner, kind, [payloads[owner] for payloads in cut]) for owner in kind.owners
    }
    tables = {table.name: batches[table.owner].table(table) for table in kind.tables if table.owner}
    rejected: dict[int, str] = {}
    drift: Counter[str] = Counter()
    for batch in batches.values():
        rejected = {**batch.rejected, **rejected}
        drift.update(batch.drift)
    if not rejected:
        return Exploded(tables, {}, drift)
    good = [record for place, record in enumerate(records) if place not in rejected]
    return Exploded(explode(good, kind).tables, rejected, drift)


def rejected_rows(
    kind: Kind,
    endpoint: str,
    records: Sequence[Record],
    rejected: Mapping[int, str],
    now: datetime,
) -> pa.Table:
    """The rows of `rejected_records` for the records at the given places, of one kind."""
    rows = [
        {
            "record_key": content_hash([kind.name, session_id(records[place])]),
            "session_id": session_id(records[place]),
            "endpoint": endpoint,
            "reason": reason,
            "record": json_text(records[place]),
            "first_seen_at": now,
            "last_seen_at": now,
        }
        for place, reason in sorted(rejected.items())
    ]
    return pa.Table.from_pylist(rows, arrow_schema(BY_NAME["rejected_records"]))


def content_hash(value: Any) -> str:  # noqa: ANN401
    """sha256 of a JSON value in any order of keys; ContractBroken if nested too deeply."""
    try:
        return hashlib.sha256(_canonical.encode(value)).hexdigest()
    except RecursionError as error:
        raise ContractBroken("A record is nested too deeply.") from error


def json_text(value: Any) -> str:  # noqa: ANN401
    """A value as the API sent it, as compact JSON; ContractBroken if nested too deeply."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except RecursionError as error:
        raise ContractBroken("A record is nested too deeply.") from error


def arrow_schema(table: Table) -> pa.Schema:
    """The Arrow schema of a table."""
    return pa.schema([(column.name, ARROW_TYPES[column.type]) for column in table.columns])


@cache
def known_keys(owner: Owner, kind: Kind) -> dict[str, frozenset[str]]:
    """For each object of a payload, by its path: the keys that the contract knows there."""
    known: dict[str, set[str]] = {"": {"session_id"}}
    for table in kind.tables:
        if table.owner is owner:
            columns = () if table.lists else table.columns
            for path in chain(
                (path for column in columns for path in column.paths),
                (path for _, path in table.lists),
            ):
                parts = path.split(".")
                for depth, key in enumerate(parts):
                    known.setdefault(".".join(parts[:depth]), set()).add(key)
    return {path: frozenset(keys) for path, keys in known.items()}


class _Batch:
    """Payloads of one owner, read column by column."""

    def __init__(self, owner: Owner, kind: Kind, payloads: list[Payload]) -> None:
        self.rejected: dict[int, str] = {}
        self.drift: Counter[str] = Counter()
        self._owner = owner
        self._kind = kind
        self._places = range(len(payloads))
        self._ids = [bare_id(payload["session_id"]) for payload in payloads]
        self._objects: dict[str, list[Payload | None]] = {"": list(payloads)}

    def table(self, table: Table) -> pa.Table:
        """A warehouse table's rows; without the rejected payloads' values, which are NULL."""
        rows = self._list_rows(table) if table.lists else self._payload_rows(table)
        return pa.table(rows, schema=arrow_schema(table))

    def _payload_rows(self, table: Table) -> list[pa.Array]:
        own: dict[str, Callable[[], list[Any]]] = {
            "session_id": lambda: self._ids,
            "api_version": lambda: [self._kind.version] * len(self._ids),
            "has_analysis": lambda: [a is not None for a in self._at("analysis")],
            "analysis_hash": lambda: [
                None if a is None else content_hash(a) for a in self._at("analysis")
            ],
            "extra": self._extras,
        }
        return [
            pa.array(own[column.name](), ARROW_TYPES[column.type])
            if column.name in own
            else self._array(column, [self._values(p) for p in column.paths], self._places)
            for column in table.columns
        ]

    def _list_rows(self, table: Table) -> list[pa.Array]:
        labels: list[str] = []
        positions: list[int] = []
        places: list[int] = []
        elements: list[Any] = []
        for label, path in table.lists:
            lists = self._checked(self._values(path), LIST, self._places, path)
            for place, found in enumerate(lists):
                if found:
                    places += [place] * len(found)
                    positions += range(len(found))
                    elements += found
            labels += [label] * (len(elements) - len(labels))
        own = {
            "session_id": [self._ids[place] for place in places],
            "position": positions,
            "usage": labels,
        }
        if table.holds_objects:
            within = _elements_of(table)
            elements = self._checked(elements, OBJECT, places, within, nullable=False)
            own["extra"] = self._element_extras(table, elements, places)
        return [
            pa.array(own[column.name], ARROW_TYPES[column.type])
            if column.name in own
            else self._element_array(table, column, elements, places)
            for column in table.columns
        ]

    def _element_array(
        self, table: Table, column: Column, elements: Sequence[Any], places: Sequence[int]
    ) -> pa.Array:
        within = _elements_of(table)
        if not table.holds_objects:
            texts = self._checked(elements, EXPECTED[Type.TEXT], places, within, nullable=False)
            return self._array(column, [texts], places)
        spellings = [[e.get(key) if e else None for e in elements] for key in column.paths]
        return self._array(column, spellings, places, within)

    def _array(
        self,
        column: Column,
        spellings: Sequence[Sequence[Any]],
        places: Sequence[int],
        within: str = "",
    ) -> pa.Array:
        """A column's values as Arrow: the first spelling that is not null, checked and formed."""
        values = spellings[0]
        for other in spellings[1:]:
            values = [b if a is None else a for a, b in zip(values, other, strict=True)]
        name = f"{within}.{column.at}".strip(".") or column.name
        if column.is_required:
            for value, place in zip(values, places, strict=True):
                if value is None:
                    self.rejected.setdefault(place, f"{name} is missing")
        if column.type in EXPECTED:
            values = self._checked(values, EXPECTED[column.type], places, name)
        if column.form:
            values = [value and column.form(value) for value in values]
        if column.type in CONVERSIONS:
            values = self._converted(values, CONVERSIONS[column.type], places, name)
        elif column.type is Type.TIMESTAMP:
            values = self._converted(values, self._kind.read_time, places, name)
        return pa.array(values, ARROW_TYPES[column.type])

    def _converted(
        self,
        values: Sequence[Any],
        convert: Callable[[Any], Any],
        places: Sequence[int],
        name: str,
    ) -> list[Any]:
        try:
            return [None if value is None else convert(value) for value in values]
        except (TypeError, ValueError, OverflowError):
            return [
                self._tried(value, convert, place, name)
                for value, place in zip(values, places, strict=True)
            ]

    def _tried(
        self,
        value: Any,  # noqa: ANN401
        convert: Callable[[Any], Any],
        place: int,
        name: str,
    ) -> Any:  # noqa: ANN401
        try:
            return None if value is None else convert(value)
        except (TypeError, ValueError, OverflowError):
            self.rejected.setdefault(place, f"{name} cannot be read: {_shown(value)}")
            return None

    def _checked(
        self,
        values: Sequence[Any],
        expected: tuple[frozenset[type], str],
        places: Sequence[int],
        name: str,
        *,
        nullable: bool = True,
    ) -> list[Any]:
        """The values, those of another type than expected as None and their record rejected."""
        allowed, said = expected
        if not nullable:
            allowed -= {NONE}
        if set(map(type, values)) <= allowed:
            return list(values)
        for value, place in zip(values, places, strict=True):
            if type(value) not in allowed:
                reason = f"{name} should be {said} and is {FOUND[type(value)]}"
                self.rejected.setdefault(place, reason)
        return [value if type(value) in allowed else None for value in values]

    def _values(self, path: str) -> list[Any]:
        parent, _, key = path.rpartition(".")
        return [None if found is None else found.get(key) for found in self._at(parent)]

    def _at(self, path: str) -> list[Payload | None]:
        """The object at a path in each payload, None where there is none."""
        if path not in self._objects:
            self._objects[path] = self._checked(self._values(path), OBJECT, self._places, path)
        return self._objects[path]

    def _extras(self) -> list[str | None]:
        """Per payload, the keys that the contract does not know, those of inner objects named.

        Where the payload itself has an unknown key of that name, the inner object has a longer one.
        """
        extras: list[Payload] = [{} for _ in self._places]
        for path, known in sorted(known_keys(self._owner, self._kind).items()):
            name = path.rpartition(".")[2]
            for place, found in enumerate(self._at(path)):
                if found and not found.keys() <= known:
                    unknown = self._unknown(found, known, f"{self._owner}.{path}".strip("."))
                    extra = extras[place]
                    free = name
                    while free in extra:
                        free = f"analysis.{free}"
                    extra |= {free: unknown} if name else unknown
        return self._converted(
            [extra or None for extra in extras], json_text, self._places, "extra"
        )

    def _element_extras(
        self, table: Table, elements: Sequence[Payload | None], places: Sequence[int]
    ) -> list[str | None]:
        known = {path for column in table.columns for path in column.paths}
        twice = [column for column in table.columns if column.or_at]
        where = _elements_of(table)
        extras: list[Payload | None] = []
        for element in elements:
            extra = {}
            if element and not element.keys() <= known:
                extra = self._unknown(element, known, where)
            for column in twice:
                extra |= _other_spelling(column, element or {})
            extras.append(extra or None)
        return self._converted(extras, json_text, places, f"{where}.extra")

    def _unknown(self, found: Payload, known: Iterable[str], where: str) -> Payload:
        unknown = {key: value for key, value in found.items() if key not in known}
        self.drift.update(f"{where}.{key}" for key in unknown)
        return unknown


def _elements_of(table: Table) -> str:
    """How the elements of a table's lists are called in reasons and counts."""
    return " or ".join(f"{path}[]" for _, path in table.lists)


def _other_spelling(column: Column, element: Payload) -> Payload:
    """What the second spelling says if the first one says something else."""
    shown, other = element.get(column.at), element.get(column.or_at)
    return {} if shown is None or other is None or other == shown else {column.or_at: other}


def _whole(value: float) -> int:
    if int(value) != value or not -(2**63) <= value < 2**63:
        raise ValueError(value)
    return int(value)


CONVERSIONS: dict[Type, Callable[[Any], Any]] = {
    Type.DOUBLE: float,
    Type.BIGINT: _whole,
    Type.JSON: json_text,
}


def _shown(value: Any) -> str:  # noqa: ANN401
    try:
        text = str(value)
    except (ValueError, RecursionError):
        return "too long or too deep to show"
    return text if len(text) <= 60 else f"{text[:57]}..."
