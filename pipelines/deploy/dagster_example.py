"""Dagster: the warehouse as an asset, loaded every five minutes and checked after each load.

To install: put this file into your code location, `devin-warehouse` on its PATH (an environment of
its own is best: dlt and Dagster want different versions of the same), DEVIN_API_KEY and
DEVIN_DATABASE, an absolute path, into its environment. Then `dagster dev -f dagster_example.py`.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

LOCKED, REJECTED = 6, 8


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        ["devin-warehouse", *arguments], capture_output=True, text=True, check=False
    )


def reason(done: subprocess.CompletedProcess[str]) -> str:
    """Why it failed: the one sentence that ends what it says on stderr."""
    return (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]


def last_run() -> dict[str, Any]:
    """What the run left word of beside the warehouse, as metadata."""
    said = json.loads(Path(os.environ["DEVIN_DATABASE"]).with_suffix(".status.json").read_text())
    numbers = ("sessions_new", "sessions_changed", "sessions_rejected", "requests")
    return {
        **{name: said["run"][name] for name in numbers},
        "watermark": said["run"]["watermark_after"],
        "published_at": said["published_at"],
    }


# where another load is in progress nothing is materialized, and nothing has failed
@dg.asset(output_required=False)
def warehouse(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
    """Devin's sessions and their insights, in a DuckDB file."""
    done = run("load")
    if done.returncode == LOCKED:
        context.log.info(reason(done))
        return
    if done.returncode not in (0, REJECTED):
        raise dg.Failure(reason(done), metadata={"exit_code": done.returncode}, allow_retries=False)
    metadata = last_run() | {"exit_code": done.returncode}
    if done.returncode == REJECTED:
        metadata["warning"] = "Some records could not be read; see devin.rejected_records."
        context.log.warning(metadata["warning"])
    yield dg.MaterializeResult(metadata=metadata)


@dg.asset_check(asset=warehouse)
def holds_what_it_promises() -> dg.AssetCheckResult:
    """The checks that each copy passed before it was published, and what they warn of."""
    done = run("check")
    return dg.AssetCheckResult(
        passed=done.returncode == 0,
        metadata={"checks": dg.MetadataValue.md(f"```\n{done.stdout}```")},
    )


load = dg.define_asset_job("load", selection=[warehouse])
every_five_minutes = dg.ScheduleDefinition(job=load, cron_schedule="*/5 * * * *")
definitions = dg.Definitions(
    assets=[warehouse],
    asset_checks=[holds_what_it_promises],
    jobs=[load],
    schedules=[every_five_minutes],
)
