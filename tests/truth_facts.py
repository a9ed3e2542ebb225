"""What the API said of sessions at several observations, in plain Python."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
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


def ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def acus_of(sessions: Iterable[Session]) -> float:
    return math.fsum(session.acus for session in sessions)


def hours(span: timedelta) -> float:
    return span / timedelta(hours=1)


def pull_request_counts(group: Sequence[Session], repository: str | None = None) -> Row:
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
