"""Sessions asked for by name: in lists where that goes, else one by one, within the budget."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise, product

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devin_warehouse.errors import ContractBroken, KeyRefused, Unavailable
from devin_warehouse.events import Due, Failed, Missing, Rechecked, Records
from devin_warehouse.feed import Connection, open_feed
from devin_warehouse.insights import stretches
from devin_warehouse.lookup import ATTEMPTS_BY_ID
from tests.fake_api import FakeClock

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
PATH = "/v3/enterprise/sessions"
NAMES = {PATH: "sessions", f"{PATH}/insights": "insights"}


class Server:
    """Two v3 lists and insights by id; what a list is like is told by words, for each.

    `honoured`: as it should be. `ignored`: of `session_ids`; `unfiltered`: by any filter. A number:
    refused with that status, `by name`: if asked for `session_ids`. `no list`: without items.
    """

    sessions, insights = "honoured", "honoured"
    form, most_ids, page_cap = "", 1_000, 200

    def __init__(self, count=300, **peculiar):
        self.updated = {f"s{n:03}": int(NOW.timestamp()) - 60 * (count - n) for n in range(count)}
        self.hidden: set[str] = set()
        self.stale: set[str] = set()
        self.unknown: set[str] = set()
        self.failures: Counter[str] = Counter()
        self.by_id = 200
        self.counts: Counter[str] = Counter()
        self.__dict__.update(peculiar)

    @property
    def requests(self):
        return self.counts.total()

    def due(self, *ids):
        """Sessions by rank, all for none."""
        return [
            Due(each, datetime.fromtimestamp(updated, UTC), rank)
            for rank, (each, updated) in enumerate(self.updated.items(), 1)
            if not ids or each in ids
        ]

    async def __call__(self, request):
        await asyncio.sleep(0)
        name = NAMES.get(request.url.path, "by id")
        self.counts[name] += 1
        if name == "by id":
            return self.one(request.url.path.split("/")[4].removeprefix("devin-"))
        like = getattr(self, name)
        if like[0].isdecimal() and ("by name" not in like or "session_ids" in request.url.params):
            return httpx.Response(int(like[:3]), json={"detail": "no"})
        if like == "no list":
            return httpx.Response(200, json={"total": 0, "has_next_page": False})
        return self.list(name, like, request.url.params)

    def one(self, session_id):
        if self.failures[session_id]:
            self.failures[session_id] -= 1
            return httpx.Response(500)
        if self.by_id != 200 or session_id in self.unknown:
            return httpx.Response(404 if self.by_id == 200 else self.by_id)
        return httpx.Response(200, json=self.record(session_id, "by id"))

    def record(self, session_id, name):
        late = name == "insights" and session_id in self.stale
        updated = self.updated[session_id] - 90 * late
        return {"session_id": session_id, "updated_at": updated, "told_by": name}

    def list(self, name, like, params):
        asked = params.get_list("session_ids")
        if len(asked) > self.most_ids:
            return httpx.Response(422, json={"detail": [{"loc": ["query"], "msg": "too many"}]})
        gone = self.unknown | (self.hidden if name == "insights" else set())
        found = [each for each in self.updated if each not in gone]
        if asked and like == "honoured":
            found = [each for each in found if self.form + each in asked]
        if like != "unfiltered":
            since, until = int(params.get("updated_after", 0)), params.get("updated_before", 10**12)
            found = [each for each in found if since <= self.updated[each] < int(until)]
        start = int(params.get("after", 0))
        end = start + min(int(params["first"]), self.page_cap)
        has_more = end < len(found)
        items = [self.record(each, name) for each in found[start:end]]
        more = {"has_next_page": has_more, "end_cursor": str(end) if has_more else None}
        return httpx.Response(200, json={"items": items, "total": len(found), **more})


def asked(server, question):
    """The events that a question to the feed gives."""
    transport, clock = httpx.MockTransport(server), FakeClock()
    connection = Connection("http://fake", "k", version="v3", transport=transport, clock=clock)
    with open_feed(connection) as feed:
        return list(question(feed))


def told(events, kind="v3 insights"):
    """By session: who told of it, in the order of the answers."""
    by_session: dict[str, list[str]] = {}
    for event in events:
        if isinstance(event, Records) and event.kind.name == kind:
            for record in event.records:
                by_session.setdefault(record["session_id"], []).append(record["told_by"])
    return by_session


def of(events, what):
    return [event for event in events if isinstance(event, what)]


RANKS = st.lists(st.integers(1, 600), unique=True).map(sorted)


@settings(deadline=None)
@given(RANKS, st.integers(1, 200))
def test_stretches_keep_the_order_and_none_spans_more_than_a_page(ranks, length):
    """By rank, which counts the sessions between that are not due: they come with the page too."""
    groups = list(stretches([Due(f"s{rank}", NOW, rank) for rank in ranks], length))
    assert [session.rank for group in groups for session in group] == ranks
    assert all(group and group[-1].rank - group[0].rank < length for group in groups)
    assert all(after[0].rank - before[0].rank >= length for before, after in pairwise(groups))


@pytest.mark.parametrize("step", [1, 7, 60])
def test_insights_come_from_the_list_a_page_a_stretch(step):
    """None is asked for by id, and the list no more often than there are stretches."""
    server = Server(900)
    due = server.due()[::step]
    events = asked(server, lambda feed: feed.insights(due))
    assert {session.session_id for session in due} <= set(told(events))
    assert server.counts["by id"] == 0
    assert server.counts["insights"] <= -(-900 // 190) + (step == 1)


def test_a_session_with_none_beside_it_is_asked_for_by_id():
    """A request each either way, and by id less comes that nobody asked for."""
    server = Server(900)
    due = server.due("s000", "s300", "s600")
    events = asked(server, lambda feed: feed.insights(due))
    assert told(events) == {session.session_id: ["by id"] for session in due}
    assert server.requests == 3


def test_what_the_list_does_not_bring_or_brings_older_is_asked_for_by_id():
    """The list may lag behind the sessions; those, and no others, are asked for one by one."""
    server = Server(500, hidden={"s003", "s499"}, stale={"s100", "s200"})
    events = asked(server, lambda feed: feed.insights(server.due()))
    by_id = {each for each, names in told(events).items() if names[-1] == "by id"}
    assert by_id == {"s003", "s499", "s100", "s200"}
    assert len(told(events)) == 500
    assert server.counts["by id"] == 4


@pytest.mark.parametrize("like", ["400", "403", "404", "405", "422", "no list"])
def test_without_a_list_of_insights_each_takes_a_request(like):
    """That there is none is found out with one request, and not missed."""
    server = Server(450, insights=like)
    events = asked(server, lambda feed: feed.insights(server.due()))
    assert told(events) == {session_id: ["by id"] for session_id in server.updated}
    assert server.counts == {"insights": 1, "by id": 450}


def test_a_list_of_insights_without_a_filter_is_read_whole_if_that_pays():
    """For many it is fewer requests than one for each; for two of many it is not begun again."""
    server = Server(900, insights="unfiltered")
    due = server.due()[::20]
    events = asked(server, lambda feed: feed.insights(due))
    assert {session.session_id for session in due} <= set(told(events))
    assert (server.counts["by id"], server.counts["insights"] <= 6) == (0, True)
    few = Server(900, insights="unfiltered")
    events = asked(few, lambda feed: feed.insights(few.due("s800", "s890")))
    assert {"s800", "s890"} <= set(told(events))
    assert few.requests <= 4


def test_a_key_that_may_only_ask_the_list_gets_its_insights_there():
    """By id it is refused: then a session with none beside it is asked for in the list too."""
    for due in (Server(900).due(), Server(900).due("s000", "s300", "s600")):
        server = Server(900, by_id=403)
        events = asked(server, lambda feed, due=due: feed.insights(due))
        assert {session.session_id for session in due} <= set(told(events))
    server = Server(900, by_id=403, hidden={"s300"})
    with pytest.raises(KeyRefused, match="ViewAccountSessions"):
        asked(server, lambda feed: feed.insights(server.due()))


def test_single_failures_are_told_and_the_others_come():
    """What fails is asked for a second time in the end; a 404 is no failure."""
    server = Server(150, unknown={"s001", "s149"})
    server.failures.update({"s010": ATTEMPTS_BY_ID - 1, "s020": ATTEMPTS_BY_ID + 1, "s030": 99})
    events = asked(server, lambda feed: feed.by_id(list(server.updated)))
    assert {event.session_id for event in of(events, Missing)} == {"s001", "s149"}
    [failed] = of(events, Failed)
    assert (failed.session_id, "500" in failed.error, failed == events[-1]) == ("s030", True, True)
    assert server.failures["s030"] == 99 - 2 * ATTEMPTS_BY_ID
    assert set(told(events)) == set(server.updated) - {"s001", "s149", "s030"}
    assert all(names == ["by id"] for names in told(events).values())


@pytest.mark.parametrize(
    ("status", "error"),
    [(500, Unavailable), (429, Unavailable), (400, ContractBroken), (403, KeyRefused)],
)
def test_an_api_that_always_fails_is_given_up_soon(status, error):
    """Of a thousand that fail while the list answers each is told, after one try but for a few."""
    server = Server(1_000, by_id=status)
    if error is KeyRefused:
        with pytest.raises(error):
            asked(server, lambda feed: feed.by_id(list(server.updated)))
        assert server.requests <= 24
    else:
        events = asked(server, lambda feed: feed.by_id(list(server.updated)))
        assert {event.session_id for event in of(events, Failed)} == set(server.updated)
        assert server.requests <= 1_000 + 100 * ATTEMPTS_BY_ID
    few = Server(10, by_id=status)
    if error is not KeyRefused:
        events = asked(few, lambda feed: feed.by_id(list(few.updated)))
        assert {event.session_id for event in of(events, Failed)} == set(few.updated)


def test_an_outage_in_between_does_not_fail_those_before_and_after():
    """Failures in a row count; one that comes in between begins anew."""
    server = Server(100)
    ids = list(server.updated)
    server.failures.update(dict.fromkeys(ids[::2], 99))
    events = asked(server, lambda feed: feed.by_id(ids))
    assert {event.session_id for event in of(events, Failed)} == set(ids[::2])
    assert set(told(events)) == set(ids[1::2])


def recheck(server, sessions, budget, *, with_insights=True):
    return asked(server, lambda feed: feed.recheck(sessions, budget, with_insights=with_insights))


LIKE = ["honoured", "ignored", "422 by name"]
LIKE_INSIGHTS = [*LIKE, "404", "no list", "unfiltered"]


@pytest.mark.parametrize("form", ["", "devin-"])
@pytest.mark.parametrize("budget", [20, 60])
def test_a_recheck_keeps_to_its_budget_whatever_the_lists_do(budget, form):
    """What it says to have asked for again has come, both of its records."""
    for sessions, insights in product(LIKE, LIKE_INSIGHTS):
        server = Server(1_500, sessions=sessions, insights=insights, form=form)
        due = server.due()[::-1][:250]
        events = recheck(server, due, budget)
        assert server.requests <= budget, (sessions, insights)
        checked = [each for event in of(events, Rechecked) for each in event.session_ids]
        assert checked[0] == due[0].session_id
        assert set(checked) <= set(told(events, "v3 session")) & set(told(events))
        least = 250 if (sessions, insights) == ("honoured", "honoured") else (budget - 16) // 2
        assert len(checked) >= least


def test_a_recheck_without_insights_asks_for_none():
    """`--no-insights`: neither list nor single ones."""
    for sessions in LIKE:
        server = Server(300, sessions=sessions)
        events = recheck(server, server.due()[:250], 20, with_insights=False)
        assert (set(server.counts), told(events)) == ({"sessions"}, {})
        assert server.requests <= 20


@pytest.mark.parametrize("form", ["", "devin-"])
@pytest.mark.parametrize("most_ids", [60, 30])
def test_too_many_ids_in_a_request_are_cut(most_ids, form):
    """A 422 says so; no session is left out, whichever form of the id it wants."""
    server = Server(300, most_ids=most_ids, form=form)
    events = recheck(server, server.due(), 100)
    checked = {each for event in of(events, Rechecked) for each in event.session_ids}
    assert checked == set(told(events)) == set(told(events, "v3 session")) == set(server.updated)
    assert server.requests <= 50


def test_sessions_that_do_not_come_are_no_failure():
    """Absence from a list proves nothing; they have been asked for, and that is told."""
    server = Server(100, unknown={"s003", "s004"}, page_cap=30)
    events = recheck(server, server.due(), 20)
    assert set(told(events)) == set(server.updated) - {"s003", "s004"}
    assert of(events, Rechecked) == [Rechecked(list(server.updated))]
    assert not of(events, Missing)


def test_nothing_is_asked_without_a_budget_or_sessions():
    """`--recheck-requests 0` is no recheck."""
    server = Server(10)
    assert recheck(server, server.due(), 0) == recheck(server, [], 20) == []
    assert asked(server, lambda feed: feed.insights([])) == []
    assert asked(server, lambda feed: feed.by_id([])) == []
    assert server.requests == 0
