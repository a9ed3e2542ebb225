"""The switches: how the sandbox departs from a kind server, all off by default.

The documentation leaves open the order of a list, which ends a filter includes, how exact a
total is and how errors look. Whoever reads the API completely must survive each of these.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, NamedTuple, get_args

Order = Literal["created_desc", "updated_asc", "updated_desc"]
Bounds = Literal["[)", "[]", "(]", "()"]
RetryAfter = Literal["none", "seconds", "date"]

TOTALS = ("exact", "null", "late", "lagging")
FAILURES = ("500", "502", "503", "429", "reset", "truncated", "html")


class Switch(NamedTuple):
    """One switch, for a command line that offers it."""

    name: str
    type: str
    default: Any
    help: str


@dataclass
class Faults:
    """The switches of a served world. May be changed while it is served; see `update`."""

    order: Order = field(default="created_desc", metadata={"help": "order of list answers"})
    churn: int = field(default=0, metadata={"help": "sessions updated after every list answer"})
    total: str = field(
        default="exact",
        metadata={
            "help": "exact, null, late (counted after the churn that follows the rows), "
            "lagging (counted before the churn that preceded them), capped:N"
        },
    )
    bounds: Bounds = field(
        default="[)", metadata={"help": "which ends of the updated_* filters are inclusive"}
    )
    page_cap: int | None = field(
        default=None, metadata={"help": "rows per page at most, whatever `limit` asks for"}
    )
    ignore_updated_filter: bool = field(
        default=False, metadata={"help": "the updated_* filters are ignored"}
    )
    date_header: bool = field(default=True, metadata={"help": "answers carry a Date header"})
    latency: float = field(default=0.0, metadata={"help": "seconds that every answer takes longer"})
    error_rate: float = field(default=0.0, metadata={"help": "share of requests that fail, 0 to 1"})
    failures: tuple[str, ...] = field(
        default=FAILURES, metadata={"help": "how they fail, drawn by seed"}
    )
    seed: int = field(default=0, metadata={"help": "of the failing requests"})
    rate_limit: float | None = field(
        default=None, metadata={"help": "requests a second; more answer 429"}
    )
    retry_after: RetryAfter = field(
        default="none", metadata={"help": "form of the Retry-After header of a 429"}
    )

    def __post_init__(self) -> None:
        self.failures = tuple(self.failures)
        problems = [text for is_right, text in self._rules() if not is_right]
        if problems:
            raise ValueError("; ".join(problems))

    def _rules(self) -> Iterator[tuple[bool, str]]:
        yield self.order in get_args(Order), f"order: not one of {get_args(Order)}"
        yield self.bounds in get_args(Bounds), f"bounds: not one of {get_args(Bounds)}"
        yield self.retry_after in get_args(RetryAfter), f"retry_after: {get_args(RetryAfter)}"
        yield self.total in TOTALS or self.total_cap is not None, f"total: {TOTALS} or capped:N"
        yield self.churn >= 0, "churn: not negative"
        yield self.page_cap is None or self.page_cap >= 1, "page_cap: at least 1"
        yield self.latency >= 0, "latency: not negative"
        yield 0 <= self.error_rate <= 1, "error_rate: 0 to 1"
        yield self.rate_limit is None or self.rate_limit > 0, "rate_limit: above 0"
        yield (
            bool(self.failures) and set(self.failures) <= set(FAILURES),
            f"failures: some of {FAILURES}",
        )

    @property
    def total_cap(self) -> int | None:
        """N of `capped:N`."""
        kind, _, number = self.total.partition(":")
        return int(number) if kind == "capped" and number.isdecimal() else None

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
        changes: dict[str, Any] = {}
        for setting in settings:
            name, _, text = setting.partition("=")
            try:
                changes[name] = json.loads(text)
            except ValueError:
                changes[name] = text
        faults = cls()
        faults.update(changes)
        return faults

    @classmethod
    def switches(cls) -> list[Switch]:
        """Every switch with its type, default and meaning."""
        return [Switch(f.name, str(f.type), f.default, f.metadata["help"]) for f in fields(cls)]
