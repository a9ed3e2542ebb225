"""All views of schema analytics: their columns, what they say of themselves, and of the loader."""

from __future__ import annotations

import re

import pytest

from devin_warehouse.sql_files import ANALYTICS
from tests.rows import SQL, VIEWS, database, run_until, session, values_of, whole_rows

# what other people's queries depend on: each view's columns, in the words of the design
CONTRACT = {
    "sessions": "session_id org_id user_id service_user_id title url status status_detail origin "
    "category subcategory playbook_id parent_session_id is_archived acus_consumed created_at "
    "updated_at structured_output api_version extra initial_user_message session_size "
    "num_user_messages num_devin_messages has_analysis created_date duration_seconds is_terminal "
    "is_finished is_human pull_requests_count open_pull_requests_count merged_pull_requests_count "
    "closed_pull_requests_count is_productive issues_count action_items_count "
    "feedback_items_count root_session_id is_deleted",
    "pull_requests": "pr_url provider repository number state sessions_count first_session_id "
    "org_id first_observed_at first_merged_observed_at",
    "usage_daily": "created_date org_id sessions_count human_sessions_count active_users_count "
    "acus_consumed sessions_with_pr_count sessions_with_merged_pr_count pull_requests_count "
    "merged_pull_requests_count merged_pull_requests_first_count",
    "usage_monthly_by_user": "month org_id actor_type actor_id sessions_count "
    "human_sessions_count acus_consumed sessions_with_pr_count sessions_with_merged_pr_count "
    "pull_requests_count merged_pull_requests_count merged_pull_requests_first_count",
    "acu_daily": "date org_id acus_observed",
    "outcomes_by_dimension": "dimension value value_name sessions_count acus_consumed "
    "sessions_with_pr_count sessions_with_merged_pr_count session_merge_rate pull_requests_count "
    "merged_pull_requests_count acus_per_merged_pull_request acus_without_merged_pr",
    "outcomes_monthly": "month dimension value value_name sessions_count sessions_settled_count "
    "acus_consumed sessions_with_pr_count sessions_with_merged_pr_count session_merge_rate "
    "pull_requests_count merged_pull_requests_count acus_per_merged_pull_request "
    "acus_without_merged_pr",
    "adoption_daily": "date org_id dau wau mau new_users_count returning_users_count stickiness",
    "issue_labels": "label impact issues_count sessions_count acus_consumed "
    "analysed_sessions_count share_of_analysed_sessions first_seen_at last_seen_at",
    "action_items": "session_id position org_id created_at type action_item issue_id issue_label "
    "issue_impact times_repeated",
    "prompt_quality_by_user": "org_id user_id analysed_sessions_count "
    "sessions_with_feedback_count feedback_share feedback_items_count feedback_items_per_session "
    "avg_original_prompt_length avg_suggested_prompt_length session_merge_rate_with_feedback "
    "session_merge_rate_without_feedback sessions_with_pr_with_feedback_count "
    "sessions_with_merged_pr_with_feedback_count sessions_with_pr_without_feedback_count "
    "sessions_with_merged_pr_without_feedback_count",
    "insight_coverage_monthly": "month org_id sessions_count analysed_sessions_count coverage",
    "session_families": "root_session_id sessions_count own_acus family_acus pull_requests_count "
    "merged_pull_requests_count depth",
    "knowledge_notes": "note_id good_usages_count bad_usages_count sessions_count",
    "session_durations_weekly": "week category sessions_count median_seconds p90_seconds",
    "pull_request_cycle_times": "pr_url first_open_observed_at first_merged_observed_at "
    "observed_open_to_merged_hours upper_bound_hours",
    "acu_accrual": "session_id observed_at acus_consumed step",
    "load_runs": "run_id started_at finished_at command scope api_version mode outcome exit_code "
    "error watermark_before watermark_after window_since window_until requests retries "
    "rate_limited bytes_received sessions_read sessions_new sessions_changed sessions_unchanged "
    "sessions_rejected windows windows_reread schema_drift software_version",
    "freshness": "scope watermark published_at lag_at_publish_seconds last_success_at "
    "last_failure_at last_failure_error",
    "metric_dictionary": "view_name column_name meaning unit formula",
}
NAMES = {"org_id": "org_name", "user_id": "user_name"}
TYPES = {
    r"(is|has)_\w+": "BOOLEAN",
    r"\w+_at|watermark\w*|window_since|window_until": "TIMESTAMP",
    r"\w+_count|number|position|depth|[dwm]au|times_repeated": "BIGINT",
    r"date|created_date|week|month": "DATE",
    r"\w*acus?_\w+|acus_\w+|\w+_(acus|share|rate\w*|hours|seconds|length)|step|coverage": "DOUBLE",
    r"stickiness|share_of_\w+|feedback_items_per_session": "DOUBLE",
}


@pytest.fixture(scope="module")
def empty():
    """All views over tables that hold nothing, as in a file that nobody has published yet."""
    with database(warehouse_info=[]) as connection:
        yield connection


@pytest.fixture(scope="module")
def columns(empty):
    """Columns of each view, with their types and comments."""
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for view, column, *told in empty.execute(
        "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
        "WHERE schema_name = 'analytics' ORDER BY table_name, column_index"
    ).fetchall():
        found.setdefault(view, {})[column] = tuple(told)
    return found


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_of_nothing_is_empty(empty, view):
    """And no error; only the dictionary speaks of the views themselves."""
    assert bool(whole_rows(empty, view)) == (view == "metric_dictionary")


def test_views_of_a_warehouse_that_found_no_session_are_empty():
    """A first run that reads nothing leaves its ledger alone."""
    with database(load_runs=[run_until("2026-01-01")]) as connection:
        told = {view for view in VIEWS if whole_rows(connection, view)}
    assert told == {"load_runs", "freshness", "metric_dictionary"}


