"""Views of outcomes: rows in, rows out, worked out by hand."""

from __future__ import annotations

import pytest

from tests.rows import PR1, PR2, insights, listed, rows_of, run_until, session, values_of

WEB1 = "https://github.com/acme/web/pull/1"
SHARED = f"{PR1}?shared"
COUNTS = (
    "sessions_count acus_consumed sessions_with_pr_count sessions_with_merged_pr_count "
    "session_merge_rate pull_requests_count merged_pull_requests_count "
    "acus_per_merged_pull_request acus_without_merged_pr"
)


def flat(*lists):
    return [row for rows in lists for row in rows]


def outcomes(dimension, **tables):
    """The rows of a dimension, by value."""
    rows = values_of("outcomes_by_dimension", f"dimension value {COUNTS}", **tables)
    return {value: tuple(told) for name, value, *told in rows if name == dimension}


def test_every_session_is_in_every_dimension():
    """At '(none)' where it has no value, at each once where it has several; ids have names."""
    shown = rows_of(
        "outcomes_by_dimension",
        sessions=[
            session("a"),
            session(
                "b",
                category="bug_fixing",
                origin="slack",
                playbook_id="playbook-1",
                status="exit",
                org_id="org-1",
                user_id="ada",
            ),
        ],
        insights=insights("b", session_size="m"),
        session_tags=[
            {"session_id": "b", "tag": tag} for tag in ("red", "red", "org-1", "\x00 🦦")
        ],
        insight_programming_languages=[
            {"session_id": "b", "programming_language": language} for language in ("Go", "C", "Go")
        ],
        session_pull_requests=listed("b", (PR1, "open")),
        organizations=[{"org_id": "org-1", "name": "Acme"}],
        users=[{"user_id": "ada", "name": "Ada"}, {"user_id": "bob", "name": "Bob"}],
    )
    found = {(row["dimension"], row["value"], row["value_name"]) for row in shown}
    dimensions = ["category", "origin", "playbook", "session_size", "status", "org", "user", "tag"]
    assert found == {
        *((name, "(none)", "(none)") for name in dimensions),
        ("programming_language", "(none)", "(none)"),
        ("repository", "(none)", "(none)"),
        ("category", "bug_fixing", "bug_fixing"),
        ("origin", "slack", "slack"),
        ("playbook", "playbook-1", "playbook-1"),
        ("session_size", "m", "m"),
        ("status", "exit", "exit"),
        ("org", "org-1", "Acme"),
        ("user", "ada", "Ada"),
        ("tag", "red", "red"),
        ("tag", "org-1", "org-1"),
        ("tag", "\x00 🦦", "\x00 🦦"),
        ("programming_language", "Go", "Go"),
        ("programming_language", "C", "C"),
        ("repository", "acme/ledger", "acme/ledger"),
    }
    assert [row["sessions_count"] for row in shown] == [1] * 23


def test_what_came_of_the_sessions_of_a_value():
    """Without a merge ratios are NULL; a shared pull request is one, merged as its own row says."""
    assert outcomes(
        "category",
        sessions=[
            session("a", category="nothing"),
            session("b", category="no merge", acus_consumed=0),
            session("c", category="no merge", acus_consumed=-1.5),
            session("d", category="merges", acus_consumed=3),
            session("e", "2026-02-05", category="merges", acus_consumed=1),
            session("f", category="merges", acus_consumed=2),
            session("g", category="shares", acus_consumed=4),
        ],
        session_pull_requests=flat(
            listed("c", (PR2, "closed")),
            listed("d", (SHARED, "open")),
            listed("e", (SHARED, "Merged"), (WEB1, "closed"), (WEB1, "merged")),
            listed("f", (None, "merged"), (SHARED, "merged")),
            listed("g", (SHARED, "open")),
        ),
        deleted_sessions=[{"session_id": "d"}],
    ) == {
        "nothing": (1, 0.0, 0, 0, None, 0, 0, None, 0.0),
        "no merge": (2, -1.5, 1, 0, 0.0, 1, 0, None, -1.5),
        "merges": (3, 6.0, 3, 2, 2 / 3, 2, 2, 3.0, 3.0),
        "shares": (1, 4.0, 1, 0, 0.0, 1, 0, None, 4.0),
    }


def test_in_dimension_repository_only_its_own_pull_requests_count():
    """A session with pull requests in two is in both, with all its ACUs; elsewhere all count."""
    tables = {
        "sessions": [
            session("a", acus_consumed=4),
            session("b", acus_consumed=2),
            session("c", acus_consumed=1),
        ],
        "session_pull_requests": flat(
            listed("a", (SHARED, "merged"), (WEB1, "open"), (WEB1, "closed"), ("?", "open")),
            listed("b", (SHARED, "open"), (PR2, "Merged"), (PR2, "MERGED")),
        ),
    }
    assert outcomes("repository", **tables) == {
        "acme/ledger": (2, 6.0, 2, 2, 1.0, 2, 2, 3.0, 0.0),
        "acme/web": (1, 4.0, 1, 0, 0.0, 1, 0, None, 4.0),
        "(none)": (2, 5.0, 1, 0, 0.0, 1, 0, None, 5.0),
    }
    assert outcomes("category", **tables) == {"(none)": (3, 7.0, 2, 2, 1.0, 4, 2, 3.5, 1.0)}


