"""Reading completely: whatever the API leaves open, every session comes, or the reader says so."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace

import httpx
import msgspec
import pytest

from devin_warehouse.errors import KeyRefused
from devin_warehouse.events import FilterWasIgnored, Proven, Records
from devin_warehouse.feed import Connection, open_feed
from devin_warehouse.sandbox import Faults, World, create_app
from devin_warehouse.sandbox.faults import Bounds
from devin_warehouse.sandbox.v2 import encoded_record
from devin_warehouse.windows import Window
from tests.fake_api import FakeClock

pytestmark = pytest.mark.usefixtures("small_windows")

NOW = datetime(2026, 11, 2, 9, 30, 0, 250_000, tzinfo=UTC)
ORDERS = ["created_desc", "updated_asc", "updated_desc"]
BOUNDS: list[Bounds] = ["[)", "[]", "(]", "()"]
# How many times more requests than a listing has pages, by what the API says of its total.
TIMES_MORE = {
    "exact": 1.5,
    "late": 1.5,
    "lagging": 1.5,
    "capped:300": 4,
    "capped:100": 8,
    "null": 8,
}


def read(world, faults=None, since=None, until=None):
    """What the feed gives for a world: from `since` until now, or a window of the past."""
    app = create_app(world, faults or Faults())
    transport = httpx.ASGITransport(app=app)
    connection = Connection("http://sandbox", "apk_user_x", transport=transport, clock=FakeClock())
    with open_feed(connection) as feed:
        total, now = feed.survey()
        window = Window(since, until or now.replace(microsecond=0))
        events = list(feed.windows(window, is_open_ended=until is None))
    return SimpleNamespace(
        total=total,
        window=window,
        events=events,
        requests=len(app.state.requests),
        records={r["session_id"]: r for e in events if isinstance(e, Records) for r in e.records},
    )


def assert_tiled(reading):
    """The proven windows are the whole window, cut without gaps."""
    proven = [event.window for event in reading.events if isinstance(event, Proven)]
    first, *later = sorted(proven, key=lambda window: window.until)
    assert first.since == reading.window.since
    assert [b.since for b in later] == [a.until for a, _ in pairwise([first, *later])]
    assert max(window.until for window in proven) == reading.window.until


def assert_told(reading, sessions):
    """These sessions have come, each with the values that the API has for it now."""
    truth = {each.session_id: msgspec.json.decode(encoded_record(each)) for each in sessions}
    assert {key: reading.records.get(key) for key in truth} == truth


QUIET = World(1, 260, now=NOW)
LONG = World(2, 2_600, now=NOW)


@pytest.mark.parametrize("page_cap", [None, 60])
@pytest.mark.parametrize("total", TIMES_MORE)
@pytest.mark.parametrize("order", ORDERS)
def test_everything_comes_whatever_order_totals_bounds_and_pages(order, total, page_cap):
    """Nothing that the API leaves undocumented may cost a session, or requests without measure."""
    for bounds in BOUNDS[:: 1 if page_cap is None else 3]:
        faults = Faults(order=order, total=total, bounds=bounds, page_cap=page_cap)
        reading = read(QUIET, faults)
        assert_told(reading, QUIET.sessions.values())
        assert_tiled(reading)
        pages = len(QUIET.sessions) / ((page_cap or 200) - 1)
        assert reading.requests <= TIMES_MORE[total] * pages + 4


@pytest.mark.parametrize("total", ["exact", "null", "capped:1000"])
@pytest.mark.parametrize("order", ORDERS)
def test_a_long_history_is_cut_into_windows(order, total):
    """Above 2,000 sessions a window is cut by what a few pages show, not walked in one go."""
    reading = read(LONG, Faults(order=order, total=total))
    assert_told(reading, LONG.sessions.values())
    assert_tiled(reading)
    assert sum(isinstance(event, Proven) for event in reading.events) >= 2
    assert reading.requests <= 5 * len(LONG.sessions) / 200


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("days", [(90, 30), (30, 0.25), (3, 1)])
def test_a_window_of_the_past_brings_its_sessions_and_few_others(days, bounds):
    """A backfill reads its range, ends included, and at most a second more on either side."""
    since, until = (NOW.replace(microsecond=0) - timedelta(days=each) for each in days)
    reading = read(QUIET, Faults(bounds=bounds), since, until)
    assert_told(reading, [s for s in QUIET.sessions.values() if since <= s.updated_at < until])
    assert_tiled(reading)
    second = timedelta(seconds=1)
    for session_id in reading.records:
        updated_at = QUIET.sessions[session_id].updated_at
        assert since - second <= updated_at <= until + second


def test_an_empty_enterprise_is_proven_with_two_requests():
    """One to see what there is, one to prove that it is nothing."""
    reading = read(World(1, 0, now=NOW))
    assert_tiled(reading)
    assert (reading.total, reading.records, reading.requests) == (0, {}, 2)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("total", "churn"),
    [("exact", 2), ("exact", 15), ("late", 15), ("lagging", 15), ("null", 2), ("capped:300", 15)],
)
def test_sessions_that_do_not_change_are_read_among_those_that_do(order, total, churn):
    """Sessions that are updated during the read leave their window; no other may be lost by it."""
    world = World(3, 320, now=NOW, tick=0.1)
    before = {each.session_id: each.updated_at for each in world.sessions.values()}
    reading = read(world, Faults(order=order, total=total, churn=churn))
    quiet = [s for s in world.sessions.values() if before[s.session_id] == s.updated_at]
    assert_told(reading, quiet)
    assert_tiled(reading)
    assert reading.requests <= 60 * 320 / 200


def test_a_busy_enterprise_without_totals_can_be_read():
    """What is newer than the window's end belongs to the next run: it cannot unprove this one."""
    world = World(3, 450, now=NOW)
    assert_tiled(read(world, Faults(order="updated_asc", total="null", churn=20)))


