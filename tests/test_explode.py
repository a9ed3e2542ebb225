"""What `explode` refuses, and what it brings to one form; its rows are in test_explode_model.py."""

import copy
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import product
from typing import Any

import msgspec
import pytest

from devin_warehouse.api import v2, v3
from devin_warehouse.errors import ContractBroken
from devin_warehouse.explode import explode, rejected_rows

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
Place = tuple[str | int, ...]

TEXTS = [
    "org_id", "user_id", "service_user_id", "title", "url", "status", "status_detail", "origin",
    "category", "subcategory", "playbook_id", "parent_session_id", "initial_user_message",
]  # fmt: skip
ANALYSIS_TEXTS = {
    "issues": ["id", "label", "impact", "issue", "title"],
    "timeline": ["title", "description", "color", "issue_id"],
    "action_items": ["type", "action_item", "issue_id"],
}
FEEDBACK_TEXTS = ["summary", "excerpt", "details", "issue_id"]


def exploded(*records):
    return explode(records, v2.RECORD)


def rows(result):
    return {name: table.to_pylist() for name, table in result.tables.items()}


def record(**values):
    """A record with something in every place of the documented schema."""
    feedback = {"issue_id": None, "summary": "s", "excerpt": None, "details": "d"}
    prompt = {"original_prompt": "o", "suggested_prompt": "p", "feedback_items": [feedback]}
    return {
        "session_id": "devin-1",
        "url": "https://app.devin.ai/sessions/1",
        "status": "exit",
        "title": "Fix it",
        "tags": ["a", "b"],
        "org_id": "org-1",
        "user_id": "user|1",
        "created_at": "2026-10-01T10:00:00Z",
        "updated_at": "2026-10-01T12:30:00.25+02:00",
        "acus_consumed": 25,
        "pull_requests": [{"url": "https://github.com/a/b/pull/1", "state": "open"}],
        "session_analysis": {
            "issues": [{"issue": "i", "impact": "High", "label": "Testing"}],
            "timeline": [{"title": "t", "description": "d"}],
            "action_items": [{"issue_id": None, "type": "other", "action_item": "do"}],
            "suggested_prompt": prompt,
        },
        "initial_user_message": "Please fix it",
        **values,
    }


def with_value(path, value):
    changed = copy.deepcopy(record())
    *parents, last = path
    inside = changed
    for step in parents:
        inside = inside[step]
    inside[last] = value
    return changed


WRONG_TEXTS: list[Any] = [0, 1.5, False, [], ["x"], {}, {"x": 1}]
TEXT_PLACES: list[Place] = [
    *[(key,) for key in TEXTS],
    ("pull_requests", 0, "url"),
    ("pull_requests", 0, "state"),
    ("session_analysis", "suggested_prompt", "original_prompt"),
    *[("session_analysis", of, 0, key) for of, keys in ANALYSIS_TEXTS.items() for key in keys],
    *[("session_analysis", "suggested_prompt", "feedback_items", 0, key) for key in FEEDBACK_TEXTS],
]
ELEMENT_PLACES: list[Place] = [
    ("pull_requests",), ("session_analysis", "issues"), ("session_analysis", "timeline"),
    ("session_analysis", "action_items"),
    ("session_analysis", "suggested_prompt", "feedback_items"),
]  # fmt: skip
LIST_PLACES: list[Place] = [("tags",), ("child_session_ids",), *ELEMENT_PLACES]
OBJECT_PLACES: list[Place] = [
    ("session_analysis",), ("session_analysis", "suggested_prompt"),
    ("session_analysis", "classification"), ("session_analysis", "note_usage"),
]  # fmt: skip
NO_TIMES: list[Any] = [
    "",
    "yesterday",
    "2026-02-30T00:00:00Z",
    "2026-10-01",
    1_790_000_000,
    1.5,
    [],
]
NO_ELEMENTS: list[Any] = [None, "", "x", 0, []]


