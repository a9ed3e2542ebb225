"""Whether the report shows what SQL says, to everybody, in a real browser: `make test-report`.

Three pages: one of a lifelike warehouse with awkward and hostile sessions, one of a warehouse
without sessions, one of names and titles that are markup. Pictures of each are left in `build/`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

from rich.console import Console

from devin_warehouse.publish import published
from devin_warehouse.report.page import write_report
from devin_warehouse.report.rows import Price
from devin_warehouse.sandbox import World
from devin_warehouse.sql_files import Sql
from tests.conftest import NOW, Warehouse
from tests.truth_report import Truth

ROOT = Path(__file__).parents[2]
BIN = ROOT / ".venv-browser" / "bin"
PICTURES = ROOT / "build" / "report"
LARGEST_BYTES = 3_000_000
HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script>\u202e<b>&amp;"
TOLERANCE = 1e-5
SHARES = ("merge_rate", "unmerged_share", "failed_share", "coverage")
console = Console(highlight=False, soft_wrap=True)
Seen = dict[str, Any]


def main() -> int:
    """Make the pages, have them looked at, compare; 1 if something is not as it should be."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("make test-report needs Chromium.")
    with tempfile.TemporaryDirectory() as folder:
        warehouses = {name: made(Path(folder) / name) for name, made in WAREHOUSES.items()}
        pages = {name: Path(folder) / f"{name}.html" for name in warehouses}
        for name, warehouse in warehouses.items():
            write_report(warehouse.layout, pages[name], Price(2.25, "USD"))
        text = pages["hostile"].read_text()
        pages["hostile"].write_text(text.replace("https://app.devin.ai/", "javascript:alert(3)//"))
        command: list[str | Path] = [
            BIN / "python",
            Path(__file__).with_name("look.py"),
            chromium,
            PICTURES,
        ]
        done = subprocess.run([*command, *pages.values()], stdout=subprocess.PIPE, check=True)
        seen = dict(zip(warehouses, json.loads(done.stdout).values(), strict=True))
        found = [
            f"{name}: {trouble}"
            for name, warehouse in warehouses.items()
            for trouble in (*common(seen[name], pages[name]), *OWN[name](seen[name], warehouse))
        ]
    shown = sum(len(page["choices"]) for page in seen.values())
    for trouble in found:
        console.print(trouble, markup=False)
    verdict = "as they should be" if not found else f"{len(found)} troubles"
    console.print(f"3 pages, {shown} choices of organization and period: {verdict}")
    console.print(f"Pictures are in {PICTURES.relative_to(ROOT)}.")
    return bool(found)


def lifelike(path: Path) -> Warehouse:
    """Awkward sessions too, and some days of history."""
    warehouse = _warehouse(path, 1_500)
    warehouse.world.add_awkward()
    for _ in range(3):
        warehouse.load(sql=Sql.of())
        warehouse.world.advance("1 day")
    return warehouse


def empty(path: Path) -> Warehouse:
    """Loaded, and nothing in it."""
    warehouse = _warehouse(path, 0)
    warehouse.load(sql=Sql.of())
    return warehouse


def hostile(path: Path) -> Warehouse:
    """Everything that people can name is markup, or an address that must not be opened."""
    warehouse = _warehouse(path, 40)
    for number, session in enumerate(list(warehouse.world.sessions)):
        warehouse.world.edit(
            session,
            title=f"{number} {HOSTILE}",
            status="error",
            category=HOSTILE,
            user_id=HOSTILE,
            org_id=f"org-{HOSTILE}",
        )
    warehouse.load(sql=Sql.of())
    return warehouse


def _warehouse(path: Path, sessions: int) -> Warehouse:
    path.mkdir()
    return Warehouse(path / "warehouse.duckdb", World(7, sessions, now=NOW), version="v3")


def common(seen: Seen, page: Path) -> Iterator[str]:
    """What holds for any page."""
    yield from seen["troubles"]
    yield from (f"accessibility: {violation}" for violation in seen["violations"])
    yield from (f"wider than a {name}" for name in seen["overflows"])
    if seen["images"]:
        yield "somebody's text became an element"
    if page.stat().st_size > LARGEST_BYTES:
        yield f"{page.stat().st_size:,} bytes"
    if seen["keyboard"][0] != "skip":
        yield f"the Tab key begins at {seen['keyboard'][0]}"
    yield from (f"a link to {address}" for address in seen["links"] if address[:8] != "https://")
    for choice in seen["choices"]:
        yield from (f"a link that leads nowhere: {link}" for link in choice["lost"])
        yield from (f"a figure without definition: {text}" for text in choice["unlinked"])


