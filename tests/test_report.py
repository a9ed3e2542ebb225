"""The report: each figure is that of the views, whatever is chosen; and nothing leaves the page."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import date, timedelta
from itertools import pairwise

import pytest

from devin_warehouse.errors import Misuse, OutOfResources
from devin_warehouse.publish import published
from devin_warehouse.report.page import rendered, write_report
from devin_warehouse.report.rows import Price, computed
from devin_warehouse.sandbox import World
from devin_warehouse.sql_files import Sql, report_queries
from tests.conftest import NOW, Warehouse
from tests.rows import database, run_until, session
from tests.truth_report import Truth, condition

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u2028<!--"
STEPS = {"day": timedelta(days=1), "week": timedelta(days=7)}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """A warehouse with awkward sessions and two days of history."""
    warehouse = Warehouse(
        tmp_path_factory.mktemp("report") / "warehouse.duckdb", World(1, 600, now=NOW), version="v3"
    )
    warehouse.world.add_awkward()
    warehouse.world.add(title=HOSTILE, status="error", acus_consumed=900.0)
    for _ in range(3):
        warehouse.load(sql=Sql.of())
        warehouse.world.advance("1 day")
    return warehouse


@pytest.fixture(scope="module")
def data(loaded):
    with published(loaded.layout) as connection:
        return computed(connection, Price(2.5, "EUR"))


@pytest.fixture(scope="module")
def truth(loaded):
    with published(loaded.layout) as connection:
        return Truth(connection)


def choices(data):
    return [
        (organization, period)
        for organization in data["organizations"]
        for period in data["periods"]
    ]


def rows(data, query, organization, period="all"):
    """A query's rows for a choice, as the page's script reads them."""
    told = data["rows"][query]
    found = told["of"].get(organization["place"], {})
    key = period if isinstance(period, str) else period["place"]
    return [dict(zip(told["columns"], row, strict=True)) for row in found.get(key, [])]


def only(row, *names):
    return {name: row[name] for name in names}


def about(expected):
    return {name: pytest.approx(value, abs=1e-5) for name, value in expected.items()}


def test_the_figures_of_each_choice_and_of_the_period_before(data, truth):
    """Cards: value, that of the period before, the change, cost at the price that is set."""
    for organization, period in choices(data):
        found = {row["measure"]: row for row in rows(data, "figures", organization, period)}
        expected = truth.figures(organization["org_id"], truth.span(period["place"]))
        assert {name: row["value"] for name, row in found.items()} == about(expected)
        span = truth.before(period["place"])
        before = truth.figures(organization["org_id"], span) if span else {}
        for name, row in found.items():
            assert row["value_before"] == pytest.approx(before.get(name) or None, abs=1e-5) or (
                row["value_before"] == before.get(name)
            )
        assert found["acus_consumed"]["cost"] == pytest.approx(2.5 * expected["acus_consumed"])
    assert any(truth.before(period["place"]) for period in data["periods"])


def test_a_change_is_a_ratio_or_of_shares_a_difference(data):
    """From 10 to 15 is +50 %; from 40 % to 50 % is 10 points, not a quarter more."""
    seen = set()
    for organization, period in choices(data):
        for row in rows(data, "figures", organization, period):
            value, before, change = row["value"], row["value_before"], row["change"]
            if change is None:
                assert not before or value is None
                continue
            is_share = row["measure"] in (
                "merge_rate",
                "unmerged_share",
                "failed_share",
                "coverage",
            )
            expected = value - before if is_share else value / before - 1
            assert change == pytest.approx(expected, abs=1e-4)
            seen.add(is_share)
    assert seen == {True, False}


def test_columns_cover_the_period_without_gaps_and_say_what_is_unfinished(data, truth):
    """Days, weeks from Monday on, or months; the last one, the watermark's, is incomplete."""
    for organization, period in choices(data):
        found = rows(data, "people", organization, period)
        starts = [date.fromisoformat(row["since"]) for row in found]
        assert starts[0] <= date.fromisoformat(period["since"])
        assert starts[-1] <= truth.today
        step = STEPS.get(period["grain"])
        for start, end in pairwise(starts):
            assert end - start == step if step else (start.day, end.day) == (1, 1)
        assert [row["is_complete"] for row in found] == [True] * (len(found) - 1) + [False]


