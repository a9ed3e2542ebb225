"""A Superset in a folder of its own, on a loopback port, for the length of a block."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

HERE = Path(__file__).parent
COMMAND = HERE.parents[2] / ".venv-superset" / "bin" / "superset"
USER = "admin"
LIMIT = 180


@contextmanager
def superset(folder: Path) -> Iterator[httpx.Client]:
    """Its REST API, logged in."""
    password = secrets.token_hex()
    environment = os.environ | {
        "FLASK_APP": "superset",
        "SUPERSET_HOME": str(folder),
        "SUPERSET_CONFIG_PATH": str(HERE / "superset_config.py"),
        "SUPERSET_SECRET_KEY": secrets.token_hex(),
    }
    log = folder / "log"
    _set_up(environment, log, password)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with log.open("a") as output:
        command = [str(COMMAND), "run", "--host", "127.0.0.1", "--port", str(port)]
        server = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=LIMIT) as client:
            _wait(client, server, log)
            _log_in(client, password)
            yield client
    finally:
        server.terminate()
        server.wait()


def _set_up(environment: Mapping[str, str], log: Path, password: str) -> None:
    """Its own database, with one user in it."""
    named = ("--firstname", "A", "--lastname", "A", "--email", "a@example.com")
    for words in (
        ("db", "upgrade"),
        ("fab", "create-admin", "--username", USER, "--password", password, *named),
        ("init",),
    ):
        _run(words, environment, log)


def _run(words: tuple[str, ...], environment: Mapping[str, str], log: Path) -> None:
    """Run a command of Superset's; raises RuntimeError, with what it said, if it fails."""
    with log.open("a") as output:
        code = subprocess.call(
            [COMMAND, *words], env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    if code:
        raise RuntimeError(f"superset {words[0]}: {log.read_text()[-2000:]}")


def _wait(client: httpx.Client, server: subprocess.Popen[bytes], log: Path) -> None:
    """Until it answers."""
    until = time.monotonic() + LIMIT
    while server.poll() is None and time.monotonic() < until:
        try:
            client.get("/health").raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.5)
        else:
            return
    raise RuntimeError(f"Superset does not answer: {log.read_text()[-2000:]}")


def _log_in(client: httpx.Client, password: str) -> None:
    answer = client.post(
        "/api/v1/security/login",
        json={"username": USER, "password": password, "provider": "db", "refresh": False},
    )
    client.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['access_token']}"
