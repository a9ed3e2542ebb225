"""What is stored, brought under another redaction policy than it was stored under.

Rows are rewritten in place, so that nothing of what is to go waits for being read again; then each
scope is read again from its beginning, so that what may stay once more comes back.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

from devin_warehouse.bookkeeping import note_change
from devin_warehouse.redaction import Redactor, Rule
from devin_warehouse.tables import SCHEMA

STORED = ""
# where history keeps a copy of a column
COPIES = {("session_pull_requests", "pr_url"): ("pull_request_states", "pr_url")}


def bring_under(connection: duckdb.DuckDBPyConnection, redactor: Redactor) -> bool:
    """Rewrite what is stored as the policy wants it; whether there was anything to rewrite."""
    before = policy_of(connection, STORED)
    if before == str(redactor.policy):
        return False
    known = set(before.split(", "))
    for rule in redactor.policy.rules:
        if str(rule) not in known:
            _rewrite(connection, redactor, rule)
    connection.execute(
        f"UPDATE {SCHEMA}.rejected_records SET record = NULL, reason = 'Redacted; asked for again.'"
    )
    connection.execute("DELETE FROM bookkeeping.content_hashes")
    connection.execute("DELETE FROM bookkeeping.names_asked")
    if redactor.policy.hides("user_id"):
        connection.execute(f"DELETE FROM {SCHEMA}.users")
    note_policy(connection, STORED, redactor)
    note_change(connection)
    # the copy that is published now, and holds what was to go, is not kept beside the next one
    connection.execute("UPDATE bookkeeping.publication SET published_version = NULL")
    return True


def is_unpublished(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether what was rewritten has not been published yet, so that a crash may have come between.

    Then the work file may still hold what is to go, as free space.
    """
    rows = connection.execute(
        "SELECT published_version IS NULL AND target IS NOT NULL FROM bookkeeping.publication"
    ).fetchall()
    return (True,) in rows


def policy_of(connection: duckdb.DuckDBPyConnection, scope: str) -> str:
    """The policy that a scope was last read under, from its beginning; "" for none."""
    rows = connection.execute(
        "SELECT policy FROM bookkeeping.redactions WHERE scope = ?", [scope]
    ).fetchall()
    return rows[0][0] if rows else ""


def note_policy(connection: duckdb.DuckDBPyConnection, scope: str, redactor: Redactor) -> None:
    """Remember that a scope has been read under a policy."""
    connection.execute("DELETE FROM bookkeeping.redactions WHERE scope = ?", [scope])
    connection.execute(
        "INSERT INTO bookkeeping.redactions VALUES (?, ?)", [scope, str(redactor.policy)]
    )


def _rewrite(connection: duckdb.DuckDBPyConnection, redactor: Redactor, rule: Rule) -> None:
    place = (rule.table.name, rule.column.name)
    for table, column in filter(None, (place, COPIES.get(place))):
        if rule.how != "drop":
            _replace(connection, redactor, rule, (table, column))
        elif rule.table.lists and not rule.table.holds_objects:
            connection.execute(f"DELETE FROM {SCHEMA}.{table}")
        else:
            connection.execute(f"UPDATE {SCHEMA}.{table} SET {column} = NULL")
    if rule.column.or_at:
        # another spelling of it may stand there
        connection.execute(f"UPDATE {SCHEMA}.{rule.table.name} SET extra = NULL")


def _replace(
    connection: duckdb.DuckDBPyConnection, redactor: Redactor, rule: Rule, place: tuple[str, str]
) -> None:
    table, column = f"{SCHEMA}.{place[0]}", place[1]
    found = connection.execute(
        f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL"
    ).fetchall()
    values = [row[0] for row in found]
    kept = pa.table({"value": values, "kept": [redactor.kept(rule, value) for value in values]})
    connection.register("kept", kept)
    connection.execute(
        f"UPDATE {table} SET {column} = kept.kept FROM kept WHERE {column} = kept.value"
    )
    connection.unregister("kept")
