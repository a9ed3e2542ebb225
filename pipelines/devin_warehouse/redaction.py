"""Redaction: what a customer does not want on disk is dropped, hashed or cut short before it is.

A policy changes the API's records themselves, after their hashes have been taken and before
anything else looks at them: rows, `extra`, history, rejected records and dlt's packages are made
of what is left. Hashes are keyed, so that nobody can try out what may have stood there; the key is
made once, and kept beside the work file.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from devin_warehouse.directories import ORGANIZATIONS, USERS, Names
from devin_warehouse.errors import ContractBroken, Misuse
from devin_warehouse.explode import content_hash, json_text, known_keys
from devin_warehouse.payloads import Kind, Record
from devin_warehouse.tables import TABLES, Column, Table, Type

# what tells sessions and their states apart, and what the loader itself goes by
NEEDED = frozenset(
    {
        "session_id", "position", "usage", "org_id", "status", "status_detail", "acus_consumed",
        "created_at", "updated_at", "api_version", "pr_state", "has_analysis", "analysis_hash",
        "parent_session_id", "child_session_id",
    }
)  # fmt: skip
# the tables that the API fills
FILLED = (*(table for table in TABLES if table.owner), ORGANIZATIONS, USERS)
# stands where a record has a value of a wrong type around one that is redacted
MARK = "[redacted]"

_canonical = msgspec.json.Encoder(order="sorted")


@dataclass(frozen=True)
class Rule:
    """What becomes of a column: `how` is drop, hash or truncate (to `length` characters)."""

    table: Table
    column: Column
    how: str
    length: int = 0

    def __str__(self) -> str:
        how = f"truncate:{self.length}" if self.how == "truncate" else self.how
        return f"{self.table.name}.{self.column.name}={how}"


@dataclass(frozen=True)
class Policy:
    """The rules of a customer, at most one a column."""

    rules: tuple[Rule, ...] = ()

    @classmethod
    def parsed(cls, texts: Iterable[str]) -> Policy:
        """Rules written as `[table.]column=drop|hash|truncate:N`; raises Misuse for any other.

        Of two rules for a column the later counts.
        """
        rules = {(r.table.name, r.column.name): r for text in texts for r in _parsed(text.strip())}
        return cls(tuple(rules[key] for key in sorted(rules)))

    def __str__(self) -> str:
        return ", ".join(map(str, self.rules))

    def hides(self, column: str) -> bool:
        """Whether there is a rule for a column of that name."""
        return any(rule.column.name == column for rule in self.rules)


@dataclass(frozen=True)
class Redactor:
    """A policy, with the key that its hashes are made with."""

    policy: Policy = Policy()
    key: bytes = b""

    @property
    def is_active(self) -> bool:
        """Whether there is anything to redact."""
        return bool(self.policy.rules)

    def content_hash(self, value: Any) -> str:  # noqa: ANN401
        """A hash of a JSON value in any order of keys, keyed where there is something to hide."""
        return self.hashed(value) if self.is_active else content_hash(value)

    def hashed(self, value: Any) -> str:  # noqa: ANN401
        """A keyed hash of a text, or of any other JSON value."""
        try:
            text = value.encode() if isinstance(value, str) else _canonical.encode(value)
        except RecursionError as error:
            raise ContractBroken("A record is nested too deeply.") from error
        return hmac.new(self.key, text, sha256).hexdigest()

    def kept(self, rule: Rule, value: Any) -> Any:  # noqa: ANN401
        """What may be kept of a value."""
        if value is None or rule.how == "drop":
            return None
        if rule.how == "hash":
            return self.hashed(value)
        return (value if isinstance(value, str) else json_text(value))[: rule.length]

    def redact(self, kind: Kind, record: Record) -> None:
        """Change a record, in place, into what may be kept of it."""
        for rule in self.policy.rules:
            if rule.table in kind.tables:
                self._apply(rule, kind, record)

    def redacted(self, table: Table, names: Names) -> Names:
        """What may be kept of names that belong into a table."""
        rules = {rule.column.name: rule for rule in self.policy.rules if rule.table is table}
        if not rules:
            return names
        return {
            key: {
                column: self.kept(rules[column], text) if column in rules else text
                for column, text in told.items()
            }
            for key, told in names.items()
        }

    def _apply(self, rule: Rule, kind: Kind, record: Record) -> None:
        table, keys = rule.table, rule.column.paths
        if rule.column.name == "extra":
            _forget_unknown(table, kind, record)
        elif not table.lists:
            for path in keys:
                parent, _, key = kind.place(path).rpartition(".")
                self._change(rule, _object(record, parent), key)
        elif table.holds_objects:
            for element in _elements(table, kind, record):
                for key in keys:
                    self._change(rule, element, key)
        else:
            self._change_texts(rule, kind, record)

    def _change(self, rule: Rule, found: Record | None, key: str) -> None:
        if found is None or key not in found:
            return
        if rule.how == "drop":
            del found[key]
        else:
            found[key] = self.kept(rule, found[key])

    def _change_texts(self, rule: Rule, kind: Kind, record: Record) -> None:
        """A list of plain texts: dropped whole, or text by text."""
        for _, path in rule.table.lists:
            parent, _, key = kind.place(path).rpartition(".")
            found = _object(record, parent)
            if found is None or found.get(key) is None:
                continue
            if rule.how == "drop":
                del found[key]
            elif isinstance(found[key], list):
                found[key] = [self.kept(rule, text) for text in found[key]]
            else:
                found[key] = MARK


def made_key(path: Path) -> bytes:
    """The key beside the work file, made if there is none."""
    if not path.exists():
        new = path.with_name(f"{path.name}.new")
        new.touch(mode=0o600)
        new.write_text(secrets.token_hex(32))
        new.rename(path)
    return bytes.fromhex(path.read_text())


def _parsed(text: str) -> Iterator[Rule]:
    name, _, rest = text.partition("=")
    how, _, length = rest.partition(":")
    table_name, _, column_name = name.strip().rpartition(".")
    named = [
        (table, column)
        for table in FILLED
        if table_name in ("", table.name)
        for column in table.columns
        if column.name == column_name
    ]
    # an id that names are told by; of sessions it can be redacted
    found = [
        (table, column) for table, column in named if table.owner or column_name not in table.key
    ]
    if not named:
        raise Misuse(f"--redact {text}: the API fills no column {name}.")
    if column_name in NEEDED or not found:
        raise Misuse(f"--redact {text}: the loader needs {column_name} as it is.")
    if how not in ("drop", "hash", "truncate") or (how == "truncate") != length.isdecimal():
        raise Misuse(f"--redact {text}: write {name}=drop, {name}=hash or {name}=truncate:40.")
    if column_name == "pr_url" and how != "hash":
        raise Misuse(f"--redact {text}: pull requests are told apart by it; it can be hashed.")
    for table, column in found:
        if how != "drop" and (column.type is not Type.TEXT or column.name == "extra"):
            raise Misuse(f"--redact {text}: only text can be kept in part; {name} can be dropped.")
        yield Rule(table, column, how, int(length or 0))


def _object(record: Record, path: str) -> Record | None:
    """The object at a path; what stands on the way to it and is none is marked and forgotten."""
    found = record
    for key in filter(None, path.split(".")):
        inner = found.get(key)
        if inner is not None and not isinstance(inner, dict):
            found[key] = MARK
        if not isinstance(inner, dict):
            return None
        found = inner
    return found


def _elements(table: Table, kind: Kind, record: Record) -> Iterator[Record]:
    """The elements of a table's lists; what is no object is marked and forgotten."""
    for _, path in table.lists:
        parent, _, key = kind.place(path).rpartition(".")
        found = _object(record, parent)
        if found is None or found.get(key) is None:
            continue
        listed = found[key]
        if not isinstance(listed, list):
            found[key] = MARK
            continue
        for place, element in enumerate(listed):
            if isinstance(element, dict):
                yield element
            else:
                listed[place] = MARK


def _forget_unknown(table: Table, kind: Kind, record: Record) -> None:
    """Leave of the objects that a table's `extra` is about only what the contract knows."""
    if table.lists:
        keys = {path for column in table.columns for path in column.paths}
        for element in _elements(table, kind, record):
            _leave(element, keys)
        return
    for path, known in _known_by_place(table, kind).items():
        found = _object(record, path)
        if found is not None:
            _leave(found, known)


def _leave(found: Record, known: Set[str]) -> None:
    for key in found.keys() - known:
        del found[key]


@cache
def _known_by_place(table: Table, kind: Kind) -> dict[str, frozenset[str]]:
    """The keys known in each object that a table's `extra` is about, by its place in the record."""
    owner = table.owner or kind.owners[0]
    known = {kind.place(path): keys for path, keys in known_keys(owner, kind).items() if path}
    roots = [known_keys(each, kind)[""] for each in kind.owners]
    if owner is kind.owners[0]:
        whole = frozenset(kind.place(key) for keys in roots for key in keys)
        known[""] = whole | kind.foreign
    return known
