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
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from rich.console import Console

from devin_warehouse.bookkeeping import note_change
from devin_warehouse.sandbox import World
from devin_warehouse.sandbox.sessions import (
    ActionItem,
    Analysis,
    FeedbackItem,
    Issue,
    NoteUsage,
    PullRequest,
    Session,
    SuggestedPrompt,
)
from devin_warehouse.sandbox.v2 import encoded_record
from devin_warehouse.sandbox.v3 import encoded_insights, encoded_item
from devin_warehouse.sql_files import ANALYTICS, Sql
from devin_warehouse.work_file import open_work_file
from tests.conftest import NOW, TABLES_ALONE, Warehouse
from tests.truth_views import KEYS, SETTLED_AFTER, Facts, Observation, Row, Told, expected_views

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
GITHUB = "https://github.com/acme/odd/pull/"
ADDRESSES = (
    "https://github.com/acme/odd/pull/7/files",
    "https://github.com/acme/odd/pull/8?diff=split#r1",
    "https://github.com/acme/odd/pull/",
    "https://github.com/acme/odd/pull",
    "https://github.com/acme/odd/compare?back=/pull/9",
    "https://github.com/acme/odd/compare#/pull/9",
    "https://github.com/pull/10",
    "https://GitHub.example.com/acme/odd/pull/0011",
    "https://github.com/acme/odd/pull/123456789012345678",
    "https://github.com/acme/odd/pull/1234567890123456789",
    "https://github.com/acme/odd/pull/\N{ARABIC-INDIC DIGIT THREE}",
    "https://github.com/acme/odd/pull/-3",
    "https://gitlab.com/acme/group/sub/odd/-/merge_requests/12",
    "https://gitlab.example.com:8443/acme/odd/merge_requests/13",
    "https://code.example.com/acme/odd/-/merge_requests/14",
    "https://code.example.com/acme/odd/merge_requests/15",
    "https://gitlab.com/acme/pull/5/-/merge_requests/16",
    "https://gitlab.com/acme/group/pull/-/merge_requests/26",
    "https://acme.visualstudio.com/Finance/_git/pull/pullrequest/27",
    "https://bitbucket.org/acme/odd/pull-requests/17",
    "https://git.example.com/projects/AC/repos/odd/pull-requests/18/overview",
    "https://dev.azure.com/acme/Fin%20ance/_git/odd/pullrequest/19",
    "https://acme.visualstudio.com/Finance/_git/odd/pullrequest/20?_a=files",
    "https://tfs.example.com/Finance/_git/odd/pullrequest/21",
    "https://git.example.com/acme/odd/pull/22",
    "https://review.example.com/c/odd/+/23",
    "https://pull/24",
    "https://github.com",
    "http://user@github.com/acme/odd/pull/25",
    "not an address",
)


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

    def load(self, version: str, sql: Sql = TABLES_ALONE, **changes: Any) -> None:
        """Load everything, so that no silent change stays unseen, and keep what was told."""
        self.warehouse.version = version
        with_insights = changes.get("with_insights", True)
        summary = self.warehouse.load(is_full=True, is_confirmed=True, sql=sql, **changes)
        assert summary.exit_code == 0
        assert summary.watermark_after is not None
        self.watermark = max(self.watermark, summary.watermark_after)
        at = self.world.clock.now().replace(microsecond=0, tzinfo=None)
        sessions = self.world.sessions.values()
        told = [_told(session, version, with_insights=with_insights) for session in sessions]
        self.observations.append(Observation(at, told))

    def name(self) -> None:
        """Give names to most organizations and users, and none to one of each."""
        sessions = self.world.sessions.values()
        org_ids = sorted({s.org_id for s in sessions if s.org_id is not None})
        user_ids = sorted({s.user_id for s in sessions if s.user_id is not None})
        self.organizations = {org_id: f"Org {org_id[-4:]}" for org_id in org_ids[1:]}
        self.users = {user_id: f"User {user_id[-4:]}" for user_id in user_ids[1:]}
        self.organizations[org_ids[1]] = self.users[user_ids[1]] = None
        with open_work_file(self.warehouse.layout) as connection:
            for table, names in (("organizations", self.organizations), ("users", self.users)):
                key = f"{table.removesuffix('s')}_id".replace("organization", "org")
                connection.executemany(
                    f"INSERT INTO devin.{table} ({key}, name) VALUES (?, ?)", list(names.items())
                )
            note_change(connection)

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


