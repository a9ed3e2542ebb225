"""The only module that does HTTP: key, retries, the brake, and what an answer means.

Statuses (facts on the API, §3.2): 401 and 403 refuse the key, 404 says that an id or a path is
unknown, 422 that the request is invalid; none of them is tried again. 408, 425, 429, 5xx, broken
connections and bodies that are no JSON are tried again, with exponential back-off and full jitter,
until attempts or time run out; 429, which the brake paces, until time does.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import pendulum
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    wait_random_exponential,
)

from devin_warehouse import __version__
from devin_warehouse.api.brake import PATIENCE_SECONDS, Brake, Clock
from devin_warehouse.errors import (
    ContractBroken,
    KeyRefused,
    Misuse,
    NotAccepted,
    NotFound,
    Unavailable,
)

ATTEMPTS = 8
LONGEST_BODY_BYTES = 256 * 2**20
TIMEOUT = httpx.Timeout(60.0, connect=10.0)
RETRIED = frozenset({408, 425, 429, *range(500, 600)})


KEYS = {
    "v2": "the personal key (apk_user_...) of an enterprise admin",
    "v3": "a service user's key (cog_...) with the permission ViewAccountSessions "
    "at the enterprise level",
}

Params = Mapping[str, str | int | list[str]]

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass
class Traffic:
    """What a run sent and received, for its ledger row."""

    requests: int = 0
    retries: int = 0
    rate_limited: int = 0
    bytes_received: int = 0
    replaced_surrogates: int = 0


class _TryAgain(Exception):
    """One attempt failed in a way that another may not."""


class _OneTooMany(_TryAgain):
    """A 429: where patience is asked for, only time bounds how often it is tried again."""


@dataclass
class _Budget:
    """How often and until when one request is tried again."""

    clock: Clock
    attempts: int
    deadline: float
    is_patient: bool

    def is_spent(self, state: RetryCallState) -> bool:
        """Whether the failure that has just been seen is the last one."""
        failure = state.outcome.exception() if state.outcome else None
        self.attempts -= not (self.is_patient and isinstance(failure, _OneTooMany))
        return self.attempts <= 0 or self.clock.now() >= self.deadline


@dataclass
class Client:
    """GET requests to one API host with one key; `server_time` is the last answer's Date."""

    http: httpx.AsyncClient
    clock: Clock = field(default_factory=Clock)
    traffic: Traffic = field(default_factory=Traffic)
    server_time: datetime | None = None

    def __post_init__(self) -> None:
        self._brake = Brake(self.clock)

    async def get(
        self, path: str, params: Params | None = None, *, attempts: int | None = None
    ) -> Any:  # noqa: ANN401
        """The JSON body of a 200 answer.

        `attempts` are for what a run can do without for now: then a 429 counts as one, and nobody
        waits any longer once nothing else has been answered for two minutes.

        Raises KeyRefused, NotFound, ContractBroken (any other refusal, a redirect, a body that is
        too large or too deep), or Unavailable when attempts or time run out.
        """
        budget = self._budget(attempts)
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_TryAgain),
            stop=budget.is_spent,
            wait=wait_random_exponential(multiplier=0.5, max=20),
            sleep=self.clock.sleep,
            reraise=True,
        )
        try:
            async for attempt in retrying:
                with attempt:
                    self.traffic.retries += attempt.retry_state.attempt_number > 1
                    return await self._attempt(path, params, budget.deadline)
        except (_TryAgain, TimeoutError) as failure:
            raise Unavailable(
                f"The API at {self.http.base_url} gave no usable answer: {failure}. "
                "What was committed stays; the next run goes on from there."
            ) from failure.__cause__

    def _budget(self, attempts: int | None) -> _Budget:
        now = self.clock.now()
        if attempts is None:
            return _Budget(self.clock, ATTEMPTS, now + PATIENCE_SECONDS, is_patient=True)
        since = min(now, self._brake.refused_since)
        return _Budget(self.clock, attempts, since + PATIENCE_SECONDS, is_patient=False)

    async def _attempt(self, path: str, params: Params | None, deadline: float) -> Any:  # noqa: ANN401
        async with self._brake.turn(deadline) as started:
            response, body = await self._answer(path, params)
        self.server_time = _http_date(response.headers.get("date"))
        if response.status_code == 429:
            self.traffic.rate_limited += 1
            self._brake.refused(started)
        else:
            self._brake.answered()
        if response.status_code == 200:
            return self._decode(body, path)
        raise self._refusal(response, body, path)

    async def _answer(self, path: str, params: Params | None) -> tuple[httpx.Response, bytes]:
        self.traffic.requests += 1
        try:
            async with self.http.stream("GET", path, params=params) as response:
                return response, await self._body(response)
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise _TryAgain(f"{type(error).__name__} {error}".strip()) from error

    async def _body(self, response: httpx.Response) -> bytes:
        chunks, size = [], 0
        async for chunk in response.aiter_bytes():
            size += len(chunk)
            if size > LONGEST_BODY_BYTES:
                raise ContractBroken(
                    f"GET {response.url.path}: the answer is longer than "
                    f"{LONGEST_BODY_BYTES // 2**20} MiB."
                )
            chunks.append(chunk)
        self.traffic.bytes_received += size
        return b"".join(chunks)

    def _refusal(self, response: httpx.Response, body: bytes, path: str) -> Exception:
        key = response.request.headers["authorization"].removeprefix("Bearer ")
        status, said = response.status_code, _detail(body).replace(key, "***")
        if status in RETRIED:
            self._heed(response)
            again = _OneTooMany if status == 429 else _TryAgain
            return again(f"{status} {said}".strip())
        if status in (401, 403):
            version = path.strip("/").partition("/")[0]
            return KeyRefused(
                f"The API refused the key for GET {path} ({status} {said}): {version} needs "
                f"{KEYS.get(version, 'another key')}."
            )
        if status == 404:
            return NotFound(f"GET {path}: 404 {said}")
        if response.is_redirect:
            return ContractBroken(
                f"GET {path}: the API redirects to {_host(response) or 'another address'}; the key "
                "is not sent there. Set --base-url to the API's own address."
            )
        kind = NotAccepted if 400 <= status < 500 else ContractBroken
        return kind(f"GET {path}: the API answered {status} {said}".rstrip())

    def _heed(self, response: httpx.Response) -> None:
        """Make all requests pause for as long as Retry-After says, in seconds or as a date."""
        said = response.headers.get("retry-after", "").strip()
        date = _http_date(said)
        if date is not None:
            now = _http_date(response.headers.get("date")) or pendulum.now("UTC")
            pause = (date - now).total_seconds()
        else:
            pause = float(said) if re.fullmatch(r"[0-9]+(\.[0-9]*)?", said) else 0.0
        if pause > PATIENCE_SECONDS:
            raise Unavailable(f"The API asks to wait {pause:,.0f} seconds; run again later.")
        self._brake.pull(min(max(pause, 0.0), PATIENCE_SECONDS))

    def _decode(self, body: bytes, path: str) -> Any:  # noqa: ANN401
        try:
            return msgspec.json.decode(body)
        except RecursionError as error:
            raise ContractBroken(f"GET {path}: the answer is nested too deeply.") from error
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._decode_leniently(body, path)

    def _decode_leniently(self, body: bytes, path: str) -> Any:  # noqa: ANN401
        """Decode what msgspec refuses: lone surrogates become U+FFFD, counted; 1e999 its text."""
        try:
            value = json.loads(
                body.decode("utf-8", "surrogatepass"),
                parse_float=_finite_or_text,
                parse_int=_short_or_text,
                parse_constant=_no_constant,
            )
            return self._without_surrogates(value)
        except RecursionError as error:
            raise ContractBroken(f"GET {path}: the answer is nested too deeply.") from error
        except ValueError as error:
            raise _TryAgain(f"200 with a body that is no JSON ({len(body):,} bytes)") from error

    def _without_surrogates(self, value: Any) -> Any:  # noqa: ANN401
        if isinstance(value, str):
            text, count = _LONE_SURROGATE.subn("\ufffd", value)
            self.traffic.replaced_surrogates += count
            return text
        if isinstance(value, list):
            return [self._without_surrogates(element) for element in value]
        if isinstance(value, dict):
            return {
                self._without_surrogates(key): self._without_surrogates(element)
                for key, element in value.items()
            }
        return value


