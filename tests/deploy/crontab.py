"""The crontab, read and executed as cron does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from devin_warehouse.layout import Layout
from devin_warehouse.locks import one_writer
from devin_warehouse.sandbox import World
from tests.deploy.place import (
    COMMAND,
    DEPLOY,
    INSTALLED,
    KEY,
    REFUSED_KEY,
    SESSIONS,
    ended,
    expect,
    runs,
    seconds_between,
)
from tests.served import served

WEEK = 7 * 24 * 3600


@dataclass(frozen=True)
class Job:
    """A line of a crontab."""

    when: str
    command: str


def checks(folder: Path) -> Iterator[tuple[str, str]]:
    """The load comes every five minutes, the refresh weekly, and only failures are mailed."""
    variables, (load, refresh) = parsed(placed(folder))
    assert unescaped_percent("date +%F") == unescaped_percent(r"date +\%F %") == "%"
    assert not unescaped_percent(r"date +\%F")
    assert seconds_between([load.when, refresh.when]) == {load.when: [300], refresh.when: [WEEK]}
    yield "croniter", "300 s and 7 days apart"
    database = Path(variables["DEVIN_DATABASE"])
    with served(World(1, SESSIONS)) as base_url:
        configure(folder, KEY, base_url)
        expect(mailed(folder, variables, load), "")
        expect(mailed(folder, variables, refresh), "")
        expect(runs(database), [("incremental", SESSIONS, 0), ("full", 0, 0)])
        yield "load, refresh", f"{SESSIONS} sessions, nothing mailed"
        with one_writer(Layout.of(database), 0):
            expect(mailed(folder, variables, load), "")
        yield "load, another one in progress", "nothing mailed"
        configure(folder, REFUSED_KEY, base_url)
        said = mailed(folder, variables, load)
        assert "refused the key" in said, said
        assert said.count("\n") == 1, said
        yield "load, key refused", "one sentence mailed"


def placed(folder: Path) -> str:
    """The crontab with its paths in a folder."""
    text = (DEPLOY / "crontab").read_text()
    for path, here in (
        (INSTALLED, COMMAND),
        ("/etc/devin-warehouse", folder / "etc"),
        ("/var/lib/devin-warehouse", folder / "state"),
    ):
        assert path in text
        text = text.replace(path, str(here))
    for name in ("etc", "state"):
        (folder / name).mkdir()
    return text


def parsed(text: str) -> tuple[dict[str, str], list[Job]]:
    """Variables and jobs, as cron reads them."""
    variables: dict[str, str] = {}
    jobs: list[Job] = []
    for line in text.splitlines():
        if named := re.fullmatch(r"(\w+)=(.*)", line):
            variables[named[1]] = named[2]
        elif line and not line.startswith("#"):
            *fields, command = line.split(maxsplit=5)
            assert not unescaped_percent(command), line
            jobs.append(Job(" ".join(fields), command))
    return variables, jobs


def unescaped_percent(command: str) -> str:
    """What cron would take for the end of a command; empty if there is none."""
    found = re.search(r"(?<!\\)%", command)
    return found[0] if found else ""


def configure(folder: Path, key: str, base_url: str) -> None:
    """Write the file that the jobs take their environment from."""
    path = folder / "etc" / "environment"
    path.touch(mode=0o600)
    path.write_text(f"DEVIN_API_KEY={key}\nDEVIN_BASE_URL={base_url}\n")


def mailed(folder: Path, variables: dict[str, str], job: Job) -> str:
    """What a job prints; it knows cron's few variables alone."""
    environment = {"HOME": str(folder), "LOGNAME": "devin-warehouse", "PATH": "/usr/bin:/bin"}
    command = (variables["SHELL"], "-c", job.command)
    return ended(*command, env=environment | variables, cwd=folder).stdout
