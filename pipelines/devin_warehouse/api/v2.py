"""API v2: `/v2/enterprise/sessions/insights` and `/v2/enterprise/sessions/{session_id}`.

Source: the API pages "List Enterprise Sessions (Insights)" and "Get Enterprise Session".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from devin_warehouse.api.client import Client
from devin_warehouse.api.listing import (
    PAGE_LIMIT,
    Filters,
    Page,
    read_page,
    without_unset,
)
from devin_warehouse.errors import ContractBroken
from devin_warehouse.payloads import Kind, Record, session_id
from devin_warehouse.tables import Owner
from devin_warehouse.windows import Range

VERSION = "v2"
KEY_PREFIX = "apk_user_"
LIST_PATH = "/v2/enterprise/sessions/insights"
LIST_ENDPOINT = f"GET {LIST_PATH}"
DETAIL_ENDPOINT = "GET /v2/enterprise/sessions/{session_id}"
FILTERS = frozenset({"org_ids", "user_ids", "session_ids", "created_since", "created_until"})


def read_time(value: Any) -> datetime:  # noqa: ANN401
    """An ISO 8601 date-time with `Z` or an offset as aware UTC; without either it is UTC.

    Raises TypeError or ValueError for anything else.
    """
    if not isinstance(value, str):
        raise TypeError(value)
    if len(value) < len("2024-01-15T10:30"):
        raise ValueError(value)
    read = datetime.fromisoformat(value.upper())
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def _cut(record: Record) -> Mapping[Owner, Record]:
    session = record.copy()
    analysis = session.pop("session_analysis", None)
    insights = {"session_id": record["session_id"], "analysis": analysis}
    return {Owner.SESSION: session, Owner.INSIGHTS: insights}


RECORD = Kind(
    "v2 record",
    VERSION,
    (LIST_ENDPOINT, DETAIL_ENDPOINT),
    (Owner.SESSION, Owner.INSIGHTS),
    _cut,
    read_time,
    renamed=(("analysis", "session_analysis"),),
)


class SessionsList:
    """Pages of the sessions list, records with their analysis, by window of `updated_at`."""

    kind = RECORD
    endpoint = LIST_ENDPOINT

    def __init__(self, client: Client, filters: Filters | None = None) -> None:
        self._client = client
        self._filters = filters or Filters()

    def narrowed(self, filters: Filters) -> SessionsList:
        """The same list with other filters."""
        return SessionsList(self._client, filters)

    async def page(
        self, asked: Range | None, place: int | str | None = None, limit: int = PAGE_LIMIT
    ) -> Page:
        """The page that starts at skip `place`; `asked` None asks for all sessions.

        Raises ContractBroken for anything that is not the documented page.
        """
        skip = int(place or 0)
        asked_at = self._client.server_time
        answer = await self._client.get(LIST_PATH, self._params(asked, skip, limit))
        where = f"{LIST_ENDPOINT}, updated in {asked or 'any time'}, skip {skip}"
        has_more = answer.get("has_more") if isinstance(answer, dict) else None
        page = read_page(answer, RECORD, where, has_more=has_more, skip=skip, asked_at=asked_at)
        if not isinstance(has_more, bool):
            raise ContractBroken(f"{where}: `has_more` is {has_more!r}, not true or false.")
        return page

    def _params(
        self, asked: Range | None, skip: int, limit: int
    ) -> dict[str, str | int | list[str]]:
        filters = self._filters
        return without_unset(
            {
                "org_ids": list(filters.org_ids),
                "user_ids": list(filters.user_ids),
                "session_ids": list(filters.session_ids),
                "created_date_from": _sent_time(filters.created_since),
                "created_date_to": _sent_time(filters.created_until),
                "skip": skip,
                "limit": limit,
                "updated_date_from": _sent_time(asked.since if asked else None),
                "updated_date_to": _sent_time(asked.until if asked else None),
            }
        )


class Api:
    """API v2 for one run: one list, whose records hold their analysis."""

    kinds = (RECORD,)
    insights: None = None
    directories = ()
    by_id_endpoint = DETAIL_ENDPOINT
    by_id_kind = RECORD

    def __init__(self, client: Client, filters: Filters) -> None:
        self.client = client
        self.sessions = SessionsList(client, filters)

    async def by_id(self, wanted_id: str, attempts: int) -> Record:
        """One session's record by its bare id.

        Raises NotFound on 404, ContractBroken if the answer is not a record of that session.
        """
        path = f"/v2/enterprise/sessions/{quote(wanted_id, safe='').replace('.', '%2E')}"
        record = await self.client.get(path, attempts=attempts)
        if not isinstance(record, dict) or session_id(record) != wanted_id:
            raise ContractBroken(f"GET {path}: the answer is not the session that was asked for.")
        return record


def _sent_time(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}" if instant else ""
