"""A package into the work file: landed by dlt, then merged in one transaction.

One transaction moves the rows of all tables, their history, what the loader remembers of them and
the watermark, so that a crash leaves a package in or out, never half in. (dlt's own merge commits
table by table, and needs a tombstone row for every empty list; measured in `make bench`.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import duckdb
import pyarrow as pa

from devin_warehouse.bookkeeping import CONTENT_HASHES, note_changes, owe_insights
from devin_warehouse.history import record_pull_request_states, record_states
from devin_warehouse.layout import Layout
from devin_warehouse.payloads import Kind
from devin_warehouse.tables import BY_NAME, Owner, Table
from devin_warehouse.work_file import quoted

LANDING = "landing"
REJECTED = BY_NAME["rejected_records"]
LANDED = "SELECT session_id FROM landing.content_hashes WHERE payload = {kind}"
ABOUT_TO_GO = f"{LANDED} INTERSECT SELECT session_id FROM bookkeeping.insights_owed"

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
    kinds: set[str] = field(default_factory=set)
    sessions: int = 0

    def add(self, table: Table, rows: pa.Table) -> None:
        """Add rows of a table."""
        self.parts.setdefault(table.name, []).append(rows)

    def clear(self) -> None:
        """Let go of the rows, whoever still holds the package.

        (Where dlt has imported something late, it keeps the frames in which that happened.)
        """
        self.parts.clear()

    def __iter__(self) -> Iterator[tuple[Table, pa.Table]]:
        known = {**BY_NAME, CONTENT_HASHES.name: CONTENT_HASHES}
        for name, parts in self.parts.items():
            yield known[name], pa.concat_tables(parts)

    def rows(self, table: Table) -> int:
        """How many rows of a table it holds."""
        return sum(part.num_rows for part in self.parts.get(table.name, []))


class Merger:
    """Lands packages through dlt in the open work file and merges them."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        layout: Layout,
        kinds: Sequence[Kind],
        scope: str,
    ) -> None:
        # dlt is most of the time of a run that finds nothing new, and so needs none of it
        import dlt  # noqa: PLC0415

        from devin_warehouse.landing import land, landing_pipeline  # noqa: PLC0415

        self._connection = connection
        self._kinds = kinds
        self._scope = scope
        self._land = land
        self.forget()
        self._pipeline = landing_pipeline(
            dlt.destinations.duckdb(connection), LANDING, layout.dlt_folder
        )

    def land(self, package: Package) -> None:
        """Bring the package's rows into the landing schema, typed; nothing is merged yet."""
        filled = [(table, rows) for table, rows in package if rows.num_rows]
        self._land(self._pipeline, filled)
        filled.clear()

    def merge(self, package: Package, observed_at: datetime) -> bool:
        """Replace the landed sessions whole; whether that changed data.

        To be called in a transaction; what is landed stays for those who look at it in there.
        A rejected record that was met again as it was is no change. Raises RuntimeError if what was
        landed is not the package.
        """
        is_changed = bool(package.rows(CONTENT_HASHES))
        if is_changed:
            for kind in (kind for kind in self._kinds if kind.name in package.kinds):
                self._merge_kind(package, kind, observed_at)
            self._insert("bookkeeping.content_hashes", CONTENT_HASHES, package)
            note_changes(self._connection, observed_at)
        if package.rows(REJECTED):
            is_changed |= bool(self._connection.execute(REJECTED_NEWS).fetchall()[0][0])
            for statement in (REJECTED_AGAIN, REJECTED_FIRST):
                self._connection.execute(statement)
        return is_changed

    def forget(self) -> None:
        """Drop what has been landed."""
        self._connection.execute(f"DROP SCHEMA IF EXISTS {LANDING} CASCADE")

    def _merge_kind(self, package: Package, kind: Kind, observed_at: datetime) -> None:
        """Replace the rows of one kind's sessions; those of v3 owe their insights from then on.

        A state whose insights never came is recorded before it goes.
        """
        landed = LANDED.format(kind=quoted(kind.name))
        is_owing = Owner.SESSION in kind.owners and len(self._kinds) > 1
        if is_owing:
            before = ABOUT_TO_GO.format(kind=quoted(kind.name))
            record_states(self._connection, before, observed_at)
        for table in kind.tables:
            self._delete(f"devin.{table.name}", landed)
            self._insert(f"devin.{table.name}", table, package)
        self._delete("bookkeeping.content_hashes", landed, f"payload = {quoted(kind.name)}")
        if is_owing:
            owe_insights(self._connection, kind, self._scope)
        if Owner.SESSION in kind.owners:
            record_pull_request_states(self._connection, landed, observed_at)

    def _delete(self, target: str, landed: str, condition: str = "true") -> None:
        self._connection.execute(
            f"DELETE FROM {target} WHERE {condition} AND session_id IN ({landed})"
        )

    def _insert(self, target: str, table: Table, package: Package) -> None:
        expected = package.rows(table)
        if not expected:
            return
        inserted = self._connection.execute(
            f"INSERT INTO {target} BY NAME FROM {LANDING}.{table.name}"
        ).fetchall()
        if inserted != [(expected,)]:
            raise RuntimeError(f"{table.name}: {expected} rows were to be merged, not {inserted}")
