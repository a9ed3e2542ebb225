"""The tables of a v3 list item and of an insights answer, against a plain model of design §3."""

import copy
import json
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devin_warehouse.api import v3
from devin_warehouse.explode import explode
from tests import test_explode_model as v2
from tests.test_explode_model import objects, plain, relaxed, same

ITEM_KEYS = {
    *v2.SESSION_TEXTS, "session_id", "parent_session_id", "child_session_ids", "is_archived",
    "acus_consumed", "created_at", "updated_at", "structured_output", "tags", "pull_requests",
}  # fmt: skip
INSIGHTS_KEYS = {
    "session_size", "num_user_messages", "num_devin_messages", "is_advanced", "analysis",
}  # fmt: skip
SESSION_TABLES = {"sessions", "session_tags", "session_pull_requests", "session_children"}
INSIGHTS_TABLES = {
    "insights", "insight_issues", "insight_timeline", "insight_action_items",
    "insight_feedback_items", "insight_note_usages", "insight_programming_languages",
    "insight_tools_and_frameworks",
}  # fmt: skip


def utc(seconds):
    return datetime(1970, 1, 1) + timedelta(seconds=seconds)  # noqa: DTZ001 plain UTC


def number(value):
    return None if value is None else float(value)


class ItemModel(v2.Model):
    """The rows of one v3 list item."""

    def __init__(self, item):
        self.session_id = v2.bare(item["session_id"])
        self.tables: dict[str, list[dict[str, Any]]] = {name: [] for name in SESSION_TABLES}
        output = item.get("structured_output")
        self.row(
            "sessions",
            **{key: item.get(key) for key in v2.SESSION_TEXTS},
            parent_session_id=v2.bare(item.get("parent_session_id")),
            is_archived=item.get("is_archived"),
            acus_consumed=number(item["acus_consumed"]),
            created_at=utc(item["created_at"]),
            updated_at=utc(item["updated_at"]),
            structured_output=None if output is None else same(output),
            api_version="v3",
            extra=v2.unknown(item, ITEM_KEYS),
        )
        self.texts("session_tags", "tag", item["tags"])
        children = [v2.bare(child) for child in item.get("child_session_ids") or []]
        self.texts("session_children", "child_session_id", children)
        for position, found in enumerate(item["pull_requests"]):
            self.row(
                "session_pull_requests",
                position=position,
                pr_url=v2.first_of(found, "pr_url", "url"),
                pr_state=v2.first_of(found, "pr_state", "state"),
                extra=v2.unknown(found, v2.PULL_REQUEST_KEYS),
            )


class InsightsModel(v2.Model):
    """The rows of one v3 insights answer: what the list of sessions tells is none of its own.

    The analysis has the same rows as v2's. Its unknown keys come to the answer's, under
    the name of where they are, or under its path where the answer has an unknown key of that name.
    """

    def __init__(self, answer):
        self.session_id = v2.bare(answer["session_id"])
        self.tables = {name: [] for name in INSIGHTS_TABLES}
        self.analysis(answer.get("analysis"))
        [row] = self.tables["insights"]
        size = answer.get("session_size")
        row.update({key: answer.get(key) for key in INSIGHTS_KEYS - {"analysis"}})
        row["session_size"] = size and size.lower()
        extra = left(answer, ITEM_KEYS | INSIGHTS_KEYS)
        for name, keys in json.loads(row["extra"] or "{}").items():
            extra[f"analysis.{name}" if name in extra else name] = keys
        row["extra"] = same(extra) if extra else None


def left(found, known):
    return {key: value for key, value in found.items() if key not in known}


def assert_modelled(kind, model, records):
    result = explode(records, kind)
    assert result.rejected == {}
    models = [model(record).tables for record in records]
    rows = {name: v2.in_order(found) for name, found in plain(result.tables).items()}
    assert rows == {
        name: v2.in_order(row for tables in models for row in tables[name])
        for name in result.tables
    }
    assert set(result.tables) == set(model({**ITEM, **INSIGHTS}).tables)


def whole(smallest, largest):
    """Whole numbers, some written with a point."""
    integers = st.integers(smallest, largest)
    return integers | integers.map(float).filter(lambda x: abs(x) < 2**53)


