"""Views of usage, ACUs and adoption: rows in, rows out, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rows import PR1, PR2, PR3, days, listed, rows_of, run_until, session, values_of

ACME = [{"org_id": "org-1", "name": "Acme"}]


def flat(*lists):
    return [row for rows in lists for row in rows]


def test_usage_of_a_day_is_that_of_the_sessions_created_then():
    """To date, deleted ones too; a shared pull request counts in each row, first in one only."""
    in_acme = {"org_id": "org-1"}
    rows = rows_of(
        "usage_daily",
        sessions=[
            session("a", "2026-01-05 00:00", **in_acme, user_id="ada", acus_consumed=2.5),
            session("b", "2026-01-05 12:00", **in_acme, user_id="cleo", origin="scheduled"),
            session("c", "2026-01-05 23:59:59", **in_acme, user_id="ada", acus_consumed=0),
            session("d", "2026-01-07 00:00", **in_acme, user_id="bob", acus_consumed=-1),
        ],
        session_pull_requests=flat(
            listed("a", (PR1, "merged"), (PR2, "open")),
            listed("c", (PR1, "merged")),
            listed("d", (PR1, "merged"), (PR3, "closed")),
        ),
        organizations=ACME,
        deleted_sessions=[{"session_id": "a"}],
    )
    assert rows == [
        {
            "created_date": "2026-01-05",
            "org_id": "org-1",
            "org_name": "Acme",
            "sessions_count": 3,
            "human_sessions_count": 2,
            "active_users_count": 1,
            "acus_consumed": 2.5,
            "sessions_with_pr_count": 2,
            "sessions_with_merged_pr_count": 2,
            "pull_requests_count": 2,
            "merged_pull_requests_count": 1,
            "merged_pull_requests_first_count": 1,
        },
        {
            "created_date": "2026-01-07",
            "org_id": "org-1",
            "org_name": "Acme",
            "sessions_count": 1,
            "human_sessions_count": 1,
            "active_users_count": 1,
            "acus_consumed": -1.0,
            "sessions_with_pr_count": 1,
            "sessions_with_merged_pr_count": 1,
            "pull_requests_count": 2,
            "merged_pull_requests_count": 1,
            "merged_pull_requests_first_count": 0,
        },
    ]


COUNTS = (
    "sessions_count human_sessions_count acus_consumed sessions_with_pr_count "
    "sessions_with_merged_pr_count pull_requests_count merged_pull_requests_count "
    "merged_pull_requests_first_count"
)


def test_a_pull_request_merged_by_a_later_session_counts_as_first_for_the_earlier():
    """Distinct counts look at the row's own sessions, first counts at the whole warehouse."""
    assert values_of(
        "usage_daily",
        "created_date sessions_with_merged_pr_count merged_pull_requests_count "
        "merged_pull_requests_first_count",
        sessions=[session("b", "2026-01-05"), session("a", "2026-01-06")],
        session_pull_requests=flat(listed("b", (PR1, "open")), listed("a", (PR1, "Merged"))),
    ) == [("2026-01-05", 0, 0, 1), ("2026-01-06", 1, 1, 0)]


def test_usage_without_user_organization_day_or_pull_request():
    """What is not known makes a row of its own; a pull request twice in one list is one."""
    assert values_of(
        "usage_daily",
        f"created_date org_id org_name active_users_count {COUNTS}",
        sessions=[
            session("a"),
            session("b", org_id="org-2", service_user_id="service-1"),
            session("c", None, user_id="ada", acus_consumed=3),
        ],
        session_pull_requests=flat(
            listed("b", (PR1, "open"), (PR1, "merged"), (None, "open"), ("", "open")),
            listed("c", (PR2, "open"), (PR2, "closed"), (PR1, "open")),
        ),
    ) == [
        ("2026-01-05", "org-2", "org-2", 0, 1, 0, 0.0, 1, 1, 2, 1, 1),
        ("2026-01-05", None, None, 0, 1, 0, 0.0, 0, 0, 0, 0, 0),
        (None, None, None, 1, 1, 1, 3.0, 1, 0, 2, 0, 0),
    ]


def test_usage_by_month_and_actor():
    """A session's actor is its user, else its service user, else unknown."""
    in_acme = {"org_id": "org-1"}
    by_ada = {"user_id": "ada", "service_user_id": "service-1"}
    assert values_of(
        "usage_monthly_by_user",
        f"month org_id org_name actor_type actor_id {COUNTS}",
        sessions=[
            session("a", "2026-01-01 00:00", **in_acme, **by_ada, acus_consumed=1),
            session("b", "2026-01-31 23:59", **in_acme, service_user_id="ada", acus_consumed=2),
            session("c", "2026-01-15 00:00", **in_acme),
            session("d", "2026-02-01 00:00", **in_acme, user_id="ada", acus_consumed=0),
            session("e", "2026-01-15 00:00", org_id="org-2", user_id="ada", acus_consumed=-1),
        ],
        session_pull_requests=flat(
            listed("a", (PR1, "open")), listed("b", (PR1, "merged")), listed("d", (PR2, "merged"))
        ),
        organizations=ACME,
        deleted_sessions=[{"session_id": "d"}],
    ) == [
        ("2026-01-01", "org-1", "Acme", "service_user", "ada", 1, 0, 2.0, 1, 1, 1, 1, 0),
        ("2026-01-01", "org-1", "Acme", "unknown", None, 1, 0, 0.0, 0, 0, 0, 0, 0),
        ("2026-01-01", "org-1", "Acme", "user", "ada", 1, 1, 1.0, 1, 0, 1, 0, 1),
        ("2026-01-01", "org-2", "org-2", "user", "ada", 1, 1, -1.0, 0, 0, 0, 0, 0),
        ("2026-02-01", "org-1", "Acme", "user", "ada", 1, 1, 0.0, 1, 1, 1, 1, 1),
    ]


