"""Contender: Airbyte's declarative runtime reads by a manifest of ours, then DuckDB alone.

The runtime is the one that runs manifest connectors (`source-declarative-manifest` of airbyte-cdk),
in an environment of its own. It writes messages, one a line; there is no destination of Airbyte's
here, nor incremental reading. Its process and this one, which saves, are measured as one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from pathlib import Path

import duckdb

from tests.bench.unnested import INSIGHTS, RECORDS, SESSIONS, save

HERE = Path(__file__).parent
RUNTIME = HERE.parents[1] / ".venv-airbyte" / "bin" / "source-declarative-manifest"
MANIFEST = HERE / "airbyte.yaml"
STREAMS = {
    "v2": {SESSIONS: "v2_sessions"},
    "v3": {SESSIONS: "v3_sessions", INSIGHTS: "v3_insights"},
}


def read(base_url: str, api: str, folder: Path) -> Path:
    """Let the runtime write what it reads; raises CalledProcessError if it fails."""
    config, catalog = folder / "config.json", folder / "catalog.json"
    config.write_text(json.dumps({"base_url": base_url, "api_key": os.environ["DEVIN_API_KEY"]}))
    streams = [
        {
            "stream": {
                "name": name,
                "json_schema": {},
                "supported_sync_modes": ["full_refresh"],
            },
            "sync_mode": "full_refresh",
            "destination_sync_mode": "overwrite",
        }
        for name in STREAMS[api].values()
    ]
    catalog.write_text(json.dumps({"streams": streams}))
    options = {"--config": config, "--catalog": catalog, "--manifest-path": MANIFEST}
    messages = folder / "messages.ndjson"
    with messages.open("wb") as output:
        words = [str(word) for option in options.items() for word in option]
        subprocess.run([RUNTIME, "read", *words], stdout=output, check=True)
    return messages


def main() -> None:
    """Read, then save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", type=Path, required=True)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--api", choices=STREAMS, required=True)
    arguments = parser.parse_args()
    api = arguments.api
    messages = read(arguments.base_url, api, arguments.database.parent)
    columns = {"type": "VARCHAR", "record": f"STRUCT(stream VARCHAR, data {RECORDS[api]})"}
    with duckdb.connect(str(arguments.database)) as connection:
        for name, stream in STREAMS[api].items():
            connection.execute(
                f"CREATE TEMP TABLE {name} AS SELECT unnest(record.data) "
                "FROM read_json(?, format = 'newline_delimited', columns = ?) "
                "WHERE type = 'RECORD' AND record.stream = ?",
                [str(messages), columns, stream],
            )
        if INSIGHTS not in STREAMS[api]:
            connection.execute(f"CREATE TEMP VIEW {INSIGHTS} AS FROM {SESSIONS}")
        save(connection, api)


if __name__ == "__main__":
    main()
