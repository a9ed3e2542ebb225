"""What the views must say for what the API said: written from design §4, not from the SQL.

Plain Python over the API's JSON, as it was at each of several observations; one function a view.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from operator import attrgetter

from tests.truth_facts import (
    NONE,
    SESSION,
    SETTLED_AFTER,
    Facts,
    Pull,
    Row,
    Session,
    acus_of,
    address,
    grouped,
    hours,
    pull_request_counts,
    ratio,
)
from tests.truth_insights import (
    action_items,
    insight_coverage_monthly,
    issue_labels,
    knowledge_notes,
    prompt_quality_by_user,
)

# what tells the rows of a view apart
KEYS = {
    "sessions": "session_id",
    "pull_requests": "pr_url",
    "usage_daily": "created_date org_id",
    "usage_monthly_by_user": "month org_id actor_type actor_id",
    "acu_daily": "date org_id",
    "outcomes_by_dimension": "dimension value",
    "outcomes_monthly": "month dimension value",
    "adoption_daily": "date org_id",
    "issue_labels": "label impact",
    "action_items": "session_id position",
    "prompt_quality_by_user": "org_id user_id",
    "insight_coverage_monthly": "month org_id",
    "session_families": "root_session_id",
    "knowledge_notes": "note_id",
    "session_durations_weekly": "week category",
    "pull_request_cycle_times": "pr_url",
    "acu_accrual": "session_id observed_at",
}


def sessions(facts: Facts) -> list[Row]:
    return [_session(facts, session) for session in facts.sessions]


def _session(facts: Facts, session: Session) -> Row:
    sid = session["session_id"]
    return {
        "session_id": sid,
        **{name: session[name] for name in SESSION.split()},
        "org_name": facts.org_name(session["org_id"]),
        "user_name": facts.user_name(session["user_id"]),
        "initial_user_message": facts.messages.get(sid),
        "session_size": session.insights.get("session_size"),
        "num_user_messages": session.insights.get("num_user_messages"),
        "num_devin_messages": session.insights.get("num_devin_messages"),
        "has_analysis": session.is_analysed,
        "created_date": session.created_date,
        "duration_seconds": session.duration,
        "is_terminal": session["status"] in ("exit", "error"),
        "is_finished": session.is_finished,
        "is_human": session.is_human,
        "pull_requests_count": len(session.pulls),
        "open_pull_requests_count": session.pulls_in("open"),
        "merged_pull_requests_count": session.pulls_in("merged"),
        "closed_pull_requests_count": session.pulls_in("closed"),
        "is_productive": session.pulls_in("merged") > 0,
        "issues_count": len(session.issues),
        "action_items_count": len(session.actions),
        "feedback_items_count": len(session.feedback),
        "root_session_id": facts.roots[sid],
        "is_deleted": sid in facts.deleted,
    }


def pull_requests(facts: Facts) -> list[Row]:
    seen = grouped((pull.url, (at, pull)) for (_, pull), at in facts.pull_states.items())
    return [_pull_request(facts, url, seen[url]) for url in facts.sharing]


def _pull_request(facts: Facts, url: str, seen: list[tuple[datetime, Pull]]) -> Row:
    provider, repository, number = address(url)
    sharing = facts.sharing[url]
    listed = [
        (
            pull.is_in("merged"),
            facts.pull_states[session["session_id"], pull],
            pull.is_in("closed"),
            session["updated_at"],
            session["session_id"],
            position,
        )
        for session in sharing
        for position, pull in enumerate(session.pulls)
        if pull.url == url
    ]
    *_, session_id, position = max(listed)
    return {
        "pr_url": url,
        "provider": provider,
        "repository": repository,
        "number": number,
        "state": facts.by_id[session_id].pulls[position].state,
        "sessions_count": len(sharing),
        "first_session_id": sharing[0]["session_id"],
        "org_id": sharing[0]["org_id"],
        "org_name": facts.org_name(sharing[0]["org_id"]),
        "first_observed_at": min(at for at, _ in seen),
        "first_merged_observed_at": min((at for at, p in seen if p.is_in("merged")), default=None),
    }


def _usage(facts: Facts, group: Sequence[Session]) -> Row:
    return {
        "org_name": facts.org_name(group[0]["org_id"]),
        "sessions_count": len(group),
        "human_sessions_count": sum(session.is_human for session in group),
        "acus_consumed": acus_of(group),
        **pull_request_counts(group),
        "merged_pull_requests_first_count": sum(
            facts.first_merged[session["session_id"]] for session in group
        ),
    }


def usage_daily(facts: Facts) -> list[Row]:
    groups = grouped(((s.created_date, s["org_id"]), s) for s in facts.sessions)
    return [
        {
            "created_date": day,
            "org_id": org_id,
            "active_users_count": len({s["user_id"] for s in group if s.is_human}),
            **_usage(facts, group),
        }
        for (day, org_id), group in groups.items()
    ]


def _actor(session: Session) -> tuple[str, str | None]:
    for name in ("user", "service_user"):
        if session[f"{name}_id"] is not None:
            return name, session[f"{name}_id"]
    return "unknown", None


def usage_monthly_by_user(facts: Facts) -> list[Row]:
    groups = grouped(((s.month, s["org_id"], *_actor(s)), s) for s in facts.sessions)
    return [
        {
            "month": month,
            "org_id": org_id,
            "actor_type": actor_type,
            "actor_id": actor_id,
            **_usage(facts, group),
        }
        for (month, org_id, actor_type, actor_id), group in groups.items()
    ]


def acu_accrual(facts: Facts) -> list[Row]:
    known = [version for version in facts.versions if version.acus_consumed is not None]
    rows = []
    for session_id, versions in grouped((v.session_id, v) for v in known).items():
        by_time = grouped((v.observed_at, v.acus_consumed) for v in versions)
        before: float | None = None
        for at in sorted(by_time):
            acus = max(by_time[at])
            step = 0.0 if before is None else acus - before
            rows.append(
                {"session_id": session_id, "observed_at": at, "acus_consumed": acus, "step": step}
            )
            before = acus
    return rows


def acu_daily(facts: Facts) -> list[Row]:
    groups = grouped(
        ((row["observed_at"].date(), facts.by_id[row["session_id"]]["org_id"]), row["step"])
        for row in acu_accrual(facts)
    )
    return [
        {
            "date": day,
            "org_id": org_id,
            "org_name": facts.org_name(org_id),
            "acus_observed": math.fsum(steps),
        }
        for (day, org_id), steps in groups.items()
    ]


def _dimensions(session: Session) -> Iterable[tuple[str, str]]:
    """Each dimension with the values that a session has in it, each of them once."""
    found: dict[str, set[str | None]] = {
        "category": {session["category"]},
        "origin": {session["origin"]},
        "playbook": {session["playbook_id"]},
        "session_size": {session.insights.get("session_size")},
        "status": {session["status"]},
        "org": {session["org_id"]},
        "user": {session["user_id"]},
        "tag": set(session.tags),
        "programming_language": set(session.languages),
        "repository": {pull.repository for pull in session.pulls},
    }
    for dimension, values in found.items():
        for value in {v if v is not None else NONE for v in values} or {NONE}:
            yield dimension, value


def _outcomes(facts: Facts, dimension: str, value: str, group: Sequence[Session]) -> Row:
    names = {"org": facts.org_name, "user": facts.user_name}
    repository = value if dimension == "repository" else None
    counts = pull_request_counts(group, repository)
    acus = acus_of(group)
    merged = counts["merged_pull_requests_count"]
    return {
        "dimension": dimension,
        "value": value,
        "value_name": names[dimension](value) if dimension in names else value,
        "sessions_count": len(group),
        "acus_consumed": acus,
        **counts,
        "session_merge_rate": ratio(
            counts["sessions_with_merged_pr_count"], counts["sessions_with_pr_count"]
        ),
        "acus_per_merged_pull_request": ratio(acus, merged),
        "acus_without_merged_pr": acus_of(
            s for s in group if not any(p.is_in("merged") for p in s.pulls_of(repository))
        ),
    }


def outcomes_by_dimension(facts: Facts) -> list[Row]:
    groups = grouped((where, s) for s in facts.sessions for where in _dimensions(s))
    return [_outcomes(facts, *where, group) for where, group in groups.items()]


def outcomes_monthly(facts: Facts) -> list[Row]:
    groups = grouped(((s.month, *where), s) for s in facts.sessions for where in _dimensions(s))
    settled = facts.watermark - SETTLED_AFTER
    return [
        {
            "month": month,
            **_outcomes(facts, dimension, value, group),
            "sessions_settled_count": sum(
                s["created_at"] is not None and s["created_at"] < settled for s in group
            ),
        }
        for (month, dimension, value), group in groups.items()
    ]


def adoption_daily(facts: Facts) -> list[Row]:
    active: dict[tuple[str | None, date], set[str]] = defaultdict(set)
    new: Counter[tuple[str | None, date]] = Counter()
    known: set[str] = set()
    for session in sorted(facts.sessions, key=attrgetter("order")):
        day = session.created_date
        if session.is_human and day:
            for org_id in {None, session["org_id"]}:
                active[org_id, day].add(session["user_id"])
                new[org_id, day] += session["user_id"] not in known
            known.add(session["user_id"])
    begun = [session.created_date for session in facts.sessions if session.created_date]
    first, last = min(begun), facts.watermark.date()
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    org_ids = {None, *(session["org_id"] for session in facts.sessions)}

    def users(org_id: str | None, day: date, length: int) -> int:
        span = (day - timedelta(days=number) for number in range(length))
        return len(set().union(*(active.get((org_id, each), ()) for each in span)))

    return [
        {
            "date": day,
            "org_id": org_id,
            "org_name": facts.org_name(org_id),
            "dau": users(org_id, day, 1),
            "wau": users(org_id, day, 7),
            "mau": users(org_id, day, 28),
            "new_users_count": new[org_id, day],
            "returning_users_count": users(org_id, day, 1) - new[org_id, day],
            "stickiness": ratio(users(org_id, day, 1), users(org_id, day, 28)),
        }
        for day in days
        for org_id in org_ids
    ]


def session_families(facts: Facts) -> list[Row]:
    def depth(session: Session, root: str) -> int:
        steps = 0
        while session["session_id"] != root:
            session = facts.by_id[session["parent_session_id"]]
            steps += 1
        return steps

    return [
        {
            "root_session_id": root,
            "sessions_count": len(members),
            "own_acus": facts.by_id[root].acus,
            "family_acus": acus_of(members),
            "pull_requests_count": len(set().union(*(s.urls for s in members))),
            "merged_pull_requests_count": len(set().union(*(s.merged_urls for s in members))),
            "depth": max(depth(session, root) for session in members),
        }
        for root, members in facts.families.items()
    ]


def _percentile(values: Sequence[float], share: float) -> float | None:
    if not values:
        return None
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def session_durations_weekly(facts: Facts) -> list[Row]:
    finished = [session for session in facts.sessions if session.is_finished]
    groups = grouped(((s.week, s["category"]), s.duration) for s in finished)
    rows = []
    for (week, category), found in groups.items():
        durations = [duration for duration in found if duration is not None]
        rows.append(
            {
                "week": week,
                "category": category,
                "sessions_count": len(found),
                "median_seconds": _percentile(durations, 0.5),
                "p90_seconds": _percentile(durations, 0.9),
            }
        )
    return rows


def pull_request_cycle_times(facts: Facts) -> list[Row]:
    seen = grouped((pull.url, (sid, pull, at)) for (sid, pull), at in facts.pull_states.items())
    rows = []
    for url, states in seen.items():
        merged = min((at for _, pull, at in states if pull.is_in("merged")), default=None)
        if url is None or merged is None:
            continue
        opened = min((at for _, pull, at in states if pull.is_in("open")), default=None)
        is_known = opened is not None and opened <= merged
        begun = [facts.by_id[sid]["created_at"] for sid, _, _ in states]
        first = min((at for at in begun if at is not None), default=None)
        rows.append(
            {
                "pr_url": url,
                "first_open_observed_at": opened,
                "first_merged_observed_at": merged,
                "observed_open_to_merged_hours": hours(merged - opened) if is_known else None,
                "upper_bound_hours": None if first is None else hours(merged - first),
            }
        )
    return rows


COMPUTED: tuple[Callable[[Facts], list[Row]], ...] = (
    sessions,
    pull_requests,
    usage_daily,
    usage_monthly_by_user,
    acu_daily,
    outcomes_by_dimension,
    outcomes_monthly,
    adoption_daily,
    issue_labels,
    action_items,
    prompt_quality_by_user,
    insight_coverage_monthly,
    session_families,
    knowledge_notes,
    session_durations_weekly,
    pull_request_cycle_times,
    acu_accrual,
)


def expected_views(facts: Facts) -> dict[str, list[Row]]:
    """The rows of every view."""
    return {compute.__name__: compute(facts) for compute in COMPUTED}
