"""What a list of sessions is asked and what it answers, in either API version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Protocol

from devin_warehouse.api.directory import Directory
from devin_warehouse.errors import ContractBroken, Misuse
from devin_warehouse.payloads import Kind, Record, session_id
from devin_warehouse.windows import Range

PAGE_LIMIT = 200
Params = dict[str, str | int | list[str]]


@dataclass(frozen=True)
class Filters:
    """Which sessions are asked for, by what the API documents; unset: no matter.

    The first two are part of a watermark's scope, the others narrow a load.
    """

    org_ids: tuple[str, ...] = ()
    include_deleted_orgs: bool = False
    user_ids: tuple[str, ...] = ()
    service_user_ids: tuple[str, ...] = ()
    session_ids: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    category: str = ""
    playbook_id: str = ""
    schedule_id: str = ""
    created_since: datetime | None = None
    created_until: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse what would ask for something else than it seems to, an unset variable say."""
        for name in (f.name for f in fields(self)):
            value = getattr(self, name)
            if isinstance(value, tuple) and not all(each.strip() for each in value):
                raise Misuse(f"An empty value among {name}: nothing was asked for.")

    @property
    def set_names(self) -> frozenset[str]:
        """The names of those that are set."""
        return frozenset(f.name for f in fields(self) if getattr(self, f.name))

    @property
    def is_narrowed(self) -> bool:
        """Whether less is asked for than a whole scope."""
        return bool(self.set_names - {"org_ids", "include_deleted_orgs"})

    def of_scope(self) -> Filters:
        """The same scope, not narrowed."""
        return Filters(self.org_ids, self.include_deleted_orgs)

    def by_session(self, session_ids: tuple[str, ...]) -> Filters:
        """The same scope, narrowed to given sessions; ids in the form that the API wants."""
        return replace(self.of_scope(), session_ids=session_ids)


@dataclass(frozen=True)
class Page:
    """One response: records in the API's order, the total it claims, whether it says more follow.

    `ids` are bare; `times` are the records' `updated_at`, None where that is no time. `total` is
    None where the API does not say. `skip` is where a v2 page began, `token` what asks for the page
    after a v3 one. `asked_at` is the latest server time known when it was asked for.
    """

    records: list[Record]
    total: int | None
    has_more: bool
    ids: list[str]
    times: list[datetime | None]
    skip: int = 0
    token: str = ""
    asked_at: datetime | None = None


class Listing(Protocol):
    """A list endpoint, page by page."""

    @property
    def kind(self) -> Kind:
        """What its records are."""
        ...

    @property
    def endpoint(self) -> str:
        """As in `GET /v3/enterprise/sessions`."""
        ...

    async def page(
        self, asked: Range | None, place: int | str | None = None, limit: int = PAGE_LIMIT
    ) -> Page:
        """The page at `place`, v2's `skip` or v3's token, of a range of `updated_at` (None: any).

        Raises ContractBroken for anything that is not the documented page.
        """
        ...

    def narrowed(self, filters: Filters) -> Listing:
        """The same list with other filters."""
        ...


class Api(Protocol):
    """An API version for one run: its lists, and what it tells of one session by id."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """All kinds of record, that of sessions first."""
        ...

    @property
    def by_id_kind(self) -> Kind:
        """What is told of one session by id."""
        ...

    @property
    def by_id_endpoint(self) -> str:
        """Which endpoint tells it."""
        ...

    @property
    def sessions(self) -> Listing:
        """The list whose windows are read."""
        ...

    @property
    def insights(self) -> Listing | None:
        """The list of insights; None where the list of sessions holds them."""
        ...

    @property
    def directories(self) -> tuple[Directory, ...]:
        """The lists of organizations and users, where it has them."""
        ...

    async def by_id(self, wanted_id: str, attempts: int) -> Record:
        """What the API tells of one session, by its bare id.

        Raises NotFound on 404, ContractBroken if the answer is not that session's.
        """
        ...


def read_page(answer: Any, kind: Kind, where: str, **rest: Any) -> Page:  # noqa: ANN401
    """What the page shapes of both versions share, checked; raises ContractBroken."""
    if not isinstance(answer, dict) or not isinstance(answer.get("items"), list):
        raise ContractBroken(f"{where}: the answer has no `items`.")
    total = answer.get("total")
    if total is not None and (isinstance(total, bool) or not isinstance(total, int)):
        raise ContractBroken(f"{where}: `total` is {total!r}, not a whole number.")
    records = answer["items"]
    ids = [session_id(record) for record in records]
    if not all(ids):
        raise ContractBroken(f"{where}: item {ids.index('')} has no session_id.")
    times = [kind.updated_at(record) for record in records]
    return Page(records=records, total=total, ids=ids, times=times, **rest)


def without_unset(params: Mapping[str, str | int | list[str] | None]) -> Params:
    """The parameters that are set; 0 is."""
    return {key: v for key, v in params.items() if v is not None and v not in ("", [])}
