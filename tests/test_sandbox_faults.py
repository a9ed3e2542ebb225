"""The sandbox's switches and control endpoints: failures, limits, and steering from outside."""

import asyncio
import json
import re
from datetime import timedelta
from email.utils import parsedate_to_datetime

import httpx
import pytest

from devin_warehouse.sandbox import Faults, World
from devin_warehouse.sandbox.changes import KINDS, V3_KINDS
from devin_warehouse.sandbox.faults import FAILURES
from devin_warehouse.sandbox.server import SAMPLE_KEY, SAMPLE_KEY_V3, sandbox_server
from tests.api.client import NOW, Api, ApiV3

LIST = Api.LIST
GET = "/v2/enterprise/sessions/"
LIST_COUNT, GET_COUNT = f"GET {LIST}", f"GET {GET}{{session_id}}"


@pytest.fixture
def world():
    return World(1, 150, now=NOW)


@pytest.fixture
def api(world):
    return Api(world)


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
        {"total_on": "last"},
        {"cursor": "page"},
        {"token_fault": "lost"},
        {"session_ids_form": "short"},
        {"session_ids_limit": 0},
        {"visible_share": 1.5},
        {"failing_insights": -0.1},
        {"bulk_insights": "500"},
        {"refused": ["everything"]},
        {"no_such_switch": 1},
    ],
)
def test_wrong_switches_change_nothing(wrong):
    faults = Faults(churn=3)
    with pytest.raises(ValueError):  # noqa: PT011
        faults.update({"latency": 1, **wrong})
    assert faults == Faults(churn=3)


def test_switches_are_set_as_text_too():
    """JSON where it is a number or a list; `null` and `404` are names of a fault."""
    settings = ["total=null", "token_fault=null", "bulk_insights=404", "page_cap=null", "churn=2"]
    settings += ["refused=sessions", 'failures=["500","html"]', "newer_fields=true"]
    assert Faults.parsed(settings) == Faults(
        total="null", token_fault="null", bulk_insights="404", page_cap=None, churn=2,
        refused=("sessions",), failures=("500", "html"), newer_fields=True,
    )  # fmt: skip


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
    changed = api.order("change", count=len(V3_KINDS), version="v3").json()["changed"]
    assert [each["kind"] for each in changed] == list(V3_KINDS)
    assert len(api.order("silent", count=3, unsettled=False).json()["changed"]) == 3
    deleted = api.order("delete", count=4).json()["deleted"]
    assert len(set(deleted) - world.sessions.keys()) == 4
    assert api.order("faults", order="updated_asc", churn=2).json()["churn"] == 2
    assert api.faults.order == "updated_asc"
    assert api.order("awkward").json()["added"]
    added = api.order("malformed", count=2).json()["added"]
    added += api.order("malformed", count=1, version="v3").json()["added"]
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
        ("change", {"count": 1, "version": "v1"}),
        ("silent", {"count": 1, "version": "v1"}),
        ("delete", {"count": "all"}),
        ("faults", {"order": "random"}),
        ("malformed", {}),
    ],
)
def test_wrong_orders_answer_422_and_change_nothing(api, world, name, order):
    revision = world.revision
    assert api.order(name, **order).status_code == 422
    assert (world.revision, world.clock.now()) == (revision, NOW)


def test_serving_says_where_and_with_which_keys():
    """The one test with a socket: port 0 on the loopback."""

    async def serve_once():
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        world = World(1, 1234, now=NOW)
        server = sandbox_server(world, port=0, announce=ready.set_result)
        serving = asyncio.create_task(server.serve())
        line = await asyncio.wait_for(ready, 10)
        [url] = re.findall(r"http://\S+", line)
        async with httpx.AsyncClient() as http:
            answers = [
                await http.get(url + path, headers={"Authorization": f"Bearer {key}"})
                for path, key in ((LIST, SAMPLE_KEY), (ApiV3.LIST, SAMPLE_KEY_V3))
            ]
        server.should_exit = True
        await serving
        return line, *answers

    line, answer, v3_answer = asyncio.run(serve_once())
    assert re.fullmatch(
        r"Sandbox Devin API on http://127\.0\.0\.1:[1-9]\d* \(1,234 sessions\)\. "
        r"Key: apk_user_sandbox for v2, cog_sandbox for v3",
        line,
    )
    assert re.findall(r"http://\S+.*Key: (\S+)", line) == [SAMPLE_KEY]
    assert answer.json()["total"] == v3_answer.json()["total"] == 1234
    assert answer.headers.get_list("date") == ["Mon, 02 Nov 2026 09:30:00 GMT"]
