"""What a feed tells becomes packages; each is committed with its history and its watermark.

Whatever ends a run, what is committed stays, and the next run goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import duckdb

from devin_warehouse import bookkeeping, ledger
from devin_warehouse.api import v2
from devin_warehouse.events import (
    Event,
    Failed,
    FilterWasIgnored,
    Missing,
    Proven,
    Rechecked,
    Records,
    Reread,
)
from devin_warehouse.explode import json_text
from devin_warehouse.feed import Feed
from devin_warehouse.history import record_states
from devin_warehouse.intake import Counts, Intake
from devin_warehouse.layout import Layout
from devin_warehouse.merge import Merger
from devin_warehouse.payloads import Kind
from devin_warehouse.process import Stop
from devin_warehouse.tables import Owner
from devin_warehouse.windows import Frontier
from devin_warehouse.work_file import transaction

PACKAGE_SESSIONS = 25_000
PACKAGE_SECONDS = 60

TOUCHED = """
SELECT session_id FROM (
    SELECT session_id FROM touched {landed}
) ANTI JOIN bookkeeping.insights_owed USING (session_id)
"""
ALSO_LANDED = "UNION SELECT session_id FROM landing.content_hashes"
HEALED = """
DELETE FROM devin.rejected_records
WHERE endpoint IN ? AND session_id IN (
    SELECT session_id FROM met WHERE payload = ? AND NOT is_rejected
)
"""
SEEN_AGAIN = """
DELETE FROM devin.deleted_sessions WHERE session_id IN (SELECT session_id FROM met)
"""


class Phase(StrEnum):
    """What a run is at."""

    SESSIONS = "sessions"
    INSIGHTS = "insights"
    PUBLISHING = "publishing"


@dataclass(frozen=True)
class Progress:
    """How far a run is: in its phase so many done, of how many expected (None: not known).

    Phases are reading sessions, reading insights (v3), and publishing, of which nothing is counted.
    """

    phase: Phase
    done: int
    expected: int | None
    packages: int
    retries: int
    counts: Counts


class Packages:
    """Takes a run's events, and commits what they bring in packages."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        layout: Layout,
        run: ledger.Run,
        feed: Feed,
        stop: Stop,
        report: Callable[[Progress], None],
    ) -> None:
        self.intake = Intake(connection)
        self.frontier = Frontier(None)
        self.expected: int | None = None
        self.phase = Phase.SESSIONS
        self.windows = 0
        self.reread = 0
        self.has_ignored_filter = False
        self.missing: list[str] = []
        self.failed: dict[str, str] = {}
        self.watermark: datetime | None = None
        self._connection = connection
        self._layout = layout
        self._run = run
        self._feed = feed
        self._stop = stop
        self._report = report
        self._merger: Merger | None = None
        self._started = time.monotonic()
        self._committed = 0
        self._insights = 0
        self._rechecked: list[str] = []

    def take(self, events: Iterable[Event]) -> None:
        """Take what a feed tells, to its end; commits whenever a package is full."""
        for event in events:
            self._take(event)
        self._sort_out()

    def _take(self, event: Event) -> None:
        self._note(event)
        if self.intake.is_full:
            self._sort_out()
        age = time.monotonic() - self._started
        if self.intake.package.sessions >= PACKAGE_SESSIONS or age >= PACKAGE_SECONDS:
            self.commit()
        if self._stop.signal is not None:
            self.commit()
            self._stop.check()

    def commit(self) -> None:
        """Commit everything taken so far, and the watermark that it has reached."""
        reached = self.frontier.reached
        self._sort_out()
        self._commit_package(reached)

    def _note(self, event: Event) -> None:
        match event:
            case Records(kind, endpoint, records):
                self.intake.take(kind, endpoint, records)
                self._insights += len(records) * (self.phase is Phase.INSIGHTS)
            case Proven(window):
                self.windows += 1
                self.frontier.prove(window)
            case Reread():
                self.reread += 1
            case FilterWasIgnored():
                self.has_ignored_filter = True
            case Missing(session_id):
                self.missing.append(session_id)
            case Failed(session_id, error):
                self.failed[session_id] = error
            case Rechecked(session_ids):
                self._rechecked += session_ids

    def _sort_out(self) -> None:
        if not self.intake.sort_out():
            self._commit_package()
            self.intake.sort_out()
        self.tell()

    def enter(self, phase: Phase, expected: int | None = None) -> None:
        """Go on to another phase, in which so much is expected."""
        self.phase, self.expected = phase, expected
        self.tell()

    def tell(self) -> None:
        """Report how far the run is."""
        counts, retries = self.intake.counts, self._feed.traffic.retries
        done = counts.read
        if self.phase is Phase.INSIGHTS:  # a page brings others beside those that are due
            done = min(self._insights, self.expected or 0)
        self._report(Progress(self.phase, done, self.expected, self._committed, retries, counts))

    def _commit_package(self, reached: datetime | None = None) -> None:
        package, observed_at = self.intake.package, self.intake.observed_at
        if package.parts:
            self._merger = self._merger or Merger(
                self._connection, self._layout, self._feed.kinds, self._run.scope
            )
            self._merger.land(package)
        with transaction(self._connection):
            is_changed = bool(
                package.parts and self._merger and self._merger.merge(package, observed_at)
            )
            is_changed |= self._settle(observed_at, has_landed=bool(package.kinds))
            if self._forget_healed() or is_changed:
                bookkeeping.note_change(self._connection)
            if package.parts and self._merger:
                self._merger.forget()
            self._note_progress(reached)
        self._committed += bool(package.parts)
        self._rechecked = []
        self.intake.start_package()
        self._started = time.monotonic()
        self.tell()

    def _settle(self, observed_at: datetime, *, has_landed: bool) -> bool:
        """Strike what is owed no more, and record the states that are complete by now.

        Whether history has grown.
        """
        settled: list[str] = []
        has_grown = False
        for kind in self._feed.kinds:
            if Owner.SESSION not in kind.owners:
                settled = bookkeeping.settle_insights(self._connection, kind)
        if settled or has_landed:
            with bookkeeping.given(self._connection, "touched", settled):
                complete = TOUCHED.format(landed=ALSO_LANDED if has_landed else "")
                has_grown = record_states(self._connection, complete, observed_at)
        if self._rechecked:
            bookkeeping.note_rechecks(self._connection, self._rechecked, observed_at)
        return has_grown

    def _forget_healed(self) -> bool:
        """Sessions that were read leave the lists of the unreadable and of the deleted."""
        bookkeeping.note_unpublished(
            self._connection,
            "SELECT session_id FROM devin.deleted_sessions SEMI JOIN met USING (session_id)",
        )
        left = 0
        for kind in self._feed.kinds:
            left += self._changed(HEALED, [list(_healed_by(kind)), kind.name])
        return bool(left + self._changed(SEEN_AGAIN, []))

    def _changed(self, statement: str, values: list[Any]) -> int:
        rows: list[tuple[int]] = self._connection.execute(statement, values).fetchall()
        return rows[0][0]

    def _note_progress(self, reached: datetime | None) -> None:
        if self._run.moves_watermark:
            self.watermark = max((w for w in (self.watermark, reached) if w), default=None)
        counts, traffic = self.intake.counts, self._feed.traffic
        values: dict[str, Any] = {
            "watermark_after": self.watermark,
            "sessions_read": counts.read,
            "sessions_new": counts.new,
            "sessions_changed": counts.changed,
            "sessions_unchanged": counts.unchanged,
            "sessions_rejected": counts.rejected,
            "windows": self.windows,
            "windows_reread": self.reread,
            "requests": traffic.requests,
            "retries": traffic.retries,
            "rate_limited": traffic.rate_limited,
            "bytes_received": traffic.bytes_received,
            "schema_drift": json_text(self.intake.drift) if self.intake.drift else None,
        }
        ledger.note(self._connection, self._run, values)


def _healed_by(kind: Kind) -> tuple[str, ...]:
    """The endpoints whose rejected records a readable one makes up for.

    A session that v3 tells readably makes up for its v2 record too.
    """
    if kind.version == "v3" and Owner.SESSION in kind.owners:
        return (*kind.endpoints, *v2.RECORD.endpoints)
    return kind.endpoints
