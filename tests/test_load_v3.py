"""The main job over v3: whatever the API does, the tables end up as the API's own data."""

from __future__ import annotations

from datetime import timedelta

import pytest

from devin_warehouse import lookup
from devin_warehouse.api.listing import Filters
from devin_warehouse.errors import ContractBroken, KeyRefused, Misuse, Unavailable
from devin_warehouse.lookup import ATTEMPTS_BY_ID, IDS_A_REQUEST
from tests.conftest import HOUR

NO_LIST = ["404", "405", "422", "400", "403", "no_items"]


def test_every_kind_of_change_arrives_with_the_list_of_insights(make_warehouse):
    """5,000 sessions, 300 changes of every kind, an incremental load: equal, value by value."""
    warehouse = make_warehouse(5_000, version="v3", faults={"newer_fields": True})
    first = warehouse.load()
    assert (first.counts.new, warehouse.differences()) == (5_000, [])
    assert warehouse.counts["by_id"] == 0
    assert warehouse.counts["insights"] <= 5_000 / 200 * 1.2
    warehouse.world.clock.advance(HOUR * 48)
    changed = {change.session_id for change in warehouse.world.change(300, "v3")}
    asked = warehouse.asked(lambda: warehouse.load(recheck_requests=0))
    assert warehouse.differences() == []
    assert (asked["by_id"], asked["insights"] <= 4, asked["sessions"] <= 8) == (0, True, True)
    assert len(changed) > 250


@pytest.mark.parametrize("answer", NO_LIST)
def test_an_absent_list_of_insights_is_found_out_with_a_request(make_warehouse, answer):
    """Whatever does not answer like a list is none: each session is asked for by id instead."""
    warehouse = make_warehouse(60, version="v3", faults={"bulk_insights": answer})
    warehouse.load()
    assert warehouse.differences() == []
    assert (warehouse.counts["insights"], warehouse.counts["by_id"]) == (1, 60)


def test_without_the_list_of_insights_each_changed_session_takes_a_request(make_warehouse):
    """One, not two, and none for those that have not changed."""
    warehouse = make_warehouse(200, version="v3", faults={"bulk_insights": "404"})
    warehouse.load()
    warehouse.world.clock.advance(HOUR * 48)
    changed = {change.session_id for change in warehouse.world.change(60, "v3")}
    asked = warehouse.asked(lambda: warehouse.load(recheck_requests=0))
    assert warehouse.differences() == []
    assert asked["by_id"] == len(changed)


def test_reading_the_same_again_changes_nothing(warehouse_v3):
    """Twice is once: no row, no copy, no insights asked for, only the ledger moves."""
    warehouse_v3.load()
    before = warehouse_v3.counts
    again = warehouse_v3.load(overlap=HOUR * 24 * 400)
    assert (again.counts.new, again.counts.changed, again.counts.unchanged) == (0, 0, 300)
    assert not again.is_published
    asked = warehouse_v3.counts - before
    assert (asked["insights"], asked["by_id"]) == (0, 0)


@pytest.mark.parametrize(
    ("order", "total", "cursor"),
    [
        ("created_desc", "exact", "offset"),
        ("updated_asc", "exact", "offset"),
        ("updated_asc", "late", "offset"),
        ("updated_desc", "null", "offset"),
        ("updated_asc", "lagging", "offset"),
        ("updated_desc", "capped:150", "offset"),
        ("created_desc", "null", "keyset"),
        ("updated_asc", "late", "keyset"),
    ],
)
def test_rows_that_move_while_they_are_read_are_not_lost(make_warehouse, order, total, cursor):
    """Sessions are updated after every answer; once that ends, one more load equals the truth."""
    faults = {"order": order, "total": total, "cursor": cursor, "churn": 3, "bounds": "()"}
    warehouse = make_warehouse(500, tick=0.2, version="v3", faults=faults)
    warehouse.load()
    assert warehouse.rows("SELECT count(*) FROM devin.sessions") == [(500,)]
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
        {"bounds": "[]", "order": "updated_asc", "cursor": "offset"},
        {"total_on": "first", "cursor": "offset"},
        {"total": "capped:100", "order": "updated_desc"},
        {"bulk_insights": "404", "error_rate": 0.2},
    ],
)
def test_a_server_with_ways_of_its_own(make_warehouse, faults):
    """Page caps, filter ends, totals and failures change nothing in the result."""
    warehouse = make_warehouse(250, version="v3", faults=faults)
    warehouse.load()
    warehouse.world.change(40, "v3")
    warehouse.load()
    assert warehouse.differences() == []


