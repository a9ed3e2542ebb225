"""Checks: what each is for, what it lets pass, and what its findings lead to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import duckdb
import pytest

from devin_warehouse.checks import Result, run_checks
from devin_warehouse.tables import BY_NAME, TABLES
from tests.rows import PR1, PR2, SQL, Row, database, insert, run_until, session, undone

CHECKS = {check.name: check for check in SQL.checks}
LISTS = [table for table in TABLES if "position" in table.key]
MEMBERS = {
    "sessions": [
        "session_prompts",
        "session_tags",
        "session_pull_requests",
        "session_children",
        "session_versions",
        "pull_request_states",
    ],
    "insights": [
        "insight_issues",
        "insight_timeline",
        "insight_action_items",
        "insight_feedback_items",
        "insight_note_usages",
        "insight_programming_languages",
        "insight_tools_and_frameworks",
    ],
}


def of_a(*rows: Row) -> list[Row]:
    return [{"session_id": "a", **row} for row in rows]


HEALTHY: dict[str, list[Row]] = {
    "sessions": [
        session(
            "a",
            updated_at="2026-01-05 10:00",
            status="exit",
            status_detail="finished",
            origin="slack",
            category="bug_fixing",
            org_id="org-1",
            user_id="ada",
            acus_consumed=2,
        ),
        session("b", parent_session_id="a", updated_at="2026-01-06", acus_consumed=0),
        session("c", "2026-02-01", org_id="org-2", user_id="ada", acus_consumed=0.1),
        session("d", None),
    ],
    "session_prompts": of_a({"initial_user_message": "Fix it"}),
    "session_tags": of_a({"tag": "red"}, {"tag": "red"}),
    "session_pull_requests": [
        *of_a({"pr_url": PR1, "pr_state": "open"}, {"pr_url": PR2, "pr_state": "Merged"}),
        {"session_id": "b", "pr_url": PR1, "pr_state": "merged"},
        {"session_id": "c", "pr_url": PR1, "pr_state": None},
    ],
    "session_children": of_a({"child_session_id": "b"}),
    "insights": of_a({"has_analysis": True, "session_size": "m"}),
    "insight_issues": of_a({"issue_id": ""}, {"issue_id": ""}),
    "insight_timeline": of_a({"title": "Started"}),
    "insight_action_items": of_a({"type": "knowledge"}),
    "insight_feedback_items": of_a({"summary": "Too vague"}),
    "insight_note_usages": of_a({"usage": "good"}, {"usage": "good"}, {"usage": "bad"}),
    "insight_programming_languages": of_a({"programming_language": "Go"}),
    "insight_tools_and_frameworks": of_a({"tool_or_framework": "make"}),
    "session_versions": of_a({"version_key": "1"}, {"version_key": "2"}),
    "pull_request_states": [
        *of_a({"pr_url": PR1, "pr_state": "open"}, {"pr_url": PR1, "pr_state": "merged"}),
        {"session_id": "b", "pr_url": PR1, "pr_state": "merged"},
        {"session_id": "c", "pr_url": PR1, "pr_state": None},
    ],
    "deleted_sessions": of_a({"detected_at": "2026-03-01"}),
    "organizations": [{"org_id": "org-1", "name": "Acme"}, {"org_id": "org-2"}],
    "users": [{"user_id": "ada", "name": "Ada"}],
    "rejected_records": [{"record_key": "1", "session_id": "z"}],
    "load_runs": [
        run_until("2026-03-01", run_id="1"),
        run_until("2026-04-01", run_id="2", watermark_after="2026-03-02", outcome="failed"),
        run_until("2026-03-05", run_id="3", watermark_after="2026-06-01", mode="backfill"),
        run_until(None, run_id="4", scope="another"),
    ],
}


@dataclass(frozen=True)
class Case:
    """What is wrong: rows too many, or a change; and the row that is shown."""

    check: str
    shown: Row
    change: str = "SELECT 1"
    rows: dict[str, list[Row]] = field(default_factory=dict)


CASES = [
    Case(
        "acus_are_not_negative",
        {"session_id": "b", "acus_consumed": -0.5},
        "UPDATE devin.sessions SET acus_consumed = acus_consumed - 0.5 WHERE session_id = 'b'; "
        "UPDATE devin.sessions SET acus_consumed = acus_consumed + 0.5 WHERE session_id = 'a'",
    ),
    Case(
        "updated_is_not_before_created",
        {
            "session_id": "a",
            "created_at": "2026-01-05 10:00:00",
            "updated_at": "2026-01-05 09:59:59",
        },
        "UPDATE devin.sessions SET updated_at = updated_at - INTERVAL 1 SECOND "
        "WHERE session_id = 'a'",
    ),
    Case(
        "values_are_known",
        {"column_name": "sessions.status", "value": "hibernating", "rows_count": 3},
        "UPDATE devin.sessions SET status = 'hibernating' WHERE session_id > 'a'",
    ),
    Case(
        "keys_are_unique",
        {"table_name": "session_versions", "key": "2", "rows_count": 2},
        rows={"session_versions": of_a({"version_key": "2"})},
    ),
    Case(
        "lists_have_their_session",
        {"table_name": "session_tags", "session_id": "nobody"},
        rows={"session_tags": [{"session_id": "nobody", "tag": "red"}]},
    ),
    Case(
        "positions_have_no_gaps",
        {
            "table_name": "session_tags",
            "session_id": "a",
            "usage": "",
            "rows_count": 3,
            "last_position": 3,
        },
        rows={"session_tags": of_a({"tag": "blue", "position": 3})},
    ),
    Case(
        "watermarks_are_not_in_the_future",
        {
            "scope": "another",
            "watermark": "2026-03-02 00:00:01",
            "read_until": "2026-03-02 00:00:00",
        },
        rows={
            "load_runs": [
                run_until(
                    "2026-03-02",
                    run_id="5",
                    scope="another",
                    watermark_after="2026-03-02 00:00:01",
                    mode="full",
                )
            ]
        },
    ),
    Case(
        "totals_add_up",
        {
            "view_name": "pull_requests",
            "sessions_count": None,
            "all_sessions_count": 4,
            "acus_consumed": None,
            "all_acus_consumed": 2.1,
            "merged_pull_requests_count": 1,
            "all_merged_pull_requests_count": 2,
        },
        f"DELETE FROM prepared.analytics_pull_requests WHERE pr_url = '{PR2}'",
    ),
]


def found(connection: duckdb.DuckDBPyConnection) -> dict[str, Result]:
    return {result.name: result for result in run_checks(connection, SQL.checks) if result.found}


def sample_of(connection: duckdb.DuckDBPyConnection, check: str) -> list[Row]:
    """What one check shows."""
    (result,) = run_checks(connection, [CHECKS[check]])
    return result.sample


@pytest.fixture(scope="module")
def healthy():
    with database(**HEALTHY) as connection:
        yield connection


@pytest.fixture(scope="module")
def empty_tables():
    """No row, no view."""
    with database((), warehouse_info=[]) as connection:
        yield connection


@pytest.fixture
def bare(empty_tables):
    """Tables without a row, to be filled until the test ends."""
    with undone(empty_tables) as connection:
        yield connection


def test_nothing_is_found_in_a_healthy_database(healthy):
    """Nor in an empty one; each check says in a sentence what then holds."""
    assert found(healthy) == {}
    with database() as connection:
        assert found(connection) == {}
    for result in run_checks(healthy, SQL.checks):
        assert (result.is_fatal, result.rule.endswith(".")) == (False, True)


def test_every_check_has_a_case_in_which_it_finds_something():
    """A check that cannot fail is not a check."""
    assert {case.check for case in CASES} == {check.name for check in SQL.checks}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.check)
def test_a_check_finds_what_it_is_for(healthy, case):
    """It alone, and shows the row."""
    with undone(healthy) as spoilt:
        for name, rows in case.rows.items():
            insert(spoilt, name, rows)
        spoilt.execute(case.change)
        results = found(spoilt)
    assert results.keys() == {case.check}
    result = results[case.check]
    shown = {k: str(v) if isinstance(v, date) else v for k, v in result.sample[0].items()}
    assert (result.found, len(result.sample), shown) == (1, 1, case.shown)
    first = ", ".join(f"{name} {value}" for name, value in case.shown.items())
    assert result.sentence == f"check {case.check} ({result.severity}): 1 found, as {first}"


def test_what_the_api_may_say_is_told_and_the_rest_is_an_error():
    """What the API says is published, however odd it is."""
    assert {check.name for check in SQL.checks if check.severity == "warn"} == {
        "acus_are_not_negative",
        "updated_is_not_before_created",
        "values_are_known",
    }


def test_every_new_word_is_found(bare):
    """In each of seven columns, in any number; the first five are shown. NULL is no word."""
    new = {"status": "?", "status_detail": "?", "origin": "?", "category": "?"}
    insert(bare, "sessions", [session("a", **new), session("b", **new), session("c")])
    insert(bare, "insights", of_a({"session_size": "?"}))
    insert(bare, "session_pull_requests", of_a({"pr_state": "?"}, {"pr_state": "OPEN"}, {}))
    insert(bare, "insight_action_items", of_a({"type": "?"}, {}))
    (result,) = run_checks(bare, [CHECKS["values_are_known"]])
    assert result.found == 7
    assert [(row["column_name"], row["rows_count"]) for row in result.sample] == [
        ("insight_action_items.type", 1),
        ("insights.session_size", 1),
        ("session_pull_requests.pr_state", 1),
        ("sessions.category", 2),
        ("sessions.origin", 2),
    ]


def test_no_table_may_hold_a_row_twice(empty_tables):
    """By its key, or by its place in a list."""
    for table in TABLES:
        check = "positions_have_no_gaps" if table in LISTS else "keys_are_unique"
        row = dict.fromkeys(table.key, "0")
        with undone(empty_tables) as connection:
            insert(connection, table.name, [row])
            assert sample_of(connection, check) == []
            insert(connection, table.name, [row])
            (shown,) = sample_of(connection, check)
        assert (shown["table_name"], shown["rows_count"]) == (table.name, 2)


def test_a_key_is_not_missing(bare):
    """NULL is nobody's key, and a list's row without a place is nowhere."""
    insert(bare, "users", [{"name": "Ada"}])
    insert(bare, "session_tags", [{"session_id": "a", "position": None}])
    row = {"table_name": "users", "key": None, "rows_count": 1}
    assert sample_of(bare, "keys_are_unique") == [row]
    assert sample_of(bare, "positions_have_no_gaps")[0]["table_name"] == "session_tags"


@pytest.mark.parametrize("owner", ["sessions", "insights"])
def test_what_belongs_to_a_session_or_its_insights_needs_them(empty_tables, owner):
    """Rows of lists and of history; a session is not enough for what its analysis says."""
    check, other = "lists_have_their_session", {"sessions": "insights", "insights": "sessions"}
    for name in MEMBERS[owner]:
        row = {"session_id": "0", **dict.fromkeys(BY_NAME[name].key, "0")}
        with undone(empty_tables) as connection:
            insert(connection, name, [row])
            insert(connection, other[owner], [{"session_id": "0"}])
            expected = {"table_name": name, "session_id": "0"}
            assert sample_of(connection, check) == [expected]
            insert(connection, owner, [{"session_id": "0"}])
            assert sample_of(connection, check) == []


def test_every_table_of_a_session_belongs_to_something():
    """The lists of the test above are complete, but for what stands by itself."""
    of_sessions = {
        table.name for table in TABLES if any(c.name == "session_id" for c in table.columns)
    }
    alone = {"sessions", "insights", "deleted_sessions", "rejected_records"}
    assert {*MEMBERS["sessions"], *MEMBERS["insights"]} == of_sessions - alone


def assert_is_no_list(connection, table, positions):
    """Another list's rows do not fill a gap: of another session, or another usage."""
    one = {name: "0" for name in table.key if name != "position"}
    others = [{**one, name: "1"} for name in one]
    with undone(connection):
        for other in others:
            insert(connection, table.name, [{**other, "position": n} for n in range(3)])
        assert sample_of(connection, "positions_have_no_gaps") == []
        insert(connection, table.name, [{**one, "position": n} for n in positions])
        (shown,) = sample_of(connection, "positions_have_no_gaps")
    assert (shown["table_name"], shown["session_id"]) == (table.name, "0")
    assert shown["usage"] == one.get("usage", "")


