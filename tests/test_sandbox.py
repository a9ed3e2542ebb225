"""The sandbox is the API that everything else is tested against, so it must be right itself.

Its answers are held against the OpenAPI text in `tests/api/`, never against what our loader sends.
"""

from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devin_warehouse.sandbox import Faults, World
from devin_warehouse.sandbox.awkward import WRONG_VALUES
from devin_warehouse.sandbox.v2 import record
from tests.api.client import NOW, Api
from tests.api.documented import example, openapi, validator

LIST = Api.LIST
GET = "/v2/enterprise/sessions/"


@pytest.fixture
def world():
    return World(1, 150, now=NOW)


@pytest.fixture
def api(world):
    return Api(world)


def rfc3339(at):
    return at.isoformat().replace("+00:00", "Z")


SESSION = validator("SessionDetailResponse")
PAGE = validator("PaginatedResponse_SessionDetailResponse_")
ERROR = validator("HTTPValidationError")


def test_every_page_is_as_the_openapi_text_says(api, world):
    world.change(120)
    world.advance("3 days")
    pages = list(api.walk(50))
    assert len(pages) > 1
    for page in pages:
        PAGE.validate(page)


def test_a_single_session_is_as_the_openapi_text_says_and_equals_the_list_item(api):
    schema = validator("SessionDetailResponse", "v2-get-session.md")
    for item in api.page(limit=30)["items"]:
        answer = api.ask("GET", GET + item["session_id"])
        schema.validate(answer.json())
        assert answer.json() == item


def test_a_page_has_the_keys_of_the_documented_example(api):
    shown = example("v2-list-sessions-insights-example.txt")
    page = api.page(limit=200)
    assert page.keys() == shown.keys()
    assert page["items"][0].keys() == shown["items"][0].keys()


def test_analyses_leave_empty_lists_out(api):
    analyses = [item["session_analysis"] for item in api.page(limit=150)["items"]]
    assert None in analyses
    for name in ("issues", "timeline", "action_items"):
        told = [analysis.get(name) for analysis in analyses if analysis]
        assert None in told
        assert [] not in told
    assert any(a and a["suggested_prompt"] is None for a in analyses)


def test_the_documented_parameters_are_the_ones_understood(api):
    """A parameter that the sandbox ignored would answer the same with nonsense in it."""
    [operation] = openapi("v2-list-sessions-insights.md")["paths"].values()
    for parameter in operation["get"]["parameters"]:
        answer = api.ask("GET", LIST, params={parameter["name"]: "nonsense"})
        assert answer.status_code == 422 or answer.json()["total"] == 0, parameter["name"]


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("limit", "0"),
        ("limit", "201"),
        ("limit", "ten"),
        ("limit", ""),
        ("limit", "1.5"),
        ("skip", "-1"),
        ("skip", "x"),
        ("updated_date_from", "yesterday"),
        ("updated_date_to", "2026-11-01"),
        ("updated_date_to", "2026-11-01T00:00:00"),
        ("updated_date_to", "2026-11-01T00:00:00 00:00"),
        ("created_date_from", "2026-02-30T00:00:00Z"),
        ("created_date_to", "1790000000"),
    ],
)
def test_what_is_not_as_documented_answers_422(api, parameter, value):
    answer = api.ask("GET", LIST, params={parameter: value})
    assert answer.status_code == 422
    ERROR.validate(answer.json())
    assert answer.json()["detail"][0]["loc"] == ["query", parameter]


def test_all_wrong_parameters_are_named_at_once(api):
    answer = api.ask("GET", LIST, params={"limit": 500, "skip": -1, "created_date_to": "x"})
    assert [each["loc"][1] for each in answer.json()["detail"]] == [
        "skip", "limit", "created_date_to",
    ]  # fmt: skip


def test_unknown_parameters_are_ignored(api):
    assert api.page(updated_after=1, **{"org_ids[]": "none"}) == api.page()


@pytest.mark.parametrize(
    ("key", "status", "detail"),
    [
        (None, 401, "Unauthenticated"),
        ("", 401, "Unauthenticated"),
        ("apk_service", 401, "Unauthenticated"),
        ("cog_v3_only", 403, "Unauthorized"),
        ("apk_user_forbidden", 403, "Unauthorized"),
        ("apk_user_anybody", 200, None),
    ],
)
@pytest.mark.parametrize("path", [LIST, f"{GET}unknown"])
def test_keys(api, path, key, status, detail):
    answer = api.ask("GET", path, key=key)
    if detail:
        assert (answer.status_code, answer.json()) == (status, {"detail": detail})
    else:
        assert answer.status_code == (200 if path == LIST else 404)


