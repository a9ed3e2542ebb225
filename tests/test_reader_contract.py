"""The reader against servers that break their contract: it ends, soon, and says what is wrong."""

import asyncio
import gc
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import httpx
import pytest

from devin_warehouse import feed as module
from devin_warehouse.errors import ContractBroken, KeyRefused, NotProven
from devin_warehouse.events import Proven, Pulse, Records
from devin_warehouse.feed import Connection, open_feed
from devin_warehouse.windows import Window
from tests.fake_api import DATE, FakeClock

pytestmark = pytest.mark.usefixtures("small_windows")

UNTIL = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
SINCE = UNTIL - timedelta(days=10)
TOO_MANY = 1_400


def rows(count, step=timedelta(minutes=1)):
    """Sessions by id with the time of their last update, the newest first."""
    return [(f"s{n}", (UNTIL - timedelta(seconds=5) - step * n).isoformat()) for n in range(count)]


def moment(text):
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return UNTIL


class Server:
    """A v2 list over rows, and what is peculiar about it; refuses the key when asked too often."""

    def __init__(self, listed, **peculiar):
        self.listed = listed
        self.moments = [moment(text) for _, text in listed]
        self.requests = 0
        self.patience = TOO_MANY
        self.__dict__.update(peculiar)

    def total(self, found):
        return len(found)

    def rows(self, found, skip, limit):
        return found[skip : skip + limit]

    def more(self, found, skip, got):
        return skip + len(got) < len(found)

    def page(self, found, params):
        skip, limit = int(params["skip"]), int(params["limit"])
        got = self.rows(found, skip, limit)
        return {
            "items": [{"session_id": key, "updated_at": text} for key, text in got],
            "total": self.total(found),
            "has_more": self.more(found, skip, got),
        }

    def __call__(self, request):
        self.requests += 1
        if self.requests > self.patience:
            return httpx.Response(401, json={"detail": f"after {self.requests} requests"})
        params = request.url.params
        since = moment(params.get("updated_date_from", "1000-01-01T00:00:00+00:00"))
        until = moment(params.get("updated_date_to", "9999-01-01T00:00:00+00:00"))
        is_open = "updated_date_from" not in params
        found = [
            row
            for row, at in zip(self.listed, self.moments, strict=True)
            if (is_open or since <= at) and at < until
        ]
        body = json.dumps(self.page(found, params))
        return httpx.Response(200, text=body, headers={"date": DATE})


def connected(server):
    transport = httpx.MockTransport(server)
    return open_feed(Connection("http://fake", "k", transport=transport, clock=FakeClock()))


def read(server, since=SINCE, is_open_ended=False):
    with connected(server) as feed:
        return list(feed.windows(Window(since, UNTIL), is_open_ended=is_open_ended))


def ids(events):
    return {
        r["session_id"] for event in events if isinstance(event, Records) for r in event.records
    }


def assert_complete(server, **options):
    events = read(server, **options)
    assert ids(events) == {key for key, _ in server.listed}
    assert max(event.window.until for event in events if isinstance(event, Proven)) == UNTIL


PAGE = {"items": [], "total": 0, "has_more": False}
NO_SESSIONS: list[Any] = [
    {}, None, "a", 5, [], {"session_id": None}, {"session_id": 7}, {"session_id": ""},
    {"session_id": "devin-"},
]  # fmt: skip
NO_FLAGS: list[Any] = [None, "false", 0, 1, []]
NO_TOTALS: list[Any] = ["5", 5.0, True, [], {}]
BROKEN: list[tuple[Any, str]] = [
    ({}, "no `items`"),
    ([], "no `items`"),
    (None, "no `items`"),
    ("items", "no `items`"),
    ({**PAGE, "items": None}, "no `items`"),
    ({**PAGE, "items": {}}, "no `items`"),
    *[({**PAGE, "items": [{"session_id": "a"}, item]}, "item 1 has no") for item in NO_SESSIONS],
    *[({**PAGE, "has_more": wrong}, "`has_more`") for wrong in NO_FLAGS],
    ({"items": [], "total": 0}, "`has_more`"),
    *[({**PAGE, "total": wrong}, "`total`") for wrong in NO_TOTALS],
]


