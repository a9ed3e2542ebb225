"""`devin_source`, for dlt pipelines of other people: the API tables, incrementally."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import dlt
import pyarrow as pa
from dlt.common.schema.typing import TDeleteInsertStrategyDict
from dlt.extract import DltResource

from devin_warehouse.api.client import checked_base_url, checked_key
from devin_warehouse.api.listing import Filters
from devin_warehouse.errors import Unavailable
from devin_warehouse.events import Due, Event, Failed, Records
from devin_warehouse.explode import arrow_schema, explode, rejected_rows
from devin_warehouse.feed import Connection, open_feed, version_of
from devin_warehouse.landing import dlt_columns
from devin_warehouse.payloads import Kind, Record, session_id
from devin_warehouse.tables import BY_NAME, Column, Table, Type
from devin_warehouse.times import parse_duration, parse_time
from devin_warehouse.windows import Window

BATCH_SESSIONS = 1_000
# dlt's delete-insert removes all rows of the sessions that a package brings; a tombstone row brings
# a session whose list is empty. Measured as right for lists that shrink to nothing, and not to be
# combined with merge_key: that turns into an OR join.
MERGE: TDeleteInsertStrategyDict = {
    "disposition": "merge",
    "strategy": "delete-insert",
    "destination_scope": "session_id IN (SELECT session_id FROM {staging_table})",
}
# the tables that have a row for each session, whichever kind of record brings it
WITH_A_ROW_EACH = ("sessions", "insights")
TOMBSTONE = Column("_deleted", Type.BOOLEAN, "A session without rows in this table.")

log = logging.getLogger(__name__)


@dlt.source(name="devin", section="devin")
def devin_source(  # noqa: PLR0913, PLR0917 the signature is the configuration
    api_key: str = dlt.secrets.value,
    base_url: str = "https://api.devin.ai",
    api: str = "auto",
    since: str | None = None,
    until: str | None = None,
    org_ids: list[str] | None = None,
    include_deleted_orgs: bool = False,
    insights: bool = True,
    concurrency: int = 8,
    overlap: str = "1h",
) -> DltResource:
    """All sessions and insights of an enterprise, incrementally by `updated_at`, as our API tables.

    `api` is v2, v3, or auto, by the key's prefix. `since` and `until` (ISO 8601) read that range
    instead and leave the watermark alone. `overlap` is how far behind the watermark a run starts.
    v3 only: `include_deleted_orgs`; without `insights` the sessions alone. Arguments that are not
    given come from dlt's configuration, section `sources.devin`. A session that changes while it is
    being read is kept as first read, and read again by the next run. Raises WarehouseError's kinds.
    """
    key = checked_key(api_key)
    connection = Connection(
        checked_base_url(base_url),
        key,
        Filters(tuple(org_ids or ()), include_deleted_orgs),
        concurrency,
        version_of(api, key),
    )
    start, end = (text and parse_time(text) for text in (since, until))
    ends = (start or None, end or None, parse_duration(overlap))
    return api_tables(connection, ends, with_insights=insights)


@dlt.resource(name="api_tables")
def api_tables(
    connection: Any,  # noqa: ANN401 dlt would resolve a Connection from its configuration
    ends: Any,  # noqa: ANN401
    with_insights: Any,  # noqa: ANN401
) -> Iterator[Any]:
    """The API tables of the window from the watermark, or from `since`, until `until` or now."""
    since, until, overlap = ends
    watermarks = dlt.current.resource_state().setdefault("watermarks", {})
    reached = watermarks.get(connection.scope)
    with open_feed(connection) as feed:
        _, now = feed.survey()
        start = since or (reached and parse_time(reached) - overlap)
        window = Window(start, (until or now).replace(microsecond=0))
        read = _FirstRead(now)
        events = feed.windows(window, is_open_ended=until is None)
        yield from _tables(events, read.sessions, now)
        if with_insights and len(feed.kinds) > 1:
            yield from _tables(feed.insights(read.due()), read.insights, now)
    if since is None and until is None:
        held_back = min(window.until, read.moved_at or window.until)
        watermarks[connection.scope] = held_back.isoformat()


class _FirstRead:
    """Which sessions a run has read, each as first read: dlt merges one version of a run."""

    def __init__(self, now: datetime) -> None:
        self.moved_at: datetime | None = None
        self._updated_at: dict[str, datetime] = {}
        self._has_insights: set[str] = set()
        self._now = now

    def sessions(self, kind: Kind, record: Record) -> bool:
        """Whether a session is met for the first time; one that has moved on is noted."""
        sid, updated_at = session_id(record), kind.updated_at(record) or self._now
        first = self._updated_at.get(sid)
        if first is None:
            self._updated_at[sid] = updated_at
        elif first != updated_at:
            self.moved_at = min(self.moved_at or updated_at, updated_at)
        return first is None

    def insights(self, _kind: Kind, record: Record) -> bool:
        """Whether insights are those of a session that was read, for the first time."""
        sid = session_id(record)
        is_first = sid in self._updated_at and sid not in self._has_insights
        self._has_insights.add(sid)
        return is_first

    def due(self) -> list[Due]:
        """The sessions read, by rank."""
        by_time = sorted(self._updated_at.items(), key=lambda item: item[1])
        return [Due(sid, at, rank) for rank, (sid, at) in enumerate(by_time)]


def _tables(
    events: Iterable[Event], is_wanted: Callable[[Kind, Record], bool], now: datetime
) -> Iterator[Any]:
    """The tables of what a feed tells, in batches; raises Unavailable where a session failed."""
    batch: list[Record] = []
    origin: Records | None = None
    for event in events:
        if isinstance(event, Failed):
            raise Unavailable(f"Session {event.session_id}: {event.error}")
        if isinstance(event, Records):
            if origin and (origin.endpoint != event.endpoint or len(batch) >= BATCH_SESSIONS):
                yield from _with_hints(_exploded(batch, origin, now))
                batch = []
            origin = event
            batch += [record for record in event.records if is_wanted(event.kind, record)]
    if origin:
        yield from _with_hints(_exploded(batch, origin, now))


def _exploded(records: list[Record], origin: Records, now: datetime) -> dict[str, pa.Table]:
    exploded = explode(records, origin.kind)
    for place, reason in exploded.rejected.items():
        log.warning("Session %s was rejected: %s", session_id(records[place]), reason)
    refused = rejected_rows(origin.kind, origin.endpoint, records, exploded.rejected, now)
    return {**exploded.tables, "rejected_records": refused}


def _with_hints(tables: Mapping[str, pa.Table]) -> Iterator[Any]:
    sessions = next(tables[name]["session_id"] for name in WITH_A_ROW_EACH if name in tables)
    for name, rows in tables.items():
        table = BY_NAME[name]
        columns = dlt_columns(table)
        if table.lists:
            columns |= {TOMBSTONE.name: {"data_type": "bool", "hard_delete": True}}
            rows = _with_tombstones(table, rows, sessions)  # noqa: PLW2901
        hints = dlt.mark.make_hints(
            table_name=name,
            write_disposition=MERGE if table.owner else "merge",
            primary_key=table.key,
            columns=columns,
            additional_table_hints={"description": table.description},
        )
        yield dlt.mark.with_hints(rows, hints, create_table_variant=True)


def _with_tombstones(table: Table, rows: pa.Table, sessions: pa.ChunkedArray) -> pa.Table:
    """The rows, and one row marked as deleted for each session that has none."""
    present = set(rows["session_id"].to_pylist())
    absent = [session for session in sessions.to_pylist() if session not in present]
    schema = arrow_schema(table).append(pa.field(TOMBSTONE.name, pa.bool_()))
    filled = {"session_id": absent, "_deleted": [True] * len(absent)}
    filled |= {"position": [-1] * len(absent), "usage": [""] * len(absent)}
    tombstones = pa.table(
        [pa.array(filled.get(field.name, [None] * len(absent)), field.type) for field in schema],
        schema=schema,
    )
    alive = rows.append_column(TOMBSTONE.name, pa.nulls(rows.num_rows, pa.bool_()))
    return pa.concat_tables([alive, tombstones])