def test_only_the_keys_given_are_accepted(world):
    api = Api(world, keys={"apk_user_mine"})
    assert api.ask("GET", LIST, key="apk_user_mine").status_code == 200
    assert api.ask("GET", LIST, key="apk_user_other").status_code == 401


def test_unknown_sessions_paths_and_methods(api):
    missing = api.ask("GET", f"{GET}{'0' * 32}")
    assert (missing.status_code, missing.json()) == (404, {"detail": "Session not found"})
    assert api.ask("GET", "/v2/nothing").json() == {"detail": "Not Found"}
    assert api.ask("POST", LIST).status_code == 405


def test_every_id_can_be_asked_for_percent_encoded(api, world):
    for session_id in world.add_awkward():
        # A client takes a segment of bare dots for a step up.
        answer = api.ask("GET", GET + quote(session_id, safe="").replace(".", "%2E"))
        assert answer.json()["session_id"] == session_id


@pytest.mark.parametrize("limit", [1, 7, 149, 150, 200])
def test_walking_the_pages_gives_every_session_once(api, world, limit):
    pages = api.walk(limit)
    ids = [item["session_id"] for page in pages for item in page["items"]]
    assert sorted(ids) == sorted(world.sessions)
    assert {page["total"] for page in pages} == {150}
    assert [page["has_more"] for page in pages] == [True] * (len(pages) - 1) + [False]
    assert [page["skip"] for page in pages] == list(range(0, 150, limit))


def test_a_page_behind_the_end_is_empty(api):
    page = api.page(skip=150)
    assert (page["items"], page["has_more"], page["next_cursor"]) == ([], False, None)
    assert len(api.page()["items"]) == 100


@pytest.mark.parametrize(
    ("order", "key", "is_descending"),
    [
        ("created_desc", "created_at", True),
        ("updated_asc", "updated_at", False),
        ("updated_desc", "updated_at", True),
    ],
)
def test_orders(world, order, key, is_descending):
    items = Api(world, Faults(order=order)).page(limit=200)["items"]
    times = [datetime.fromisoformat(item[key]) for item in items]
    assert times == sorted(times, reverse=is_descending)


FILTER_WORLD = World(2, 60, now=NOW)
INSTANTS = sorted({s.updated_at for s in FILTER_WORLD.sessions.values()})


@given(
    st.sampled_from(INSTANTS), st.sampled_from(INSTANTS), st.sampled_from(["[)", "[]", "(]", "()"])
)
def test_updated_filters_include_the_ends_that_the_switch_says(since, until, bounds):
    api = Api(FILTER_WORLD, Faults(bounds=bounds))
    expected = {
        session.session_id
        for session in FILTER_WORLD.sessions.values()
        if (session.updated_at >= since if bounds[0] == "[" else session.updated_at > since)
        and (session.updated_at <= until if bounds[1] == "]" else session.updated_at < until)
    }
    found = api.ids(updated_date_from=rfc3339(since), updated_date_to=rfc3339(until))
    assert set(found) == expected


def test_created_filters_are_half_open_and_understand_offsets(api, world):
    created = sorted(s.created_at for s in world.sessions.values())
    since, until = created[20], created[90]
    expected = {s.session_id for s in world.sessions.values() if since <= s.created_at < until}
    offset = since.astimezone(timezone(timedelta(hours=-3.5))).isoformat()
    assert set(api.ids(created_date_from=offset, created_date_to=rfc3339(until))) == expected


def test_arrays_are_repeated_keys_and_filters_combine(api, world):
    sessions = list(world.sessions.values())
    org_ids = [sessions[0].org_id, sessions[1].org_id]
    user_ids = [s.user_id for s in sessions if s.user_id][:9]
    for params, matches in (
        ({"org_ids": org_ids}, lambda s: s.org_id in org_ids),
        ({"user_ids": user_ids}, lambda s: s.user_id in user_ids),
        ({"session_ids": [s.session_id for s in sessions[:9]]}, lambda s: s in sessions[:9]),
        (
            {"org_ids": org_ids, "user_ids": user_ids},
            lambda s: s.org_id in org_ids and s.user_id in user_ids,
        ),
    ):
        assert set(api.ids(**params)) == {s.session_id for s in sessions if matches(s)}