def test_usage_of_a_month_that_nothing_is_known_of():
    """A pull request that two sessions of nobody share is one, also there."""
    assert values_of(
        "usage_monthly_by_user",
        f"month org_id org_name actor_type actor_id {COUNTS}",
        sessions=[session("a", None), session("b", None), session("c", acus_consumed=1)],
        session_pull_requests=flat(
            listed("a", (PR1, "merged")), listed("b", (PR1, "merged")), listed("c", (PR1, "open"))
        ),
    ) == [
        ("2026-01-01", None, None, "unknown", None, 1, 0, 1.0, 1, 0, 1, 0, 1),
        (None, None, None, "unknown", None, 2, 0, 0.0, 2, 2, 1, 1, 0),
    ]


def versions(**sessions):
    """States of sessions: when they were seen, with which ACUs."""
    return [
        {"session_id": session_id, "observed_at": at, "acus_consumed": acus}
        for session_id, states in sessions.items()
        for at, acus in states
    ]


SEEN = versions(
    a=[
        ("2026-01-03 00:00", 2.0),
        ("2026-01-01 23:00", 1.0),
        ("2026-01-02 06:00", 2.5),
        ("2026-01-02 06:00", 3.0),
        ("2026-01-02 06:00", None),
        ("2026-01-02 18:00", None),
        ("2026-01-02 20:00", 3.0),
    ],
    b=[("2026-01-02 06:00", 5.0), ("2026-01-03 23:59:59", 5.25)],
    c=[("2026-01-03 12:00", 0.0), ("2026-01-03 13:00", 0.5)],
)


def test_acus_grow_in_steps_from_one_sight_to_the_next():
    """Of several states at once the greatest; 0 at first sight; less is a step back."""
    assert values_of(
        "acu_accrual", "session_id observed_at acus_consumed step", session_versions=SEEN
    ) == [
        ("a", "2026-01-01 23:00:00", 1.0, 0.0),
        ("a", "2026-01-02 06:00:00", 3.0, 2.0),
        ("a", "2026-01-02 20:00:00", 3.0, 0.0),
        ("a", "2026-01-03 00:00:00", 2.0, -1.0),
        ("b", "2026-01-02 06:00:00", 5.0, 0.0),
        ("b", "2026-01-03 23:59:59", 5.25, 0.25),
        ("c", "2026-01-03 12:00:00", 0.0, 0.0),
        ("c", "2026-01-03 13:00:00", 0.5, 0.5),
    ]


def test_steps_by_day_of_observation():
    """Not by the day on which the session was created; days on which nothing was seen have none."""
    assert rows_of(
        "acu_daily",
        sessions=[session("a", org_id="org-1"), session("b", org_id="org-1"), session("c")],
        session_versions=SEEN,
        organizations=ACME,
    ) == [
        {"date": "2026-01-01", "org_id": "org-1", "org_name": "Acme", "acus_observed": 0.0},
        {"date": "2026-01-02", "org_id": "org-1", "org_name": "Acme", "acus_observed": 2.0},
        {"date": "2026-01-03", "org_id": "org-1", "org_name": "Acme", "acus_observed": -0.75},
        {"date": "2026-01-03", "org_id": None, "org_name": None, "acus_observed": 0.5},
    ]


USERS = "dau wau mau new_users_count returning_users_count stickiness"


def adoption(watermark, *sessions, columns=USERS, **tables):
    """Rows by organization, None for all, each in the order of days."""
    names = f"date org_id org_name {columns}"
    runs = [run_until(watermark)]
    rows = values_of("adoption_daily", names, sessions=sessions, load_runs=runs, **tables)
    by_organization: dict[str | None, dict[str, tuple[Any, ...]]] = {}
    for day, organization, _, *told in rows:
        by_organization.setdefault(organization, {})[day] = tuple(told)
    assert len(rows) == sum(map(len, by_organization.values()))
    return by_organization


def test_somebody_counts_for_seven_days_as_weekly_and_for_28_as_monthly():
    """The day itself included; every day up to the watermark's has a row, in each organization."""
    found = adoption(
        "2026-02-01 00:00",
        session("a", "2026-01-01 12:00", org_id="org-1", user_id="ada"),
    )
    counts = [
        (1, 1, 1, 1, 0, 1.0),
        *[(0, 1, 1, 0, 0, 0.0)] * 6,
        *[(0, 0, 1, 0, 0, 0.0)] * 21,
        *[(0, 0, 0, 0, 0, None)] * 4,
    ]
    expected = dict(zip(days("2026-01-01", 32), counts, strict=True))
    assert found == {"org-1": expected, None: expected}


