"""The options of the command line, and how their texts are read."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from devin_warehouse import settings
from devin_warehouse.errors import Misuse

if TYPE_CHECKING:
    from devin_warehouse.destination import Destination
    from devin_warehouse.directories import Names
    from devin_warehouse.feed import Connection
    from devin_warehouse.layout import Layout
    from devin_warehouse.redaction import Policy
    from devin_warehouse.report.rows import Price
    from devin_warehouse.sql_files import Sql

Parsed = TypeVar("Parsed")
SHORTEST_OVERLAP = timedelta(minutes=5)
# what a report of ours holds near its beginning
MARK = b'<meta name="generator" content="devin-warehouse">'
# the panels of --help
WHERE = "Options"
WHAT = "What to load"
NARROWING = "Narrowing the load"
HOW = "How to load"
STORED = "What is stored"
AFTERWARDS = "Report and alarm"
SAID = "What is said"


class LogFormat(StrEnum):
    """How progress, log and summary are written."""

    TEXT = "text"
    JSON = "json"


def _option(*flags: str, panel: str, **details: Any) -> Any:  # noqa: ANN401 as typer types it
    if flags:
        details["metavar"] = " "  # that it is a bool need not be said
    return typer.Option(*flags, rich_help_panel=panel, show_default=False, **details)


def _setting(name: str, *, panel: str, **details: Any) -> Any:  # noqa: ANN401
    setting = settings.SETTINGS[name]
    # square brackets would be taken for markup, and vanish
    text = f"{setting.meaning} (default: {setting.default or 'none'})"
    return _option(panel=panel, help=text, envvar=setting.environment or None, **details)


Database = Annotated[Path | None, _setting("database", panel=WHERE, metavar="PATH")]
BaseUrl = Annotated[str | None, _setting("base_url", panel=WHERE, metavar="URL")]
Api = Annotated[str | None, _setting("api", panel=WHERE, metavar="VERSION")]

Organizations = Annotated[
    list[str] | None,
    _option(
        help="Only this organization; repeatable. Part of the watermark's scope.",
        panel=WHAT,
        metavar="ID",
    ),
]
DeletedOrganizations = Annotated[
    bool,
    _option(
        "--include-deleted-orgs",
        help="Deleted organizations too (v3). Part of the scope.",
        panel=WHAT,
    ),
]
InitialSince = Annotated[str | None, _setting("initial_since", panel=WHAT, metavar="TIME")]
Since = Annotated[
    str | None,
    _option(help="Backfill from here on; leaves the watermark alone.", panel=WHAT, metavar="TIME"),
]
Until = Annotated[str | None, _option(help="Backfill up to here.", panel=WHAT, metavar="TIME")]
FullRefresh = Annotated[
    bool,
    _option(
        "--full-refresh", help="Read everything again, and find out what was deleted.", panel=WHAT
    ),
]
Yes = Annotated[
    bool,
    _option("--yes", help="Mark as deleted even more than a tenth of all sessions.", panel=WHAT),
]
NoInsights = Annotated[
    bool, _option("--no-insights", help="The sessions alone, without insights (v3).", panel=WHAT)
]
DryRun = Annotated[
    bool, _option("--dry-run", help="Say what would be read; write nothing.", panel=WHAT)
]

Users = Annotated[
    list[str] | None,
    _option(help="Started by this user; repeatable.", panel=NARROWING, metavar="ID"),
]
ServiceUsers = Annotated[
    list[str] | None,
    _option(help="Started by this service user; repeatable (v3).", panel=NARROWING, metavar="ID"),
]
Sessions = Annotated[
    list[str] | None,
    _option(help="This session; repeatable, on its own.", panel=NARROWING, metavar="ID"),
]
Tags = Annotated[
    list[str] | None,
    _option(help="With this tag; repeatable (v3).", panel=NARROWING, metavar="TAG"),
]
Origins = Annotated[
    list[str] | None,
    _option(help="Of this origin; repeatable (v3).", panel=NARROWING, metavar="ORIGIN"),
]
Category = Annotated[
    str | None, _option(help="Of this category (v3).", panel=NARROWING, metavar="CATEGORY")
]
Playbook = Annotated[
    str | None, _option(help="Following this playbook (v3).", panel=NARROWING, metavar="ID")
]
ScheduleId = Annotated[
    str | None, _option(help="Started by this schedule (v3).", panel=NARROWING, metavar="ID")
]
CreatedSince = Annotated[
    str | None, _option(help="Created at this time or later.", panel=NARROWING, metavar="TIME")
]
CreatedUntil = Annotated[
    str | None, _option(help="Created before this time.", panel=NARROWING, metavar="TIME")
]

Overlap = Annotated[str | None, _setting("overlap", panel=HOW, metavar="DURATION")]
Concurrency = Annotated[int | None, _setting("concurrency", panel=HOW, metavar="N", min=1, max=64)]
NoRecheck = Annotated[bool, _option("--no-recheck", help="No re-check in this run.", panel=HOW)]
RecheckRequests = Annotated[int | None, _setting("recheck_requests", panel=HOW, metavar="N", min=0)]
Wait = Annotated[str | None, _setting("wait", panel=HOW, metavar="DURATION")]

ToDestination = Annotated[str | None, _setting("destination", panel=STORED, metavar="NAME")]
Redact = Annotated[list[str] | None, _setting("redact", panel=STORED, metavar="COLUMN=RULE")]
OrganizationsCsv = Annotated[
    Path | None, _setting("organizations_csv", panel=STORED, metavar="PATH")
]
UsersCsv = Annotated[Path | None, _setting("users_csv", panel=STORED, metavar="PATH")]
Views = Annotated[Path | None, _setting("views", panel=STORED, metavar="DIR")]

Report = Annotated[Path | None, _setting("report", panel=AFTERWARDS, metavar="PATH")]
AcuPrice = Annotated[str | None, _setting("acu_price", panel=AFTERWARDS, metavar="PRICE")]
OnFailure = Annotated[str | None, _setting("on_failure", panel=AFTERWARDS, metavar="CMD")]

Format = Annotated[
    LogFormat, typer.Option("--log-format", help="text, or JSON lines.", rich_help_panel=SAID)
]
Quiet = Annotated[bool, _option("--quiet", help="Only errors.", panel=SAID)]
Verbose = Annotated[bool, _option("--verbose", help="The log in full.", panel=SAID)]


def layout_of(database: Path | None) -> Layout:
    """Where the warehouse keeps its files; raises Misuse for a path that cannot be one."""
    from devin_warehouse.layout import Layout

    return Layout.of(Path(settings.resolved("database", str(database) if database else None)))


def policy_of(rules: list[str] | None) -> Policy:
    """The redaction policy; raises Misuse for a rule that cannot be."""
    from devin_warehouse.redaction import Policy

    text = settings.resolved("redact", ",".join(rules) if rules else None)
    return Policy.parsed(filter(None, (rule.strip() for rule in text.split(","))))


def names_of(organizations_csv: Path | None, users_csv: Path | None) -> dict[str, Names]:
    """The names that files tell, by table; raises Misuse for a file that cannot be used."""
    from devin_warehouse.directories import ORGANIZATIONS, USERS, read_file

    names = {}
    for table, given in ((ORGANIZATIONS, organizations_csv), (USERS, users_csv)):
        path = settings.resolved(f"{table.name}_csv", str(given) if given else None)
        if path:
            names[table.name] = read_file(Path(path), table)
    return names


def report_of(path: Path | None) -> Path | None:
    """Where a load is to write the report, if anywhere; raises Misuse where it cannot be."""
    named = settings.resolved("report", str(path) if path else None)
    return page_of("report", Path(named)) if named else None


def page_of(name: str, page: Path) -> Path:
    """A page to be written; raises Misuse where there cannot be one, or is something else."""
    if page.is_dir() or not page.parent.is_dir():
        raise Misuse(f"--{name} {page}: a folder, or in one that is not there.")
    if page.is_file():
        with page.open("rb") as file:
            if MARK not in file.read(1_000):
                raise Misuse(
                    f"--{name} {page}: no report of ours, and would be lost; nothing is written."
                )
    return page


def price_of(text: str | None) -> Price | None:
    """What an ACU costs, if that is known; raises Misuse for what is no price."""
    price = settings.resolved("acu_price", text).strip()
    if not price:
        return None
    from devin_warehouse.report.rows import Price

    found = re.fullmatch(r"(\d+(?:\.\d+)?)(?: ?([A-Z]{3}))?", price)
    if not found:
        raise Misuse(f"--acu-price {price!r}: not understood; write it as in 2.25 or 2.25 EUR.")
    return Price(float(found[1]), found[2] or "USD")


def destination_of(name: str | None) -> Destination | None:
    """Where to publish, None for the file; raises Misuse where a warehouse cannot be kept."""
    named = settings.resolved("destination", name)
    if named == "duckdb":
        return None
    from devin_warehouse.destination import Destination

    return Destination(named)


def sql_of(folder: Path | None) -> Sql:
    """Our views and the user's; raises Misuse, with file and line, for one that cannot be."""
    from devin_warehouse.sql_files import Sql
    from devin_warehouse.views import rehearse

    named = settings.resolved("views", str(folder) if folder else None)
    if not named:
        return Sql.of()
    sql = Sql.of(Path(named))
    rehearse(sql.views)
    return sql


