"""Views of sessions, their families and durations: rows in, rows out, worked out by hand."""

from __future__ import annotations

import pytest

from tests.rows import PR1, PR2, PR3, database, insights, listed, rows_of, session, values_of

NOTHING_LISTED = {
    "pull_requests_count": 0,
    "open_pull_requests_count": 0,
    "merged_pull_requests_count": 0,
    "closed_pull_requests_count": 0,
    "is_productive": False,
    "issues_count": 0,
    "action_items_count": 0,
    "feedback_items_count": 0,
}


def test_a_session_of_which_nothing_is_known():
    """Flags are false and counts 0, not NULL; it is its own root."""
    (row,) = rows_of("sessions", sessions=[session("a", None)])
    told = {name: value for name, value in row.items() if value is not None}
    assert told == {
        "session_id": "a",
        "has_analysis": False,
        "is_terminal": False,
        "is_finished": False,
        "is_human": False,
        "root_session_id": "a",
        "is_deleted": False,
        **NOTHING_LISTED,
    }


SESSION = {
    "session_id": "a",
    "org_id": "org-1",
    "user_id": "user-1",
    "service_user_id": "service-1",
    "title": "NUL \x00, \u202eright to left, 👩‍👧",
    "url": "https://app.devin.ai/sessions/a",
    "status": "exit",
    "status_detail": "finished",
    "origin": "slack",
    "category": "bug_fixing",
    "subcategory": "Bugs",
    "playbook_id": "playbook-1",
    "parent_session_id": "somebody else's",
    "is_archived": True,
    "acus_consumed": 2.5,
    "created_at": "2026-01-05 23:59:59",
    "updated_at": "2026-01-06 00:00:00.500000",
    "structured_output": '{"a": 1}',
    "api_version": "v3",
    "extra": '{"b": 2}',
}


def test_a_session_of_which_everything_is_known():
    """All of devin.sessions, its prompt, its insights' numbers, and what its lists hold."""
    (row,) = rows_of(
        "sessions",
        sessions=[SESSION],
        session_prompts=[{"session_id": "a", "initial_user_message": "Fix\x00it"}],
        insights=insights("a", session_size="m", num_user_messages=3, num_devin_messages=7),
        session_pull_requests=listed("a", (PR1, "open"), (PR2, "merged"), (PR3, "closed")),
        insight_issues=[{"session_id": "a"}] * 3,
        insight_action_items=[{"session_id": "a"}] * 2,
        insight_feedback_items=[{"session_id": "a"}] * 4,
        organizations=[{"org_id": "org-1", "name": "Acme"}],
        users=[{"user_id": "user-1", "name": "Ada"}],
        deleted_sessions=[{"session_id": "a"}],
    )
    assert row == SESSION | {
        "org_name": "Acme",
        "user_name": "Ada",
        "initial_user_message": "Fix\x00it",
        "session_size": "m",
        "num_user_messages": 3,
        "num_devin_messages": 7,
        "has_analysis": True,
        "created_date": "2026-01-05",
        "duration_seconds": 1.5,
        "is_terminal": True,
        "is_finished": True,
        "is_human": True,
        "pull_requests_count": 3,
        "open_pull_requests_count": 1,
        "merged_pull_requests_count": 1,
        "closed_pull_requests_count": 1,
        "is_productive": True,
        "issues_count": 3,
        "action_items_count": 2,
        "feedback_items_count": 4,
        "root_session_id": "a",
        "is_deleted": True,
    }


def test_what_ends_and_what_finishes_a_session():
    """Exit and error end it; exit, rest, a user's request or `finished` while running finish it."""
    cases = [
        ("exit", None, True, True),
        ("exit", "error", True, True),
        ("error", None, True, False),
        ("error", "finished", True, False),
        ("suspended", "inactivity", False, True),
        ("suspended", "user_request", False, True),
        ("suspended", "finished", False, False),
        ("suspended", "out_of_credits", False, False),
        ("suspended", None, False, False),
        ("running", "finished", False, True),
        ("running", "inactivity", False, False),
        ("running", None, False, False),
        ("resuming", "finished", False, False),
        ("hibernating", "finished", False, False),
        (None, "finished", False, False),
    ]
    sessions = [
        session(f"{number:02}", status=status, status_detail=detail)
        for number, (status, detail, _, _) in enumerate(cases)
    ]
    shown = values_of("sessions", "status status_detail is_terminal is_finished", sessions=sessions)
    assert shown == cases


def test_who_is_human():
    """A user is set, and the origin is none of the three that no person is behind."""
    cases = [
        ("user-1", "webapp", True),
        ("user-1", "invented later", True),
        ("user-1", None, True),
        ("user-1", "automation", False),
        ("user-1", "scheduled", False),
        ("user-1", "code_scan", False),
        (None, "webapp", False),
        (None, None, False),
    ]
    sessions = [
        session(str(number), user_id=user_id, origin=origin, service_user_id="service-1")
        for number, (user_id, origin, _) in enumerate(cases)
    ]
    assert values_of("sessions", "user_id origin is_human", sessions=sessions) == cases


def test_a_session_s_list_of_pull_requests_is_counted_as_it_stands():
    """One that stands there twice counts twice; states in any case; others only in the sum."""
    names = "session_id pull_requests_count open_pull_requests_count merged_pull_requests_count "
    assert values_of(
        "sessions",
        names + "closed_pull_requests_count is_productive",
        sessions=[session("a"), session("b")],
        session_pull_requests=[
            *listed("a", (PR1, "open"), (PR1, "Merged"), (PR1, "MERGED"), (PR2, "draft")),
            *listed("b", (PR2, "Open"), (PR3, "CLOSED"), (PR3, None), (None, None)),
        ],
    ) == [("a", 4, 1, 2, 0, True), ("b", 4, 1, 0, 1, False)]


