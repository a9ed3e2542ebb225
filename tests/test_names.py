"""Names for ids: from the API's lists once a day, redacted, and never in the way of a load."""

from __future__ import annotations

import json
import signal
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import anyio
import duckdb
import pytest
from starlette.responses import Response

from devin_warehouse import feed
from devin_warehouse.api import directory
from devin_warehouse.api.listing import Filters
from devin_warehouse.doctor import examine
from devin_warehouse.errors import Misuse, Stopped
from devin_warehouse.plan import Order
from devin_warehouse.preview import preview
from devin_warehouse.redaction import Policy, Redactor, made_key
from devin_warehouse.sandbox import Faults, World
from devin_warehouse.sandbox.directory import ORGANIZATIONS as ORGANIZATIONS_PATH
from devin_warehouse.sandbox.directory import USERS as USERS_PATH
from devin_warehouse.sql_files import Sql
from tests.api.client import ApiV3
from tests.conftest import HOUR, NOW
from tests.test_copying import contents, contents_anew
from tests.test_redaction import SECRET, traces

DAY = timedelta(hours=24)
NAMED = "SELECT user_id, name, email FROM devin.users ORDER BY ALL"
FIRST_USER = "SELECT min(user_id) FROM devin.sessions"


class Instead:
    """A warehouse's sandbox, but for the paths that answer otherwise: a page, a status, or so."""

    def __init__(self, warehouse, answers):
        self.app, self.state = warehouse.app, warehouse.app.state
        self.answers = answers
        self.tokens = []
        warehouse.app = self

    async def __call__(self, scope, receive, send):
        answer = self.answers.get(scope["path"], self.app)
        if answer is not self.app:
            self.tokens += parse_qs(scope["query_string"].decode()).get("after", [""])
            answer = answer(self.tokens[-1]) if callable(answer) else answer
            status, body = answer if isinstance(answer, tuple) else (200, answer)
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            answer = Response(content, status)
        await answer(scope, receive, send)


def page(*items, token=None, **rest):
    return {"items": list(items), "end_cursor": token, "has_next_page": bool(token), **rest}


def listed(warehouse):
    """What the sandbox's lists say."""
    people = warehouse.app.state.directory
    users = sorted((u["user_id"], u["name"], u["email"]) for u in people.users())
    return users, {each["org_id"]: each["name"] for each in people.organizations()}


def in_work_file(warehouse, sql):
    with duckdb.connect(str(warehouse.layout.work_file), read_only=True) as work:
        return work.execute(sql).fetchall()


def test_names_arrive_in_tables_and_views(make_warehouse):
    """Where the API has none for somebody, the id stands for it."""
    warehouse = make_warehouse(version="v3")
    warehouse.load(sql=Sql.of())
    users, organizations = listed(warehouse)
    assert {name is None for _, name, _ in users} == {email is None for *_, email in users}
    assert warehouse.rows(NAMED) == users
    assert dict(warehouse.rows("FROM devin.organizations")) == organizations
    names = {user_id: name or user_id for user_id, name, _ in users}
    for user_id, user_name, org_id, org_name in warehouse.rows(
        "SELECT user_id, user_name, org_id, org_name FROM analytics.sessions"
    ):
        assert (user_name, org_name) == (names.get(user_id), organizations[org_id])


def test_names_are_asked_for_once_a_day(warehouse_v3):
    """By the server's clock, whichever way it was off; and in each full refresh."""
    names = {"organizations": 1, "users": 1}

    def asked(*, is_full=False):
        counts = warehouse_v3.asked(lambda: warehouse_v3.load(recheck_requests=0, is_full=is_full))
        return {name: counts[name] for name in names if counts[name]}

    assert asked() == names
    assert asked() == {}
    warehouse_v3.world.clock.advance(DAY - HOUR)
    assert asked() == {}
    assert asked(is_full=True) == names
    warehouse_v3.world.clock.advance(DAY)
    assert asked() == names
    assert asked() == {}
    with duckdb.connect(str(warehouse_v3.layout.work_file)) as work:
        work.execute("UPDATE bookkeeping.names_asked SET asked_at = asked_at + INTERVAL 2 DAY")
    assert asked() == names


def test_the_ledger_counts_the_requests_for_names(warehouse_v3):
    """As the summary does."""
    summary = warehouse_v3.load()
    assert warehouse_v3.rows("SELECT requests FROM devin.load_runs") == [(summary.requests,)]
    assert summary.requests == warehouse_v3.requests


def test_an_idle_run_sends_two_requests(warehouse_v3):
    """One for the total and one for the window; v2 has no list of names at all."""
    for version in ("v3", "v2"):
        warehouse_v3.version, warehouse_v3.path = version, warehouse_v3.path.with_stem(version)
        warehouse_v3.load()
        warehouse_v3.world.clock.advance(2 * HOUR)
        warehouse_v3.load(recheck_requests=0)
        assert warehouse_v3.asked(lambda: warehouse_v3.load(recheck_requests=0)).total() == 2


