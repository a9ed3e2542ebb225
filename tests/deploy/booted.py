"""The units under a systemd that is really running, installed as they say."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import httpx

from devin_warehouse.sandbox import Faults, World
from tests.deploy.place import (
    DEPLOY,
    HERE,
    KEY,
    REFUSED_KEY,
    ROOT,
    SESSIONS,
    ended,
    expect,
    said_by,
)
from tests.served import served

NAMESPACES = ("unshare", "--mount", "--pid", "--ipc", "--cgroup", "--fork", "--mount-proc")
PYTHON = "/opt/devin-warehouse/bin/python"
STATE = "/var/lib/devin-warehouse"
ENVIRONMENT = "etc/devin-warehouse/environment"
LOCK = f"{STATE}/warehouse.duckdb.work/lock"
LOAD, REFRESH = "devin-warehouse-load", "devin-warehouse-refresh"
ASK = "import duckdb, sys; print(duckdb.connect(sys.argv[1], read_only=True).sql(sys.argv[2]))"
SLOW = 30


@dataclass
class Machine:
    """A booted systemd, and the folder that holds its /etc."""

    pid: int
    folder: Path

    def ended(self, *command: str, cwd: str = "/") -> CompletedProcess[str]:
        """How a command ends in there."""
        return ended(*self.inside(cwd), *command)

    def said_by(self, *command: str, cwd: str = "/") -> str:
        """What a command says in there; it has to exit 0."""
        return said_by(*self.inside(cwd), *command)

    def inside(self, cwd: str = "/") -> tuple[str, ...]:
        """What to put before a command."""
        namespaces = ("--mount", "--pid", "--ipc", "--cgroup")
        return ("nsenter", f"--target={self.pid}", *namespaces, f"--wdns={cwd}")

    def configure(self, key: str, base_url: str) -> None:
        """Write the file that the services take their environment from."""
        text = f"DEVIN_API_KEY={key}\nDEVIN_BASE_URL={base_url}\n"
        (self.folder / ENVIRONMENT).write_text(text)

    def started(self, unit: str) -> tuple[str, str]:
        """What systemd makes of a run of it: result and exit code."""
        self.ended("systemctl", "start", f"{unit}.service")
        return self.result(unit)

    def result(self, unit: str) -> tuple[str, str]:
        """What systemd made of its last run: result and exit code."""
        said = self.said_by("systemctl", "show", f"{unit}.service")
        shown = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
        return shown["Result"], shown["ExecMainStatus"]

    def asked(self, user: str, sql: str) -> CompletedProcess[str]:
        """What a user gets out of the published file."""
        command = (PYTHON, "-c", ASK, f"{STATE}/warehouse.duckdb", sql)
        return self.ended("runuser", "--user", user, "--", *command)


def checks(folder: Path) -> Iterator[tuple[str, str]]:
    """The timers' services end as they should, whatever ends them."""
    if ended(*NAMESPACES, "true").returncode:
        yield "a booted systemd", "LEFT OUT: nobody here may make namespaces for it"
        return
    world, faults = World(1, SESSIONS), Faults()
    with booted(folder) as machine, served(world, faults) as base_url:
        yield "installed as the unit's comment says", f"{installed(machine)} commands"
        machine.configure(KEY, base_url)
        expect(machine.started(LOAD), ("success", "0"))
        yield "load", "exit 0, success"
        yield "who may read", readers(machine)
        yield "load, another one in progress", locked(machine)
        yield "load, stopped", stopped(machine, faults, base_url)
        machine.configure(REFUSED_KEY, base_url)
        expect(machine.started(LOAD), ("exit-code", "3"))
        yield "load, key refused", "exit 3, failed"
        machine.configure(KEY, base_url)
        yield from unread(machine, world)
        yield "timers, enabled", enabled(machine)


@contextmanager
def booted(folder: Path) -> Iterator[Machine]:
    """A systemd that ends with the block."""
    script: list[str | Path] = [HERE / "boot.sh", ROOT, sys.base_prefix, folder]
    command = [*NAMESPACES, "--kill-child", *script]
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        wait_until(lambda: children.read_text().strip())
        machine = Machine(int(children.read_text()), folder)
        up = ("systemctl", "is-system-running")
        wait_until(lambda: machine.ended(*up).stdout.strip() in ("running", "degraded"))
        yield machine
    finally:
        process.kill()
        process.wait()


