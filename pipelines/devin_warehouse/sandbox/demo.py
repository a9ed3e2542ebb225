"""`make demo`: the main job from start to end, against invented data, in half a minute.

Every step is the command that a user would type; what it prints is left as it is.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

DATABASE, PAGE = "demo.duckdb", "demo-report.html"
QUESTION = "What does a merged pull request cost us, and what keeps work from being merged?"
COSTS = """
    with calendar as (
        select
            cast(max(watermark) as date) as today,
            max(watermark) - interval 14 days as settled_before
        from analytics.freshness
    ),

    merged as (
        select first_session_id as session_id, count(*) as pull_requests
        from analytics.pull_requests
        where lower(state) = 'merged'
        group by first_session_id
    ),

    settled as (
        select
            sessions.org_name,
            sessions.acus_consumed,
            coalesce(merged.pull_requests, 0) as pull_requests,
            sessions.created_date >= today - 84 as is_late
        from analytics.sessions
        cross join calendar
        left join merged using (session_id)
        where created_date >= today - 168 and created_date < today and created_at < settled_before
    )

    select
        org_name as organization,
        round(sum(acus_consumed) filter (is_late)) as "ACUs of 12 weeks",
        sum(pull_requests) filter (is_late) as "merged PRs",
        round(sum(acus_consumed) filter (is_late) / sum(pull_requests) filter (is_late), 1)
            as "ACUs per merged PR",
        round(sum(acus_consumed) filter (not is_late) / sum(pull_requests) filter (not is_late), 1)
            as "12 weeks before"
    from settled
    group by org_name
    order by "ACUs per merged PR" desc
"""
REMEDIES = """
    with remedies as (
        select distinct session_id, org_name, action_item
        from analytics.action_items
        where created_at > (select max(created_at) from analytics.sessions) - interval 84 days
    )

    select
        remedies.action_item as "proposed where nothing was merged",
        count(*) as sessions,
        round(sum(sessions.acus_consumed)) as "their ACUs",
        mode(remedies.org_name) as "most in"
    from remedies
    join analytics.sessions using (session_id)
    where not sessions.is_productive
    group by remedies.action_item
    order by sessions desc, "their ACUs" desc
    limit 3
"""

console = Console(highlight=False, soft_wrap=True)


def main() -> None:
    """Run the demo; leaves demo.duckdb to be asked further questions, and demo-report.html."""
    _start_afresh()
    with _sandbox() as (base_url, key):
        os.environ |= {"DEVIN_API_KEY": key, "DEVIN_BASE_URL": base_url, "DEVIN_DATABASE": DATABASE}
        _say("1. The first load: the full history")
        _run("load")
        _say("2. A day passes: sessions start, go on and end, pull requests are merged")
        _post(f"{base_url}/sandbox/advance", {"duration": "1 day"})
        _run("load")
        _say("3. Nothing has changed: nothing is copied")
        _run("load")
        _say("4. How it is doing")
        _run("status")
    _say(f"5. {QUESTION}")
    _ask(COSTS)
    _ask(REMEDIES)
    _say("6. The same, and more, as a page")
    _run("report", "--output", PAGE)
    _say("What to do next")
    console.print(
        f"Open {PAGE} in a browser: what stands out in it, and what would help?\n"
        f"Ask {DATABASE} something else, from Python or with any DuckDB client:\n"
        f"  .venv/bin/python -c \"import duckdb; duckdb.connect('{DATABASE}', read_only=True)"
        ".sql('from analytics.usage_daily').show()\"\n"
        "Load your own sessions, with a service user's key:\n"
        "  DEVIN_API_KEY=cog_... .venv/bin/devin-warehouse load"
    )


def _start_afresh() -> None:
    stem = re.escape(Path(DATABASE).stem)
    for path in Path().iterdir():
        if re.fullmatch(rf"{stem}(\.\d+)?\.duckdb(\.wal)?|{stem}\.status\.json", path.name):
            path.unlink()
    shutil.rmtree(f"{DATABASE}.work", ignore_errors=True)


@contextmanager
def _sandbox() -> Iterator[tuple[str, str]]:
    """A sandbox on a free port: its address and a key."""
    # it begins yesterday, so that a day can pass and end today
    command = [*_program(), "sandbox", "--sessions", "2000", "--port", "0", "--seed", "7"]
    command += ["--skew", f"{-86_400}"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = server.stdout.readline() if server.stdout else ""
        ready = re.search(r"(http://\S+).*(cog_\w+)", line)
        if ready is None:
            sys.exit("The sandbox did not start.")
        console.print(f"[dim]{line.strip()}[/dim]")
        yield ready[1], ready[2]
    finally:
        server.terminate()
        server.wait()


def _program() -> list[str]:
    return [str(Path(sys.executable).with_name("devin-warehouse"))]


def _run(*words: str) -> None:
    console.print(f"[bold]$ devin-warehouse {' '.join(words)}[/bold]")
    subprocess.run([*_program(), *words], check=True)


def _post(url: str, body: dict[str, str]) -> None:
    request = urllib.request.Request(url, json.dumps(body).encode(), method="POST")  # noqa: S310
    with urllib.request.urlopen(request):  # noqa: S310 our own server on loopback
        pass


def _ask(sql: str) -> None:
    with duckdb.connect(DATABASE, read_only=True) as connection:
        cursor = connection.execute(sql)
        names = [column[0] for column in cursor.description or []]
        table = Table(*names, box=None)
        for row in cursor.fetchall():
            table.add_row(*("" if value is None else str(value) for value in row))
    console.print(table)


def _say(heading: str) -> None:
    console.print(f"\n[bold cyan]{heading}[/bold cyan]")


if __name__ == "__main__":
    main()
