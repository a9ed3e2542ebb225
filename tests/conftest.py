"""A sandbox world, a warehouse in a folder of its own, and loads from the one into the other."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

from devin_warehouse import cli
from devin_warehouse.api import client
from devin_warehouse.api.brake import Clock
from devin_warehouse.api.listing import Filters
from devin_warehouse.feed import Connection
from devin_warehouse.layout import Layout
from devin_warehouse.load import load
from devin_warehouse.plan import Order
from devin_warehouse.sandbox import Faults, World, create_app
from devin_warehouse.sandbox.v2 import encoded_record
from devin_warehouse.sandbox.v3 import encoded_insights, encoded_item
from devin_warehouse.sql_files import Sql
from devin_warehouse.summary import Summary
from devin_warehouse.walk import SkipWalker, TokenWalker
from tests.served import served
from tests.truth import Rows, compared, differences
from tests.truth_v3 import expected_v3

KEYS = {"v2": "apk_user_test", "v3": "cog_test"}
NAMES = {
    "GET /v2/enterprise/sessions/insights": "sessions",
    "GET /v2/enterprise/sessions/{session_id}": "by_id",
    "GET /v3/enterprise/sessions": "sessions",
    "GET /v3/enterprise/sessions/insights": "insights",
    "GET /v3/enterprise/sessions/{devin_id}/insights": "by_id",
    "GET /v3/enterprise/organizations": "organizations",
    "GET /v3/enterprise/members/users": "users",
}
# most tests are about tables, and publish hundreds of times: without views, and what checks those
TABLES_ALONE = Sql((), tuple(c for c in Sql.of().checks if "analytics." not in c.text))
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
    version: str = "v2"

    def __post_init__(self) -> None:
        self.app = create_app(self.world, self.faults)

    @property
    def layout(self) -> Layout:
        return Layout.of(self.path)

    def order(self, **changes: Any) -> Order:
        connection = Connection(
            "http://sandbox",
            changes.pop("key", KEYS[self.version]),
            changes.pop("filters", Filters()),
            version=self.version,
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=False),
            clock=ImmediateClock(),
        )
        return replace(Order(self.layout, connection, sql=TABLES_ALONE), **changes)

    def load(self, **changes: Any) -> Summary:
        return load(self.order(**changes))

    @property
    def requests(self) -> int:
        return len(self.app.state.requests)

    @property
    def counts(self) -> Counter[str]:
        """Requests so far, by the last word of their path."""
        counts: Counter[str] = Counter()
        for endpoint, number in self.app.state.counts.items():
            counts[NAMES[endpoint]] += number
        return counts

    def asked(self, load: Callable[[], Summary]) -> Counter[str]:
        """The requests that a load sends."""
        before = self.counts
        load()
        return self.counts - before

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(encoded_record(session)) for session in self.world.sessions.values()]

    def truth(self, left_out: Collection[str] = ()) -> Rows:
        sessions = [s for s in self.world.sessions.values() if s.session_id not in left_out]
        return expected_v3(
            [json.loads(encoded_item(s, self.faults)) for s in sessions],
            [json.loads(encoded_insights(s, self.faults)) for s in sessions],
        )

    def connect(self) -> duckdb.DuckDBPyConnection:
        return duckdb.connect(str(self.path), read_only=True)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return connection.execute(sql).fetchall()

    def differences(self, left_out: Collection[str] = ()) -> list[str]:
        with self.connect() as connection:
            if self.version == "v2":
                return differences(connection, self.records, left_out=left_out)
            return compared(connection, self.truth(left_out), left_out)


@pytest.fixture(scope="module")
def small_windows():
    """Cut windows when they are as small as a test can afford: 2,600 sessions into two, and more.

    In use they are twice as large, so that fewer pages are half full.
    """
    with pytest.MonkeyPatch.context() as patch:
        for walker, largest, aimed_at in ((SkipWalker, 2_000, 1_500), (TokenWalker, 4_000, 2_000)):
            patch.setattr(walker, "largest", largest)
            patch.setattr(walker, "aimed_at", aimed_at)
        yield


@pytest.fixture
def make_warehouse(tmp_path: Path) -> Callable[..., Warehouse]:
    """Make a warehouse beside a world of so many sessions."""

    def make(sessions: int = 300, *, name: str = "warehouse.duckdb", seed: int = 1, **options: Any):
        faults = Faults(**options.pop("faults", {}))
        version = options.pop("version", "v2")
        world = World(seed, sessions, now=options.pop("now", NOW), **options)
        return Warehouse(tmp_path / name, world, faults, version)

    return make


@pytest.fixture
def warehouse_v3(make_warehouse: Callable[..., Warehouse]) -> Warehouse:
    """A warehouse loaded over v3, beside a world of 300 sessions."""
    return make_warehouse(version="v3")


@pytest.fixture
def warehouse(make_warehouse: Callable[..., Warehouse]) -> Warehouse:
    """A warehouse beside a world of 300 sessions."""
    return make_warehouse()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run the command in an empty folder: its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    log = logging.getLogger("devin_warehouse")
    for name in ("handlers", "level", "propagate"):  # the command sets them, for good
        monkeypatch.setattr(log, name, getattr(log, name))
    monkeypatch.setattr(client, "Clock", ImmediateClock)
    for name in ("DEVIN_API_KEY", "DEVIN_BASE_URL", "DEVIN_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DEVIN_API_KEY", "apk_user_secret123")

    def run(*arguments):
        # a process of its own would find the configuration of its own folder
        Container()[PluggableRunContext].reload()
        monkeypatch.setattr("sys.argv", ["devin-warehouse", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    return run


@pytest.fixture(scope="module")
def sandbox():
    faults = Faults()
    with served(World(1, 300, now=NOW), faults) as base_url:
        yield base_url, faults


HOUR = timedelta(hours=1)
