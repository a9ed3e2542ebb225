"""API v3: two lists, `/v3/enterprise/sessions` and `.../sessions/insights`, one by id, and names.

Source: the API pages "List sessions for account" and "Get session insights"; the bulk list of
insights is documented without an example (facts on the API, §2, endpoint 4), so that it is used
where it answers like a list, and not missed where it does not.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import chain
from typing import Any
from urllib.parse import quote

from devin_warehouse.api.client import Client
from devin_warehouse.api.directory import Directory
from devin_warehouse.api.listing import (
    PAGE_LIMIT,
    Filters,
    Page,
    read_page,
    without_unset,
)
from devin_warehouse.directories import ORGANIZATIONS, USERS
from devin_warehouse.errors import ContractBroken
from devin_warehouse.payloads import Kind, Record, session_id
from devin_warehouse.tables import TABLES, Owner
from devin_warehouse.windows import Range

VERSION = "v3"
KEY_PREFIX = "cog_"
SESSIONS_PATH = "/v3/enterprise/sessions"
INSIGHTS_PATH = f"{SESSIONS_PATH}/insights"
SESSIONS_ENDPOINT = f"GET {SESSIONS_PATH}"
INSIGHTS_ENDPOINT = f"GET {INSIGHTS_PATH}"
BY_ID_ENDPOINT = f"GET {SESSIONS_PATH}/{{devin_id}}/insights"
ORGANIZATIONS_PATH = "/v3/enterprise/organizations"
USERS_PATH = "/v3/enterprise/members/users"
FILTERS = frozenset(
    {
        "org_ids", "include_deleted_orgs", "user_ids", "service_user_ids", "session_ids", "tags",
        "origins", "category", "playbook_id", "schedule_id", "created_since", "created_until",
    }
)  # fmt: skip


def read_time(value: Any) -> datetime:  # noqa: ANN401
    """Whole seconds since 1970 as aware UTC; raises TypeError or ValueError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(value)
    if value != int(value):
        raise ValueError(value)
    try:
        return datetime.fromtimestamp(int(value), UTC)
    except OSError as error:
        raise ValueError(value) from error


def _keys_of_sessions() -> frozenset[str]:
    """The keys that the list of sessions tells; an insights answer repeats them."""
    tables = [t for t in TABLES if t.owner is Owner.SESSION and VERSION in t.versions]
    paths = chain(
        (path for t in tables if not t.lists for column in t.columns for path in column.paths),
        (path for t in tables for _, path in t.lists),
    )
    return frozenset(paths)


SESSION = Kind(
    "v3 session",
    VERSION,
    (SESSIONS_ENDPOINT,),
    (Owner.SESSION,),
    lambda record: {Owner.SESSION: record},
    read_time,
)
INSIGHTS = Kind(
    "v3 insights",
    VERSION,
    (INSIGHTS_ENDPOINT, BY_ID_ENDPOINT),
    (Owner.INSIGHTS,),
    lambda record: {Owner.INSIGHTS: record},
    read_time,
    _keys_of_sessions(),
)


class SessionsList:
    """Pages of one of the two lists, by window of `updated_at` and token."""

    def __init__(self, client: Client, filters: Filters, kind: Kind, path: str) -> None:
        self.kind = kind
        self.endpoint = f"GET {path}"
        self._client = client
        self._filters = filters
        self._path = path

    def narrowed(self, filters: Filters) -> SessionsList:
        """The same list with other filters."""
        return SessionsList(self._client, filters, self.kind, self._path)

    async def page(
        self, asked: Range | None, place: int | str | None = None, limit: int = PAGE_LIMIT
    ) -> Page:
        """The page that a token leads to, the first one for none; `asked` None asks for all.

        Raises ContractBroken for anything that is not the documented page: also where more is said
        to follow and there is no token to get it with.
        """
        token = str(place or "")
        asked_at = self._client.server_time
        answer = await self._client.get(self._path, self._params(asked, token, limit))
        where = f"{self.endpoint}, updated in {asked or 'any time'}"
        more, following = None, None
        if isinstance(answer, dict):
            more, following = answer.get("has_next_page"), answer.get("end_cursor")
        has_more = following is not None if more is None else more
        page = read_page(
            answer,
            self.kind,
            where,
            has_more=has_more,
            token=following if isinstance(following, str) else "",
            asked_at=asked_at,
        )
        if not isinstance(has_more, bool):
            raise ContractBroken(f"{where}: `has_next_page` is {has_more!r}, not true or false.")
        if has_more and (not page.token or page.token == token):
            raise ContractBroken(
                f"{where}: more follows, and `end_cursor` is "
                f"{'the one that was sent' if page.token else repr(following)}."
            )
        return page

    def _params(
        self, asked: Range | None, token: str, limit: int
    ) -> dict[str, str | int | list[str]]:
        filters = self._filters
        return without_unset(
            {
                "org_ids": list(filters.org_ids),
                "include_deleted_orgs": "true" if filters.include_deleted_orgs else "",
                "user_ids": list(filters.user_ids),
                "service_user_ids": list(filters.service_user_ids),
                "session_ids": list(filters.session_ids),
                "tags": list(filters.tags),
                "origins": list(filters.origins),
                "category": filters.category,
                "playbook_id": filters.playbook_id,
                "schedule_id": filters.schedule_id,
                "created_after": _seconds(filters.created_since),
                "created_before": _seconds(filters.created_until),
                "updated_after": _seconds(asked.since if asked else None),
                "updated_before": _seconds(asked.until if asked else None),
                "after": token,
                "first": limit,
            }
        )


class Api:
    """API v3 for one run: the list of sessions, and the list of insights if there is one."""

    kinds = (SESSION, INSIGHTS)
    by_id_endpoint = BY_ID_ENDPOINT
    by_id_kind = INSIGHTS

    def __init__(self, client: Client, filters: Filters) -> None:
        self.client = client
        self.sessions = SessionsList(client, filters, SESSION, SESSIONS_PATH)
        self.insights = SessionsList(client, filters, INSIGHTS, INSIGHTS_PATH)
        self.directories = (
            Directory(
                client, ORGANIZATIONS_PATH, ORGANIZATIONS, "the permission to list organizations"
            ),
            Directory(client, USERS_PATH, USERS, "the permission ViewAccountMembership"),
        )

    async def by_id(self, wanted_id: str, attempts: int) -> Record:
        """One session's insights by its bare id; the path wants exactly one `devin-` before it.

        Raises NotFound on 404, ContractBroken if the answer is not that session's.
        """
        devin_id = quote(f"devin-{wanted_id}", safe="").replace(".", "%2E")
        path = f"{SESSIONS_PATH}/{devin_id}/insights"
        record = await self.client.get(path, attempts=attempts)
        if not isinstance(record, dict) or session_id(record) != wanted_id:
            raise ContractBroken(f"GET {path}: the answer is not the session that was asked for.")
        return record


def _seconds(instant: datetime | None) -> int | None:
    return int(instant.timestamp()) if instant else None