def connection_of(base_url: str | None, api: str | None, concurrency: int | None) -> Connection:
    """How to speak to the API, whatever is asked of it."""
    from devin_warehouse.api.client import checked_base_url, checked_key
    from devin_warehouse.feed import Connection, version_of

    address = checked_base_url(settings.resolved("base_url", base_url))
    key = checked_key(settings.api_key(os.environ.get("DEVIN_API_KEY")))
    version = version_of(settings.resolved("api", api), key)
    at_once = int(settings.resolved("concurrency", concurrency))
    return Connection(address, key, concurrency=at_once, version=version)


def filled(name: str, value: str | None) -> str:
    """What was given, "" for nothing; raises Misuse if that was an empty text, an unset variable.

    Without the filter that was meant a load would read everything and move the watermark.
    """
    if value is not None and not value.strip():
        raise Misuse(f"--{name.replace('_', '-')}: an empty value; nothing was asked for.")
    return value or ""


def overlap_of(text: str | None) -> timedelta:
    """How far behind the watermark a run starts."""
    overlap = duration("overlap", settings.resolved("overlap", text))
    if overlap < SHORTEST_OVERLAP:
        raise Misuse("--overlap: at least 5m, since sessions may become visible late.")
    return overlap


def duration(name: str, text: str) -> timedelta:
    """A duration as people write it."""
    from devin_warehouse.times import parse_duration

    return _parsed(name, text, parse_duration, "45m or 1h30m")


def instant(name: str, text: str | None) -> datetime | None:
    """A point in time as people write it; None for none."""
    from devin_warehouse.times import parse_time

    if text is None:
        return None
    return _parsed(name, filled(name, text), parse_time, "2026-11-01 or 2026-11-01T08:00Z")


def _parsed(name: str, text: str, parse: Callable[[str], Parsed], example: str) -> Parsed:
    try:
        return parse(text)
    except ValueError as error:
        option = f"--{name.replace('_', '-')}"
        raise Misuse(f"{option} {text!r}: not understood; write it as in {example}.") from error
