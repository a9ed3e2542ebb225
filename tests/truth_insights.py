"""What the views of analyses must say: written from design §4, not from the SQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tests.truth_facts import Facts, Row, Session, acus_of, grouped, pull_request_counts, ratio


def issue_labels(facts: Facts) -> list[Row]:
    analysed = sum(session.is_analysed for session in facts.sessions)
    groups = grouped(((i["label"], i["impact"]), s) for s in facts.sessions for i in s.issues)
    rows = []
    for (label, impact), issues in groups.items():
        group = set(issues)
        times = [s["created_at"] for s in group if s["created_at"]]
        rows.append(
            {
                "label": label,
                "impact": impact,
                "issues_count": len(issues),
                "sessions_count": len(group),
                "acus_consumed": acus_of(group),
                "analysed_sessions_count": analysed,
                "share_of_analysed_sessions": ratio(len(group), analysed),
                "first_seen_at": min(times, default=None),
                "last_seen_at": max(times, default=None),
            }
        )
    return rows


def action_items(facts: Facts) -> list[Row]:
    def told(item: Row) -> str:
        return str(item["action_item"]).strip(" ").lower()

    times = Counter(told(item) for session in facts.sessions for item in session.actions)
    rows = []
    for session in facts.sessions:
        issues = {issue["issue_id"]: issue for issue in reversed(session.issues)}
        for item in session.actions:
            issue_id = item["issue_id"] or None
            issue = issues.get(issue_id, {}) if issue_id else {}
            rows.append(
                {
                    "session_id": session["session_id"],
                    "position": item["position"],
                    "org_id": session["org_id"],
                    "org_name": facts.org_name(session["org_id"]),
                    "created_at": session["created_at"],
                    "type": item["type"],
                    "action_item": item["action_item"],
                    "issue_id": issue_id,
                    "issue_label": issue.get("label"),
                    "issue_impact": issue.get("impact"),
                    "times_repeated": times[told(item)],
                }
            )
    return rows


def _average_length(group: Sequence[Session], name: str) -> float | None:
    prompts = [s.insights[name] for s in group if s.insights[name] is not None]
    return ratio(sum(map(len, prompts)), len(prompts))


def _merge_rate(group: Sequence[Session], which: str) -> Row:
    counts = pull_request_counts(group)
    with_pr, merged = counts["sessions_with_pr_count"], counts["sessions_with_merged_pr_count"]
    return {
        f"session_merge_rate_{which}_feedback": ratio(merged, with_pr),
        f"sessions_with_pr_{which}_feedback_count": with_pr,
        f"sessions_with_merged_pr_{which}_feedback_count": merged,
    }


def prompt_quality_by_user(facts: Facts) -> list[Row]:
    analysed = [session for session in facts.sessions if session.is_analysed]
    rows = []
    for (org_id, user_id), group in grouped(
        ((s["org_id"], s["user_id"]), s) for s in analysed
    ).items():
        told = [session for session in group if session.feedback]
        items = sum(len(session.feedback) for session in group)
        rows.append(
            {
                "org_id": org_id,
                "org_name": facts.org_name(org_id),
                "user_id": user_id,
                "user_name": facts.user_name(user_id),
                "analysed_sessions_count": len(group),
                "sessions_with_feedback_count": len(told),
                "feedback_share": ratio(len(told), len(group)),
                "feedback_items_count": items,
                "feedback_items_per_session": ratio(items, len(group)),
                "avg_original_prompt_length": _average_length(group, "original_prompt"),
                "avg_suggested_prompt_length": _average_length(group, "suggested_prompt"),
                **_merge_rate(told, "with"),
                **_merge_rate([s for s in group if not s.feedback], "without"),
            }
        )
    return rows


def insight_coverage_monthly(facts: Facts) -> list[Row]:
    groups = grouped(((s.month, s["org_id"]), s.is_analysed) for s in facts.sessions)
    return [
        {
            "month": month,
            "org_id": org_id,
            "org_name": facts.org_name(org_id),
            "sessions_count": len(group),
            "analysed_sessions_count": sum(group),
            "coverage": ratio(sum(group), len(group)),
        }
        for (month, org_id), group in groups.items()
    ]


def knowledge_notes(facts: Facts) -> list[Row]:
    groups = grouped(
        (note["note_id"], (note["usage"], session["session_id"]))
        for session in facts.sessions
        for note in session.notes
    )
    return [
        {
            "note_id": note_id,
            "good_usages_count": sum(usage == "good" for usage, _ in usages),
            "bad_usages_count": sum(usage == "bad" for usage, _ in usages),
            "sessions_count": len({session_id for _, session_id in usages}),
        }
        for note_id, usages in groups.items()
    ]