@pytest.mark.parametrize(("page", "said"), BROKEN)
def test_what_is_no_page_is_named_with_its_endpoint_and_window(page, said):
    """Exit 5 at the first such answer: nothing is guessed, and a maintainer can ask the same."""
    server = Server([], page=lambda found, params: page)
    with pytest.raises(ContractBroken, match=said) as raised:
        read(server)
    assert raised.value.exit_code == 5
    assert server.requests == 1
    for part in (
        "GET /v2/enterprise/sessions/insights",
        "2026-10-23",
        "2026-11-02T09:30",
        "skip 0",
    ):
        assert part in str(raised.value)


def test_a_broken_page_in_the_middle_ends_the_read():
    """A gap is not passed over: the window it lies in is named."""

    class Broken(Server):
        def page(self, found, params):
            return {} if params["skip"] == "398" else super().page(found, params)

    with pytest.raises(ContractBroken, match="skip 398"):
        read(Broken(rows(1_000)))


def nothing_but_more(total):
    return Server([], total=lambda found: total, more=lambda *_: True)


def one_more(*listed):
    return Server(rows(*listed), total=lambda found: len(found) + 1)


UNPROVABLE = [
    pytest.param(one_more(250), SINCE, id="one more than there are"),
    pytest.param(one_more(250), None, id="one more, from the beginning"),
    pytest.param(one_more(30, timedelta()), SINCE, id="one more in a second"),
    pytest.param(Server([], total=lambda found: 5), None, id="five of nothing"),
    pytest.param(
        Server(rows(210, timedelta()), rows=lambda found, skip, limit: found[:limit]),
        SINCE,
        id="skip ignored in a second",
    ),
    pytest.param(nothing_but_more(None), SINCE, id="always more of nothing"),
    pytest.param(nothing_but_more(1_000), SINCE, id="a thousand of nothing"),
    pytest.param(Server(rows(300), total=lambda found: 10**6), SINCE, id="a million"),
]


@pytest.mark.parametrize(("server", "since"), UNPROVABLE)
def test_a_total_that_never_fits_is_given_up(server, since):
    """Exit 5 after a bounded number of requests, naming the window and both numbers."""
    with pytest.raises(NotProven, match=r"GET .*window \[2026.* sessions were seen"):
        read(server, since=since)
    assert server.requests <= TOO_MANY


FULL = 200
PECULIAR: dict[str, dict[str, Any]] = {
    "more if the page is full": {"more": lambda found, skip, got: len(got) == FULL},
    "never more": {"more": lambda found, skip, got: False},
    "one too few": {"total": lambda found: max(0, len(found) - 1)},
    "a total of two pages at most": {"total": lambda found: min(len(found), 2 * FULL - 1)},
    "a total below zero": {"total": lambda found: -1},
    "skip ignored": {"rows": lambda found, skip, limit: found[:limit]},
    "pages of twenty": {"rows": lambda found, skip, limit: found[skip : skip + 20]},
    "pages of any size": {
        "rows": lambda found, skip, limit: found[skip : skip + 30 + 37 * skip % 170]
    },
}


@pytest.mark.parametrize("total", ["as it is", "null"])
@pytest.mark.parametrize("name", PECULIAR)
def test_peculiar_servers_are_read_completely(name, total):
    """Wrong flags, totals and page sizes cost requests, never a session."""
    peculiar = dict(PECULIAR[name])
    if total == "null":
        peculiar["total"] = lambda found: None
    assert_complete(Server(rows(600), **peculiar))


@pytest.mark.parametrize("total", [lambda found: len(found), lambda found: None])
def test_more_sessions_in_one_second_than_a_page_holds(total):
    """With a total they are counted; without one, two walks must see the same."""
    server = Server(rows(450, timedelta()), total=total)
    assert_complete(server)
    assert server.requests <= 150


class Shuffling(Server):
    """Ties in another order for each request."""

    seed = 0

    def rows(self, found, skip, limit):
        order = Random(f"{self.seed}/{self.requests}").sample(found, len(found))
        return order[skip : skip + limit]


def test_sessions_of_one_second_in_another_order_each_time():
    """Ties have no order: what one walk misses the next ones find, up to the first total."""
    assert_complete(Shuffling(rows(300, timedelta())))


@pytest.mark.parametrize("seed", [21, 26, 28, 33, 38])
def test_without_order_and_total_nothing_is_proven_that_was_not_seen(seed):
    """Walks that miss at random must not be taken for complete: all comes, or exit 5."""
    listed = [(f"s{n}", (UNTIL - timedelta(seconds=0.5)).isoformat()) for n in range(300)]
    server = Shuffling(listed, seed=seed, total=lambda found: None)
    with suppress(NotProven):
        assert_complete(server, since=UNTIL - timedelta(seconds=1))