@pytest.mark.parametrize("total", ["exact", "null"])
def test_a_thousand_sessions_of_one_second(make_warehouse, total):
    """v3 knows seconds only; sessions of the same one cannot be told apart by time."""
    warehouse = make_warehouse(200, version="v3", faults={"total": total, "cursor": "offset"})
    warehouse.world.same_instant(1_000)
    warehouse.load()
    assert warehouse.differences() == []


def test_awkward_content_arrives_unchanged(warehouse_v3):
    """NUL, lone surrogates, 300 KB, missing keys, unknown fields and statuses, odd ids."""
    awkward = warehouse_v3.world.add_awkward()
    warehouse_v3.faults.bulk_insights = "404"
    summary = warehouse_v3.load()
    assert warehouse_v3.differences() == []
    assert (summary.counts.new, summary.exit_code) == (300 + len(awkward), 0)
    paths = [request.path for request in warehouse_v3.app.state.requests]
    assert not any("devin-devin-" in path for path in paths)
    assert warehouse_v3.rows("SELECT 1 FROM devin.sessions WHERE session_id LIKE 'devin-%'") == []


@pytest.mark.parametrize("bulk", ["ok", "404"])
def test_a_record_of_a_wrong_type_costs_nobody_else(warehouse_v3, bulk):
    """Exit 8, kept whole, neighbours loaded; healed silently, it is read by the next run."""
    warehouse_v3.faults.bulk_insights = bulk
    malformed = warehouse_v3.world.add_malformed(40, "v3")
    summary = warehouse_v3.load()
    assert (summary.exit_code, summary.rejected_records) == (8, 40)
    assert warehouse_v3.differences(left_out=malformed) == []
    endpoints = {row[0] for row in warehouse_v3.rows("SELECT endpoint FROM devin.rejected_records")}
    assert len(endpoints) == 2
    again = warehouse_v3.load()
    assert (again.exit_code, again.is_published) == (8, False)
    warehouse_v3.world.heal(moves_updated_at=False)
    warehouse_v3.world.clock.advance(HOUR * 3)
    healed = warehouse_v3.load()
    assert (healed.exit_code, warehouse_v3.differences()) == (0, [])


def test_an_ignored_filter_is_found_out(make_warehouse):
    """One unfiltered walk of each list a run, said in the ledger."""
    warehouse = make_warehouse(900, version="v3", faults={"ignore_updated_filter": True})
    warehouse.load()
    assert warehouse.differences() == []
    warehouse.world.clock.advance(HOUR * 9)
    warehouse.world.change(100, "v3")
    asked = warehouse.asked(lambda: warehouse.load(recheck_requests=0))
    assert warehouse.differences() == []
    said = warehouse.rows("SELECT error FROM devin.load_runs ORDER BY started_at DESC LIMIT 1")
    assert "ignores the filter" in said[0][0]
    assert asked["sessions"] + asked["insights"] + asked["by_id"] <= 24


@pytest.mark.parametrize("changes", [3, 100])
def test_a_list_of_insights_that_ignores_the_filter(make_warehouse, changes):
    """It is walked once if that pays, never once a window."""
    faults = {"ignore_updated_filter_insights": True}
    warehouse = make_warehouse(900, version="v3", faults=faults)
    warehouse.load()
    warehouse.world.clock.advance(HOUR * 9)
    warehouse.world.change(changes, "v3")
    asked = warehouse.asked(lambda: warehouse.load(recheck_requests=0))
    assert warehouse.differences() == []
    assert asked["insights"] + asked["by_id"] <= 12


