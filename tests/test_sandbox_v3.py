"""v3 of the sandbox, held against the documentation in `tests/api/`, as v2 is."""

from dataclasses import replace
from urllib.parse import quote

import pytest

from devin_warehouse.sandbox import Faults, World
from devin_warehouse.sandbox.awkward import WRONG_VALUES_V3
from devin_warehouse.sandbox.changes import V3_KINDS
from devin_warehouse.sandbox.v3 import CATEGORIES, ORIGINS, insights, item
from tests.api.client import NOW, Api, ApiV3
from tests.api.documented import example, fields

LIST = ApiV3.LIST
BULK = f"{LIST}/insights"
LISTS = (LIST, BULK)
PAGE = "v3-list-sessions.txt"
GET_PAGE = "v3-get-session-insights.txt"

PARAMETERS = fields(PAGE, "Query Parameters")
PAGE_FIELDS = fields(PAGE, "Response")
INSIGHTS_FIELDS = fields(GET_PAGE, "Response")
# What the newer page adds to an item stands in its example and its parameters.
ITEM_FIELDS = {
    "origin": replace(PARAMETERS["origins"], type="enum<string>"),
    "category": PARAMETERS["category"],
    "subcategory": PARAMETERS["playbook_id"],
}


@pytest.fixture
def world():
    return World(1, 150, now=NOW)


@pytest.fixture
def api(world):
    return ApiV3(world)


def one(session_id):
    """The path of one session's insights."""
    return f"{LIST}/devin-{quote(session_id, safe='')}/insights"


def at(path, values):
    for step in path:
        values = values[step]
    return values


def undocumented(values, described):
    """What a page does not describe, or forbids."""
    missing = {key for key, each in described.items() if each.is_required} - values.keys()
    wrong = {k for k, v in values.items() if k not in described or not described[k].allows(v)}
    return missing | wrong


@pytest.mark.parametrize("path", LISTS)
def test_a_page_is_as_documented(api, path):
    for page in api.walk(60, path):
        assert page.keys() == example(PAGE).keys()
        assert not undocumented(page, PAGE_FIELDS)


def test_an_item_has_the_keys_and_types_of_the_documentation(api, world):
    world.change(3 * len(V3_KINDS), "v3")
    world.advance("3 days")
    [shown] = example(PAGE)["items"]
    for page in api.walk(200):
        for each in page["items"]:
            assert each.keys() == shown.keys()
            described = {**INSIGHTS_FIELDS, **ITEM_FIELDS}
            assert not undocumented(each, {key: described[key] for key in shown})


def test_insights_have_the_keys_and_types_of_the_documentation(api, world):
    world.change(3 * len(V3_KINDS), "v3")
    shown = example(GET_PAGE)
    described = {**INSIGHTS_FIELDS, **ITEM_FIELDS}
    for page in api.walk(200, BULK):
        for each in page["items"]:
            assert each.keys() == shown.keys() | ITEM_FIELDS.keys()
            assert not undocumented(each, described)
            analysis = each["analysis"]
            if analysis is not None:
                assert analysis.keys() == shown["analysis"].keys()
                for name in ("classification", "note_usage", "suggested_prompt"):
                    told = analysis[name]
                    assert told is None or told.keys() == shown["analysis"][name].keys()


def test_an_analysis_tells_everything_that_the_world_knows(api, world):
    analyses = [each["analysis"] for each in api.page(BULK, first=200)["items"]]
    assert None in analyses
    told = [analysis for analysis in analyses if analysis]
    for name in ("classification", "note_usage", "suggested_prompt"):
        assert any(analysis[name] for analysis in told), name
    assert None in [analysis["note_usage"] for analysis in told]
    assert [] in [analysis["issues"] for analysis in told]
    issue = next(issue for analysis in told for issue in analysis["issues"])
    assert issue.keys() == {"id", "title", "issue", "impact", "label"}
    events = [event for analysis in told for event in analysis["timeline"]]
    assert any(event["color"] == "red" and event["issue_id"] for event in events)
    notes = [analysis["note_usage"] for analysis in told if analysis["note_usage"]]
    for usage in ("good_usages", "bad_usages"):
        note = next(note for each in notes for note in each[usage])
        assert note.keys() == {"note_id", "message", "reason"}
    feedback = [f for a in told for f in (a["suggested_prompt"] or {}).get("feedback_items", [])]
    assert all(isinstance(each[key], str) for each in feedback for key in ("excerpt", "details"))


