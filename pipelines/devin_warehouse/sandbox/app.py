"""The sandbox as an ASGI application."""

from __future__ import annotations

from collections.abc import Collection

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse

from . import v2, v3
from .control import Control
from .directory import Directory
from .faults import Faults
from .gate import Gate, RequestLog
from .lists import Lists
from .world import World


def create_app(
    world: World, faults: Faults | None = None, keys: Collection[str] | None = None
) -> Starlette:
    """A Devin API over a world; `keys` are the keys that it accepts, None for all well-formed.

    `app.state.requests` is the list of API requests so far, `app.state.counts` their number per
    endpoint, such as `GET /v2/enterprise/sessions/insights`; `app.state.directory` names people.
    """
    faults = faults if faults is not None else Faults()
    # One index over the world for both versions, which also churn it alike.
    lists = Lists(world, faults)
    people = Directory(world)
    endpoints = (
        v2.Endpoints(world, faults, lists, keys),
        v3.Endpoints(world, faults, lists, people, keys),
    )
    api_routes = [route for version in endpoints for route in version.routes()]
    log = RequestLog(api_routes)
    app = Starlette(
        routes=[*api_routes, *Control(world, faults, log).routes()],
        middleware=[Middleware(Gate, world=world, faults=faults, log=log)],
        exception_handlers={404: _not_found, 405: _not_allowed},
    )
    app.state.world, app.state.faults, app.state.directory = world, faults, people
    app.state.requests, app.state.counts = log.requests, log.counts
    return app


async def _not_found(_request: Request, _error: Exception) -> JSONResponse:
    """An unknown path, in the shape of the documented errors."""
    return JSONResponse({"detail": "Not Found"}, 404)


async def _not_allowed(_request: Request, _error: Exception) -> JSONResponse:
    """Everything of the API that the sandbox has is read-only."""
    return JSONResponse({"detail": "Method Not Allowed"}, 405)
