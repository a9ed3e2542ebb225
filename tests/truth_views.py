"""What the views must say for what the API said: written from design §4, not from the SQL.

Plain Python over the API's JSON, as it was at each of several observations; one function a view.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache, cached_property
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

from tests.truth import clean, expected
from tests.truth_v3 import expected_v3

Row = dict[str, Any]
Key = TypeVar("Key", bound=Hashable)
NONE = "(none)"
NEVER = datetime.fromisoformat("9999-12-31")
SETTLED_AFTER = timedelta(days=14)
# what the truth about tables takes for granted, and a record may leave out all the same
ASSUMED: dict[str, Row] = {
    "v2": {"acus_consumed": 0, "created_at": "1970-01-01T00:00:00Z"},
    "v3": {"acus_consumed": 0, "created_at": 0},
}
NOT_HUMAN = ("automation", "scheduled", "code_scan")
FINISHED = (
    ("suspended", "inactivity"),
    ("suspended", "user_request"),
    ("running", "finished"),
)
# what stands in the path of a pull request before its number, and who writes it so
MARKERS = (
    ("/-/merge_requests/", "gitlab"),
    ("/merge_requests/", "gitlab"),
    ("/pull-requests/", "bitbucket"),
    ("/pullrequest/", "azure_devops"),
    ("/pull/", "github"),
)
HOSTS = (
    ("github", "github"),
    ("gitlab", "gitlab"),
    ("bitbucket", "bitbucket"),
    ("azure", "azure_devops"),
    ("visualstudio", "azure_devops"),
)

SESSION = (
    "org_id user_id service_user_id title url status status_detail origin category subcategory "
    "playbook_id parent_session_id is_archived acus_consumed created_at updated_at "
    "structured_output api_version extra"
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


class Told(NamedTuple):
    """A session as the API told it, as JSON: v2's record, or v3's item and, if read, insights."""

    version: str
    session: bytes
    insights: bytes | None = None


class Observation(NamedTuple):
    """All that the API told at an instant; that is plain UTC."""

    at: datetime
    sessions: Sequence[Told]


@cache
def address(url: str) -> tuple[str, str | None, int | None]:
    """Provider, repository and number of a pull request, from its address alone."""
    plain = url.partition("#")[0].partition("?")[0]
    host, slash, rest = (plain.partition("://")[2] or plain).partition("/")
    path = slash + rest
    marker, writer = next((pair for pair in MARKERS if pair[0] in path), ("", "other"))
    named = (provider for part, provider in HOSTS if part in host.lower())
    parts = path.split("/")
    if len(parts) > 4 and parts[3] == "pull" and parts[4].isascii() and parts[4].isdecimal():
        # host/owner/repository/pull/number, where the repository may be called pull too
        number = int(parts[4]) if len(parts[4]) <= 18 else None
        return next(named, "github"), "/".join(parts[1:3]), number
    if not marker:
        return next(named, writer), None, None
    before, _, after = path.partition(marker)
    digits = after.partition("/")[0]
    is_number = digits.isascii() and digits.isdecimal() and len(digits) <= 18
    number = int(digits) if is_number else None
    return next(named, writer), before.removeprefix("/") or None, number


class Pull(NamedTuple):
    """A row of a session's list of pull requests."""

    url: str | None
    state: str | None

    def is_in(self, state: str) -> bool:
        return self.state is not None and self.state.lower() == state

    @property
    def repository(self) -> str | None:
        return None if self.url is None else address(self.url)[1]


