"""Contender: the `rest_api` source of dlt, merging by session, incremental by `updated_at`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import dlt
from dlt.sources.rest_api import rest_api_source
from dlt.sources.rest_api.typing import ClientConfig, EndpointResource, RESTAPIConfig

OVERLAP_SECONDS = 3600
LIMIT = 200


def configuration(base_url: str, api: str) -> RESTAPIConfig:
    """An API version as a declaration; the overlap is that of `load`."""
    client: ClientConfig = {
        "base_url": base_url,
        "auth": {"type": "bearer", "token": os.environ["DEVIN_API_KEY"]},
    }
    if api == "v2":
        return {"client": client, "resources": [_v2()]}
    path = "v3/enterprise/sessions"
    return {
        "client": client,
        "resources": [_v3("sessions", path), _v3("insights", f"{path}/insights")],
    }


def _v2() -> EndpointResource:
    return {
        "name": "sessions",
        "primary_key": "session_id",
        "write_disposition": "merge",
        "endpoint": {
            "path": "v2/enterprise/sessions/insights",
            "data_selector": "items",
            "paginator": {
                "type": "offset",
                "limit": LIMIT,
                "offset_param": "skip",
                "limit_param": "limit",
                "total_path": "total",
            },
            "incremental": {
                "cursor_path": "updated_at",
                "initial_value": "2000-01-01T00:00:00Z",
                "start_param": "updated_date_from",
                "lag": OVERLAP_SECONDS,
            },
        },
    }


def _v3(name: str, path: str) -> EndpointResource:
    return {
        "name": name,
        "primary_key": "session_id",
        "write_disposition": "merge",
        "endpoint": {
            "path": path,
            "params": {"first": LIMIT},
            "data_selector": "items",
            "paginator": {
                "type": "cursor",
                "cursor_path": "end_cursor",
                "cursor_param": "after",
            },
            "incremental": {
                "cursor_path": "updated_at",
                "initial_value": 0,
                "start_param": "updated_after",
                "lag": OVERLAP_SECONDS,
            },
        },
    }


def main() -> None:
    """Load."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", type=Path, required=True)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--api", choices=["v2", "v3"], required=True)
    parser.add_argument(
        "--format", choices=["parquet"], help="the loader's; dlt's own if not given"
    )
    arguments = parser.parse_args()
    pipeline = dlt.pipeline(
        "rest_api",
        pipelines_dir=str(arguments.database.with_name("pipelines")),
        destination=dlt.destinations.duckdb(str(arguments.database)),
        dataset_name="rest",
    )
    source = rest_api_source(configuration(arguments.base_url, arguments.api))
    pipeline.run(source, loader_file_format=arguments.format)


if __name__ == "__main__":
    main()
