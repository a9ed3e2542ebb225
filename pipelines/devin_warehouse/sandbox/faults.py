"""The switches: how the sandbox departs from a kind server, all off by default.

The documentation leaves open the order of a list, which ends a filter includes, how exact a
total is, how a page token works and how errors look. Whoever reads the API completely must
survive each of these.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b
from inspect import formatannotation
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

Order = Literal["created_desc", "updated_asc", "updated_desc"]
Bounds = Literal["[)", "[]", "(]", "()"]
RetryAfter = Literal["none", "seconds", "date"]
CursorKind = Literal["keyset", "offset"]
TokenFault = Literal["none", "repeated", "null", "ignored"]
TotalOn = Literal["every", "first"]
BulkInsights = Literal["ok", "404", "405", "422", "400", "403", "no_items"]
IdForm = Literal["bare", "prefixed", "both"]

TOTALS = ("exact", "null", "late", "lagging")
FAILURES = ("500", "502", "503", "429", "reset", "truncated", "html")
V3_ENDPOINTS = ("sessions", "insights", "session_insights", "organizations", "users")


class Switch(NamedTuple):
    """One switch, for a command line that offers it."""

    name: str
    type: str
    default: Any
    help: str


def lot(*parts: object) -> float:
    """A number in [0, 1) that follows from the parts: the same for them each time."""
    text = "/".join(map(str, parts)).encode(errors="surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=6).digest()) / 2**48


def is_visible(session_id: str, share: float) -> bool:
    """Whether a session is among the visible share; a larger share only adds to a smaller."""
    return share >= 1 or lot("visible", session_id) < share


@dataclass
class Faults:
    """The switches of a served world. May be changed while it is served; see `update`."""

    order: Annotated[Order, "order of list answers"] = "created_desc"
    churn: Annotated[int, "sessions updated after every list answer"] = 0
    total: Annotated[
        str,
        "exact, null, late (counted after the churn that follows the rows), "
        "lagging (counted before the churn that preceded them), capped:N",
    ] = "exact"
    total_on: Annotated[TotalOn, "v3 pages that tell the total: every, or the first only"] = "every"
    bounds: Annotated[Bounds, "which ends of the updated_* filters are inclusive"] = "[)"
    page_cap: Annotated[int | None, "rows per page at most, whatever was asked for"] = None
    cursor: Annotated[CursorKind, "what a v3 page token holds: keyset, offset"] = "keyset"
    token_fault: Annotated[
        TokenFault,
        "v3: repeated (each page ends with the same token), "
        "null (the first of several pages has none), ignored (always the first page)",
    ] = "none"  # noqa: S105
    ignore_updated_filter: Annotated[bool, "the updated_* filters are ignored"] = False
    ignore_updated_filter_insights: Annotated[bool, "the same in v3's list of insights only"] = (
        False
    )
    ignore_session_ids: Annotated[bool, "the session_ids filter is ignored"] = False
    session_ids_form: Annotated[IdForm, "what session_ids matches: bare, prefixed, both"] = "bare"
    session_ids_limit: Annotated[int | None, "more session_ids than that answer 422"] = None
    visible_share: Annotated[float, "share of sessions that there seem to be, 0 to 1"] = 1.0
    bulk_insights: Annotated[
        BulkInsights, "how v3's list of insights answers: ok, a status, no_items"
    ] = "ok"
    refused: Annotated[
        tuple[str, ...],
        "v3 endpoints that answer 403: sessions, insights, session_insights, organizations, users",
    ] = ()
    missing: Annotated[tuple[str, ...], "v3 endpoints that answer 404, of the same names"] = ()
    failing_insights: Annotated[
        float, "share of sessions whose v3 insights by id answer 500, 0 to 1, drawn by seed"
    ] = 0.0
    newer_fields: Annotated[bool, "v3 sends the fields that only newer documentation names"] = False
    date_header: Annotated[bool, "answers carry a Date header"] = True
    latency: Annotated[float, "seconds that every answer takes longer"] = 0.0
    error_rate: Annotated[float, "share of requests that fail, 0 to 1"] = 0.0
    failures: Annotated[tuple[str, ...], "how they fail, drawn by seed"] = FAILURES
    seed: Annotated[int, "of the failing requests and sessions"] = 0
    rate_limit: Annotated[float | None, "requests a second; more answer 429"] = None
    retry_after: Annotated[RetryAfter, "form of the Retry-After header of a 429"] = "none"

    def __post_init__(self) -> None:
        self.failures = _names(self.failures)
        self.refused, self.missing = _names(self.refused), _names(self.missing)
        problems = [text for is_right, text in self._rules() if not is_right]
        if problems:
            raise ValueError("; ".join(problems))

    def _rules(self) -> Iterator[tuple[bool, str]]:
        for name, options in _OPTIONS.items():
            yield getattr(self, name) in options, f"{name}: not one of {options}"
        for name in ("error_rate", "failing_insights", "visible_share"):
            yield 0 <= getattr(self, name) <= 1, f"{name}: 0 to 1"
        for name in ("page_cap", "session_ids_limit"):
            number = getattr(self, name)
            yield number is None or number >= 1, f"{name}: at least 1"
        yield self.total in TOTALS or self.total_cap is not None, f"total: {TOTALS} or capped:N"
        yield self.churn >= 0, "churn: not negative"
        yield self.latency >= 0, "latency: not negative"
        yield self.rate_limit is None or self.rate_limit > 0, "rate_limit: above 0"
        yield (
            bool(self.failures) and set(self.failures) <= set(FAILURES),
            f"failures: some of {FAILURES}",
        )
        for name in ("refused", "missing"):
            yield set(getattr(self, name)) <= set(V3_ENDPOINTS), f"{name}: some of {V3_ENDPOINTS}"

    @property
    def total_cap(self) -> int | None:
        """N of `capped:N`."""
        kind, _, number = self.total.partition(":")
        return int(number) if kind == "capped" and number.isdecimal() else None

    def shows(self, session_id: str) -> bool:
        """Whether a session is among the visible share."""
        return is_visible(session_id, self.visible_share)

    def fails_insights_of(self, session_id: str) -> bool:
        """Whether the insights of this session are among those that always fail."""
        return lot("insights", self.seed, session_id) < self.failing_insights

    def update(self, changes: Mapping[str, Any]) -> None:
        """Sets some switches; all stay as they were if one is unknown or wrong (ValueError)."""
        if unknown := changes.keys() - asdict(self).keys():
            raise ValueError(f"there is no switch {', '.join(sorted(unknown))}")
        try:
            changed = Faults(**{**asdict(self), **changes})
        except TypeError as error:
            raise ValueError(str(error)) from error
        for name in changes:
            setattr(self, name, getattr(changed, name))

    @classmethod
    def parsed(cls, settings: Iterable[str]) -> Faults:
        """The switches set as `NAME=VALUE`, values as JSON or plain text; ValueError if wrong."""
        parted = [setting.partition("=") for setting in settings]
        changes = {name: _parsed(name, text) for name, _, text in parted}
        faults = cls()
        faults.update(changes)
        return faults

    @classmethod
    def switches(cls) -> list[Switch]:
        """Every switch with its type, default and meaning."""
        return [
            Switch(
                name, formatannotation(hint.__origin__), getattr(cls, name), hint.__metadata__[0]
            )
            for name, hint in _HINTS.items()
        ]


def _names(value: Iterable[str]) -> tuple[str, ...]:
    """Several names; one alone may come without its brackets."""
    return (value,) if isinstance(value, str) else tuple(value)


def _parsed(name: str, text: str) -> Any:  # noqa: ANN401
    """What is a text stays one, though JSON has a null and numbers too."""
    is_text = name in _OPTIONS or isinstance(getattr(Faults, name, None), str | tuple)
    if is_text and not text.startswith("["):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


_HINTS = get_type_hints(Faults, include_extras=True)
_OPTIONS: dict[str, tuple[str, ...]] = {
    name: get_args(hint.__origin__)
    for name, hint in _HINTS.items()
    if get_origin(hint.__origin__) is Literal
}