def test_tags_overlap():
    """A session counts at each of its tags, once; each tag sees all of its pull requests."""
    assert outcomes(
        "tag",
        sessions=[session("a", acus_consumed=1), session("b", acus_consumed=2)],
        session_tags=[
            *({"session_id": "a", "tag": tag} for tag in ("red", "red", "blue", None, "")),
            {"session_id": "b", "tag": "red"},
        ],
        session_pull_requests=flat(listed("a", (PR1, "merged")), listed("b", (PR1, "merged"))),
    ) == {
        "red": (2, 3.0, 2, 2, 1.0, 1, 1, 3.0, 0.0),
        "blue": (1, 1.0, 1, 1, 1.0, 1, 1, 1.0, 0.0),
        "": (1, 1.0, 1, 1, 1.0, 1, 1, 1.0, 0.0),
        "(none)": (1, 1.0, 1, 1, 1.0, 1, 1, 1.0, 0.0),
    }


def test_outcomes_by_month_tell_what_can_be_judged_yet():
    """Settled is what is older than 14 days at the watermark; months without a merge have 0s."""
    names = f"month value value_name sessions_settled_count dimension {COUNTS}"
    rows = values_of(
        "outcomes_monthly",
        names,
        sessions=[
            session("a", "2026-01-31 23:59", org_id="org-1", acus_consumed=1),
            session("b", "2026-02-01 00:00", org_id="org-1", acus_consumed=2),
            session("c", "2026-03-31 23:59:59.999999", org_id="org-1"),
            session("d", "2026-04-01 00:00", org_id="org-1", acus_consumed=4),
            session("e", None, acus_consumed=8),
        ],
        session_pull_requests=flat(
            listed("a", (PR1, "open")), listed("b", (PR1, "merged")), listed("e", (PR1, "open"))
        ),
        organizations=[{"org_id": "org-1", "name": "Acme"}],
        load_runs=[run_until("2026-04-15 00:00")],
    )
    assert [(*row[:4], *row[5:]) for row in rows if row[4] == "org"] == [
        ("2026-01-01", "org-1", "Acme", 1, 1, 1.0, 1, 0, 0.0, 1, 0, None, 1.0),
        ("2026-02-01", "org-1", "Acme", 1, 1, 2.0, 1, 1, 1.0, 1, 1, 2.0, 0.0),
        ("2026-03-01", "org-1", "Acme", 1, 1, 0.0, 0, 0, None, 0, 0, None, 0.0),
        ("2026-04-01", "org-1", "Acme", 0, 1, 4.0, 0, 0, None, 0, 0, None, 4.0),
        (None, "(none)", "(none)", 0, 1, 8.0, 1, 0, 0.0, 1, 0, None, 8.0),
    ]


def test_in_a_month_too_only_the_repository_s_own_pull_requests_count():
    """A pull request that sessions of two months share counts in both."""
    rows = values_of(
        "outcomes_monthly",
        f"month dimension value {COUNTS}",
        sessions=[
            session("a", "2026-01-05", acus_consumed=4),
            session("b", "2026-02-05", acus_consumed=2),
        ],
        session_pull_requests=flat(
            listed("a", (SHARED, "open"), (WEB1, "merged")), listed("b", (SHARED, "merged"))
        ),
    )
    assert [(row[0], *row[2:]) for row in rows if row[1] == "repository"] == [
        ("2026-01-01", "acme/ledger", 1, 4.0, 1, 0, 0.0, 1, 0, None, 4.0),
        ("2026-01-01", "acme/web", 1, 4.0, 1, 1, 1.0, 1, 1, 4.0, 0.0),
        ("2026-02-01", "acme/ledger", 1, 2.0, 1, 1, 1.0, 1, 1, 2.0, 0.0),
    ]


@pytest.mark.parametrize(
    ("runs", "settled"),
    [
        ([run_until("2026-02-10", scope="one"), run_until("2026-01-10", scope="other")], 2),
        ([run_until("2026-01-10")], 0),
        ([run_until("2026-02-10", mode="narrowed")], 1),
        ([], 1),
    ],
)
def test_sessions_settle_by_the_watermark_of_the_furthest_scope(runs, settled):
    """Where none has been read whole, by the last update that is known."""
    sessions = [
        session("a", "2026-01-01", updated_at="2026-01-10"),
        session("b", "2026-01-20", updated_at="2026-02-01"),
    ]
    rows = values_of(
        "outcomes_monthly", "dimension sessions_settled_count", sessions=sessions, load_runs=runs
    )
    assert ("user", settled) in rows
