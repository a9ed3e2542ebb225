"""`--on-failure`: a command of the user's hears of a load that failed."""

from __future__ import annotations

import json
import logging
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pendulum

from devin_warehouse.errors import WarehouseError
from devin_warehouse.layout import Layout, plain, read_json

# done, another load at it, and stopped by somebody who knows: nothing to wake people for
NO_FAILURE = frozenset({0, 6, 130, 143})
PATIENCE_SECONDS = 60

log = logging.getLogger(__name__)


@dataclass
class Alarm:
    """What is run when a load fails; `layout` is known once its options have been understood."""

    command: str
    layout: Layout | None = None
    since: pendulum.DateTime = field(default_factory=lambda: pendulum.now("UTC").start_of("second"))

    def ring(self, exit_code: int, message: str) -> None:
        """Run the command, with the outcome as JSON on its stdin; never raises for its failures.

        Exit codes 0, 6, 130 and 143 ring nothing. The command does not see the API key.
        """
        if not self.command or exit_code in NO_FAILURE:
            return
        environment = {name: v for name, v in os.environ.items() if name != "DEVIN_API_KEY"}
        try:
            subprocess.run(  # noqa: S602 the user's own command line
                self.command,
                shell=True,
                check=True,
                input=json.dumps(self._outcome(exit_code, message), default=plain).encode(),
                env=environment,
                timeout=PATIENCE_SECONDS,
            )
        except (subprocess.SubprocessError, OSError) as error:
            log.warning("--on-failure: %s", error)

    def _outcome(self, exit_code: int, message: str) -> dict[str, Any]:
        run = read_json(self.layout.status_file).get("run") if self.layout else None
        # word of an earlier run, if this one ended before it began to write any
        is_this = run and str(run.get("started_at")) >= plain(self.since)
        return {
            "exit_code": exit_code,
            "message": message,
            "database": str(self.layout.database) if self.layout else None,
            "run": run if is_this else None,
        }


@contextmanager
def armed(command: str) -> Iterator[Alarm]:
    """Ring where the load inside ends early; whoever holds it rings for an end with a flaw."""
    alarm = Alarm(command)
    try:
        yield alarm
    except WarehouseError as error:
        alarm.ring(error.exit_code, str(error))
        raise
    except Exception as error:
        alarm.ring(1, f"A defect of devin-warehouse: {type(error).__name__}")
        raise
