"""Version 2 of the API: a session's record, the parameters, the page and the endpoints.

Written from the OpenAPI text of `GET /v2/enterprise/sessions/insights` and
`GET /v2/enterprise/sessions/{session_id}`, copied to `tests/api/`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

from starlette.background import BackgroundTask
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .faults import Faults
from .listing import Filter, Listing
from .sessions import Analysis, PullRequest, Session, SuggestedPrompt
from .world import World

SESSIONS = "/v2/enterprise/sessions"

T = TypeVar("T")

_ENCODER = json.JSONEncoder(separators=(",", ":"), check_circular=False)


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
        del values[key]
    if session.wrong is not None:
        _put(values, *session.wrong)
    return values


def encoded_record(session: Session) -> bytes:
    """The record as JSON. ASCII only, so that lone surrogates travel as the API sends them."""
    if "v2" not in session.encoded:
        session.encoded["v2"] = _ENCODER.encode(record(session)).encode()
    return session.encoded["v2"]


def encode_all(world: World) -> None:
    """Serialises every record beforehand, so that the first reader meets a fast server too."""
    for session in world.sessions.values():
        encoded_record(session)


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
        "suggested_prompt": None if prompt is None else _suggested_prompt(prompt),
        **analysis.extra,
    }


def _suggested_prompt(prompt: SuggestedPrompt) -> dict[str, Any]:
    return {
        "original_prompt": prompt.original_prompt,
        "suggested_prompt": prompt.suggested_prompt,
        "feedback_items": [
            {
                "issue_id": each.issue_id,
                "summary": each.summary,
                "excerpt": each.excerpt,
                "details": each.details,
                **each.extra,
            }
            for each in prompt.feedback_items
        ],
        **prompt.extra,
    }


def _put(values: Any, path: tuple[str | int, ...], value: object) -> None:  # noqa: ANN401
    for step in path[:-1]:
        values = values[step]
    values[path[-1]] = value


@dataclass(frozen=True)
class InvalidParameterError(Exception):
    """A parameter that is not as documented: one ValidationError of a 422."""

    name: str
    message: str
    type: str

    def as_detail(self) -> dict[str, Any]:
        """Its documented shape."""
        return {"loc": ["query", self.name], "msg": self.message, "type": self.type}


class Parameters:
    """Reads the query; collects what is wrong with it. Unknown parameters are ignored."""

    # RFC 3339, which `format: date-time` means: an offset is a must.
    _DATE_TIME = re.compile(
        r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
    )

    def __init__(self, query: QueryParams) -> None:
        self._query = query
        self.problems: list[InvalidParameterError] = []

    def integer(self, name: str, default: int, least: int, most: int | None = None) -> int:
        """An integer within its documented range."""

        def parse(text: str) -> int:
            if not re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII):
                raise InvalidParameterError(name, "Input should be a valid integer", "int_parsing")
            number = int(text)
            if number < least:
                message = f"Input should be greater than or equal to {least}"
                raise InvalidParameterError(name, message, "greater_than_equal")
            if most is not None and number > most:
                message = f"Input should be less than or equal to {most}"
                raise InvalidParameterError(name, message, "less_than_equal")
            return number

        return self._parse(name, parse, default)

    def date_time(self, name: str) -> datetime | None:
        """A date-time, or None where it is not asked for."""

        def parse(text: str) -> datetime | None:
            try:
                if self._DATE_TIME.fullmatch(text):
                    # Python knows microseconds at most.
                    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.upper()))
            except ValueError:
                pass
            raise InvalidParameterError(
                name, "Input should be a valid datetime", "datetime_parsing"
            )

        return self._parse(name, parse, None)

    def strings(self, name: str) -> frozenset[str] | None:
        """An array: the parameter repeated."""
        values = self._query.getlist(name)
        return frozenset(values) if values else None

    def _parse(self, name: str, parse: Callable[[str], T], default: T) -> T:
        if name not in self._query:
            return default
        try:
            return parse(self._query[name])
        except InvalidParameterError as problem:
            self.problems.append(problem)
            return default


Endpoint = Callable[[Request], Awaitable[Response]]


class Endpoints:
    """The two v2 endpoints over a world."""

    def __init__(self, world: World, faults: Faults, keys: Collection[str] | None) -> None:
        self._world = world
        self._faults = faults
        self._keys = keys
        self._listing = Listing(world)
        self._updated_before_churn: dict[str, datetime] = {}

    def routes(self) -> Iterator[Route]:
        """The list before the session: an id may be anything, also with a slash in it."""
        yield Route(f"{SESSIONS}/insights", self._guarded(self.list_sessions))
        yield Route(f"{SESSIONS}/{{session_id:path}}", self._guarded(self.get_session))

    def _guarded(self, endpoint: Endpoint) -> Endpoint:
        """Personal keys (apk_user_*) only; v3's keys (cog_*) are known, and refused."""

        async def guarded(request: Request) -> Response:
            scheme, _, key = request.headers.get("authorization", "").partition(" ")
            is_v2 = key.startswith("apk_user_") and (self._keys is None or key in self._keys)
            if scheme.lower() != "bearer" or not (is_v2 or key.startswith("cog_")):
                return JSONResponse({"detail": "Unauthenticated"}, 401)
            if not is_v2 or key.endswith("_forbidden"):
                return JSONResponse({"detail": "Unauthorized"}, 403)
            return await endpoint(request)

        return guarded

    async def get_session(self, request: Request) -> Response:
        """The session of that id, which the raw path holds percent-encoded."""
        raw_path: bytes = request.scope["raw_path"]
        path = unquote_to_bytes(raw_path).decode(errors="replace")
        session = self._world.sessions.get(path.removeprefix(f"{SESSIONS}/"))
        if session is None:
            return JSONResponse({"detail": "Session not found"}, 404)
        return Response(encoded_record(session), media_type="application/json")

    async def list_sessions(self, request: Request) -> Response:
        """One page of the sessions that match."""
        parameters = Parameters(request.query_params)
        skip = parameters.integer("skip", 0, 0)
        limit = parameters.integer("limit", 100, 1, 200)
        wanted = self._filter(parameters)
        if parameters.problems:
            detail = [problem.as_detail() for problem in parameters.problems]
            return JSONResponse({"detail": detail}, 422)
        return self._page(wanted, skip, limit)

    def _filter(self, parameters: Parameters) -> Filter:
        updated_from = parameters.date_time("updated_date_from")
        updated_to = parameters.date_time("updated_date_to")
        is_ignored = self._faults.ignore_updated_filter
        return Filter(
            created_from=parameters.date_time("created_date_from"),
            created_to=parameters.date_time("created_date_to"),
            updated_from=None if is_ignored else updated_from,
            updated_to=None if is_ignored else updated_to,
            org_ids=parameters.strings("org_ids"),
            user_ids=parameters.strings("user_ids"),
            session_ids=parameters.strings("session_ids"),
        )

    def _page(self, wanted: Filter, skip: int, limit: int) -> Response:
        found = self._listing.find(wanted, self._faults.order, self._faults.bounds)
        rows = found[skip : skip + min(limit, self._faults.page_cap or limit)]
        items = b",".join([encoded_record(session) for session in rows])
        end = skip + len(rows)
        has_more = bool(rows) and end < len(found)
        is_late = self._faults.total == "late"
        if is_late:
            self._churn()
        rest = {
            "total": self._total(wanted, len(found)),
            "skip": skip,
            "limit": limit,
            "has_more": has_more,
            "next_cursor": end if has_more else None,
        }
        body = b'{"items":[' + items + b"]," + json.dumps(rest).encode()[1:]
        later = None if is_late else BackgroundTask(self._churn_after_answer)
        return Response(body, media_type="application/json", background=later)

    def _total(self, wanted: Filter, exact: int) -> int | None:
        faults = self._faults
        if faults.total == "null":
            return None
        if faults.total == "late":
            return len(self._listing.find(wanted, faults.order, faults.bounds))
        if faults.total == "lagging":
            before = self._updated_before_churn
            return self._listing.count_before(wanted, faults.bounds, before)
        cap = faults.total_cap
        return exact if cap is None else min(exact, cap)

    def _churn(self) -> None:
        self._updated_before_churn = self._world.touch(self._faults.churn)

    async def _churn_after_answer(self) -> None:
        self._churn()
