"""Version 3 of the API: a session's item and insights, the parameters, the page, the endpoints.

Written from the documentation of `GET /v3/enterprise/sessions` and
`GET /v3/enterprise/sessions/{devin_id}/insights`, copied to `tests/api/`. The list of insights,
`GET /v3/enterprise/sessions/insights`, takes and answers what those two do. Organizations and users
are listed page by page too.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from . import cursors, directory
from .faults import Bounds, Faults, TokenFault
from .keys import V2_PREFIX, V3_PREFIX, Endpoint, Guard
from .listing import Filter, Found
from .lists import Lists
from .parameters import Parameters
from .payloads import encoded, put, suggested_prompt
from .sessions import Analysis, NoteUsage, Payload, PullRequest, Session
from .world import World

SESSIONS = "/v3/enterprise/sessions"
ORIGINS = (
    "webapp", "slack", "teams", "api", "linear", "jira", "scheduled", "automation", "cli",
    "desktop", "other",
)  # fmt: skip
CATEGORIES = (
    "bug_fixing", "ci_cd_and_devops", "code_quality_and_security", "code_review_and_analysis",
    "data_and_automation", "documentation_and_content", "feature_development",
    "migrations_and_upgrades", "other", "refactoring_and_optimization",
    "research_and_exploration", "unit_test_generation",
)  # fmt: skip

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What datetime can hold, in seconds since then; a filter beyond lets all pass or none.
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799
_NO_FAULTS = Faults()

Encoded = Callable[[Session, Faults], bytes]
Token = Callable[[int], str]


def item(session: Session, faults: Faults = _NO_FAULTS) -> dict[str, Any]:
    """A session as a list of sessions tells it: SessionResponse."""
    return _with_wrong_value(session, "item", _response(session, faults))


def insights(session: Session, faults: Faults = _NO_FAULTS) -> dict[str, Any]:
    """A session with its insights: SessionInsightsResponse."""
    analysis = session.analysis
    more: dict[str, Any] = {
        "num_user_messages": session.num_user_messages,
        "num_devin_messages": session.num_devin_messages,
        "session_size": session.session_size,
        "is_advanced": session.is_advanced,
        "analysis": None if analysis is None else _analysis(analysis),
    }
    if faults.newer_fields:
        more["analysis_status"] = None if analysis is None else "completed"
        if analysis is not None:
            more["analysis"]["skill_usage"] = _skill_usage(session, analysis)
    for key in session.absent:
        more.pop(key, None)
    return _with_wrong_value(session, "insights", {**_response(session, faults), **more})


def encoded_item(session: Session, faults: Faults | None = None) -> bytes:
    """The item as JSON."""
    return _encoded(session, "v3", item, faults)


def encoded_insights(session: Session, faults: Faults | None = None) -> bytes:
    """The insights as JSON."""
    return _encoded(session, "v3 insights", insights, faults)


def _encoded(
    session: Session,
    name: str,
    write: Callable[[Session, Faults], dict[str, Any]],
    faults: Faults | None,
) -> bytes:
    faults = faults or _NO_FAULTS
    name += " newer" if faults.newer_fields else ""
    return encoded(session, name, lambda: write(session, faults))


def _with_wrong_value(session: Session, payload: Payload, values: dict[str, Any]) -> dict[str, Any]:
    if session.wrong_v3 is not None and session.wrong_v3[0] == payload:
        put(values, *session.wrong_v3[1:])
    return values


def _response(session: Session, faults: Faults) -> dict[str, Any]:
    values = {
        "session_id": session.session_id,
        "url": session.url,
        "status": session.status,
        "status_detail": session.status_detail,
        "title": session.title,
        "tags": list(session.tags),
        "org_id": session.org_id,
        "user_id": session.user_id,
        "service_user_id": session.service_user_id,
        "origin": session.origin,
        "category": session.category,
        "subcategory": session.subcategory,
        "playbook_id": session.playbook_id,
        "parent_session_id": session.parent_session_id,
        "child_session_ids": list(session.child_session_ids),
        "is_archived": session.is_archived,
        "created_at": _seconds(session.created_at),
        "updated_at": _seconds(session.updated_at),
        "acus_consumed": session.acus_consumed,
        "pull_requests": [_pull_request(each) for each in session.pull_requests],
        "structured_output": session.structured_output,
        **session.extra,
    }
    if faults.newer_fields:
        values["repo_names"] = session.repo_names
        values["devin_mode"] = "ultra" if session.is_advanced else "normal"
    for key in session.absent:
        values.pop(key, None)
    return values


def _seconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(seconds=1)


def _pull_request(pull_request: PullRequest) -> dict[str, Any]:
    state = {} if pull_request.spelling == "stateless" else {"pr_state": pull_request.state}
    return {"pr_url": pull_request.url, **state, **pull_request.extra}


def _analysis(analysis: Analysis) -> dict[str, Any]:
    """All six keys; the lists default to empty ones, the objects to null."""
    prompt = analysis.suggested_prompt
    return {
        "issues": [
            {
                "id": each.issue_id,
                "title": each.title,
                "issue": each.issue,
                "impact": each.impact,
                "label": each.label,
                **each.extra,
            }
            for each in analysis.issues
        ],
        "timeline": [
            {
                "title": each.title,
                "description": each.description,
                # Optional, but no null is documented.
                **({} if each.color is None else {"color": each.color}),
                "issue_id": each.issue_id,
                **each.extra,
            }
            for each in analysis.timeline
        ],
        "action_items": [
            {
                "action_item": each.action_item,
                "type": each.type,
                "issue_id": each.issue_id,
                **each.extra,
            }
            for each in analysis.action_items
        ],
        "suggested_prompt": None if prompt is None else suggested_prompt(prompt, ""),
        "classification": _classification(analysis),
        "note_usage": _note_usage(analysis),
        **analysis.extra,
    }


def _classification(analysis: Analysis) -> dict[str, Any] | None:
    classification = analysis.classification
    if classification is None:
        return None
    return {
        "category": classification.category,
        "confidence": classification.confidence,
        "programming_languages": list(classification.programming_languages),
        "tools_and_frameworks": list(classification.tools_and_frameworks),
        **classification.extra,
    }


def _note_usage(analysis: Analysis) -> dict[str, Any] | None:
    if analysis.note_usages is None:
        return None

    def told(usage: NoteUsage) -> dict[str, Any]:
        return {
            "note_id": usage.note_id,
            "message": usage.message,
            "reason": usage.reason,
            **usage.extra,
        }

    return {
        "good_usages": [told(each) for each in analysis.note_usages if each.is_good],
        "bad_usages": [told(each) for each in analysis.note_usages if not each.is_good],
        **analysis.note_usage_extra,
    }


def _skill_usage(session: Session, analysis: Analysis) -> dict[str, Any] | None:
    """Invented from the rest: a skill for each tool, good where no issue came up."""
    if analysis.classification is None:
        return None
    usages = [
        {
            "skill_name": f"use-{tool.lower()}",
            "reason": f"The task was about {tool}",
            "repo_origin": next(iter(session.repo_names), ""),
            "skill_rel_path": f".agents/skills/use-{tool.lower()}/SKILL.md",
        }
        for tool in analysis.classification.tools_and_frameworks
    ]
    good, bad = ([], usages) if analysis.issues else (usages, [])
    return {"good_usages": good, "bad_usages": bad}


class Endpoints:
    """The v3 endpoints over a world: three of sessions, and who is there."""

    def __init__(
        self,
        world: World,
        faults: Faults,
        lists: Lists,
        people: directory.Directory,
        keys: Collection[str] | None,
    ) -> None:
        self._world = world
        self._people = people
        self._faults = faults
        self._lists = lists
        self._guarded = Guard(V3_PREFIX, V2_PREFIX, keys, _problem)

    def routes(self) -> Iterator[Route]:
        """An id may be anything, also with a slash in it."""
        for path, name, endpoint in (
            (SESSIONS, "sessions", self.list_sessions),
            (f"{SESSIONS}/insights", "insights", self.list_insights),
            (f"{SESSIONS}/{{devin_id:path}}/insights", "session_insights", self.get_insights),
            (directory.ORGANIZATIONS, "organizations", self.list_organizations),
            (directory.USERS, "users", self.list_users),
        ):
            yield Route(path, self._guarded(self._unless_switched_off(name, endpoint)))

    def _unless_switched_off(self, name: str, endpoint: Endpoint) -> Endpoint:
        async def permitted(request: Request) -> Response:
            if name in self._faults.refused:
                return _problem(403)
            return _problem(404) if name in self._faults.missing else await endpoint(request)

        return permitted

    async def get_insights(self, request: Request) -> Response:
        """The insights of the session of that id: percent-encoded, behind exactly one `devin-`."""
        raw_path: bytes = request.scope["raw_path"]
        path = unquote_to_bytes(raw_path).decode(errors="replace")
        devin_id = path.removeprefix(f"{SESSIONS}/").removesuffix("/insights")
        session_id = devin_id.removeprefix("devin-")
        is_well_formed = devin_id != session_id and not session_id.startswith("devin-")
        session = self._world.sessions.get(session_id) if is_well_formed else None
        # What org_id is for is not documented; a session of another organization is not there.
        org_id = Parameters(request.query_params).string("org_id")
        is_there = session is not None and org_id in (None, session.org_id)
        if session is None or not is_there or not self._faults.shows(session_id):
            return _problem(404)
        if self._faults.fails_insights_of(session_id):
            return _problem(500)
        return Response(encoded_insights(session, self._faults), media_type="application/json")

    async def list_sessions(self, request: Request) -> Response:
        """One page of the sessions that match."""
        return self._page(request, encoded_item, ignores_update=False)

    async def list_insights(self, request: Request) -> Response:
        """The same with their insights, unless the server does not have this list."""
        match self._faults.bulk_insights:
            case "ok":
                ignores_update = self._faults.ignore_updated_filter_insights
                return self._page(request, encoded_insights, ignores_update=ignores_update)
            case "no_items":
                return JSONResponse({"end_cursor": None, "has_next_page": False, "total": 0})
            case "422":
                # What a server without the list makes of its path.
                detail = {"loc": ["path", "devin_id"], "msg": "Invalid id", "type": "value_error"}
                return JSONResponse({"detail": [detail]}, 422)
            case status:
                return _problem(int(status))

    def _page(self, request: Request, encode: Encoded, *, ignores_update: bool) -> Response:
        parameters = Parameters(request.query_params)
        after = parameters.value("after", cursors.parse, None)
        first = parameters.integer("first", 100, 1, 200)
        wanted = self._filter(parameters, ignores_update=ignores_update)
        if refusal := parameters.refusal():
            return refusal
        found = self._lists.find(wanted)
        start = 0 if after is None else cursors.place(after, found)
        start = 0 if self._token_fault("ignored") else start
        rows = found.rows(start, self._lists.page_size(first))
        return self._lists.answer(
            wanted,
            [encode(session, self._faults) for session in rows],
            self._links(
                lambda end: self._token(found, end),
                (start, start + len(rows), len(found)),
                request.query_params.get("after"),
            ),
            has_total=after is None or self._faults.total_on == "every",
        )

    async def list_organizations(self, request: Request) -> Response:
        """One page of the organizations."""
        return self._directory_page(request, self._people.organizations(), "org_id")

    async def list_users(self, request: Request) -> Response:
        """One page of the users."""
        return self._directory_page(request, self._people.users(), "user_id")

    def _directory_page(self, request: Request, items: list[directory.Item], key: str) -> Response:
        parameters = Parameters(request.query_params)
        after = parameters.value("after", directory.parse, None)
        first = parameters.integer("first", 100, 1, 200)
        if refusal := parameters.refusal():
            return refusal
        ids = [item[key] for item in items]
        start = 0 if after is None or self._token_fault("ignored") else bisect_right(ids, after)
        page = items[start : start + self._lists.page_size(first)]
        links = self._links(
            lambda end: directory.token(ids[end - 1]),
            (start, start + len(page), len(items)),
            request.query_params.get("after"),
        )
        body = json.dumps({"items": page, **links, "total": len(items)})
        return Response(body, media_type="application/json")

    def _links(
        self, token_at: Token, place: tuple[int, int, int], after: str | None
    ) -> directory.Item:
        """What leads to the next page, given where this one starts, ends, and the list ends."""
        start, end, count = place
        has_next = end < count
        token = token_at(end) if has_next else None
        if self._token_fault("repeated") and end:
            token, has_next = after or token_at(end), True
        elif self._token_fault("null") and not start:
            token = None
        return {"end_cursor": token, "has_next_page": has_next}

    def _token(self, found: Found, end: int) -> str:
        if self._faults.cursor == "offset":
            return cursors.offset(end)
        return cursors.keyset(found, end)

    def _token_fault(self, fault: TokenFault) -> bool:
        return self._faults.token_fault == fault

    def _filter(self, parameters: Parameters, *, ignores_update: bool) -> Filter:
        created = _seconds_between(parameters, "created", "[)")
        updated = _seconds_between(parameters, "updated", self._faults.bounds)
        if ignores_update or self._faults.ignore_updated_filter:
            updated = None, None
        include_deleted_orgs = parameters.flag("include_deleted_orgs")
        return replace(
            self._lists.filter(parameters, include_deleted_orgs=include_deleted_orgs),
            created_from=created[0],
            created_to=created[1],
            updated_from=updated[0],
            updated_to=updated[1],
            tags=parameters.strings("tags"),
            playbook_id=parameters.string("playbook_id"),
            origins=parameters.strings("origins", ORIGINS),
            schedule_id=parameters.string("schedule_id"),
            service_user_ids=parameters.strings("service_user_ids"),
            category=parameters.string("category", CATEGORIES),
        )


def _seconds_between(
    parameters: Parameters, name: str, bounds: Bounds
) -> tuple[datetime | None, datetime | None]:
    """`*_after` and `*_before` as instants: from the one on, up to the other.

    Whole seconds are compared, as served, so that an end moves by one where bounds say so.
    """
    after = parameters.integer(f"{name}_after", None)
    before = parameters.integer(f"{name}_before", None)
    return (
        None if after is None else _instant(after + (bounds[0] == "(")),
        None if before is None else _instant(before + (bounds[1] == "]")),
    )


def _instant(seconds: int) -> datetime:
    return _EPOCH + timedelta(seconds=min(max(seconds, _FIRST_SECOND), _LAST_SECOND))


def _problem(status: int) -> Response:
    """An error as newer documentation has it: ProblemDetail of RFC 9457."""
    details = {
        401: "Invalid or missing credential",
        403: "The key lacks the permission for this",
        404: "Session not found",
    }
    title = HTTPStatus(status).phrase
    body = {"title": title, "status": status, "detail": details.get(status, title)}
    return JSONResponse(body, status, media_type="application/problem+json")
