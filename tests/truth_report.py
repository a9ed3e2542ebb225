"""What the report ought to show, computed from the views' rows in plain Python, without its SQL."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from statistics import median
from typing import Any

import duckdb

Row = dict[str, Any]
SETTLED = timedelta(days=14)
LENGTHS = {1: 7, 2: 28, 3: 84, 4: 364}
STOPPED_BY_PEOPLE = (None, "inactivity", "user_request")


def read(connection: duckdb.DuckDBPyConnection, sql: str) -> list[Row]:
    cursor = connection.execute(sql)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def total(rows: Iterable[Row], name: str = "acus_consumed") -> float:
    return sum(row[name] or 0 for row in rows)


class Truth:
    """The views' rows, and what the page has to say of an organization (None: all) and a period."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.watermark: datetime = read(connection, "FROM analytics.freshness")[0]["watermark"]
        self.today = self.watermark.date()
        self.sessions = read(connection, "FROM analytics.sessions")
        self.by_id = {row["session_id"]: row for row in self.sessions}
        self.pull_requests = read(connection, "FROM analytics.pull_requests")
        self.hours = {
            row["pr_url"]: row["observed_open_to_merged_hours"]
            for row in read(connection, "FROM analytics.pull_request_cycle_times")
        }
        self.issues = read(connection, "FROM devin.insight_issues")
        self.items = read(connection, "FROM devin.insight_action_items")
        self.notes = read(connection, "FROM devin.insight_note_usages")
        self.first_date: date = min(row["created_date"] for row in self.sessions)
        humans = sorted(
            (row for row in self.sessions if row["is_human"]),
            key=lambda row: (row["created_at"], row["session_id"]),
            reverse=True,
        )
        self.first_of_user = {row["user_id"]: row["session_id"] for row in humans}

    def span(self, period: int) -> tuple[date, date]:
        days = LENGTHS.get(period)
        return (self.today - timedelta(days) if days else self.first_date), self.today

    def before(self, period: int) -> tuple[date, date] | None:
        since, until = self.span(period)
        earlier = since - (until - since)
        return (earlier, since) if earlier >= self.first_date else None

    def among(self, org_id: str | None, span: tuple[date, date]) -> list[Row]:
        return [
            row
            for row in self.sessions
            if org_id in (None, row["org_id"]) and span[0] <= row["created_date"] < span[1]
        ]

    def settled(self, sessions: Iterable[Row]) -> list[Row]:
        return [row for row in sessions if row["created_at"] < self.watermark - SETTLED]

    def first_merged(self, sessions: Iterable[Row]) -> int:
        ids = {row["session_id"] for row in sessions}
        return sum(
            pr["first_session_id"] in ids and (pr["state"] or "").lower() == "merged"
            for pr in self.pull_requests
        )

    def figures(self, org_id: str | None, span: tuple[date, date]) -> dict[str, float | None]:
        sessions = self.among(org_id, span)
        settled = self.settled(sessions)
        productive = [row for row in settled if row["is_productive"]]
        failed = [row for row in sessions if condition(row) == "failed"]
        return {
            "sessions_count": len(sessions),
            "active_users_count": len({row["user_id"] for row in sessions if row["is_human"]}),
            "acus_consumed": total(sessions),
            **self.outcome(sessions),
            "unmerged_share": share(total(settled) - total(productive), total(settled)),
            "failed_share": share(len(failed), len(sessions)),
            "coverage": share(sum(bool(row["has_analysis"]) for row in sessions), len(sessions)),
        }

    def outcome(self, sessions: list[Row]) -> dict[str, float | None]:
        settled = self.settled(sessions)
        judged = [row for row in settled if row["pull_requests_count"]]
        return {
            "merge_rate": share(sum(row["is_productive"] for row in settled), len(judged)),
            "acus_per_merged_pull_request": share(total(settled), self.first_merged(settled)),
        }

    def outcomes(
        self, org_id: str | None, span: tuple[date, date], column: str
    ) -> dict[str, dict[str, float | None]]:
        found = {}
        for value, sessions in grouped(self.among(org_id, span), lambda row: row[column]):
            settled = self.settled(sessions)
            unmerged = [row for row in settled if not row["is_productive"]]
            found[value or "(none)"] = {
                "sessions_count": len(sessions),
                "acus_consumed": total(sessions),
                **self.outcome(sessions),
                "settled_acus": total(settled),
                "merged_count": self.first_merged(settled),
                "unmerged_acus": total(unmerged) if settled else None,
            }
        return found

    def people(self, org_id: str | None, span: tuple[date, date]) -> tuple[int, int]:
        """New and returning ones."""
        sessions = [row for row in self.among(org_id, span) if row["is_human"]]
        ids = {row["session_id"] for row in sessions}
        users = {row["user_id"] for row in sessions}
        new = sum(self.first_of_user[user] in ids for user in users)
        return new, len(users) - new

    def pull_requests_of(self, org_id: str | None, span: tuple[date, date]) -> Row:
        ids = {row["session_id"] for row in self.among(org_id, span)}
        found = [pr for pr in self.pull_requests if pr["first_session_id"] in ids]
        states = Counter((pr["state"] or "").lower() for pr in found)
        hours = [h for pr in found if (h := self.hours.get(pr["pr_url"])) is not None]
        known = {f"{state}_count": states[state] for state in ("merged", "closed", "open")}
        return {
            "pull_requests_count": len(found),
            **known,
            "other_count": len(found) - sum(known.values()),
            "observed_count": len(hours),
            "median_hours": median(hours) if hours else None,
        }

    def issues_of(self, org_id: str | None, span: tuple[date, date]) -> dict[Any, Row]:
        analysed = {r["session_id"]: r for r in self.among(org_id, span) if r["has_analysis"]}
        listed = [row for row in self.issues if row["session_id"] in analysed]
        found = {}
        for key, rows in grouped(listed, lambda row: (row["label"], row["impact"])):
            ids = {row["session_id"] for row in rows}
            found[key] = {
                "issues_count": len(rows),
                "sessions_count": len(ids),
                "share": share(len(ids), len(analysed)),
                "acus_consumed": total(analysed[sid] for sid in ids),
            }
        return found

    def items_of(self, org_id: str | None, span: tuple[date, date]) -> dict[str, Row]:
        sessions = {row["session_id"]: row for row in self.among(org_id, span)}
        listed = [row for row in self.items if row["session_id"] in sessions]
        found = {}
        for wording, rows in grouped(listed, lambda row: row["action_item"].strip(" ").lower()):
            ids = {row["session_id"] for row in rows}
            found[wording] = {
                "times_proposed": len(rows),
                "sessions_count": len(ids),
                "acus_consumed": total(sessions[sid] for sid in ids),
                "latest_date": max(sessions[sid]["created_date"] for sid in ids).isoformat(),
            }
        return found

    def prompts_of(self, org_id: str | None, span: tuple[date, date]) -> dict[str, Row]:
        analysed = [r for r in self.among(org_id, span) if r["has_analysis"] and r["user_name"]]
        found = {}
        for user, rows in grouped(analysed, lambda row: row["user_id"]):
            halves = {
                has: [r for r in rows if bool(r["feedback_items_count"]) is has]
                for has in (True, False)
            }
            rates = {
                has: share(
                    sum(r["is_productive"] for r in half),
                    sum(bool(r["pull_requests_count"]) for r in half),
                )
                for has, half in halves.items()
            }
            found[user] = {
                "user_name": rows[0]["user_name"],
                "analysed_count": len(rows),
                "feedback_share": share(len(halves[True]), len(rows)),
                "feedback_per_session": share(total(rows, "feedback_items_count"), len(rows)),
                "merge_rate_with_feedback": rates[True],
                "merge_rate_without_feedback": rates[False],
            }
        return found

    def conditions_of(self, org_id: str | None, span: tuple[date, date]) -> dict[Any, Row]:
        sessions = [row for row in self.among(org_id, span) if condition(row) != "ended"]
        return {
            key: {"sessions_count": len(rows), "acus_consumed": total(rows)}
            for key, rows in grouped(
                sessions, lambda row: (condition(row), row["status"], row["status_detail"])
            )
        }

    def notes_of(self, org_id: str | None, span: tuple[date, date]) -> dict[str, tuple[int, int]]:
        """How often a note hurt, and helped; those that never hurt are left out."""
        ids = {row["session_id"] for row in self.among(org_id, span)}
        usages = Counter((n["note_id"], n["usage"]) for n in self.notes if n["session_id"] in ids)
        return {n: (usages[n, "bad"], usages[n, "good"]) for n, usage in usages if usage == "bad"}


def condition(row: Row) -> str:
    is_stopped = row["status"] == "suspended" and row["status_detail"] not in STOPPED_BY_PEOPLE
    if row["status"] == "error" or is_stopped:
        return "failed"
    return "ended" if row["is_terminal"] or row["is_finished"] else "open"


def grouped(rows: Iterable[Row], key: Callable[[Row], Any]) -> Iterator[tuple[Any, list[Row]]]:
    groups = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    yield from groups.items()
