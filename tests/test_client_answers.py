"""What the client makes of an answer's body: odd text, odd numbers, and no end of either."""

import gzip
import json

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devin_warehouse.api import client as module
from devin_warehouse.errors import ContractBroken
from tests.fake_api import Api, answer


def get_body(body):
    api = Api(answer(body=body))
    return api.get(), api.client.traffic


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"detail": "Unauthorized"}, "Unauthorized"),
        ({"title": "Forbidden", "status": 403}, "Forbidden"),
        ({"message": "no"}, "no"),
        ({"detail": [{"loc": ["query", "skip"], "msg": "too small"}]}, "query.skip: too small"),
        ({"detail": ["plain", {"msg": "half"}, 5]}, "half"),
        ({"detail": {"code": 7}}, "7"),
        ({"detail": None}, "422"),
        ("text", "422"),
        ([], "422"),
        (b"<html>", "422"),
        (b"[" * 100_000, "422"),
        ({"detail": "x" * 10_000}, "xxx"),
        ({"detail": [{"loc": None, "msg": "m"}]}, "m"),
        ({"detail": [{"loc": 5, "msg": "m"}]}, "m"),
    ],
)
def test_every_shape_of_error_body_is_understood_or_passed_over(body, said):
    """Several shapes are in use at once; none may hide the refusal behind another error."""
    with pytest.raises(ContractBroken, match=said) as raised:
        Api(answer(422, body)).get()
    assert len(str(raised.value)) < 400


def without_lone_surrogates(text):
    """The model: UTF-16 pairs are characters, halves become U+FFFD."""
    units = text.encode("utf-16-le", "surrogatepass")
    return units.decode("utf-16-le", "replace")


@settings(deadline=None, max_examples=100)
@given(st.text(st.characters(categories=["L", "Cs", "Cc"]), max_size=8), st.text(max_size=3))
def test_escaped_lone_surrogates_become_replacement_characters(text, other):
    """Half a character cannot be stored as UTF-8: one U+FFFD each, counted, pairs untouched."""
    body = json.dumps({"a": [text, {"b": other}], "n": 1.5}).encode()
    value, traffic = get_body(body)
    clean = without_lone_surrogates(text)
    assert value == {"a": [clean, {"b": other}], "n": 1.5}
    assert traffic.replaced_surrogates == clean.count("\ufffd") - text.count("\ufffd")


@pytest.mark.parametrize(
    ("body", "value", "count"),
    [
        (b'"\xed\xa0\x80"', "\ufffd", 1),
        (b'["a\xed\xbf\xbfb", "\\ud800"]', ["a\ufffdb", "\ufffd"], 2),
        (b'{"k\\udc00": "\\ud83d\\ude00"}', {"k\ufffd": "\U0001f600"}, 1),
        (b'"\\\\ud800"', "\\ud800", 0),
        (b'"\\udc00\\ud800"', "\ufffd\ufffd", 2),
    ],
)
def test_lone_surrogates_in_bytes_and_keys(body, value, count):
    """They come escaped, as the bytes that UTF-8 forbids, and in keys too."""
    found, traffic = get_body(body)
    assert (found, traffic.replaced_surrogates) == (value, count)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"1e999", "1e999"),
        (b'{"a": [-1e999, 1.5]}', {"a": ["-1e999", 1.5]}),
        (str(2**70).encode(), 2**70),
        (str(-(10**400)).encode(), -(10**400)),
        (b'["\\ud800", 1e400, 10000000000000000000000]', ["\ufffd", "1e400", 10**22]),
        (b"[1, 1.0, -0, 1E2]", [1, 1.0, 0, 100.0]),
    ],
)
def test_numbers_of_any_size_are_kept(body, value):
    """What no double holds stays as its text (and rejects at most its record): never infinity."""
    found, _ = get_body(body)
    assert found == value
    assert repr(found) == repr(value)


def test_an_endless_integer_does_not_cost_the_page():
    """A customer's structured output may hold an RSA number; its neighbours are no worse for it."""
    found, _ = get_body(b'[1, %s, "a"]' % (b"7" * 5_000))
    assert found[0] == 1


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 10_000 + b"]" * 10_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b'["\\ud800", ' + b"[" * 10_000 + b"]" * 10_001,
    ],
)
def test_nesting_without_end_breaks_the_contract(body):
    """Too deep is no reason to ask again, nor to overflow a stack."""
    api = Api(answer(body=body))
    with pytest.raises(ContractBroken, match="nested"):
        api.get()
    assert len(api.requests) == 1


class Counted(httpx.AsyncByteStream):
    """A body of many chunks that knows how far it was read."""

    def __init__(self, chunks):
        self.chunks, self.read, self.is_closed = chunks, 0, False

    async def __aiter__(self):
        for chunk in self.chunks:
            self.read += 1
            yield chunk

    async def aclose(self):
        self.is_closed = True


@pytest.mark.parametrize("status", [200, 500])
def test_a_body_over_the_cap_is_not_read_to_its_end(monkeypatch, status):
    """An answer without end cannot fill the memory."""
    monkeypatch.setattr(module, "LONGEST_BODY_BYTES", 2**20)
    body = Counted([b" " * 2**16] * 1_000)
    api = Api(lambda request: httpx.Response(status, stream=body))
    with pytest.raises(ContractBroken, match="longer than 1 MiB"):
        api.get()
    assert (body.read, body.is_closed, len(api.requests)) == (17, True, 1)


def test_a_packed_body_is_measured_unpacked(monkeypatch):
    """A few kilobytes can be a gigabyte."""
    monkeypatch.setattr(module, "LONGEST_BODY_BYTES", 2**20)
    headers = [("content-encoding", "gzip")]
    with pytest.raises(ContractBroken):
        Api(answer(body=gzip.compress(b" " * 2**22), headers=headers)).get()


def test_received_bytes_are_counted():
    """The ledger says how much was read."""
    _, traffic = get_body(b'{"a": 1}')
    assert traffic.bytes_received == 8