def test_people_and_acus_of_each_column(data, truth):
    """New and returning people are those of the column; ACUs add up over the series."""
    for organization, period in choices(data):
        found = rows(data, "people", organization, period)
        starts = [date.fromisoformat(row["since"]) for row in found]
        ends = [*starts[1:], date.max]
        acus = rows(data, "acus", organization, period)
        for row, since, until in zip(found, starts, ends, strict=True):
            new, returning = truth.people(organization["org_id"], (since, until))
            assert (row["new_users"], row["returning_users"]) == (new, returning)
            drawn = sum(a["acus_consumed"] for a in acus if a["since"] == row["since"])
            expected = truth.figures(organization["org_id"], (since, until))["acus_consumed"]
            assert drawn == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("dimension", "column"),
    [("organization", "org_id"), ("category", "category"), ("origin", "origin")],
)
def test_outcomes_by_value(data, truth, dimension, column):
    """The ten values with most ACUs, and of each the settled sessions' outcome."""
    for organization, period in choices(data):
        told = rows(data, "outcomes", organization, period)
        found = {row["value"]: row for row in told if row["dimension"] == dimension}
        if dimension == "organization" and organization["place"]:
            assert not found
            continue
        expected = truth.outcomes(organization["org_id"], truth.span(period["place"]), column)
        most = sorted(expected, key=lambda value: (-expected[value]["acus_consumed"], value))[:10]
        assert len(found) == len(most)
        for value, row in found.items():
            assert only(row, *expected[value]) == about(expected[value])
            assert row["rows_count"] == len(expected)


def test_pull_requests_issues_and_conditions(data, truth):
    """Funnel and cycle time; labels with impact; what failed or has not ended."""
    for organization, period in choices(data):
        chosen = organization["org_id"], truth.span(period["place"])
        found = rows(data, "pull_requests", organization, period)
        expected = truth.pull_requests_of(*chosen)
        assert [only(row, *expected) for row in found] == (
            [about(expected)] if expected["pull_requests_count"] else []
        )
        for row in rows(data, "issues", organization, period):
            told = truth.issues_of(*chosen)[row["label"], row["impact"]]
            assert only(row, *told) == about(told)
        conditions = {
            (row["condition"], row["status"], row["status_detail"]): only(
                row, "sessions_count", "acus_consumed"
            )
            for row in rows(data, "conditions", organization, period)
        }
        expected = truth.conditions_of(*chosen)
        assert conditions == {key: about(row) for key, row in expected.items()}
    assert any(
        row["observed_count"] for o, p in choices(data) for row in rows(data, "pull_requests", o, p)
    )


def test_the_backlog_prompts_and_notes(data, truth):
    """Equal wordings are one item; users with remarks and without; notes that hurt."""
    for organization, period in choices(data):
        chosen = organization["org_id"], truth.span(period["place"])
        items, expected = rows(data, "action_items", organization, period), truth.items_of(*chosen)
        times = sorted((row["times_proposed"] for row in expected.values()), reverse=True)
        assert [row["times_proposed"] for row in items] == times[:25]
        for row in items:
            told = expected[row["action_item"].strip(" ").lower()]
            assert only(row, *told) == about(told)
        users = truth.prompts_of(*chosen).values()
        for row in rows(data, "prompts", organization, period):
            assert row.pop("rows_count") == len(users)
            assert any(row == about(told) | {"user_name": told["user_name"]} for told in users)
        hurt = truth.notes_of(*chosen)
        found = rows(data, "notes", organization, period)
        assert len(found) == min(8, len(hurt))
        for row in found:
            assert (row["bad_usages_count"], row["good_usages_count"]) == hurt[row["note_id"]]


def test_sessions_that_want_a_look(data, truth):
    """The dearest that failed or are open, and the dearest settled ones without a merge."""
    for organization, period in choices(data):
        sessions = truth.among(organization["org_id"], truth.span(period["place"]))
        open_ones = [row for row in sessions if condition(row) != "ended"]
        unmerged = [row for row in truth.settled(sessions) if not row["is_productive"]]
        told = rows(data, "sessions", organization, period)
        for kind, expected in (("unfinished", open_ones), ("unmerged", unmerged)):
            dearest = sorted(expected, key=lambda r: (-(r["acus_consumed"] or 0), r["session_id"]))
            found = [row for row in told if row["kind"] == kind]
            ids = [row["session_id"] for row in found]
            assert ids == [row["session_id"] for row in dearest[:12]]
            assert all(row["rows_count"] == len(expected) for row in found)


def test_adoption_of_the_last_complete_day(data, loaded, truth):
    """As the view says of the day before the watermark's."""
    for organization in data["organizations"]:
        [row] = rows(data, "adoption", organization)
        [expected] = loaded.rows(
            "SELECT dau, wau, mau FROM analytics.adoption_daily "
            f"WHERE date = DATE '{truth.today}' - 1 "
            f"AND org_id IS NOT DISTINCT FROM {sql_text(organization['org_id'])}"
        )
        assert (row["dau"], row["wau"], row["mau"]) == expected


