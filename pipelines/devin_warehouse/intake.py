"""Records in, packages out: what is new, what has changed, what can be left alone.

Within a run the newest `updated_at` of a session wins, at a tie the later answer; across runs the
later read wins. A record with the content that was merged last is left alone, so that reading the
same window twice changes nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa

from devin_warehouse.api import v2
from devin_warehouse.explode import content_hash, rejected_rows
from devin_warehouse.merge import REJECTED, Package, content_hash_rows
from devin_warehouse.source import explode_records
from devin_warehouse.tables import BY_NAME
from devin_warehouse.work_file import CONTENT_HASHES

BATCH_SESSIONS = 1_000
NEVER = datetime.min.replace(tzinfo=UTC)


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
    """What is known of a session: as merged last, and as met earlier in this run."""

    content_hash: str | None
    is_stored: bool
    met_at: datetime | None
    met_as: str | None


@dataclass
class _Record:
    endpoint: str
    value: dict[str, Any]
    updated_at: datetime


@dataclass
class Intake:
    """Takes a run's records; `package` holds what is to be committed next.

    `observed_at` is the server's time at which the run looks at the API.
    """

    connection: duckdb.DuckDBPyConnection
    observed_at: datetime = NEVER
    package: Package = field(default_factory=Package)
    counts: Counts = field(default_factory=Counts)
    drift: Counter[str] = field(default_factory=Counter)
    _buffer: dict[str, _Record] = field(default_factory=dict)
    _packed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.connection.execute(
            "CREATE OR REPLACE TEMP TABLE met "
            "(session_id VARCHAR, updated_at TIMESTAMP, met_as VARCHAR, is_rejected BOOLEAN)"
        )

    @property
    def is_full(self) -> bool:
        """Whether enough records wait to be sorted out."""
        return len(self._buffer) >= BATCH_SESSIONS

    def take(self, endpoint: str, records: list[dict[str, Any]]) -> None:
        """Keep records until they are sorted out; of one session the newest, at a tie the later."""
        for value in records:
            session_id = v2.session_id(value)
            record = _Record(endpoint, value, v2.updated_at(value) or NEVER)
            waiting = self._buffer.get(session_id)
            if waiting is None or waiting.updated_at <= record.updated_at:
                self._buffer[session_id] = record

    def sort_out(self) -> bool:
        """Put what is new or changed into the package.

        False if the package must be committed first, because it holds another version of a session.
        """
        hashes = {sid: content_hash(record.value) for sid, record in self._buffer.items()}
        known = self._known(hashes)
        news = {
            sid: record
            for sid, record in self._buffer.items()
            if self._is_news(record, hashes[sid], known[sid])
        }
        if not self._packed.isdisjoint(news):
            return False
        self._pack(news, hashes, known)
        self._buffer = {}
        return True

    def start_package(self) -> None:
        """Forget the committed package."""
        self.package = Package()
        self._packed = set()

    def unmet(self, session_ids: list[str]) -> list[str]:
        """Those of the given sessions that this run has not met yet."""
        met = {row[0] for row in self.connection.execute("SELECT session_id FROM met").fetchall()}
        return [session_id for session_id in session_ids if session_id not in met]

    def _known(self, hashes: dict[str, str]) -> dict[str, _Known]:
        asked = pa.table({"session_id": pa.array(hashes, pa.string())})
        self.connection.register("asked", asked)
        rows = self.connection.execute(
            "SELECT a.session_id, h.content_hash, s.session_id IS NOT NULL, m.updated_at, m.met_as "
            "FROM asked a LEFT JOIN bookkeeping.content_hashes h USING (session_id) "
            "LEFT JOIN devin.sessions s USING (session_id) LEFT JOIN met m USING (session_id)"
        ).fetchall()
        self.connection.unregister("asked")
        return {
            sid: _Known(merged, stored, met_at and met_at.replace(tzinfo=UTC), met_as)
            for sid, merged, stored, met_at, met_as in rows
        }

    def _is_news(self, record: _Record, content: str, known: _Known) -> bool:
        """Whether the record says something else than what is stored or was met in this run."""
        if known.met_at is not None and record.updated_at < known.met_at:
            return False
        return content != (known.met_as or known.content_hash)

    def _pack(
        self, news: dict[str, _Record], hashes: dict[str, str], known: dict[str, _Known]
    ) -> None:
        rejected = self._explode(news)
        for sid in self._buffer:
            if known[sid].met_as is None:
                self._count(sid in news, sid in rejected, known[sid])
        merged = [sid for sid in news if sid not in rejected]
        self._packed.update(news)
        self.package.sessions += len(merged)
        if merged:
            pairs = [(sid, hashes[sid]) for sid in merged]
            self.package.add(CONTENT_HASHES, content_hash_rows(v2.PAYLOAD, pairs))
        self._meet(news, hashes, known, rejected)

    def _explode(self, news: dict[str, _Record]) -> set[str]:
        """Add the rows of readable records to the package; returns the ids of the others."""
        refused: set[str] = set()
        for endpoint in sorted({record.endpoint for record in news.values()}):
            values = [record.value for record in news.values() if record.endpoint == endpoint]
            exploded = explode_records(values)
            for name, rows in exploded.tables.items():
                self.package.add(BY_NAME[name], rows)
            self.drift.update(exploded.drift)
            if exploded.rejected:
                rows = rejected_rows(
                    v2.PAYLOAD, endpoint, values, exploded.rejected, self.observed_at
                )
                self.package.add(REJECTED, rows)
                refused.update(rows["session_id"].to_pylist())
        return refused

    def _count(self, is_news: bool, is_rejected: bool, known: _Known) -> None:
        if is_rejected:
            self.counts.rejected += 1
        elif not is_news:
            self.counts.unchanged += 1
        elif known.is_stored:
            self.counts.changed += 1
        else:
            self.counts.new += 1

    def _meet(
        self,
        news: dict[str, _Record],
        hashes: dict[str, str],
        known: dict[str, _Known],
        rejected: set[str],
    ) -> None:
        """Note what this run has met, readable or not."""
        met = [s for s in self._buffer if s in news or known[s].met_as is None]
        rows = pa.table(
            {
                "session_id": pa.array(met, pa.string()),
                "updated_at": pa.array(
                    [self._buffer[s].updated_at for s in met], pa.timestamp("us")
                ),
                "met_as": pa.array([hashes[s] for s in met], pa.string()),
                "is_rejected": pa.array([s in rejected for s in met], pa.bool_()),
            }
        )
        self.connection.register("just_met", rows)
        self.connection.execute(
            "DELETE FROM met WHERE session_id IN (SELECT session_id FROM just_met)"
        )
        self.connection.execute("INSERT INTO met SELECT * FROM just_met")
        self.connection.unregister("just_met")