def test_pages_that_do_not_touch_prove_nothing_even_if_the_count_fits():
    """Two sessions leave after the first page, and its total counts one of them no more.

    The next page begins behind a session that nobody saw; as many were seen as the total says.
    """
    listed = rows(250)

    class Leaving(Server):
        def page(self, found, params):
            answer = super().page(found, params)
            if len(self.listed) == 250:
                answer["total"] -= 1
                self.listed, self.moments = self.listed[2:], self.moments[2:]
            return answer

    server = Leaving(listed)
    assert ids(read(server)) == {key for key, _ in listed}
    assert server.requests > 2


def test_sessions_from_the_future_are_read_by_an_open_end():
    """Stamps and Date header need not come from one clock: the last window has no upper end."""
    future = [(f"f{n}", (UNTIL + timedelta(days=400, minutes=n)).isoformat()) for n in range(300)]
    assert_complete(Server(rows(600) + future), since=None, is_open_ended=True)


@pytest.mark.parametrize("text", [None, 5, "yesterday", "2026-11-02"])
def test_a_session_without_a_time_is_delivered(text):
    """Whether a record can be used is not decided here; the window it was found in counts."""
    assert_complete(Server([("odd", text), *rows(300)]), is_open_ended=True)


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-08:00", "0001-01-01T00:00:00+01:00"])
def test_a_time_beyond_the_calendar_is_delivered(text):
    """Such a time is a wrong value: it rejects its record, never the page."""
    odd = [("odd", text)]
    server = Server(odd, page=lambda found, params: {
        "items": [{"session_id": key, "updated_at": text} for key, text in odd],
        "total": 1, "has_more": False,
    })  # fmt: skip
    assert ids(read(server)) == {"odd"}


def test_times_of_the_year_one_can_be_read():
    """Go's zero time: 0001-01-01T00:00:00Z is a time, and a window may be cut there."""
    zero = [(f"z{n}", "0001-01-01T00:00:00+00:00") for n in range(300)]
    server = Server(rows(10) + zero, total=lambda found: None)
    assert_complete(server, since=None)


@pytest.mark.parametrize("taken", [0, 1, 2, 5, 20])
@pytest.mark.parametrize("is_told", [True, False])
def test_a_feed_that_is_closed_early_ends_cleanly(taken, is_told):
    """Ctrl-C, a full disk: no request, task or warning is left behind."""
    server = Server(rows(2_500))
    with connected(server) as feed:
        events = feed.windows(Window(SINCE, UNTIL), is_open_ended=False)
        for _ in range(taken):
            next(events)
        if is_told:
            events.close()
        del events
        gc.collect()
    asked = server.requests
    gc.collect()
    assert server.requests == asked <= 2 * (taken + 2) + 16


def test_an_error_of_whoever_takes_the_events_comes_through():
    """The loader's own failure is what is raised, not one of the feed's."""
    with pytest.raises(ZeroDivisionError), connected(Server(rows(2_500))) as feed:  # noqa: PT012
        for _ in feed.windows(Window(SINCE, UNTIL), is_open_ended=False):
            raise ZeroDivisionError
    gc.collect()


def test_no_more_is_read_than_is_taken():
    """While the loader writes, the pages that wait are as many as may be in flight."""
    server = Server(rows(2_500))
    with connected(server) as feed:
        events = feed.windows(Window(SINCE, UNTIL), is_open_ended=False)
        next(events)
        for _ in range(50):
            feed.survey()
        assert server.requests - 50 <= 1 + 2 * 8
        assert len(ids(events)) > 2_000


def test_while_nothing_comes_there_is_a_pulse(monkeypatch):
    """A signal must be seen also while the API takes its time."""
    monkeypatch.setattr(module, "PULSE_SECONDS", 0.001)
    server = Server(rows(10))

    async def slow(request):
        await asyncio.sleep(0.02)
        return server(request)

    events = read(slow)
    assert Pulse() in events
    assert ids(events) == {key for key, _ in server.listed}


def test_the_first_failure_of_many_is_raised_and_the_others_stop():
    """Eight workers meet the same refused key: one exception, and no request after it."""
    server = Server(rows(2_500), patience=8)
    with pytest.raises(KeyRefused):
        read(server)
    gc.collect()
    assert server.requests <= 8 + 2 * 8
