"""What changes without `updated_at` moving, what is deleted, and what is asked for by name."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from devin_warehouse.api.listing import Filters
from devin_warehouse.errors import Misuse, Refused
from tests.conftest import HOUR

VERSIONS = ["v2", "v3"]
DELETED = "SELECT session_id FROM devin.deleted_sessions"


@pytest.mark.parametrize("version", VERSIONS)
def test_silent_changes_of_unsettled_sessions_are_found(make_warehouse, version):
    """200 of them, no `updated_at` moved: all there after one run, within its 20 requests."""
    warehouse = make_warehouse(2_000, version=version)
    warehouse.load()
    warehouse.world.clock.advance(HOUR)
    changed = warehouse.world.change_silently(200, version=version)
    assert (len(changed), bool(warehouse.differences())) == (200, True)
    asked = warehouse.asked(lambda: warehouse.load(overlap=timedelta(minutes=5)))
    assert warehouse.differences() == []
    assert asked.total() <= 20 + 3


def test_without_the_list_of_insights_the_budget_holds_and_all_are_found_in_turn(make_warehouse):
    """Oldest check first: as many runs as it takes, none of them over its budget.

    But for the insights of what the re-check found changed: those are owed.
    """
    warehouse = make_warehouse(150, version="v3", faults={"bulk_insights": "404"})
    warehouse.load()
    warehouse.world.clock.advance(HOUR)
    changes = len(warehouse.world.change_silently(12))
    for _ in range(12):
        asked = warehouse.asked(lambda: warehouse.load(overlap=timedelta(minutes=5)))
        assert asked.total() <= 20 + 3 + changes
        if not warehouse.differences():
            break
    assert warehouse.differences() == []


@pytest.mark.parametrize(
    ("version", "faults"),
    [
        ("v2", {"session_ids_form": "prefixed"}),
        ("v2", {"session_ids_limit": 30}),
        ("v2", {"page_cap": 40}),
        ("v2", {"ignore_session_ids": True}),
        ("v3", {"session_ids_form": "prefixed"}),
        ("v3", {"session_ids_limit": 30}),
        ("v3", {"page_cap": 40}),
        ("v3", {"ignore_session_ids": True}),
        ("v3", {"ignore_session_ids": True, "bulk_insights": "404"}),
    ],
)
def test_ids_are_asked_for_in_any_way_that_works(make_warehouse, version, faults):
    """Another form, fewer at once, smaller pages; where the filter is ignored, one by one."""
    warehouse = make_warehouse(250, version=version, faults=faults)
    warehouse.load()
    warehouse.world.clock.advance(HOUR)
    warehouse.world.change_silently(20, version=version)
    warehouse.load(overlap=timedelta(minutes=5), recheck_requests=900)
    assert warehouse.differences() == []


def test_what_was_just_read_is_not_asked_for_again(make_warehouse):
    """An idle run right after a load asks for nothing twice; the longer a state holds, the rarer.

    Half a day later unsettled sessions are asked for every hour, not every half.
    """
    warehouse = make_warehouse(100, version="v3")
    warehouse.load()
    assert warehouse.asked(warehouse.load).total() <= 3
    asked = []
    for _ in range(24):
        warehouse.world.clock.advance(HOUR / 2)
        before = warehouse.requests
        warehouse.load()
        queries = [request.query for request in warehouse.app.state.requests[before:]]
        asked.append(sum(query.count("session_ids=") for query in queries))
    assert asked[0] > 0
    assert sum(asked[-4:]) <= 0.6 * sum(asked[:4])


@pytest.mark.parametrize("version", VERSIONS)
def test_a_full_refresh_finds_silent_changes_and_deletions(make_warehouse, version):
    """200 silent changes of settled sessions, 50 deleted: each of those confirmed by a 404."""
    warehouse = make_warehouse(1_000, version=version)
    warehouse.load()
    changed = warehouse.world.change_silently(200, unsettled=False, version=version)
    deleted = warehouse.world.delete_some(50)
    warehouse.world.clock.advance(HOUR * 40 * 24)
    warehouse.load()
    assert len([d for d in warehouse.differences(deleted) if "missing" not in d]) >= len(changed)
    asked = warehouse.asked(lambda: warehouse.load(is_full=True))
    assert warehouse.differences(left_out=deleted) == []
    assert {row[0] for row in warehouse.rows(DELETED)} == set(deleted)
    assert asked["by_id"] == 50
    sessions = warehouse.rows("SELECT count(*) FROM devin.sessions")
    assert sessions == [(1_000,)]
    again = warehouse.load(is_full=True)
    assert (again.sessions_deleted, again.counts.changed, again.is_published) == (0, 0, False)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_api_that_shows_a_third_deletes_nothing(make_warehouse, version):
    """Exit 10, nothing marked; `--yes` marks, and whoever comes back leaves the list."""
    warehouse = make_warehouse(400, version=version)
    warehouse.load()
    warehouse.faults.visible_share = 0.33
    with pytest.raises(Refused, match="--yes") as refused:
        warehouse.load(is_full=True)
    assert (refused.value.exit_code, warehouse.rows(DELETED)) == (10, [])
    summary = warehouse.load(is_full=True, is_confirmed=True)
    hidden = {sid for sid in warehouse.world.sessions if not warehouse.faults.shows(sid)}
    assert {row[0] for row in warehouse.rows(DELETED)} == hidden
    assert summary.sessions_deleted == len(hidden)
    warehouse.faults.visible_share = 1
    warehouse.load(is_full=True)
    assert (warehouse.rows(DELETED), warehouse.differences()) == ([], [])


def test_a_session_that_is_only_hidden_is_not_deleted(make_warehouse):
    """Absence from the list proves nothing: by id it answers, so it stays."""
    warehouse = make_warehouse(300, version="v3")
    warehouse.load()
    org_id = next(iter(warehouse.world.sessions.values())).org_id
    assert warehouse.world.delete_organization(org_id)
    warehouse.load(is_full=True)
    assert (warehouse.rows(DELETED), warehouse.differences()) == ([], [])


def test_what_may_not_be_asked_by_id_is_not_deleted(make_warehouse):
    """The key may read the lists alone: said, and published all the same."""
    warehouse = make_warehouse(150, version="v3")
    warehouse.load()
    deleted = warehouse.world.delete_some(5)
    warehouse.faults.refused = ("session_insights",)
    summary = warehouse.load(is_full=True)
    assert (summary.exit_code, warehouse.rows(DELETED)) == (0, [])
    assert any("could not be confirmed" in notice for notice in summary.notices)
    warehouse.faults.refused = ()
    warehouse.load(is_full=True)
    assert {row[0] for row in warehouse.rows(DELETED)} == set(deleted)


def test_what_cannot_be_had_by_id_is_not_deleted(make_warehouse):
    """Hidden from the list, and 500 by id: that says nothing about the session."""
    warehouse = make_warehouse(150, version="v3")
    warehouse.load()
    org_id = next(iter(warehouse.world.sessions.values())).org_id
    warehouse.world.delete_organization(org_id)
    warehouse.faults.failing_insights = 1.0
    summary = warehouse.load(is_full=True)
    assert warehouse.rows(DELETED) == []
    assert any("could not be found out" in notice for notice in summary.notices)


def test_organizations_of_another_scope_are_not_swept(make_warehouse):
    """A full refresh of one organization says nothing about the others."""
    warehouse = make_warehouse(300, version="v3")
    warehouse.load()
    org_id = next(iter(warehouse.world.sessions.values())).org_id
    warehouse.world.delete_some(10)
    gone = warehouse.rows("SELECT session_id, org_id FROM devin.sessions")
    expected = {s for s, org in gone if s not in warehouse.world.sessions and org == org_id}
    warehouse.load(is_full=True, is_confirmed=True, filters=Filters(org_ids=(org_id,)))
    assert {row[0] for row in warehouse.rows(DELETED)} == expected


def some(warehouse, **wanted):
    """The ids of the world's sessions with these values."""
    return {
        sid
        for sid, session in warehouse.world.sessions.items()
        if all(getattr(session, name) == value for name, value in wanted.items())
    }