def test_a_change_shows_in_the_next_answer(api, world):
    session_id = api.ids()[3]
    world.edit(session_id, title="quite new", tags=["a"])
    assert api.page(session_ids=session_id)["items"][0]["title"] == "quite new"
    world.delete(session_id)
    assert session_id not in api.ids()
    assert api.ask("GET", GET + session_id).status_code == 404


def test_lone_surrogates_travel_escaped(api, world):
    session = world.add(title="half \ud800")
    assert b"half \\ud800" in api.ask("GET", GET + session.session_id).content


def test_malformed_records_each_have_one_value_of_a_wrong_type_until_healed(world):
    ids = world.add_malformed(len(WRONG_VALUES))
    for session_id in ids:
        path, _ = world.sessions[session_id].wrong
        errors = SESSION.iter_errors(record(world.sessions[session_id]))
        assert {error.absolute_path[0] for error in errors} == {path[0]}
    before = {key: world.sessions[key].updated_at for key in ids}
    assert world.heal() == ids
    for session_id in ids:
        SESSION.validate(record(world.sessions[session_id]))
        assert world.sessions[session_id].updated_at > before[session_id]
    assert world.heal() == []


def test_the_date_header_is_the_worlds_clock(world, api):
    world.clock.tick = 10
    assert api.ask("GET", LIST).headers["date"] == "Mon, 02 Nov 2026 09:30:10 GMT"
    assert api.ask("GET", LIST, key=None).headers["date"] == "Mon, 02 Nov 2026 09:30:20 GMT"
    api.faults.date_header = False
    assert "date" not in api.ask("GET", LIST).headers


def test_skew_moves_the_date_header_and_the_stamps_alike():
    api = Api(World(1, 50, now=NOW, skew=-3600))
    [changed] = api.world.change(1)
    date = parsedate_to_datetime(api.ask("GET", LIST).headers["date"])
    assert date == (NOW - timedelta(hours=1)).replace(microsecond=0)
    assert api.world.sessions[changed.session_id].updated_at < NOW - timedelta(minutes=59)
    assert all(s.updated_at <= api.world.clock.now() for s in api.world.sessions.values())


def test_churn_updates_sessions_after_every_list_answer(world):
    api = Api(world, Faults(churn=4))
    window = {"updated_date_to": rfc3339(NOW)}
    for _ in range(3):
        api.page(**window)
    assert sum(s.updated_at > NOW for s in world.sessions.values()) in range(4, 13)


def test_totals(world):
    def totals(total, count):
        fresh = World(1, 150, now=NOW)
        api = Api(fresh, Faults(total=total, churn=20))
        pages = [api.page(updated_date_to=rfc3339(NOW)) for _ in range(count)]
        fewer = sum(s.updated_at < NOW for s in fresh.sessions.values())
        return [page["total"] for page in pages], fewer

    exact, fewer = totals("exact", 3)
    assert exact[0] == 150 > exact[1] > exact[2] > fewer
    assert totals("null", 2)[0] == [None, None]
    assert totals("late", 3) == ([*exact[1:], fewer], fewer)
    assert totals("lagging", 3)[0] == [150, *exact[:2]]
    assert totals("capped:100", 2)[0] == [100, 100]


def test_a_capped_total_does_not_end_the_walk(world):
    pages = Api(world, Faults(total="capped:60")).walk(50)
    assert sum(len(page["items"]) for page in pages) == 150


def test_a_page_cap_gives_fewer_rows_and_echoes_the_limit(world):
    pages = Api(world, Faults(page_cap=40)).walk(100)
    assert [len(page["items"]) for page in pages] == [40, 40, 40, 30]
    assert {page["limit"] for page in pages} == {100}
    assert pages[0]["next_cursor"] == 40


def test_an_ignored_filter_is_still_validated(world):
    api = Api(world, Faults(ignore_updated_filter=True))
    assert api.page(updated_date_from="2030-01-01T00:00:00Z")["total"] == 150
    assert api.ask("GET", LIST, params={"updated_date_from": "x"}).status_code == 422
