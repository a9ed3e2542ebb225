"""The sandbox is the API that everything else is tested against, so it must be right itself.

Its answers are held against the OpenAPI text in `tests/api/`, never against what our loader sends.
"""

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import quote

import httpx
import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from devin_warehouse.sandbox import Faults, World, create_app
from devin_warehouse.sandbox.awkward import WRONG_VALUES
from devin_warehouse.sandbox.changes import KINDS
from devin_warehouse.sandbox.faults import FAILURES
from devin_warehouse.sandbox.server import SAMPLE_KEY, sandbox_server
from devin_warehouse.sandbox.v2 import record

NOW = datetime(2026, 11, 2, 9, 30, 0, 250_000, tzinfo=UTC)
SEEDS = Path(__file__).parent / "api"
LIST = "/v2/enterprise/sessions/insights"
GET = "/v2/enterprise/sessions/"
LIST_COUNT, GET_COUNT = f"GET {LIST}", f"GET {GET}{{session_id}}"


class Api:
    """A client of a world, without a socket."""

    def __init__(self, world, faults=None, keys=None):
        self.world = world
        self.faults = faults or Faults()
        self.app = create_app(world, self.faults, keys)

    def ask(self, method, path, *, key="apk_user_test", **options):
        async def ask():
            transport = httpx.ASGITransport(app=self.app)
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as http:
                return await http.request(method, path, headers=headers, **options)

        return asyncio.run(ask())

    def page(self, **params):
        answer = self.ask("GET", LIST, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ids(self, **params):
        return [item["session_id"] for item in self.page(**{"limit": 200, **params})["items"]]

    def walk(self, limit, **params):
        pages = [self.page(limit=limit, **params)]
        while pages[-1]["next_cursor"] is not None:
            pages.append(self.page(limit=limit, skip=pages[-1]["next_cursor"], **params))
        return pages

    def order(self, name, **order):
        return self.ask("POST", f"/sandbox/{name}", key=None, json=order)


@pytest.fixture
def world():
    return World(1, 150, now=NOW)


@pytest.fixture
def api(world):
    return Api(world)


def rfc3339(at):
    return at.isoformat().replace("+00:00", "Z")


def openapi(seed):
    text = (SEEDS / seed).read_text()
    [block] = re.findall(r"^````yaml[^\n]*\n(.*?)^````", text, re.DOTALL | re.MULTILINE)
    return yaml.safe_load(block)


def validator(name, seed="v2-list-sessions-insights.md"):
    formats = jsonschema.FormatChecker(formats=())

    @formats.checks("date-time", raises=ValueError)
    def is_date_time(value):
        return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None

    schema = {**openapi(seed), "$ref": f"#/components/schemas/{name}"}
    return jsonschema.Draft202012Validator(schema, format_checker=formats)


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
    text = (SEEDS / "v2-list-sessions-insights-example.txt").read_text()
    example, _ = json.JSONDecoder().raw_decode(text[text.index("{") :])
    page = api.page(limit=200)
    assert page.keys() == example.keys()
    assert page["items"][0].keys() == example["items"][0].keys()


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


def test_latency(api, monkeypatch):
    waited = []

    async def sleep(seconds):
        waited.append(seconds)

    monkeypatch.setattr("devin_warehouse.sandbox.gate.anyio.sleep", sleep)
    api.page()
    api.faults.latency = 1.5
    api.page()
    assert waited == [1.5]


@pytest.mark.parametrize("kind", FAILURES)
def test_every_kind_of_failure(world, kind):
    api = Api(world, Faults(error_rate=1, failures=(kind,), retry_after="seconds"))
    if kind == "reset":
        with pytest.raises(ConnectionResetError):
            api.ask("GET", LIST)
        return
    answer = api.ask("GET", LIST)
    assert answer.status_code == (int(kind) if kind.isdecimal() else 200)
    assert ("retry-after" in answer.headers) == (kind == "429")
    if kind in ("truncated", "html"):
        with pytest.raises(json.JSONDecodeError):
            answer.json()
    if kind == "truncated":
        assert int(answer.headers["content-length"]) > len(answer.content)


def test_a_deterministic_share_of_requests_fails():
    def statuses(seed):
        faults = Faults(error_rate=0.3, failures=("500", "503"), seed=seed)
        api = Api(World(1, 5, now=NOW), faults)
        return [api.ask("GET", LIST).status_code for _ in range(100)]

    assert statuses(1) == statuses(1) != statuses(2)
    assert 50 < statuses(1).count(200) < 90


def test_the_rate_limit_goes_by_the_worlds_clock(world):
    api = Api(world, Faults(rate_limit=2))
    assert [api.ask("GET", LIST).status_code for _ in range(3)] == [200, 200, 429]
    world.clock.advance(1)
    assert [api.ask("GET", LIST).status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("form", ["none", "seconds", "date"])
def test_whoever_waits_as_told_is_served(world, form):
    api = Api(world, Faults(rate_limit=0.25, retry_after=form))
    api.page()
    retry_after = api.ask("GET", LIST).headers.get("retry-after")
    if form == "none":
        assert retry_after is None
        return
    if form == "seconds":
        world.clock.advance(int(retry_after))
    else:
        world.clock.advance(parsedate_to_datetime(retry_after) - world.clock.now())
    assert api.ask("GET", LIST).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"order": "random"},
        {"total": "capped:x"},
        {"bounds": "[["},
        {"page_cap": 0},
        {"churn": "many"},
        {"error_rate": 2},
        {"failures": ["404"]},
        {"rate_limit": 0},
        {"retry_after": "soon"},
        {"no_such_switch": 1},
    ],
)
def test_wrong_switches_change_nothing(wrong):
    faults = Faults(churn=3)
    with pytest.raises(ValueError):  # noqa: PT011
        faults.update({"latency": 1, **wrong})
    assert faults == Faults(churn=3)


