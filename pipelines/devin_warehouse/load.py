"""The main job: bring the warehouse up to date with the API, package by package, and publish.

A package's rows, their history and the watermark are committed together. Whatever ends a run, what
is committed stays, and the next run goes on from there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pendulum

from devin_warehouse import ledger
from devin_warehouse.api import v2
from devin_warehouse.errors import ApiError, Misuse
from devin_warehouse.explode import json_text
from devin_warehouse.feed import (
    Connection,
    Event,
    Feed,
    FilterWasIgnored,
    Proven,
    Records,
    Reread,
    open_feed,
)
from devin_warehouse.intake import Counts, Intake
from devin_warehouse.layout import Layout, write_json
from devin_warehouse.locks import one_writer
from devin_warehouse.merge import Merger
from devin_warehouse.process import Stop, files_for_their_owner, stop_signals
from devin_warehouse.publish import publish
from devin_warehouse.source import scope_of
from devin_warehouse.tables import BY_NAME, TABLES
from devin_warehouse.windows import SECOND, Frontier, Window
from devin_warehouse.work_file import database_errors, open_work_file, transaction

PACKAGE_SESSIONS = 10_000
PACKAGE_SECONDS = 60
RUNS_TOLD = 20

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Order:
    """What a load is asked to do."""

    layout: Layout
    connection: Connection
    overlap: timedelta = timedelta(hours=1)
    wait_seconds: float = 0
    initial_since: datetime | None = None


@dataclass(frozen=True)
class Progress:
    """How far a run is: distinct sessions read, of how many expected, and the package count."""

    counts: Counts
    expected: int | None
    packages: int
    retries: int


@dataclass
class Summary:
    """What a run did."""

    counts: Counts = field(default_factory=Counts)
    rows: dict[str, int] = field(default_factory=dict)
    watermarks: dict[str, str] = field(default_factory=dict)
    requests: int = 0
    retries: int = 0
    seconds: float = 0
    watermark_before: datetime | None = None
    watermark_after: datetime | None = None
    rejected_records: int = 0
    is_published: bool = False
    notices: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0, or 8 if there are records that could not be read."""
        return 8 if self.rejected_records else 0


def load(order: Order, report: Callable[[Progress], None] = lambda _: None) -> Summary:
    """Run the main job; `report` hears of each batch.

    Raises a WarehouseError's kind for everything that ends it early; the ledger says so too.
    """
    order.layout.make_folder()
    with (
        files_for_their_owner(),
        one_writer(order.layout, order.wait_seconds),
        database_errors(),
        open_work_file(order.layout) as connection,
        stop_signals() as stop,
    ):
        run = ledger.Run(scope_of(order.connection), v2.VERSION, "incremental")
        before = ledger.start(connection, run)
        try:
            with database_errors(), open_feed(order.connection, stop.check) as feed:
                return _Loading(order, connection, run, feed, stop, report).run(before)
        except BaseException as error:
            # on a full disk this fails too; then the next run says that this one was killed
            with suppress(duckdb.Error):
                ledger.fail(connection, run, error)
            raise
        finally:
            write_status(order.layout, connection)


def write_status(layout: Layout, connection: duckdb.DuckDBPyConnection) -> None:
    """Leave word beside the database of how the run ended; `status` reads it.

    A disk too full for that is no reason to hide how the run ended.
    """
    try:
        write_json(layout.status_file, _status(layout, connection))
    except (OSError, duckdb.Error) as error:
        log.warning("%s could not be written: %s", layout.status_file.name, error)