@pytest.mark.parametrize(
    ("order", "total", "page_cap"),
    [
        *[(order, "exact", None) for order in ORDERS],
        ("created_desc", "exact", 90),
        ("updated_desc", "null", None),
        ("updated_asc", "capped:300", 90),
    ],
)
def test_a_thousand_sessions_of_one_instant(order, total, page_cap):
    """A mass update cannot be cut by time: it is walked until all of it has been seen."""
    world = World(4, 30, now=NOW)
    instant = NOW - timedelta(days=2, microseconds=123)
    world.same_instant(1_000, instant)
    reading = read(world, Faults(order=order, total=total, page_cap=page_cap))
    assert_told(reading, world.sessions.values())
    assert_tiled(reading)
    assert reading.requests <= 80 * 1_030 / (page_cap or 200)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("since_days", [None, 20])
def test_an_ignored_filter_is_noticed_and_the_listing_read_once(order, since_days):
    """Whoever ignores the filter answers the whole listing per window: it is read once instead."""
    since = since_days and NOW.replace(microsecond=0) - timedelta(days=since_days)
    reading = read(LONG, Faults(order=order, ignore_updated_filter=True), since)
    assert_told(reading, LONG.sessions.values())
    assert_tiled(reading)
    assert sum(isinstance(event, FilterWasIgnored) for event in reading.events) == 1
    assert reading.requests <= len(LONG.sessions) / 199 + 12


def test_an_ignored_filter_with_churn():
    """Also then no session that stayed as it was is lost."""
    world = World(6, 900, now=NOW, tick=0.1)
    before = {each.session_id: each.updated_at for each in world.sessions.values()}
    since = NOW.replace(microsecond=0) - timedelta(days=9)
    reading = read(world, Faults(order="updated_desc", ignore_updated_filter=True, churn=5), since)
    assert_told(
        reading, [s for s in world.sessions.values() if before[s.session_id] == s.updated_at]
    )
    assert_tiled(reading)


@pytest.mark.parametrize("retry_after", ["none", "seconds", "date"])
def test_failures_on_the_way_cost_retries_and_no_session(retry_after):
    """One request in four fails, in every way that an API fails."""
    world = World(7, 700, now=NOW)
    failures = ("500", "502", "503", "429", "truncated", "html")
    faults = Faults(error_rate=0.25, failures=failures, page_cap=50, retry_after=retry_after)
    reading = read(world, faults)
    assert_told(reading, world.sessions.values())
    assert_tiled(reading)


def test_awkward_and_malformed_sessions_are_delivered_as_they_came():
    """Judging a record is not the reader's work: even a time that is none comes through."""
    world = World(8, 40, now=NOW)
    awkward, malformed = world.add_awkward(), world.add_malformed(40)
    reading = read(world)
    assert set(reading.records) == {*world.sessions}
    assert {*awkward, *malformed} <= set(reading.records)
    assert_tiled(reading)


def test_a_session_can_be_asked_for_by_any_id_and_the_unknown_are_left_out():
    """Ids are opaque: slashes, dots, percent signs and question marks are part of the id."""
    world = World(9, 5, now=NOW)
    wanted = [*world.add_awkward(), *world.sessions][:40]
    transport = httpx.ASGITransport(app=create_app(world))
    with open_feed(Connection("http://sandbox", "apk_user_x", transport=transport)) as feed:
        events = list(feed.by_id([*wanted, "0" * 32, "no/such?session"]))
    found = [record["session_id"] for e in events if isinstance(e, Records) for record in e.records]
    assert sorted(found) == sorted(wanted)


@pytest.mark.parametrize("key", ["apk_user_forbidden", "cog_v3_only", "wrong"])
def test_a_refused_key_ends_the_read(key):
    """What the client raises in its own thread is raised where the events are taken."""
    transport = httpx.ASGITransport(app=create_app(QUIET))
    with open_feed(Connection("http://sandbox", key, transport=transport)) as feed:
        with pytest.raises(KeyRefused):
            feed.survey()
        with pytest.raises(KeyRefused):
            list(feed.windows(Window(None, NOW.replace(microsecond=0)), is_open_ended=True))
        with pytest.raises(KeyRefused):
            list(feed.by_id(["a", "b"]))


@pytest.mark.parametrize("has_date", [True, False])
def test_the_survey_tells_the_servers_time_and_total(has_date):
    """The run's end is the server's clock; without a Date header this machine's, which is said."""
    world = World(1, 10, now=NOW)
    transport = httpx.ASGITransport(app=create_app(world, Faults(date_header=has_date)))
    with open_feed(Connection("http://sandbox", "apk_user_x", transport=transport)) as feed:
        total, now = feed.survey()
        assert feed.has_server_time == has_date
    assert total == 10
    assert (now == NOW.replace(microsecond=0)) == has_date
    assert now.tzinfo is not None
