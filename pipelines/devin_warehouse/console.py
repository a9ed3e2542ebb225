"""What people and machines see of a command: progress, summary, status."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from devin_warehouse.feed import Connection
from devin_warehouse.layout import plain
from devin_warehouse.packages import Phase, Progress
from devin_warehouse.status import Status
from devin_warehouse.summary import Summary

if TYPE_CHECKING:
    from devin_warehouse.checks import Result
    from devin_warehouse.doctor import Finding
    from devin_warehouse.export import Exported
    from devin_warehouse.preview import Preview

Report = Callable[[Progress], None]
errors = Console(stderr=True, highlight=False, markup=False)
output = Console(highlight=False, markup=False)
if not output.is_terminal:
    output.width = 160


@contextmanager
def reporting(log_format: str, *, is_quiet: bool, is_verbose: bool) -> Iterator[Report]:
    """Set up the log, and yield what a load reports its progress to."""
    _set_up_log(log_format, is_quiet=is_quiet, is_verbose=is_verbose)
    if is_quiet:
        yield lambda _: None
    elif log_format == "json":
        yield lambda progress: _emit({"event": "progress", **_numbers(progress)})
    elif errors.is_terminal:
        with _bar() as bar:
            yield bar
    else:
        yield _Lines()


def summarize(summary: Summary, place: str, log_format: str, *, is_quiet: bool) -> None:
    """Say what a load did, and that it was published at a place."""
    if is_quiet:
        return
    if log_format == "json":
        _emit({"event": "summary", **asdict(summary), "exit_code": summary.exit_code})
        return
    counts = summary.counts
    _say(
        f"{counts.read:,} sessions read: {counts.new:,} new, {counts.changed:,} changed, "
        f"{counts.unchanged:,} unchanged, {counts.rejected:,} rejected"
    )
    if counts.new or counts.changed:
        filled = {name: rows for name, rows in summary.rows.items() if rows}
        _say(f"rows now: {', '.join(f'{name} {n:,}' for name, n in filled.items())}")
    _say(
        f"{_many(summary.requests, 'request')}, {_many(summary.retries, 'retry')}, "
        f"{summary.seconds:.1f} s; "
        f"watermark {_shown(summary.watermark_before)} -> {_shown(summary.watermark_after)}"
    )
    if summary.rejected_records:
        _say(
            f"{summary.rejected_records:,} records could not be read; they are kept in "
            "devin.rejected_records and asked for again each run (exit 8)"
        )
    if summary.sessions_deleted:
        _say(f"{summary.sessions_deleted:,} sessions are marked as deleted: unknown by id (404)")
    if summary.insights_failed:
        _say(
            f"the insights of {summary.insights_failed:,} sessions could not be read; the next run "
            "asks for them again (exit 8)"
        )
    for warning in summary.warnings:
        _say(f"warning: {warning}")
    _say(f"published {place}" if summary.is_published else f"{place} is up to date")


def show_export(exported: Exported, folder: Path, log_format: str) -> None:
    """Say what an export did."""
    if log_format == "json":
        _emit({"event": "export", "path": str(folder), **asdict(exported)})
    elif exported.is_new:
        _say(
            f"exported to {folder}: {_many(exported.written, 'partition')} written, "
            f"{exported.carried_over:,} as they were"
        )
    else:
        _say(f"{folder} is up to date")


def show_status(status: Status, *, as_json: bool) -> None:
    """Say how a warehouse is doing; as JSON, as status.schema.json describes it."""
    if as_json:
        watermarks = {name: _told(status, name) for name in status.scopes}
        told = {name: value for name, value in asdict(status).items() if name != "scopes"}
        _emit({**told, "watermarks": watermarks})
        return
    _say(f"{status.database}, published {_when(status.published_at, status.at)}")
    for name, scope in status.scopes.items():
        _say(f"  {name}: complete up to {_when(scope.visible, status.at)}")
        if scope.visible != scope.watermark:
            _say(f"  read up to {_when(scope.watermark, status.at)}, which is not published yet")
    _say(
        f"A load is in progress: {status.held_by}" if status.held_by else "No load is in progress."
    )
    for warning in status.warnings:
        _say(f"warning: {warning}")
    if status.runs:
        output.print(_runs_table(status.runs))
        if said := status.runs[0]["error"]:
            _say(f"Of the last run: {said}")
    filled = {name: rows for name, rows in status.rows.items() if rows}
    _say("Rows: " + (", ".join(f"{name} {rows:,}" for name, rows in filled.items()) or "none yet"))


def complain_of_age(status: Status, max_age: str) -> None:
    """Say which scope is older than a monitor allows."""
    seen = [
        f"{name}: complete up to {_when(scope.visible, status.at)}"
        for name, scope in status.scopes.items()
    ]
    found = "; ".join(seen) or "nothing has been loaded"
    errors.print(f"devin-warehouse: older than {max_age}: {found}.", soft_wrap=True)


def _told(status: Status, name: str) -> dict[str, Any]:
    scope, age = status.scopes[name], status.age(name)
    return {**asdict(scope), "age_seconds": None if age is None else round(age.total_seconds())}


def show_page(page: Path, log_format: str) -> None:
    """Say where the report is."""
    size = page.stat().st_size
    if log_format == "json":
        _emit({"event": "report", "path": page, "bytes": size})
    else:
        _say(f"wrote {page}, {size / 1000:,.0f} kB: open it in a browser")


def show_results(results: list[Result], log_format: str) -> None:
    """Say what each check found, with sample rows."""
    if log_format == "json":
        for result in results:
            _emit({"event": "check", **asdict(result)})
        return
    for result in results:
        outcome = "ok" if not result.found else "FAIL" if result.is_fatal else "warn"
        _say(f"{outcome:>4}  {result.name}: {result.rule}")
        if result.found:
            _say(f"      {result.found:,} found, the first of them:")
            output.print(_sample_table(result.sample))


def show_preview(preview: Preview, log_format: str) -> None:
    """Say what a load would do."""
    if log_format == "json":
        _emit({"event": "preview", **asdict(preview)})
        return
    _say(f"{preview.mode} load of {preview.scope}; watermark {_shown(preview.watermark)}")
    window = f"would read sessions updated in {preview.window}"
    if preview.sessions is None:
        _say(f"{window}; the API does not say how many there are")
    else:
        _say(
            f"{window}: {_many(preview.sessions, 'session')}, in about "
            f"{_many(preview.session_requests or 0, 'request')} for "
            f"{_many(preview.windows or 1, 'window')}"
        )
    if preview.insight_requests is not None:
        how = "by the bulk list" if preview.has_insights_list else "one by one"
        _say(f"insights {how}: at most about {preview.insight_requests:,} requests more")
    _say("nothing was written")


def show_findings(findings: list[Finding], connection: Connection, log_format: str) -> None:
    """Say what a key can do."""
    if log_format == "json":
        for finding in findings:
            _emit({"event": "finding", **asdict(finding)})
        return
    _say(f"API {connection.version} at {connection.base_url}")
    for finding in findings:
        _say(f"{'ok' if finding.is_good else 'NO':>3}  {finding.what}: {finding.seen}")
        if finding.follows:
            _say(f"     {finding.follows}")


class _Lines:
    """A line a package, where there is no terminal."""

    def __init__(self) -> None:
        self._packages = 0

    def __call__(self, progress: Progress) -> None:
        if progress.packages > self._packages:
            self._packages = progress.packages
            errors.print(f"package {progress.packages}: {_told_of(progress)}")


@contextmanager
def _bar() -> Iterator[Report]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=errors, transient=True) as bar:
        tasks: dict[Phase, TaskID] = {}

        def report(progress: Progress) -> None:
            phase, expected = progress.phase, progress.expected
            if phase not in tasks:
                for task in tasks.values():
                    bar.update(task, visible=False)
                tasks[phase] = bar.add_task(phase, total=None, count="")
            speed = bar.tasks[tasks[phase]].speed
            text = _told_of(progress, f", {speed:,.0f}/s" if speed else "")
            done = min(progress.done, expected or progress.done)
            bar.update(tasks[phase], completed=done, total=expected, count=text)

        yield report


def _told_of(progress: Progress, speed: str = "") -> str:
    """How far a run is, for a line or beside a bar."""
    read = f"{progress.counts.read:,}"
    if progress.phase is Phase.PUBLISHING:
        return f"{read} sessions read"
    before = f"{read} sessions, " if progress.phase is Phase.INSIGHTS else ""
    of = f" of {progress.expected:,}" if progress.expected else ""
    done = f"{progress.done:,}{of} {progress.phase}"
    return f"{before}{done}{speed}, {_many(progress.retries, 'retry')}"


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {"event": "log", "level": record.levelname.lower(), "message": record.getMessage()}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def _set_up_log(log_format: str, *, is_quiet: bool, is_verbose: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _JsonLines() if log_format == "json" else logging.Formatter("%(levelname)s: %(message)s")
    )
    log = logging.getLogger("devin_warehouse")
    log.handlers = [handler]
    log.propagate = False
    log.setLevel(logging.ERROR if is_quiet else logging.DEBUG if is_verbose else logging.WARNING)


OUTCOME_STYLES = {"done": "green", "failed": "bold red", "killed": "red", "running": "cyan"}


def _runs_table(runs: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("started (UTC)", "mode", "outcome"):
        table.add_column(name)
    for name in ("read", "new", "changed", "requests"):
        table.add_column(name, justify="right")
    for run in runs:
        counts = ("sessions_read", "sessions_new", "sessions_changed", "requests")
        code = f", exit {run['exit_code']}" if run["exit_code"] else ""
        table.add_row(
            f"{run['started_at']:%Y-%m-%d %H:%M:%S}",
            run["mode"],
            Text(f"{run['outcome']}{code}", OUTCOME_STYLES.get(run["outcome"], "")),
            *(f"{run[name] or 0:,}" for name in counts),
        )
    return table


def _sample_table(sample: list[dict[str, Any]]) -> Table:
    table = Table(*sample[0], box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for row in sample:
        table.add_row(*map(str, row.values()))
    return table


def _numbers(progress: Progress) -> dict[str, Any]:
    return {**asdict(progress), "read": progress.counts.read}


def _say(text: str) -> None:
    # a line that a log keeps is not to be broken at 80 columns
    output.print(text, soft_wrap=not output.is_terminal)


def _emit(values: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(values, ensure_ascii=False, default=plain) + "\n")
    sys.stdout.flush()


def _many(number: int, noun: str) -> str:
    """So many of them: 1 retry, 2 retries."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def _shown(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC" if instant else "never"


def _when(instant: datetime | None, now: datetime) -> str:
    """An instant, and how long ago that is."""
    if instant is None:
        return "never"
    seconds = round((now - instant).total_seconds())
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        if seconds >= 2 * length:
            return f"{_shown(instant)}, {seconds // length} {unit}s ago"
    return f"{_shown(instant)}, just now"
