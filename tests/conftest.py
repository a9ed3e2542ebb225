"""A sandbox world, a warehouse in a folder of its own, and loads from the one into the other."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from devin_warehouse.api import v2
from devin_warehouse.api.client import Clock
from devin_warehouse.feed import Connection
from devin_warehouse.layout import Layout
from devin_warehouse.load import Order, Summary, load
from devin_warehouse.sandbox import Faults, World, create_app
from devin_warehouse.sandbox.v2 import encoded_record
from tests.truth import differences

NOW = datetime(2026, 11, 2, 9, 30, 0, 250_000, tzinfo=UTC)


class ImmediateClock(Clock):
    """Time passes only by sleeping, and sleeping takes none."""

    def __init__(self) -> None:
        self.time = 0.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


@dataclass
class Warehouse:
    """A database path, the world that it is loaded from, and what may be asked of both."""

    path: Path
    world: World
    faults: Faults = field(default_factory=Faults)
    key: str = "apk_user_test"

    def __post_init__(self) -> None:
        self.app = create_app(self.world, self.faults)

    @property
    def layout(self) -> Layout:
        return Layout.of(self.path)

    def order(self, **changes: Any) -> Order:
        connection = Connection(
            "http://sandbox",
            self.key,
            changes.pop("filters", v2.Filters()),
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=False),
            clock=ImmediateClock(),
        )
        return replace(Order(self.layout, connection), **changes)

    def load(self, **changes: Any) -> Summary:
        return load(self.order(**changes))

    @property
    def requests(self) -> int:
        return len(self.app.state.requests)

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(encoded_record(session)) for session in self.world.sessions.values()]

    def connect(self) -> duckdb.DuckDBPyConnection:
        return duckdb.connect(str(self.path), read_only=True)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return connection.execute(sql).fetchall()

    def differences(self, **options: Any) -> list[str]:
        with self.connect() as connection:
            return differences(connection, self.records, **options)


@pytest.fixture
def make_warehouse(tmp_path: Path) -> Callable[..., Warehouse]:
    """Make a warehouse beside a world of so many sessions."""

    def make(sessions: int = 300, *, name: str = "warehouse.duckdb", seed: int = 1, **options: Any):
        faults = Faults(**options.pop("faults", {}))
        world = World(seed, sessions, now=options.pop("now", NOW), **options)
        return Warehouse(tmp_path / name, world, faults)

    return make


@pytest.fixture
def warehouse(make_warehouse: Callable[..., Warehouse]) -> Warehouse:
    """A warehouse beside a world of 300 sessions."""
    return make_warehouse()


HOUR = timedelta(hours=1)