def sql_text(text):
    return "NULL" if text is None else f"'{text}'"


def test_what_stands_out_is_in_the_tables_below(data):
    """A signal repeats a figure of the page, and only what its threshold lets through."""
    seen = set()
    for organization, period in choices(data):
        for row in rows(data, "signals", organization, period):
            seen.add(row["kind"])
            if row["kind"] == "dearer":
                assert row["figure"] >= 1.5 * row["beside"]
                assert row["merged_count"] >= 10
            elif row["kind"] == "stopped":
                told = rows(data, "conditions", organization, period)
                assert (row["subject"], row["figure"]) in [
                    (r["status_detail"], r["sessions_count"]) for r in told
                ]
            elif row["kind"] == "proposed":
                first = rows(data, "action_items", organization, period)[0]
                assert (row["subject"], row["figure"]) == (
                    first["action_item"],
                    first["times_proposed"],
                )
            else:
                assert row["figure"] > row["beside"]
    assert seen >= {"proposed", "stopped", "misleading"}


def test_every_figure_has_a_definition(data):
    """Each column that the page shows as a number is in the definitions, with meaning and unit."""
    words = {"since", "is_complete", "series", "place", "date", "kind", "subject", "rows_count"}
    for query in report_queries():
        if query.name not in data["rows"]:
            continue
        defined = data["definitions"][query.name]
        told = data["rows"][query.name]
        sample = next(row for of in told["of"].values() for found in of.values() for row in found)
        for name, value in zip(told["columns"], sample, strict=True):
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if is_number and query.name not in ("figures", "signals") and name not in words:
                assert all((defined[name]["meaning"], defined[name]["unit"])), (query.name, name)
    assert {row["measure"] for row in rows(data, "figures", *choices(data)[0])} < set(
        data["definitions"]["figures"]
    )


def test_texts_stay_texts_and_the_page_may_load_nothing(data):
    """No end tag in the data; the policy holds the hashes of just the page's style and script."""
    page = rendered({**data, "version": "1", "database": HOSTILE})
    [told] = re.findall(
        r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL
    )
    assert json.loads(told)["database"] == HOSTILE
    assert "alert(1)</script>" not in page
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="(.*?)"', page)
    assert policy.startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        [text] = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page.replace(told, ""))


def test_an_empty_warehouse_gives_a_page_that_says_so():
    """No periods, no figures; the freshness of what was read."""
    with database(load_runs=[run_until("2026-01-05")]) as empty:
        data = computed(empty, None)
    assert (data["periods"], data["period"], data["currency"]) == ([], None, None)
    assert [scope["watermark"] for scope in data["scopes"]] == ["2026-01-05T00:00:00"]
    assert "2026-01-05" in rendered({**data, "version": "1", "database": "warehouse.duckdb"})


def test_a_history_of_some_days_offers_what_it_has():
    """Periods that reach further back than the first session are one: all time, by day."""
    with database(
        sessions=[session("a", "2026-01-01 10:00"), session("b", "2026-01-09 10:00")],
        load_runs=[run_until("2026-01-10 12:00")],
    ) as young:
        data = computed(young, None)
    assert [period["title"] for period in data["periods"]] == ["Last 7 days", "All time"]
    assert (data["period"], data["periods"][1]["grain"]) == (5, "day")
    [row] = [
        r
        for r in rows(data, "figures", data["organizations"][0], data["periods"][0])
        if r["measure"] == "sessions_count"
    ]
    assert only(row, "value", "value_before", "change", "cost") == {
        "value": 1,
        "value_before": None,
        "change": None,
        "cost": None,
    }


def test_a_page_takes_the_place_of_the_last_one_whole(loaded, tmp_path):
    """Its owner alone reads it, unless the last one was opened to others; nothing else is left."""
    path = tmp_path / "page.html"
    write_report(loaded.layout, path, None)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    write_report(loaded.layout, path, None)
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_no_warehouse_and_no_folder(make_warehouse, loaded, tmp_path):
    """Exit 2 where there is nothing to report on; exit 9 where it cannot be written."""
    with pytest.raises(Misuse, match="no warehouse"):
        write_report(make_warehouse().layout, tmp_path / "page.html", None)
    with pytest.raises(OutOfResources):
        write_report(loaded.layout, tmp_path / "missing" / "page.html", None)


def test_a_file_of_another_version_wants_a_load_first(warehouse, tmp_path):
    """Its views are not there, or other ones: one sentence, exit 2."""
    warehouse.load()
    with pytest.raises(Misuse, match="another version"):
        write_report(warehouse.layout, tmp_path / "page.html", None)
