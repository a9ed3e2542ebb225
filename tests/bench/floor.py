"""Contender: as little as can be. Pages one after another into a file, then DuckDB alone.

No state, no merge, no proof that nothing was missed, no retries: what everything else is paid for
on top of.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import duckdb
import httpx
import msgspec

from tests.bench.unnested import INSIGHTS, RECORDS, SESSIONS, save

Query = dict[str, str | int]
LIMIT = 200
LISTS = {
    "v2": {SESSIONS: "/v2/enterprise/sessions/insights"},
    "v3": {SESSIONS: "/v3/enterprise/sessions", INSIGHTS: "/v3/enterprise/sessions/insights"},
}


class End(msgspec.Struct):
    """All that is read of a page here."""

    has_more: bool = False
    has_next_page: bool = False
    end_cursor: str | None = None


def pages(client: httpx.Client, path: str) -> Iterator[bytes]:
    """Every page of a list, one after another."""
    v2 = path.startswith("/v2/")
    query: Query = {"skip": 0, "limit": LIMIT} if v2 else {"first": LIMIT}
    skip = 0
    while True:
        body = client.get(path, params=query).raise_for_status().content
        yield body
        end = msgspec.json.decode(body, type=End)
        if not (end.has_more or end.has_next_page):
            return
        skip += LIMIT
        query |= {"skip": skip} if v2 else {"after": end.end_cursor or ""}


def fetch(base_url: str, path: str, file: Path) -> None:
    """Write every page as a line."""
    key = {"Authorization": f"Bearer {os.environ['DEVIN_API_KEY']}"}
    with httpx.Client(base_url=base_url, headers=key, timeout=60) as client, file.open("wb") as out:
        for body in pages(client, path):
            out.write(body + b"\n")


def main() -> None:
    """Fetch, then save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", type=Path, required=True)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--api", choices=LISTS, required=True)
    arguments = parser.parse_args()
    lists = LISTS[arguments.api]
    files = {name: arguments.database.with_name(f"{name}.ndjson") for name in lists}
    for name, path in lists.items():
        fetch(arguments.base_url, path, files[name])
    columns = {"items": f"{RECORDS[arguments.api]}[]"}
    with duckdb.connect(str(arguments.database)) as connection:
        for name in lists:
            connection.execute(
                f"CREATE TEMP TABLE {name} AS SELECT unnest(items, max_depth := 2) "
                "FROM read_json(?, format = 'newline_delimited', columns = ?)",
                [str(files[name]), columns],
            )
        if INSIGHTS not in lists:
            connection.execute(f"CREATE TEMP VIEW {INSIGHTS} AS FROM {SESSIONS}")
        save(connection, arguments.api)


if __name__ == "__main__":
    main()
