"""What systemd-analyze says of the units, without starting any."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from tests.deploy.place import COMMAND, DEPLOY, INSTALLED, ended, said_by

UNITS = DEPLOY / "systemd"
SECONDS = {"devin-warehouse-load.timer": 300, "devin-warehouse-refresh.timer": 7 * 24 * 3600}
# tenths; a service without any hardening has 96
MOST_EXPOSED = 15
IN_UTC = os.environ | {"TZ": "UTC", "LC_ALL": "C"}


def checks(folder: Path) -> Iterator[tuple[str, str]]:
    """Units are well-formed, timers elapse as they say, services are locked in."""
    units = copied(folder / "units")
    yield "verify", verified(units)
    broken = copied(folder / "broken")
    timer = broken / "devin-warehouse-load.timer"
    timer.write_text(timer.read_text().replace("*:0/5", "*:0/5x"))
    assert complaints(broken), "a wrong OnCalendar is not found"
    assert ended("systemd-analyze", "calendar", calendar(timer)).returncode
    yield "verify, a wrong OnCalendar", "found"
    for name, seconds in SECONDS.items():
        assert set(steps(calendar(units / name))) == {seconds}, name
        yield f"calendar, {calendar(units / name)}", f"{seconds:,} s apart"
    (folder / "open.service").write_text("[Service]\nExecStart=/bin/true\n")
    assert exposure(folder / "open.service") is None, "no exposure is too much"
    for service in sorted(units.glob("*.service")):
        figure = exposure(service)
        assert figure is not None, f"{service.name}: exposed by more than {MOST_EXPOSED / 10}"
        yield f"security, {service.name}", f"exposure {figure}"


def copied(folder: Path) -> Path:
    """The units, with the command where it is here: `verify` looks for it."""
    shutil.copytree(UNITS, folder)
    for service in folder.glob("*.service"):
        text = service.read_text()
        assert f"ExecStart={INSTALLED} load" in text
        service.write_text(text.replace(INSTALLED, str(COMMAND)))
    return folder


def verified(units: Path) -> str:
    """How many units are well-formed; raises AssertionError if one is not."""
    said = complaints(units)
    assert not said, said
    return f"{len([*units.glob('devin-warehouse-*.*')]) - 1} units, nothing to complain of"


def complaints(units: Path) -> str:
    """What systemd has to say about them; it exits 0 over names that it does not know."""
    paths = [path for path in units.iterdir() if path.is_file()]
    done = ended("systemd-analyze", "verify", *paths)
    ours = [line for line in done.stdout.splitlines() if "devin-warehouse" in line]
    return "\n".join(ours) or (done.stdout if done.returncode else "")


def calendar(timer: Path) -> str:
    """When a timer elapses."""
    (expression,) = re.findall(r"(?m)^OnCalendar=(.+)$", timer.read_text())
    return str(expression)


def steps(expression: str) -> list[float]:
    """How many seconds its next times are apart."""
    said = said_by("systemd-analyze", "calendar", "--iterations=3", expression, env=IN_UTC)
    times = re.findall(r"(?:Next elapse|Iter\. #\d+|Iteration #\d+): \w+ ([\d-]+ [\d:]+) UTC", said)
    assert len(times) == 3, said
    return [
        (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()
        for earlier, later in pairwise(times)
    ]


def exposure(service: Path) -> str | None:
    """How exposed a service is, from 0 to 10; None if by more than is allowed."""
    done = ended(
        *("systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}"), service
    )
    found = re.search(r"Overall exposure level for .+: ([\d.]+)", done.stdout)
    assert found, done.stdout
    return None if done.returncode else found[1]