def test_views_have_the_columns_that_queries_depend_on(columns):
    """Those of the contract, beside each id of an organization or user its name, and no others."""
    assert columns.keys() == CONTRACT.keys()
    for view, names in CONTRACT.items():
        contract = set(names.split())
        named = {NAMES[name] for name in NAMES.keys() & contract}
        assert columns[view].keys() == contract | named, view


def test_columns_have_the_types_that_their_names_promise(columns):
    """Counts are BIGINT in every view, days are dates, ratios and ACUs are DOUBLE."""
    assert {
        f"{view}.{name}": kind
        for view, told in columns.items()
        for name, (kind, _) in told.items()
        for pattern, expected in TYPES.items()
        if re.fullmatch(pattern, name) and kind != expected
    } == {}


def test_the_dictionary_has_every_column_once(empty, columns):
    """In words: meaning, unit and formula; nothing else is in it."""
    rows = whole_rows(empty, "metric_dictionary")
    entries = [(row["view_name"], row["column_name"]) for row in rows]
    assert sorted(entries) == sorted((view, name) for view in columns for name in columns[view])
    for row in rows:
        for told in row.values():
            assert told
            assert told == told.strip()


def test_the_catalog_says_what_views_and_columns_are(empty, columns):
    """A view's comment is line 1 of its file, a column's begins with its meaning."""
    comments = dict(
        empty.execute(
            "SELECT view_name, comment FROM duckdb_views() WHERE schema_name = 'analytics'"
        ).fetchall()
    )
    grains = {v.name: v.text.splitlines()[0] for v in SQL.views if v.schema == ANALYTICS}
    assert {name: f"-- {comment}" for name, comment in comments.items()} == grains
    for row in whole_rows(empty, "metric_dictionary"):
        comment = columns[row["view_name"]][row["column_name"]][1]
        assert comment == f"{row['meaning']} [{row['unit']} = {row['formula']}]"


def test_the_ledger_as_it_is():
    """Every column of devin.load_runs, under its own name."""
    run = {"run_id": "1", "command": "load", "sessions_new": 3, "schema_drift": '{"x": 1}'}
    with database(["load_runs"], load_runs=[run]) as connection:
        view = connection.execute("FROM analytics.load_runs")
        names = [column[0] for column in view.description]
        rows = view.fetchall()
        assert (
            rows == connection.execute(f"SELECT {', '.join(names)} FROM devin.load_runs").fetchall()
        )
    assert dict(zip(names, rows[0], strict=True)) == dict.fromkeys(names) | run


def run_of(scope, outcome, finished_at, watermark=None, **columns):
    told = {"scope": scope, "outcome": outcome, "finished_at": finished_at}
    return run_until(watermark, **{"started_at": "2026-01-01", **told, **columns})


def test_freshness_of_each_scope():
    """Its furthest watermark, its last success and failure, as of publication."""
    names = "scope watermark published_at lag_at_publish_seconds "
    at, later = "2026-01-10 00:00:01.500000", ("2026-01-08 00:00:00", "later")
    assert values_of(
        "freshness",
        names + "last_success_at last_failure_at last_failure_error",
        warehouse_info=[{"contract_version": "1", "published_at": at}],
        load_runs=[
            run_of("a", "done", "2026-01-05 00:01", "2026-01-05"),
            run_of("a", "done", "2026-01-09 00:01", "2026-01-09"),
            run_of("a", "failed", "2026-01-08", "2026-01-08", error="later"),
            run_of("a", "killed", "2026-01-07", "2026-01-07", error="earlier"),
            run_of("a", "done", "2026-01-09 12:00", "2026-01-09 23:00", mode="backfill"),
            run_of("a", "running", None, "2026-01-09 00:00:01"),
            run_of("b", "killed", "2026-01-06", "2026-01-04", error="It ended."),
            run_of("b", "failed", "2026-01-05", mode="full", error="earlier"),
            run_of("c", "done", "2026-01-06", "2026-01-05", mode="narrowed"),
            run_of("e", "running", None),
            run_of("d", "killed", "2026-01-06", error="started first"),
            run_of("d", "killed", "2026-01-06", error="started last", started_at="2026-01-02"),
        ],
    ) == [
        ("a", "2026-01-09 00:00:01", at, 86400.5, "2026-01-09 12:00:00", *later),
        ("b", "2026-01-04 00:00:00", at, 518401.5, None, "2026-01-06 00:00:00", "It ended."),
        ("c", None, at, None, "2026-01-06 00:00:00", None, None),
        ("d", None, at, None, None, "2026-01-06 00:00:00", "started last"),
        ("e", None, at, None, None, None, None),
    ]


def test_deleted_sessions_are_in_every_view():
    """They have cost ACUs; a view without them would not add up."""
    lists = {
        name: [{"session_id": "a"}]
        for name in ("insight_issues", "insight_action_items", "insight_note_usages")
    }
    state = {"session_id": "a", "pr_url": "x", "pr_state": "merged"}
    with database(
        sessions=[session("a", user_id="ada", status="exit", updated_at="2026-01-06")],
        insights=[{"session_id": "a", "has_analysis": True}],
        session_pull_requests=[state],
        pull_request_states=[{**state, "first_observed_at": "2026-01-06"}],
        session_versions=[{"session_id": "a", "observed_at": "2026-01-06", "acus_consumed": 1}],
        load_runs=[run_until("2026-01-06")],
        deleted_sessions=[{"session_id": "a"}],
        **lists,
    ) as connection:
        assert [view for view in VIEWS if not whole_rows(connection, view)] == []
