"""Invents lifelike sessions. Everything follows from the seed and the instants passed in.

Some things hang together, so that analysing the data tells something: vague prompts merge less
and cost more, a broken environment costs ACUs, organizations work in repositories of their own,
use grows and rests at weekends, and users join one after the other. `story.py` says what stands
out.
"""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import accumulate
from random import Random
from typing import NamedTuple

from . import vocabulary as words
from .sessions import (
    ActionItem,
    Analysis,
    Classification,
    FeedbackItem,
    Issue,
    NoteUsage,
    PullRequest,
    Session,
    SuggestedPrompt,
    TimelineEvent,
)
from .story import Course, Story, habits

_USERS = 40
_FIRST_USERS = 4
_COMMON_NOTES = [note for note in words.NOTES if note is not words.REGISTRY_NOTE]
_REGISTRY_NOTE_SHARE = 0.01
_WEEKDAYS = (1.0, 1.1, 1.1, 1.0, 0.85, 0.2, 0.15)
_HOURS = (1, 1, 1, 1, 1, 2, 4, 8, 14, 18, 18, 14, 12, 16, 18, 18, 16, 12, 8, 5, 3, 2, 2, 1)


class User(NamedTuple):
    """`vagueness` is the share of this user's prompts that say too little.

    `joins` is the share of the enterprise's span that has passed by then; `eagerness` is how much
    this user asks of Devin, beside others.
    """

    user_id: str
    org_id: str
    vagueness: float
    joins: float
    eagerness: float


@dataclass(frozen=True)
class Task:
    """What a session is about."""

    title: str
    category: str
    subcategory: str
    repository: words.Repository
    part: str
    is_vague: bool = False

    @cached_property
    def _words(self) -> dict[str, str]:
        return {
            "title": self.title,
            "part": self.part,
            "slug": self.part.lower().replace(" ", "_"),
            "repo": self.repository.name,
            "tool": self.repository.tools[0],
            "language": self.repository.language,
        }

    @property
    def languages(self) -> list[str]:
        """The repository's, and another one where the part is made of data."""
        needs_queries = self.part in words.DATA_PARTS and self.repository.language != "SQL"
        return [self.repository.language, *(["SQL"] if needs_queries else [])]

    def write(self, template: str) -> str:
        """Fills a template of the vocabulary."""
        return template.format_map(self._words)


def creation_times(rng: Random, count: int, since: datetime, until: datetime) -> list[datetime]:
    """`count` ascending instants in [since, until): growing, busy by day, quiet at weekends."""
    days = max(1, round((until - since) / timedelta(days=1)))
    midnight = since.replace(hour=0, minute=0, second=0, microsecond=0)
    weights = [
        (1 + 2 * day / days) * _WEEKDAYS[(since + timedelta(days=day)).weekday()]
        for day in range(days + 1)
    ]
    drawn_days = rng.choices(range(days + 1), weights, k=count)
    drawn_hours = rng.choices(range(24), _HOURS, k=count)
    times = []
    for day, hour in zip(drawn_days, drawn_hours, strict=True):
        at = midnight + timedelta(days=day, hours=hour, microseconds=rng.randrange(3_600_000_000))
        if not since <= at < until:
            at = since + (until - since) * rng.random()
        times.append(at.replace(microsecond=0) if rng.random() < 0.5 and at > since else at)
    return sorted(times)


