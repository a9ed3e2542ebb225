"""What the loader remembers besides the tables, in the work file only.

The content of each record as last merged; whose insights are owed; when an unsettled session was
last asked for again; and how far publishing has come.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from devin_warehouse.api.listing import Filters
from devin_warehouse.events import Due
from devin_warehouse.ledger import naive
from devin_warehouse.payloads import Kind
from devin_warehouse.tables import BY_NAME, Column, Table, Type

CONTENT_HASHES = Table(
    "content_hashes",
    ("session_id", "payload"),
    "The content of each record as last merged, to tell what has changed.",
    (
        Column("session_id", Type.TEXT, "The session."),
        Column("payload", Type.TEXT, "Which kind of record."),
        Column("content_hash", Type.TEXT, "sha256 of the record, whatever the order of its keys."),
    ),
)
INSIGHTS_OWED = Table(
    "insights_owed",
    ("session_id",),
    "Sessions (v3) whose insights are missing or older than the session.",
    (
        Column("session_id", Type.TEXT, "The session."),
        Column("scope", Type.TEXT, "The scope that it was read in."),
    ),
)
RECHECKS = Table(
    "rechecks",
    ("session_id",),
    "When a young session was last seen to change, and when it was last asked for again.",
    (
        Column("session_id", Type.TEXT, "The session."),
        Column("changed_at", Type.TIMESTAMP, "The server's time when a change was read, UTC."),
        Column("checked_at", Type.TIMESTAMP, "The server's time when it was last read, UTC."),
    ),
)
PUBLICATION = Table(
    "publication",
    ("target",),
    "One row: how far the data have come, and what was published last.",
    (
        Column("data_version", Type.BIGINT, "Commits that changed data so far."),
        Column("published_version", Type.BIGINT, "data_version of the published copy."),
        Column("published_at", Type.TIMESTAMP, "When it was published, UTC."),
        Column("target", Type.TEXT, "Its file name."),
        Column("software_version", Type.TEXT, "Who published it."),
        Column("contract_version", Type.TEXT, "Of the tables in this file."),
        Column("sql_fingerprint", Type.TEXT, "Of its views and checks: other SQL, another value."),
        Column("warnings", Type.JSON, "What its checks of severity warn found: a list of texts."),
        Column("written_bytes", Type.BIGINT, "Size of the last copy that was written anew."),
        Column("modified_ns", Type.BIGINT, "When the published copy's file was modified."),
        Column("loader_id", Type.TEXT, "As other databases know this work file."),
        Column("token", Type.TEXT, "What the last delivery to another database left there."),
        Column("next_token", Type.TEXT, "What a delivery that is under way leaves there."),
    ),
)
UNPUBLISHED = Table(
    "unpublished",
    ("session_id",),
    "Sessions with rows that have been merged since the last publication.",
    (Column("session_id", Type.TEXT, "The session."),),
)
REDACTIONS = Table(
    "redactions",
    ("scope",),
    "The redaction policy that each scope was last read under; of scope '': all that is stored.",
    (
        Column("scope", Type.TEXT, "The scope."),
        Column("policy", Type.TEXT, "Its rules."),
    ),
)
NAMES_ASKED = Table(
    "names_asked",
    ("host",),
    "When each API was last asked for the names of organizations and users, answered or not.",
    (
        Column("host", Type.TEXT, "The API's host."),
        Column("asked_at", Type.TIMESTAMP, "The server's time then, UTC."),
    ),
)
BOOKKEEPING = (
    CONTENT_HASHES,
    INSIGHTS_OWED,
    RECHECKS,
    PUBLICATION,
    UNPUBLISHED,
    REDACTIONS,
    NAMES_ASKED,
)

# tables whose rows come and go one by one; and a schema: these as another database holds them
BY_KEY = tuple(
    BY_NAME[name] for name in ("organizations", "users", "rejected_records", "load_runs")
)
DELIVERED = "delivered"

UNSETTLED_FOR = timedelta(days=35)
SHORTEST_INTERVAL = timedelta(minutes=5)
# a state that has held for so many hours is looked at again an hour later
GROWTH = 12

OWE = """
INSERT INTO bookkeeping.insights_owed
SELECT session_id, ? FROM landing.content_hashes
ANTI JOIN bookkeeping.insights_owed USING (session_id)
WHERE payload = ?
"""
NOTE_CHANGES = """
INSERT INTO bookkeeping.rechecks
SELECT DISTINCT session_id, $now::TIMESTAMP, $now::TIMESTAMP
FROM landing.content_hashes JOIN devin.sessions USING (session_id)
WHERE created_at > $now::TIMESTAMP - to_days($days)
"""
NOTE_UNPUBLISHED = """
INSERT INTO bookkeeping.unpublished
SELECT DISTINCT session_id FROM ({sessions}) AS changed
ANTI JOIN bookkeeping.unpublished USING (session_id)
"""
OWE_WHAT_IS_NOT_THERE = """
INSERT INTO work.bookkeeping.insights_owed
SELECT session_id, (
    SELECT max_by(scope, started_at) FROM work.devin.load_runs WHERE api_version = 'v3'
)
FROM work.devin.sessions ANTI JOIN work.devin.insights USING (session_id)
WHERE api_version = 'v3'
"""
SETTLE = """
DELETE FROM bookkeeping.insights_owed
WHERE session_id IN (
    SELECT session_id FROM met JOIN devin.sessions AS s USING (session_id)
    WHERE met.payload = ?
        AND (met.updated_at >= s.updated_at OR met.updated_at < TIMESTAMP '0002-01-01')
)
RETURNING session_id
"""
DUE = """
WITH read_now AS (
    SELECT session_id, updated_at, outcome FROM met
    WHERE payload = $session AND outcome <> 'rejected'
),
ranked AS (
    SELECT
        session_id, updated_at,
        row_number() OVER (ORDER BY updated_at, session_id) AS rank
    FROM (
        SELECT session_id, updated_at FROM devin.sessions ANTI JOIN read_now USING (session_id)
        WHERE $is_everywhere OR org_id IN $org_ids
        UNION ALL
        SELECT session_id, updated_at FROM read_now
    )
)
SELECT session_id, updated_at, rank FROM ranked
SEMI JOIN (
    SELECT session_id FROM bookkeeping.insights_owed
    WHERE scope = $scope OR session_id IN (SELECT session_id FROM read_now)
    UNION ALL
    SELECT session_id FROM read_now WHERE $with_all_met OR outcome IN ('new', 'changed')
) USING (session_id)
ANTI JOIN (SELECT session_id FROM met WHERE payload = $insights) USING (session_id)
ANTI JOIN (
    SELECT session_id FROM devin.deleted_sessions ANTI JOIN met USING (session_id)
) USING (session_id)
ORDER BY rank
"""
UNSETTLED = """
SELECT s.session_id, s.updated_at
FROM devin.sessions AS s
LEFT JOIN bookkeeping.rechecks AS r USING (session_id)
ANTI JOIN (SELECT session_id FROM met WHERE payload = $last) USING (session_id)
ANTI JOIN devin.deleted_sessions USING (session_id)
WHERE ($is_everywhere OR s.org_id IN $org_ids)
    AND s.created_at > $now::TIMESTAMP - to_days($days)
    AND (
        r.checked_at IS NULL
        OR epoch($now::TIMESTAMP - r.checked_at)
            >= greatest($shortest, epoch(r.checked_at - r.changed_at) / $growth)
    )
    AND (
        s.status IS NULL
        OR lower(s.status) NOT IN ('exit', 'error')
        OR NOT EXISTS (
            FROM devin.insights AS i WHERE i.session_id = s.session_id AND i.has_analysis
        )
        OR EXISTS (
            FROM devin.session_pull_requests AS p
            WHERE p.session_id = s.session_id AND lower(p.pr_state) = 'open'
        )
    )
