"""The parts of the README that are generated from code: `python -m tests.readme` writes them."""

from __future__ import annotations

import re
from pathlib import Path

from devin_warehouse.errors import EXIT_CODES
from devin_warehouse.settings import SETTINGS
from devin_warehouse.tables import TABLES

README = Path(__file__).parents[1] / "README.md"


def generated() -> dict[str, str]:
    return {"tables": _tables(), "settings": _settings(), "exit codes": _exit_codes()}


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


if __name__ == "__main__":
    README.write_text(with_generated(README.read_text()))