class Inventor:
    """The enterprise: its organizations, users and repositories, and the sessions they start."""

    def __init__(self, seed: int, since: datetime, until: datetime) -> None:
        rng = Random(f"{seed}/enterprise")
        self._story = Story(since, max(until - since, timedelta(seconds=1)))
        self.org_ids = [f"org-{rng.getrandbits(128):032x}" for _ in words.ORGANIZATIONS]
        self.org_names = dict(zip(self.org_ids, words.ORGANIZATIONS, strict=True))
        users = [self._user(rng, number) for number in range(_USERS)]
        self.users = sorted(users, key=lambda user: user.joins)
        self._joins = [user.joins for user in self.users]
        self._eagerness = list(accumulate(user.eagerness for user in self.users))
        self.service_user_ids = [f"service-user-{rng.getrandbits(64):016x}" for _ in range(3)]
        self.playbook_ids = [f"playbook-{rng.getrandbits(128):032x}" for _ in range(6)]
        self._note_ids = {note: f"note-{rng.getrandbits(128):032x}" for note in words.NOTES}
        self._pull_request_numbers = dict.fromkeys(words.REPOSITORIES, 100)
        self._workplaces = {org_id: _workplaces(place) for place, org_id in enumerate(self.org_ids)}

    def _user(self, rng: Random, number: int) -> User:
        form = words.USER_ID_FORMS[number % len(words.USER_ID_FORMS)]
        user_id = form.format(number=rng.randrange(10**20), code=f"{rng.getrandbits(96):024x}")
        seat, place = divmod(number, len(self.org_ids))
        custom = habits(words.ORGANIZATIONS[place])
        first, last = custom.joins
        progress = (seat + rng.random()) / (_USERS / len(self.org_ids))
        return User(
            user_id,
            self.org_ids[place],
            vagueness=rng.betavariate(*custom.vagueness),
            joins=first + progress * (last - first),
            eagerness=custom.eagerness / (seat + 2),
        )

    def _user_at(self, rng: Random, at: datetime) -> User:
        """One of the users that have joined by then; there always are some."""
        joined = max(_FIRST_USERS, bisect(self._joins, self._story.share(at)))
        drawn = rng.random() * self._eagerness[joined - 1]
        return self.users[bisect(self._eagerness, drawn, 0, joined - 1)]

    def task(self, rng: Random, org_id: str, vagueness: float) -> Task:
        """Something to do in one of the repositories, mostly one of the organization's."""
        category, subcategories, titles = rng.choice(words.WORK)
        repository = rng.choice(self._workplaces.get(org_id, words.REPOSITORIES))
        part = rng.choice(words.PARTS)
        return Task(
            title=rng.choice(titles).format(
                part=part, repo=repository.name, tool=repository.tools[0]
            ),
            category=category,
            subcategory=rng.choice(subcategories),
            repository=repository,
            part=part,
            is_vague=rng.random() < vagueness,
        )

    def session(self, rng: Random, created_at: datetime, now: datetime) -> Session:
        """A session as it stands at `now`, begun at `created_at`."""
        user = self._user_at(rng, created_at)
        task = self.task(rng, user.org_id, user.vagueness)
        prompts = words.VAGUE_PROMPTS if task.is_vague else words.CLEAR_PROMPTS
        course = self._story.course(rng, task.category, task.repository, created_at)
        status, status_detail = _status_at(rng, now - created_at, course)
        session = Session(
            session_id=f"{rng.getrandbits(128):032x}",
            org_id=user.org_id,
            user_id=user.user_id,
            status=status,
            status_detail=status_detail,
            created_at=created_at,
            updated_at=_updated_at(rng, created_at, now, course),
            acus_consumed=0,
            title=task.title if rng.random() < 0.97 else None,
            initial_user_message=task.write(rng.choice(prompts)),
            origin=rng.choice(words.HUMAN_ORIGINS),
            tags=rng.sample(words.TAGS, rng.choice((0, 0, 1, 1, 2, 3))),
            course=course,
        )
        self._attribute(rng, session, task)
        if status not in ("new", "claimed"):
            self._work(rng, session, task, now)
        return session

    def _attribute(self, rng: Random, session: Session, task: Task) -> None:
        """Where the session came from and what it was filed under; v3 tells most of it."""
        if rng.random() < 0.08:
            session.user_id, session.service_user_id = None, rng.choice(self.service_user_ids)
            session.origin = rng.choice(words.SERVICE_ORIGINS)
        if session.origin == "scheduled":
            session.schedule_id = f"schedule-{session.org_id[-8:]}"
        if rng.random() < 0.15:
            session.playbook_id = rng.choice(self.playbook_ids)
        if rng.random() < 0.8:
            session.category, session.subcategory = task.category, task.subcategory
        session.is_advanced = rng.random() < 0.05

    def _work(self, rng: Random, session: Session, task: Task, now: datetime) -> None:
        """What came of the session so far."""
        course = session.course
        session.num_user_messages = 1 + int(rng.expovariate(0.35))
        answers = int(rng.expovariate(0.1) * course.cost)
        session.num_devin_messages = session.num_user_messages + answers
        session.acus_consumed = _acus(rng, task, course)
        if rng.random() < 0.04:
            session.structured_output = {"summary": task.title, "tests_passed": rng.randint(0, 80)}
        if session.status == "running" and session.status_detail != "finished":
            return
        session.is_archived = rng.random() < 0.1
        if task.category != "research_and_exploration":
            for _ in range(rng.choice(course.pull_requests)):
                session.pull_requests.append(self._reviewed_pull_request(rng, task, session, now))
        if session.status in ("exit", "error", "suspended") and rng.random() < course.is_analysed:
            session.analysis = self.analysis(rng, session, task)

    def pull_request(self, task: Task) -> PullRequest:
        """A new one, open."""
        self._pull_request_numbers[task.repository] += 1
        number = self._pull_request_numbers[task.repository]
        return PullRequest(f"{task.repository.pull_request}{number}", "open")

    def _reviewed_pull_request(
        self, rng: Random, task: Task, session: Session, now: datetime
    ) -> PullRequest:
        pull_request = self.pull_request(task)
        merges = (0.4 if task.is_vague else 0.8) * session.course.merges
        if rng.random() < 0.04:
            pull_request.state = None
        elif now - session.created_at > timedelta(days=rng.expovariate(0.4)):
            pull_request.state = "merged" if rng.random() < merges else "closed"
        return pull_request

    def analysis(self, rng: Random, session: Session, task: Task | None = None) -> Analysis:
        """Session insights, as somebody asked for them after the session's work."""
        task = task or self.task(rng, session.org_id, 0.4)
        findings = _findings(rng, task, session.course)
        issues = _issues(rng, task, findings)
        return Analysis(
            issues=issues,
            timeline=_timeline(rng, task, issues),
            action_items=_action_items(rng, task, findings, issues),
            suggested_prompt=_suggested_prompt(rng, task, session),
            classification=Classification(
                task.category, round(rng.uniform(0.4, 1), 2), task.languages,
                list(task.repository.tools),
            ),
            note_usages=self._note_usages(rng, session.course),
        )  # fmt: skip

    def _note_usages(self, rng: Random, course: Course) -> list[NoteUsage] | None:
        notes = rng.sample(_COMMON_NOTES, rng.choice((0, 0, 1, 2)))
        usages = [self.note_usage(rng, note) for note in notes]
        if course.is_misled and rng.random() < course.is_misled:
            usages.append(self._usage(words.REGISTRY_NOTE, is_good=False))
        elif rng.random() < _REGISTRY_NOTE_SHARE:
            usages.append(self.note_usage(rng, words.REGISTRY_NOTE))
        return usages or None

    def note_usage(self, rng: Random, note: words.Note) -> NoteUsage:
        """Of one of the knowledge notes, which mostly help."""
        return self._usage(note, is_good=rng.random() >= note.misleads)

    def _usage(self, note: words.Note, *, is_good: bool) -> NoteUsage:
        reason = note.helped if is_good else note.hurt
        return NoteUsage(self._note_ids[note], note.message, reason, is_good)