ORDER BY r.checked_at NULLS FIRST, s.updated_at, s.session_id
LIMIT $most
"""
ABSENT = """
WITH hosts AS (SELECT count(DISTINCT split_part(scope, ' ', 1)) = 1 AS is_one FROM devin.load_runs),
known AS (
    SELECT session_id, updated_at FROM devin.sessions
    WHERE ($is_everywhere OR org_id IN $org_ids)
        AND ($since::TIMESTAMP IS NULL OR updated_at >= $since::TIMESTAMP)
        AND (
            (SELECT is_one FROM hosts)
            OR org_id IN (SELECT org_id FROM devin.sessions SEMI JOIN met USING (session_id))
        )
    UNION ALL
    SELECT DISTINCT session_id, TIMESTAMP '1970-01-02' FROM devin.rejected_records
    ANTI JOIN devin.sessions USING (session_id)
    WHERE $is_everywhere AND (SELECT is_one FROM hosts) AND session_id <> ''
)
SELECT session_id, updated_at FROM known
ANTI JOIN met USING (session_id)
ANTI JOIN devin.deleted_sessions USING (session_id)
ORDER BY updated_at, session_id
"""


def content_hash_rows(kind: Kind, hashes: Sequence[tuple[str, str]]) -> pa.Table:
    """The rows of `content_hashes` for (session_id, content_hash) pairs."""
    return pa.table(
        {
            "session_id": pa.array([session for session, _ in hashes], pa.string()),
            "payload": pa.array([kind.name] * len(hashes), pa.string()),
            "content_hash": pa.array([content for _, content in hashes], pa.string()),
        }
    )


@contextmanager
def given(
    connection: duckdb.DuckDBPyConnection, name: str, session_ids: Sequence[str]
) -> Iterator[None]:
    """Session ids as a relation of that name, with the column `session_id`."""
    connection.register(name, pa.table({"session_id": pa.array(session_ids, pa.string())}))
    try:
        yield
    finally:
        connection.unregister(name)


def note_change(connection: duckdb.DuckDBPyConnection) -> None:
    """Note that data changed, so that the next publication has something to publish."""
    connection.execute("UPDATE bookkeeping.publication SET data_version = data_version + 1")


def loader_id(connection: duckdb.DuckDBPyConnection) -> str:
    """As other databases know this work file."""
    connection.execute(
        "UPDATE bookkeeping.publication SET loader_id = ? WHERE loader_id IS NULL",
        [uuid.uuid4().hex[:12]],
    )
    found: str = connection.execute("SELECT loader_id FROM bookkeeping.publication").fetchall()[0][
        0
    ]
    return found


def owe_insights(connection: duckdb.DuckDBPyConnection, kind: Kind, scope: str) -> None:
    """Note that the sessions of a kind that are just being merged lack their insights."""
    connection.execute(OWE, [scope, kind.name])


def settle_insights(connection: duckdb.DuckDBPyConnection, kind: Kind) -> list[str]:
    """Strike the sessions whose insights this run has met, not older than the session; who."""
    return [row[0] for row in connection.execute(SETTLE, [kind.name]).fetchall()]


def owes_nothing(connection: duckdb.DuckDBPyConnection, session_ids: Sequence[str]) -> None:
    """Strike sessions that have no insights, or are no more."""
    with given(connection, "free", session_ids):
        connection.execute(
            "DELETE FROM bookkeeping.insights_owed "
            "WHERE session_id IN (SELECT session_id FROM free)"
        )


def due_insights(
    connection: duckdb.DuckDBPyConnection,
    kinds: Sequence[Kind],
    scope: tuple[str, Filters],
    *,
    with_all_met: bool,
) -> list[Due]:
    """The sessions whose insights are to be asked for, by rank: what is owed, or all met too.

    A session that this run has read as new or changed is owing, committed or not.
    """
    session, insights = kinds
    name, filters = scope
    return _found(
        connection,
        DUE,
        _of(filters)
        | {
            "scope": name,
            "with_all_met": with_all_met,
            "session": session.name,
            "insights": insights.name,
        },
    )


def unsettled(
    connection: duckdb.DuckDBPyConnection, filters: Filters, now: datetime, last: Kind, most: int
) -> list[Due]:
    """Unsettled sessions that are due again, oldest check first, `most` of them.

    Those of which this run has met records of the `last` kind, and so all there is, are left out:
    over v3 a session may have been listed, unchanged, and analysed silently since.

    What has just changed is looked at again after 5 minutes; the longer a state has held, the
    later: after a 12th of that time. Sessions of 35 days and more are left alone.
    """
    return _found(
        connection,
        UNSETTLED,
        _of(filters)
        | {
            "now": naive(now),
            "days": UNSETTLED_FOR.days,
            "shortest": SHORTEST_INTERVAL.total_seconds(),
            "growth": GROWTH,
            "last": last.name,
            "most": most,
        },
    )


def note_rechecks(
    connection: duckdb.DuckDBPyConnection, session_ids: Sequence[str], now: datetime
) -> None:
    """Remember when sessions were asked for again."""
    with given(connection, "checked", session_ids):
        connection.execute(
            "UPDATE bookkeeping.rechecks SET checked_at = ? "
            "WHERE session_id IN (SELECT session_id FROM checked)",
            [naive(now)],
        )
        connection.execute(
            "INSERT INTO bookkeeping.rechecks SELECT DISTINCT session_id, $now, $now FROM checked "
            "ANTI JOIN bookkeeping.rechecks USING (session_id)",
            {"now": naive(now)},
        )


def note_changes(connection: duckdb.DuckDBPyConnection, now: datetime) -> None:
    """Remember that the sessions just being merged have changed."""
    connection.execute(
        "DELETE FROM bookkeeping.rechecks "
        "WHERE session_id IN (SELECT session_id FROM landing.content_hashes)"
    )
    connection.execute(NOTE_CHANGES, {"now": naive(now), "days": UNSETTLED_FOR.days})
    note_unpublished(connection, "SELECT session_id FROM landing.content_hashes")


def note_unpublished(connection: duckdb.DuckDBPyConnection, sessions: str) -> None:
    """Remember sessions, selected by `sessions`, as those whose rows the next copy must renew."""
    connection.execute(NOTE_UNPUBLISHED.format(sessions=sessions))


def names_asked_at(connection: duckdb.DuckDBPyConnection, host: str) -> datetime | None:
    """When an API was last asked for names; None if never, or since what may be kept changed."""
    rows = connection.execute(
        "SELECT asked_at FROM bookkeeping.names_asked WHERE host = ?", [host]
    ).fetchall()
    return rows[0][0].replace(tzinfo=UTC) if rows else None


def note_names_asked(connection: duckdb.DuckDBPyConnection, host: str, now: datetime) -> None:
    """Remember that an API was asked for names."""
    connection.execute("DELETE FROM bookkeeping.names_asked WHERE host = ?", [host])
    connection.execute("INSERT INTO bookkeeping.names_asked VALUES (?, ?)", [host, naive(now)])


def absent(
    connection: duckdb.DuckDBPyConnection, filters: Filters, since: datetime | None
) -> list[str]:
    """Sessions of the scope that this run has not met, though it read everything from `since` on.

    Those that could never be read are among them. Where the warehouse is loaded from several hosts,
    only sessions of organizations that were met.
    """
    values = _of(filters) | {"since": since and naive(since)}
    return [session.session_id for session in _found(connection, ABSENT, values)]


def _of(filters: Filters) -> dict[str, Any]:
    return {"is_everywhere": not filters.org_ids, "org_ids": list(filters.org_ids)}


def _found(
    connection: duckdb.DuckDBPyConnection, statement: str, values: dict[str, Any]
) -> list[Due]:
    rows = connection.execute(statement, values).fetchall()
    return [Due(row[0], row[1].replace(tzinfo=UTC), *row[2:]) for row in rows]