@pytest.mark.parametrize(
    ("version", "name", "attribute"),
    [
        ("v2", "user_ids", "user_id"),
        ("v3", "user_ids", "user_id"),
        ("v3", "service_user_ids", "service_user_id"),
        ("v3", "origins", "origin"),
        ("v3", "category", "category"),
        ("v3", "playbook_id", "playbook_id"),
        ("v3", "schedule_id", "schedule_id"),
    ],
)
def test_a_narrowed_load_reads_what_it_names(make_warehouse, version, name, attribute):
    """As far as the API has the filter: merged with its insights, no watermark."""
    warehouse = make_warehouse(300, version=version)
    sessions = warehouse.world.sessions.values()
    value = next(v for v in (getattr(s, attribute) for s in sessions) if v)
    single = name in ("category", "playbook_id", "schedule_id")
    named: dict[str, Any] = {name: value if single else (value,)}
    warehouse.load(filters=Filters(**named))
    rows = warehouse.rows(
        "SELECT session_id FROM devin.insights JOIN devin.sessions USING (session_id)"
    )
    assert {row[0] for row in rows} == some(warehouse, **{attribute: value})
    ledger = warehouse.rows("SELECT mode, watermark_after FROM devin.load_runs")
    assert ledger == [("narrowed", None)]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("form", ["bare", "prefixed"])
