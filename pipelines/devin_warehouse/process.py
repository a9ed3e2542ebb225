"""What a run asks of its process: files for their owner, signals that wait, memory given back."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pyarrow as pa

from devin_warehouse.errors import Stopped


class Stop:
    """Whether a signal asked to stop; the second one does not ask."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def ask(self, number: int, _frame: FrameType | None) -> None:
        """Note the signal; the same again ends the process at once."""
        if self.signal is not None:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self.signal = number

    def check(self) -> None:
        """Raise Stopped if a signal asked to stop."""
        if self.signal is not None:
            raise Stopped(self.signal)


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Catch SIGINT and SIGTERM for whoever looks at the Stop; only a main thread can."""
    stop = Stop()
    try:
        before = {s: signal.signal(s, stop.ask) for s in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:
        before = {}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def files_for_their_owner() -> Iterator[None]:
    """Let no file that anybody here writes, dlt and DuckDB included, be readable by others."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def frugal_memory() -> None:
    """Give freed columns back at once, and look for circles less often, from now on.

    Records are trees of dicts, millions of them, and nobody keeps any. Measured in a first load of
    20,000 sessions: Arrow's own allocator keeps 50 MB that it has no use for, the usual collections
    take a tenth of the time.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    gc.set_threshold(50_000, 20, 50)
