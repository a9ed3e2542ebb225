"""In .venv-deploy: runs the example's job once with each environment of stdin's JSON object."""

import json
import os
import sys
from importlib import import_module
from operator import attrgetter
from typing import Any

import dagster as dg

specifics = attrgetter("event_specific_data")


def outcome(job: Any, instance: Any) -> dict[str, Any]:
    """How a run of the job ended, as far as a person would see it."""
    done = job.execute_in_process(instance=instance, raise_on_error=False)
    return {
        "is_success": done.success,
        "materialized": [
            {name: each.value for name, each in data.materialization.metadata.items()}
            for data in map(specifics, done.get_asset_materialization_events())
        ],
        "checks": [each.passed for each in done.get_asset_check_evaluations()],
        "failures": [data.error.message for data in map(specifics, done.get_step_failure_events())],
    }


def main() -> None:
    """Print the outcomes as one JSON object."""
    sys.path.insert(0, sys.argv[1])
    example = import_module("dagster_example")
    job = example.definitions.resolve_job_def(example.load.name)
    outcomes = {"cron": example.every_five_minutes.cron_schedule}
    with dg.DagsterInstance.ephemeral() as instance:
        for name, environment in json.load(sys.stdin).items():
            os.environ.update(environment)
            outcomes[name] = outcome(job, instance)
    sys.stdout.write(json.dumps(outcomes))


if __name__ == "__main__":
    main()