def test_names_stand_for_ids_and_ids_for_missing_names():
    """One user of three is named, with an organization that nobody named."""
    assert values_of(
        "sessions",
        "session_id org_id org_name user_id user_name duration_seconds",
        sessions=[
            session("a", org_id="org-1", user_id="user-1", updated_at="2026-01-05 09:59"),
            session("b", user_id="user-2"),
            session("c", user_id="user-3"),
        ],
        users=[
            {"user_id": "user-1", "name": "Ada"},
            {"user_id": "user-2", "email": "b@acme.example"},
        ],
    ) == [
        ("a", "org-1", "org-1", "user-1", "Ada", -60.0),
        ("b", None, None, "user-2", "user-2", None),
        ("c", None, None, "user-3", "user-3", None),
    ]


def families(parents, acus=(), lists=()):
    """Families by root: sessions, own and family ACUs, pull requests, merged ones, depth."""
    used = dict(acus)
    sessions = [
        session(child, parent_session_id=parent, acus_consumed=used.get(child))
        for child, parent in parents.items()
    ]
    listings = [row for rows in lists for row in rows]
    with database(
        ["session_families", "sessions"], sessions=sessions, session_pull_requests=listings
    ) as connection:
        rows = connection.execute("FROM analytics.session_families").fetchall()
        roots = connection.execute("SELECT session_id, root_session_id FROM analytics.sessions")
        return {root: tuple(told) for root, *told in rows}, dict(roots.fetchall())


def test_a_chain_of_five_is_a_family():
    """The root is who nobody started; below it are four generations and a sibling."""
    parents = {"e": "d", "d": "c", "c": "b", "b": "a", "a": None, "sibling": "a", "alone": None}
    found, roots = families(parents, {"a": 1, "b": 2, "c": 4, "d": 8, "e": 16, "sibling": 0.5})
    assert found == {"a": (6, 1, 31.5, 0, 0, 4), "alone": (1, 0, 0, 0, 0, 0)}
    assert roots == {**dict.fromkeys(["a", "b", "c", "d", "e", "sibling"], "a"), "alone": "alone"}


def test_a_family_s_pull_requests_are_different_ones():
    """One of parent and child, merged as one says; one twice in a list; ACUs of any sign."""
    found, _ = families(
        {"a": "missing", "b": "a", "c": "a"},
        {"a": None, "b": -1.5, "c": 0},
        [
            listed("a", (PR1, "open"), (PR2, "closed"), (None, "merged")),
            listed("b", (PR1, "merged"), (PR3, "open"), (PR3, "Merged")),
            listed("c", (PR1, "merged")),
        ],
    )
    assert found == {"a": (3, 0, -1.5, 3, 2, 1)}


@pytest.mark.parametrize(
    ("parents", "roots", "depths"),
    [
        ({"a": "a"}, {"a": "a"}, {"a": 0}),
        ({"a": "b", "b": "a"}, {"a": "a", "b": "a"}, {"a": 1}),
        ({"c": "b", "b": "d", "d": "c"}, dict.fromkeys("bcd", "b"), {"b": 2}),
        (
            {"c": "d", "d": "b", "b": "c", "x": "c", "a": "x", "free": None},
            {**dict.fromkeys("abcdx", "b"), "free": "free"},
            {"b": 4, "free": 0},
        ),
        ({"a": "", "b": "gone", "c": "b"}, {"a": "a", "b": "b", "c": "b"}, {"a": 0, "b": 1}),
        ({"b": "b", "a": "b"}, {"a": "b", "b": "b"}, {"b": 1}),
        (
            {"a": "b", "b": "a", "c": "d", "d": "c"},
            dict(zip("abcd", "aacc", strict=True)),
            {"a": 1, "c": 1},
        ),
    ],
    ids=[
        "itself",
        "two",
        "three",
        "three with a tail",
        "missing",
        "itself with a tail",
        "two twice",
    ],
)
def test_a_circle_is_cut_at_its_smallest_id(parents, roots, depths):
    """Also where a smaller id hangs below it; a missing parent makes a root."""
    found, found_roots = families(parents)
    assert found_roots == roots
    assert {root: told[-1] for root, told in found.items()} == depths


def finished(session_id, created_at, seconds, **columns):
    minutes, rest = divmod(seconds, 60)
    updated_at = f"{created_at[:14]}{int(created_at[14:16]) + minutes:02}:{rest:02}"
    return session(session_id, created_at, status="exit", updated_at=updated_at, **columns)


def test_durations_of_finished_sessions_by_week_and_category():
    """Weeks begin on Monday; median and 90th percentile lie between the values; others wait."""
    monday = [10, 20, 30, 40, 50, 70]
    assert rows_of(
        "session_durations_weekly",
        sessions=[
            *(finished(f"a{s}", "2026-01-05 00:00", s, category="refactoring") for s in monday),
            finished("b", "2026-01-11 23:58", 60),
            finished("c", "2026-01-12 00:00", 0),
            session("d", "2026-01-05 00:00", status="error", updated_at="2026-01-05 09:00"),
            session("e", "2026-01-05 00:00", status="running", updated_at="2026-01-05 09:00"),
        ],
    ) == [
        {
            "week": "2026-01-05",
            "category": "refactoring",
            "sessions_count": 6,
            "median_seconds": 35.0,
            "p90_seconds": 60.0,
        },
        {
            "week": "2026-01-05",
            "category": None,
            "sessions_count": 1,
            "median_seconds": 60.0,
            "p90_seconds": 60.0,
        },
        {
            "week": "2026-01-12",
            "category": None,
            "sessions_count": 1,
            "median_seconds": 0.0,
            "p90_seconds": 0.0,
        },
    ]
