"""What the warehouse must hold for what the API says: written from design §3, not from the code."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import duckdb

Rows = dict[str, list[dict[str, Any]]]

KNOWN = {
    "record": "session_id url status title tags user_id org_id created_at updated_at acus_consumed "
    "pull_requests session_analysis initial_user_message service_user_id status_detail origin "
    "category subcategory playbook_id parent_session_id child_session_ids is_archived "
    "structured_output",
    "analysis": "issues timeline action_items suggested_prompt classification note_usage",
    "suggested_prompt": "original_prompt suggested_prompt feedback_items",
    "issue": "id label impact issue title",
    "event": "title description color issue_id",
    "action_item": "type action_item issue_id",
    "feedback_item": "summary excerpt details issue_id",
    "pull_request": "pr_url pr_state url state",
}


def unknown(what: str, found: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if key not in KNOWN[what].split()}


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)


def clean(value: Any) -> Any:
    """Lone surrogates become U+FFFD."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [clean(element) for element in value]
    if isinstance(value, dict):
        return {clean(key): clean(element) for key, element in value.items()}
    return value


def expected(records: list[dict[str, Any]]) -> Rows:
    """The rows of every table that v2 fills; `extra` as a parsed value."""
    rows: Rows = {name: [] for name in FILLED}
    for raw in records:
        record = clean(raw)
        _session(rows, record)
        _insights(rows, record["session_id"].removeprefix("devin-"), record["session_analysis"])
    return rows


def _session(rows: Rows, record: dict[str, Any]) -> None:
    sid = record["session_id"].removeprefix("devin-")
    rows["sessions"].append(
        {
            "session_id": sid,
            "org_id": record.get("org_id"),
            "user_id": record.get("user_id"),
            "title": record.get("title"),
            "url": record.get("url"),
            "status": record.get("status"),
            "acus_consumed": float(record["acus_consumed"]),
            "created_at": instant(record["created_at"]),
            "updated_at": instant(record["updated_at"]),
            "api_version": "v2",
            "extra": unknown("record", record) or None,
        }
    )
    message = record.get("initial_user_message")
    rows["session_prompts"].append({"session_id": sid, "initial_user_message": message})
    for position, tag in enumerate(record["tags"]):
        rows["session_tags"].append({"session_id": sid, "position": position, "tag": tag})
    for position, found in enumerate(record["pull_requests"]):
        url, state = found.get("pr_url"), found.get("pr_state")
        rows["session_pull_requests"].append(
            {
                "session_id": sid,
                "position": position,
                "pr_url": found.get("url") if url is None else url,
                "pr_state": found.get("state") if state is None else state,
                "extra": unknown("pull_request", found) or None,
            }
        )


def _insights(rows: Rows, sid: str, analysis: dict[str, Any] | None) -> None:
    prompt = (analysis or {}).get("suggested_prompt") or {}
    extra = {
        "analysis": unknown("analysis", analysis or {}),
        "suggested_prompt": unknown("suggested_prompt", prompt),
    }
    rows["insights"].append(
        {
            "session_id": sid,
            "has_analysis": analysis is not None,
            "original_prompt": prompt.get("original_prompt"),
            "suggested_prompt": prompt.get("suggested_prompt"),
            "extra": {key: value for key, value in extra.items() if value} or None,
        }
    )
    lists: tuple[tuple[str, Any, str, dict[str, str]], ...] = (
        ("insight_issues", (analysis or {}).get("issues"), "issue", {"id": "issue_id"}),
        ("insight_timeline", (analysis or {}).get("timeline"), "event", {}),
        ("insight_action_items", (analysis or {}).get("action_items"), "action_item", {}),
        ("insight_feedback_items", prompt.get("feedback_items"), "feedback_item", {}),
    )
    for table, elements, what, renamed in lists:
        for position, found in enumerate(elements or []):
            known = {renamed.get(k, k): found.get(k) for k in KNOWN[what].split()}
            rows[table].append(
                {
                    "session_id": sid,
                    "position": position,
                    **known,
                    "extra": unknown(what, found) or None,
                }
            )


FILLED = (
    "sessions",
    "session_prompts",
    "session_tags",
    "session_pull_requests",
    "insights",
    "insight_issues",
    "insight_timeline",
    "insight_action_items",
    "insight_feedback_items",
)
EMPTY_IN_V2 = (
    "session_children",
    "insight_note_usages",
    "insight_programming_languages",
    "insight_tools_and_frameworks",
)


def stored(connection: duckdb.DuckDBPyConnection, table: str) -> list[dict[str, Any]]:
    cursor = connection.execute(f"FROM devin.{table}")
    names = [column[0] for column in cursor.description or []]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for row in rows:
        for name in ("extra", "structured_output"):
            if row.get(name) is not None:
                row[name] = json.loads(row[name])
    return rows


def differences(
    connection: duckdb.DuckDBPyConnection,
    records: list[dict[str, Any]],
    *,
    left_out: Collection[str] = (),
) -> list[str]:
    """What in the warehouse differs from v2 records, row by row and value by value."""
    truth = expected([r for r in records if r["session_id"] not in left_out])
    found = compared(connection, truth, left_out)
    return [*found, *(f"{name}: not empty" for name in EMPTY_IN_V2 if stored(connection, name))]


def compared(
    connection: duckdb.DuckDBPyConnection, truth: Rows, left_out: Collection[str] = ()
) -> list[str]:
    """What in some tables differs from the truth about them."""
    found: list[str] = []
    for table, rows in truth.items():
        wanted = {_key(row): row for row in rows}
        present = [row for row in stored(connection, table) if row["session_id"] not in left_out]
        if len(present) != len({_key(row) for row in present}):
            found.append(f"{table}: something stands there twice")
        there = {_key(row): row for row in present}
        found += [f"{table}: {key} is missing" for key in wanted.keys() - there.keys()]
        found += [f"{table}: {key} should not be there" for key in there.keys() - wanted.keys()]
        for key in wanted.keys() & there.keys():
            for name, value in wanted[key].items():
                if there[key][name] != value:
                    found.append(f"{table}: {key} {name}: {there[key][name]!r}, not {value!r}")
    return sorted(found)


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return (row["session_id"], row.get("usage"), row.get("position"))
