"""The client: what is tried again and how long, what never, and where the key goes."""

import asyncio
import logging
import traceback
from contextlib import suppress

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devin_warehouse.api.client import checked_base_url, checked_key
from devin_warehouse.errors import (
    ApiError,
    ContractBroken,
    KeyRefused,
    Misuse,
    NotFound,
    Unavailable,
)
from devin_warehouse.feed import Connection
from tests.fake_api import DATE, HOST, KEY, Api, answer

LONGEST_PATIENCE = 300

RETRIED = [429, 500, 501, 502, 503, 504, 507, 520, 521, 522, 523, 524, 525, 529, 530, 599]


@pytest.mark.parametrize("status", RETRIED)
def test_rate_limits_and_server_errors_are_tried_again(status):
    """Design §5.9: 429 and 5xx are tried again, and counted in the ledger's figures."""
    api = Api(answer(status), answer(status, b"<html>"), answer(body={"ok": 1}))
    assert api.get() == {"ok": 1}
    traffic = api.client.traffic
    assert (traffic.requests, traffic.retries) == (3, 2)
    assert traffic.rate_limited == (2 if status == 429 else 0)


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError, httpx.ConnectTimeout, httpx.ReadTimeout, httpx.ReadError,
        httpx.WriteError, httpx.RemoteProtocolError, httpx.PoolTimeout, httpx.ProxyError,
    ],
)  # fmt: skip
def test_broken_connections_are_tried_again(error):
    """A connection that cannot be made, or breaks, says nothing about the next."""
    api = Api(error, error, answer(body=[1]))
    assert api.get() == [1]
    assert (api.client.traffic.requests, api.client.traffic.retries) == (3, 2)


class Breaking(httpx.AsyncByteStream):
    """A body that ends early."""

    async def __aiter__(self):
        yield b'{"items": ['
        raise httpx.RemoteProtocolError("peer closed connection without sending complete body")


NOT_JSON = [
    b"", b"<!doctype html><title>Sign in</title>", b'{"items": [{"session_id": "a"', b"{} {}",
    b"\xff\xfe", b'{"a": NaN}', b"Infinity", b"[-Infinity]", b"{'a': 1}",
]  # fmt: skip


@pytest.mark.parametrize("body", NOT_JSON)
def test_a_body_that_is_no_json_is_tried_again_and_never_a_value(body):
    """Truncated answers, proxies' pages, and the NaN that JSON does not know."""
    api = Api(answer(body=body), answer(body={"a": 1}))
    assert api.get() == {"a": 1}
    with pytest.raises(Unavailable):
        Api(answer(body=body)).get()


def test_a_body_that_breaks_off_or_cannot_be_unpacked_is_tried_again():
    """Also when the break shows only while the body is being read."""
    packed = answer(body=b"no gzip", headers=[("content-encoding", "gzip")])
    breaking = lambda request: httpx.Response(200, stream=Breaking())  # noqa: E731
    api = Api(breaking, packed, answer(body={"a": 1}))
    assert api.get() == {"a": 1}


@pytest.mark.parametrize(
    ("status", "kind", "exit_code"),
    [
        (401, KeyRefused, 3),
        (403, KeyRefused, 3),
        (404, NotFound, 5),
        (400, ContractBroken, 5),
        (405, ContractBroken, 5),
        (422, ContractBroken, 5),
        (204, ContractBroken, 5),
    ],
)
def test_refusals_are_never_tried_again(status, kind, exit_code):
    """Another attempt with the same key or parameters cannot do better."""
    api = Api(answer(status, {"detail": "No such thing"}))
    with pytest.raises(kind, match="No such thing") as raised:
        api.get()
    assert raised.value.exit_code == exit_code
    assert (len(api.requests), api.clock.passed) == (1, 0)


@pytest.mark.parametrize("header", [None, "1", "119", DATE])
@pytest.mark.parametrize("failure", [answer(503), answer(429), httpx.ConnectError])
def test_attempts_and_time_are_bounded(failure, header):
    """A dead API ends the run (exit 4) after few requests and some minutes at most."""
    if header and failure is not httpx.ConnectError:
        failure = answer(failure["status_code"], headers=[("retry-after", header)])
    api = Api(failure)
    with pytest.raises(Unavailable) as raised:
        api.get()
    assert raised.value.exit_code == 4
    assert 2 <= len(api.requests) <= 10
    assert api.clock.passed < LONGEST_PATIENCE


def test_many_requests_at_once_are_bounded_together():
    """A pause that one request is told holds for all; it does not add up."""
    api = Api(answer(429, headers=[("retry-after", "100")]))
    ask = lambda client: [client.get(f"/{n}") for n in range(20)]  # noqa: E731
    found = api.run(lambda client: asyncio.gather(*ask(client), return_exceptions=True))
    assert {type(failure) for failure in found} == {Unavailable}
    assert len(api.requests) <= 20 * 8
    assert api.clock.passed < LONGEST_PATIENCE