@pytest.mark.parametrize("fault", ["repeated", "null", "ignored"])
def test_a_token_that_leads_nowhere_ends_the_run(make_warehouse, fault):
    """Exit 5, soon, naming the endpoint: no loop, and no listing taken for complete."""
    warehouse = make_warehouse(450, version="v3", faults={"token_fault": fault})
    with pytest.raises(ContractBroken, match=r"end_cursor|token"):
        warehouse.load()
    assert warehouse.counts.total() < 30


def test_insights_refused_are_exit_3_unless_not_wanted(warehouse_v3):
    """Never quietly partial; what was read stays, and is completed once the key may."""
    warehouse_v3.faults.refused = ("insights", "session_insights")
    with pytest.raises(KeyRefused, match=r"ViewAccountSessions.*--no-insights"):
        warehouse_v3.load()
    assert not warehouse_v3.path.exists()
    summary = warehouse_v3.load(with_insights=False)
    assert (summary.exit_code, summary.rows["sessions"], summary.rows["insights"]) == (0, 300, 0)
    assert summary.rows["session_versions"] == 300
    warehouse_v3.faults.refused = ()
    warehouse_v3.load()
    assert warehouse_v3.differences() == []


def test_what_fails_for_one_session_is_owed(make_warehouse):
    """5 % of the single calls fail for good: exit 8, published; the next run completes them."""
    faults = {"bulk_insights": "404", "failing_insights": 0.05}
    warehouse = make_warehouse(240, version="v3", faults=faults)
    summary = warehouse.load()
    failing = [sid for sid in warehouse.world.sessions if warehouse.faults.fails_insights_of(sid)]
    assert (summary.exit_code, summary.insights_failed) == (8, len(failing))
    assert warehouse.differences(left_out=failing) == []
    warehouse.faults.failing_insights = 0
    asked = warehouse.asked(lambda: warehouse.load(recheck_requests=0))
    assert (asked["by_id"], warehouse.differences()) == (len(failing), [])
    versions = "SELECT count(*) FROM devin.session_versions"
    assert warehouse.rows(versions)[0][0] >= 240


def test_insights_that_fail_altogether_keep_no_session_back(make_warehouse):
    """Exit 8, sessions published; not try after try for each; a run later what is new is read."""
    faults = {"bulk_insights": "404", "failing_insights": 1.0}
    warehouse = make_warehouse(200, version="v3", faults=faults)
    summary = warehouse.load()
    assert (summary.exit_code, summary.insights_failed, summary.rows["sessions"]) == (8, 200, 200)
    assert warehouse.counts["by_id"] <= 200 + IDS_A_REQUEST * ATTEMPTS_BY_ID
    assert warehouse.rows("FROM devin.session_versions") == []
    warehouse.faults.failing_insights = 0.3
    warehouse.world.clock.advance(HOUR)
    warehouse.world.change(20, "v3")
    summary = warehouse.load()
    failing = [sid for sid in warehouse.world.sessions if warehouse.faults.fails_insights_of(sid)]
    assert (summary.exit_code, warehouse.differences(left_out=failing)) == (8, [])


def test_an_api_that_is_down_ends_the_run(make_warehouse):
    """Exit 4 once the list says so too, not one try after another for each of many sessions."""
    faults = {"bulk_insights": "404", "failing_insights": 1.0}
    warehouse = make_warehouse(100, version="v3", faults=faults)
    ask = lookup.ById.ask

    async def ask_of_an_api_that_is_down(self, session_ids):
        warehouse.faults.update({"error_rate": 1.0, "failures": ["500"]})
        await ask(self, session_ids)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lookup.ById, "ask", ask_of_an_api_that_is_down)
        with pytest.raises(Unavailable):
            warehouse.load()


def test_a_filter_that_the_api_does_not_take_is_the_users_mistake(warehouse_v3):
    """Exit 2, with what the API says of it."""
    with pytest.raises(Misuse, match="origins"):
        warehouse_v3.load(filters=Filters(origins=("nowhere",)))


