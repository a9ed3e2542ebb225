"""Records in, packages out: what is new, what has changed, what can be left alone.

Within a run the newest `updated_at` of a record wins, at a tie the later answer; across runs the
later read wins. A record with the content that was merged last is left alone, so that reading the
same window twice changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa

from devin_warehouse.bookkeeping import CONTENT_HASHES, content_hash_rows, given
from devin_warehouse.explode import explode, rejected_rows
from devin_warehouse.merge import REJECTED, Package
from devin_warehouse.payloads import Kind, Record, session_id
from devin_warehouse.redaction import Redactor
from devin_warehouse.tables import BY_NAME, Owner

BATCH_SESSIONS = 1_000
NEVER = datetime.min.replace(tzinfo=UTC)
MET = pa.schema(
    [
        ("payload", pa.string()),
        ("session_id", pa.string()),
        ("updated_at", pa.timestamp("us")),
        ("met_as", pa.string()),
        ("is_rejected", pa.bool_()),
        ("outcome", pa.string()),
    ]
)
KNOWN = """
SELECT
    a.session_id, h.content_hash, s.session_id IS NOT NULL, m.updated_at, m.met_as,
    (SELECT any_value(outcome) FROM met WHERE met.session_id = a.session_id)
FROM asked AS a
LEFT JOIN bookkeeping.content_hashes AS h ON h.session_id = a.session_id AND h.payload = $payload
LEFT JOIN devin.sessions AS s ON s.session_id = a.session_id
LEFT JOIN met AS m ON m.session_id = a.session_id AND m.payload = $payload
"""


@dataclass
class Counts:
    """Distinct sessions of a run, by what became of them."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: int = 0

    @property
    def read(self) -> int:
        """All of them."""
        return self.new + self.changed + self.unchanged + self.rejected


@dataclass(frozen=True)
class _Known:
    """What is known of a record: as merged last, and as met earlier in this run.

    `outcome` is what its session, by any kind of record, has been counted as.
    """

    content_hash: str | None
    is_stored: bool
    met_at: datetime | None
    met_as: str | None
    outcome: str | None

    @property
    def is_a_session(self) -> bool:
        """Whether its session is in the warehouse, or about to be."""
        return self.is_stored or self.outcome in ("new", "changed", "unchanged")


@dataclass
class _Record:
    endpoint: str
    value: Record
    updated_at: datetime


