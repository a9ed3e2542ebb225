"""Views of what analyses say: rows in, rows out, worked out by hand."""

from __future__ import annotations

from tests.rows import PR1, insights, listed, rows_of, session, values_of

ACME = [{"org_id": "org-1", "name": "Acme"}]
NOT_ANALYSED = {"has_analysis": False}
ADA = {
    "org_id": "org-1",
    "org_name": "Acme",
    "user_id": "ada",
    "user_name": "Ada",
    "analysed_sessions_count": 5,
    "sessions_with_feedback_count": 2,
    "feedback_share": 0.4,
    "feedback_items_count": 3,
    "feedback_items_per_session": 0.6,
    "avg_original_prompt_length": 5.0,
    "avg_suggested_prompt_length": 8.5,
    "sessions_with_pr_with_feedback_count": 2,
    "sessions_with_merged_pr_with_feedback_count": 1,
    "session_merge_rate_with_feedback": 0.5,
    "sessions_with_pr_without_feedback_count": 3,
    "sessions_with_merged_pr_without_feedback_count": 2,
    "session_merge_rate_without_feedback": 2 / 3,
}
ADA_ELSEWHERE = {
    "org_id": "org-2",
    "org_name": "org-2",
    "user_id": "ada",
    "user_name": "Ada",
    "analysed_sessions_count": 1,
    "sessions_with_feedback_count": 0,
    "feedback_share": 0.0,
    "feedback_items_count": 0,
    "feedback_items_per_session": 0.0,
    "avg_original_prompt_length": None,
    "avg_suggested_prompt_length": None,
    "sessions_with_pr_with_feedback_count": 0,
    "sessions_with_merged_pr_with_feedback_count": 0,
    "session_merge_rate_with_feedback": None,
    "sessions_with_pr_without_feedback_count": 0,
    "sessions_with_merged_pr_without_feedback_count": 0,
    "session_merge_rate_without_feedback": None,
}


def test_labels_of_issues_by_impact():
    """Issues are counted, sessions once; ACUs overlap; all analysed sessions are the whole."""
    first, last = "2026-01-01 00:00:00", "2026-01-03 00:00:00"
    assert values_of(
        "issue_labels",
        "label impact issues_count sessions_count acus_consumed analysed_sessions_count "
        "share_of_analysed_sessions first_seen_at last_seen_at",
        sessions=[
            session("a", first, acus_consumed=2),
            session("b", last),
            session("c", "2026-01-05", acus_consumed=5),
            session("d", "2026-01-07", acus_consumed=7),
        ],
        insights=[*insights("a", "b", "c"), {"session_id": "d", **NOT_ANALYSED}],
        insight_issues=[
            {"session_id": "a", "label": "setup", "impact": "High", "issue": "No VPN"},
            {"session_id": "a", "label": "setup", "impact": "High", "issue": "No VPN"},
            {"session_id": "a", "label": "setup", "impact": "Low"},
            {"session_id": "b", "label": "setup", "impact": "High"},
            {"session_id": "b", "label": "se\x00tup 🦦"},
        ],
        deleted_sessions=[{"session_id": "a"}],
    ) == [
        ("se\x00tup 🦦", None, 1, 1, 0.0, 3, 1 / 3, last, last),
        ("setup", "High", 3, 2, 2.0, 3, 2 / 3, first, last),
        ("setup", "Low", 1, 1, 2.0, 3, 1 / 3, first, first),
    ]


def test_issues_without_an_analysed_session_have_no_share():
    """A ratio without a denominator is NULL, not an error."""
    assert values_of(
        "issue_labels",
        "label issues_count analysed_sessions_count share_of_analysed_sessions",
        sessions=[session("a")],
        insight_issues=[{"session_id": "a", "label": "setup"}],
    ) == [("setup", 1, 0, None)]


def test_action_items_name_their_issue():
    """Of issues with the same id the first in the list; an empty id is none."""
    item = {"session_id": "a", "type": "knowledge"}
    of_a = ("a", "org-1", "Acme", "2026-01-05 10:00:00", "knowledge")
    assert values_of(
        "action_items",
        "session_id org_id org_name created_at type action_item position issue_id issue_label "
        "issue_impact",
        sessions=[session("a", org_id="org-1"), session("b", "2026-01-06", org_id="org-2")],
        insight_issues=[
            {"session_id": "a", "issue_id": "", "label": "nobody's", "impact": "Low"},
            {
                "session_id": "a",
                "issue_id": "2",
                "label": "second",
                "impact": "High",
                "position": 5,
            },
            {"session_id": "a", "issue_id": "2", "label": "first", "impact": "Low", "position": 4},
            {"session_id": "b", "issue_id": "1", "label": "another session's"},
        ],
        insight_action_items=[
            {**item, "action_item": "Add a note", "issue_id": "2"},
            {**item, "action_item": "Add a key", "issue_id": ""},
            {**item, "action_item": "Add 🦦", "issue_id": "1"},
            {"session_id": "b"},
        ],
        organizations=ACME,
    ) == [
        (*of_a, "Add a note", 0, "2", "first", "Low"),
        (*of_a, "Add a key", 1, None, None, None),
        (*of_a, "Add 🦦", 2, "1", None, None),
        ("b", "org-2", "org-2", "2026-01-06 00:00:00", None, None, 0, None, None, None),
    ]