TIMES = whole(-(10**9), 13 * 10**9)
COUNTS = whole(0, 2**63 - 1)
CHILDREN = st.none() | v2.lists(v2.IDS)
REQUIRED: dict[str, st.SearchStrategy[Any]] = {
    "session_id": v2.IDS, **v2.texts(["url", "status", "org_id"]), "created_at": TIMES,
    "updated_at": TIMES, "acus_consumed": v2.NUMBERS, "tags": v2.lists(v2.TEXT),
    "pull_requests": v2.lists(v2.PULL_REQUESTS),
}  # fmt: skip
OPTIONAL: dict[str, st.SearchStrategy[Any]] = {
    **v2.texts([key for key in v2.SESSION_TEXTS if key not in REQUIRED], v2.NULLABLE),
    "parent_session_id": st.none() | v2.IDS, "child_session_ids": CHILDREN,
    "is_archived": st.booleans(), "structured_output": v2.JSON,
}  # fmt: skip
ITEMS = objects(REQUIRED, OPTIONAL, ITEM_KEYS)
ANALYSES = st.builds(left, v2.ANALYSES, st.sets(st.sampled_from(sorted(v2.ANALYSIS_KEYS))))
SAME_NAMES = st.dictionaries(
    st.sampled_from(["classification", "suggested_prompt", "note_usage", "issues"]),
    v2.JSON | v2.PROMPTS,
    max_size=3,
)
OF_INSIGHTS = objects(
    {
        "session_size": st.sampled_from(["xs", "s", "m", "L", "XL", "xxl"]),
        "num_user_messages": COUNTS, "num_devin_messages": COUNTS,
    },
    {"is_advanced": st.booleans(), "analysis": st.none() | ANALYSES},
    ITEM_KEYS | INSIGHTS_KEYS,
)  # fmt: skip
ANSWERS = st.builds(
    lambda item, own, odd: odd | item | own,
    objects(REQUIRED, OPTIONAL, ITEM_KEYS | INSIGHTS_KEYS),
    OF_INSIGHTS,
    SAME_NAMES,
)


def some(records):
    return st.lists(records, max_size=3, unique_by=lambda record: v2.bare(record["session_id"]))


@relaxed
@given(some(ITEMS))
def test_an_item_has_the_rows_that_the_design_says(items):
    """Any item that fits the schema gives the model's rows of sessions, and no other table's."""
    assert_modelled(v3.SESSION, ItemModel, items)


@relaxed
@given(some(ANSWERS))
def test_an_insights_answer_has_the_rows_that_the_design_says(answers):
    """Also where an unknown key has the name of something inside: both are kept."""
    assert_modelled(v3.INSIGHTS, InsightsModel, answers)


@relaxed
@given(ITEMS, ANSWERS)
def test_no_text_that_the_api_sends_is_lost(item, answer):
    """Each text of an item, and each that only an insights answer tells, is kept somewhere."""
    for kind, found in ((v3.SESSION, item), (v3.INSIGHTS, answer)):
        foreign = ITEM_KEYS - {"session_id"} if kind is v3.INSIGHTS else set()
        found = v2.marked(found)  # noqa: PLW2901
        tables = plain(explode([found], kind).tables)
        kept = "\n".join(text for text in v2.texts_in(list(tables.values()))).lower()
        for text in v2.texts_in(left(found, foreign)):
            assert text.lower() in kept or same(text)[1:-1].lower() in kept


@relaxed
@given(OF_INSIGHTS, st.dictionaries(st.sampled_from(sorted(ITEM_KEYS - {"session_id"})), v2.JSON))
def test_what_the_list_tells_owns_nothing_in_an_insights_answer(own, told):
    """It repeats a session's keys: no row, no `extra`, no drift, and no reason to reject it."""
    own = {**own, "session_id": "a"}
    alone, together = explode([own], v3.INSIGHTS), explode([{**told, **own}], v3.INSIGHTS)
    assert together.rejected == {}
    assert plain(together.tables) == plain(alone.tables)
    assert together.drift == alone.drift


