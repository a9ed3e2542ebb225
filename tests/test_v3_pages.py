"""v3's answers one by one: what is a page, what is a session's insights, and what is asked."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devin_warehouse.api import v3
from devin_warehouse.api.listing import Filters
from devin_warehouse.errors import ContractBroken, NotFound
from devin_warehouse.windows import Range
from tests.fake_api import Api, answer

SINCE, UNTIL = datetime(2026, 11, 1, 8, 15, 7, tzinfo=UTC), datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
ASKED = Range(SINCE, UNTIL)
LISTS = [(v3.SESSION, v3.SESSIONS_PATH), (v3.INSIGHTS, v3.INSIGHTS_PATH)]
PAGE: dict[str, Any] = {"items": [], "end_cursor": None, "has_next_page": False, "total": 0}


def page(
    body, asked: Range | None = ASKED, token=None, filters=None, listed=LISTS[0], **how: Any
):  # fmt: skip
    """The page that a list makes of an answer, and the request that it sent."""
    api = Api(answer(body=body))
    filters = filters or Filters()

    async def use(client):
        return await v3.SessionsList(client, filters, *listed).page(asked, token, **how)

    found = api.run(use)
    [(_, request)] = api.requests
    return found, request


def asked_by_id(wanted, body):
    """What asking for a session by id gives, and the request."""
    api = Api(answer(body=body))
    record = api.run(lambda client: v3.Api(client, Filters()).by_id(wanted, 1))
    [(_, request)] = api.requests
    return record, request


NO_SESSIONS: list[Any] = [
    {}, None, "a", 5, True, [], [{"session_id": "a"}], {"session_id": None}, {"session_id": 7},
    {"session_id": ["a"]}, {"session_id": ""}, {"session_id": "devin-"}, {"devin_id": "devin-a"},
]  # fmt: skip
NO_TOKENS: list[Any] = [None, "", 0, 5, 1.5, True, ["t"], {"t": 1}]
NO_LISTS: list[Any] = [{}, [], [PAGE], None, "items", 5, True]
NO_ITEMS: list[Any] = [None, {}, "a", 0, False]
NO_TOTALS: list[Any] = ["5", "", 5.0, 5.5, True, [], {}]
NO_FLAGS: list[Any] = ["true", "", 0, 1, [], {}]
BROKEN: list[tuple[Any, str]] = [
    *[(body, "no `items`") for body in NO_LISTS],
    ({"sessions": [], "has_next_page": False}, "no `items`"),
    *[({**PAGE, "items": wrong}, "no `items`") for wrong in NO_ITEMS],
    *[({**PAGE, "items": [{"session_id": "a"}, item]}, "item 1 has no") for item in NO_SESSIONS],
    *[({**PAGE, "total": wrong}, "`total`") for wrong in NO_TOTALS],
    *[({**PAGE, "has_next_page": wrong}, "`has_next_page`") for wrong in NO_FLAGS],
    *[({**PAGE, "has_next_page": True, "end_cursor": no}, "`end_cursor`") for no in NO_TOKENS],
    ({"items": [], "has_next_page": True}, "`end_cursor`"),
    *[({"items": [], "end_cursor": no}, "`end_cursor`") for no in NO_TOKENS if no is not None],
]  # fmt: skip


@pytest.mark.parametrize("listed", LISTS, ids=["sessions", "insights"])
def test_what_is_no_page_is_named_with_its_endpoint_and_window(listed):
    """Exit 5 at the first such answer: nothing is guessed, and a maintainer can ask the same."""
    for body, said in BROKEN:
        with pytest.raises(ContractBroken, match=said) as raised:
            page(body, listed=listed)
        assert raised.value.exit_code == 5
        named = f"GET {listed[1]}, updated in [2026-11-01T08:15:07Z, 2026-11-02T09:30:00Z)"
        assert str(raised.value).startswith(named), body


def test_the_token_that_was_sent_is_no_next_one():
    """It leads to the same page again, for ever: the known trap of a parameter that is ignored."""
    body = {**PAGE, "has_next_page": True, "end_cursor": "t="}
    assert page(body, token="t")[0].token == "t="
    for again in (body, {"items": [], "end_cursor": "t="}):
        with pytest.raises(ContractBroken, match="`end_cursor` is the one that was sent"):
            page(again, token="t=")


@pytest.mark.parametrize(
    ("more", "has_more"),
    [
        ({"has_next_page": False}, False),
        ({"has_next_page": False, "end_cursor": "t"}, False),
        ({"has_next_page": False, "end_cursor": 5}, False),
        ({"has_next_page": True, "end_cursor": "t"}, True),
        ({}, False),
        ({"end_cursor": None}, False),
        ({"end_cursor": "t"}, True),
        ({"has_next_page": None, "end_cursor": "t"}, True),
        ({"has_next_page": None, "end_cursor": None}, False),
    ],
)
def test_more_follows_if_it_is_said_or_else_if_there_is_a_token(more, has_more):
    """`has_next_page` has a default, so it may be left out; then the token tells."""
    found, _ = page({"items": [{"session_id": "devin-a"}], **more})
    assert (found.has_more, found.ids, found.total) == (has_more, ["a"], None)
    assert found.token == "t" or not has_more


def test_a_page_keeps_records_as_they_came_and_an_unreadable_time_is_none():
    """Whether a record can be used is not judged by the page that it came in."""
    items = [
        {"session_id": "devin-b", "updated_at": 1_793_576_600, "new": {"x": [None]}},
        {"session_id": "a", "updated_at": "2026-11-02T09:30:00Z"},
        {"session_id": "c"},
    ]
    found, _ = page({**PAGE, "items": items, "total": 7})
    assert (found.records, found.ids, found.total) == (items, ["b", "a", "c"], 7)
    assert found.times == [datetime.fromtimestamp(1_793_576_600, UTC), None, None]


def sent(request):
    return sorted(request.url.params.multi_items())


def test_what_is_unset_is_not_sent():
    """The API ignores what it does not know and may take an empty value for one."""
    assert sent(page(PAGE, asked=None)[1]) == [("first", "200")]
    assert sent(page(PAGE, asked=Range(None, UNTIL), limit=1)[1]) == [
        ("first", "1"),
        ("updated_before", "1793611800"),
    ]
    assert sent(page(PAGE, asked=Range(SINCE, None), token="")[1]) == [
        ("first", "200"),
        ("updated_after", "1793520907"),
    ]


def test_what_is_set_is_sent_in_the_documented_names_and_forms():
    """Times are epoch seconds, lists repeat their key, the flag is only sent if it is set."""
    filters = Filters(
        org_ids=("org-b", "org-a"),
        include_deleted_orgs=True,
        user_ids=("auth0|1&2",),
        service_user_ids=("service-user-1",),
        session_ids=("a", "devin-b"),
        tags=("x y", "ä,b"),
        origins=("slack", "api"),
        category="bug_fixing",
        playbook_id="playbook-1",
        schedule_id="schedule-1",
        created_since=datetime(1970, 1, 1, tzinfo=UTC),
        created_until=SINCE,
    )
    assert filters.set_names == v3.FILTERS
    for listed in LISTS:
        _, request = page(PAGE, filters=filters, listed=listed)
        assert request.url.path == listed[1]
        assert sent(request) == [
            ("category", "bug_fixing"),
            ("created_after", "0"),
            ("created_before", "1793520907"),
            ("first", "200"),
            ("include_deleted_orgs", "true"),
            ("org_ids", "org-a"),
            ("org_ids", "org-b"),
            ("origins", "api"),
            ("origins", "slack"),
            ("playbook_id", "playbook-1"),
            ("schedule_id", "schedule-1"),
            ("service_user_ids", "service-user-1"),
            ("session_ids", "a"),
            ("session_ids", "devin-b"),
            ("tags", "x y"),
            ("tags", "ä,b"),
            ("updated_after", "1793520907"),
            ("updated_before", "1793611800"),
            ("user_ids", "auth0|1&2"),
        ]


def test_a_narrowed_list_asks_the_same_endpoint_with_other_filters():
    """A re-check asks by `session_ids` within the scope, and by nothing else."""
    filters = Filters(org_ids=("o",), include_deleted_orgs=True, tags=("t",), session_ids=("z",))
    api = Api(answer(body=PAGE))

    async def use(client):
        lists = v3.Api(client, filters)
        for each in (lists.sessions, lists.insights):
            await each.narrowed(filters.by_session(("a", "b"))).page(None)

    api.run(use)
    assert [request.url.path for _, request in api.requests] == [path for _, path in LISTS]
    for _, request in api.requests:
        assert sent(request) == [
            ("first", "200"),
            ("include_deleted_orgs", "true"),
            ("org_ids", "o"),
            ("session_ids", "a"),
            ("session_ids", "b"),
        ]


@settings(deadline=None, max_examples=40)
@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1) | st.just("eyJhIjo+MX0/=&#%20")
)
def test_a_token_arrives_as_it_was_given(token):
    """Tokens are opaque: padding, slashes and ampersands are part of them."""
    _, request = page(PAGE, asked=None, token=token)
    names = {part.split(b"=")[0] for part in request.url.query.split(b"&")}
    assert (request.url.params["after"], names) == (token, {b"after", b"first"})
    assert request.url.query.count(b"=") == 2


IDS = st.sampled_from(
    ["..", ".", "a/../../b", "100%", "%2e%2e", "a?b=c#d", "devin-1", "devin-devin-", "/", " ", "+"]
) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@settings(deadline=None, max_examples=60)
@given(IDS)
def test_a_session_is_asked_for_with_one_devin_before_its_id(bare):
    """Whatever the id holds is part of one path segment, and exactly one `devin-` stands before."""
    body = {"session_id": f"devin-{bare}", "analysis": None}
    record, request = asked_by_id(bare, body)
    segments = request.url.raw_path.decode().split("/")
    assert record == body
    assert [*segments[:4], *segments[5:]] == ["", "v3", "enterprise", "sessions", "insights"]
    assert unquote(segments[4], errors="strict") == f"devin-{bare}"
    assert not set(segments[4]) & set(".?#")


NOT_OF_A: list[Any] = [
    None, [], "a", {}, PAGE, [{"session_id": "a"}], {"session_id": None}, {"session_id": ["a"]},
    {"session_id": "b"}, {"session_id": "A"}, {"session_id": "devin-devin-a"}, {"devin_id": "a"},
    {**PAGE, "items": [{"session_id": "a"}]},
]  # fmt: skip


def test_the_answer_by_id_must_be_that_sessions():
    """Another one's record, or a list, would be filed under a session that it is not of."""
    for session_id in ("a", "devin-a"):
        body = {"session_id": session_id}
        assert asked_by_id("a", body)[0] == body
    for body in NOT_OF_A:
        with pytest.raises(ContractBroken, match=r"GET /v3/.*/devin-a/insights.*not the session"):
            asked_by_id("a", body)


