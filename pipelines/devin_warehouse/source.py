"""The dlt side: `devin_source` for pipelines of other people, `landing_source` for `load`.

Both yield Arrow tables whose columns are declared in tables.py, so that dlt guesses no type: an
ACU figure that is whole at first would become BIGINT otherwise, and 1.5 be stored as 2.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import dlt
import pendulum
import pyarrow as pa
from dlt.common.schema.typing import TDeleteInsertStrategyDict
from dlt.extract import DltResource

from devin_warehouse.api import v2
from devin_warehouse.api.client import checked_base_url, checked_key
from devin_warehouse.explode import Exploded, arrow_schema, explode, rejected_rows
from devin_warehouse.feed import Connection, Records, open_feed
from devin_warehouse.tables import BY_NAME, Column, Owner, Table, Type
from devin_warehouse.windows import Window

BATCH_SESSIONS = 1_000
DLT_TYPES: dict[Type, dict[str, Any]] = {
    Type.TEXT: {"data_type": "text"},
    Type.DOUBLE: {"data_type": "double"},
    Type.BIGINT: {"data_type": "bigint"},
    Type.BOOLEAN: {"data_type": "bool"},
    Type.TIMESTAMP: {"data_type": "timestamp", "timezone": False},
    Type.JSON: {"data_type": "json"},
}
# dlt's delete-insert removes all rows of the sessions that a package brings; a tombstone row brings
# a session whose list is empty. Measured as right for lists that shrink to nothing, and not to be
# combined with merge_key: that turns into an OR join.
MERGE: TDeleteInsertStrategyDict = {
    "disposition": "merge",
    "strategy": "delete-insert",
    "destination_scope": "session_id IN (SELECT session_id FROM {staging_table})",
}
TOMBSTONE = Column("_deleted", Type.BOOLEAN, "A session without rows in this table.")

log = logging.getLogger(__name__)


@dlt.source(name="devin", section="devin")
def devin_source(  # noqa: PLR0913, PLR0917 the signature is the configuration
    api_key: str = dlt.secrets.value,
    base_url: str = "https://api.devin.ai",
    since: str | None = None,
    until: str | None = None,
    org_ids: list[str] | None = None,
    concurrency: int = 8,
    overlap: str = "1h",
) -> DltResource:
    """All sessions and insights of an enterprise, incrementally by `updated_at`, as our API tables.

    `since` and `until` (ISO 8601) read that range instead and leave the watermark alone. `overlap`
    is how far behind the watermark a run starts. Arguments that are not given come from dlt's
    configuration, section `sources.devin`. A session that changes while it is being read is kept as
    first read, and read again by the next run. Raises WarehouseError's kinds.
    """
    connection = Connection(
        checked_base_url(base_url),
        checked_key(api_key),
        v2.Filters(org_ids=tuple(org_ids or ())),
        concurrency,
    )
    start, end = (text and parse_time(text) for text in (since, until))
    return api_tables(connection, start or None, end or None, parse_duration(overlap))


@dlt.resource(name="api_tables")
def api_tables(
    connection: Any,  # noqa: ANN401 dlt would resolve a Connection from its configuration
    since: Any,  # noqa: ANN401
    until: Any,  # noqa: ANN401
    overlap: Any,  # noqa: ANN401
) -> Iterator[Any]:
    """The API tables of the window from the watermark, or from `since`, until `until` or now."""
    watermarks = dlt.current.resource_state().setdefault("watermarks", {})
    scope = scope_of(connection)
    reached = watermarks.get(scope)
    with open_feed(connection) as feed:
        _, now = feed.survey()
        start = since or (reached and parse_time(reached) - overlap)
        window = Window(start, (until or now).replace(microsecond=0))
        held_back = window.until
        first_read: dict[str, Any] = {}
        for records in _batches(feed.windows(window, is_open_ended=until is None)):
            fresh = {}
            for record in records:
                session_id = v2.session_id(record)
                if session_id not in first_read:
                    fresh[session_id] = record
                    first_read[session_id] = record.get("updated_at")
                elif first_read[session_id] != record.get("updated_at"):
                    held_back = min(held_back, v2.updated_at(record) or held_back)
            yield from _with_hints(_exploded(list(fresh.values()), now))
    if since is None and until is None:
        watermarks[scope] = held_back.isoformat()


@dlt.source(name="devin", section="devin")
def landing_source(tables: Any) -> DltResource:  # noqa: ANN401 dlt would resolve a typed argument
    """Pairs of a Table and its rows, appended under their own names and with their own types."""

    @dlt.resource(name="package")
    def package() -> Iterator[Any]:
        for table, rows in tables:
            hints = dlt.mark.make_hints(
                table_name=table.name, write_disposition="append", columns=_dlt_columns(table)
            )
            yield dlt.mark.with_hints(rows, hints, create_table_variant=True)

    return package


def scope_of(connection: Connection) -> str:
    """What a watermark is about: API host, API version, sorted organizations or all."""
    host = connection.base_url.partition("://")[2]
    organizations = ",".join(sorted(connection.filters.org_ids)) or "all"
    return f"{host} {v2.VERSION} {organizations}"


def parse_time(text: str) -> datetime:
    """An instant as people write it; without a zone it is UTC. Raises ValueError."""
    parsed = pendulum.parse(text, tz="UTC")
    if not isinstance(parsed, pendulum.DateTime):
        raise ValueError(f"{text!r} is no point in time")  # noqa: TRY004 one error for callers
    return parsed.in_timezone("UTC")


def parse_duration(text: str) -> timedelta:
    """A duration as people write it: `45m`, `1h30m`, `2d`, or ISO 8601. Raises ValueError."""
    days, _, rest = text.strip().upper().rpartition("D")
    iso = text.strip().upper()
    if not iso.startswith("P"):
        iso = "P" + (f"{days}D" if days else "") + (f"T{rest}" if rest else "")
    parsed = pendulum.parse(iso)
    if not isinstance(parsed, pendulum.Duration):
        raise ValueError(f"{text!r} is no duration")  # noqa: TRY004 one error for callers
    return timedelta(seconds=parsed.total_seconds())


def _batches(events: Iterable[Any]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for event in events:
        if isinstance(event, Records):
            batch += event.records
            if len(batch) >= BATCH_SESSIONS:
                yield batch
                batch = []
    yield batch


def _exploded(records: list[dict[str, Any]], now: datetime) -> dict[str, pa.Table]:
    exploded = explode_records(records)
    for place, reason in exploded.rejected.items():
        log.warning("Session %s was rejected: %s", v2.session_id(records[place]), reason)
    refused = rejected_rows(v2.PAYLOAD, v2.LIST_ENDPOINT, records, exploded.rejected, now)
    return {**exploded.tables, "rejected_records": refused}


def explode_records(records: list[dict[str, Any]]) -> Exploded:
    """The rows of all tables that v2 records own."""
    pairs = [v2.payloads(record) for record in records]
    payloads = {Owner.SESSION: [s for s, _ in pairs], Owner.INSIGHTS: [i for _, i in pairs]}
    return explode(payloads, v2.VERSION, v2.read_time)


def _with_hints(tables: Mapping[str, pa.Table]) -> Iterator[Any]:
    sessions = tables["sessions"]["session_id"]
    for name, rows in tables.items():
        table = BY_NAME[name]
        columns = _dlt_columns(table)
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


def _dlt_columns(table: Table) -> dict[str, Any]:
    return {
        column.name: {**DLT_TYPES[column.type], "description": column.description}
        for column in table.columns
    }
