"""The main job: bring the warehouse up to date with the API, and publish.

A run reads its window of sessions, then (v3) the insights that these and earlier runs owe, then
asks again for unsettled sessions, after a full refresh for those that did not appear, and once a
day for names.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import duckdb
import pendulum

from devin_warehouse import bookkeeping, ledger, names
from devin_warehouse.errors import ApiError, KeyRefused, Misuse, NotAccepted, Refused
from devin_warehouse.events import Due, Event
from devin_warehouse.feed import Feed, open_feed
from devin_warehouse.history import record_states
from devin_warehouse.locks import one_writer
from devin_warehouse.lookup import IDS_A_REQUEST
from devin_warehouse.packages import PACKAGE_SESSIONS, Packages, Phase, Progress
from devin_warehouse.plan import Order
from devin_warehouse.process import Stop, files_for_their_owner, stop_signals
from devin_warehouse.publish import Publication, publish
from devin_warehouse.redacted import STORED, bring_under, is_unpublished, note_policy, policy_of
from devin_warehouse.redaction import Redactor, made_key
from devin_warehouse.status import write_status
from devin_warehouse.summary import Summary
from devin_warehouse.tables import TABLES, bare_id
from devin_warehouse.windows import SECOND, Frontier, Window
from devin_warehouse.work_file import compact, database_errors, open_work_file, transaction

MOST_DELETED = 0.1
LONG_AGO = datetime(1970, 1, 2, tzinfo=UTC)

if TYPE_CHECKING:
    from devin_warehouse.destination import Destination

log = logging.getLogger(__name__)


def load(order: Order, report: Callable[[Progress], None] = lambda _: None) -> Summary:
    """Run the main job; `report` hears of each batch.

    Raises a WarehouseError's kind for everything that ends it early; the ledger says so too.
    """
    order.layout.make_folder()
    with (
        files_for_their_owner(),
        one_writer(order.layout, order.wait_seconds),
        database_errors(),
    ):
        if order.destination:
            _prepare(order, order.destination)
        redactor = _redactor(order)
        with (
            open_work_file(order.layout, order.wait_seconds) as connection,
            stop_signals() as stop,
        ):
            return _recorded(order, connection, redactor, stop, report)


def _prepare(order: Order, destination: Destination) -> None:
    from devin_warehouse.deliver import prepare  # noqa: PLC0415 it imports dlt

    scope, organizations = order.connection.scope, order.connection.filters.org_ids
    with open_work_file(order.layout, order.wait_seconds) as connection:
        prepare(connection, destination, order.layout, scope, organizations)


def _redactor(order: Order) -> Redactor:
    """The order's redactor, once what is stored is as its policy wants it.

    Raises Misuse if the policy has changed and the order does not read everything.
    """
    layout, policy = order.layout, order.policy
    if not policy.rules and not layout.redaction_key_file.exists():
        return Redactor()
    redactor = Redactor(policy, made_key(layout.redaction_key_file))
    with open_work_file(layout, order.wait_seconds) as connection:
        if not order.moves_watermark and policy_of(connection, STORED) != str(policy):
            raise Misuse("The redaction policy has changed: run `load` alone first, to apply it.")
        ledger.check_version(connection, order.connection.scope)
        with transaction(connection):
            is_rewritten = bring_under(connection, redactor)
        is_unfinished = is_unpublished(connection)
    if is_rewritten or is_unfinished:
        compact(layout)
        shutil.rmtree(layout.dlt_folder, ignore_errors=True)
    return redactor


def _recorded(
    order: Order,
    connection: duckdb.DuckDBPyConnection,
    redactor: Redactor,
    stop: Stop,
    report: Callable[[Progress], None],
) -> Summary:
    """Do the run, with its row in the ledger from before its first request to its end."""
    scope = order.connection.scope
    ledger.check_version(connection, scope)
    run = ledger.Run(scope, order.connection.version, order.mode)
    before = ledger.start(connection, run)
    try:
        with database_errors(), open_feed(order.connection, stop.check) as feed:
            packages = Packages(connection, order.layout, run, feed, stop, report)
            packages.intake.redactor = redactor
            return _Loading(order, connection, run, feed, packages).run(before)
    except BaseException as error:
        # on a full disk this fails too; then the next run says that this one was killed
        with suppress(duckdb.Error):
            ledger.fail(connection, run, error)
        raise
    finally:
        write_status(order.layout, connection)


class _Loading:
    """One run, from its first request to its publication."""

    def __init__(
        self,
        order: Order,
        connection: duckdb.DuckDBPyConnection,
        run: ledger.Run,
        feed: Feed,
        packages: Packages,
    ) -> None:
        self._order = order
        self._connection = connection
        self._run = run
        self._feed = feed
        self._packages = packages
        self._summary = Summary(counts=packages.intake.counts)
        self._filters = order.connection.filters
        self._window = Window(None, LONG_AGO)

    def run(self, watermark: datetime | None) -> Summary:
        """Read, commit, publish."""
        total, now = self._survey()
        self._begin(watermark, total, now.replace(microsecond=0))
        try:
            self._read_sessions(total)
            self._read_more()
            if self._order.is_full:
                self._find_deleted()
        except ApiError:
            # what has been read before the API failed need not be asked for again
            self._packages.commit()
            raise
        self._packages.commit()
        if self._order.moves_watermark:
            self._renew_names()
        self._finish()
        return self._summary

    def _survey(self) -> tuple[int | None, datetime]:
        try:
            return self._feed.survey()
        except NotAccepted as error:
            if self._filters.is_narrowed:
                raise Misuse(f"The API does not take a filter of this load: {error}") from error
            raise

    def _begin(self, watermark: datetime | None, total: int | None, now: datetime) -> None:
        if not self._feed.has_server_time:
            self._notice("The API's answers bear no Date: this machine's clock was used.")
        if ledger.distrust(self._connection, self._run.scope, now + self._order.overlap):
            watermark = ledger.watermark(self._connection, self._run.scope)
            self._notice(f"The watermark lay in the future; {watermark or 'the start'} is taken.")
        self._summary.watermark_before = self._packages.watermark = watermark
        if watermark and policy_of(self._connection, self._run.scope) != str(self._order.policy):
            self._notice("The redaction policy has changed: everything is read again.")
            watermark = None
        self._window = self._order.window(watermark, now)
        self._packages.intake.observed_at = now
        self._packages.expected = None if self._window.since else total
        # a full refresh proves from the beginning on, whatever was proven before
        self._packages.frontier = Frontier(self._window.since)
        ledger.note(self._connection, self._run, {"window_since": self._window.since})

    def _read_sessions(self, total: int | None) -> None:
        """Read the window; then, if that took a while, what has moved on in the meantime."""
        if self._filters.session_ids:
            self._read_named()
            return
        is_open = self._order.is_open_ended(self._window)
        self._read(self._window, is_open_ended=is_open)
        if not self._order.moves_watermark:
            return
        if self._packages.windows > 1 or self._unknown_sessions(total):
            total, now = self._feed.survey()
            end = max(now.replace(microsecond=0), self._window.until + SECOND)
            self._read(Window(self._window.until, end), is_open_ended=True)
        if missing := self._unknown_sessions(total):
            self._notice(
                f"The API has {missing:,} sessions more than the warehouse knows: they became "
                "visible late. `load --full-refresh` reads everything again."
            )

    def _read(self, window: Window, *, is_open_ended: bool) -> None:
        ledger.note(self._connection, self._run, {"window_until": window.until})
        self._packages.take(self._feed.windows(window, is_open_ended=is_open_ended))
        if self._packages.has_ignored_filter:
            self._packages.has_ignored_filter = False
            self._notice(
                "The API ignores the filter by updated_at: the whole listing was read without it, "
                "and will be each run."
            )

    def _read_named(self) -> None:
        """Sessions that were asked for by their ids."""
        wanted = [bare_id(sid) for sid in self._filters.session_ids]
        self._ask_by_list(wanted)
        session = self._feed.kinds[0]
        if self._tells_sessions_by_id:
            self._packages.take(self._feed.by_id(self._packages.intake.unmet(session, wanted)))
        if unmet := self._packages.intake.unmet(session, wanted):
            some = ", ".join([*unmet[:3], *(["..."] if unmet[3:] else [])])
            self._notice(f"{len(unmet):,} of the sessions asked for did not come: {some}")

    def _ask_by_list(self, session_ids: list[str]) -> None:
        sessions = [Due(sid, LONG_AGO) for sid in session_ids]
        requests = 2 * len(session_ids)
        self._packages.take(self._feed.recheck(sessions, requests, with_insights=False))

    def _read_more(self) -> None:
        """What the windows do not bring: the unreadable, the unsettled, and v3's insights."""
        try:
            self._read_rejected()
            self._recheck()
            if self._order.with_insights and len(self._feed.kinds) > 1:
                self._read_insights()
        except KeyRefused as error:
            if len(self._feed.kinds) > 1:
                raise KeyRefused(f"{error} `--no-insights` loads the sessions alone.") from error
            raise

    def _read_rejected(self) -> None:
        """Ask again for records that could not be read, unless this run has met them."""
        for kind in self._feed.kinds:
            rows = self._connection.execute(
                "SELECT DISTINCT session_id FROM devin.rejected_records "
                "ANTI JOIN devin.deleted_sessions USING (session_id) WHERE endpoint IN ?",
                [list(kind.endpoints)],
            ).fetchall()
            unmet = self._packages.intake.unmet(kind, sorted(row[0] for row in rows))
            if not unmet:
                continue
            if kind is not self._feed.by_id_kind:
                self._ask_by_list(unmet)
            elif self._order.with_insights:
                self._packages.take(self._feed.by_id(unmet))

    def _recheck(self) -> None:
        """Ask again for sessions that can change without their `updated_at` moving."""
        requests = self._order.recheck_requests
        if self._order.mode != "incremental" or not requests:
            return
        with_insights = self._order.with_insights
        sessions = bookkeeping.unsettled(
            self._connection,
            self._filters,
            self._packages.intake.observed_at,
            self._feed.kinds[-1 if with_insights else 0],
            requests * IDS_A_REQUEST,
        )
        self._packages.take(self._feed.recheck(sessions, requests, with_insights=with_insights))
        if self._tells_sessions_by_id:
            self._delete(self._packages.missing)
        self._packages.missing = []

    def _read_insights(self) -> None:
        """What is owed; and, unless only news are read, the insights of every session read."""
        due = bookkeeping.due_insights(
            self._connection,
            self._feed.kinds,
            (self._run.scope if self._order.moves_watermark else "", self._filters),
            with_all_met=self._run.mode != "incremental",
        )
        self._packages.failed = {}
        if due:
            self._packages.enter(Phase.INSIGHTS, len(due))
        self._packages.take(self._feed.insights(due))
        self._forgive(self._packages.missing)
        self._packages.missing = []
        failed = self._packages.failed
        self._summary.insights_failed = len(failed)
        if failed:
            session_id, said = next(iter(failed.items()))
            self._notice(
                f"The insights of {len(failed):,} sessions could not be read and are asked for "
                f"again by the next run; of {session_id}: {said}"
            )

    def _forgive(self, session_ids: list[str]) -> None:
        """A session of the list whose insights answer 404 has none; the re-check asks again."""
        if not session_ids:
            return
        self._packages.commit()
        with (
            transaction(self._connection),
            bookkeeping.given(self._connection, "without", session_ids),
        ):
            bookkeeping.owes_nothing(self._connection, session_ids)
            without = "SELECT session_id FROM without"
            self._record(without)

    def _record_owing(self) -> None:
        """Sessions whose insights nobody waits for are recorded as they are, some at a time."""
        owing = "SELECT session_id FROM bookkeeping.insights_owed"
        count = self._connection.execute(f"SELECT count(*) FROM ({owing})").fetchall()[0][0]
        slices = 1 + count // PACKAGE_SESSIONS
        for number in range(slices):
            with transaction(self._connection):
                self._record(f"{owing} WHERE hash(session_id) % {slices} = {number}")

    def _record(self, sessions: str) -> None:
        """Add the states of sessions, selected by `sessions`, to history, and note if that grew."""
        if record_states(self._connection, sessions, self._packages.intake.observed_at):
            bookkeeping.note_change(self._connection)

    @property
    def _tells_sessions_by_id(self) -> bool:
        """Whether asking by id tells all of a session; otherwise only its insights."""
        return self._feed.by_id_kind is self._feed.kinds[0]

    def _find_deleted(self) -> None:
        """Mark sessions that did not appear, and that the API does not know by id either (404)."""
        self._packages.commit()
        self._packages.missing, self._packages.failed = [], {}
        absent = bookkeeping.absent(self._connection, self._filters, self._window.since)
        try:
            self._packages.take(self._unless_too_many(self._feed.by_id(absent), len(absent)))
        except KeyRefused as error:
            self._notice(f"Deletions could not be confirmed: {error}")
            return
        self._packages.commit()
        self._delete(self._packages.missing)
        if failed := len(self._packages.failed):
            self._notice(f"Whether {failed:,} sessions were deleted could not be found out.")

    def _unless_too_many(self, events: Iterable[Event], absent: int) -> Iterator[Event]:
        """The events; raises Refused once more sessions are missing than `--yes` is needed for."""
        listed = self._summary.counts.read
        known = absent + listed
        limit = known if self._order.is_confirmed else MOST_DELETED * known
        for event in events:
            yield event
            if len(self._packages.missing) > limit:
                raise Refused(
                    f"Of {known:,} sessions the API lists {listed:,}, and of the others more than "
                    f"{MOST_DELETED:.0%} of all are unknown to it by id (404). Nothing was marked "
                    "as deleted; `--yes` marks them."
                )

    def _delete(self, session_ids: list[str]) -> None:
        if not session_ids:
            return
        now = ledger.naive(self._packages.intake.observed_at)
        with (
            transaction(self._connection),
            bookkeeping.given(self._connection, "gone", session_ids),
        ):
            self._connection.execute(
                "INSERT INTO devin.deleted_sessions SELECT DISTINCT session_id, ? FROM gone "
                "ANTI JOIN devin.deleted_sessions USING (session_id)",
                [now],
            )
            bookkeeping.owes_nothing(self._connection, session_ids)
            bookkeeping.note_unpublished(self._connection, "SELECT session_id FROM gone")
            bookkeeping.note_change(self._connection)
        self._summary.sessions_deleted += len(session_ids)

    def _unknown_sessions(self, total: int | None) -> int:
        """How many sessions the API has that the warehouse does not know; 0 if it does not say."""
        if total is None or not ledger.has_full_history(self._connection, self._run.scope):
            return 0
        organizations = list(self._filters.org_ids)
        known: int = self._connection.execute(
            "SELECT count(*) FROM (SELECT session_id FROM devin.sessions "
            "ANTI JOIN devin.deleted_sessions USING (session_id) WHERE ? OR org_id IN ? "
            "UNION SELECT session_id FROM devin.rejected_records UNION SELECT session_id FROM met)",
            [not organizations, organizations],
        ).fetchall()[0][0]
        return max(0, total - known)

    def _renew_names(self) -> None:
        intake = self._packages.intake
        is_asked = names.renew(
            self._order, self._connection, self._feed, intake.redactor, intake.observed_at
        )
        if is_asked:
            self._packages.commit()  # the ledger counts these requests too

    def _finish(self) -> None:
        summary, traffic = self._summary, self._feed.traffic
        if traffic.replaced_surrogates:
            self._notice(f"{traffic.replaced_surrogates:,} lone surrogates in texts became U+FFFD.")
        if not self._order.with_insights:
            self._record_owing()
        summary.rows = {table.name: self._count(table.name) for table in TABLES}
        summary.rejected_records = self._count(
            "rejected_records ANTI JOIN devin.deleted_sessions USING (session_id)"
        )
        if self._order.moves_watermark:
            note_policy(self._connection, self._run.scope, self._packages.intake.redactor)
        ledger.finish(self._connection, self._run, summary.exit_code)
        self._packages.enter(Phase.PUBLISHING)
        publication = self._publish()
        summary.is_published, summary.warnings = publication.is_new, publication.warnings
        summary.requests, summary.retries = traffic.requests, traffic.retries
        summary.watermark_after = self._packages.watermark
        summary.watermarks = ledger.watermarks(self._connection)
        summary.seconds = (pendulum.now("UTC") - self._run.started_at).total_seconds()

    def _publish(self) -> Publication:
        layout, destination, sql = self._order.layout, self._order.destination, self._order.sql
        if destination is None:
            return publish(self._connection, layout, self._run, sql)
        from devin_warehouse.deliver import deliver  # noqa: PLC0415 it imports dlt

        return deliver(self._connection, destination, layout, self._run, sql)

    def _count(self, table: str) -> int:
        rows: list[tuple[int]] = self._connection.execute(
            f"SELECT count(*) FROM devin.{table}"
        ).fetchall()
        return rows[0][0]

    def _notice(self, text: str) -> None:
        log.warning(text)
        self._summary.notices.append(text)
        ledger.remark(self._connection, self._run, text)
