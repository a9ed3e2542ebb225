"""One writer a warehouse: a lock in the loader's folder that names its holder."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pendulum
from filelock import FileLock, Timeout

from devin_warehouse.errors import Locked
from devin_warehouse.layout import Layout, local_resources, read_json, write_json


@contextmanager
def one_writer(layout: Layout, wait_seconds: float) -> Iterator[None]:
    """Hold the warehouse; raises Locked, naming the holder, if it is not free in time.

    The lock is the kernel's: it ends with the process, however that ends.
    """
    lock = FileLock(layout.lock_file, mode=0o600)
    with local_resources():
        try:
            lock.acquire(timeout=wait_seconds, poll_interval=0.2)
        except Timeout as error:
            raise Locked(f"{layout.database} is being written by {holder(layout)}.") from error
    try:
        with local_resources():
            write_json(_holder_file(layout), _this_process())
        yield
    finally:
        lock.release()


def is_held(layout: Layout) -> bool:
    """Whether a process holds the warehouse now; no, for all that somebody can see who may not."""
    lock = FileLock(layout.lock_file, mode=0o600)
    try:
        if not layout.lock_file.exists():
            return False
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:
        return False
    lock.release()
    return False


def holder(layout: Layout) -> str:
    """Who holds the lock, for people."""
    said = read_json(_holder_file(layout))
    if not said:
        return "another process"
    return f"process {said['pid']} on {said['host']} since {said['since']}"


def _holder_file(layout: Layout) -> Path:
    return layout.folder / "holder.json"


def _this_process() -> dict[str, str | int]:
    since = pendulum.now("UTC").start_of("second").to_iso8601_string()
    return {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