def test_a_list_is_numbered_from_0_without_gaps(empty_tables):
    """Whichever list it is."""
    for table in LISTS:
        for positions in ([1], [0, 2], [0, 1, 1], [0, None]):
            assert_is_no_list(empty_tables, table, positions)


def test_a_list_does_not_begin_before_0(empty_tables):
    """The right number of rows up to the right place is not enough."""
    assert_is_no_list(empty_tables, BY_NAME["session_tags"], [-1, 1])


DIMENSIONS = ("category", "origin", "playbook", "session_size", "status", "org", "user")
FIRSTS = ("sessions_count", "acus_consumed", "merged_pull_requests_first_count")
OUTCOMES = ("sessions_count", "acus_consumed")
ADDITIVE = {
    "sessions": ("acus_consumed",),
    "pull_requests": (),
    "usage_daily": FIRSTS,
    "usage_monthly_by_user": FIRSTS,
    "insight_coverage_monthly": ("sessions_count",),
    "session_families": ("sessions_count", "family_acus"),
    "outcomes_by_dimension": OUTCOMES,
    "outcomes_monthly": OUTCOMES,
}


def found_out(healthy: duckdb.DuckDBPyConnection, view: str, lie: str) -> list[str]:
    """What is found out of a view that lies: the view, or its dimensions."""
    with undone(healthy) as connection:
        connection.execute(f"CREATE TABLE lie AS FROM analytics.{view}")
        connection.execute(lie)
        connection.execute(f"CREATE OR REPLACE VIEW analytics.{view} AS FROM lie")
        names = [row[0] for row in connection.execute(CHECKS["totals_add_up"].text).fetchall()]
        return sorted(name for name in names if name.partition(",")[0] == view)


