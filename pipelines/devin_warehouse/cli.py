"""The commands; composition only."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from devin_warehouse import __version__, options, settings
from devin_warehouse.errors import EXIT_CODES, Misuse, WarehouseError

app = typer.Typer(
    help="Devin sessions and their insights in a DuckDB file that others read while it loads.",
    epilog="Exit codes: "
    + "; ".join(f"{code} {text.split('; ')[0].rstrip('.')}" for code, text in EXIT_CODES.items())
    + ".",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _examples(*lines: str) -> str:
    """What stands below the options of a command's help, a line each."""
    return "\n\n".join(("Examples:", *(f"  devin-warehouse {line}" for line in lines)))


@app.command(
    epilog=_examples(
        "load --dry-run",
        "load --wait 10m --report devin-report.html",
        "load --full-refresh   (weekly)",
        "load --since 2026-11-01 --until 2026-11-08",
        "load --redact title=hash --redact extra=drop",
    )
)
def load(
    database: options.Database = None,
    base_url: options.BaseUrl = None,
    api: options.Api = None,
    org_id: options.Organizations = None,
    include_deleted_orgs: options.DeletedOrganizations = False,
    initial_since: options.InitialSince = None,
    since: options.Since = None,
    until: options.Until = None,
    full_refresh: options.FullRefresh = False,
    yes: options.Yes = False,
    no_insights: options.NoInsights = False,
    dry_run: options.DryRun = False,
    user_id: options.Users = None,
    service_user_id: options.ServiceUsers = None,
    session_id: options.Sessions = None,
    tag: options.Tags = None,
    origin: options.Origins = None,
    category: options.Category = None,
    playbook_id: options.Playbook = None,
    schedule_id: options.ScheduleId = None,
    created_since: options.CreatedSince = None,
    created_until: options.CreatedUntil = None,
    overlap: options.Overlap = None,
    concurrency: options.Concurrency = None,
    no_recheck: options.NoRecheck = False,
    recheck_requests: options.RecheckRequests = None,
    wait: options.Wait = None,
    destination: options.ToDestination = None,
    redact: options.Redact = None,
    organizations_csv: options.OrganizationsCsv = None,
    users_csv: options.UsersCsv = None,
    views: options.Views = None,
    report: options.Report = None,
    acu_price: options.AcuPrice = None,
    on_failure: options.OnFailure = None,
    log_format: options.Format = options.LogFormat.TEXT,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Load what is new or changed since the last run; the first run loads the full history."""
    from devin_warehouse import console
    from devin_warehouse import load as loading
    from devin_warehouse.alarm import armed
    from devin_warehouse.api.listing import Filters
    from devin_warehouse.plan import Order
    from devin_warehouse.preview import preview
    from devin_warehouse.process import frugal_memory

    with armed("" if dry_run else settings.resolved("on_failure", on_failure)) as alarm:
        filters = Filters(
            org_ids=tuple(org_id or ()),
            include_deleted_orgs=include_deleted_orgs,
            user_ids=tuple(user_id or ()),
            service_user_ids=tuple(service_user_id or ()),
            session_ids=tuple(session_id or ()),
            tags=tuple(tag or ()),
            origins=tuple(origin or ()),
            category=options.filled("category", category),
            playbook_id=options.filled("playbook_id", playbook_id),
            schedule_id=options.filled("schedule_id", schedule_id),
            created_since=options.instant("created_since", created_since),
            created_until=options.instant("created_until", created_until),
        )
        initial = settings.resolved("initial_since", initial_since)
        requests = int(settings.resolved("recheck_requests", recheck_requests))
        order = Order(
            layout=options.layout_of(database),
            connection=dataclasses.replace(
                options.connection_of(base_url, api, concurrency), filters=filters
            ),
            overlap=options.overlap_of(overlap),
            wait_seconds=options.duration("wait", settings.resolved("wait", wait)).total_seconds(),
            initial_since=options.instant("initial_since", initial or None),
            since=options.instant("since", since),
            until=options.instant("until", until),
            is_full=full_refresh,
            with_insights=not no_insights,
            recheck_requests=0 if no_recheck else requests,
            is_confirmed=yes,
            sql=options.sql_of(views),
            policy=options.policy_of(redact),
            names=options.names_of(organizations_csv, users_csv),
            destination=options.destination_of(destination),
        )
        page, price = options.report_of(report), options.price_of(acu_price)
        if page and order.destination:
            raise Misuse("--report is written from the published file; with --destination is none.")
        if dry_run:
            console.show_preview(preview(order), log_format)
            return
        alarm.layout = order.layout
        frugal_memory()
        with console.reporting(log_format, is_quiet=quiet, is_verbose=verbose) as progress:
            summary = loading.load(order, progress)
        console.summarize(summary, order.place, log_format, is_quiet=quiet)
        if page and (summary.is_published or not page.exists()):
            from devin_warehouse.report.page import write_report

            write_report(order.layout, page, price)
            if log_format is options.LogFormat.TEXT and not quiet:  # the summary is the last event
                console.show_page(page, log_format)
        alarm.ring(summary.exit_code, "; ".join(summary.notices))
    raise typer.Exit(summary.exit_code)


@app.command()
def doctor(
    base_url: options.BaseUrl = None,
    api: options.Api = None,
    log_format: options.Format = options.LogFormat.TEXT,
) -> None:
    """Try the key on each endpoint: what works, which permission is missing, what follows."""
    from devin_warehouse import console
    from devin_warehouse.doctor import examine

    connection = options.connection_of(base_url, api, None)
    findings = examine(connection)
    console.show_findings(findings, connection, log_format)
    raise typer.Exit(max(finding.exit_code for finding in findings))


@app.command(epilog=_examples("status --max-age 2h", "status --json | jq .watermarks"))
def status(
    database: options.Database = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    max_age: Annotated[
        str | None, typer.Option(help="Exit 4 if the watermark is older than this, as in 2h.")
    ] = None,
) -> None:
    """How fresh the warehouse is, how the last runs ended, and whether one is in progress."""
    from devin_warehouse import console
    from devin_warehouse.status import read_status

    layout = options.layout_of(database)
    oldest = options.duration("max_age", max_age) if max_age else None
    found = read_status(layout)
    console.show_status(found, as_json=as_json)
    if max_age and oldest is not None and found.is_older_than(oldest):
        console.complain_of_age(found, max_age)
        raise typer.Exit(4)


@app.command()
def check(
    database: options.Database = None,
    log_format: options.Format = options.LogFormat.TEXT,
) -> None:
    """Run the checks against the published file; exit 7 if one of severity error finds rows."""
    from devin_warehouse import console
    from devin_warehouse.checks import run_checks
    from devin_warehouse.publish import published
    from devin_warehouse.sql_files import Sql

    with published(options.layout_of(database)) as connection:
        results = run_checks(connection, Sql.of().checks)
    console.show_results(results, log_format)
    if any(result.is_fatal for result in results):
        raise typer.Exit(7)


@app.command(name="export", epilog=_examples("export /data/devin"))
def export_tables(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Made a link to the export.")],
    database: options.Database = None,
    log_format: options.Format = options.LogFormat.TEXT,
) -> None:
    """Write the tables as Parquet, by month, for other engines; only what has changed."""
    from devin_warehouse import console
    from devin_warehouse.export import export

    exported = export(options.layout_of(database), folder)
    console.show_export(exported, folder, log_format)


@app.command(
    name="report",
    epilog=_examples("report", "report --output /srv/www/devin.html --acu-price '2.25 EUR'"),
)
def write_page(
    database: options.Database = None,
    output: Annotated[Path, typer.Option(help="Where to write it.")] = Path("devin-report.html"),
    acu_price: options.AcuPrice = None,
    log_format: options.Format = options.LogFormat.TEXT,
) -> None:
    """Write the report: one HTML page on adoption, ACUs, outcomes and what to act on."""
    from devin_warehouse import console
    from devin_warehouse.report.page import write_report

    layout = options.layout_of(database)
    page = options.page_of("output", output)
    write_report(layout, page, options.price_of(acu_price))
    console.show_page(page, log_format)


@app.command(
    epilog=_examples(
        "sandbox --sessions 20000 --port 8400",
        "sandbox --fault rate_limit=5",
        "sandbox --fault help",
    )
)
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
        _complain(error)
        code = error.exit_code
    except KeyboardInterrupt:
        code = 130
    except typer.Abort:
        code = 130
    except Exception as error:  # noqa: BLE001 the last resort
        code = _unexpected(error)
    sys.exit(code or 0)


def _complain(error: WarehouseError) -> None:
    """One sentence to people; an event to machines, also for an option that makes no sense."""
    if re.search(r"--log-format[ =]json", " ".join(sys.argv)):
        event = {"event": "error", "exit_code": error.exit_code, "message": str(error)}
        typer.echo(json.dumps(event, ensure_ascii=False))
    else:
        typer.echo(f"devin-warehouse: {error}", err=True)


def _unexpected(error: Exception) -> int:
    """Exit 2 for what the command line parser refuses, 1 with a traceback for a defect of ours."""
    if show := getattr(error, "show", None):
        show()
        return 2
    logging.getLogger(__name__).error("A defect of devin-warehouse", exc_info=error)
    return 1