def test_a_session_is_read_by_its_name(make_warehouse, version, form):
    """Whichever form the user or the API likes; what does not come is said."""
    warehouse = make_warehouse(50, version=version, faults={"session_ids_form": form})
    first, second = list(warehouse.world.sessions)[:2]
    named = Filters(session_ids=(first, f"devin-{second}", "0" * 32))
    summary = warehouse.load(filters=named)
    assert {row[0] for row in warehouse.rows("SELECT session_id FROM devin.insights")} == {
        first,
        second,
    }
    assert any("did not come" in notice for notice in summary.notices)


@pytest.mark.parametrize(
    ("version", "changes", "said"),
    [
        ("v2", {"filters": Filters(tags=("a",))}, "--tag"),
        ("v2", {"filters": Filters(include_deleted_orgs=True)}, "--include-deleted-orgs"),
        ("v2", {"with_insights": False}, "--no-insights"),
        ("v3", {"is_full": True, "filters": Filters(category="other")}, "--full-refresh"),
        ("v3", {"filters": Filters(session_ids=("a",), tags=("b",))}, "--session-id"),
    ],
)
def test_what_does_not_go_together_is_refused(make_warehouse, version, changes, said):
    """Exit 2 before anything is asked or written."""
    warehouse = make_warehouse(10, version=version)
    with pytest.raises(Misuse, match=said):
        warehouse.load(**changes)
    assert list(warehouse.path.parent.iterdir()) == []


def test_history_has_one_row_for_a_session_and_its_insights(warehouse_v3):
    """Sessions and insights come one after the other; the state between them never was."""
    warehouse_v3.load()
    rows = warehouse_v3.rows(
        "SELECT count(*), count(DISTINCT session_id), count(analysis_hash) "
        "FROM devin.session_versions"
    )
    analysed = sum(s.analysis is not None for s in warehouse_v3.world.sessions.values())
    assert rows == [(300, 300, analysed)]
    sid = next(sid for sid, s in warehouse_v3.world.sessions.items() if s.analysis)
    warehouse_v3.world.edit(sid, acus_consumed=77.5)
    warehouse_v3.load()
    states = warehouse_v3.rows(
        "SELECT acus_consumed = 77.5, analysis_hash IS NOT NULL FROM devin.session_versions "
        f"WHERE session_id = '{sid}' ORDER BY 1"
    )
    assert states == [(False, True), (True, True)]