def test_a_load_of_a_part_does_not_ask(warehouse_v3):
    """Nor does a backfill or a dry run; and what files say waits for a load of everything."""
    narrowed = {"filters": Filters(user_ids=("nobody",))}
    names = {"users": {"ada": {"name": "Ada"}}}
    for part in (narrowed, {"since": NOW - DAY}):
        warehouse_v3.load(names=names, **part)
    preview(warehouse_v3.order(names=names))
    assert warehouse_v3.counts.keys().isdisjoint({"organizations", "users"})
    assert warehouse_v3.rows(NAMED) == []


ADA = {"user_id": "ada", "name": "Ada", "email": "ada@acme.example"}
STOPS = {
    "403": (403, {"detail": "no"}),
    "404": (404, {}),
    "422": (422, {"detail": [{"loc": ["query", "first"], "msg": "too large"}]}),
    "500": (500, {}),
    "429": (429, {}),
    "no JSON": b"<html>",
    "no object": [],
    "no items": {"end_cursor": None},
    "items of another kind": {"items": {"ada": 1}},
    "nested too deeply": b"[" * 100_000,
}


@pytest.mark.parametrize("answer", STOPS)
def test_what_the_api_refuses_ends_nothing(warehouse_v3, caplog, answer):
    """Exit 0, the load is whole, the ledger silent, the log not; and nobody asks again that day."""
    caplog.set_level("INFO")
    api = Instead(warehouse_v3, {USERS_PATH: STOPS[answer], ORGANIZATIONS_PATH: STOPS[answer]})
    summary = warehouse_v3.load()
    assert (summary.exit_code, summary.notices, warehouse_v3.differences()) == (0, [], [])
    assert warehouse_v3.rows("SELECT exit_code, error FROM devin.load_runs") == [(0, None)]
    assert warehouse_v3.rows(NAMED) == warehouse_v3.rows("FROM devin.organizations") == []
    assert sum("stay as they are" in record.message for record in caplog.records) == 2
    assert 2 <= len(api.tokens) <= 4
    asked = len(api.tokens)
    warehouse_v3.load()
    assert len(api.tokens) == asked


@pytest.mark.parametrize("switch", ["refused", "missing"])
def test_a_key_may_list_the_one_and_not_the_other(warehouse_v3, switch):
    """The sandbox's own 403 and 404."""
    warehouse_v3.faults.update({switch: ["users"]})
    warehouse_v3.load()
    assert warehouse_v3.rows(NAMED) == []
    assert dict(warehouse_v3.rows("FROM devin.organizations")) == listed(warehouse_v3)[1]


@pytest.mark.parametrize(
    ("second", "requests"),
    [
        (page(ADA), 2),
        (page(token="t1"), 2),
        (page(token="t2"), 2),
        ({"items": [], "has_next_page": True, "end_cursor": None}, 2),
        ({"items": [], "has_next_page": "yes", "end_cursor": "t2"}, 2),
        ({"items": [], "has_next_page": True, "end_cursor": 2}, 2),
        (page({"user_id": "grace"}, token="t1"), 2),
        (page(ADA, {"user_id": "grace"}, token="t2"), 3),
        ((500, {}), 3),
    ],
)
def test_the_reading_of_a_list_ends(warehouse_v3, second, requests):
    """At its last page, or where more is said to follow and does not; what came is kept."""
    answers = {"": page(ADA, token="t1"), "t1": second, "t2": (404, {})}
    api = Instead(warehouse_v3, {USERS_PATH: answers.__getitem__})
    assert warehouse_v3.load().exit_code == 0
    assert len(api.tokens) == requests
    assert ("ada", "Ada", "ada@acme.example") in warehouse_v3.rows(NAMED)


@pytest.mark.parametrize("bound", ["pages", "seconds"])
def test_a_list_without_end_is_left(warehouse_v3, monkeypatch, bound):
    """After so many pages, or so much time."""
    most = {"pages": ("MOST_PAGES", 5), "seconds": ("LONGEST_SECONDS", 0.0)}[bound]
    monkeypatch.setattr(directory, *most)
    api = Instead(warehouse_v3, {USERS_PATH: lambda t: page({"user_id": f"{t}x"}, token=f"{t}x")})
    warehouse_v3.load()
    assert len(api.tokens) == len(warehouse_v3.rows(NAMED)) == {"pages": 5, "seconds": 0}[bound]


