"""The main job: whatever the API does, the tables end up as the API's own data."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product

import pytest

from devin_warehouse.api.listing import Filters
from devin_warehouse.errors import Misuse
from devin_warehouse.work_file import open_work_file
from tests.conftest import HOUR, NOW


def test_every_kind_of_change_arrives(make_warehouse):
    """5,000 sessions, 300 changes of every kind, an incremental load: equal, value by value."""
    warehouse = make_warehouse(5_000)
    first = warehouse.load()
    assert (first.counts.new, warehouse.differences()) == (5_000, [])
    warehouse.world.clock.advance(HOUR * 48)
    changed = {change.session_id for change in warehouse.world.change(300)}
    before = warehouse.requests
    second = warehouse.load(recheck_requests=0)
    assert warehouse.differences() == []
    assert second.counts.new + second.counts.changed == len(changed)
    assert warehouse.requests - before <= 5


def test_reading_the_same_again_changes_nothing(warehouse):
    """Twice is once: no row, no copy, only the ledger moves."""
    warehouse.load()
    target = warehouse.layout.target
    again = warehouse.load(overlap=HOUR * 24 * 400)
    assert (again.counts.new, again.counts.changed) == (0, 0)
    assert again.counts.unchanged == 300
    assert not again.is_published
    assert warehouse.layout.target == target


@pytest.mark.parametrize(
    ("order", "total", "bounds"),
    list(
        product(
            ["created_desc", "updated_asc", "updated_desc"],
            ["exact", "null", "late", "lagging", "capped:150"],
            ["[)", "()"],
        )
    ),
)
def test_rows_that_move_while_they_are_read_are_not_lost(make_warehouse, order, total, bounds):
    """Sessions are updated after every answer; once that ends, one more load equals the truth."""
    faults = {"order": order, "total": total, "bounds": bounds, "churn": 3}
    warehouse = make_warehouse(700, tick=0.2, faults=faults)
    warehouse.load()
    assert warehouse.rows("SELECT count(*) FROM devin.sessions") == [(700,)]
    warehouse.faults.churn = 0
    warehouse.world.clock.advance(60)
    warehouse.load()
    assert warehouse.differences() == []


@pytest.mark.parametrize(
    "faults",
    [
        {"page_cap": 37},
        {"page_cap": 1},
        {"bounds": "(]"},
        {"bounds": "[]", "order": "updated_asc"},
        {"date_header": False},
        {"total": "capped:100", "order": "updated_desc"},
    ],
)
def test_a_server_with_ways_of_its_own(make_warehouse, faults):
    """Page caps, filter ends, capped totals and a missing Date change nothing in the result."""
    now = datetime.now(UTC) if faults.get("date_header") is False else NOW
    warehouse = make_warehouse(450, faults=faults, now=now)
    warehouse.load()
    warehouse.world.change(40)
    warehouse.load()
    assert warehouse.differences() == []


@pytest.mark.parametrize("skew", [-120, 120])
def test_a_server_clock_that_is_off(make_warehouse, skew):
    """Windows go by the server's clock, whatever the loader's machine thinks."""
    warehouse = make_warehouse(300, skew=skew)
    warehouse.load()
    warehouse.world.change(30)
    warehouse.load()
    assert warehouse.differences() == []


def test_a_thousand_sessions_at_one_instant(make_warehouse):
    """They cannot be told apart by time, and all arrive."""
    warehouse = make_warehouse(200, faults={"churn": 0})
    warehouse.world.same_instant(1_000)
    warehouse.load()
    assert warehouse.differences() == []
    assert warehouse.rows("SELECT count(*) FROM devin.sessions") == [(1_200,)]


def test_a_thousand_sessions_at_one_instant_without_totals(make_warehouse):
    """The same when the API does not say how many there are."""
    warehouse = make_warehouse(200, faults={"total": "null"})
    warehouse.world.same_instant(1_000)
    warehouse.load()
    assert warehouse.differences() == []


def test_awkward_content_arrives_unchanged(warehouse):
    """NUL, lone surrogates, 300 KB, PR spellings, missing keys, unknown fields and statuses."""
    awkward = warehouse.world.add_awkward()
    summary = warehouse.load()
    assert warehouse.differences() == []
    assert summary.counts.new == 300 + len(awkward)
    assert any("U+FFFD" in notice for notice in summary.notices)
    drift = warehouse.rows("SELECT schema_drift::VARCHAR FROM devin.load_runs")[0][0]
    assert "session." in drift


def test_whole_acus_first_and_fractions_later(warehouse):
    """A figure that was whole at first keeps its fraction later."""
    sid = next(iter(warehouse.world.sessions))
    warehouse.world.edit(sid, acus_consumed=2)
    warehouse.load()
    warehouse.world.edit(sid, acus_consumed=2.75)
    warehouse.load()
    sql = f"SELECT acus_consumed FROM devin.sessions WHERE session_id = '{sid}'"
    assert warehouse.rows(sql) == [(2.75,)]


@pytest.mark.parametrize("moves_updated_at", [True, False])
def test_an_unreadable_record_is_kept_and_healed_later(warehouse, moves_updated_at):
    """Exit 8, the record kept whole and its neighbours loaded; read at last, it leaves the list."""
    wrong = set(warehouse.world.add_malformed(4))
    first = warehouse.load()
    assert (first.exit_code, first.counts.rejected) == (8, 4)
    assert warehouse.differences(left_out=wrong) == []
    kept = warehouse.rows("SELECT session_id, record->>'session_id' FROM devin.rejected_records")
    assert {row[0] for row in kept} == {row[1] for row in kept} == wrong
    warehouse.world.clock.advance(HOUR * 24)
    again = warehouse.load()
    assert (again.exit_code, again.is_published) == (8, False)
    warehouse.world.heal(moves_updated_at=moves_updated_at)
    healed = warehouse.load()
    assert healed.exit_code == 0
    assert warehouse.rows("FROM devin.rejected_records") == []
    assert warehouse.differences() == []


def test_an_unreadable_record_that_is_met_twice_is_kept_once(make_warehouse, monkeypatch):
    """Windows overlap and are read again: that makes one row of a rejected record, not two."""
    monkeypatch.setattr("devin_warehouse.intake.BATCH_SESSIONS", 20)
    warehouse = make_warehouse(450, faults={"total": "capped:100"})
    wrong = warehouse.world.add_malformed(5)
    summary = warehouse.load()
    assert summary.counts.rejected == 5
    kept = warehouse.rows("SELECT session_id FROM devin.rejected_records ORDER BY session_id")
    assert [row[0] for row in kept] == sorted(wrong)


def test_an_ignored_filter_is_found_out(make_warehouse):
    """One unfiltered walk, the right result, said in ledger and log."""
    warehouse = make_warehouse(3_000, faults={"ignore_updated_filter": True})
    summary = warehouse.load()
    assert warehouse.differences() == []
    assert warehouse.requests < 2.5 * 3_000 / 200
    warehouse.world.clock.advance(HOUR)
    warehouse.world.change(50)
    before = warehouse.requests
    again = warehouse.load()
    assert warehouse.differences() == []
    assert warehouse.requests - before < 1.6 * 3_000 / 200
    assert any("ignores" in notice for notice in [*summary.notices, *again.notices])
    assert (
        "ignores"
        in warehouse.rows("SELECT error FROM devin.load_runs ORDER BY started_at DESC LIMIT 1")[0][
            0
        ]
    )


def test_a_watermark_in_the_future_is_not_trusted(warehouse):
    """A wrong Date, or a mistyped year: what lies between must not be hidden until then."""
    with pytest.raises(Misuse, match="future"):
        warehouse.load(initial_since=NOW + HOUR * 24 * 365)
    warehouse.world.clock.advance(HOUR)
    warehouse.load()
    with open_work_file(warehouse.layout) as connection:
        connection.execute(
            "INSERT INTO devin.load_runs BY NAME SELECT * REPLACE ('later' AS run_id, "
            "watermark_after + INTERVAL 4 YEAR AS watermark_after) FROM devin.load_runs "
            "WHERE watermark_after IS NOT NULL"
        )
    warehouse.world.change(40)
    warehouse.world.clock.advance(HOUR * 48)
    summary = warehouse.load()
    assert warehouse.differences() == []
    assert any("future" in notice for notice in summary.notices)
    assert summary.watermark_after <= warehouse.world.clock.now()


@pytest.mark.parametrize("others", [("a", "b"), ("a b",), ("a%2Cb",)])
def test_scopes_of_different_organizations_are_different(warehouse, others):
    """Whatever stands in an id: a watermark of another scope would hide sessions."""
    one, other = (
        warehouse.order(filters=Filters(org_ids=ids)).connection.scope for ids in (("a,b",), others)
    )
    assert one != other
    assert other.count(" ") == 2


def test_history_has_a_row_for_every_state_ever_seen(warehouse):
    """A state seen again adds nothing; another state adds one row."""
    warehouse.load()
    sid = next(sid for sid, s in warehouse.world.sessions.items() if s.pull_requests)
    for acus in (50.5, 60.25):
        warehouse.world.edit(sid, acus_consumed=acus)
        warehouse.load()
    sql = f"SELECT acus_consumed FROM devin.session_versions WHERE session_id = '{sid}'"
    assert {50.5, 60.25} < {row[0] for row in warehouse.rows(sql)}
    assert len(warehouse.rows(sql)) == 3
    states = "SELECT session_id, pr_url, pr_state FROM devin.pull_request_states"
    now = "SELECT DISTINCT session_id, pr_url, pr_state FROM devin.session_pull_requests"
    assert set(warehouse.rows(now)) == set(warehouse.rows(states))