@dataclass(frozen=True, eq=False)
class Session:
    """A session as it was told: columns of devin.sessions, and what other tables say of it."""

    columns: Row
    message: str | None
    tags: list[str]
    pulls: list[Pull]
    insights: Row
    issues: list[Row]
    actions: list[Row]
    feedback: list[Row]
    notes: list[Row]
    languages: list[str]
    analysis: str

    def __getitem__(self, name: str) -> Any:
        return self.columns.get(name)

    @property
    def acus(self) -> float:
        return self["acus_consumed"] or 0.0

    @cached_property
    def created_date(self) -> date | None:
        begun: datetime | None = self["created_at"]
        return begun and begun.date()

    @property
    def month(self) -> date | None:
        return self.created_date and self.created_date.replace(day=1)

    @property
    def week(self) -> date | None:
        day = self.created_date
        return day and day - timedelta(days=day.weekday())

    @property
    def duration(self) -> float | None:
        begun: datetime | None = self["created_at"]
        return None if begun is None else (self["updated_at"] - begun).total_seconds()

    @cached_property
    def order(self) -> tuple[datetime, str]:
        """What makes the first of several: created_at, then the id; unknown times come last."""
        return self["created_at"] or NEVER, self["session_id"]

    @property
    def is_human(self) -> bool:
        return self["user_id"] is not None and self["origin"] not in NOT_HUMAN

    @property
    def is_finished(self) -> bool:
        return self["status"] == "exit" or (self["status"], self["status_detail"]) in FINISHED

    @property
    def is_analysed(self) -> bool:
        return bool(self.insights.get("has_analysis"))

    @cached_property
    def urls(self) -> set[str]:
        return {pull.url for pull in self.pulls if pull.url is not None}

    @cached_property
    def merged_urls(self) -> set[str]:
        return {p.url for p in self.pulls if p.url is not None and p.is_in("merged")}

    def pulls_in(self, state: str) -> int:
        return sum(pull.is_in(state) for pull in self.pulls)

    def pulls_of(self, repository: str | None) -> list[Pull]:
        """Those of a repository, '(none)' too; all for None."""
        return [p for p in self.pulls if repository in (None, p.repository or NONE)]

    @cached_property
    def state(self) -> tuple[Any, ...]:
        """What makes a version of it."""
        names = ("session_id", "updated_at", "status", "status_detail", "acus_consumed")
        counts = (self.pulls_in(state) for state in ("open", "merged", "closed"))
        return (*(self[name] for name in names), *counts, self.analysis)


@cache
def read(told: Told) -> Session:
    """The session, from its JSON."""
    session, assumed = json.loads(told.session), ASSUMED[told.version]
    insights = None if told.insights is None else json.loads(told.insights)
    known = assumed | {k: v for k, v in session.items() if v is not None or k not in assumed}
    if told.version == "v2":
        tables = expected([known])
        analysis = session.get("session_analysis")
    else:
        tables = expected_v3([known], [] if insights is None else [assumed | insights])
        analysis = (insights or {}).get("analysis")
    columns = tables["sessions"][0] | {k: None for k in assumed if session.get(k) is None}
    prompts = tables.get("session_prompts", [])
    return Session(
        columns,
        prompts[0]["initial_user_message"] if prompts else None,
        [row["tag"] for row in tables["session_tags"]],
        [Pull(row["pr_url"], row["pr_state"]) for row in tables["session_pull_requests"]],
        next(iter(tables["insights"]), {}),
        tables["insight_issues"],
        tables["insight_action_items"],
        tables["insight_feedback_items"],
        tables.get("insight_note_usages", []),
        [r["programming_language"] for r in tables.get("insight_programming_languages", [])],
        json.dumps(clean(analysis), sort_keys=True),
    )


class Version(NamedTuple):
    """A row of devin.session_versions, as far as a view reads it."""

    session_id: str
    observed_at: datetime
    acus_consumed: float | None


class Facts:
    """What the views are about: everything as last told, and the history of the observations."""

    def __init__(
        self,
        observations: Iterable[Observation],
        *,
        watermark: datetime,
        deleted: Collection[str] = (),
        organizations: Mapping[str, str | None] | None = None,
        users: Mapping[str, str | None] | None = None,
    ) -> None:
        self.watermark = watermark
        self.deleted = deleted
        self.organizations = organizations or {}
        self.users = users or {}
        self.by_id: dict[str, Session] = {}
        self.messages: dict[str, str | None] = {}
        self.versions: list[Version] = []
        self.pull_states: dict[tuple[str, Pull], datetime] = {}
        self._seen: set[tuple[Any, ...]] = set()
        for at, sessions in observations:
            for told in sessions:
                self._observe(at, told)
        self.sessions = list(self.by_id.values())

    def _observe(self, at: datetime, told: Told) -> None:
        session = read(told)
        session_id = session["session_id"]
        self.by_id[session_id] = session
        if told.version == "v2":
            self.messages[session_id] = session.message
        if session.state not in self._seen:
            self._seen.add(session.state)
            self.versions.append(Version(session_id, at, session["acus_consumed"]))
        for pull in session.pulls:
            self.pull_states.setdefault((session_id, pull), at)

    def org_name(self, org_id: str | None) -> str | None:
        name = self.organizations.get(org_id) if org_id is not None else None
        return org_id if name is None else name

    def user_name(self, user_id: str | None) -> str | None:
        name = self.users.get(user_id) if user_id is not None else None
        return user_id if name is None else name

    def root(self, session_id: str) -> str:
        """Up from parent to parent; the smallest id of a circle."""
        path: list[str] = []
        while session_id not in path:
            path.append(session_id)
            parent = self.by_id[session_id]["parent_session_id"]
            if parent not in self.by_id:
                return session_id
            session_id = parent
        return min(path[path.index(session_id) :])

    @cached_property
    def families(self) -> dict[str, list[Session]]:
        return grouped((self.root(s["session_id"]), s) for s in self.sessions)

    @cached_property
    def roots(self) -> dict[str, str]:
        return {s["session_id"]: root for root, members in self.families.items() for s in members}

    @cached_property
    def sharing(self) -> dict[str, list[Session]]:
        """The sessions that list a pull request now, the first of them first."""
        return grouped(
            (url, s) for s in sorted(self.sessions, key=attrgetter("order")) for url in s.urls
        )

    @cached_property
    def first_merged(self) -> Counter[str]:
        """How many merged pull requests each session was the first of."""
        merged = {url for session in self.sessions for url in session.merged_urls}
        return Counter(self.sharing[url][0]["session_id"] for url in merged)


