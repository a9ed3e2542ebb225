"""Contender: `devin_source` in a pipeline of dlt's own, which stages and merges table by table.

Without what `load` adds: history, one transaction for all tables, a published copy.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import dlt
from dlt.pipeline.trace import PipelineTrace

from devin_warehouse import devin_source


def main() -> None:
    """Load, and say how long dlt's steps took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", type=Path, required=True)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--api", required=True)
    arguments = parser.parse_args()
    pipeline = dlt.pipeline(
        "dlt_merge",
        pipelines_dir=str(arguments.database.with_name("pipelines")),
        destination=dlt.destinations.duckdb(str(arguments.database)),
        dataset_name="devin_api",
    )
    pipeline.run(devin_source(os.environ["DEVIN_API_KEY"], arguments.base_url, arguments.api))
    json.dump(_seconds(pipeline.last_trace), sys.stdout)


def _seconds(trace: PipelineTrace | None) -> dict[str, float]:
    return {
        step.step: (step.finished_at - step.started_at).total_seconds()
        for step in (trace.steps if trace else ())
        if step.finished_at and step.step in ("extract", "normalize", "load")
    }


if __name__ == "__main__":
    main()