def test_a_list_may_take_many_pages(make_warehouse, monkeypatch):
    """Each is asked for with the token of the one before, percent-encoded."""
    monkeypatch.setattr(directory, "PAGE_LIMIT", 5)
    warehouse = make_warehouse(version="v3")
    asked = warehouse.asked(warehouse.load)
    users, _ = listed(warehouse)
    assert asked["users"] == -(-len(users) // 5) > 3
    assert warehouse.rows(NAMED) == users


def test_entries_are_taken_as_they_come(warehouse_v3):
    """Without a usable id not at all; a name that is none is NULL; texts may hold anything."""
    odd = "  N\0ul \N{GRINNING FACE} " + "x" * 300_000 + "\t"
    items: list[Any] = [
        7, None, [], {}, {"user_id": None, "name": "No"}, {"user_id": 7}, {"user_id": " "},
        {"user_id": "google-oauth2|1", "name": odd, "email": ["a"]},
        {"user_id": "a", "name": "", "email": 7},
        {"user_id": "b", "name": "\ud83d", "unknown": {}},
        {"user_id": "c", "name": "First"}, {"user_id": "c", "name": " Second\n"},
    ]  # fmt: skip
    Instead(warehouse_v3, {USERS_PATH: page(*items)})
    warehouse_v3.load()
    assert warehouse_v3.rows(NAMED) == [
        ("a", None, None),
        ("b", "\N{REPLACEMENT CHARACTER}", None),
        ("c", "Second", None),
        ("google-oauth2|1", odd.strip(), None),
    ]


def test_who_leaves_keeps_the_name(warehouse_v3):
    """Their sessions stay, and so does what they are called."""
    warehouse_v3.load()
    before = warehouse_v3.rows(NAMED)
    people = warehouse_v3.app.state.directory
    people.gone |= {user["user_id"] for user in people.users()[::2]}
    warehouse_v3.load(is_full=True)
    assert warehouse_v3.rows(NAMED) == before


def test_nothing_is_published_where_no_name_changed(warehouse_v3):
    """Though it was asked for; another name alone is published."""
    warehouse_v3.load()
    path = warehouse_v3.path.resolve()
    warehouse_v3.world.clock.advance(DAY)
    assert warehouse_v3.asked(lambda: warehouse_v3.load(recheck_requests=0))["users"] == 1
    assert warehouse_v3.path.resolve() == path
    user_id = warehouse_v3.rows(FIRST_USER)[0][0]
    warehouse_v3.app.state.directory.changes[user_id] = {"name": "Grace", "email": None}
    warehouse_v3.world.clock.advance(DAY)
    assert warehouse_v3.load(recheck_requests=0).is_published
    assert (user_id, "Grace", None) in warehouse_v3.rows(NAMED)


def test_another_name_reaches_every_view(make_warehouse):
    """A copy made from the last one is as one that is written anew."""
    warehouse = make_warehouse(80, version="v3")
    warehouse.load(sql=Sql.of())
    people = warehouse.app.state.directory
    for item in (people.users()[0], people.organizations()[0]):
        key = item.get("user_id") or item["org_id"]
        people.changes[key] = {"name": "Somebody else"}
    warehouse.world.clock.advance(DAY)
    warehouse.load(sql=Sql.of(), recheck_requests=0)
    copied = contents(warehouse.path)
    stored = [row for name, rows in copied[0].items() for row in rows if "prepared" in name]
    assert any("Somebody else" in row for row in stored)
    assert contents_anew(warehouse, "v3") == copied


def test_a_signal_is_seen_while_names_are_waited_for(warehouse_v3, monkeypatch):
    """Sessions are committed by then; the next run asks for names again."""
    monkeypatch.setattr(feed, "PULSE_SECONDS", 0.01)

    async def hangs(scope, receive, send):
        signal.raise_signal(signal.SIGTERM)
        await anyio.sleep(3600)

    api = Instead(warehouse_v3, {})
    sandbox = api.app

    async def app(scope, receive, send):
        await (hangs if scope["path"] == USERS_PATH else sandbox)(scope, receive, send)

    api.app = app
    with pytest.raises(Stopped):
        warehouse_v3.load()
    assert in_work_file(warehouse_v3, "SELECT count(*) FROM devin.sessions") == [(300,)]
    api.app = sandbox
    warehouse_v3.load()
    assert warehouse_v3.rows(NAMED) == listed(warehouse_v3)[0]


RULES = ("users.name=hash", "email=drop", "organizations.name=truncate:3")


def say_the_secret(warehouse):
    people = warehouse.app.state.directory
    for item in (*people.users(), *people.organizations()):
        key = item.get("user_id") or item["org_id"]
        people.changes[key] = {"name": f"Org{SECRET}", "email": f"{SECRET}@acme.example"}


def test_names_are_redacted_before_they_are_stored(make_warehouse):
    """Those of the API and those of files; and a name that is the same as before is no change."""
    warehouse = make_warehouse(40, version="v3")
    say_the_secret(warehouse)
    own = {"users": {"own": {"name": SECRET, "email": SECRET}}}
    policy = Policy.parsed(RULES)
    warehouse.load(policy=policy, names=own)
    assert traces(warehouse) == []
    redactor = Redactor(policy, made_key(warehouse.layout.redaction_key_file))
    hashed = redactor.hashed(f"Org{SECRET}")
    assert ("own", redactor.hashed(SECRET), None) in warehouse.rows(NAMED)
    assert warehouse.rows("SELECT count(*) FROM devin.users WHERE name = '" + hashed + "'") != []
    assert warehouse.rows("SELECT DISTINCT name FROM devin.organizations") == [("Org",)]
    warehouse.world.clock.advance(DAY)
    assert not warehouse.load(policy=policy, names=own, recheck_requests=0).is_published


def test_another_policy_goes_for_stored_names_too(make_warehouse):
    """Also of those who have left; and taken back, the API's names come at once."""
    warehouse = make_warehouse(40, version="v3")
    say_the_secret(warehouse)
    warehouse.load()
    assert traces(warehouse)
    people = warehouse.app.state.directory
    left = people.users()[0]["user_id"]
    people.gone.add(left)
    policy = Policy.parsed(RULES)
    warehouse.load(policy=policy)
    assert traces(warehouse) == []
    hashed = Redactor(policy, made_key(warehouse.layout.redaction_key_file)).hashed(f"Org{SECRET}")
    assert (left, hashed, None) in warehouse.rows(NAMED)
    warehouse.load()
    assert warehouse.rows(NAMED) == sorted([*listed(warehouse)[0], (left, hashed, None)])


def test_who_is_hidden_is_not_named(make_warehouse):
    """A name beside a hashed user_id would undo it: then users are neither asked for nor kept."""
    warehouse = make_warehouse(40, version="v3")
    warehouse.load()
    assert warehouse.rows(NAMED)
    policy = Policy.parsed(["user_id=hash"])
    assert "users" not in warehouse.asked(lambda: warehouse.load(policy=policy))
    assert warehouse.rows(NAMED) == []
    assert warehouse.rows("FROM devin.organizations")
    with pytest.raises(Misuse, match="--users-csv"):
        Order(**{**vars(warehouse.order(policy=policy)), "names": {"users": {}}})


def test_a_bare_rule_is_about_names_too():
    """As about any other column of that name; ids of names stay as they are."""
    assert str(Policy.parsed(["name=hash", "email=drop", "user_id=drop"])) == (
        "organizations.name=hash, sessions.user_id=drop, users.email=drop, users.name=hash"
    )


def test_the_doctor_says_whether_names_are_to_be_had(warehouse_v3):
    """And what follows where not, which never fails a load."""
    good = examine(warehouse_v3.order().connection)
    assert [f.is_good for f in good if f.what in (f"GET {USERS_PATH}", f"GET {ORGANIZATIONS_PATH}")]
    warehouse_v3.faults.update({"refused": ["users"], "missing": ["organizations"]})
    bad = {f.what: f for f in examine(warehouse_v3.order().connection) if not f.is_good}
    assert bad.keys() == {f"GET {USERS_PATH}", f"GET {ORGANIZATIONS_PATH}"}
    users, organizations = bad[f"GET {USERS_PATH}"], bad[f"GET {ORGANIZATIONS_PATH}"]
    assert users.follows == (
        "Users show as ids; the permission ViewAccountMembership lets them be named, or "
        "--users-csv."
    )
    assert "ViewAccountSessions" not in users.seen
    assert "the permission to list organizations" in organizations.follows
    assert {finding.exit_code for finding in bad.values()} == {0}


@pytest.mark.parametrize("fault", ["none", "repeated", "null", "ignored"])
def test_the_sandbox_lists_who_is_there(fault):
    """Page by page, by token, with its token faults; another token is refused with 422."""
    api = ApiV3(World(1, 300, now=NOW), Faults(token_fault=fault))

    def ask(**parameters):
        return api.ask("GET", USERS_PATH, params=parameters)

    first = ask(first=4).json()
    assert (len(first["items"]), first["total"] > 8, first["has_next_page"]) == (4, True, True)
    assert (first["end_cursor"] is None) == (fault == "null")
    assert ask(after="Tm8=").status_code == 422
    if fault != "null":
        second = ask(first=4, after=first["end_cursor"]).json()
        assert (second["items"] == first["items"]) == (fault == "ignored")
        is_again = second["end_cursor"] == first["end_cursor"]
        assert is_again == (fault in ("ignored", "repeated"))