def _status(layout: Layout, connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    latest = connection.execute(
        "SELECT * FROM devin.load_runs ORDER BY started_at DESC LIMIT ?", [RUNS_TOLD]
    ).fetchall()
    names = [column.name for column in BY_NAME["load_runs"].columns]
    published_at = connection.execute(
        "SELECT published_at FROM bookkeeping.publication"
    ).fetchall()[0][0]
    return {
        "run": dict(zip(names, latest[0], strict=True)) if latest else None,
        "runs": [dict(zip(names, row, strict=True)) for row in latest],
        "watermarks": ledger.watermarks(connection),
        "published_at": published_at,
        "published_file": layout.target,
    }


class _Loading:
    """One run, from its first request to its publication."""

    def __init__(
        self,
        order: Order,
        connection: duckdb.DuckDBPyConnection,
        run: ledger.Run,
        feed: Feed,
        stop: Stop,
        report: Callable[[Progress], None],
    ) -> None:
        self._order = order
        self._connection = connection
        self._run = run
        self._feed = feed
        self._stop = stop
        self._report = report
        self._summary = Summary()
        self._intake = Intake(connection)
        self._summary.counts = self._intake.counts
        self._frontier = Frontier(None)
        self._merger: Merger | None = None
        self._package_started = run.started_at
        self._packages = 0
        self._windows = 0
        self._reread = 0
        self._expected: int | None = None

    def run(self, watermark: datetime | None) -> Summary:
        """Read from behind the watermark until now, commit, publish."""
        total, now = self._feed.survey()
        if not self._feed.has_server_time:
            self._notice("The API's answers bear no Date: this machine's clock was used.")
        until = now.replace(microsecond=0)
        if ledger.distrust(self._connection, self._run.scope, until + self._order.overlap):
            watermark = ledger.watermark(self._connection, self._run.scope)
            self._notice(f"The watermark lay in the future; {watermark or 'the start'} is taken.")
        self._summary.watermark_before = self._summary.watermark_after = watermark
        since = self._order.initial_since
        if since and since > until:
            raise Misuse(f"--initial-since {since:%Y-%m-%d %H:%M} lies in the future.")
        if watermark:
            since = min(watermark, until) - self._order.overlap
        self._frontier = Frontier(since)
        self._intake.observed_at = until
        self._expected = total if since is None else None
        ledger.note(self._connection, self._run, {"window_since": since})
        try:
            self._read_until(Window(since and min(since, until), until), total)
        except ApiError:
            # what has been read before the API failed need not be asked for again
            self._commit()
            raise
        self._finish()
        return self._summary

    def _read_until(self, window: Window, total: int | None) -> None:
        """Read the window; then, if that took a while, what has moved on in the meantime."""
        self._read(window)
        if self._windows > 1 or self._unknown_sessions(total):
            total, now = self._feed.survey()
            end = max(now.replace(microsecond=0), window.until + SECOND)
            self._read(Window(window.until, end))
        if missing := self._unknown_sessions(total):
            self._notice(
                f"The API has {missing:,} sessions more than the warehouse knows: they became "
                "visible late. Run once with a larger --overlap, as in `load --overlap 365d`."
            )

    def _read(self, window: Window) -> None:
        ledger.note(self._connection, self._run, {"window_until": window.until})
        for event in self._feed.windows(window, is_open_ended=True):
            self._handle(event)
        for event in self._feed.by_id(self._rejected_before()):
            self._handle(event)
        self._commit()

    def _handle(self, event: Event) -> None:
        match event:
            case Records(endpoint, records):
                self._intake.take(endpoint, records)
            case Proven(window):
                self._windows += 1
                self._frontier.prove(window)
            case Reread():
                self._reread += 1
            case FilterWasIgnored():
                self._notice(
                    "The API ignores the filters updated_date_from and updated_date_to: "
                    "the whole listing was read without them, and will be each run."
                )
        if self._intake.is_full:
            self._sort_out()
        age = (pendulum.now("UTC") - self._package_started).total_seconds()
        if self._intake.package.sessions >= PACKAGE_SESSIONS or age >= PACKAGE_SECONDS:
            self._commit()
        if self._stop.signal is not None:
            self._commit()
            self._stop.check()

    def _sort_out(self) -> None:
        if not self._intake.sort_out():
            self._commit_package()
            self._intake.sort_out()
        self._report(
            Progress(
                self._intake.counts, self._expected, self._packages, self._feed.traffic.retries
            )
        )

    def _commit(self) -> None:
        """Commit everything taken so far, and the watermark that it has reached."""
        reached = self._frontier.reached
        self._sort_out()
        self._commit_package(reached)

    def _commit_package(self, reached: datetime | None = None) -> None:
        package = self._intake.package
        if package.parts:
            self._merger = self._merger or Merger(self._connection, self._order.layout)
            self._merger.land(package)
        with transaction(self._connection):
            is_changed = bool(
                package.parts
                and self._merger
                and self._merger.merge(package, self._intake.observed_at)
            )
            if self._forget_healed() or is_changed:
                self._connection.execute(
                    "UPDATE bookkeeping.publication SET data_version = data_version + 1"
                )
            self._note_progress(reached)
        self._packages += bool(package.parts)
        self._intake.start_package()
        self._package_started = pendulum.now("UTC")

    def _forget_healed(self) -> bool:
        """Sessions that were read leave the lists of the unreadable and of the deleted."""
        left = 0
        for table in ("rejected_records", "deleted_sessions"):
            left += self._connection.execute(
                f"DELETE FROM devin.{table} WHERE session_id IN "
                "(SELECT session_id FROM met WHERE NOT is_rejected)"
            ).fetchall()[0][0]
        return bool(left)

    def _note_progress(self, reached: datetime | None) -> None:
        known = (self._summary.watermark_before, self._summary.watermark_after, reached)
        self._summary.watermark_after = max((w for w in known if w), default=None)
        counts, traffic = self._intake.counts, self._feed.traffic
        values: dict[str, Any] = {
            "watermark_after": self._summary.watermark_after,
            "sessions_read": counts.read,
            "sessions_new": counts.new,
            "sessions_changed": counts.changed,
            "sessions_unchanged": counts.unchanged,
            "sessions_rejected": counts.rejected,
            "windows": self._windows,
            "windows_reread": self._reread,
            "requests": traffic.requests,
            "retries": traffic.retries,
            "rate_limited": traffic.rate_limited,
            "bytes_received": traffic.bytes_received,
            "schema_drift": json_text(self._intake.drift) if self._intake.drift else None,
        }
        ledger.note(self._connection, self._run, values)

    def _rejected_before(self) -> list[str]:
        rows = self._connection.execute(
            "SELECT DISTINCT session_id FROM devin.rejected_records ORDER BY last_seen_at"
        ).fetchall()
        return self._intake.unmet([row[0] for row in rows])

    def _unknown_sessions(self, total: int | None) -> int:
        """How many sessions the API has that the warehouse does not know; 0 if it does not say."""
        if total is None or not ledger.has_full_history(self._connection, self._run.scope):
            return 0
        organizations = list(self._order.connection.filters.org_ids)
        known: int = self._connection.execute(
            "SELECT (SELECT count(*) FROM devin.sessions WHERE ? OR org_id IN ?) + "
            "(SELECT count(*) FROM devin.rejected_records "
            "ANTI JOIN devin.sessions USING (session_id))",
            [not organizations, organizations],
        ).fetchall()[0][0]
        return max(0, total - known)

    def _finish(self) -> None:
        summary, traffic = self._summary, self._feed.traffic
        if traffic.replaced_surrogates:
            self._notice(f"{traffic.replaced_surrogates:,} lone surrogates in texts became U+FFFD.")
        summary.rows = {table.name: self._count(table.name) for table in TABLES}
        summary.rejected_records = summary.rows["rejected_records"]
        ledger.finish(self._connection, self._run, summary.exit_code)
        summary.is_published = publish(self._connection, self._order.layout)
        summary.requests, summary.retries = traffic.requests, traffic.retries
        summary.watermarks = ledger.watermarks(self._connection)
        summary.seconds = (pendulum.now("UTC") - self._run.started_at).total_seconds()

    def _count(self, table: str) -> int:
        rows: list[tuple[int]] = self._connection.execute(
            f"SELECT count(*) FROM devin.{table}"
        ).fetchall()
        return rows[0][0]

    def _notice(self, text: str) -> None:
        log.warning(text)
        self._summary.notices.append(text)
        ledger.remark(self._connection, self._run, text)