def grouped(pairs: Iterable[tuple[Key, Any]]) -> dict[Key, list[Any]]:
    groups: dict[Key, list[Any]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return dict(groups)


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _acus(sessions: Iterable[Session]) -> float:
    return math.fsum(session.acus for session in sessions)


def _hours(span: timedelta) -> float:
    return span / timedelta(hours=1)


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


def _pull_request_counts(group: Sequence[Session], repository: str | None = None) -> Row:
    """Of pull requests of a repository, or of any: how many, and of how many sessions.

    One without an address is one all the same, but which one, nobody knows.
    """
    listed = [session.pulls_of(repository) for session in group]
    merged = [[pull for pull in pulls if pull.is_in("merged")] for pulls in listed]
    return {
        "sessions_with_pr_count": sum(map(bool, listed)),
        "sessions_with_merged_pr_count": sum(map(bool, merged)),
        "pull_requests_count": len({p.url for pulls in listed for p in pulls} - {None}),
        "merged_pull_requests_count": len({p.url for pulls in merged for p in pulls} - {None}),
    }


def _usage(facts: Facts, group: Sequence[Session]) -> Row:
    return {
        "org_name": facts.org_name(group[0]["org_id"]),
        "sessions_count": len(group),
        "human_sessions_count": sum(session.is_human for session in group),
        "acus_consumed": _acus(group),
        **_pull_request_counts(group),
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
        before = 0.0
        for at in sorted(by_time):
            acus = max(by_time[at])
            step = acus - before
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
    counts = _pull_request_counts(group, repository)
    acus = _acus(group)
    merged = counts["merged_pull_requests_count"]
    return {
        "dimension": dimension,
        "value": value,
        "value_name": names[dimension](value) if dimension in names else value,
        "sessions_count": len(group),
        "acus_consumed": acus,
        **counts,
        "session_merge_rate": _ratio(
            counts["sessions_with_merged_pr_count"], counts["sessions_with_pr_count"]
        ),
        "acus_per_merged_pull_request": _ratio(acus, merged),
        "acus_without_merged_pr": _acus(
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
            "stickiness": _ratio(users(org_id, day, 1), users(org_id, day, 28)),
        }
        for day in days
        for org_id in org_ids
    ]


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
                "acus_consumed": _acus(group),
                "analysed_sessions_count": analysed,
                "share_of_analysed_sessions": _ratio(len(group), analysed),
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
    return _ratio(sum(map(len, prompts)), len(prompts))


def _merge_rate(group: Sequence[Session], which: str) -> Row:
    counts = _pull_request_counts(group)
    with_pr, merged = counts["sessions_with_pr_count"], counts["sessions_with_merged_pr_count"]
    return {
        f"session_merge_rate_{which}_feedback": _ratio(merged, with_pr),
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
                "feedback_share": _ratio(len(told), len(group)),
                "feedback_items_count": items,
                "feedback_items_per_session": _ratio(items, len(group)),
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
            "coverage": _ratio(sum(group), len(group)),
        }
        for (month, org_id), group in groups.items()
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
            "family_acus": _acus(members),
            "pull_requests_count": len(set().union(*(s.urls for s in members))),
            "merged_pull_requests_count": len(set().union(*(s.merged_urls for s in members))),
            "depth": max(depth(session, root) for session in members),
        }
        for root, members in facts.families.items()
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
                "observed_open_to_merged_hours": _hours(merged - opened) if is_known else None,
                "upper_bound_hours": None if first is None else _hours(merged - first),
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
