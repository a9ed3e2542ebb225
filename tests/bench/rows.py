"""How many rows there are, by kind: in a DuckDB file, or as the API tells it. Answers with JSON."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import httpx

PATH = "/v2/enterprise/sessions/insights"


def in_database(database: Path, tables: dict[str, str]) -> dict[str, int]:
    """The number of rows of each of the given tables; sessions are counted once each."""
    with duckdb.connect(str(database), read_only=True) as connection:
        return {
            what: connection.execute(
                f"SELECT count({'DISTINCT session_id' if what == 'sessions' else '*'}) FROM {table}"
            ).fetchall()[0][0]
            for what, table in tables.items()
        }


def in_api(base_url: str) -> dict[str, int]:
    """What the API has."""
    rows: Counter[str] = Counter()
    for record in _records(base_url):
        analysis = record["session_analysis"] or {}
        prompt = analysis.get("suggested_prompt") or {}
        rows["sessions"] += 1
        for name in ("tags", "pull_requests"):
            rows[name] += len(record[name])
        for name in ("issues", "timeline", "action_items"):
            rows[name] += len(analysis.get(name, ()))
        rows["feedback_items"] += len(prompt.get("feedback_items", ()))
    return dict(rows)


def _records(base_url: str) -> Iterator[dict[str, Any]]:
    key = {"Authorization": f"Bearer {os.environ['DEVIN_API_KEY']}"}
    with httpx.Client(base_url=base_url, headers=key, timeout=60) as client:
        skip, has_more = 0, True
        while has_more:
            page = client.get(PATH, params={"skip": skip, "limit": 200}).raise_for_status().json()
            yield from page["items"]
            skip, has_more = skip + len(page["items"]), page["has_more"]


def main() -> None:
    """Write the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", type=Path)
    parser.add_argument("--tables", type=json.loads, help='{"tags": "devin.session_tags", ...}')
    parser.add_argument("--base-url")
    arguments = parser.parse_args()
    rows = (
        in_database(arguments.database, arguments.tables)
        if arguments.database
        else in_api(arguments.base_url)
    )
    json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main()
