"""What has happened to the invented enterprise, so that its data tell something worth acting on.

Storefront has moved shop-web behind a private package registry, of which its machines know
nothing: since then most sessions there install nothing, cost more and get nothing merged, and a
knowledge note sends them astray. Payments writes prompts that say enough. Mobile has begun late,
and grows. Now and then a migration goes round in circles. All else is as it always was.

Instants are shares of the span that the enterprise looks back upon, so that every span holds the
whole story; what comes after the span goes on as it ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from . import vocabulary as words

# Of 180 days, seven weeks before their end.
_REGISTRY_MOVED = 1 - 49 / 180
# Some work needs no dependencies.
_SHUT_OUT_SHARE = 0.92
_ENDLESS_SHARE = 0.035
_BROKEN_SHARE = 0.07


@dataclass(frozen=True)
class Course:
    """How a session goes where it is not left to chance alone.

    `cost` multiplies its ACUs and its time, `merges` the chance of its pull requests; `fails` is
    the share of those at their end that have not ended well.
    """

    cost: float = 1
    wasted_acus: float = 0
    fails: float = 0
    pull_requests: tuple[int, ...] = (0, 0, 1, 1, 1, 1, 2, 3)
    merges: float = 1
    is_analysed: float = 0.6
    finding: words.Finding | None = None
    is_misled: float = 0


USUAL = Course()
BROKEN_ENVIRONMENT = Course(cost=2.2, finding=words.BROKEN_ENVIRONMENT)
SHUT_OUT = Course(
    cost=2.6,
    fails=0.6,
    pull_requests=(0, 1, 1),
    merges=0.15,
    is_analysed=0.8,
    finding=words.NO_REGISTRY_TOKEN,
    is_misled=0.6,
)
ENDLESS = Course(
    wasted_acus=110, fails=0.8, pull_requests=(0, 0, 1), merges=0, finding=words.TOO_MUCH_AT_ONCE
)


@dataclass(frozen=True)
class Habits:
    """How the users of an organization come to Devin, and how they ask.

    They join one after the other between the two shares of the span. `vagueness` are the
    parameters of the beta distribution from which each user's share of vague prompts is drawn.
    """

    joins: tuple[float, float] = (-0.15, 0.75)
    vagueness: tuple[float, float] = (4, 5.5)
    eagerness: float = 1


_USUAL_HABITS = Habits()
_HABITS = {
    "payments": Habits(vagueness=(1, 16)),
    "storefront": Habits(eagerness=1.2),
    "mobile": Habits(joins=(0.55, 0.95), eagerness=1.4),
}


def habits(organization: str) -> Habits:
    """Those of an organization's users."""
    return _HABITS.get(organization, _USUAL_HABITS)


@dataclass(frozen=True)
class Story:
    """What was when, for an enterprise that looks back upon a span of time."""

    since: datetime
    span: timedelta

    def share(self, at: datetime) -> float:
        """How much of the span has passed by then; more than 1 after it."""
        return (at - self.since) / self.span

    def course(
        self, rng: Random, category: str, repository: words.Repository, at: datetime
    ) -> Course:
        """How work of this category goes that is begun in this repository at this instant."""
        chance = rng.random()
        is_locked = repository == words.SHOP_WEB and self.share(at) >= _REGISTRY_MOVED
        if is_locked and chance < _SHUT_OUT_SHARE:
            return SHUT_OUT
        if category == words.MIGRATIONS and chance < _ENDLESS_SHARE:
            return ENDLESS
        return BROKEN_ENVIRONMENT if chance > 1 - _BROKEN_SHARE else USUAL
