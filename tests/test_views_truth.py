"""Every view, row for row and value for value, beside what plain Python makes of the API's JSON.

`python -m tests.test_views_truth 20000` compares them for a world of so many sessions.
"""

from __future__ import annotations

import json
import math
import re
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from rich.console import Console

from devin_warehouse.directories import Names
from devin_warehouse.sandbox import World
from devin_warehouse.sandbox.sessions import (
    Session,
)
from devin_warehouse.sandbox.v2 import encoded_record
from devin_warehouse.sandbox.v3 import encoded_insights, encoded_item
from devin_warehouse.sql_files import ANALYTICS, Sql
from tests.conftest import NOW, TABLES_ALONE, Warehouse
from tests.odd_world import add_last, add_oddities, change, change_at_once, change_later
from tests.truth_facts import Facts, Observation, Row, Told
from tests.truth_views import KEYS, expected_views

NOT_COMPUTED = {"load_runs", "freshness", "metric_dictionary"}
SHOWN = 5
# what a column's name says about its type, the first that fits; text otherwise
TYPES = (
    ("JSON", r"^(extra|structured_output)$"),
    ("BOOLEAN", r"^(is|has)_"),
    ("DATE", r"^(date|created_date|month|week)$"),
    ("TIMESTAMP", r"_at$"),
    ("BIGINT", r"_count$|^num_|^(dau|wau|mau|position|number|depth|times_repeated)$"),
    ("DOUBLE", r"acus|share|rate|_per_|^avg_|_seconds$|_hours$|^(stickiness|coverage|step)$"),
)
MICROSECOND = 1e-6


@dataclass
class Watched:
    """A warehouse, and what the API told at each of its loads."""

    warehouse: Warehouse
    observations: list[Observation] = field(default_factory=list)
    organizations: dict[str, str | None] = field(default_factory=dict)
    users: dict[str, str | None] = field(default_factory=dict)
    watermark: datetime = NOW

    @property
    def world(self) -> World:
        return self.warehouse.world

    def load(
        self,
        version: str,
        sql: Sql = TABLES_ALONE,
        names: dict[str, Names] | None = None,
        **changes: Any,
    ) -> None:
        """Load everything, so that no silent change stays unseen, and keep what was told."""
        self.warehouse.version = version
        with_insights = changes.get("with_insights", True)
        everything = {"is_full": True, "is_confirmed": True, "names": names or {}}
        summary = self.warehouse.load(sql=sql, **everything, **changes)
        assert summary.exit_code == 0
        assert summary.watermark_after is not None
        self.watermark = max(self.watermark, summary.watermark_after)
        at = self.world.clock.now().replace(microsecond=0, tzinfo=None)
        sessions = self.world.sessions.values()
        told = [_told(session, version, with_insights=with_insights) for session in sessions]
        self.observations.append(Observation(at, told))
        if version == "v3":
            directory = self.warehouse.app.state.directory
            self.organizations |= {
                item["org_id"]: item["name"] for item in directory.organizations()
            }
            self.users |= {item["user_id"]: item["name"] for item in directory.users()}
        for table, told_names in (names or {}).items():
            own = {key: entry["name"] for key, entry in told_names.items()}
            (self.users if table == "users" else self.organizations).update(own)

    def names(self) -> dict[str, Names]:
        """Names of most organizations and users, as files tell them, and of one of each none."""
        sessions = self.world.sessions.values()
        org_ids = sorted({s.org_id for s in sessions if s.org_id is not None})
        user_ids = sorted({s.user_id for s in sessions if s.user_id is not None})
        return {
            "organizations": {key: {"name": f"Org {key[-4:]}"} for key in org_ids[1:]},
            "users": {key: {"name": f"User {key[-4:]}"} for key in user_ids[1:]},
        }

    def differences(self) -> dict[str, list[str]]:
        """What differs, by view."""
        last = self.world.sessions
        known = {json.loads(told.session)["session_id"] for o in self.observations for told in o[1]}
        facts = Facts(
            self.observations,
            watermark=self.watermark.replace(tzinfo=None),
            deleted=known - last.keys(),
            organizations=self.organizations,
            users=self.users,
        )
        with self.warehouse.connect() as connection:
            return {
                view: compared(connection, view, rows)
                for view, rows in expected_views(facts).items()
            }


def _told(session: Session, version: str, *, with_insights: bool) -> Told:
    if version == "v2":
        return Told(version, encoded_record(session))
    insights = encoded_insights(session) if with_insights else None
    return Told(version, encoded_item(session), insights)