def test_an_id_that_the_api_does_not_know_is_not_found():
    """404 by id is the only sign of a deletion, so it is told apart from every other failure."""
    for status, error in ((404, NotFound), (400, ContractBroken), (422, ContractBroken)):
        api = Api(answer(status))
        with pytest.raises(error):
            api.run(lambda client: v3.Api(client, Filters()).by_id("a", 1))
    assert v3.Api.by_id_kind is v3.INSIGHTS


GOOD_TIMES: list[tuple[Any, datetime]] = [
    (0, datetime(1970, 1, 1, tzinfo=UTC)),
    (-1, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
    (1_793_611_800, UNTIL),
    (1_793_611_800.0, UNTIL),
    (-0.0, datetime(1970, 1, 1, tzinfo=UTC)),
    (-62_135_596_800, datetime(1, 1, 1, tzinfo=UTC)),
    (253_402_300_799, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
]
NO_TIMES: list[Any] = [
    None, True, False, "", "1793611800", "2026-11-02T09:30:00Z", 0.5, 1_793_611_800.25, [], [5], {},
    float("nan"), float("inf"), float("-inf"),
    253_402_300_800, -62_135_596_801, 1_793_611_800_000, 10**30, -(10**30), 1e300,
]  # fmt: skip


@pytest.mark.parametrize("kind", [v3.SESSION, v3.INSIGHTS], ids=["session", "insights"])
def test_times_are_whole_seconds(kind):
    """`25` may arrive as `25.0`; milliseconds or a text are another unit, and are not guessed."""
    for value, moment in GOOD_TIMES:
        assert kind.updated_at({"updated_at": value}) == moment
    for value in NO_TIMES:
        assert kind.updated_at({"updated_at": value}) is None, value
    assert kind.updated_at({}) is None


@settings(deadline=None, max_examples=40)
@given(st.integers(-62_135_596_800, 253_402_300_799))
def test_a_moment_survives_being_sent_and_read(seconds):
    """A window's end is asked for by the clock that a session's time is answered in."""
    moment = v3.read_time(seconds)
    assert (moment.tzinfo, moment.microsecond) == (UTC, 0)
    _, request = page(PAGE, asked=Range(moment, moment))
    assert dict(sent(request))["updated_after"] == str(seconds)
    assert dict(sent(request))["updated_before"] == str(seconds)
