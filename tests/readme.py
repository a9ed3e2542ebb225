"""The parts of the README that are generated from code: `python -m tests.readme` writes them."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from devin_warehouse.errors import EXIT_CODES
from devin_warehouse.settings import SETTINGS
from devin_warehouse.sql_files import Sql
from devin_warehouse.tables import TABLES
from tests.questions import QUESTIONS, answers

README = Path(__file__).parents[1] / "README.md"


def generated() -> dict[str, str]:
    return {
        "tables": _tables(),
        "views": _views(),
        "settings": _settings(),
        "exit codes": _exit_codes(),
        "status": _status(),
    }


def with_generated(text: str) -> str:
    """The README with its generated parts brought up to date."""
    for name, block in generated().items():
        start, rest = re.split(rf"(?<=<!-- {name}: )", text)
        head, _, tail = rest.partition("-->\n")
        text = f"{start}{head}-->\n{block}\n<!-- end -->{tail.partition('<!-- end -->')[2]}"
    return text


def _tables() -> str:
    rows = [f"| `devin.{t.name}` | {', '.join(t.key)} | {t.description} |" for t in TABLES]
    return "\n".join(["| table | key | what |", "|---|---|---|", *rows])


def _views() -> str:
    """A table of the views, then each one's question, query and answer, folded away."""
    grains = {view.name: view.grain.removeprefix("One row per ") for view in Sql.of().views}
    rows = [f"| `analytics.{name}` | {grains[name]} | {QUESTIONS[name][0]} |" for name in QUESTIONS]
    table = ["| view | one row per | a question to it |", "|---|---|---|", *rows]
    return "\n".join([*table, *(part for answer in answers() for part in _answer(*answer))])


def _answer(
    view: str, question: str, sql: str, columns: list[str], rows: list[tuple[Any, ...]]
) -> list[str]:
    return [
        "",
        f"<details><summary><code>{view}</code>: {question}</summary>",
        "",
        "```sql",
        sql,
        "```",
        "",
        f"| {' | '.join(columns)} |",
        "|---" * len(columns) + "|",
        *(f"| {' | '.join(_cell(value) for value in row)} |" for row in rows),
        "",
        "</details>",
    ]


def _cell(value: Any) -> str:
    return "" if value is None else str(value).replace("|", "\\|")


def _settings() -> str:
    rows = [
        f"| `{s.option}` | {f'`{s.environment}`' if s.environment else ''} | `{s.name}` "
        f"| {f'`{s.default}`' if s.default else 'none'} | {s.meaning} |"
        for s in SETTINGS.values()
    ]
    return "\n".join(
        ["| option | environment | config | default | meaning |", "|---|" * 1 + "---|" * 4, *rows]
    )


def _exit_codes() -> str:
    rows = [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    return "\n".join(["| exit | when |", "|---|---|", *rows])


def _status() -> str:
    """The keys of `status --json`, as its schema describes them."""
    schema = json.loads(files("devin_warehouse").joinpath("status.schema.json").read_text())
    scope = schema["properties"]["watermarks"]["additionalProperties"]["properties"]
    described = schema["properties"] | {f"watermarks.*.{name}": scope[name] for name in scope}
    rows = [f"| `{name}` | {described[name]['description']} |" for name in sorted(described)]
    return "\n".join(["| key | what |", "|---|---|", *rows])


if __name__ == "__main__":
    README.write_text(with_generated(README.read_text()))