@dataclass
class Intake:
    """Takes a run's records; `package` holds what is to be committed next.

    `observed_at` is the server's time at which the run looks at the API.
    """

    connection: duckdb.DuckDBPyConnection
    observed_at: datetime = NEVER
    package: Package = field(default_factory=Package)
    redactor: Redactor = field(default_factory=Redactor)
    counts: Counts = field(default_factory=Counts)
    drift: Counter[str] = field(default_factory=Counter)
    _buffers: dict[Kind, dict[str, _Record]] = field(default_factory=dict)
    _packed: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.connection.register("no_met", pa.table(MET.empty_table()))
        self.connection.execute("CREATE OR REPLACE TEMP TABLE met AS FROM no_met")
        self.connection.unregister("no_met")

    @property
    def is_full(self) -> bool:
        """Whether enough records wait to be sorted out."""
        return sum(map(len, self._buffers.values())) >= BATCH_SESSIONS

    def take(self, kind: Kind, endpoint: str, records: Sequence[Record]) -> None:
        """Keep records until they are sorted out; of one session the newest, at a tie the later."""
        buffer = self._buffers.setdefault(kind, {})
        for value in records:
            sid = session_id(value)
            record = _Record(endpoint, value, kind.updated_at(value) or NEVER)
            waiting = buffer.get(sid)
            if waiting is None or waiting.updated_at <= record.updated_at:
                buffer[sid] = record

    def sort_out(self) -> bool:
        """Put what is new or changed into the package.

        False if the package must be committed first, because it holds another version of a record.
        """
        for kind, buffer in self._buffers.items():
            if not buffer:
                continue
            hashes = {
                sid: self.redactor.content_hash(kind.content(record.value))
                for sid, record in buffer.items()
            }
            known = self._known(kind, list(buffer))
            if Owner.SESSION not in kind.owners:
                # of a session that came up since the sessions were read: the next run's
                buffer = {sid: r for sid, r in buffer.items() if known[sid].is_a_session}  # noqa: PLW2901
            batch = _Batch(kind, buffer, hashes, known)
            if not self._packed.isdisjoint((kind.name, sid) for sid in batch.news):
                return False
            self._pack(batch)
            self._buffers[kind] = {}
        return True

    def start_package(self) -> None:
        """Forget the committed package."""
        self.package.clear()
        self.package = Package()
        self._packed = set()

    def unmet(self, kind: Kind, session_ids: Sequence[str]) -> list[str]:
        """Those of the given sessions that this run has not met yet in records of a kind."""
        rows = self.connection.execute("SELECT session_id FROM met WHERE payload = ?", [kind.name])
        met = {row[0] for row in rows.fetchall()}
        return [sid for sid in session_ids if sid not in met]

    def _known(self, kind: Kind, session_ids: list[str]) -> dict[str, _Known]:
        with given(self.connection, "asked", session_ids):
            rows = self.connection.execute(KNOWN, {"payload": kind.name}).fetchall()
        return {
            sid: _Known(merged, stored, met_at and met_at.replace(tzinfo=UTC), met_as, outcome)
            for sid, merged, stored, met_at, met_as, outcome in rows
        }

    def _pack(self, batch: _Batch) -> None:
        rejected = self._explode(batch.kind, batch.news)
        outcomes = {sid: batch.outcome(sid, is_rejected=sid in rejected) for sid in batch.records}
        for sid, outcome in outcomes.items():
            self._count(batch.known[sid].outcome, outcome)
        merged = [(sid, batch.hashes[sid]) for sid in batch.news if sid not in rejected]
        self._packed.update((batch.kind.name, sid) for sid in batch.news)
        self.package.sessions += len(merged)
        if merged:
            self.package.kinds.add(batch.kind.name)
            self.package.add(CONTENT_HASHES, content_hash_rows(batch.kind, merged))
        self._meet(batch, outcomes, rejected)

    def _explode(self, kind: Kind, news: dict[str, _Record]) -> set[str]:
        """Add the rows of readable records to the package; returns the ids of the others."""
        refused: set[str] = set()
        for endpoint in sorted({record.endpoint for record in news.values()}):
            values = [record.value for record in news.values() if record.endpoint == endpoint]
            hashes = self._redact(kind, values)
            exploded = explode(values, kind)
            for name, rows in exploded.tables.items():
                if name == "insights" and self.redactor.is_active:
                    rows = _with_hashes(rows, hashes)  # noqa: PLW2901
                self.package.add(BY_NAME[name], rows)
            self.drift.update(exploded.drift)
            if exploded.rejected:
                rows = rejected_rows(kind, endpoint, values, exploded.rejected, self.observed_at)
                self.package.add(REJECTED, rows)
                refused.update(rows["session_id"].to_pylist())
        return refused

    def _redact(self, kind: Kind, records: Sequence[Record]) -> dict[str, str | None]:
        """Redact records in place; returns the hash that each one's analysis had before, by id."""
        hashes: dict[str, str | None] = {}
        if not self.redactor.is_active:
            return hashes
        for record in records:
            if Owner.INSIGHTS in kind.owners:
                analysis = kind.cut(record)[Owner.INSIGHTS].get("analysis")
                told = None if analysis is None else self.redactor.hashed(analysis)
                hashes[session_id(record)] = told
            self.redactor.redact(kind, record)
        return hashes

    def _count(self, before: str | None, outcome: str) -> None:
        """Count a session once, as the more telling of what its kinds of record say."""
        for name, step in ((before, -1), (outcome, 1)):
            if name:
                setattr(self.counts, name, getattr(self.counts, name) + step)

    def _meet(self, batch: _Batch, outcomes: dict[str, str], rejected: set[str]) -> None:
        """Note what this run has met, readable or not."""
        news = batch.news
        met = [s for s in batch.records if s in news or batch.known[s].met_as is None]
        columns: list[list[Any]] = [
            [batch.kind.name] * len(met),
            met,
            [batch.records[s].updated_at.replace(tzinfo=None) for s in met],
            [batch.hashes[s] for s in met],
            [s in rejected for s in met],
            [outcomes[s] for s in met],
        ]
        self.connection.register("just_met", pa.table(columns, schema=MET))
        if any(batch.known[s].met_as is not None for s in met):
            self.connection.execute(
                "DELETE FROM met WHERE (payload, session_id) IN "
                "(SELECT payload, session_id FROM just_met)"
            )
        self.connection.execute("INSERT INTO met SELECT * FROM just_met")
        if any(batch.known[s].outcome is not None for s in met):
            self.connection.execute(
                "UPDATE met SET outcome = new.outcome FROM just_met AS new "
                "WHERE met.session_id = new.session_id AND met.outcome <> new.outcome"
            )
        self.connection.unregister("just_met")


def _with_hashes(rows: pa.Table, hashes: Mapping[str, str | None]) -> pa.Table:
    """The rows of table insights with other hashes of their analyses."""
    told = [hashes[sid] for sid in rows["session_id"].to_pylist()]
    place = rows.schema.get_field_index("analysis_hash")
    return rows.set_column(place, rows.schema.field(place), pa.array(told, pa.string()))


@dataclass
class _Batch:
    """Records of a kind that wait, with what is known of each."""

    kind: Kind
    records: dict[str, _Record]
    hashes: dict[str, str]
    known: dict[str, _Known]
    news: dict[str, _Record] = field(init=False)

    def __post_init__(self) -> None:
        self.news = {sid: r for sid, r in self.records.items() if self._is_news(sid, r)}

    def _is_news(self, sid: str, record: _Record) -> bool:
        """Whether the record says something else than what is stored or was met in this run."""
        known = self.known[sid]
        if known.met_at is not None and record.updated_at < known.met_at:
            return False
        return self.hashes[sid] != (known.met_as or known.content_hash)

    def outcome(self, sid: str, *, is_rejected: bool) -> str:
        """What the session counts as, given what it has been counted as before."""
        known = self.known[sid]
        if known.met_as is not None:
            return known.outcome or "unchanged"
        if is_rejected or known.outcome == "rejected":
            return "rejected"
        if known.outcome == "new" or not known.is_stored:
            return "new"
        return "changed" if sid in self.news or known.outcome == "changed" else "unchanged"
