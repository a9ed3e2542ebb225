"""Who loads, by which command, and where its rows are then to be found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench.processes import OURS, ROOT, script

CHANGES = 300
FIRST, IDLE, CHANGED = "first load", "nothing new", f"{CHANGES} changes"
LOADS = (FIRST, IDLE, CHANGED)

PLAIN_TABLES = {
    "sessions": "sessions",
    "tags": "session_tags",
    "pull_requests": "session_pull_requests",
    "issues": "insight_issues",
    "timeline": "insight_timeline",
    "action_items": "insight_action_items",
    "feedback_items": "insight_feedback_items",
}
PLAIN_TABLES_V3 = {
    **PLAIN_TABLES,
    "children": "session_children",
    "insights": "insights",
    "good_usages": "insight_good_usages",
    "bad_usages": "insight_bad_usages",
    "programming_languages": "insight_programming_languages",
    "tools_and_frameworks": "insight_tools_and_frameworks",
}
OUR_TABLES_V3 = {
    **PLAIN_TABLES_V3,
    "good_usages": "insight_note_usages WHERE usage = 'good'",
    "bad_usages": "insight_note_usages WHERE usage = 'bad'",
}
DLT_TABLES = {
    "sessions": "sessions",
    "tags": "sessions__tags",
    "pull_requests": "sessions__pull_requests",
    "issues": "sessions__session_analysis__issues",
    "timeline": "sessions__session_analysis__timeline",
    "action_items": "sessions__session_analysis__action_items",
    "feedback_items": "sessions__session_analysis__suggested_prompt__feedback_items",
}
DLT_TABLES_V3 = {
    "sessions": "sessions",
    "tags": "sessions__tags",
    "pull_requests": "sessions__pull_requests",
    "children": "sessions__child_session_ids",
    "insights": "insights",
    "issues": "insights__analysis__issues",
    "timeline": "insights__analysis__timeline",
    "action_items": "insights__analysis__action_items",
    "feedback_items": "insights__analysis__suggested_prompt__feedback_items",
    "good_usages": "insights__analysis__note_usage__good_usages",
    "bad_usages": "insights__analysis__note_usage__bad_usages",
    "programming_languages": "insights__analysis__classification__programming_languages",
    "tools_and_frameworks": "insights__analysis__classification__tools_and_frameworks",
}
IN_OURS = {"v2": PLAIN_TABLES, "v3": OUR_TABLES_V3}
IN_PLAIN = {"v2": PLAIN_TABLES, "v3": PLAIN_TABLES_V3}
IN_DLT = {"v2": DLT_TABLES, "v3": DLT_TABLES_V3}


@dataclass(frozen=True)
class Contender:
    """A command that loads; it is told `--database`, `--base-url` and `--api`.

    `tables` are by API version; those that it has are those that it can read. What takes minutes
    and gigabytes is measured `once_from` a size on, and not beyond the `largest`.
    """

    name: str
    title: str
    command: tuple[str, ...]
    schema: str
    tables: Mapping[str, Mapping[str, str]]
    steps: tuple[str, ...] = LOADS
    once_from: int | None = None
    largest: int | None = None

    def is_wanted(self, sessions: int, number: int) -> bool:
        """Whether it takes part in a round at this size, unless all is wanted."""
        is_too_large = self.largest is not None and sessions > self.largest
        is_enough = self.once_from is not None and sessions >= self.once_from and number > 0
        return not (is_too_large or is_enough)

    def relations(self, api: str) -> dict[str, str]:
        """Where the rows of each kind are, to be read after FROM."""
        return {what: f"{self.schema}.{name}" for what, name in self.tables[api].items()}


LOAD = Contender("ours", "devin-warehouse load", (OURS, "load"), "devin", IN_OURS)
CONTENDERS = (
    LOAD,
    Contender(
        "dlt_merge",
        "devin_source, merged by dlt",
        script("dlt_merge"),
        "devin_api",
        {"v2": PLAIN_TABLES},
        largest=20_000,
    ),
    Contender(
        "rest_api_parquet",
        "rest_api of dlt, parquet",
        script("rest_api", "--format", "parquet"),
        "rest",
        IN_DLT,
        once_from=100_000,
    ),
    Contender(
        "rest_api",
        "rest_api of dlt, as it comes",
        script("rest_api"),
        "rest",
        IN_DLT,
        once_from=20_000,
        largest=20_000,
    ),
    Contender(
        "floor", "httpx, then DuckDB alone", script("floor"), "main", IN_PLAIN, steps=(FIRST,)
    ),
    Contender(
        "airbyte",
        "Airbyte's runtime, then DuckDB",
        script("airbyte"),
        "main",
        IN_PLAIN,
        steps=(FIRST,),
    ),
)
IMPORTS, HELP = "import dlt, duckdb, httpx", "devin-warehouse --help"


def left_out(environment: Path = ROOT / ".venv-airbyte") -> dict[str, str]:
    """The contenders that cannot take part, by name, and why."""
    if (environment / "installed").exists():
        return {}
    said = environment / "why"
    lines = said.read_text(errors="replace").split("\n") if said.exists() else []
    errors = [line for line in lines if line.startswith("ERROR")]
    why = errors[-1] if errors else "`make bench` does it"
    return {"airbyte": f"airbyte-cdk is not installed: {why}"}
