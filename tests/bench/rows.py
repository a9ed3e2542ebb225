"""How many rows there are, by kind: in a DuckDB file, or as the API tells it. Answers with JSON."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import httpx

SESSIONS = "/enterprise/sessions"
INSIGHTS = f"{SESSIONS}/insights"
KINDS = {
    "v2": (
        "sessions", "tags", "pull_requests", "issues", "timeline", "action_items", "feedback_items",
    ),
    "v3": (
        "sessions", "tags", "pull_requests", "children", "insights", "issues", "timeline",
        "action_items", "feedback_items", "good_usages", "bad_usages", "programming_languages",
        "tools_and_frameworks",
    ),
}  # fmt: skip


def in_database(database: Path, tables: dict[str, str]) -> dict[str, int]:
    """The number of rows of each of the given tables; sessions are counted once each.

    A table that is not there has none: some contenders make one when there is a first row.
    """
    with duckdb.connect(str(database), read_only=True) as connection:
        return {what: _count(connection, what, table) for what, table in tables.items()}


def _count(connection: duckdb.DuckDBPyConnection, what: str, table: str) -> int:
    counted = "DISTINCT session_id" if what in ("sessions", "insights") else "*"
    try:
        found: int = connection.execute(f"SELECT count({counted}) FROM {table}").fetchall()[0][0]
    except duckdb.CatalogException:
        return 0
    return found


def in_api(base_url: str, api: str) -> dict[str, int]:
    """What the API has."""
    rows: Counter[str] = Counter()
    key = {"Authorization": f"Bearer {os.environ['DEVIN_API_KEY']}"}
    with httpx.Client(base_url=base_url, headers=key, timeout=60) as client:
        if api == "v2":
            for record in _by_skip(client, f"/v2{INSIGHTS}"):
                rows.update(_of_session(record))
                rows.update(_of_analysis(record["session_analysis"] or {}))
        else:
            for record in _by_token(client, f"/v3{SESSIONS}"):
                rows.update(_of_session(record))
            for record in _by_token(client, f"/v3{INSIGHTS}"):
                rows.update(insights=1)
                rows.update(_of_analysis(record["analysis"] or {}))
    return {kind: rows[kind] for kind in KINDS[api]}


def _of_session(record: Mapping[str, Any]) -> dict[str, int]:
    lists = {"tags": "tags", "pull_requests": "pull_requests", "children": "child_session_ids"}
    return {"sessions": 1, **{kind: len(record.get(at) or ()) for kind, at in lists.items()}}


def _of_analysis(analysis: Mapping[str, Any]) -> dict[str, int]:
    groups = {
        "": ("issues", "timeline", "action_items"),
        "suggested_prompt": ("feedback_items",),
        "note_usage": ("good_usages", "bad_usages"),
        "classification": ("programming_languages", "tools_and_frameworks"),
    }
    counts = {}
    for group, kinds in groups.items():
        values = (analysis.get(group) or {}) if group else analysis
        counts.update({kind: len(values.get(kind) or ()) for kind in kinds})
    return counts


def _by_skip(client: httpx.Client, path: str) -> Iterator[dict[str, Any]]:
    skip, has_more = 0, True
    while has_more:
        page = client.get(path, params={"skip": skip, "limit": 200}).raise_for_status().json()
        yield from page["items"]
        skip, has_more = skip + len(page["items"]), page["has_more"]


def _by_token(client: httpx.Client, path: str) -> Iterator[dict[str, Any]]:
    query, has_more = {"first": "200"}, True
    while has_more:
        page = client.get(path, params=query).raise_for_status().json()
        yield from page["items"]
        has_more = page["has_next_page"]
        query["after"] = page["end_cursor"]


def main() -> None:
    """Write the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", type=Path)
    parser.add_argument("--tables", type=json.loads, help='{"tags": "devin.session_tags", ...}')
    parser.add_argument("--base-url")
    parser.add_argument("--api", choices=KINDS)
    arguments = parser.parse_args()
    rows = (
        in_database(arguments.database, arguments.tables)
        if arguments.database
        else in_api(arguments.base_url, arguments.api)
    )
    json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main()