@pytest.mark.parametrize(
    "headers",
    [
        [("retry-after", "30")],
        [("retry-after", " 30.0 ")],
        [("date", DATE), ("retry-after", "Mon, 02 Nov 2026 09:30:30 GMT")],
        [("date", DATE), ("retry-after", "Monday, 02-Nov-26 09:30:30 GMT")],
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_makes_all_requests_pause(headers, status):
    """Whoever is about to ask waits as well, not only the one that was told."""
    api = Api(answer(), answer(), answer(status, headers=headers), answer())

    async def ask(client):
        for _ in range(4):
            await client.get("/x")

    api.run(lambda client: asyncio.gather(*[ask(client) for _ in range(6)]))
    early = [at for at, _ in api.requests if at < 30]
    assert early == [0] * len(early)
    assert len(early) <= 2 + 6
    assert len(api.requests) == 25
    assert api.clock.passed < 60


ABSURD = [
    b"", b"-5", b"-0", b"garbage", b"nan", b"inf", b"1e9", b"9" * 400, b"0", b"00", b"5, 10",
    b"1.2.3", b".", b"Mon, 99 Foo 2026 99:99:99 GMT", b"Thu, 01 Jan 1970 00:00:00 GMT", b"\xff",
    b"999999999",    b"Fri, 31 Dec 9999 23:59:59 GMT",
    b"\xb2", b"Fri, 31 Dec 9999 23:59:59 -0800",
]  # fmt: skip


@pytest.mark.parametrize("said", ABSURD)
def test_an_absurd_retry_after_neither_crashes_nor_hangs(said):
    """It is tried again soon, or given up at once where it asks for more than our patience."""
    api = Api(answer(503, headers=[(b"retry-after", said), (b"date", DATE.encode())]), answer())
    with suppress(Unavailable):
        api.get()
    assert len(api.requests) <= 2
    assert api.clock.passed < 30


@settings(deadline=None, max_examples=60)
@given(st.text(st.characters(max_codepoint=126, min_codepoint=32), max_size=40))
def test_whatever_the_headers_say_the_request_ends(said):
    """Date and Retry-After are text from outside: any text is an answer or an API error."""
    headers = [(b"retry-after", said.encode()), (b"date", said.encode())]
    api = Api(answer(429, headers=headers), answer(headers=headers))
    with suppress(Unavailable):
        assert api.get() == {}
    assert len(api.requests) <= 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "named"),
    [
        ("https://elsewhere.example/steal", "elsewhere.example"),
        ("//elsewhere.example", "elsewhere.example"),
        (f"{HOST}/y", "api.example"),
        ("/login", "another address"),
        ("http://[broken", "another address"),
    ],
)
def test_redirects_are_not_followed(status, location, named):
    """The key goes to the configured host only; the message says what to change."""
    api = Api(answer(status, headers=[("location", location)]))
    with pytest.raises(ContractBroken, match=named):
        api.get()
    assert [request.url for _, request in api.requests] == [f"{HOST}/x"]


FAILURES = [
    answer(401), answer(403), answer(404), answer(422), answer(500), answer(429), answer(body=b"<"),
    answer(302, headers=[("location", "https://elsewhere.example")]), httpx.ConnectError,
    answer(429, headers=[("retry-after", "9999")]), answer(body=b"[" * 10_000),
]  # fmt: skip
ECHO = [answer(status, {"detail": f"Invalid key {KEY}"}) for status in (401, 403, 422, 503)]


@pytest.mark.parametrize("failure", FAILURES + ECHO)
def test_the_key_is_in_no_message(failure, caplog):
    """Messages go to logs, the ledger and the status file: the key to none of them."""
    caplog.set_level(logging.DEBUG)
    api = Api(failure)
    with pytest.raises(ApiError) as raised:
        api.get()
    shown = "".join(traceback.format_exception(raised.value))
    chain = [raised.value, raised.value.__cause__, raised.value.__context__]
    assert KEY not in shown + caplog.text + "".join(map(repr, chain))
    assert api.requests[0][1].headers["authorization"] == f"Bearer {KEY}"


def test_the_key_is_in_no_repr():
    """Objects get into logs by accident."""
    api = Api(answer())
    api.get()
    shown = [api.client, api.client.http, api.client.http.headers, Connection(HOST, KEY)]
    assert KEY not in "".join(map(repr, shown)) + "".join(map(str, shown))


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        ([DATE], "2026-11-02 09:30:00+00:00"),
        (["Sun, 01 Nov 2026 00:00:00 GMT", DATE], "2026-11-02 09:30:00+00:00"),
        (["Mon, 02 Nov 2026 09:30:00 +0200"], "2026-11-02 07:30:00+00:00"),
        (["nonsense", DATE], "2026-11-02 09:30:00+00:00"),
        ([""], "None"),
    ],
)
def test_the_servers_time_is_that_of_the_last_answer(dates, expected):
    """The run's end is the server's time when it answered, not this machine's."""
    api = Api(*[answer(headers=[("date", date)]) for date in dates])

    async def ask(client):
        for _ in dates:
            await client.get("/x")

    api.run(ask)
    assert str(api.client.server_time) == expected


@pytest.mark.parametrize(
    "url", ["https://a.b/", "http://localhost:80", "http://127.0.0.1", "http://[::1]:1"]
)
def test_https_or_loopback(url):
    """The key travels encrypted, or not at all."""
    assert checked_base_url(url) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "http://api.devin.ai",
        "ftp://a.b",
        "api.devin.ai",
        "",
        "https://",
        "http://localhost.evil.example",
        "https://me:word@a.b",
        "https://a.b/?key=word",
        "https://a.b#key",
        "https://a.b/v3/",
    ],
)
def test_no_other_address(url):
    """Anything else is refused before a request is made."""
    with pytest.raises(Misuse) as raised:
        checked_base_url(url)
    assert "word" not in str(raised.value).replace("password", "")


@pytest.mark.parametrize("key", ["a b", "a\nb", "a\x00", "schlüssel", "a\u200b"])
def test_keys_that_cannot_stand_in_a_header_are_refused_unshown(key):
    """A key pasted with something else is refused here: the HTTP library would show it."""
    with pytest.raises(Misuse) as raised:
        checked_key(key)
    assert key not in str(raised.value)
    assert checked_key(f" {KEY}\n") == KEY
