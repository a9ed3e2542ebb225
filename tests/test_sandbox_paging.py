"""How v3's lists are walked, and every way in which they may mislead who walks them."""

from datetime import timedelta
from urllib.parse import quote

import pytest

from devin_warehouse.sandbox import Faults, World
from tests.api.client import NOW, Api, ApiV3, ids_of

LIST = ApiV3.LIST
BULK = f"{LIST}/insights"
LISTS = (LIST, BULK)
ORDERS = ("created_desc", "updated_asc", "updated_desc")
CURSORS = ("keyset", "offset")


@pytest.fixture
def world():
    return World(1, 150, now=NOW)


def one(session_id):
    return f"{LIST}/devin-{session_id}/insights"


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("cursor", CURSORS)
@pytest.mark.parametrize("first", [1, 7, 39, 40, 200])
def test_walking_the_pages_gives_every_session_once(order, cursor, first):
    world = World(1, 40, now=NOW)
    pages = ApiV3(world, Faults(order=order, cursor=cursor)).walk(first)
    assert sorted(ids_of(*pages)) == sorted(world.sessions)
    assert {page["total"] for page in pages} == {40}
    assert [page["has_next_page"] for page in pages] == [True] * (len(pages) - 1) + [False]
    assert pages[-1]["end_cursor"] is None


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("cursor", CURSORS)
def test_sessions_of_one_instant_are_walked_once_too(world, order, cursor):
    shared = world.same_instant(40)
    pages = ApiV3(world, Faults(order=order, cursor=cursor)).walk(9, session_ids=shared)
    assert sorted(ids_of(*pages)) == sorted(shared)


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    ("order", "key", "is_descending"),
    [
        ("created_desc", "created_at", True),
        ("updated_asc", "updated_at", False),
        ("updated_desc", "updated_at", True),
    ],
)
def test_orders(world, path, order, key, is_descending):
    items = ApiV3(world, Faults(order=order)).page(path, first=200)["items"]
    times = [each[key] for each in items]
    assert times == sorted(times, reverse=is_descending)


@pytest.mark.parametrize("cursor", CURSORS)
def test_tokens_are_not_safe_in_a_url(world, cursor):
    """A client that does not encode them is found out."""
    for page in ApiV3(world, Faults(cursor=cursor)).walk(20)[:-1]:
        assert quote(page["end_cursor"], safe="") != page["end_cursor"]


def test_rows_shift_under_an_offset_but_not_behind_a_key(world):
    """New sessions come first: an offset then tells of some again."""

    def told(cursor):
        api = ApiV3(world, Faults(cursor=cursor))
        page = api.page(first=50)
        world.add(created_at=NOW + timedelta(days=len(world.sessions)))
        return len(set(ids_of(page, api.page(first=50, after=page["end_cursor"]))))

    assert (told("keyset"), told("offset")) == (100, 99)


def test_churn_shifts_rows_under_an_offset_but_not_behind_a_key():
    """Updated sessions leave their place: an offset then passes over those that follow."""

    def missed(cursor):
        world = World(1, 150, now=NOW)
        api = ApiV3(world, Faults(cursor=cursor, order="updated_asc", churn=5))
        return set(world.sessions) - set(ids_of(*api.walk(20)))

    assert missed("offset")
    assert not missed("keyset")


@pytest.mark.parametrize("order", ORDERS)
def test_a_key_goes_on_where_its_row_has_gone(world, order):
    api = ApiV3(world, Faults(order=order))
    everything = api.ids()
    page = api.page(first=10)
    world.delete(everything[9])
    rest = api.walk(200, after=page["end_cursor"])
    assert ids_of(*rest) == everything[10:]


@pytest.mark.parametrize("path", LISTS)
def test_churn_updates_sessions_after_every_list_answer(world, path):
    api = ApiV3(world, Faults(churn=4))
    assert api.page(path, updated_after=int(NOW.timestamp()) + 1)["total"] == 0
    assert sum(s.updated_at > NOW for s in world.sessions.values()) == 4


def test_totals():
    def totals(total, count):
        world = World(1, 150, now=NOW)
        api = ApiV3(world, Faults(total=total, churn=20))
        # In whole seconds, updates of this very second are beyond the end.
        before = int(NOW.timestamp())
        pages = [api.page(updated_before=before) for _ in range(count)]
        fewer = sum(s.updated_at.timestamp() < before for s in world.sessions.values())
        return [page["total"] for page in pages], fewer

    exact, fewer = totals("exact", 3)
    assert exact[0] == 150 > exact[1] > exact[2] > fewer
    assert totals("null", 2)[0] == [None, None]
    assert totals("late", 3) == ([*exact[1:], fewer], fewer)
    assert totals("lagging", 3)[0] == [150, *exact[:2]]
    assert totals("capped:100", 2)[0] == [100, 100]


def test_a_total_may_be_told_on_the_first_page_only(world):
    pages = ApiV3(world, Faults(total_on="first")).walk(60)
    assert [page["total"] for page in pages] == [150, None, None]


def test_a_page_cap_gives_fewer_rows(world):
    pages = ApiV3(world, Faults(page_cap=40)).walk(100)
    assert [len(page["items"]) for page in pages] == [40, 40, 40, 30]


