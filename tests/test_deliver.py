"""Loads into another database than the file: the same tables and views there, in one step."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dlt
import pytest
from dlt.destinations.exceptions import DatabaseTransientException

from devin_warehouse import deliver
from devin_warehouse.api.listing import Filters
from devin_warehouse.bookkeeping import BY_KEY
from devin_warehouse.destination import Destination
from devin_warehouse.errors import CheckFailed, Misuse, OutOfResources
from devin_warehouse.redaction import Policy
from devin_warehouse.sql_files import Sql, SqlFile
from devin_warehouse.tables import BY_NAME, HISTORY
from tests.conftest import HOUR, TABLES_ALONE, Warehouse
from tests.places import Place, differing, place_of_tests, rows_of
from tests.test_any_history import interrupted

ALL = Sql.of()
FATAL = SqlFile("", "fatal", "-- severity: error\n-- Nothing.\nSELECT 1 AS one", "fatal.sql")
# a module, and about how many of its lines a delivery executes
STEPS = {"deliver": 420, "delivered_views": 60, "destination": 160, "landing": 120, "load": 130}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return place_of_tests(tmp_path, monkeypatch.setenv)


def load(warehouse: Warehouse, place: Place, sql: Sql = TABLES_ALONE, **changes):
    return warehouse.load(destination=place.destination, sql=sql, **changes)


def is_right(warehouse: Warehouse, place: Place, sql: Sql = TABLES_ALONE) -> bool:
    """Whether the place holds what the work file holds."""
    found = differing(place, warehouse.layout, sql)
    assert found == {}
    return True


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_a_life(make_warehouse: Callable[..., Warehouse], place: Place, version):
    """All tables and views, after each of the things that happen to a warehouse."""
    warehouse = make_warehouse(120, version=version)
    world = warehouse.world
    world.add_awkward()
    assert load(warehouse, place, ALL).is_published
    assert is_right(warehouse, place, ALL)
    assert not warehouse.path.exists()

    def shrink() -> None:
        world.change(40, version)
        longest = max(world.sessions.values(), key=lambda s: len(s.tags) + len(s.pull_requests))
        world.edit(longest.session_id, tags=longest.tags[:1], pull_requests=[])
        for session in [s for s in world.sessions.values() if s.tags][:3]:
            world.edit(session.session_id, tags=[])

    def disturb() -> None:
        world.add_malformed(3, version)
        world.advance(26 * HOUR)

    def lose() -> None:
        world.heal()
        world.change_silently(8, version=version)
        world.delete_some(4)

    happenings: list[tuple[Callable[[], None], dict[str, object]]] = [
        (shrink, {}),
        (disturb, {}),
        (lose, {"is_full": True, "is_confirmed": True}),
    ]
    for happening, options in happenings:
        world.clock.advance(HOUR)
        happening()
        load(warehouse, place, ALL, **options)
        assert is_right(warehouse, place, ALL)


def test_every_table_is_delivered():
    tables = [*deliver.BY_SESSION, *HISTORY, *BY_KEY, BY_NAME["warehouse_info"]]
    assert sorted(table.name for table in tables) == sorted(BY_NAME)


def test_it_is_the_truth(warehouse: Warehouse, place: Place):
    load(warehouse, place)
    stored = place.rows("SELECT session_id, title, acus_consumed FROM devin.sessions")
    assert {tuple(row) for row in stored} == {
        (r["session_id"], r["title"], float(r["acus_consumed"])) for r in warehouse.records
    }


def test_nothing_new_is_nothing_delivered(warehouse: Warehouse, place: Place):
    """Twice is once; what the ledger says is delivered within the hour, or with the next news."""
    load(warehouse, place)
    before = rows_of(place, "warehouse_info")
    assert not load(warehouse, place).is_published
    assert rows_of(place, "warehouse_info") == before


def test_what_fails_a_check_is_not_seen(warehouse: Warehouse, place: Place):
    """Neither rows nor ledger of a delivery that fails; the next one brings them."""
    load(warehouse, place)
    before = {name: rows_of(place, name) for name in ("sessions", "load_runs", "warehouse_info")}
    warehouse.world.change(30)
    with pytest.raises(CheckFailed, match="fatal"):
        load(warehouse, place, replace(TABLES_ALONE, checks=(*TABLES_ALONE.checks, FATAL)))
    assert {name: rows_of(place, name) for name in before} == before
    load(warehouse, place)
    assert is_right(warehouse, place)


class Killed(BaseException):
    """The process is no more."""


@pytest.mark.parametrize("module", STEPS)
def test_killed_anywhere_is_undisturbed(
    make_warehouse: Callable[..., Warehouse], place: Place, module, tmp_path: Path
):
    """The next load finds out how far the last one came, and brings the rest."""
    warehouse = make_warehouse(40)
    load(warehouse, place)
    for turn in range(4):
        warehouse.world.clock.advance(HOUR)
        warehouse.world.change(10)
        aside = tmp_path / "aside"

        def kill() -> None:
            shutil.copytree(warehouse.layout.folder, aside)  # noqa: B023
            raise Killed

        try:
            with interrupted(kill, module, 1 + turn * STEPS[module] // 4, is_kill=True):
                load(warehouse, place)
        except Killed:
            shutil.rmtree(warehouse.layout.folder)
            aside.rename(warehouse.layout.folder)
        warehouse.world.change(2)
        load(warehouse, place)
        assert is_right(warehouse, place)


def test_either_side_may_come_from_a_backup(warehouse: Warehouse, place: Place, tmp_path: Path):
    """A database that lost rows gets them back; one that knows more than the work file keeps it."""
    load(warehouse, place)
    shutil.copytree(warehouse.layout.folder, tmp_path / "backup")
    warehouse.world.change(30)
    load(warehouse, place)
    versions = rows_of(place, "session_versions")
    shutil.rmtree(warehouse.layout.folder)
    (tmp_path / "backup").rename(warehouse.layout.folder)
    load(warehouse, place)
    assert versions <= rows_of(place, "session_versions")
    place.change("DELETE FROM devin_delivery.loaders")
    place.change("DELETE FROM devin.session_tags")
    warehouse.world.change(5)
    load(warehouse, place)
    assert set(differing(place, warehouse.layout, TABLES_ALONE)) <= {
        "devin.load_runs",
        "devin.session_versions",
    }


def test_a_new_machine_goes_on_where_the_last_one_was(
    make_warehouse: Callable[..., Warehouse], place: Place
):
    """Without a work file the database tells watermark, history and all rows of the scope."""
    warehouse = make_warehouse(300, version="v3")
    warehouse.world.add_malformed(2, "v3")
    first = load(warehouse, place)
    shutil.rmtree(warehouse.layout.folder)
    warehouse.world.clock.advance(2 * HOUR)
    warehouse.world.change(20, "v3")
    asked = warehouse.asked(lambda: load(warehouse, place))
    assert asked["sessions"] < 10
    second = json.loads(warehouse.layout.status_file.read_text())["run"]
    assert second["watermark_before"] == f"{first.watermark_after:%Y-%m-%dT%H:%M:%SZ}"
    assert is_right(warehouse, place)


def test_loaders_of_several_organizations(make_warehouse: Callable[..., Warehouse], place: Place):
    """Each has its own scope and watermark; a session that moves is where it was read last."""
    one = make_warehouse(200, name="one.duckdb")
    two = Warehouse(one.path.with_name("two.duckdb"), one.world)
    world = one.world
    organizations = sorted({session.org_id for session in world.sessions.values()})
    ours, theirs = tuple(organizations[:2]), tuple(organizations[2:])

    def turn(*loaders: tuple[Warehouse, tuple[str, ...]], **options) -> None:
        for loader, org_ids in loaders:
            load(loader, place, filters=Filters(org_ids), **options)

    def stored() -> set[tuple[str, str]]:
        return {tuple(r) for r in place.rows("SELECT session_id, org_id FROM devin.sessions")}

    def expected() -> set[tuple[str, str]]:
        return {(s.session_id, s.org_id) for s in world.sessions.values()}

    both = (one, ours), (two, theirs)
    turn(*both)
    assert stored() == expected()
    scopes = place.rows(
        "SELECT DISTINCT scope FROM devin.load_runs WHERE watermark_after IS NOT NULL"
    )
    assert len(scopes) == 2

    moved = [s.session_id for s in world.sessions.values() if s.org_id == ours[0]][:5]
    for session_id in moved:
        world.edit(session_id, org_id=theirs[0])
    world.clock.advance(HOUR)
    turn(*reversed(both))
    assert stored() == expected()
    # the one that knew them before reads everything again, and delivers all it has
    place.change("DELETE FROM devin_delivery.loaders WHERE token <> ''")
    world.change(3)
    turn(*both)
    turn(*both)
    turn(*both, is_full=True)
    assert stored() == expected()
    # an organization that both load, and one that is new to the first
    turn((one, (*ours, theirs[0])), (two, theirs))
    world.change(20)
    turn((two, theirs), (one, (*ours, theirs[0])))
    assert stored() == expected()
    assert len(rows_of(place, "session_tags")) == sum(len(s.tags) for s in world.sessions.values())


def test_a_redaction_reaches_what_was_delivered(warehouse: Warehouse, place: Place):
    """In history too."""
    load(warehouse, place)
    load(
        warehouse, place, policy=Policy.parsed(["title=drop", "session_pull_requests.pr_url=hash"])
    )
    assert place.rows("SELECT count(*) FROM devin.sessions WHERE title IS NOT NULL") == [(0,)]
    assert place.rows(
        "SELECT count(*) FROM devin.pull_request_states WHERE pr_url LIKE 'http%'"
    ) == [(0,)]
    assert is_right(warehouse, place)


def test_other_views_take_the_place_of_the_old(warehouse: Warehouse, place: Place):
    """And those that hang on ours, and are not ours, are left alone."""
    own = SqlFile(
        "team", "own", "-- One row per title.\nSELECT title FROM devin.sessions", "own.sql"
    )
    load(warehouse, place, replace(ALL, views=(*ALL.views, own)))
    assert place.rows("SELECT count(*) FROM team.own") == [(300,)]
    other = replace(own, text=f"{own.text} LIMIT 7")
    load(warehouse, place, replace(ALL, views=(*ALL.views, other)))
    assert place.rows("SELECT count(*) FROM team.own") == [(7,)]
    wrong = replace(own, text=f"{own.text} WHERE nonsense")
    with pytest.raises(Misuse, match=r"own\.sql"):
        load(warehouse, place, replace(ALL, views=(*ALL.views, wrong)))
    assert place.rows("SELECT count(*) FROM team.own") == [(7,)]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("filesystem", "delete-insert"),
        ("clickhouse", "insert-only"),
        ("athena", "transactions"),
        ("nonsense", "knows no such"),
    ],
)
def test_what_cannot_hold_a_warehouse_is_refused(name, said):
    with pytest.raises(Misuse, match=said):
        Destination(name)


def test_a_schema_of_somebody_else_is_left_alone(
    warehouse: Warehouse, place: Place, tmp_path: Path
):
    with place.destination.opened(tmp_path / "other", "other") as database:
        database.execute("CREATE SCHEMA devin")
        database.execute("CREATE TABLE devin.sessions (name VARCHAR)")
    with pytest.raises(Misuse, match="not ours"):
        load(warehouse, place)
    assert warehouse.requests == 0


def test_a_column_that_an_older_version_did_not_know(warehouse: Warehouse, place: Place):
    load(warehouse, place)
    place.change("ALTER TABLE devin.sessions DROP COLUMN url")
    warehouse.world.change(2)
    load(warehouse, place)
    assert is_right(warehouse, place)


def test_v2_does_not_take_away_what_another_loader_has_over_v3(
    make_warehouse: Callable[..., Warehouse], place: Place
):
    one = make_warehouse(30, version="v3")
    load(one, place)
    two = Warehouse(one.path.with_name("two.duckdb"), one.world, version="v2")
    with pytest.raises(Misuse, match="v3 has been loaded"):
        load(two, place)


def test_rows_that_do_not_arrive_are_missed(
    warehouse: Warehouse, place: Place, monkeypatch: pytest.MonkeyPatch
):
    original = deliver._Delivery._rows

    def with_loss(self):
        for table, rows in original(self):
            yield table, rows.slice(1) if table.name == "session_tags" else rows

    monkeypatch.setattr(deliver._Delivery, "_rows", with_loss)
    with pytest.raises(CheckFailed, match="session_tags"):
        load(warehouse, place)


@pytest.mark.parametrize(
    "said",
    [
        "duplicate key value violates unique constraint pg_namespace_nspname_index",
        'relation "ducklake_metadata" already exists',
    ],
)
def test_what_others_are_making_is_opened_once_it_is_there(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said
):
    """The two things that PostgreSQL says to all but one of those that make a DuckLake at once."""
    original, tries = dlt.Pipeline.sql_client, []

    def in_the_way(self, *arguments):
        tries.append(arguments)
        if len(tries) < 3:
            raise DatabaseTransientException(OSError(said))
        return original(self, *arguments)

    monkeypatch.setattr(dlt.Pipeline, "sql_client", in_the_way)
    with place.destination.opened(tmp_path / "state", "other") as database:
        assert database.execute("SELECT 1").fetchall() == [(1,)]
    assert len(tries) == 3


def test_a_database_that_goes_away_loses_nothing(
    warehouse: Warehouse, place: Place, monkeypatch: pytest.MonkeyPatch
):
    def gone(_):
        raise DatabaseTransientException(OSError("server closed the connection"))

    load(warehouse, place)
    warehouse.world.change(20)
    with monkeypatch.context() as patch:
        patch.setattr(deliver._Delivery, "merge", gone)
        with pytest.raises(OutOfResources, match="server closed"):
            load(warehouse, place)
    load(warehouse, place)
    assert is_right(warehouse, place)