ITEM: dict[str, Any] = {
    "session_id": "devin-2", "url": "u", "status": "exit", "tags": ["a"], "org_id": "org-1",
    "created_at": 1_790_000_000, "updated_at": 1_790_000_001.0, "acus_consumed": 2.5,
    "pull_requests": [{"pr_url": "p", "pr_state": None}], "child_session_ids": ["devin-3"],
}  # fmt: skip
INSIGHTS: dict[str, Any] = {
    "session_id": "2", "session_size": "S", "num_user_messages": 1, "num_devin_messages": 2.0,
    "analysis": {
        "issues": [{"issue": "i", "impact": "High", "label": "l", "id": ""}],
        "timeline": [{"title": "t", "description": "d"}],
        "action_items": [{"action_item": "do"}],
        "suggested_prompt": {"original_prompt": "o", "suggested_prompt": "s",
                             "feedback_items": [dict.fromkeys(v2.FEEDBACK, "f")]},
        "classification": {"category": "c", "confidence": 1, "programming_languages": ["Go"],
                           "tools_and_frameworks": ["make"]},
        "note_usage": {usage: [dict.fromkeys(v2.NOTE, "n")] for usage in v2.NOTE_USAGE_KEYS},
    },
}  # fmt: skip
NO_TEXTS: list[Any] = [0, 1.5, False, [], {}]
NO_TIMES: list[Any] = [True, "1790000000", "2026-11-02T09:30:00Z", 0.5, 10**30, [], {}]
NO_COUNTS: list[Any] = ["1", True, 0.5, 2**63, [], {}]
NO_LISTS: list[Any] = ["a", 1, True, {}]
NO_OBJECTS: list[Any] = ["a", 1, True, []]


def leaves(value, place: tuple[str | int, ...] = ()):
    """The places of everything inside."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, found in inner:
        yield (*place, key), found
        if isinstance(found, dict | list):
            yield from leaves(found, (*place, key))


def wrong_values(record):
    """Places in a record, each with values that the schema forbids there."""
    for place, found in leaves(record):
        wrong: list[Any] = NO_TEXTS
        if str(place[-1]).endswith("_at"):
            wrong = NO_TIMES
        elif str(place[-1]).startswith("num_"):
            wrong = NO_COUNTS
        elif isinstance(found, int | float):
            wrong = ["1", True, [], {}]
        elif isinstance(found, dict | list):
            wrong = NO_LISTS if isinstance(found, list) else NO_OBJECTS
        if isinstance(place[-1], int):
            wrong = [*wrong, None]
        if place != ("session_id",):
            yield from product([place], wrong)


@pytest.mark.parametrize(
    ("kind", "record"), [(v3.SESSION, ITEM), (v3.INSIGHTS, INSIGHTS)], ids=["item", "insights"]
)
def test_a_wrong_value_rejects_its_record_and_no_other(kind, record):
    """Its neighbours' rows are what they are without it; the reason names the key."""
    neighbours = [{**copy.deepcopy(record), "session_id": name} for name in ("1", "3")]
    expected = plain(explode(neighbours, kind).tables)
    for place, value in wrong_values(record):
        changed = copy.deepcopy(record)
        inside = changed
        for step in place[:-1]:
            inside = inside[step]
        inside[place[-1]] = value
        result = explode([neighbours[0], changed, neighbours[1]], kind)
        assert list(result.rejected) == [1], (place, value)
        assert plain(result.tables) == expected
        keys = [step for step in place if isinstance(step, str)]
        assert all(key in result.rejected[1] for key in keys), (place, result.rejected[1])


def test_an_analysis_that_is_absent_is_one_that_is_null():
    """The key is not among the required ones; an empty analysis is one nevertheless."""
    absent = {key: value for key, value in INSIGHTS.items() if key != "analysis"}
    null, empty = {**absent, "analysis": None}, {**absent, "analysis": {}}
    tables = plain(explode([absent], v3.INSIGHTS).tables)
    assert tables == plain(explode([null], v3.INSIGHTS).tables)
    [row] = tables["insights"]
    assert (row["has_analysis"], row["analysis_hash"], row["extra"]) == (False, None, None)
    [row] = explode([empty], v3.INSIGHTS).tables["insights"].to_pylist()
    assert (row["has_analysis"], row["analysis_hash"]) == (True, v2.canonical_hash({}))


def test_only_an_item_needs_its_update():
    """What is incremental goes by a session's `updated_at`; an insights answer only repeats it."""
    for without in ({}, {"updated_at": None}):
        item = {**{key: v for key, v in ITEM.items() if key != "updated_at"}, **without}
        assert "updated_at" in explode([item], v3.SESSION).rejected[0]
        assert explode([{**INSIGHTS, **without}], v3.INSIGHTS).rejected == {}