def test_action_items_tell_how_often_they_were_proposed():
    """Over all sessions; case and spaces around do not matter, any other character does."""
    told = [
        ("a", " Add a Note\x00 ", 3),
        ("a", "add a note\x00", 3),
        ("a", "Add a note", 1),
        ("a", None, 1),
        ("b", "ADD A NOTE\x00", 3),
        ("b", None, 1),
    ]
    assert (
        values_of(
            "action_items",
            "session_id action_item times_repeated",
            sessions=[session("a"), session("b")],
            insight_action_items=[
                {"session_id": session_id, "action_item": item} for session_id, item, _ in told
            ],
        )
        == told
    )


def test_prompt_quality_by_user():
    """Of analysed sessions only; lengths in characters, over the prompts that there are."""
    ada = {"org_id": "org-1", "user_id": "ada"}
    prompts = {"original_prompt": "Fix it", "suggested_prompt": "Fix the login 🦦"}
    of_ada, of_ada_elsewhere = rows_of(
        "prompt_quality_by_user",
        sessions=[
            *(session(session_id, **ada) for session_id in "abcdh"),
            session("e", org_id="org-2", user_id="ada"),
            session("f", org_id="org-1", user_id="bob"),
            session("g", org_id="org-1", user_id="bob"),
        ],
        insights=[
            *insights("a", **prompts),
            *insights("b", "d", "h"),
            *insights("c", original_prompt="Help", suggested_prompt="Go"),
            *insights("e"),
            {"session_id": "f", **NOT_ANALYSED},
        ],
        insight_feedback_items=[{"session_id": session_id} for session_id in "aab"],
        session_pull_requests=[
            *listed("a", (PR1, "merged")),
            *listed("b", (PR1, "open")),
            *listed("c", (PR1, "MERGED"), (PR1, "open")),
            *listed("d", (PR1, "merged")),
            *listed("h", (PR1, "closed")),
        ],
        organizations=ACME,
        users=[{"user_id": "ada", "name": "Ada"}],
        deleted_sessions=[{"session_id": "a"}],
    )
    assert of_ada == ADA
    assert of_ada_elsewhere == ADA_ELSEWHERE


def test_prompts_of_sessions_without_a_user_are_in_one_row_an_organization():
    """Service users have none, and an organization may be missing too."""
    assert values_of(
        "prompt_quality_by_user",
        "org_id org_name user_id user_name analysed_sessions_count",
        sessions=[
            session("a", org_id="org-1", service_user_id="service-1"),
            session("b", org_id="org-1", service_user_id="service-2"),
            session("c"),
        ],
        insights=insights("a", "b", "c"),
    ) == [("org-1", "org-1", None, None, 2), (None, None, None, None, 1)]


def test_how_many_sessions_of_a_month_were_analysed():
    """All sessions are the whole, also those whose insights say that there is no analysis."""
    assert values_of(
        "insight_coverage_monthly",
        "month org_id org_name sessions_count analysed_sessions_count coverage",
        sessions=[
            session("a", "2026-01-01 00:00", org_id="org-1"),
            session("b", "2026-01-31 23:59", org_id="org-1"),
            session("c", "2026-01-15 12:00", org_id="org-1"),
            session("d", "2026-02-01 00:00", org_id="org-1"),
            session("e", "2026-01-15 12:00"),
            session("f", None),
        ],
        insights=[
            *insights("a", "e"),
            {"session_id": "b", **NOT_ANALYSED},
            {"session_id": "d"},
        ],
        organizations=ACME,
    ) == [
        ("2026-01-01", "org-1", "Acme", 3, 1, 1 / 3),
        ("2026-01-01", None, None, 1, 1, 1.0),
        ("2026-02-01", "org-1", "Acme", 1, 0, 0.0),
        (None, None, None, 1, 0, 0.0),
    ]


def test_what_knowledge_notes_did():
    """Each usage counts, each session once, whether the note helped or hurt."""
    usages = [
        ("a", "good", "note-1"),
        ("a", "good", "note-1"),
        ("a", "bad", "note-1"),
        ("b", "bad", "note-1"),
        ("b", "bad", "note-2"),
        ("b", "good", None),
    ]
    assert values_of(
        "knowledge_notes",
        "note_id good_usages_count bad_usages_count sessions_count",
        insight_note_usages=[
            {"session_id": session_id, "usage": usage, "note_id": note_id}
            for session_id, usage, note_id in usages
        ],
    ) == [("note-1", 2, 2, 2), ("note-2", 0, 1, 1), (None, 1, 0, 1)]