def put(world: World, session_id: str, begun: str = "2026-09-10 10:00", **values: Any) -> None:
    """Add a session that is over, with nothing but what is said of it."""
    created_at = datetime.fromisoformat(begun).replace(tzinfo=UTC)
    plain = {"status": "exit", "session_id": session_id, "updated_at": created_at + timedelta(1)}
    listed = pulls(*values.pop("pulls", ()))
    world.add(created_at=created_at, **{**plain, "pull_requests": listed, **values})


def pulls(*listed: tuple[str | None, str | None]) -> list[PullRequest]:
    return [PullRequest(url, state, spelling="v3") for url, state in listed]  # type: ignore[arg-type]


def add_oddities(world: World) -> None:
    """What the world does not have by itself."""
    org_ids = sorted({session.org_id for session in world.sessions.values()})
    _add_pull_requests(world, *org_ids[:3])
    _add_families(world)
    _add_insights(world, "early")
    _add_people(world, *org_ids[:2])
    _add_times(world)
    _add_without_anything(world)


def _add_pull_requests(world: World, a: str, b: str, c: str) -> None:
    """Shared in every way, twice in a list, in odd states, at odd addresses."""
    parent = {"parent_session_id": "devin-shared parent"}
    eve, new_month = "2026-06-30 23:59:59.999999", "2026-07-01 00:00:00"
    put(world, "shared parent", eve, org_id=a, pulls=[(f"{GITHUB}1", "open")])
    put(world, "shared child", new_month, org_id=b, **parent, pulls=[(f"{GITHUB}1", "merged")])
    put(world, "shared late", org_id=c, tags=["t"], pulls=[(f"{GITHUB}1", None)])
    for number, org_id in enumerate((b, a, c)):
        tie = [(f"{GITHUB}2", ("open", "closed", "Draft")[number]), (f"{GITHUB}3", "open")]
        put(world, f"tie {number}", org_id=org_id, tags=["t", "t"], pulls=tie)
    twice = [("4", "open"), ("4", "closed"), ("5", "merged"), ("5", "open"), ("6", "MERGED")]
    put(world, "twice", pulls=[(f"{GITHUB}{n}", state) for n, state in twice])
    put(world, "no address", pulls=[(None, "merged"), (None, None), (None, "open")])
    put(world, "one address", pulls=[(None, "merged"), (f"{GITHUB}30", "Open")])
    for number, url in enumerate(ADDRESSES):
        state = ("open", "merged", "closed")[number % 3]
        put(world, f"address {number}", acus_consumed=number / 8, pulls=[(url, state)])
    put(world, "all addresses", pulls=[(url, "closed") for url in ADDRESSES])
    flips = {"reopened": "merged", "late open": "closed", "dropped": "open", "later": "open"}
    for number, (name, state) in enumerate(flips.items()):
        put(world, name, pulls=[(f"{GITHUB}4{number}", state)])
    both = [(f"{GITHUB}42", "closed"), (f"{GITHUB}50", "open")]
    put(world, "dropped too", "2026-09-01", pulls=both)
    for name, state in (("seen first", "closed"), ("seen later", "draft")):
        put(world, name, pulls=[(f"{GITHUB}51", state)])


def _add_families(world: World) -> None:
    """Circles, with a tail and without, a child of itself, of nobody, and a deep one."""
    parents = {
        "circle 2 a": "circle 2 b",
        "circle 2 b": "devin-circle 2 a",
        "circle 3 b": "circle 3 c",
        "circle 3 c": "circle 3 a",
        "circle 3 a": "circle 3 b",
        "Tail 1": "circle 3 c",
        "tail 2": "devin-Tail 1",
        "tail of root": "circle 3 a",
        "of itself": "of itself",
        "child of itself": "of itself",
        "of nobody": "nobody",
        "of no name": "",
        "child of nobody's": "of nobody",
        **{f"deep {number}": f"deep {number - 1}" for number in range(1, 80)},
        "wide a": "deep 3",
        "wide b": "deep 3",
        "deep 0": None,
        "of the deleted": "to be deleted",
        "to be deleted": "of nobody",
    }
    for number, (name, parent) in enumerate(parents.items()):
        listed = [(f"{GITHUB}{60 + number % 7}", "open" if number % 3 else "merged")]
        put(world, name, parent_session_id=parent, acus_consumed=number / 4, pulls=listed)


