"""Contender: as little as can be. Pages one after another into a file, then DuckDB alone.

No state, no merge, no proof that nothing was missed, no retries: what everything else is paid for
on top of.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import duckdb
import httpx
import msgspec

PATH = "/v2/enterprise/sessions/insights"
COLUMNS = {
    "items": """STRUCT(
        session_id VARCHAR, url VARCHAR, status VARCHAR, title VARCHAR, tags VARCHAR[],
        user_id VARCHAR, org_id VARCHAR, created_at TIMESTAMP, updated_at TIMESTAMP,
        acus_consumed DOUBLE, initial_user_message VARCHAR,
        pull_requests STRUCT(
            url VARCHAR, state VARCHAR, pr_url VARCHAR, pr_state VARCHAR
        )[],
        session_analysis STRUCT(
            issues STRUCT(issue VARCHAR, impact VARCHAR, label VARCHAR)[],
            timeline STRUCT(title VARCHAR, description VARCHAR, color VARCHAR)[],
            action_items STRUCT(issue_id VARCHAR, type VARCHAR, action_item VARCHAR)[],
            suggested_prompt STRUCT(
                original_prompt VARCHAR, suggested_prompt VARCHAR,
                feedback_items STRUCT(
                    issue_id VARCHAR, summary VARCHAR, excerpt VARCHAR, details VARCHAR
                )[]
            )
        )
    )[]"""
}
RECORDS = """
CREATE TEMP TABLE records AS
SELECT unnest(items, max_depth := 2) FROM read_json(?, format = 'newline_delimited', columns = ?)
"""
TABLES = {
    "sessions": "SELECT * EXCLUDE (tags, pull_requests, session_analysis, initial_user_message)",
    "session_prompts": "SELECT session_id, initial_user_message",
    "insights": "SELECT session_id, session_analysis IS NOT NULL AS has_analysis, "
    "session_analysis.suggested_prompt.original_prompt, "
    "session_analysis.suggested_prompt.suggested_prompt",
}
LISTS = {
    "session_pull_requests": "pull_requests",
    "insight_issues": "session_analysis.issues",
    "insight_timeline": "session_analysis.timeline",
    "insight_action_items": "session_analysis.action_items",
    "insight_feedback_items": "session_analysis.suggested_prompt.feedback_items",
}
ELEMENTS = "SELECT session_id, generate_subscripts({at}, 1) - 1 AS position, unnest({at})"


class End(msgspec.Struct):
    """All that is read of a page here."""

    has_more: bool
    skip: int


def fetch(base_url: str, pages: Path) -> None:
    """Write every page as a line."""
    key = {"Authorization": f"Bearer {os.environ['DEVIN_API_KEY']}"}
    with (
        httpx.Client(base_url=base_url, headers=key, timeout=60) as client,
        pages.open("wb") as file,
    ):
        end = End(has_more=True, skip=-200)
        while end.has_more:
            query = {"skip": end.skip + 200, "limit": 200}
            body = client.get(PATH, params=query).raise_for_status().content
            file.write(body + b"\n")
            end = msgspec.json.decode(body, type=End)


def save(pages: Path, database: Path) -> None:
    """Unnest the pages into tables."""
    with duckdb.connect(str(database)) as connection:
        connection.execute(RECORDS, [str(pages), COLUMNS])
        for name, select in TABLES.items():
            connection.execute(f"CREATE TABLE {name} AS {select} FROM records")
        connection.execute(
            f"CREATE TABLE session_tags AS {ELEMENTS.format(at='tags')} AS tag FROM records"
        )
        for name, at in LISTS.items():
            elements = ELEMENTS.format(at=at).replace(
                f"unnest({at})", f"unnest({at}, recursive := true)"
            )
            connection.execute(f"CREATE TABLE {name} AS {elements} FROM records")


def main() -> None:
    """Fetch, then save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", type=Path, required=True)
    parser.add_argument("--base-url", required=True)
    arguments = parser.parse_args()
    pages = arguments.database.with_name("pages.ndjson")
    fetch(arguments.base_url, pages)
    save(pages, arguments.database)


if __name__ == "__main__":
    main()