def test_a_session_is_told_the_same_in_both_lists_and_by_id(api, world):
    bulk = {each["session_id"]: each for each in api.page(BULK, first=200)["items"]}
    for each in api.page(first=30)["items"]:
        session = world.sessions[each["session_id"]]
        assert each == item(session)
        assert bulk[session.session_id] == insights(session) == {**insights(session), **each}
        assert api.ask("GET", one(session.session_id)).json() == insights(session)


def test_v3_and_v2_tell_the_same_session(api, world):
    v2 = Api(world)
    for told in api.page(first=20)["items"]:
        known = v2.page(session_ids=told["session_id"])["items"][0]
        for key in ("url", "status", "title", "tags", "user_id", "org_id", "acus_consumed"):
            assert told[key] == known[key]


def test_times_are_whole_seconds_rounded_down(api, world):
    assert NOW.microsecond
    session = world.add(updated_at=NOW)
    told = api.page(session_ids=session.session_id)["items"][0]
    assert (told["created_at"], told["updated_at"]) == (int(NOW.timestamp()),) * 2


def test_unknown_fields_are_at_every_level_and_absent_ones_left_out(api, world):
    told = [insights(world.sessions[key]) for key in world.add_awkward()]
    [full] = [each for each in told if "unknown_object" in each]
    analysis = full["analysis"]
    prompt, notes = analysis["suggested_prompt"], analysis["note_usage"]
    for owner in (
        full["pull_requests"][0], analysis, analysis["issues"][0], analysis["timeline"][0],
        analysis["action_items"][0], prompt, prompt["feedback_items"][0],
        analysis["classification"], notes, notes["good_usages"][0], notes["bad_usages"][0],
    ):  # fmt: skip
        assert owner["unknown_big_integer"] == 2**70
    assert any("title" not in each for each in told)
    absent = world.add(absent=("category", "analysis", "initial_user_message"))
    assert "category" not in item(absent)
    assert not {"category", "analysis"} & insights(absent).keys()
    empty = [each["analysis"]["note_usage"] for each in told if each["analysis"]]
    assert {"good_usages": [], "bad_usages": []} in empty
    assert {"pr_url"} in [set(pr) for each in told for pr in each["pull_requests"]]


@pytest.mark.parametrize("path", LISTS)
def test_the_documented_parameters_are_the_ones_understood(api, path):
    """A parameter that the sandbox ignored would answer the same with nonsense in it."""
    for name in PARAMETERS:
        answer = api.ask("GET", path, params={name: "nonsense"})
        assert answer.status_code == 422 or answer.json()["total"] == 0, name
    everything = api.page(path, first=200)
    assert api.page(path, first=200, limit=1, updated_date_from="x") == everything


def test_the_documented_enums_are_the_ones_known():
    assert PARAMETERS["origins"].options == ORIGINS
    assert PARAMETERS["category"].options == CATEGORIES


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("first", "0"),
        ("first", "201"),
        ("first", ""),
        ("updated_after", "2026-11-01T00:00:00Z"),
        ("updated_before", "1.5"),
        ("created_after", "x"),
        ("created_before", "1e9"),
        ("origins", "space"),
        ("category", "fun"),
        ("include_deleted_orgs", "perhaps"),
        ("after", "bm9wZQ=="),
        ("after", "WyJhIiwgImIiXSA="),
    ],
)
def test_what_is_not_as_documented_answers_422(api, parameter, value):
    answer = api.ask("GET", LIST, params={parameter: value})
    assert answer.status_code == 422
    assert [each["loc"] for each in answer.json()["detail"]] == [["query", parameter]]