def _add_insights(world: World, when: str) -> None:
    """Ids of issues that come twice, are empty, or of no issue; repeated action items; notes."""
    issues = [
        Issue("one", "High", "First", "same"),
        Issue("two", "Low", "Second", "same"),
        Issue("three", "Low", "Second", ""),
        Issue("four", "", "", "other"),
        Issue("five", "Low", "Second", "other"),
    ]
    items = [
        ActionItem("  Do THIS ", "", "same"),
        ActionItem("do this", "Other", ""),
        ActionItem("do this", "other", "unknown"),
        ActionItem("\tdo this", "other", "other"),
        ActionItem("", "other", None),
        ActionItem("   ", "other", None),
    ]
    feedback = [FeedbackItem("short", None, None), FeedbackItem("short", None, None)]
    prompt = SuggestedPrompt("e\u0301 👩‍👩‍👧 \ud800", "", feedback)
    notes = [NoteUsage("note", "m", "r", is_good=good) for good in (True, True, False)]
    plain = SuggestedPrompt("ab", "abc")
    listed = [(f"{GITHUB}70", "merged"), (f"{GITHUB}71", "open")]
    analyses = (
        Analysis(issues, [], items, prompt, None, notes),
        Analysis(issues[::-1], [], items[1:], prompt, None, []),
        Analysis(suggested_prompt=plain, note_usages=notes[2:]),
        Analysis(issues[:1]),
    )
    for number, analysis in enumerate(analyses):
        values: Row = {"user_id": "prompter", "acus_consumed": 3.5, "pulls": listed[number % 2 :]}
        put(world, f"{when} analysis {number}", analysis=deepcopy(analysis), **values)
    put(world, f"{when} of nobody", user_id=None, analysis=Analysis(issues[3:], [], items[:1]))


def _add_people(world: World, a: str, b: str) -> None:
    """Who is a person, whose first session is in which organization, and one without people."""
    robots: dict[str, Any] = {"org_id": "org-robots", "user_id": None}
    for number, origin in enumerate(("scheduled", "api", None)):
        service = {"service_user_id": f"service {number}", "origin": origin}
        put(world, f"robot {number}", f"2026-08-0{number + 1} 08:00", **robots, **service)
    for number, origin in enumerate(("automation", "scheduled", "code_scan", None, "", "webapp")):
        begun = f"2026-08-1{number} 08:00"
        put(world, f"origin {number}", begun, user_id="of all origins", org_id=a, origin=origin)
    for number, org_id in enumerate((b, a, None, b)):
        begun = f"2026-08-2{number // 2} 09:00"
        put(world, f"mover {number}", begun, user_id="mover", origin="cli", org_id=org_id)
    put(world, "nobody's first", user_id="nobody's", origin="cli", org_id=None)
    put(world, "nobody's second", "2026-09-11", user_id="nobody's", origin="cli", org_id=a)
    put(world, "both", user_id="mover", service_user_id="service 1")
    for number, name in enumerate(("user_id", "org_id", "origin", "category", "status_detail")):
        put(world, f"none {number}", f"2026-08-2{number}", **{name: None})
    nothing = dict.fromkeys(("user_id", "org_id", "origin", "category", "title"))
    put(world, "nothing", "2026-08-30", **nothing)
    put(world, "nothing at all", "2026-08-30", **nothing, absent=tuple(nothing))
    put(world, "named so", tags=["(none)", ""], category="(none)", user_id="(none)", org_id="")


