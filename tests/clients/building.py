"""dbt builds on the published file, sees a newer copy in its next build, and cannot write there."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.clients.comparison import Answer, differences, is_refused
from tests.clients.inside.with_dbt import build
from tests.clients.readers import BIN, reference

MODEL = "usage_weekly"
# the model's SQL, asked of the warehouse itself
SAME = """
    SELECT
        date_trunc('week', created_date)::DATE AS week,
        sum(sessions_count)::BIGINT AS sessions_count,
        sum(acus_consumed) AS acus_consumed
    FROM analytics.usage_daily GROUP BY week
"""


def built_twice(path: Path, renew: Callable[[], Any]) -> tuple[list[str], list[str]]:
    """dbt's line in the table of clients, and what is not as it should be."""
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "own.duckdb"
        found = [*_unlike(path, own)]
        before = _model(own)["rows"]
        renew()
        found += _unlike(path, own)
        answer = _model(own)
        if before == answer["rows"]:
            found.append("the second build saw nothing new")
        refused = build(BIN / "dbt", str(path), own, "--select", "refused", "--vars", "write: true")
        is_safe = is_refused({"error": refused.stdout if refused.returncode else ""})
    if not is_safe:
        found.append(refused.stdout)
    line = ["1 model", f"{len(answer['rows']):,}", "no" if found else "2/2", "-"]
    return [*line, "refused" if is_safe else "NOT REFUSED"], found


def _unlike(path: Path, own: Path) -> Iterator[str]:
    """How the model differs from the warehouse, after a build whose tests all pass."""
    done = build(BIN / "dbt", str(path), own)
    if done.returncode:
        yield done.stdout
    yield from differences(reference(path, {MODEL: SAME})[MODEL], _model(own))


def _model(own: Path) -> Answer:
    return reference(own, {MODEL: f"FROM {MODEL}"})[MODEL]