@pytest.mark.parametrize("path", LISTS)
def test_filters_give_the_sessions_that_match(api, world, path):
    sessions = list(world.sessions.values())
    world.edit(sessions[0].session_id, schedule_id="schedule-1")
    of = {name: next(getattr(s, name) for s in sessions if getattr(s, name)) for name in (
        "playbook_id", "category", "origin", "user_id", "service_user_id",
    )}  # fmt: skip
    tags = {"backend", "security"}
    for params, matches in (
        ({"session_ids": [s.session_id for s in sessions[:9]]}, lambda s: s in sessions[:9]),
        ({"tags": sorted(tags)}, lambda s: tags & set(s.tags)),
        ({"playbook_id": of["playbook_id"]}, lambda s: s.playbook_id == of["playbook_id"]),
        ({"origins": [of["origin"], "jira"]}, lambda s: s.origin in (of["origin"], "jira")),
        ({"schedule_id": "schedule-1"}, lambda s: s.schedule_id == "schedule-1"),
        ({"user_ids": of["user_id"]}, lambda s: s.user_id == of["user_id"]),
        (
            {"service_user_ids": of["service_user_id"]},
            lambda s: s.service_user_id == of["service_user_id"],
        ),
        ({"category": of["category"]}, lambda s: s.category == of["category"]),
        ({"org_ids": sessions[0].org_id}, lambda s: s.org_id == sessions[0].org_id),
        (
            {"category": of["category"], "tags": sorted(tags)},
            lambda s: s.category == of["category"] and tags & set(s.tags),
        ),
    ):
        expected = {s.session_id for s in sessions if matches(s)}
        assert expected
        assert set(api.ids(path, **params)) == expected, params


@pytest.mark.parametrize("bounds", ["[)", "[]", "(]", "()"])
@pytest.mark.parametrize("name", ["updated", "created"])
def test_time_filters_compare_whole_seconds_as_served(world, name, bounds):
    """`created_*` is half-open whatever the switch says, which is about `updated_*`."""
    api = ApiV3(world, Faults(bounds=bounds))
    items = api.page(first=200)["items"]
    seconds = sorted(each[f"{name}_at"] for each in items)
    since, until = seconds[40], seconds[110]
    bounds = "[)" if name == "created" else bounds
    low, high = since + (bounds[0] == "("), until - (bounds[1] == ")")
    found = api.ids(LIST, **{f"{name}_after": since, f"{name}_before": until})
    assert set(found) == {e["session_id"] for e in items if low <= e[f"{name}_at"] <= high}
    assert len(api.ids(LIST, **{f"{name}_after": -(10**17), f"{name}_before": 10**17})) == 150


def test_sessions_of_deleted_organizations_are_listed_only_on_request(api, world):
    gone = world.delete_organization(next(iter(world.sessions.values())).org_id)
    assert 0 < len(gone) < 150
    for path in LISTS:
        assert set(api.ids(path)) == world.sessions.keys() - set(gone)
        assert api.page(path)["total"] == 150 - len(gone)
        assert set(api.ids(path, include_deleted_orgs="true")) == world.sessions.keys()
        assert api.ids(path, session_ids=gone[0]) == []
    v2 = Api(world)
    assert not set(v2.ids()) & set(gone)
    assert v2.ask("GET", f"/v2/enterprise/sessions/{gone[0]}").status_code == 200
    assert api.ask("GET", one(gone[0])).status_code == 200


def test_archived_sessions_stay_in_lists(api, world):
    session_id = world.add(is_archived=True).session_id
    assert api.page(session_ids=session_id)["items"][0]["is_archived"] is True


