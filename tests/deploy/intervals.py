"""In .venv-deploy: how many seconds the next runs of cron expressions are apart, as JSON."""

import json
import sys
from datetime import UTC, datetime
from itertools import pairwise

from croniter import croniter


def intervals(cron: str, count: int = 400) -> list[float]:
    """The different distances between its next runs."""
    times = croniter(cron, datetime.now(UTC))
    next_runs = [times.get_next(float) for _ in range(count)]
    return sorted({later - earlier for earlier, later in pairwise(next_runs)})


if __name__ == "__main__":
    sys.stdout.write(json.dumps({cron: intervals(cron) for cron in sys.argv[1:]}))
