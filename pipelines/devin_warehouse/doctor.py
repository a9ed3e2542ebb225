"""`doctor`: what a key may do, what the API keeps of what it documents, and what follows."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from devin_warehouse.api.directory import Directory
from devin_warehouse.api.listing import Api, Filters, Page
from devin_warehouse.errors import ApiError, ContractBroken, KeyRefused, NotFound
from devin_warehouse.feed import Connection, Feed, open_feed
from devin_warehouse.windows import Range

FAR_AHEAD = timedelta(days=365)


@dataclass(frozen=True)
class Finding:
    """One thing that was tried: whether it works, what was seen, and what follows.

    `exit_code` is that of a load which meets it, 0 if it does without.
    """

    what: str
    is_good: bool
    seen: str
    follows: str = ""
    exit_code: int = 0


Test = Callable[[Api, "Examination"], Coroutine[Any, Any, Finding]]


@dataclass
class Examination:
    """What earlier tests have found out for later ones."""

    first: Page | None = None
    has_insights_list: bool = False


def examine(connection: Connection) -> list[Finding]:
    """Try the key on each endpoint that a load asks, a handful of requests.

    Raises Unavailable if the API cannot be reached at all.
    """
    with open_feed(connection) as feed:
        examination = Examination()
        findings = [_tried(feed, examination, _sessions)]
        if examination.first is None:
            return findings
        tests: list[Test] = [_insights_list] if connection.version == "v3" else []
        tests += [_by_id, _updated_filter, _ids_filter]
        findings += [_tried(feed, examination, test) for test in tests]
        findings += feed.ask(_directories)
        return [*findings, _clock(feed), _total(examination.first)]


def _tried(feed: Feed, examination: Examination, test: Test) -> Finding:
    return feed.ask(lambda api: test(api, examination))


async def _sessions(api: Api, examination: Examination) -> Finding:
    what = api.sessions.endpoint
    try:
        examination.first = await api.sessions.page(None, None, 1)
    except (KeyRefused, ContractBroken, NotFound) as error:
        return Finding(what, False, str(error), "Nothing can be loaded.", error.exit_code)
    return Finding(what, True, "answers")


async def _insights_list(api: Api, examination: Examination) -> Finding:
    listing = api.insights or api.sessions
    what = listing.endpoint
    try:
        await listing.page(None, None, 1)
    except (KeyRefused, ContractBroken, NotFound) as error:
        follows = "Insights are asked for one by one: one request a changed session."
        return Finding(what, False, str(error), follows)
    examination.has_insights_list = True
    return Finding(what, True, "answers", "Insights take a request per 200 sessions.")


async def _by_id(api: Api, examination: Examination) -> Finding:
    what = api.by_id_endpoint
    ids = examination.first.ids if examination.first else []
    if not ids:
        return Finding(what, True, "not tried: there is no session yet")
    try:
        await api.by_id(ids[0], 3)
    except NotFound:
        return Finding(what, True, "404 for a session of the list, which is taken for without any")
    except ApiError as error:
        follows, code = "Deletions cannot be confirmed.", 0
        if api.insights and not examination.has_insights_list:
            code = error.exit_code
            follows = f"Loads end with exit {code}; `load --no-insights` loads the sessions alone."
        return Finding(what, False, str(error), follows, code)
    return Finding(what, True, "answers")


async def _updated_filter(api: Api, _examination: Examination) -> Finding:
    what = "the filter by updated_at"
    ahead = datetime.now(UTC).replace(microsecond=0) + FAR_AHEAD
    page = await api.sessions.page(Range(ahead, None), None, 1)
    if page.ids:
        follows = "Each run reads the whole listing."
        return Finding(what, False, "ignored: sessions of the future were asked for", follows)
    return Finding(what, True, "honoured")


async def _ids_filter(api: Api, examination: Examination) -> Finding:
    what = "the filter session_ids"
    ids = examination.first.ids if examination.first else []
    if not ids:
        return Finding(what, True, "not tried: there is no session yet")
    for form in (ids[0], f"devin-{ids[0]}"):
        if await _came(api, form) == ids[:1]:
            return Finding(what, True, f"honoured, ids as in {form[:12]}...")
    follows = "The re-check of unsettled sessions takes a request a session."
    return Finding(what, False, "ignored, or in another form", follows)


async def _came(api: Api, wanted_id: str) -> list[str]:
    try:
        narrowed = api.sessions.narrowed(Filters(session_ids=(wanted_id,)))
        return (await narrowed.page(None, None, 2)).ids
    except ContractBroken:
        return []


async def _directories(api: Api) -> list[Finding]:
    return [await _directory(directory) for directory in api.directories]


async def _directory(directory: Directory) -> Finding:
    name = directory.table.name
    try:
        await directory.probe()
    except ApiError as error:
        follows = (
            f"{name.capitalize()} show as ids; {directory.permission} lets them be named, or "
            f"--{name}-csv."
        )
        return Finding(directory.endpoint, False, str(error), follows)
    return Finding(directory.endpoint, True, "answers", f"{name.capitalize()} show by name.")


def _clock(feed: Feed) -> Finding:
    _, now = feed.survey()
    off = round((now - datetime.now(UTC)).total_seconds())
    if not feed.has_server_time:
        follows = "This machine's clock is used; it has to be right."
        return Finding("the Date of answers", False, "missing", follows)
    return Finding("the Date of answers", True, f"{off:+,} s from this machine's clock")


def _total(first: Page) -> Finding:
    if first.total is None:
        follows = "Windows are proven by small pages: several times as many requests."
        return Finding("the total of lists", False, "not told", follows)
    return Finding("the total of lists", True, f"{first.total:,} sessions")