def wait_until(is_so: Callable[[], object]) -> None:
    """Look often; raises AssertionError if it is not so in time."""
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline, "it does not come to that"
        time.sleep(0.1)


def commands() -> list[str]:
    """What the units' comment says to type, but for what needs a package index."""
    text = (DEPLOY / "systemd" / "devin-warehouse-.service.d" / "shared.conf").read_text()
    found = re.findall(r"(?m)^#   (\S.*)$", text)
    return [command for command in found if "pip install" not in command]


def installed(machine: Machine) -> int:
    """How many commands of the comment were needed before the timers are enabled."""
    machine.said_by("useradd", "analyst")
    machine.said_by("useradd", "stranger")
    typed = [command for command in commands() if "enable --now" not in command]
    for command in typed:
        machine.said_by("sh", "-ec", command.replace("ANALYST", "analyst"), cwd="/opt/checkout")
    assert (machine.folder / ENVIRONMENT).stat().st_mode & 0o777 == 0o600
    return len(typed)


def readers(machine: Machine) -> str:
    """Whoever is in the group reads the published file, and nothing else; others nothing."""
    count = machine.asked("analyst", "SELECT count(*) AS n FROM devin.sessions")
    assert f" {SESSIONS} " in count.stdout, count.stdout
    refused = machine.asked("stranger", "SELECT 1")
    assert "Permission denied" in refused.stdout, refused.stdout
    for path in ("warehouse.duckdb.work", "warehouse.status.json"):
        tried = ("runuser", "--user", "analyst", "--", "ls", f"{STATE}/{path}/")
        assert machine.ended(*tried).returncode, path
    modes = machine.said_by("sh", "-c", f"stat --format='%a %U:%G %n' {STATE} {STATE}/*")
    assert modes.startswith("750 devin-warehouse:devin-warehouse"), modes
    assert "444 devin-warehouse:devin-warehouse /var/lib/devin-warehouse/warehouse.1.d" in modes
    return "the group's members, 0750 and 0444; a stranger is refused"


def locked(machine: Machine) -> str:
    """A load that finds another one ends at once, and that is no failure."""
    command = [*machine.inside(), "flock", LOCK, "cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as holder:
        wait_until(lambda: machine.ended("flock", "--nonblock", LOCK, "true").returncode)
        expect(machine.started(LOAD), ("success", "6"))
        holder.communicate()
    return "exit 6, success"


def stopped(machine: Machine, faults: Faults, base_url: str) -> str:
    """`systemctl stop` ends a load in an orderly way, and that is no failure."""
    before = requests(base_url)
    faults.latency = SLOW
    machine.said_by("systemctl", "start", "--no-block", f"{LOAD}.service")
    wait_until(lambda: requests(base_url) > before)
    machine.said_by("systemctl", "stop", f"{LOAD}.service")
    faults.latency = 0
    expect(machine.result(LOAD), ("success", "143"))
    return "exit 143, success"


def requests(base_url: str) -> int:
    """How many requests the sandbox has had."""
    counts: dict[str, int] = httpx.get(f"{base_url}/sandbox/state").json()["requests"]
    return sum(counts.values())


def unread(machine: Machine, world: World) -> Iterator[tuple[str, str]]:
    """A load that could not read everything has failed; the refresh reads it, once it can be."""
    world.add_malformed(1, "v3")
    expect(machine.started(LOAD), ("exit-code", "8"))
    yield "load, a record cannot be read", "exit 8, failed"
    world.heal()
    expect(machine.started(REFRESH), ("success", "0"))
    full = "SELECT mode, exit_code FROM devin.load_runs WHERE mode = 'full'"
    assert " 0 " in machine.asked("analyst", full).stdout
    yield "refresh", "exit 0, success"


def enabled(machine: Machine) -> str:
    """The timers wait for their next time, the load's in five minutes and its delay at most."""
    (command,) = [command for command in commands() if "enable --now" in command]
    machine.said_by("sh", "-ec", command)
    for unit in (LOAD, REFRESH):
        machine.said_by("systemctl", "is-active", f"{unit}.timer")
        machine.said_by("systemctl", "is-enabled", f"{unit}.timer")
    listed = machine.said_by("systemctl", "list-timers", "--no-legend", "--no-pager")
    lefts = [re.sub(r"(?s).*UTC +(.+?) +left.*", r"\1", line) for line in listed.splitlines()]
    assert len(lefts) == 2, listed
    return f"next in {', '.join(lefts)}"