def test_every_switch_is_off_by_default_and_says_what_it_does():
    for switch in Faults.switches():
        assert switch.help
        assert getattr(Faults(), switch.name) == switch.default


def test_requests_are_logged_and_counted(api):
    api.page(skip=5)
    api.ask("GET", f"{GET}a%2Fb", key=None)
    api.ask("GET", "/sandbox/state")
    assert [tuple(each) for each in api.app.state.requests] == [
        ("GET", LIST, "skip=5"), ("GET", f"{GET}a%2Fb", ""),
    ]  # fmt: skip
    assert api.app.state.counts == {LIST_COUNT: 1, GET_COUNT: 1}


def test_a_served_world_is_steered_by_its_control_endpoints(api, world):
    assert (
        api.order("advance", duration="1 day").json()["clock"]
        == (NOW + timedelta(days=1)).isoformat()
    )
    changed = api.order("change", count=5).json()["changed"]
    assert [each["kind"] for each in changed] == list(KINDS[:5])
    assert api.order("faults", order="updated_asc", churn=2).json()["churn"] == 2
    assert api.faults.order == "updated_asc"
    assert api.order("awkward").json()["added"]
    added = api.order("malformed", count=2).json()["added"]
    assert api.order("heal", moves_updated_at=False).json() == {"healed": added}
    state = api.ask("GET", "/sandbox/state", key=None).json()
    assert state["sessions"] == len(world.sessions)
    assert state["clock"] == world.clock.now().isoformat()
    assert state["requests"] == {}


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("advance", {"duration": "soon"}),
        ("advance", {}),
        ("advance", {"duration": -5}),
        ("advance", {"duration": 1e300}),
        ("change", {"count": "many"}),
        ("change", {"count": -1}),
        ("faults", {"order": "random"}),
        ("malformed", {}),
    ],
)
def test_wrong_orders_answer_422_and_change_nothing(api, world, name, order):
    revision = world.revision
    assert api.order(name, **order).status_code == 422
    assert (world.revision, world.clock.now()) == (revision, NOW)


def test_serving_says_where_and_with_which_key():
    """The one test with a socket: port 0 on the loopback."""

    async def serve_once():
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        world = World(1, 1234, now=NOW)
        server = sandbox_server(world, port=0, announce=ready.set_result)
        serving = asyncio.create_task(server.serve())
        line = await asyncio.wait_for(ready, 10)
        [url] = re.findall(r"http://\S+", line)
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {SAMPLE_KEY}"}) as http:
            answer = await http.get(url + LIST)
        server.should_exit = True
        await serving
        return line, answer

    line, answer = asyncio.run(serve_once())
    assert re.fullmatch(
        r"Sandbox Devin API on http://127\.0\.0\.1:[1-9]\d* \(1,234 sessions\)\. "
        r"Key: apk_user_sandbox",
        line,
    )
    assert answer.json()["total"] == 1234
    assert answer.headers.get_list("date") == ["Mon, 02 Nov 2026 09:30:00 GMT"]
