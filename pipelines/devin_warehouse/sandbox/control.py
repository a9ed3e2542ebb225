"""`/sandbox/...`: steers a served world from outside. No key, JSON in and out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any, get_args

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from .changes import ApiVersion
from .faults import Faults
from .gate import RequestLog
from .world import World

Order = dict[str, Any]


class Control:
    """The control endpoints; a wrong order answers 422 and changes nothing."""

    def __init__(self, world: World, faults: Faults, log: RequestLog) -> None:
        self._world = world
        self._faults = faults
        self._log = log

    def routes(self) -> Iterator[Route]:
        """`GET /sandbox/state`, and one `POST` for each thing that can be done."""
        yield Route("/sandbox/state", self._endpoint(self.state))
        for perform in (
            self.advance,
            self.change,
            self.silent,
            self.delete,
            self.faults,
            self.awkward,
            self.malformed,
            self.heal,
        ):
            path = f"/sandbox/{perform.__name__}"
            yield Route(path, self._endpoint(perform), methods=["POST"])

    def _endpoint(self, perform: Callable[[Order], Any]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> JSONResponse:
            try:
                return JSONResponse(perform(dict(json.loads(await request.body() or b"{}"))))
            except (KeyError, OverflowError, TypeError, ValueError) as error:
                return JSONResponse({"detail": f"{type(error).__name__}: {error}"}, 422)

        return endpoint

    def state(self, _order: Order) -> dict[str, Any]:
        """Sessions, clock, requests so far and switches."""
        return {
            "sessions": len(self._world.sessions),
            "clock": self._world.clock.now().isoformat(),
            "requests": dict(self._log.counts),
            "faults": asdict(self._faults),
        }

    def advance(self, order: Order) -> dict[str, Any]:
        """`{"duration": "1 day"}`: moves the clock, and lets life happen meanwhile."""
        touched = self._world.advance(order["duration"])
        return {"touched": len(touched), "clock": self._world.clock.now().isoformat()}

    def change(self, order: Order) -> dict[str, Any]:
        """`{"count": 300}`: so many changes of all kinds; `{"version": "v3"}` has more kinds."""
        changed = self._world.change(_count(order), _version(order, "v2"))
        return {"changed": [each._asdict() for each in changed]}

    def silent(self, order: Order) -> dict[str, Any]:
        """`{"count": 200, "unsettled": true}`: so many changes that leave `updated_at`."""
        unsettled, version = bool(order.get("unsettled", True)), _version(order, "v3")
        changed = self._world.change_silently(_count(order), unsettled=unsettled, version=version)
        return {"changed": [each._asdict() for each in changed]}

    def delete(self, order: Order) -> dict[str, Any]:
        """`{"count": 50}`: deletes so many sessions."""
        return {"deleted": self._world.delete_some(_count(order))}

    def faults(self, order: Order) -> dict[str, Any]:
        """Sets the switches named; answers with all of them."""
        self._faults.update(order)
        return asdict(self._faults)

    def awkward(self, _order: Order) -> dict[str, Any]:
        """Adds the awkward sessions."""
        return {"added": self._world.add_awkward()}

    def malformed(self, order: Order) -> dict[str, Any]:
        """`{"count": 3, "version": "v3"}`: adds so many that v3 tells malformed; v2 by default."""
        return {"added": self._world.add_malformed(_count(order), _version(order, "v2"))}

    def heal(self, order: Order) -> dict[str, Any]:
        """Repairs the malformed; `{"moves_updated_at": false}` does so silently."""
        moves_updated_at = bool(order.get("moves_updated_at", True))
        return {"healed": self._world.heal(moves_updated_at=moves_updated_at)}


def _count(order: Order) -> int:
    count = order["count"]
    if not isinstance(count, int) or count < 0:
        raise ValueError(f"count: not a natural number: {count!r}")
    return count


def _version(order: Order, default: ApiVersion) -> ApiVersion:
    version: ApiVersion = order.get("version", default)
    if version not in get_args(ApiVersion):
        raise ValueError(f"version: not one of {get_args(ApiVersion)}: {version!r}")
    return version