def test_a_repeated_token(world):
    """Every page claims another one, and names the same token for it."""
    api = ApiV3(world, Faults(token_fault="repeated"))
    pages = [api.page(first=100)]
    for _ in range(3):
        pages.append(api.page(first=100, after=pages[-1]["end_cursor"]))
    assert {page["has_next_page"] for page in pages} == {True}
    assert len({page["end_cursor"] for page in pages}) == 1
    assert [len(page["items"]) for page in pages] == [100, 50, 50, 50]
    assert api.page(first=200)["has_next_page"] is True


def test_a_missing_token(world):
    """Only where the listing is longer than a page."""
    api = ApiV3(world, Faults(token_fault="null"))
    page = api.page(first=100)
    assert (page["has_next_page"], page["end_cursor"]) == (True, None)
    page = api.page(first=150)
    assert (page["has_next_page"], page["end_cursor"]) == (False, None)


def test_an_ignored_token(world):
    """The first page each time, as when the parameter had another name."""
    api = ApiV3(world, Faults(token_fault="ignored"))
    page = api.page(first=100)
    assert api.page(first=100, after=page["end_cursor"]) == page


def test_ignored_filters_are_still_validated(world):
    late = int(NOW.timestamp()) + 86_400
    for faults, ignoring in (
        (Faults(ignore_updated_filter=True), {LIST, BULK}),
        (Faults(ignore_updated_filter_insights=True), {BULK}),
    ):
        api = ApiV3(world, faults)
        for path in LISTS:
            total = api.page(path, updated_after=late)["total"]
            assert total == (150 if path in ignoring else 0)
            assert api.ask("GET", path, params={"updated_after": "x"}).status_code == 422
            assert api.page(path, created_after=late)["total"] == 0


@pytest.mark.parametrize("client", [Api, ApiV3])
def test_session_ids_may_be_ignored(world, client):
    api = client(world, Faults(ignore_session_ids=True))
    assert len(api.ids(session_ids="nobody")) == 150


@pytest.mark.parametrize("client", [Api, ApiV3])
@pytest.mark.parametrize(("form", "matches"), [("bare", "b"), ("prefixed", "p"), ("both", "bp")])
def test_session_ids_match_one_form_or_both(world, client, form, matches):
    api = client(world, Faults(session_ids_form=form))
    bare, prefixed = list(world.sessions)[:2]
    found = api.ids(session_ids=[bare, f"devin-{prefixed}"])
    assert set(found) == {{"b": bare, "p": prefixed}[each] for each in matches}


@pytest.mark.parametrize("client", [Api, ApiV3])
def test_too_many_session_ids_answer_422(world, client):
    api = client(world, Faults(session_ids_limit=3))
    ids = list(world.sessions)[:4]
    assert len(api.ids(session_ids=ids[:3])) == 3
    answer = api.ask("GET", client.LIST, params={"session_ids": ids})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "session_ids"]


def test_a_share_of_the_sessions_is_visible(world):
    """The same in both versions, in lists and by id; a larger share adds to a smaller."""
    api = ApiV3(world, Faults(visible_share=0.4))
    v2 = Api(world, api.faults)
    visible = set(api.ids())
    assert 40 <= len(visible) <= 80
    assert set(api.ids(BULK)) == set(v2.ids()) == visible
    assert api.page()["total"] == len(visible)
    for session_id in world.sessions:
        status = 200 if session_id in visible else 404
        assert api.ask("GET", one(session_id)).status_code == status
    hidden = next(iter(world.sessions.keys() - visible))
    assert v2.ask("GET", f"/v2/enterprise/sessions/{hidden}").status_code == 404
    api.faults.visible_share = 0.7
    assert visible < set(api.ids()) < world.sessions.keys()
    api.faults.visible_share = 1
    assert set(api.ids()) == world.sessions.keys()


@pytest.mark.parametrize("answer", ["404", "405", "422", "400", "403", "no_items"])
def test_there_may_be_no_list_of_insights(world, answer):
    api = ApiV3(world, Faults(bulk_insights=answer))
    told = api.ask("GET", BULK)
    assert told.status_code == (200 if answer == "no_items" else int(answer))
    assert "items" not in told.json()
    assert len(api.ids()) == 150
    assert api.ask("GET", one(next(iter(world.sessions)))).status_code == 200


def test_endpoints_may_be_refused(world):
    names = {
        "sessions": LIST,
        "insights": BULK,
        "session_insights": one(next(iter(world.sessions))),
    }
    for name in names:
        api = ApiV3(world, Faults(refused=(name,)))
        for other, path in names.items():
            answer = api.ask("GET", path)
            assert answer.status_code == (403 if other == name else 200)
            if other == name:
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.json().keys() == {"title", "status", "detail"}
                assert answer.json()["title"] == "Forbidden"


def test_a_share_of_the_insights_always_fails_by_id():
    """Which ones follows from their ids and the seed; the list tells them all."""

    world = World(1, 60, now=NOW)

    def failing(seed):
        api = ApiV3(world, Faults(failing_insights=0.3, seed=seed))
        assert len(api.ids(BULK)) == 60
        answers = {each: api.ask("GET", one(each)).status_code for each in world.sessions}
        assert set(answers.values()) == {200, 500}
        return {each for each, status in answers.items() if status == 500}

    assert failing(1) == failing(1) != failing(2)
    assert 8 <= len(failing(1)) <= 28