def all_of(view: str) -> list[str]:
    """All of it that adds up."""
    return [f"{view}, {name}" for name in DIMENSIONS] if "outcomes" in view else [view]


@pytest.mark.parametrize("view", ADDITIVE)
def test_a_view_that_counts_too_much_is_found_out(healthy, view):
    """Sessions, ACUs, merged pull requests; or a row twice, as a join to a doubled key makes it."""
    for column in ADDITIVE[view]:
        lie = f"UPDATE lie SET {column} = {column} + 1"
        assert set(found_out(healthy, view, lie)) == set(all_of(view)), column
    assert set(found_out(healthy, view, "INSERT INTO lie FROM lie")) == set(all_of(view))


@pytest.mark.parametrize("view", ADDITIVE)
def test_a_view_that_has_lost_everything_is_found_out(healthy, view):
    """No row is the worst sum of all."""
    assert found_out(healthy, view, "DELETE FROM lie")


@pytest.mark.parametrize("view", ["outcomes_by_dimension", "outcomes_monthly"])
def test_a_dimension_that_is_missing_is_found_out(healthy, view):
    """Each of the seven holds every session."""
    assert found_out(healthy, view, "DELETE FROM lie WHERE dimension = 'user'") == [f"{view}, user"]


def test_acus_of_any_size_add_up():
    """Sums in another order differ in their last digits; nothing to keep a warehouse back for."""
    acus = [1e16, 1.1, -1e16, 0.1, 1e16, -1e16, 0.7]
    sessions = [
        session(str(number), f"2026-0{1 + number % 3}-0{1 + number}", acus_consumed=acu)
        for number, acu in enumerate(acus)
    ]
    with database(sessions=sessions) as connection:
        assert found(connection).keys() == {"acus_are_not_negative"}


def test_a_finding_is_told_in_one_line(bare):
    """Whatever the API's text looks like."""
    insert(bare, "sessions", [session("a", status="over\nnight")])
    (result,) = run_checks(bare, [CHECKS["values_are_known"]])
    assert "value over night" in result.sentence
    assert "\n" not in result.sentence
