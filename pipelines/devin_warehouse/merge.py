"""A package into the work file: landed by dlt, then merged in one transaction.

One transaction moves the rows of all tables, their history, what the loader remembers of them and
the watermark, so that a crash leaves a package in or out, never half in. (dlt's own merge commits
table by table, and needs a tombstone row for every empty list; measured in `make bench`.)
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import dlt
import duckdb
import pyarrow as pa

from devin_warehouse.layout import Layout
from devin_warehouse.ledger import naive
from devin_warehouse.source import landing_source
from devin_warehouse.tables import BY_NAME, TABLES, Table
from devin_warehouse.work_file import CONTENT_HASHES

LANDING = "landing"
# dlt reads config.toml from the working directory only: what safety depends on is set here
DLT_SETTINGS = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__INTERCEPT_SIGNALS": "false",
    "RESTORE_FROM_DESTINATION": "false",
    "LOAD__RAISE_ON_FAILED_JOBS": "true",
    "LOAD__DELETE_COMPLETED_JOBS": "true",
}
REJECTED = BY_NAME["rejected_records"]

NEW_STATES = """
INSERT INTO devin.session_versions BY NAME
WITH states AS (
    SELECT
        s.session_id, s.updated_at, s.status, s.status_detail, s.acus_consumed,
        count(*) FILTER (lower(p.pr_state) = 'open') AS open_pull_requests_count,
        count(*) FILTER (lower(p.pr_state) = 'merged') AS merged_pull_requests_count,
        count(*) FILTER (lower(p.pr_state) = 'closed') AS closed_pull_requests_count,
        any_value(i.analysis_hash) AS analysis_hash
    FROM devin.sessions s
    JOIN landing.content_hashes USING (session_id)
    LEFT JOIN devin.session_pull_requests p USING (session_id)
    LEFT JOIN devin.insights i USING (session_id)
    GROUP BY s.session_id, s.updated_at, s.status, s.status_detail, s.acus_consumed
),
keyed AS (SELECT sha256(to_json(states)::VARCHAR) AS version_key, states.* FROM states)
SELECT keyed.*, ?::TIMESTAMP AS observed_at FROM keyed
ANTI JOIN devin.session_versions USING (version_key)
"""
NEW_PULL_REQUEST_STATES = """
INSERT INTO devin.pull_request_states BY NAME
SELECT DISTINCT session_id, pr_url, pr_state, ?::TIMESTAMP AS first_observed_at
FROM devin.session_pull_requests AS new
SEMI JOIN landing.content_hashes USING (session_id)
WHERE NOT EXISTS (
    FROM devin.pull_request_states AS old
    WHERE old.session_id = new.session_id
        AND old.pr_url IS NOT DISTINCT FROM new.pr_url
        AND old.pr_state IS NOT DISTINCT FROM new.pr_state
)
"""
REJECTED_NEWS = """
SELECT count(*) FROM landing.rejected_records
ANTI JOIN devin.rejected_records USING (record_key, reason, record)
"""
REJECTED_AGAIN = """
UPDATE devin.rejected_records AS old
SET reason = new.reason, record = new.record, last_seen_at = new.last_seen_at
FROM landing.rejected_records AS new WHERE old.record_key = new.record_key
"""
REJECTED_FIRST = """
INSERT INTO devin.rejected_records BY NAME
FROM landing.rejected_records ANTI JOIN devin.rejected_records USING (record_key)
"""


@dataclass
class Package:
    """Arrow tables that are to be committed together."""

    parts: dict[str, list[pa.Table]] = field(default_factory=dict)
    sessions: int = 0

    def add(self, table: Table, rows: pa.Table) -> None:
        """Add rows of a table."""
        self.parts.setdefault(table.name, []).append(rows)

    def __iter__(self) -> Iterator[tuple[Table, pa.Table]]:
        known = {**BY_NAME, CONTENT_HASHES.name: CONTENT_HASHES}
        for name, parts in self.parts.items():
            yield known[name], pa.concat_tables(parts)

    def rows(self, table: Table) -> int:
        """How many rows of a table it holds."""
        return sum(part.num_rows for part in self.parts.get(table.name, []))


class Merger:
    """Lands packages through dlt in the open work file and merges them."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, layout: Layout) -> None:
        os.environ.update(DLT_SETTINGS)
        self._connection = connection
        # whatever an earlier run left pending has been superseded by what is read now
        shutil.rmtree(layout.dlt_folder, ignore_errors=True)
        connection.execute(f"DROP SCHEMA IF EXISTS {LANDING} CASCADE")
        self._pipeline = dlt.pipeline(
            "devin_warehouse",
            pipelines_dir=str(layout.dlt_folder),
            destination=dlt.destinations.duckdb(connection),
            dataset_name=LANDING,
        )
        # it warns of each JSON column, which Arrow can only bring as text, and shows a traceback
        # for each of its tries; what comes of them is raised all the same
        logging.getLogger("dlt").setLevel(logging.CRITICAL)

    def land(self, package: Package) -> None:
        """Bring the package's rows into the landing schema, typed; nothing is merged yet."""
        filled = [(table, rows) for table, rows in package if rows.num_rows]
        self._pipeline.run(landing_source(filled), loader_file_format="parquet")

    def merge(self, package: Package, observed_at: datetime) -> bool:
        """Replace the landed sessions whole, take note of their history; whether that changed data.

        A rejected record that was met again as it was is no change. To be called in a transaction.
        Raises RuntimeError if what was landed is not the package.
        """
        if package.rows(CONTENT_HASHES):
            replaced = [table for table in TABLES if table.owner and table.name in package.parts]
            for table in replaced:
                self._replace(f"devin.{table.name}", table, package.rows(table))
            hashes = package.rows(CONTENT_HASHES)
            self._replace("bookkeeping.content_hashes", CONTENT_HASHES, hashes)
            for statement in (NEW_STATES, NEW_PULL_REQUEST_STATES):
                self._connection.execute(statement, [naive(observed_at)])
        is_changed = bool(package.rows(CONTENT_HASHES))
        if package.rows(REJECTED):
            is_changed |= bool(self._connection.execute(REJECTED_NEWS).fetchall()[0][0])
            for statement in (REJECTED_AGAIN, REJECTED_FIRST):
                self._connection.execute(statement)
        self._connection.execute(f"DROP SCHEMA {LANDING} CASCADE")
        return is_changed

    def _replace(self, target: str, table: Table, expected: int) -> None:
        self._connection.execute(
            f"DELETE FROM {target} WHERE session_id IN "
            f"(SELECT session_id FROM {LANDING}.{CONTENT_HASHES.name})"
        )
        if not expected:
            return
        inserted = self._connection.execute(
            f"INSERT INTO {target} BY NAME FROM {LANDING}.{table.name}"
        ).fetchall()
        if inserted != [(expected,)]:
            raise RuntimeError(f"{table.name}: {expected} rows were to be merged, not {inserted}")


def content_hash_rows(payload: str, hashes: Iterable[tuple[str, str]]) -> pa.Table:
    """The rows of `bookkeeping.content_hashes` for (session_id, content_hash) pairs."""
    pairs = list(hashes)
    return pa.table(
        {
            "session_id": pa.array([session for session, _ in pairs], pa.string()),
            "payload": pa.array([payload] * len(pairs), pa.string()),
            "content_hash": pa.array([content for _, content in pairs], pa.string()),
        }
    )