@pytest.mark.parametrize(
    ("again", "weekly", "monthly"),
    [
        ("2026-01-05", [1] * 11 + [0] * 24, [1] * 32 + [0] * 3),
        ("2026-01-08", [1] * 14 + [0] * 21, [1] * 35),
        ("2026-01-09", [1] * 7 + [0] + [1] * 7 + [0] * 20, [1] * 35),
        ("2026-01-29", [1] * 7 + [0] * 21 + [1] * 7, [1] * 35),
        ("2026-01-30", [1] * 7 + [0] * 22 + [1] * 6, [1] * 28 + [0] + [1] * 6),
    ],
)
def test_somebody_who_comes_again_is_counted_once(again, weekly, monthly):
    """However the seven and the 28 days of both days overlap, touch, or leave a gap."""
    found = adoption(
        "2026-02-04 12:00",
        session("a", "2026-01-01", user_id="ada"),
        session("b", again, user_id="ada"),
        session("c", again, user_id="ada"),
        columns="wau mau",
    )
    expected = zip(days("2026-01-01", 35), zip(weekly, monthly, strict=True), strict=True)
    assert found == {None: dict(expected)}


def test_somebody_is_new_once_over_all_organizations():
    """In the organization and on the day of the first human session; at a tie, by session id."""
    found = adoption(
        "2026-01-03 23:00",
        session("0", "2026-01-01 08:00", org_id="org-2", user_id="ada", origin="automation"),
        session("a", "2026-01-01 09:00", org_id="org-1", user_id="ada"),
        session("b", "2026-01-02 09:00", org_id="org-1", user_id="ada"),
        session("c", "2026-01-02 10:00", org_id="org-2", user_id="ada"),
        session("e", "2026-01-02 09:00", org_id="org-1", user_id="bob"),
        session("d", "2026-01-02 09:00", org_id="org-2", user_id="bob"),
        session("f", "2026-01-03 09:00", org_id="org-2", user_id="bob"),
        session("g", "2026-01-03 10:00", org_id="org-2", user_id="cleo"),
        session("h", "2026-01-03 11:00", org_id="org-2", user_id="cleo"),
        deleted_sessions=[{"session_id": "g"}],
    )
    first, second, third = days("2026-01-01", 3)
    assert found == {
        "org-1": {
            first: (1, 1, 1, 1, 0, 1.0),
            second: (2, 2, 2, 0, 2, 1.0),
            third: (0, 2, 2, 0, 0, 0.0),
        },
        "org-2": {
            first: (0, 0, 0, 0, 0, None),
            second: (2, 2, 2, 1, 1, 1.0),
            third: (2, 3, 3, 1, 1, 2 / 3),
        },
        None: {
            first: (1, 1, 1, 1, 0, 1.0),
            second: (2, 2, 2, 1, 1, 1.0),
            third: (2, 3, 3, 1, 1, 2 / 3),
        },
    }


def test_days_run_from_anybody_s_first_session_to_the_watermark():
    """Also for an organization without people; who is in no organization counts in all of them."""
    rows = values_of(
        "adoption_daily",
        f"date org_id org_name {USERS}",
        sessions=[
            session("a", "2026-01-01 23:59", org_id="org-1", service_user_id="service-1"),
            session("b", "2026-01-03 00:00", user_id="ada"),
            session("c", "2026-01-04 00:00", user_id="late"),
        ],
        load_runs=[run_until("2026-01-03 00:00")],
        organizations=ACME,
    )
    nobody = (0, 0, 0, 0, 0, None)
    assert rows == [
        ("2026-01-01", "org-1", "Acme", *nobody),
        ("2026-01-01", None, None, *nobody),
        ("2026-01-02", "org-1", "Acme", *nobody),
        ("2026-01-02", None, None, *nobody),
        ("2026-01-03", "org-1", "Acme", *nobody),
        ("2026-01-03", None, None, 1, 1, 1, 1, 0, 1.0),
    ]


@pytest.mark.parametrize(
    ("runs", "last"),
    [
        ([run_until("2026-01-03", scope="one"), run_until("2026-01-02", scope="other")], 3),
        ([run_until("2026-01-03", mode="backfill"), run_until("2026-01-02")], 2),
        ([run_until("2026-01-03", mode="narrowed")], 4),
        ([], 4),
    ],
)
def test_days_end_where_the_furthest_scope_has_been_read_to(runs, last):
    """Where none has been read whole, with the last update that is known."""
    sessions = [
        session("a", "2026-01-01", updated_at="2026-01-04 12:00"),
        session("b", "2026-01-01", updated_at="2026-01-01 12:00"),
    ]
    shown = values_of("adoption_daily", "date", sessions=sessions, load_runs=runs)
    assert [day for (day,) in shown] == days("2026-01-01", last)