def compared(connection: duckdb.DuckDBPyConnection, view: str, wanted: list[Row]) -> list[str]:
    """What of a view differs: columns, types, keys, values; the first of each kind."""
    cursor = connection.execute(f"FROM {ANALYTICS}.{view}")
    types = {name: str(type_) for name, type_, *_ in cursor.description or []}
    found = [f"{name} is {type_}" for name, type_ in types.items() if type_ != _type(name)]
    if any(row.keys() != types.keys() for row in wanted):
        names = sorted(wanted[0].keys() ^ types.keys())
        return [*found, f"columns that only one of both has: {', '.join(names)}"]
    key = KEYS[view].split()
    there = _by_key(key, (dict(zip(types, row, strict=True)) for row in cursor.fetchall()))
    here = _by_key(key, wanted)
    found += _few(f"twice: {k}" for k, rows in there.items() if len(rows) > 1)
    found += _few(f"missing: {k}" for k in here if k not in there)
    found += _few(f"should not be there: {k}" for k in there if k not in here)
    for name in types:
        found += _few(
            f"{k} {name}: {there[k][0][name]!r}, not {rows[0][name]!r}"
            for k, rows in here.items()
            if k in there and not _equal(name, there[k][0][name], rows[0][name])
        )
    return found


def _by_key(key: Sequence[str], rows: Iterable[Row]) -> dict[tuple[Any, ...], list[Row]]:
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in key), []).append(row)
    return found


def _few(texts: Iterable[str]) -> list[str]:
    found = sorted(texts)
    more = [f"... and {len(found) - SHOWN:,} more like it"] if len(found) > SHOWN else []
    return [text[:400] for text in found[:SHOWN]] + more


def _equal(name: str, there: Any, here: Any) -> bool:
    if name in ("extra", "structured_output") and there is not None:
        there = json.loads(there)
    if there is None or here is None or not isinstance(here, float):
        return bool(there == here)
    if name == "duration_seconds":
        return math.isclose(there, here, rel_tol=0, abs_tol=MICROSECOND / 2)
    return math.isclose(there, here, rel_tol=1e-9, abs_tol=1e-9)


def _type(name: str) -> str:
    """The type that a column of this name has."""
    return next((types for types, form in TYPES if re.search(form, name)), "VARCHAR")


def watched(warehouse: Warehouse, versions: Sequence[str]) -> Watched:
    """Loaded four times: at first, a day later, in the same second again, and three days later."""
    found = Watched(warehouse)
    world = found.world
    world.add_awkward()
    add_oddities(world)
    found.load(versions[0])
    world.advance(timedelta(days=1))
    change(world, versions[1])
    away = [world.sessions[name] for name in ("to be deleted", "wide a")]
    for session in away:
        world.delete(session.session_id)
    found.load(versions[1])
    change_at_once(world)
    world.sessions["wide a"] = away[1]
    world.mark(away[1], world.clock.now())
    found.load(versions[2])
    world.advance(timedelta(days=3))
    change_later(world, versions[3])
    add_last(world)
    for name in ("shared parent", "tie 0", "circle 3 c", "mover 0"):
        world.delete(name)
    world.delete_some(5)
    found.load(versions[3], Sql.of(), found.names())
    return found


def report(differences: dict[str, list[str]]) -> str:
    return "\n".join(f"{view}: {text}" for view, found in differences.items() for text in found)


def test_every_view_is_computed():
    """But those that tell of loads and of themselves."""
    views = {view.name for view in Sql.of().views if view.schema == ANALYTICS}
    assert KEYS.keys() == views - NOT_COMPUTED


@pytest.mark.parametrize(
    ("sessions", "versions"),
    [(400, ["v3"] * 4), (300, ["v2"] * 4), (100, ["v2", "v2", "v3", "v3"])],
    ids=["v3", "v2", "v2, then v3"],
)
def test_views_say_what_the_api_said(make_warehouse, sessions, versions):
    """Over v3, over v2, and over v3 where v2 had been loaded."""
    found = watched(make_warehouse(sessions), versions).differences()
    assert not any(found.values()), report(found)


def test_views_do_without_insights(make_warehouse):
    """A load of sessions alone."""
    found = Watched(make_warehouse(60))
    found.world.add_awkward()
    found.load("v3", Sql.of(), with_insights=False)
    differences = found.differences()
    assert not any(differences.values()), report(differences)


def main() -> None:
    """Compare every view for a world of so many sessions, over v3; one line a view."""
    console, began = Console(highlight=False, soft_wrap=True), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        world = World(1, int(sys.argv[1]), now=NOW)
        found = watched(Warehouse(Path(folder) / "warehouse.duckdb", world), ["v3"] * 4)
        loaded = time.perf_counter()
        differences = found.differences()
        with found.warehouse.connect() as connection:
            for view, texts in differences.items():
                relation = connection.sql(f"FROM {ANALYTICS}.{view}")
                size = f"{len(relation):,} rows, {len(relation.columns)} columns"
                console.print(f"{view}: {size}, {'; '.join(texts) or 'equal'}", markup=False)
    ended = time.perf_counter()
    console.print(f"{loaded - began:.1f} s for four loads, {ended - loaded:.1f} s to compare")


if __name__ == "__main__":
    main()
