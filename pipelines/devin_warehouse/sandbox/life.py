"""What happens to a session while time passes: it works, stops, is reviewed and analysed."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from random import Random

from .inventor import Inventor, status_detail
from .sessions import PullRequest, Session
from .story import Course

_NEXT_STATUSES = {
    "new": ("claimed", "running"),
    "claimed": ("running",),
    "running": ("running", "running", "suspended", "exit", "exit", "error"),
    "resuming": ("running",),
    "suspended": ("resuming", "exit"),
}
# Mean hours between two things that happen to a session of that status.
_PACE = {"new": 0.2, "claimed": 0.2, "running": 3.0, "resuming": 0.2, "suspended": 60.0}
_REVIEW_HOURS = 40.0
_ANALYSIS_HOURS = 24.0 * 30
_ANALYSED_WITHIN = timedelta(days=30)


def live(
    rng: Random, inventor: Inventor, session: Session, since: datetime, until: datetime
) -> bool:
    """Lets a span of its life happen to a session; says whether anything did."""
    hours = (until - since) / timedelta(hours=1)
    happened = False
    pace = _PACE.get(session.status)
    if pace and _strikes(rng, hours, pace):
        _proceed(rng, inventor, session)
        happened = True
    for pull_request in session.pull_requests:
        if pull_request.state == "open" and _strikes(rng, hours, _REVIEW_HOURS):
            _review(rng, pull_request, session.course)
            happened = True
    if _awaits_analysis(session, until) and _strikes(rng, hours, _ANALYSIS_HOURS):
        session.analysis = inventor.analysis(rng, session)
        happened = True
    return happened


def _strikes(rng: Random, hours: float, mean_hours: float) -> bool:
    return rng.random() < -math.expm1(-hours / mean_hours)


def _proceed(rng: Random, inventor: Inventor, session: Session) -> None:
    session.status = rng.choice(_NEXT_STATUSES[session.status])
    session.status_detail = status_detail(rng, session.status)
    if session.status in ("running", "exit"):
        more = rng.expovariate(0.5) * session.course.cost
        session.acus_consumed = round(session.acus_consumed + more, 2)
        session.num_devin_messages += rng.randint(1, 6)
    if session.status in ("running", "exit") and rng.random() < 0.4:
        task = inventor.task(rng, session.org_id, 0.4)
        session.pull_requests.append(inventor.pull_request(task))


def _review(rng: Random, pull_request: PullRequest, course: Course) -> None:
    pull_request.state = "merged" if rng.random() < 0.75 * course.merges else "closed"


def _awaits_analysis(session: Session, now: datetime) -> bool:
    is_finished = session.status in ("exit", "error", "suspended")
    return is_finished and session.analysis is None and now - session.created_at < _ANALYSED_WITHIN
