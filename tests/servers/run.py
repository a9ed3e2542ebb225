"""Loads into PostgreSQL, and into a DuckLake whose catalog is there: `make test-servers`.

Starts a PostgreSQL of its own on a loopback port, without touching one that is there; runs the
tests of deliveries against both (tests/test_deliver.py), then 20,000 sessions in processes of their
own, with readers and several loaders (scenario.py), the file beside them. DuckLake has its own
environment, with an older DuckDB.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
WITH_POSTGRES = str(ROOT / ".venv-postgres" / "bin" / "python")
WITH_LAKE = str(ROOT / ".venv-lake" / "bin" / "python")
KINDS = {"duckdb": WITH_POSTGRES, "postgres": WITH_POSTGRES, "ducklake": WITH_LAKE}
PROGRAMS = Path("/usr/lib/postgresql")
SESSIONS = 20_000
INSTALL = (
    "from duckdb_extensions import import_extension as i; i('ducklake'); i('postgres_scanner')"
)
console = Console(highlight=False, width=160)


def main() -> int:
    """Test, load, compare; 1 if anything is not as it should be."""
    sessions = int(sys.argv[1]) if len(sys.argv) > 1 else SESSIONS
    with tempfile.TemporaryDirectory() as folder, postgresql(Path(folder)) as server:
        # DuckDB keeps its extensions in the home directory
        environment = {**os.environ, "HOME": folder, "DEVIN_TEST_SERVER": server}
        subprocess.run([WITH_LAKE, "-c", INSTALL], env=environment, check=True)
        failed = [kind for kind in ("postgres", "ducklake") if not tested(kind, environment)]
        lines = [seen for kind in KINDS if (seen := played(kind, sessions, environment))]
    show(lines, sessions)
    failed += [kind for kind in KINDS if kind not in {line["destination"] for line in lines}]
    for kind in failed:
        console.print(f"{kind}: not as it should be")
    return 1 if failed else 0


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """The address of a PostgreSQL that ends with the block, user and password included."""
    programs = max(PROGRAMS.glob("*/bin"), key=lambda path: int(path.parent.name))
    data = folder / "postgresql"
    data.mkdir()
    folder.chmod(0o755)
    # PostgreSQL refuses to run as root
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    if os.geteuid() == 0:
        shutil.chown(data, user)
    port = free_port()
    settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={data}"
    password = data / "password"
    password.write_text("secret\n")
    shutil.chown(password, user)

    def run(program: str, *arguments: str) -> None:
        command = [str(programs / program), "-D", str(data / "db"), *arguments]
        subprocess.run(command, stdout=subprocess.DEVNULL, user=user, cwd=data, check=True)

    run("initdb", "--auth=scram-sha-256", "--username=loader", f"--pwfile={password}")
    run("pg_ctl", "-w", "-o", settings, "-l", f"{data}/log", "start")
    try:
        yield f"postgresql://loader:secret@127.0.0.1:{port}"
    finally:
        run("pg_ctl", "-w", "-m", "immediate", "stop")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def tested(kind: str, environment: Mapping[str, str]) -> bool:
    command = [KINDS[kind], "-m", "pytest", "-q", "--dist=load", "tests/test_deliver.py"]
    console.print(f"{kind}: the tests of deliveries")
    return not subprocess.run(
        command, cwd=ROOT, env={**environment, "DEVIN_TEST_PLACE": kind}, check=False
    ).returncode


def played(kind: str, sessions: int, environment: Mapping[str, str]) -> dict[str, str] | None:
    """What a scenario tells, None if something in it was wrong."""
    command = [KINDS[kind], "-m", "tests.servers.scenario", kind, str(sessions)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, check=False, stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        console.print(done.stdout, markup=False)
        return None
    told: dict[str, str] = json.loads(done.stdout)
    return told


def show(lines: list[dict[str, str]], sessions: int) -> None:
    """Print one column a destination."""
    table = Table("", *(line["destination"] for line in lines), title=f"{sessions:,} sessions")
    for what in dict.fromkeys(key for line in lines for key in line if key != "destination"):
        table.add_row(what, *(line.get(what, "-") for line in lines))
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
