"""The options of the command line, and how their texts are read."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from devin_warehouse import settings
from devin_warehouse.errors import Misuse

if TYPE_CHECKING:
    from devin_warehouse.feed import Connection
    from devin_warehouse.layout import Layout
    from devin_warehouse.redaction import Policy
    from devin_warehouse.sql_files import Sql

Parsed = TypeVar("Parsed")
SHORTEST_OVERLAP = timedelta(minutes=5)
NARROWING = "Narrowing the load"


class LogFormat(StrEnum):
    """How progress, log and summary are written."""

    TEXT = "text"
    JSON = "json"


def _help(name: str) -> str:
    setting = settings.SETTINGS[name]
    # square brackets would be taken for markup, and vanish
    return f"{setting.meaning} (default: {setting.default or 'none'})"


def _narrowing(meaning: str) -> Any:  # noqa: ANN401 as typer types it
    return typer.Option(help=meaning, rich_help_panel=NARROWING, show_default=False)


Database = Annotated[
    Path | None,
    typer.Option(envvar="DEVIN_DATABASE", help=_help("database"), show_default=False),
]
BaseUrl = Annotated[
    str | None,
    typer.Option(envvar="DEVIN_BASE_URL", help=_help("base_url"), show_default=False),
]
Api = Annotated[str | None, typer.Option(help=_help("api"), show_default=False)]
Organizations = Annotated[
    list[str] | None,
    typer.Option(help="Only this organization; repeatable. Part of the watermark's scope."),
]
DeletedOrganizations = Annotated[
    bool,
    typer.Option(
        "--include-deleted-orgs", help="Deleted organizations too (v3). Part of the scope."
    ),
]
InitialSince = Annotated[str | None, typer.Option(help=_help("initial_since"), show_default=False)]
Since = Annotated[
    str | None, typer.Option(help="Backfill from here on; leaves the watermark alone.")
]
Until = Annotated[str | None, typer.Option(help="Backfill up to here.")]
FullRefresh = Annotated[
    bool,
    typer.Option("--full-refresh", help="Read everything again, and find out what was deleted."),
]
Yes = Annotated[
    bool, typer.Option("--yes", help="Mark as deleted even more than a tenth of all sessions.")
]
NoInsights = Annotated[
    bool, typer.Option("--no-insights", help="The sessions alone, without insights (v3).")
]
NoRecheck = Annotated[bool, typer.Option("--no-recheck", help="No re-check in this run.")]
RecheckRequests = Annotated[
    int | None, typer.Option(min=0, help=_help("recheck_requests"), show_default=False)
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be read; write nothing.")]
Overlap = Annotated[str | None, typer.Option(help=_help("overlap"), show_default=False)]
Concurrency = Annotated[
    int | None, typer.Option(min=1, max=64, help=_help("concurrency"), show_default=False)
]
Wait = Annotated[str | None, typer.Option(help=_help("wait"), show_default=False)]
Redact = Annotated[list[str] | None, typer.Option(help=_help("redact"), show_default=False)]
Views = Annotated[Path | None, typer.Option(help=_help("views"), show_default=False)]
Quiet = Annotated[bool, typer.Option("--quiet", help="Only errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="The log in full.")]
Format = Annotated[LogFormat, typer.Option("--log-format", help="text, or JSON lines.")]
Users = Annotated[list[str] | None, _narrowing("Started by this user; repeatable.")]
ServiceUsers = Annotated[
    list[str] | None, _narrowing("Started by this service user; repeatable (v3).")
]
Sessions = Annotated[list[str] | None, _narrowing("This session; repeatable, on its own.")]
Tags = Annotated[list[str] | None, _narrowing("With this tag; repeatable (v3).")]
Origins = Annotated[list[str] | None, _narrowing("Of this origin; repeatable (v3).")]
Category = Annotated[str | None, _narrowing("Of this category (v3).")]
Playbook = Annotated[str | None, _narrowing("Following this playbook (v3).")]
ScheduleId = Annotated[str | None, _narrowing("Started by this schedule (v3).")]
CreatedSince = Annotated[str | None, _narrowing("Created at this time or later.")]
CreatedUntil = Annotated[str | None, _narrowing("Created before this time.")]


def layout_of(database: Path | None) -> Layout:
    """Where the warehouse keeps its files; raises Misuse for a path that cannot be one."""
    from devin_warehouse.layout import Layout

    return Layout.of(Path(settings.resolved("database", str(database) if database else None)))


def policy_of(rules: list[str] | None) -> Policy:
    """The redaction policy; raises Misuse for a rule that cannot be."""
    from devin_warehouse.redaction import Policy

    text = settings.resolved("redact", ",".join(rules) if rules else None)
    return Policy.parsed(filter(None, (rule.strip() for rule in text.split(","))))


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