def wrong_values() -> Iterator[tuple[Place, Any]]:
    """Places in a record, each with a value that the schema forbids there."""
    yield from product(TEXT_PLACES, WRONG_TEXTS)
    yield from product(LIST_PLACES, [{}, "", "x", 0, True])
    yield from product(OBJECT_PLACES, [[], "", "x", 0, False])
    yield from product([("tags", 0)], [None, *WRONG_TEXTS])
    yield from product([(*place, 0) for place in ELEMENT_PLACES], NO_ELEMENTS)
    yield from product([("acus_consumed",)], ["1", "", True, False, [], {}, 10**400])
    yield from product([("is_archived",)], [0, 1, "true", "", []])
    yield from product([("created_at",), ("updated_at",)], NO_TIMES)
    yield from product([("updated_at",)], [None, False, {}])


@pytest.mark.parametrize(("path", "wrong"), list(wrong_values()), ids=repr)
def test_a_wrong_type_rejects_only_its_record_and_says_where(path, wrong):
    """One bad value never costs the page, nor leaves half a session in any table."""
    before, after = record(session_id="a"), record(session_id="c")
    result = exploded(before, with_value(path, wrong), after)
    assert list(result.rejected) == [1]
    named = [step for step in path if isinstance(step, str)][-1]
    assert named.removeprefix("session_") in result.rejected[1]
    assert rows(result) == rows(exploded(before, after))


@pytest.mark.parametrize("count", [1, 2, 7])
def test_rejected_records_are_told_by_their_place(count):
    """Whoever stores the rejected finds them by their place in what was given."""
    records = [record(session_id=f"{n}", tags=[1] if n % 2 else ["a"]) for n in range(count)]
    result = exploded(*records)
    assert set(result.rejected) == set(range(1, count, 2))
    assert rows(result) == rows(exploded(*records[::2]))


def test_a_record_with_two_faults_is_rejected_once_with_one_reason():
    """Faults in both payloads of a record do not count it twice."""
    result = exploded(record(tags=1, session_analysis=1), record(session_id="b"))
    assert list(result.rejected) == [0]
    assert result.rejected[0].count("should be") == 1


def test_without_updated_at_a_record_is_rejected():
    """No window holds a session without `updated_at`, so it could never be found again."""
    found = record()
    del found["updated_at"]
    result = exploded(found, record(session_id="b"))
    assert list(result.rejected) == [0]
    assert "updated_at" in result.rejected[0]


def test_no_records_give_empty_tables():
    """Every table exists from the first load on, also if there is nothing to put in."""
    tables = exploded().tables
    assert len(tables) == 13
    assert {table.num_rows for table in tables.values()} == {0}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("devin-1", "1"), ("1", "1"), ("devin-devin-1", "devin-1"), ("Devin-1", "Devin-1")],
)
def test_ids_are_bare_everywhere(sent, kept):
    """One leading `devin-` is stripped, in every table, and in the ids of parents and children."""
    tables = exploded(
        record(session_id=sent, parent_session_id=sent, child_session_ids=[sent])
    ).tables
    assert {sid for table in tables.values() for sid in table["session_id"].to_pylist()} == {kept}
    assert tables["sessions"]["parent_session_id"].to_pylist() == [kept]
    assert tables["session_children"]["child_session_id"].to_pylist() == [kept]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2026-11-02T09:30:00Z", NOW),
        ("2026-11-02t09:30:00z", NOW),
        ("2026-11-02T15:00:00+05:30", NOW),
        ("2026-11-02T09:30:00.123456789Z", NOW.replace(microsecond=123_456)),
        ("2026-11-02T09:30:00.5Z", NOW.replace(microsecond=500_000)),
        ("2026-11-02T09:30:00", NOW),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_times_become_plain_utc(sent, kept):
    """`Z`, an offset, lower case, or more digits than a microsecond has."""
    [found] = exploded(record(updated_at=sent)).tables["sessions"]["updated_at"].to_pylist()
    assert found == kept.replace(tzinfo=None)