def test_a_range_reads_its_sessions_and_their_insights(warehouse_v3):
    """A backfill merges both, and leaves the watermark alone."""
    now = warehouse_v3.world.clock.now()
    warehouse_v3.load(since=now - timedelta(days=60), until=now - timedelta(days=30))
    counts = warehouse_v3.rows(
        "SELECT (SELECT count(*) FROM devin.sessions), (SELECT count(*) FROM devin.insights), "
        "(SELECT mode FROM devin.load_runs), (SELECT watermark_after FROM devin.load_runs)"
    )[0]
    assert 0 < counts[0] < 150
    assert counts[1:] == (counts[0], "backfill", None)
    warehouse_v3.load()
    assert warehouse_v3.differences() == []


def test_deleted_organizations_are_a_scope_of_their_own(warehouse_v3):
    """They are hidden unless asked for; each scope has its watermark."""
    org_id = next(iter(warehouse_v3.world.sessions.values())).org_id
    hidden = warehouse_v3.world.delete_organization(org_id)
    summary = warehouse_v3.load()
    assert summary.counts.new == 300 - len(hidden)
    assert warehouse_v3.differences(left_out=hidden) == []
    filters = warehouse_v3.order().connection.filters
    with_deleted = type(filters)(include_deleted_orgs=True)
    summary = warehouse_v3.load(filters=with_deleted)
    assert (summary.counts.new, warehouse_v3.differences()) == (len(hidden), [])
    assert len(summary.watermarks) == 2


def test_the_switch_from_v2_keeps_what_only_v2_knew(make_warehouse):
    """v3 reads the full history once, prompts stay; and there is no way back."""
    warehouse = make_warehouse(300)
    warehouse.load()
    prompts = warehouse.rows("FROM devin.session_prompts ORDER BY session_id")
    warehouse.version = "v3"
    warehouse.world.change(30, "v3")
    summary = warehouse.load()
    assert warehouse.differences() == []
    assert warehouse.rows("FROM devin.session_prompts ORDER BY session_id") == prompts
    assert len(summary.watermarks) == 2
    warehouse.version = "v2"
    requests = warehouse.counts.total()
    with pytest.raises(Misuse, match="would take columns away"):
        warehouse.load()
    assert warehouse.counts.total() == requests
    runs = warehouse.rows("SELECT api_version, outcome FROM devin.load_runs ORDER BY started_at")
    assert runs == [("v2", "done"), ("v3", "done")]


COLUMNS_OF_BOTH = {
    "sessions": "session_id, org_id, user_id, title, url, status, acus_consumed, "
    "created_at::TIMESTAMP_S, updated_at::TIMESTAMP_S",
    "session_tags": "*",
    "session_pull_requests": "session_id, position, pr_url, pr_state",
    "insights": "session_id, has_analysis, original_prompt, suggested_prompt",
    "insight_issues": "session_id, position, label, impact, issue",
    "insight_timeline": "session_id, position, title, description",
    "insight_action_items": "session_id, position, type, action_item, issue_id",
    "insight_feedback_items": "session_id, position, nullif(summary, ''), nullif(excerpt, ''), "
    "nullif(details, ''), issue_id",
    "session_versions": "session_id, status, acus_consumed, open_pull_requests_count, "
    "merged_pull_requests_count, closed_pull_requests_count, analysis_hash IS NULL",
    "pull_request_states": "session_id, pr_url, pr_state",
}


def test_the_same_world_gives_equal_answers_over_v2_and_v3(make_warehouse):
    """In every column that both versions know, after a first and an incremental load."""
    old = make_warehouse(600, name="old.duckdb")
    new = make_warehouse(600, name="new.duckdb", version="v3")
    for warehouse in (old, new):
        warehouse.load()
        warehouse.world.clock.advance(HOUR * 30)
        warehouse.world.change(100)
        warehouse.load()
    for table, columns in COLUMNS_OF_BOTH.items():
        sql = f"SELECT {columns.replace('::TIMESTAMP_S', '')} FROM devin.{table} ORDER BY ALL"
        if "::TIMESTAMP_S" in columns:
            sql = sql.replace("created_at", "date_trunc('second', created_at)")
            sql = sql.replace("updated_at", "date_trunc('second', updated_at)")
        assert old.rows(sql) == new.rows(sql), table
