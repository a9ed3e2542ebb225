"""The same for v3: a list item owns the session's tables, an insights answer those of insights."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.truth import KNOWN, Rows, clean, unknown

ITEM = [
    "session_id", "url", "status", "title", "tags", "user_id", "org_id", "created_at",
    "updated_at", "acus_consumed", "pull_requests", "service_user_id", "status_detail", "origin",
    "category", "subcategory", "playbook_id", "parent_session_id", "child_session_ids",
    "is_archived", "structured_output",
]  # fmt: skip
INSIGHTS = ["session_size", "num_user_messages", "num_devin_messages", "is_advanced", "analysis"]
AS_THEY_ARE = [
    "org_id", "user_id", "service_user_id", "title", "url", "status", "status_detail", "origin",
    "category", "subcategory", "playbook_id", "is_archived", "structured_output",
]  # fmt: skip
CLASSIFICATION = ["category", "confidence", "programming_languages", "tools_and_frameworks"]
NOTE = ["note_id", "message", "reason"]
TABLES = [
    "sessions", "session_tags", "session_pull_requests", "session_children", "insights",
    "insight_issues", "insight_timeline", "insight_action_items", "insight_feedback_items",
    "insight_note_usages", "insight_programming_languages", "insight_tools_and_frameworks",
]  # fmt: skip


def bare(session_id: str | None) -> str | None:
    return session_id and session_id.removeprefix("devin-")


def instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def left(found: dict[str, Any], known: list[str]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if key not in known}


def expected_v3(items: list[dict[str, Any]], insights: list[dict[str, Any]]) -> Rows:
    """The rows of every table that v3 fills; JSON as what it says."""
    rows: Rows = {name: [] for name in TABLES}
    for item in items:
        _item(rows, clean(item))
    for answer in insights:
        _insights(rows, clean(answer))
    return rows


def _item(rows: Rows, item: dict[str, Any]) -> None:
    sid = bare(item["session_id"])
    rows["sessions"].append(
        {
            "session_id": sid,
            **{key: item.get(key) for key in AS_THEY_ARE},
            "parent_session_id": bare(item.get("parent_session_id")),
            "acus_consumed": float(item["acus_consumed"]),
            "created_at": instant(item["created_at"]),
            "updated_at": instant(item["updated_at"]),
            "api_version": "v3",
            "extra": left(item, ITEM) or None,
        }
    )
    _texts(rows, "session_tags", sid, "tag", item["tags"])
    children = [bare(child) for child in item.get("child_session_ids") or []]
    _texts(rows, "session_children", sid, "child_session_id", children)
    for position, found in enumerate(item["pull_requests"]):
        rows["session_pull_requests"].append(
            {
                "session_id": sid,
                "position": position,
                "pr_url": found.get("pr_url"),
                "pr_state": found.get("pr_state"),
                "extra": unknown("pull_request", found) or None,
            }
        )


def _texts(rows: Rows, table: str, sid: str | None, column: str, texts: list[Any]) -> None:
    for position, text in enumerate(texts):
        rows[table].append({"session_id": sid, "position": position, column: text})


def _elements(rows: Rows, table: str, sid: str | None, what: str, elements: list[Any]) -> None:
    for position, found in enumerate(elements):
        values = {"issue_id" if k == "id" else k: found.get(k) for k in KNOWN[what].split()}
        extra = unknown(what, found) or None
        rows[table].append({"session_id": sid, "position": position, **values, "extra": extra})


def _insights(rows: Rows, answer: dict[str, Any]) -> None:
    sid = bare(answer["session_id"])
    told = answer.get("analysis")
    analysis = told or {}
    prompt = analysis.get("suggested_prompt") or {}
    kind = analysis.get("classification") or {}
    notes = analysis.get("note_usage") or {}
    inside = {
        "analysis": unknown("analysis", analysis),
        "suggested_prompt": unknown("suggested_prompt", prompt),
        "classification": left(kind, CLASSIFICATION),
        "note_usage": left(notes, ["good_usages", "bad_usages"]),
    }
    inside = {name: found for name, found in inside.items() if found}
    extra = left(answer, [*ITEM, *INSIGHTS])
    rows["insights"].append(
        {
            "session_id": sid,
            **{key: answer.get(key) for key in INSIGHTS if key != "analysis"},
            "has_analysis": told is not None,
            "classification_category": kind.get("category"),
            "classification_confidence": float(kind["confidence"]) if kind else None,
            "original_prompt": prompt.get("original_prompt"),
            "suggested_prompt": prompt.get("suggested_prompt"),
            "extra": extra | inside or None,
        }
    )
    _elements(rows, "insight_issues", sid, "issue", analysis.get("issues", []))
    _elements(rows, "insight_timeline", sid, "event", analysis.get("timeline", []))
    _elements(rows, "insight_action_items", sid, "action_item", analysis.get("action_items", []))
    feedback = prompt.get("feedback_items", [])
    _elements(rows, "insight_feedback_items", sid, "feedback_item", feedback)
    for usage in ("good", "bad"):
        for position, found in enumerate(notes.get(f"{usage}_usages", [])):
            rows["insight_note_usages"].append(
                {
                    "session_id": sid,
                    "usage": usage,
                    "position": position,
                    **{key: found.get(key) for key in NOTE},
                    "extra": left(found, NOTE) or None,
                }
            )
    languages, tools = kind.get("programming_languages"), kind.get("tools_and_frameworks")
    _texts(rows, "insight_programming_languages", sid, "programming_language", languages or [])
    _texts(rows, "insight_tools_and_frameworks", sid, "tool_or_framework", tools or [])
