"""Lists by token, of servers that leave everything open: what is proven is complete."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise, product
from random import Random

import httpx
import pytest

from devin_warehouse.api.listing import Filters
from devin_warehouse.errors import ContractBroken, NotProven
from devin_warehouse.events import FilterWasIgnored, Proven, Records
from devin_warehouse.feed import Connection, open_feed
from devin_warehouse.windows import Window
from tests.fake_api import FakeClock

pytestmark = pytest.mark.usefixtures("small_windows")

UNTIL = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
SINCE = UNTIL - timedelta(days=10)
END = int(UNTIL.timestamp())
DAY = 86_400
ORDERS = ["created_desc", "updated_asc", "updated_desc"]
CURSORS = ["keyset", "offset"]
TOTALS = ["exact", "on the first page", "null", "late", "lagging", "capped"]


class Server:
    """A v3 list over sessions by id, and what is peculiar about it; its clock goes by requests.

    With each request, or that of `leaves_at`, `leaving` sessions are updated, or deleted, and with
    each `coming` ones created; what stays as it was is `quiet`.
    """

    order, cursor, total, page_cap = "created_desc", "keyset", "exact", 200
    leaving, coming, leaves_at, how, ignores_filter = 0, 0, 0, "updated", False

    def __init__(self, count, span=10 * DAY, seed=0, **peculiar):
        self.random = Random(seed)
        self.sessions: dict[str, tuple[int, int]] = {}
        self.past: list[dict[str, tuple[int, int]]] = []
        self.requests = 0
        self.__dict__.update(peculiar)
        for number in range(count):
            updated = END - 1 - self.random.randrange(span)
            self.sessions[f"s{number:04}"] = (updated - self.random.randrange(5 * DAY), updated)
        self.quiet = set(self.sessions)

    @property
    def now(self):
        return END + 1 + self.requests

    def key(self, session_id):
        created, updated = self.sessions[session_id]
        return (created if self.order == "created_desc" else updated, session_id)

    def find(self, params):
        after, before = params.get("updated_after"), params.get("updated_before")
        since, until = int(after or -1), int(before or 10**12)
        listed = self.sessions.items()
        found = [each for each, (_, at) in listed if self.ignores_filter or since <= at < until]
        return sorted(found, key=self.key, reverse=self.order.endswith("desc"))

    def go_on(self):
        """Time passes: sessions leave where they were."""
        if self.total == "lagging":
            self.past = [*self.past[-5:], dict(self.sessions)]
        leaving = self.random.sample(sorted(self.quiet), min(self.leaving, len(self.quiet)))
        for session_id in leaving if self.leaves_at in (0, self.requests) else ():
            self.quiet.remove(session_id)
            created, _ = self.sessions.pop(session_id)
            if self.how == "updated":
                self.sessions[session_id] = (created, self.now)
        for number in range(self.coming):
            self.sessions[f"n{self.requests}.{number}"] = (self.now, self.now)

    def counted(self, params):
        if self.total == "null" or (self.total == "on the first page" and "after" in params):
            return None
        now = self.sessions
        self.sessions = self.past[0] if self.total == "lagging" else now
        count, self.sessions = len(self.find(params)), now
        odd = {"capped": min(count, 100), "one more": count + 1, "a million": 10**6}
        return odd.get(self.total, count)

    def start(self, found, token):
        if token is None:
            return 0
        if self.cursor == "offset":
            return int(token)
        last, keys = tuple(json.loads(token)), map(self.key, found)
        return sum(key >= last if self.order.endswith("desc") else key <= last for key in keys)

    def page(self, params):
        if self.total != "late":
            self.go_on()
        found = self.find(params)
        start = self.start(found, params.get("after"))
        got = found[start : start + min(int(params["first"]), self.page_cap)]
        end = start + len(got)
        token = end if self.cursor == "offset" else got and self.key(got[-1])
        items = [{"session_id": each, "updated_at": self.sessions[each][1]} for each in got]
        if self.total == "late":
            self.go_on()
        has_more = end < len(found)
        return {
            "items": items,
            "total": self.counted(params),
            "has_next_page": has_more,
            "end_cursor": json.dumps(token) if has_more else None,
        }

    def __call__(self, request):
        self.requests += 1
        if self.requests > 3_000:
            return httpx.Response(401, json={})
        date = {"date": format_datetime(datetime.fromtimestamp(self.now, UTC), usegmt=True)}
        return httpx.Response(200, json=self.page(request.url.params), headers=date)


def read(server, since: datetime | None = SINCE, *, is_open_ended=False, concurrency=8):
    how = Filters(), concurrency, "v3", httpx.MockTransport(server), FakeClock()
    with open_feed(Connection("http://fake", "cog_x", *how)) as feed:
        return list(feed.windows(Window(since, UNTIL), is_open_ended=is_open_ended))


def assert_complete(server, since: datetime | None = SINCE, **options):
    """Every session that stayed as it was has come; the proven windows are the whole one, cut."""
    events = read(server, since, **options)
    came = {r["session_id"] for e in events if isinstance(e, Records) for r in e.records}
    assert server.quiet <= came
    proven = sorted((e.window for e in events if isinstance(e, Proven)), key=lambda w: w.until)
    assert (proven[0].since, proven[-1].until) == (since, UNTIL)
    assert all(a.until == b.since for a, b in pairwise(proven))
    return events


@pytest.mark.parametrize("page_cap", [200, 60])
@pytest.mark.parametrize("total", ["exact", "on the first page", "null", "capped"])
def test_a_quiet_server_is_read_completely(total, page_cap):
    """In any order, by any token; with totals for little more than a request a page."""
    for order, (cursor, since) in product(ORDERS, zip(CURSORS, [None, SINCE], strict=True)):
        server = Server(320, order=order, cursor=cursor, total=total, page_cap=page_cap)
        assert_complete(server, since, is_open_ended=since is None)
        most = 12 if total in ("null", "capped") else 1.5
        assert server.requests <= most * -(-320 // page_cap) + 1


def test_totals_make_a_read_cheap():
    """Under 1.6 times as many requests as there are pages, also where it has to be cut."""
    of_2600 = zip([2_600] * 3, [None, SINCE, None], ORDERS, strict=True)
    for count, since, order in ((6_000, SINCE, "created_desc"), *of_2600):
        server = Server(count, order=order)
        events = assert_complete(server, since, is_open_ended=True)
        assert server.requests < 1.6 * count / 200
        assert sum(isinstance(event, Proven) for event in events) >= count // 3_000


@pytest.mark.parametrize("how", ["updated", "deleted"])
@pytest.mark.parametrize("total", TOTALS)
def test_sessions_that_leave_between_requests_take_no_other_with_them(total, how):
    """By offset a page slips over as many as have left before it: the count tells."""
    for number, (order, cursor) in enumerate(product(ORDERS, CURSORS)):
        server = Server(300, seed=number, order=order, cursor=cursor, total=total, how=how)
        server.leaving, server.page_cap = 1 + number % 3, (60, 200)[number // 2 % 2]
        assert_complete(server, SINCE)
        assert server.requests <= 150


@pytest.mark.parametrize("total", ["exact", "late"])
def test_one_session_that_leaves_at_the_wrong_moment_takes_no_other_with_it(total):
    """Counted before a page or after it: nothing but a count from before the walk will do."""
    for order, leaves_at, seed in product(ORDERS, range(1, 6), range(2)):
        server = Server(170, seed=seed, order=order, total=total, cursor="offset", page_cap=60)
        server.leaving, server.leaves_at = 1, leaves_at
        assert_complete(server, SINCE)


@pytest.mark.parametrize("total", ["exact", "null", "late"])
def test_a_window_that_is_open_to_now_is_read_while_sessions_change(total):
    """What is updated meanwhile moves within it and new ones come in: nobody is lost by that."""
    for order, cursor, seed in product(ORDERS, CURSORS, range(2)):
        server = Server(200, seed=seed, order=order, cursor=cursor, total=total, page_cap=60)
        server.leaving = server.coming = 1
        assert_complete(server, None, is_open_ended=True)
        assert server.requests <= 300


def test_an_ignored_filter_is_noticed_and_the_listing_read_once():
    """Rows from far outside say so: no full listing per window."""
    for order, cursor, total in product(ORDERS, CURSORS, ["exact", "null"]):
        server = Server(500, order=order, cursor=cursor, total=total, ignores_filter=True)
        server.leaving = int(order == "created_desc")
        events = assert_complete(server, UNTIL - timedelta(days=2), is_open_ended=True)
        assert events.count(FilterWasIgnored()) == 1
        assert server.requests <= (60 if server.leaving and total == "null" else 20)


@pytest.mark.parametrize("total", ["one more", "a million"])
def test_a_total_that_never_fits_is_given_up(total):
    """Exit 5 after a bounded number of requests, naming endpoint, window and both numbers."""
    for number, (order, cursor) in enumerate(zip(ORDERS, [*CURSORS, "keyset"], strict=True)):
        server = Server(250, order=order, cursor=cursor, total=total, page_cap=60, leaving=number)
        with pytest.raises(NotProven, match=r"GET /v3/.*window \[2026.* sessions were seen") as no:
            read(server, concurrency=1)
        assert (no.value.exit_code, server.requests <= 350) == (5, True)


class Shuffling(Server):
    """Sessions of one second in another order for each request; a keyset goes by the id alone."""

    def find(self, params):
        found = super().find(params)
        if self.cursor == "keyset":
            return found
        shuffled = Random(self.requests).sample(found, len(found))
        return sorted(shuffled, key=lambda session_id: self.sessions[session_id][1])


@pytest.mark.parametrize("total", ["exact", "null", "late"])
@pytest.mark.parametrize("cursor", CURSORS)
def test_more_sessions_of_one_second_than_a_page_holds(cursor, total):
    """They cannot be cut by time; in another order each time a walk must not be taken for all."""
    for count, leaving, page_cap in ((230, 1, 200), (450, 0, 200), (170, 2, 60)):
        server = Shuffling(count, span=1, cursor=cursor, total=total, page_cap=page_cap)
        server.leaving = leaving
        try:
            assert_complete(server, UNTIL - timedelta(seconds=1))
        except NotProven:
            assert (cursor, count) == ("offset", 450)
        assert server.requests <= 220


class Repeating(Server):
    """From some offset on, the token of the second page comes again."""

    cursor, page_cap, end = "offset", 60, 0

    def page(self, params):
        answer = super().page(params)
        if int(answer["end_cursor"] or 10**6) >= self.end:
            answer |= {"has_next_page": True, "end_cursor": "60"}
        return answer


@pytest.mark.parametrize("total", ["exact", "null"])
def test_a_token_that_comes_again_ends_the_read(total):
    """Exit 5: the list would have no end, and what a second round shows proves nothing."""
    for pages in (2, 3, 4, 8, 99):
        server = Repeating(700, total=total, end=60 * pages)
        with pytest.raises(ContractBroken, match=r"second time|that was sent") as raised:
            read(server)
        assert (raised.value.exit_code, server.requests <= min(pages, 12) + 2) == (5, True)


class Endless(Server):
    """Always more, by a token that is always new, and always the same first rows."""

    def page(self, params):
        answer = super().page(params.remove("after"))
        return {**answer, "has_next_page": True, "end_cursor": str(self.requests)}


@pytest.mark.parametrize("total", ["exact", "null"])
def test_the_same_rows_for_ever_by_ever_new_tokens_are_given_up(total):
    """Exit 5 after a bounded number of requests."""
    for count, since in ((0, None), (10, SINCE), (300, None)):
        server = Endless(count, span=3_000, total=total)
        with pytest.raises(NotProven):
            read(server, since, concurrency=1)
        assert server.requests <= 400


class Gappy(Server):
    """So many empty pages between any two; each has a token of its own."""

    gap = 0

    def page(self, params):
        token, _, left = params.get("after", "").partition("+")
        if left not in ("", "0"):
            more = {"has_next_page": True, "end_cursor": f"{token}+{int(left) - 1}"}
            return {"items": [], "total": self.counted(params), **more}
        answer = super().page(params.set("after", token) if token else params)
        if answer["end_cursor"]:
            answer["end_cursor"] += f"+{self.gap}"
        return answer


@pytest.mark.parametrize("total", ["exact", "on the first page", "null"])
def test_empty_pages_in_between_are_passed_over(total):
    """A server that filters what it has scanned has them; more than a few are given up."""
    for gap, order in product([1, 2, 5], ORDERS):
        server = Gappy(300, order=order, total=total, page_cap=60, gap=gap)
        try:
            assert_complete(server, None, concurrency=2)
        except NotProven:
            assert gap == 5
        assert server.requests <= (600 if gap == 5 or total == "null" else 7 + 4 * gap)