@pytest.mark.parametrize("sent", [25, 25.0, 2**53])
def test_whole_numbers_may_come_as_floats(sent):
    """Counts arrive as `25` or `25.0`; both are 25."""
    tables = explode([{"session_id": "a", "num_user_messages": sent}], v3.INSIGHTS).tables
    assert tables["insights"]["num_user_messages"].to_pylist() == [int(sent)]


@pytest.mark.parametrize("sent", [25.5, 2**63, -(2**63) - 1, 1e300, "25", True])
def test_what_is_no_whole_number_rejects(sent):
    """A count is never rounded, wrapped or guessed."""
    result = explode([{"session_id": "a", "num_user_messages": sent}], v3.INSIGHTS)
    assert "num_user_messages" in result.rejected[0]
    assert result.tables["insights"].num_rows == 0


def test_text_of_any_size_and_kind_is_kept():
    """300 KB, NUL, right to left and combining marks go through unchanged."""
    text = "\x00 \u202e e\u0301 " + "מ" * 150_000
    tables = exploded(record(title=text, tags=[text], mine={"x": text})).tables
    assert (
        tables["sessions"]["title"].to_pylist()
        == tables["session_tags"]["tag"].to_pylist()
        == [text]
    )
    assert json.loads(tables["sessions"]["extra"][0].as_py()) == {"mine": {"x": text}}


def test_rejected_records_are_kept_whole():
    """Nothing of a record that could not be read is lost, and its key is the same each time."""
    found = record(tags=1, mine=2**70)
    [row] = rejected_rows(v2.RECORD, "GET /x", [record(), found], {1: "why"}, NOW).to_pylist()
    assert json.loads(row["record"]) == found
    assert (row["session_id"], row["reason"], row["endpoint"]) == ("1", "why", "GET /x")
    other = {**found, "session_id": "1", "tags": 2}
    [again] = rejected_rows(v2.RECORD, "GET /y", [other], {0: "why not"}, NOW).to_pylist()
    assert again["record_key"] == row["record_key"]


def test_an_empty_analysis_is_an_analysis():
    """Even a payload that the schema forbids costs at most its own record."""
    neighbour = record(session_id="b")
    assert exploded(record(session_analysis={}), neighbour).tables["insights"].num_rows == 2


@pytest.mark.parametrize(
    "path", [("pull_requests", 0), ("session_analysis", "issues", 0)], ids=repr
)
def test_an_empty_element_is_a_row_of_nulls(path):
    """Keys may be missing, all of them too: that is no wrong type."""
    assert exploded(with_value(path, {})).rejected == {}


def test_a_number_too_long_to_show_rejects_only_its_record():
    """The reason for a rejection cannot fail itself."""
    assert list(exploded(record(acus_consumed=10**5_000)).rejected) == [0]


@pytest.mark.parametrize("other", ["text", 12])
def test_both_spellings_of_a_pull_request_are_kept(other):
    """No field is ever lost: what the column does not show must be in `extra` or rejected."""
    result = exploded(record(pull_requests=[{"pr_url": "a", "url": other}]))
    [extra] = result.tables["session_pull_requests"]["extra"].to_pylist() or ["rejected"]
    assert extra


@pytest.mark.parametrize("place", ["mine", "session_analysis"])
def test_nesting_that_only_the_client_can_take_breaks_the_contract(place):
    """What could be decoded is exploded or rejected, or named as too deep: never a crash."""
    for depth in range(sys.getrecursionlimit() - 100, sys.getrecursionlimit(), 5):
        body = msgspec.json.encode(record())[:-1] + b',"%s":%s1%s}' % (
            place.encode(), b'{"suggested_prompt":' * depth, b"}" * depth,
        )  # fmt: skip
        found = decoded_in_thread(body)
        if found is not None:
            with suppress(ContractBroken):
                assert set(exploded(found).rejected) <= {0}


def decoded_in_thread(body):
    """The body as decoded where the stack is as short as in the client's loop; None if too deep."""
    found = []

    def decode():
        try:
            found.append(msgspec.json.decode(body))
        except RecursionError:
            found.append(None)

    thread = threading.Thread(target=decode)
    thread.start()
    thread.join()
    return found[0]