@asynccontextmanager
async def open_client(
    base_url: str,
    api_key: str,
    *,
    concurrency: int,
    transport: httpx.AsyncBaseTransport | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[Client]:
    """A client for one run; it belongs to the event loop that it is opened in."""
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    async with httpx.AsyncClient(
        base_url=base_url,
        headers={
            "Authorization": f"Bearer {api_key}",
            "User-Agent": f"devin-warehouse/{__version__}",
            "Accept": "application/json",
        },
        timeout=TIMEOUT,
        limits=limits,
        transport=transport,
        follow_redirects=False,
    ) as http:
        yield Client(http, clock or Clock())


def checked_base_url(base_url: str) -> str:
    """The base URL without a trailing slash.

    Raises Misuse unless it is https or loopback, and no more than an address: names and passwords
    in it would end up in ledger and logs.
    """
    parts = urlsplit(base_url)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise Misuse("--base-url: an address alone is needed, without name, password or query.")
    is_loopback = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if not parts.hostname or not (
        parts.scheme == "https" or (parts.scheme == "http" and is_loopback)
    ):
        raise Misuse(f"--base-url {base_url}: an https address is needed (http only on loopback).")
    if re.search(r"/v\d+/?$", parts.path):
        raise Misuse(f"--base-url {base_url}: without the version, which --api chooses.")
    return base_url.rstrip("/")


def checked_key(api_key: str) -> str:
    """The key without surrounding space; raises Misuse if it cannot stand in a header."""
    key = api_key.strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise Misuse("The API key holds characters that no key has; was it pasted whole?")
    return key


def _http_date(text: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(text).astimezone(UTC) if text else None
    except (ValueError, OverflowError):
        return None


def _detail(body: bytes) -> str:
    """What the API says of an error, from any of the body shapes in use; at most 200 characters."""
    try:
        parsed = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(parsed, dict):
        return ""
    detail = parsed.get("detail") or parsed.get("title") or parsed.get("message") or ""
    if isinstance(detail, list):
        detail = "; ".join(_problem(error) for error in detail if isinstance(error, dict))
    return str(detail)[:200]


def _problem(error: dict[str, Any]) -> str:
    """One entry of an HTTPValidationError."""
    place = error.get("loc")
    where = ".".join(map(str, place)) if isinstance(place, list) else place
    return f"{where}: {error.get('msg')}"


def _host(response: httpx.Response) -> str:
    """The host that a redirect leads to, "" if that cannot be told."""
    try:
        return urlsplit(str(response.headers.get("location", ""))).netloc
    except ValueError:
        return ""


def _finite_or_text(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _short_or_text(text: str) -> int | str:
    return int(text) if len(text) < 4300 else text


def _no_constant(name: str) -> float:
    raise ValueError(name)
