"""Answering a list request, as far as v2 and v3 do it alike: filter, count, churn."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from starlette.background import BackgroundTask
from starlette.responses import Response

from .faults import Faults
from .listing import Filter, Found, Listing
from .parameters import InvalidParameterError, Parameters
from .world import World


class Lists:
    """The lists of a world, for all endpoints that answer with one."""

    def __init__(self, world: World, faults: Faults) -> None:
        self._world = world
        self._faults = faults
        self._listing = Listing(world)
        self._updated_before_churn: dict[str, datetime] = {}

    def filter(self, parameters: Parameters, *, include_deleted_orgs: bool = False) -> Filter:
        """What both versions can be asked for by the same name, and what the server hides."""
        hidden = () if include_deleted_orgs else self._world.deleted_org_ids
        return Filter(
            org_ids=parameters.strings("org_ids"),
            user_ids=parameters.strings("user_ids"),
            session_ids=self._session_ids(parameters),
            hidden_org_ids=frozenset(hidden),
            visible_share=self._faults.visible_share,
        )

    def _session_ids(self, parameters: Parameters) -> frozenset[str] | None:
        """The bare ids asked for. Which form of an id the filter knows is not documented."""
        asked, faults = parameters.strings("session_ids"), self._faults
        if asked is None:
            return None
        limit = faults.session_ids_limit
        if limit is not None and len(asked) > limit:
            message = f"List should have at most {limit} items after validation"
            parameters.problems.append(InvalidParameterError("session_ids", message, "too_long"))
        if faults.ignore_session_ids:
            return None
        prefixed = {each.removeprefix("devin-") for each in asked if each.startswith("devin-")}
        forms = {"bare": asked, "prefixed": prefixed, "both": asked | prefixed}
        return frozenset(forms[faults.session_ids_form])

    def find(self, wanted: Filter) -> Found:
        """The sessions that match, in the order that the switch says."""
        return self._listing.find(wanted, self._faults.order)

    def page_size(self, asked: int) -> int:
        """How many rows a page has at most."""
        return min(asked, self._faults.page_cap or asked)

    def answer(
        self, wanted: Filter, items: Iterable[bytes], rest: dict[str, Any], *, has_total: bool
    ) -> Response:
        """A page with these items, the total and the rest; churn follows it."""
        body = b'{"items":[' + b",".join(items) + b"],"
        is_late = self._faults.total == "late"
        if is_late:
            self._churn()
        rest["total"] = self._total(wanted) if has_total else None
        body += json.dumps(rest).encode()[1:]
        later = None if is_late else BackgroundTask(self._churn_after_answer)
        return Response(body, media_type="application/json", background=later)

    def _total(self, wanted: Filter) -> int | None:
        faults = self._faults
        if faults.total == "null":
            return None
        if faults.total == "lagging":
            return self._listing.count_before(wanted, self._updated_before_churn)
        exact, cap = len(self.find(wanted)), faults.total_cap
        return exact if cap is None else min(exact, cap)

    def _churn(self) -> None:
        self._updated_before_churn = self._world.touch(self._faults.churn)

    async def _churn_after_answer(self) -> None:
        self._churn()
