"""What a run asks of its process: that files are its owner's, and that signals wait a moment."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

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
