"""Sessions that are hard to read: everything the documentation allows but rarely shows.

Also the malformed ones, which it does not allow: each has one value of a wrong type.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .sessions import (
    ActionItem,
    Analysis,
    Classification,
    FeedbackItem,
    Issue,
    NoteUsage,
    Path,
    Payload,
    PullRequest,
    SuggestedPrompt,
    TimelineEvent,
)

_PULL_REQUEST = "https://github.com/acme/awkward/pull/"
_LONG_MESSAGE = "Please read this log, all of it.\n" * 9_310
_UNKNOWN: dict[str, Any] = {
    "unknown_object": {"nested": {"list": [1, [2, {"deep": None}]], "empty": {}}},
    "unknown_big_integer": 2**70,
    "unknown_float": 1.0000000000000002,
    "unknown_text": "naïve 🦦",
    "unknown_flag": False,
    "unknown_null": None,
}

# A path into a v2 record, and a value that the schema forbids there.
WRONG_VALUES: tuple[tuple[Path, Any], ...] = (
    (("acus_consumed",), "12.5"),
    (("tags",), {"0": "bug-fix"}),
    (("pull_requests",), "https://github.com/acme/ledger/pull/1"),
    (("title",), 404),
    (("session_analysis",), ["issues"]),
    (("status",), {"name": "exit"}),
    (("created_at",), "yesterday"),
    (("session_analysis", "issues"), {"issue": "not in a list"}),
    (("session_analysis", "timeline", 0), "Started repository setup"),
    (("session_analysis", "action_items", 0, "type"), 7),
    (("session_analysis", "suggested_prompt"), "Fix the bug, but better"),
    (("session_analysis", "suggested_prompt", "feedback_items", 0, "details"), ["a", "list"]),
    (("pull_requests", 0, "url"), 12),
    (("pull_requests", 0, "state"), {"merged": True}),
    (("tags", 0), 5),
    (("user_id",), ["user_1"]),
    (("org_id",), 7),
    (("initial_user_message",), {"text": "hello"}),
    (("url",), False),
    (("session_analysis", "issues", 0, "impact"), {"level": "High"}),
)

# The same for v3: which of its two payloads, a path into it, and the value.
WRONG_VALUES_V3: tuple[tuple[Payload, Path, Any], ...] = (
    ("item", ("acus_consumed",), "12"),
    ("insights", ("analysis",), ["issues"]),
    ("item", ("tags",), {}),
    ("insights", ("num_user_messages",), "3"),
    ("item", ("created_at",), "yesterday"),
    ("insights", ("analysis", "issues"), {"issue": "not in a list"}),
    ("item", ("is_archived",), "no"),
    ("insights", ("analysis", "timeline", 0), "Started repository setup"),
    ("item", ("child_session_ids",), {"a": 1}),
    ("insights", ("analysis", "classification"), "bug_fixing"),
    ("item", ("pull_requests",), "https://github.com/acme/ledger/pull/1"),
    ("insights", ("analysis", "classification", "confidence"), "high"),
    ("item", ("pull_requests", 0, "pr_state"), {"merged": True}),
    ("insights", ("analysis", "note_usage"), ["note-1"]),
    ("item", ("category",), 5),
    ("insights", ("analysis", "note_usage", "good_usages"), {"note_id": "note-1"}),
    ("item", ("status",), {"name": "exit"}),
    ("insights", ("analysis", "classification", "programming_languages"), [1]),
    ("item", ("title",), 404),
    ("insights", ("analysis", "suggested_prompt"), "Fix the bug, but better"),
    ("item", ("pull_requests", 0, "pr_url"), 12),
    ("insights", ("num_devin_messages",), [7]),
    ("item", ("tags", 0), 5),
    ("insights", ("session_size",), 3),
    ("item", ("user_id",), ["user_1"]),
    ("insights", ("is_advanced",), "yes"),
    ("item", ("org_id",), 7),
    ("insights", ("analysis", "suggested_prompt", "feedback_items", 0, "details"), ["a"]),
    ("item", ("status_detail",), False),
    ("insights", ("analysis", "classification", "category"), 9),
    ("item", ("origin",), {"kind": "webapp"}),
    ("insights", ("analysis", "action_items", 0, "type"), 7),
    ("item", ("subcategory",), []),
    ("insights", ("analysis", "issues", 0, "id"), {"number": 1}),
    ("item", ("parent_session_id",), 1),
    ("insights", ("analysis", "timeline", 0, "color"), 255),
    ("item", ("url",), False),
    ("insights", ("analysis", "note_usage", "bad_usages", 0, "reason"), {"why": "outdated"}),
    ("item", ("playbook_id",), ["playbook-1"]),
    ("insights", ("analysis", "classification", "tools_and_frameworks"), "Gradle"),
)


def full_analysis(extra: dict[str, Any] | None = None) -> Analysis:
    """An analysis with one element in every list; `extra` goes to every level."""
    more = extra or {}
    feedback = FeedbackItem("Prompt too vague", "Fix it", "Say what", "issue_1", dict(more))
    languages, tools = ["Python"], ["FastAPI"]
    return Analysis(
        issues=[Issue("Missing variables", "High", "Configuration", "issue_1", extra=dict(more))],
        timeline=[
            TimelineEvent("Started", "Devin cloned the repository", "blue", extra=dict(more))
        ],
        action_items=[ActionItem("Configure them", "machine_setup", "issue_1", dict(more))],
        suggested_prompt=SuggestedPrompt("Fix it", "Fix the login", [feedback], dict(more)),
        classification=Classification("bug_fixing", 0.75, languages, tools, dict(more)),
        note_usages=[
            NoteUsage("note-1", "Use make", "It builds", is_good=True, extra=dict(more)),
            NoteUsage("note-2", "Use the vault", "It has moved", is_good=False, extra=dict(more)),
        ],
        note_usage_extra=dict(more),
        extra=dict(more),
    )


CONTROLS = "tab\t return\r bell\x07 '); DROP TABLE sessions; --"


def awkward_sessions() -> Iterator[dict[str, Any]]:
    """What is particular about each awkward session, as arguments of `World.add`."""
    yield from _awkward_texts()
    yield from _awkward_pull_requests()
    yield from _awkward_shapes()
    yield from _awkward_ids()


def _awkward_texts() -> Iterator[dict[str, Any]]:
    yield {"title": "NUL \x00 inside", "tags": ["\x00", "after\x00"]}
    half = "half an emoji \ud83e"
    analysis = full_analysis()
    analysis.issues[0].issue = half
    yield {
        "title": "lone \ud800 surrogate",
        "initial_user_message": half,
        "tags": ["\udfff"],
        "analysis": analysis,
    }
    yield {"title": "300 KB", "initial_user_message": _LONG_MESSAGE}
    yield {"title": "👩‍👩‍👧‍👦 family, مرحبا بالعالم, שלום, e\u0301, \u202eright to left"}
    yield {"title": '\'; DROP TABLE sessions; -- "quoted" \\ %s {brace} $1 \t\r\n end'}
    yield {"title": "", "initial_user_message": "", "user_id": "", "tags": ["", "twice", "twice"]}


def _awkward_pull_requests() -> Iterator[dict[str, Any]]:
    yield {
        "title": "every spelling of a pull request",
        "pull_requests": [
            PullRequest(f"{_PULL_REQUEST}1", "open", "schema"),
            PullRequest(f"{_PULL_REQUEST}2", "merged", "v3"),
            PullRequest(f"{_PULL_REQUEST}3", "closed", "example"),
            PullRequest(f"{_PULL_REQUEST}4", None, "stateless"),
            PullRequest(f"{_PULL_REQUEST}5", None, "schema"),
            PullRequest(f"{_PULL_REQUEST}1", "open", "schema"),
            PullRequest("", "draft", "v3"),
        ],
    }


def _awkward_shapes() -> Iterator[dict[str, Any]]:
    yield {"title": "an analysis of nothing", "analysis": Analysis()}
    empty = Analysis(classification=Classification("", 0), note_usages=[])
    yield {"title": "an analysis of empty objects", "analysis": empty}
    nulls = SuggestedPrompt("", "", [FeedbackItem(None, None, None, None)])
    yield {"title": "an analysis of nulls", "analysis": Analysis(suggested_prompt=nulls)}
    yield {
        "title": "unknown fields at every level",
        "extra": dict(_UNKNOWN),
        "pull_requests": [PullRequest(f"{_PULL_REQUEST}6", "open", extra=dict(_UNKNOWN))],
        "analysis": full_analysis(_UNKNOWN),
    }
    yield {"title": "a status never seen", "status": "hibernating", "status_detail": "dreaming"}
    yield {"title": None, "user_id": None, "absent": ("title", "user_id")}
    yield {"title": "times with an offset", "utc_offset_hours": 5.5, "acus_consumed": 0.1 + 0.2}
    yield {"title": "a tiny fraction", "utc_offset_hours": -8, "acus_consumed": 1e-9}
    yield {
        "title": "words that only newer documentation knows",
        "origin": "code_scan",
        "category": "production_investigation",
        "subcategory": "",
        "child_session_ids": [f"devin-{'1' * 32}", "1" * 32, ""],
        "structured_output": {"deep": [{"a": None, "é\x00": [1e300, 2**70]}], "": {}},
    }
    yield {"title": "an orphan", "parent_session_id": f"devin-{'0' * 32}"}


def _awkward_ids() -> Iterator[dict[str, Any]]:
    for session_id in (
        "it's",
        'say "hi"',
        "a/b",
        "../up",
        "a|b",
        "per%20cent",
        "Ünï & ?#;",
        CONTROLS,
    ):
        yield {"session_id": f"awkward {session_id}", "title": f"its id is {session_id}"}
    yield {"session_id": "..", "title": "its id is two dots"}
