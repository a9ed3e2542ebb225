"""Who may ask: each API version has keys of its own, told by their prefix."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

Endpoint = Callable[[Request], Awaitable[Response]]

# Personal keys of enterprise admins are v2's, those of service users v3's.
V2_PREFIX = "apk_user_"
V3_PREFIX = "cog_"


@dataclass(frozen=True)
class Guard:
    """Lets the keys of one API version in; those of the other are known, and refused.

    `keys` are those accepted, None for all well-formed; `refuse` writes a 401 or 403.
    """

    own_prefix: str
    other_prefix: str
    keys: Collection[str] | None
    refuse: Callable[[int], Response]

    def __call__(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint, for those who have a key."""

        async def guarded(request: Request) -> Response:
            status = self._refusal(request.headers.get("authorization", ""))
            return await endpoint(request) if status is None else self.refuse(status)

        return guarded

    def _refusal(self, authorization: str) -> int | None:
        scheme, _, key = authorization.partition(" ")
        is_own = key.startswith(self.own_prefix) and (self.keys is None or key in self.keys)
        if scheme.lower() != "bearer" or not (is_own or key.startswith(self.other_prefix)):
            return 401
        return 403 if not is_own or key.endswith("_forbidden") else None
