"""Version 2 of the API: a session's record, the parameters, the page and the endpoints.

Written from the OpenAPI text of `GET /v2/enterprise/sessions/insights` and
`GET /v2/enterprise/sessions/{session_id}`, copied to `tests/api/`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import unquote_to_bytes

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .faults import Faults
from .keys import V2_PREFIX, V3_PREFIX, Guard
from .listing import Filter
from .lists import Lists
from .parameters import Parameters
from .payloads import encoded, put, suggested_prompt
from .sessions import Analysis, PullRequest, Session
from .world import World

SESSIONS = "/v2/enterprise/sessions"


def record(session: Session) -> dict[str, Any]:
    """A session as v2 tells it: SessionDetailResponse."""
    values = {
        "session_id": session.session_id,
        "url": session.url,
        "status": session.status,
        "title": session.title,
        "tags": list(session.tags),
        "user_id": session.user_id,
        "org_id": session.org_id,
        "created_at": _time(session.created_at, session.utc_offset_hours),
        "updated_at": _time(session.updated_at, session.utc_offset_hours),
        "acus_consumed": session.acus_consumed,
        "pull_requests": [_pull_request(each) for each in session.pull_requests],
        "session_analysis": None if session.analysis is None else _analysis(session.analysis),
        "initial_user_message": session.initial_user_message,
        **session.extra,
    }
    for key in session.absent:
        values.pop(key, None)
    if session.wrong is not None:
        put(values, *session.wrong)
    return values


def encoded_record(session: Session) -> bytes:
    """The record as JSON."""
    return encoded(session, "v2", lambda: record(session))


def _time(at: datetime, utc_offset_hours: float) -> str:
    if utc_offset_hours:
        at = at.astimezone(timezone(timedelta(hours=utc_offset_hours)))
    return at.isoformat().replace("+00:00", "Z")


def _pull_request(pull_request: PullRequest) -> dict[str, Any]:
    """The schema says url and state, the example pr_url, pr_state and state."""
    url, state = pull_request.url, pull_request.state
    match pull_request.spelling:
        case "schema":
            spelled: dict[str, Any] = {"url": url, "state": state}
        case "v3":
            spelled = {"pr_url": url, "pr_state": state}
        case "example":
            spelled = {"pr_url": url, "pr_state": state, "state": state}
        case "stateless":
            spelled = {"url": url}
    return {**spelled, **pull_request.extra}


def _analysis(analysis: Analysis) -> dict[str, Any]:
    """The three lists have a default, and are left out where they are empty."""
    lists: dict[str, list[dict[str, Any]]] = {
        "issues": [
            {"issue": each.issue, "impact": each.impact, "label": each.label, **each.extra}
            for each in analysis.issues
        ],
        "timeline": [
            {"title": each.title, "description": each.description, **each.extra}
            for each in analysis.timeline
        ],
        "action_items": [
            {
                "issue_id": each.issue_id,
                "type": each.type,
                "action_item": each.action_item,
                **each.extra,
            }
            for each in analysis.action_items
        ],
    }
    prompt = analysis.suggested_prompt
    return {
        **{name: elements for name, elements in lists.items() if elements},
        "suggested_prompt": None if prompt is None else suggested_prompt(prompt, None),
        **analysis.extra,
    }


class Endpoints:
    """The two v2 endpoints over a world."""

    def __init__(
        self, world: World, faults: Faults, lists: Lists, keys: Collection[str] | None
    ) -> None:
        self._world = world
        self._faults = faults
        self._lists = lists
        self._guarded = Guard(V2_PREFIX, V3_PREFIX, keys, _refuse)

    def routes(self) -> Iterator[Route]:
        """The list before the session: an id may be anything, also with a slash in it."""
        yield Route(f"{SESSIONS}/insights", self._guarded(self.list_sessions))
        yield Route(f"{SESSIONS}/{{session_id:path}}", self._guarded(self.get_session))

    async def get_session(self, request: Request) -> Response:
        """The session of that id, which the raw path holds percent-encoded."""
        raw_path: bytes = request.scope["raw_path"]
        path = unquote_to_bytes(raw_path).decode(errors="replace")
        session = self._world.sessions.get(path.removeprefix(f"{SESSIONS}/"))
        if session is None or not self._faults.shows(session.session_id):
            return JSONResponse({"detail": "Session not found"}, 404)
        return Response(encoded_record(session), media_type="application/json")

    async def list_sessions(self, request: Request) -> Response:
        """One page of the sessions that match."""
        parameters = Parameters(request.query_params)
        skip = parameters.integer("skip", 0, 0)
        limit = parameters.integer("limit", 100, 1, 200)
        wanted = self._filter(parameters)
        return parameters.refusal() or self._page(wanted, skip, limit)

    def _filter(self, parameters: Parameters) -> Filter:
        updated_from = parameters.date_time("updated_date_from")
        updated_to = parameters.date_time("updated_date_to")
        is_ignored = self._faults.ignore_updated_filter
        return replace(
            self._lists.filter(parameters),
            created_from=parameters.date_time("created_date_from"),
            created_to=parameters.date_time("created_date_to"),
            updated_from=None if is_ignored else updated_from,
            updated_to=None if is_ignored else updated_to,
            bounds=self._faults.bounds,
        )

    def _page(self, wanted: Filter, skip: int, limit: int) -> Response:
        found = self._lists.find(wanted)
        rows = found.rows(skip, self._lists.page_size(limit))
        end = skip + len(rows)
        has_more = bool(rows) and end < len(found)
        rest = {
            "skip": skip,
            "limit": limit,
            "has_more": has_more,
            "next_cursor": end if has_more else None,
        }
        return self._lists.answer(wanted, map(encoded_record, rows), rest, has_total=True)


def _refuse(status: int) -> Response:
    return JSONResponse({"detail": "Unauthenticated" if status == 401 else "Unauthorized"}, status)
