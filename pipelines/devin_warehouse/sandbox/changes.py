"""The kinds of change that a world cycles through; each shows in what the API tells of a session.

`CHANGES` show in v2 and v3, `V3_CHANGES` in v3 only. Those of `SILENT_CHANGES` happen without
`updated_at` moving; v2 does not show all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Literal, NamedTuple

from . import vocabulary as words
from .inventor import Inventor, status_detail
from .sessions import ActionItem, FeedbackItem, Issue, Session, TimelineEvent

ApiVersion = Literal["v2", "v3"]

_LIVE_STATUSES = ("new", "claimed", "running", "suspended", "resuming")
_STATUSES = ("running", "exit", "error", "suspended", "resuming")


class Change(NamedTuple):
    """One kind: which sessions it can happen to, and how it happens to one."""

    kind: str
    is_possible: Callable[[Session], bool]
    happen: Callable[[Random, Inventor, Session], None]


def list_of(session: Session, name: str) -> list[Any] | None:
    """One of the lists of a session; None where it cannot have one."""
    if name in ("tags", "pull_requests"):
        return list_attribute(session, name)
    analysis = session.analysis
    if analysis is None:
        return None
    if name == "note_usages":
        return analysis.note_usages
    owner: object = analysis
    if name == "feedback_items":
        owner = analysis.suggested_prompt
    elif name in ("programming_languages", "tools_and_frameworks"):
        owner = analysis.classification
    return None if owner is None else list_attribute(owner, name)


def list_attribute(owner: object, name: str) -> list[Any]:
    """An attribute that is known to be a list."""
    value: list[Any] = getattr(owner, name)
    return value


def _element(rng: Random, inventor: Inventor, session: Session, name: str) -> object:
    """Something new for one of the lists."""
    task = inventor.task(rng, session.org_id, 0.4)
    finding = rng.choice(words.FINDINGS)
    if name == "tags":
        unused = [tag for tag in words.TAGS if tag not in session.tags]
        return rng.choice(unused) if unused else f"tag-{len(session.tags)}"
    if name == "pull_requests":
        return inventor.pull_request(task)
    if name == "issues":
        return Issue(task.write(finding.issue), rng.choice(finding.impacts), finding.label)
    if name == "timeline":
        title, description, color = rng.choice(words.TIMELINE)
        return TimelineEvent(title, task.write(description), color)
    if name == "action_items":
        return ActionItem(task.write(finding.action), finding.action_type)
    summary, details = rng.choice(words.FEEDBACK)
    return FeedbackItem(summary, None, task.write(details))


def _v3_element(rng: Random, inventor: Inventor, session: Session, name: str) -> object:
    if name == "note_usages":
        return inventor.note_usage(rng, rng.choice(words.NOTES))
    repository = inventor.task(rng, session.org_id, 0.4).repository
    is_tool = name == "tools_and_frameworks"
    return f"{repository.tools[0] if is_tool else repository.language} {rng.randint(2, 99)}"


def _list_changes(
    name: str, element: Callable[[Random, Inventor, Session, str], object] = _element
) -> tuple[Change, Change, Change]:
    def has(session: Session, least: int) -> bool:
        elements = list_of(session, name)
        return elements is not None and len(elements) >= least

    def grow(rng: Random, inventor: Inventor, session: Session) -> None:
        elements = list_of(session, name)
        if elements is not None:
            new = [element(rng, inventor, session, name) for _ in range(rng.randint(1, 2))]
            elements.extend(new)

    def cut(session: Session, length: int) -> None:
        elements = list_of(session, name)
        if elements is not None:
            del elements[length:]

    return (
        Change(f"{name} grown", lambda s: has(s, 0), grow),
        Change(f"{name} shrunk", lambda s: has(s, 2), lambda _r, _i, s: cut(s, 1)),
        Change(f"{name} emptied", lambda s: has(s, 1), lambda _r, _i, s: cut(s, 0)),
    )


def _analyse(rng: Random, inventor: Inventor, session: Session) -> None:
    session.analysis = inventor.analysis(rng, session)


def _analyse_again(rng: Random, inventor: Inventor, session: Session) -> None:
    _analyse(rng, inventor, session)
    if session.analysis:
        again = TimelineEvent("Analysed again", f"Request {rng.getrandbits(32):08x}", "gray")
        session.analysis.timeline.append(again)


def _forget_analysis(_rng: Random, _inventor: Inventor, session: Session) -> None:
    session.analysis = None


def _has_suggested_prompt(session: Session) -> bool:
    return session.analysis is not None and session.analysis.suggested_prompt is not None


def _remove_suggested_prompt(_rng: Random, _inventor: Inventor, session: Session) -> None:
    if session.analysis:
        session.analysis.suggested_prompt = None


def _merge(rng: Random, _inventor: Inventor, session: Session) -> None:
    rng.choice([p for p in session.pull_requests if p.state == "open"]).state = "merged"


def _change_status(rng: Random, _inventor: Inventor, session: Session) -> None:
    session.status = rng.choice([status for status in _STATUSES if status != session.status])
    session.status_detail = status_detail(rng, session.status)


def _retitle(rng: Random, inventor: Inventor, session: Session) -> None:
    session.title = f"{inventor.task(rng, session.org_id, 0).title} ({rng.randint(2, 9999)})"


def _burn_acus(rng: Random, _inventor: Inventor, session: Session) -> None:
    grown = session.acus_consumed + rng.choice((1, 2, 0.25, round(rng.uniform(0.1, 5), 2)))
    session.acus_consumed = round(grown, 4) if isinstance(grown, float) else grown


def _categorise(rng: Random, _inventor: Inventor, session: Session) -> None:
    others = [work for work in words.WORK if work[0] != session.category]
    session.category, subcategories, _ = rng.choice(others)
    session.subcategory = rng.choice(subcategories)


def _change_detail(rng: Random, _inventor: Inventor, session: Session) -> None:
    details = words.RUNNING_DETAILS if session.status == "running" else words.SUSPENSIONS
    session.status_detail = rng.choice([d for d in details if d != session.status_detail])


def _archive(_rng: Random, _inventor: Inventor, session: Session) -> None:
    session.is_archived = True


def _flip_archived(_rng: Random, _inventor: Inventor, session: Session) -> None:
    session.is_archived = not session.is_archived


def _add_child(rng: Random, _inventor: Inventor, session: Session) -> None:
    """One that no list tells of: another session would change with it otherwise."""
    session.child_session_ids.append(f"{rng.getrandbits(128):032x}")


def _has_classification(session: Session) -> bool:
    return session.analysis is not None and session.analysis.classification is not None


def _remove_classification(_rng: Random, _inventor: Inventor, session: Session) -> None:
    if session.analysis:
        session.analysis.classification = None


def _has_open_pull_request(session: Session) -> bool:
    return any(each.state == "open" for each in session.pull_requests)


def _always(_session: Session) -> bool:
    return True


CHANGES: tuple[Change, ...] = (
    *(
        change
        for name in (
            "tags",
            "pull_requests",
            "issues",
            "timeline",
            "action_items",
            "feedback_items",
        )
        for change in _list_changes(name)
    ),
    Change("analysis added", lambda s: s.analysis is None, _analyse),
    Change("analysis replaced", lambda s: s.analysis is not None, _analyse_again),
    Change("analysis removed", lambda s: s.analysis is not None, _forget_analysis),
    Change("suggested_prompt removed", _has_suggested_prompt, _remove_suggested_prompt),
    Change("pull request merged", _has_open_pull_request, _merge),
    Change("status changed", lambda s: s.status in _LIVE_STATUSES, _change_status),
    Change("title changed", _always, _retitle),
    Change("ACUs grown", _always, _burn_acus),
)

V3_CHANGES: tuple[Change, ...] = (
    Change("category set", _always, _categorise),
    Change("status_detail changed", lambda s: s.status in ("running", "suspended"), _change_detail),
    Change("archived", lambda s: not s.is_archived, _archive),
    Change("child added", _always, _add_child),
    *(
        change
        for name in ("note_usages", "programming_languages", "tools_and_frameworks")
        for change in _list_changes(name, _v3_element)
    ),
    Change("classification removed", _has_classification, _remove_classification),
)

_SILENT_IN_V2 = (
    Change("pull request merged", _has_open_pull_request, _merge),
    Change("analysis generated", lambda s: s.analysis is None, _analyse),
    Change("analysis regenerated", lambda s: s.analysis is not None, _analyse_again),
    Change("ACUs grown", _always, _burn_acus),
)
SILENT_CHANGES: dict[ApiVersion, tuple[Change, ...]] = {
    "v2": _SILENT_IN_V2,
    "v3": (
        *_SILENT_IN_V2,
        Change("category changed", _always, _categorise),
        Change("is_archived flipped", _always, _flip_archived),
    ),
}

NEW_SESSION = "new session"
KINDS = (*(change.kind for change in CHANGES), NEW_SESSION)
V3_KINDS = (*(change.kind for change in (*CHANGES, *V3_CHANGES)), NEW_SESSION)
