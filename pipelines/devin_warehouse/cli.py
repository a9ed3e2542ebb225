"""The commands; composition only."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from devin_warehouse import __version__, settings
from devin_warehouse.errors import EXIT_CODES, Misuse, WarehouseError

if TYPE_CHECKING:
    from devin_warehouse.layout import Layout

Parsed = TypeVar("Parsed")
SHORTEST_OVERLAP = timedelta(minutes=5)

app = typer.Typer(
    help="Devin sessions and their insights in a DuckDB file that others read while it loads.",
    epilog="Exit codes: "
    + "; ".join(f"{code} {text.split('; ')[0].rstrip('.')}" for code, text in EXIT_CODES.items())
    + ".",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


class LogFormat(StrEnum):
    """How progress, log and summary are written."""

    TEXT = "text"
    JSON = "json"


def _help(name: str) -> str:
    setting = settings.SETTINGS[name]
    # square brackets would be taken for markup, and vanish
    return f"{setting.meaning} (default: {setting.default or 'none'})"


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
InitialSince = Annotated[str | None, typer.Option(help=_help("initial_since"), show_default=False)]
Overlap = Annotated[str | None, typer.Option(help=_help("overlap"), show_default=False)]
Concurrency = Annotated[
    int | None, typer.Option(min=1, max=64, help=_help("concurrency"), show_default=False)
]
Wait = Annotated[str | None, typer.Option(help=_help("wait"), show_default=False)]
Quiet = Annotated[bool, typer.Option("--quiet", help="Only errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="The log in full.")]
Format = Annotated[LogFormat, typer.Option("--log-format", help="text, or JSON lines.")]


@app.command()
def load(
    database: Database = None,
    base_url: BaseUrl = None,
    api: Api = None,
    org_id: Organizations = None,
    initial_since: InitialSince = None,
    overlap: Overlap = None,
    concurrency: Concurrency = None,
    wait: Wait = None,
    log_format: Format = LogFormat.TEXT,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Load what is new or changed since the last run; the first run loads the full history."""
    from devin_warehouse import console
    from devin_warehouse import load as loading
    from devin_warehouse.api import v2
    from devin_warehouse.api.client import checked_base_url, checked_key
    from devin_warehouse.feed import Connection

    given: dict[str, Any] = {
        "initial_since": initial_since,
        "overlap": overlap,
        "concurrency": concurrency,
        "wait": wait,
    }
    values = {name: settings.resolved(name, value) for name, value in given.items()}
    order = loading.Order(
        layout=_layout(database),
        connection=Connection(
            checked_base_url(settings.resolved("base_url", base_url)),
            checked_key(settings.api_key(os.environ.get("DEVIN_API_KEY"))),
            v2.Filters(org_ids=tuple(org_id or ())),
            int(values["concurrency"]),
        ),
        overlap=_overlap(values["overlap"]),
        wait_seconds=_duration("wait", values["wait"]).total_seconds(),
        initial_since=_time("initial_since", values["initial_since"]),
    )
    _check_version(settings.resolved("api", api), order.connection.api_key)
    with console.reporting(log_format, is_quiet=quiet, is_verbose=verbose) as report:
        summary = loading.load(order, report)
    console.summarize(summary, order.layout, log_format, is_quiet=quiet)
    raise typer.Exit(summary.exit_code)


@app.command()
def status(
    database: Database = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    max_age: Annotated[
        str | None, typer.Option(help="Exit 4 if the watermark is older than this, as in 2h.")
    ] = None,
) -> None:
    """How fresh the warehouse is, how the last runs ended, and whether one is in progress."""
    from devin_warehouse import console
    from devin_warehouse.status import read_status

    layout = _layout(database)
    oldest = _duration("max_age", max_age) if max_age else None
    found = read_status(layout)
    console.show_status(found, as_json=as_json)
    if oldest is not None and found.is_older_than(oldest):
        raise typer.Exit(4)


@app.command()
def sandbox(
    sessions: Annotated[int, typer.Option(min=0, help="How many sessions to invent.")] = 2000,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8400,
    seed: Annotated[int, typer.Option(help="The same seed gives the same sessions.")] = 0,
    skew: Annotated[float, typer.Option(help="Seconds that the server's clock is off.")] = 0,
    awkward: Annotated[bool, typer.Option(help="Add sessions with awkward content.")] = False,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="A fault as NAME=VALUE, repeatable; `--fault help` lists them."),
    ] = None,
) -> None:
    """Serve a local Devin API with invented data, to try everything without a key."""
    try:
        from devin_warehouse.sandbox import Faults, World
        from devin_warehouse.sandbox.server import serve
    except ModuleNotFoundError as error:
        raise Misuse(
            "The sandbox needs an extra: pip install 'devin-warehouse[sandbox]'"
        ) from error

    if fault == ["help"]:
        typer.echo("\n".join(f"{s.name}={s.default}: {s.help}" for s in Faults.switches()))
        return
    try:
        faults = Faults.parsed(fault or [])
    except ValueError as error:
        raise Misuse(f"--fault: {error}; `--fault help` lists them.") from error
    world = World(seed, sessions, skew=skew)
    if awkward:
        world.add_awkward()
    serve(world, faults, port=port)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    if version:
        typer.echo(f"devin-warehouse {__version__}")
        raise typer.Exit


def main() -> None:
    """Run a command; every failure ends in one sentence and its exit code."""
    try:
        code = app(standalone_mode=False)
    except WarehouseError as error:
        typer.echo(f"devin-warehouse: {error}", err=True)
        code = error.exit_code
    except KeyboardInterrupt:
        code = 130
    except typer.Abort:
        code = 130
    except Exception as error:  # noqa: BLE001 the last resort
        code = _unexpected(error)
    sys.exit(code or 0)


def _unexpected(error: Exception) -> int:
    """Exit 2 for what the command line parser refuses, 1 with a traceback for a defect of ours."""
    if show := getattr(error, "show", None):
        show()
        return 2
    logging.getLogger(__name__).error("A defect of devin-warehouse", exc_info=error)
    return 1


def _layout(database: Path | None) -> Layout:
    from devin_warehouse.layout import Layout

    return Layout.of(Path(settings.resolved("database", str(database) if database else None)))


def _overlap(text: str) -> timedelta:
    overlap = _duration("overlap", text)
    if overlap < SHORTEST_OVERLAP:
        raise Misuse("--overlap: at least 5m, since sessions may become visible late.")
    return overlap


def _duration(name: str, text: str) -> timedelta:
    from devin_warehouse.source import parse_duration

    return _parsed(name, text, parse_duration, "45m or 1h30m")


def _time(name: str, text: str) -> datetime | None:
    from devin_warehouse.source import parse_time

    return _parsed(name, text, parse_time, "2026-11-01 or 2026-11-01T08:00Z") if text else None


def _parsed(name: str, text: str, parse: Callable[[str], Parsed], example: str) -> Parsed:
    try:
        return parse(text)
    except ValueError as error:
        option = f"--{name.replace('_', '-')}"
        raise Misuse(f"{option} {text!r}: not understood; write it as in {example}.") from error


def _check_version(api: str, key: str) -> None:
    from devin_warehouse.api import v2

    if api not in ("auto", v2.VERSION):
        raise Misuse(f"--api {api}: this version reads {v2.VERSION} only.")
    if api == "auto" and not key.startswith(v2.KEY_PREFIX):
        raise Misuse(
            f"The key does not begin with {v2.KEY_PREFIX}, so its API version is not known: "
            f"if it is a v2 key, say --api {v2.VERSION}."
        )