def _add_times(world: World) -> None:
    """At the edges of days, weeks, months and years, with odd durations and statuses."""
    edges = ("2025-12-31 23:59:59.999999", "2026-01-01", "2026-03-01 23:59:59.5", "2026-03-02")
    for number, begun in enumerate(edges):
        put(world, f"edge {number}", begun, acus_consumed=(0, -2.5, 1e-7, 7)[number])
    put(world, "before all", "2025-11-30 12:00", pulls=[(f"{GITHUB}80", "closed")])
    finished = (
        ("exit", None), ("error", None), ("suspended", "inactivity"), ("suspended", "user_request"),
        ("suspended", "error"), ("running", "finished"), ("running", "working"), ("exit", "error"),
    )  # fmt: skip
    for number, (status, detail) in enumerate(finished):
        at = datetime(2026, 5, 4 + number % 2, 3, tzinfo=UTC)
        times = {"updated_at": at + timedelta(microseconds=10**number + 1)}
        values = {"status": status, "status_detail": detail, "category": "timed", **times}
        put(world, f"status {number}", str(at), **values)
    put(world, "backwards", updated_at=datetime(2026, 9, 1, tzinfo=UTC), category="backwards")


def _add_without_anything(world: World) -> None:
    """What a record may leave out, though none does."""
    for name in ("acus_consumed", "created_at", "status"):
        listed = [(f"{GITHUB}90", "merged"), (f"{GITHUB}91{name}", "merged")]
        put(world, f"without {name}", org_id="org-without", absent=(name,), pulls=listed)
    put(world, "child without", absent=("created_at",), parent_session_id="without created_at")


def change(world: World, version: Any) -> None:
    """The first day: states come and go, counters grow and shrink."""
    world.change(60, version)
    world.change_silently(30, version=version)
    world.change_silently(20, unsettled=False, version=version)
    world.edit("reopened", pull_requests=pulls((f"{GITHUB}40", "open")))
    world.edit("late open", pull_requests=pulls((f"{GITHUB}41", "merged")), moves_updated_at=False)
    world.edit("dropped", pull_requests=pulls((f"{GITHUB}42", "merged")))
    world.edit("later", pull_requests=pulls((f"{GITHUB}43", "MERGED")))
    world.edit("dropped too", pull_requests=pulls((f"{GITHUB}50", "merged")))
    world.edit("deep 5", acus_consumed=100.25)
    world.edit("deep 6", acus_consumed=-4, moves_updated_at=False)
    world.edit("deep 7", acus_consumed=3, moves_updated_at=False)
    world.edit("nothing", acus_consumed=6.5)


def change_at_once(world: World) -> None:
    """The same second again: two states of one observation, and one that has been before."""
    world.edit("deep 5", acus_consumed=99)
    world.edit("deep 6", acus_consumed=120, moves_updated_at=False)
    world.edit("deep 7", acus_consumed=7 / 4 + 14, moves_updated_at=False)
    world.edit("dropped", pull_requests=[], moves_updated_at=False)


def change_later(world: World, version: Any) -> None:
    """Days later: what was open once, and what moves to another owner."""
    world.change(60, version)
    world.edit("late open", pull_requests=pulls((f"{GITHUB}41", "open")))
    world.edit("later", pull_requests=[])
    world.edit("dropped too", pull_requests=[])
    world.edit("seen later", pull_requests=pulls((f"{GITHUB}51", None)), moves_updated_at=False)
    world.edit("seen first", title="updated later, but in no other state")
    world.edit("deep 6", acus_consumed=8)
    world.edit("deep 8", parent_session_id="circle 2 a")
    world.edit("mover 3", org_id="org-without")


def add_last(world: World) -> None:
    """What nothing happens to any more, so that its ties stay ties; some of it just settled."""
    _add_insights(world, "late")
    for name, hour, state in (("a", 2, "open"), ("b", 1, "closed"), ("c", 1, None)):
        # the last update decides; then, of sessions b and c, the greatest id and the last place
        listed = [(f"{GITHUB}52", name), (f"{GITHUB}53", state)]
        if hour == 1:
            listed += [(f"{GITHUB}54", f"{name} {place}") for place in range(3, 0, -1)]
        at = datetime(2026, 9, 11, hour, tzinfo=UTC)
        put(world, f"updated {name}", updated_at=at, pulls=listed)
    end = world.clock.now().replace(microsecond=0)
    for number, seconds in enumerate((-1, 0, 1)):
        begun = end - SETTLED_AFTER + timedelta(seconds=seconds)
        put(world, f"settled {number}", begun.isoformat(), tags=["settled"], category="settled")


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
    found.name()
    found.load(versions[3], Sql.of())
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