@pytest.mark.parametrize("key", ["cog_forbidden", "apk_user_somebody", "cog_", None, "apk_x"])
@pytest.mark.parametrize("path", [LIST, BULK, one("x")])
def test_keys(api, path, key):
    """Service user keys only; v2's keys are known, and refused."""
    answer = api.ask("GET", path, key=key)
    if key == "cog_":
        assert answer.status_code == (404 if path == one("x") else 200)
        return
    assert answer.status_code == (401 if key in (None, "apk_x") else 403)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    assert answer.json()["title"]


def test_only_the_keys_given_are_accepted(world):
    api = ApiV3(world, keys={"cog_mine", "apk_user_mine"})
    statuses = [api.ask("GET", LIST, key=k).status_code for k in ("cog_mine", "cog_other")]
    assert statuses == [200, 401]


def test_an_id_takes_exactly_one_prefix(api, world):
    session_id = next(iter(world.sessions))
    for path in ("", "devin-devin-", "devin", "Devin-"):
        assert api.ask("GET", f"{LIST}/{path}{session_id}/insights").status_code == 404
    missing = api.ask("GET", one("0" * 32))
    assert (missing.status_code, missing.json()["detail"]) == (404, "Session not found")


def test_every_id_can_be_asked_for_percent_encoded(api, world):
    for session_id in [*world.add_awkward(), world.add(session_id="x/insights").session_id]:
        assert api.ask("GET", one(session_id)).json()["session_id"] == session_id


def test_a_session_is_not_found_in_another_organization(api, world):
    session = next(iter(world.sessions.values()))
    path = one(session.session_id)
    assert api.ask("GET", path, params={"org_id": session.org_id}).status_code == 200
    assert api.ask("GET", path, params={"org_id": "org-other"}).status_code == 404


@pytest.mark.parametrize("number", range(len(WRONG_VALUES_V3)))
def test_each_malformed_session_has_one_wrong_value_until_healed(world, number):
    """It stands in the item or in the insights, never in both."""
    session_id = world.add_malformed(len(WRONG_VALUES_V3), "v3")[number]
    session = world.sessions[session_id]
    payload, path, value = WRONG_VALUES_V3[number]
    wrong = {"item": item(session), "insights": insights(session)}
    world.heal(moves_updated_at=False)
    right = {"item": item(session), "insights": insights(session)}
    for name, values in right.items():
        differing = {key for key in values if values[key] != wrong[name][key]}
        assert differing == ({path[0]} if name == payload else set())
    assert at(path, wrong[payload]) == value
    assert type(at(path, right[payload])) is not type(value) or value == [1]


def test_requests_are_counted_by_endpoint(api, world):
    world.add(session_id="a/b")
    api.page()
    api.page(BULK)
    api.ask("GET", one("a/b"))
    assert api.app.state.counts == {
        f"GET {LIST}": 1, f"GET {BULK}": 1, f"GET {LIST}/{{devin_id}}/insights": 1,
    }  # fmt: skip


def test_newer_fields(world):
    api = ApiV3(world, Faults(newer_fields=True))
    items = {each["session_id"]: each for each in api.page(first=200)["items"]}
    assert any(each["repo_names"] for each in items.values())
    assert {each["devin_mode"] for each in items.values()} == {"normal", "ultra"}
    for each in api.page(BULK, first=200)["items"]:
        assert each["repo_names"] == items[each["session_id"]]["repo_names"]
        assert (each["analysis_status"] == "completed") == (each["analysis"] is not None)
        if each["analysis"]:
            skills = each["analysis"]["skill_usage"]
            for usage in (*skills["good_usages"], *skills["bad_usages"]):
                assert usage.keys() == {"skill_name", "reason", "repo_origin", "skill_rel_path"}
    api.faults.newer_fields = False
    assert not api.page(first=1)["items"][0].keys() & {"repo_names", "devin_mode"}