def _workplaces(place: int) -> tuple[words.Repository, ...]:
    """The repositories of the organization at this place, as often as it works there."""
    first, second = words.REPOSITORIES[2 * place : 2 * place + 2]
    return (first,) * 16 + (second,) * 5 + words.REPOSITORIES


def _status_at(rng: Random, age: timedelta, course: Course) -> tuple[str, str | None]:
    hours = age / timedelta(hours=1)
    if hours < 0.05:
        status = rng.choice(("new", "claimed"))
    elif hours < 8:
        status = rng.choices(("running", "resuming", "suspended", "exit"), (70, 4, 10, 16))[0]
    elif hours < 72:
        status = rng.choices(("running", "suspended", "exit", "error"), (10, 35, 50, 5))[0]
    else:
        status = rng.choices(("running", "suspended", "exit", "error"), (1, 18, 75, 6))[0]
    if status == "exit" and course.fails and rng.random() < course.fails:
        status = rng.choice(("error", "suspended"))
    return status, status_detail(rng, status)


def status_detail(rng: Random, status: str) -> str | None:
    """One that the documentation allows with this status."""
    if status == "running":
        return rng.choice(words.RUNNING_DETAILS)
    if status == "suspended":
        return rng.choice(words.SUSPENSIONS)
    return None