def as_sql_says(seen: Seen, warehouse: Warehouse) -> Iterator[str]:
    """Each card, table and column of each choice, beside an independent computation."""
    with published(warehouse.layout) as connection:
        truth = Truth(connection)
        rows = connection.execute("SELECT DISTINCT org_id, org_name FROM analytics.sessions")
        org_ids = {name: org_id for org_id, name in rows.fetchall()}
    for choice in seen["choices"]:
        name = choice["status"].partition(", ")[0]
        org_id = org_ids.get(name)
        where = f"{name}, period {choice['period']}"
        chosen = org_id, truth.span(choice["period"])
        for trouble in (
            *unlike_cards(choice["figures"], truth.figures(*chosen)),
            *unlike_tables(choice["tables"], truth, chosen),
            *unlike_columns(choice["columns"]),
        ):
            yield f"{where}: {trouble}"
    if not is_sorted(seen["sorted"]):
        yield f"sorting: {seen['sorted']}"
    # what was chosen last is in the address; the arrow leads from all time to the period before it
    if not seen["keyboard"][3].startswith(f"{name}, last 12 weeks"):
        yield f"the arrow key leads to: {seen['keyboard'][3]}"


def unlike_cards(shown: Seen, expected: dict[str, float | None]) -> Iterator[str]:
    if shown.keys() != expected.keys():
        yield f"cards {sorted(shown)}"
    for measure, value in expected.items():
        card = shown[measure]
        if not is_close(card["value"], value):
            yield f"{measure} is {card['value']}, in SQL {value}"
        if card["text"] != written(measure, value):
            yield f"{measure} reads {card['text']}, not {written(measure, value)}"


def written(measure: str, value: float | None) -> str:
    """As a reader ought to see it."""
    if value is None:
        return "–"
    if measure in SHARES:
        return f"{rounded(value * 100, 1 if value < 0.1 else 0).removesuffix('.0')}%"
    return rounded(value, 1 if measure.startswith("acus") and value < 100 else 0)


def rounded(value: float, digits: int) -> str:
    """As a browser rounds: a half goes up."""
    return f"{Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP):,}"


def unlike_tables(
    tables: list[Seen], truth: Truth, chosen: tuple[str | None, tuple[date, date]]
) -> Iterator[str]:
    """Figures of the tables: outcomes by category, issues, the backlog, how sessions stand."""
    by_query = {(table["query"], table["caption"]): table["rows"] for table in tables}
    outcomes = truth.outcomes(*chosen, column="category")
    told_as = {value.replace("_", " "): told for value, told in outcomes.items()}
    for value, sessions, acus, _, rate, _, per_pr, _, _ in by_query.get(
        ("outcomes", "By category"), []
    ):
        told = told_as[value]
        for shown, name in (
            (sessions, "sessions_count"),
            (acus, "acus_consumed"),
            (rate, "merge_rate"),
            (per_pr, "acus_per_merged_pull_request"),
        ):
            if not is_close(shown, told[name]):
                yield f"{name} of {value} is {shown}, in SQL {told[name]}"
    issues = truth.issues_of(*chosen)
    items = truth.items_of(*chosen)
    for (query, _), rows in by_query.items():
        for row in rows:
            if query == "issues":
                told = issues[none(row[0]), none(row[1])]
                expected = [told["issues_count"], told["sessions_count"], told["share"]]
                shown = row[2:5]
            elif query == "action_items":
                told = items[row[0].strip(" ").lower()]
                expected, shown = [told["times_proposed"], told["sessions_count"]], row[2:4]
            else:
                continue
            if not all(map(is_close, shown, expected)):
                yield f"{query} {row} are in SQL {expected}"


def unlike_columns(charts: list[list[Seen]]) -> Iterator[str]:
    """Only the last column is unfinished."""
    for chart in charts:
        if [column["is_complete"] for column in chart] != [True] * (len(chart) - 1) + [False]:
            yield "another column than the last is drawn as unfinished"


def none(text: str) -> str | None:
    return None if text == "–" else text


def is_close(shown: str | None, expected: float | None) -> bool:
    """Whether a figure as shown is that of SQL, to the digits that the page carries."""
    if shown in (None, "–") or expected is None:
        return shown in (None, "–") and expected is None
    return abs(float(shown) - expected) <= TOLERANCE * max(1, abs(expected))


def is_sorted(seen: Seen | None) -> bool:
    return seen is not None and (
        seen["descending"] == sorted(seen["descending"], reverse=True)
        and seen["ascending"] == sorted(seen["ascending"])
        and len(set(seen["ascending"])) > 1
    )


def says_that_it_is_empty(seen: Seen, _: Warehouse) -> Iterator[str]:
    if "No sessions yet" not in seen["text"] or seen["choices"]:
        yield f"an empty warehouse reads: {seen['text'][:200]}"


def shows_texts_as_texts(seen: Seen, _: Warehouse) -> Iterator[str]:
    if HOSTILE not in seen["text"]:
        yield "the hostile texts are not shown as they are"
    if seen["links"]:
        yield "addresses that must not be opened can be"


WAREHOUSES = {"lifelike": lifelike, "empty": empty, "hostile": hostile}
OWN = {
    "lifelike": as_sql_says,
    "empty": says_that_it_is_empty,
    "hostile": shows_texts_as_texts,
}

if __name__ == "__main__":
    sys.exit(main())
