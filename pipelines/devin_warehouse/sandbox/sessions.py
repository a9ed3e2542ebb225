"""What the sandbox knows about a session: the union of everything v2 and v3 tell about one.

Fields and their meaning follow the API's documentation; `v2.py` and `v3.py` project a session to
the records their API versions send. Texts are invented.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from .story import USUAL, Course

Path = tuple[str | int, ...]
Payload = Literal["item", "insights"]
PullRequestSpelling = Literal["schema", "v3", "example", "stateless"]
TERMINAL = ("exit", "error")


@dataclass(slots=True)
class PullRequest:
    """A pull request, and how v2 spells it: its schema and its own example disagree."""

    url: str
    state: str | None
    spelling: PullRequestSpelling = "schema"
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Issue:
    """`label` and `impact` are free text: no list of values is documented."""

    issue: str
    impact: str
    label: str
    issue_id: str = ""
    title: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class TimelineEvent:
    """Carries no time: its place in the array is its order."""

    title: str
    description: str
    color: str | None = None
    issue_id: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class ActionItem:
    """What somebody should do so that the next session goes better."""

    action_item: str
    type: str = "other"
    issue_id: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class FeedbackItem:
    """A remark about the prompt; every key may be null in v2."""

    summary: str | None
    excerpt: str | None
    details: str | None
    issue_id: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class SuggestedPrompt:
    """The user's prompt, a better one, and why."""

    original_prompt: str
    suggested_prompt: str
    feedback_items: list[FeedbackItem] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class NoteUsage:
    """A knowledge note that helped (`is_good`) or misled; v3 only."""

    note_id: str
    message: str
    reason: str
    is_good: bool = True
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Classification:
    """v3 only; `category` is free text and not the session's category."""

    category: str
    confidence: float
    programming_languages: list[str] = field(default_factory=list)
    tools_and_frameworks: list[str] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Analysis:
    """Session insights: made when a user asks for them, so many sessions have none.

    `note_usages` is None where there is no `note_usage` at all.
    """

    issues: list[Issue] = field(default_factory=list)
    timeline: list[TimelineEvent] = field(default_factory=list)
    action_items: list[ActionItem] = field(default_factory=list)
    suggested_prompt: SuggestedPrompt | None = None
    classification: Classification | None = None
    note_usages: list[NoteUsage] | None = None
    note_usage_extra: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Session:
    """One Devin session.

    `absent` names optional keys that its records leave out, `utc_offset_hours` is the zone in
    which v2 writes its times, `wrong` a path into the v2 record and the value of a wrong type
    that stands there, `wrong_v3` the same for one of the two payloads of v3. `encoded` holds its
    serialised records until it changes. `course` is how it goes, and no field of the API.
    """

    session_id: str
    org_id: str
    status: str
    created_at: datetime
    updated_at: datetime
    acus_consumed: float
    title: str | None = None
    initial_user_message: str | None = None
    user_id: str | None = None
    service_user_id: str | None = None
    status_detail: str | None = None
    origin: str | None = "webapp"
    category: str | None = None
    subcategory: str | None = None
    playbook_id: str | None = None
    schedule_id: str | None = None
    parent_session_id: str | None = None
    child_session_ids: list[str] = field(default_factory=list)
    is_archived: bool = False
    is_advanced: bool = False
    structured_output: dict[str, Any] | None = None
    num_user_messages: int = 1
    num_devin_messages: int = 0
    tags: list[str] = field(default_factory=list)
    pull_requests: list[PullRequest] = field(default_factory=list)
    analysis: Analysis | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    utc_offset_hours: float = 0
    wrong: tuple[Path, object] | None = None
    wrong_v3: tuple[Payload, Path, object] | None = None
    course: Course = field(default=USUAL, repr=False, compare=False)
    encoded: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False)

    @property
    def url(self) -> str:
        """Where a person opens it, as in the documentation's example."""
        return f"https://app.devin.ai/sessions/{self.session_id}"

    @property
    def session_size(self) -> str:
        """v3's class "based on ACU usage and message count"; the limits are invented."""
        effort = self.acus_consumed + (self.num_user_messages + self.num_devin_messages) / 10
        limits = (("xs", 2), ("s", 6), ("m", 14), ("l", 30))
        return next((size for size, limit in limits if effort < limit), "xl")

    @property
    def repo_names(self) -> list[str]:
        """v3, newer: the repositories of its pull requests; how they are written is invented."""
        paths = [each.url.partition("//")[2].split("/") for each in self.pull_requests]
        return sorted({"/".join(path[1:3]) for path in paths if len(path) > 2})

    @property
    def is_unsettled(self) -> bool:
        """Whether it is sure to be one that can change without its `updated_at` moving."""
        is_in_review = any(each.state == "open" for each in self.pull_requests)
        return self.status not in TERMINAL or is_in_review or self.analysis is None

    @property
    def is_settled(self) -> bool:
        """Whether it is sure not to be; a pull request of an unknown state leaves it open."""
        is_reviewed = all(each.state in ("merged", "closed") for each in self.pull_requests)
        return self.status in TERMINAL and is_reviewed and self.analysis is not None