def _updated_at(rng: Random, created_at: datetime, now: datetime, course: Course) -> datetime:
    """After the session's work; for some after its last pull request was merged, days later."""
    minutes = rng.lognormvariate(3.8, 1.2) * course.cost
    if rng.random() < 0.3:
        minutes += rng.expovariate(1 / 3000)
    alive = min(timedelta(minutes=minutes), (now - created_at) * rng.uniform(0.3, 0.98))
    at = created_at + alive
    whole = at.replace(microsecond=0)
    return whole if rng.random() < 0.3 and whole > created_at else at


def _acus(rng: Random, task: Task, course: Course) -> float:
    """Billed units: some whole, some fractions, some nothing at all."""
    kind = rng.random()
    if kind < 0.04:
        return 0
    acus = rng.lognormvariate(1.3, 0.8)
    acus *= (1.4 if task.is_vague else 1) * course.cost
    if course.wasted_acus:
        acus += course.wasted_acus * rng.uniform(0.5, 1.5)
    return max(1, round(acus)) if kind < 0.3 else round(acus, rng.choice((1, 2, 4)))


def _findings(rng: Random, task: Task, course: Course) -> list[words.Finding]:
    found = rng.sample(words.FINDINGS, rng.choice((0, 0, 1, 1, 2)))
    if course.finding:
        found.insert(0, course.finding)
    if task.is_vague and words.VAGUE_PROMPT not in found:
        found.append(words.VAGUE_PROMPT)
    return found


def _issues(rng: Random, task: Task, findings: list[words.Finding]) -> list[Issue]:
    return [
        Issue(
            issue=task.write(finding.issue),
            impact=rng.choice(finding.impacts),
            label=finding.label,
            issue_id=f"issue_{place}",
            title=finding.label,
        )
        for place, finding in enumerate(findings, start=1)
    ]


def _timeline(rng: Random, task: Task, issues: list[Issue]) -> list[TimelineEvent]:
    drawn = sorted(rng.sample(range(len(words.TIMELINE)), rng.randint(0, 5)))
    events = []
    for place in drawn:
        title, description, color = words.TIMELINE[place]
        issue_id = issues[0].issue_id if issues and color == "red" else None
        events.append(TimelineEvent(title, task.write(description), color, issue_id))
    return events


def _action_items(
    rng: Random, task: Task, findings: list[words.Finding], issues: list[Issue]
) -> list[ActionItem]:
    items = []
    for finding, issue in zip(findings, issues, strict=True):
        if rng.random() < 0.8:
            issue_id = issue.issue_id if rng.random() < 0.85 else None
            items.append(ActionItem(task.write(finding.action), finding.action_type, issue_id))
    return items


def _suggested_prompt(rng: Random, task: Task, session: Session) -> SuggestedPrompt | None:
    if rng.random() < 0.1:
        return None
    original = session.initial_user_message or ""
    count = rng.choice((1, 2, 3)) if task.is_vague else rng.choice((0, 0, 0, 1))
    suggested = task.write(rng.choice(words.CLEAR_PROMPTS))
    return SuggestedPrompt(original, suggested, [
        FeedbackItem(
            summary,
            original[:60] if rng.random() < 0.9 else None,
            task.write(details),
            "issue_1" if rng.random() < 0.5 else None,
        )
        for summary, details in rng.sample(words.FEEDBACK, count)
    ])  # fmt: skip
