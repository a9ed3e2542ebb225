"""API v2: `/v2/enterprise/sessions/insights` and `/v2/enterprise/sessions/{session_id}`.

Source: the API pages "List Enterprise Sessions (Insights)" and "Get Enterprise Session".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from devin_warehouse.api.client import Client
from devin_warehouse.errors import ContractBroken
from devin_warehouse.tables import bare_id
from devin_warehouse.windows import Range

VERSION = "v2"
PAYLOAD = "v2 record"
KEY_PREFIX = "apk_user_"
LIST_PATH = "/v2/enterprise/sessions/insights"
LIST_ENDPOINT = f"GET {LIST_PATH}"
DETAIL_ENDPOINT = "GET /v2/enterprise/sessions/{session_id}"
PAGE_LIMIT = 200


@dataclass(frozen=True)
class Filters:
    """What a load is narrowed to; each is an array sent as repeated keys."""

    org_ids: tuple[str, ...] = ()
    user_ids: tuple[str, ...] = ()
    session_ids: tuple[str, ...] = ()
    created_since: datetime | None = None
    created_until: datetime | None = None

    def params(self) -> dict[str, str | int | list[str]]:
        """The query parameters, without those that are not set."""
        arrays: dict[str, str | int | list[str]] = {
            "org_ids": list(self.org_ids),
            "user_ids": list(self.user_ids),
            "session_ids": list(self.session_ids),
        }
        times = {
            "created_date_from": sent_time(self.created_since),
            "created_date_to": sent_time(self.created_until),
        }
        return {key: value for key, value in (arrays | times).items() if value}


@dataclass(frozen=True)
class Page:
    """One response: records in the API's order, the total it claims, whether it says more follow.

    `skip` is where it began; `ids` are bare; `times` are the records' `updated_at`, None where
    that is no time. `total` is None where the API does not say.
    """

    records: list[dict[str, Any]]
    total: int | None
    has_more: bool
    skip: int
    ids: list[str]
    times: list[datetime | None]


class SessionsList:
    """Pages of the sessions list, records with their analysis, by window of `updated_at`."""

    endpoint = LIST_ENDPOINT

    def __init__(self, client: Client, filters: Filters | None = None) -> None:
        self._client = client
        self._filters = (filters or Filters()).params()

    async def page(self, asked: Range | None, skip: int, limit: int = PAGE_LIMIT) -> Page:
        """The page that starts at `skip`; `asked` None asks for all sessions.

        Raises ContractBroken for anything that is not the documented page.
        """
        params: dict[str, str | int | list[str]] = {**self._filters, "skip": skip, "limit": limit}
        ends = {
            "updated_date_from": sent_time(asked.since if asked else None),
            "updated_date_to": sent_time(asked.until if asked else None),
        }
        params |= {key: value for key, value in ends.items() if value}
        where = f"{LIST_ENDPOINT}, updated in {asked or 'any time'}, skip {skip}"
        return _page(await self._client.get(LIST_PATH, params), skip, where)


async def session(client: Client, wanted_id: str) -> dict[str, Any]:
    """One session's record by its bare id.

    Raises NotFound on 404, ContractBroken if the answer is not a record of that session.
    """
    path = f"/v2/enterprise/sessions/{quote(wanted_id, safe='').replace('.', '%2E')}"
    record = await client.get(path)
    if not isinstance(record, dict) or session_id(record) != wanted_id:
        raise ContractBroken(f"GET {path}: the answer is not the session that was asked for.")
    return record


def session_id(record: Any) -> str:  # noqa: ANN401
    """The record's session id without `devin-`; "" if the record has none."""
    found = record.get("session_id") if isinstance(record, dict) else None
    return bare_id(found) if isinstance(found, str) else ""


def updated_at(record: dict[str, Any]) -> datetime | None:
    """When the record says that it was updated; None if that is no time."""
    try:
        return read_time(record["updated_at"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


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


def payloads(record: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A record cut in the two payloads that own tables: the session, and its insights."""
    session = {key: value for key, value in record.items() if key != "session_analysis"}
    return session, {
        "session_id": record["session_id"],
        "analysis": record.get("session_analysis"),
    }


def sent_time(instant: datetime | None) -> str:
    """An instant as the API takes it."""
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}" if instant else ""


def _page(answer: Any, skip: int, where: str) -> Page:  # noqa: ANN401
    if not isinstance(answer, dict) or not isinstance(answer.get("items"), list):
        raise ContractBroken(f"{where}: the answer has no `items`.")
    total, has_more = answer.get("total"), answer.get("has_more")
    if not isinstance(has_more, bool):
        raise ContractBroken(f"{where}: `has_more` is {has_more!r}, not true or false.")
    if total is not None and (isinstance(total, bool) or not isinstance(total, int)):
        raise ContractBroken(f"{where}: `total` is {total!r}, not a whole number.")
    records = answer["items"]
    ids = [session_id(record) for record in records]
    if not all(ids):
        raise ContractBroken(f"{where}: item {ids.index('')} has no session_id.")
    return Page(records, total, has_more, skip, ids, [updated_at(record) for record in records])
