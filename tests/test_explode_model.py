"""The tables of a v2 record, against a plain model of design §3 written record by record."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from devin_warehouse.api import v2
from devin_warehouse.explode import content_hash, explode


def exploded(*records):
    return explode(records, v2.RECORD)


def plain(tables):
    """Arrow tables as rows; JSON as what it says, so that spacing does not matter."""
    return {name: [readable(row) for row in table.to_pylist()] for name, table in tables.items()}


def readable(row):
    is_json = {"extra", "structured_output"}
    return {key: same(json.loads(v)) if key in is_json and v else v for key, v in row.items()}


def same(value):
    """A JSON value such that only equal values are equal: not 1 and 1.0, not 1 and true."""
    return json.dumps(value, sort_keys=True)


SESSION_TEXTS = [
    "org_id", "user_id", "service_user_id", "title", "url", "status", "status_detail", "origin",
    "category", "subcategory", "playbook_id",
]  # fmt: skip
SESSION_KEYS = {
    *SESSION_TEXTS, "session_id", "parent_session_id", "is_archived", "acus_consumed", "created_at",
    "updated_at", "structured_output", "initial_user_message", "tags", "pull_requests",
    "child_session_ids", "session_analysis",
}  # fmt: skip
ANALYSIS_KEYS = {
    "issues", "timeline", "action_items", "suggested_prompt", "classification", "note_usage",
}  # fmt: skip
PROMPT_KEYS = {"original_prompt", "suggested_prompt", "feedback_items"}
CLASSIFICATION_KEYS = {"category", "confidence", "programming_languages", "tools_and_frameworks"}
NOTE_USAGE_KEYS = {"good_usages", "bad_usages"}
PULL_REQUEST_KEYS = {"pr_url", "pr_state", "url", "state"}
ISSUE = {"id": "issue_id", "label": "label", "impact": "impact", "issue": "issue", "title": "title"}
EVENT = ["title", "description", "color", "issue_id"]
ACTION = ["type", "action_item", "issue_id"]
FEEDBACK = ["summary", "excerpt", "details", "issue_id"]
NOTE = ["note_id", "message", "reason"]
TABLES = {
    "sessions", "session_prompts", "session_tags", "session_pull_requests", "session_children",
    "insights", "insight_issues", "insight_timeline", "insight_action_items",
    "insight_feedback_items", "insight_note_usages", "insight_programming_languages",
    "insight_tools_and_frameworks",
}  # fmt: skip


def bare(session_id):
    return session_id and (session_id[6:] if session_id[:6] == "devin-" else session_id)


def utc(text):
    """An RFC 3339 time as plain UTC."""
    form = "%Y-%m-%dT%H:%M:%S.%f%z" if "." in text else "%Y-%m-%dT%H:%M:%S%z"
    return datetime.strptime(text, form).astimezone(UTC).replace(tzinfo=None)


def unknown(found, known):
    left = {key: value for key, value in (found or {}).items() if key not in known}
    return same(left) if left else None


def first_of(found, *keys):
    return next((found[key] for key in keys if found.get(key) is not None), None)


class Model:
    """The rows of one record, as design §3 says."""

    def __init__(self, record):
        self.session_id = bare(record["session_id"])
        self.tables: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
        self.session(record)
        self.analysis(record.get("session_analysis"))

    def row(self, table, **values):
        self.tables[table].append({"session_id": self.session_id, **values})

    def session(self, record):
        acus, created_at = record.get("acus_consumed"), record.get("created_at")
        output = record.get("structured_output")
        self.row(
            "sessions",
            **{key: record.get(key) for key in SESSION_TEXTS},
            parent_session_id=bare(record.get("parent_session_id")),
            is_archived=record.get("is_archived"),
            acus_consumed=None if acus is None else float(acus),
            created_at=created_at and utc(created_at),
            updated_at=utc(record["updated_at"]),
            structured_output=None if output is None else same(output),
            api_version="v2",
            extra=unknown(record, SESSION_KEYS),
        )
        self.row("session_prompts", initial_user_message=record.get("initial_user_message"))
        self.texts("session_tags", "tag", record.get("tags"))
        children = [bare(child) for child in record.get("child_session_ids") or []]
        self.texts("session_children", "child_session_id", children)
        for position, found in enumerate(record.get("pull_requests") or []):
            self.row(
                "session_pull_requests",
                position=position,
                pr_url=first_of(found, "pr_url", "url"),
                pr_state=first_of(found, "pr_state", "state"),
                extra=unknown(found, PULL_REQUEST_KEYS),
            )

    def texts(self, table, column, found):
        for position, text in enumerate(found or []):
            self.row(table, position=position, **{column: text})

    def elements(self, table, found, columns, **more):
        names = columns if isinstance(columns, dict) else {name: name for name in columns}
        for position, element in enumerate(found or []):
            values = {column: element.get(key) for key, column in names.items()}
            extra = unknown(element, names)
            self.row(table, position=position, **values, extra=extra, **more)

    def analysis(self, found):
        analysis = found or {}
        prompt = analysis.get("suggested_prompt") or {}
        kind = analysis.get("classification") or {}
        notes = analysis.get("note_usage") or {}
        extra = {
            "analysis": unknown(analysis, ANALYSIS_KEYS),
            "suggested_prompt": unknown(prompt, PROMPT_KEYS),
            "classification": unknown(kind, CLASSIFICATION_KEYS),
            "note_usage": unknown(notes, NOTE_USAGE_KEYS),
        }
        extra = {name: json.loads(inside) for name, inside in extra.items() if inside}
        confidence = kind.get("confidence")
        self.row(
            "insights",
            session_size=None,
            num_user_messages=None,
            num_devin_messages=None,
            is_advanced=None,
            has_analysis=found is not None,
            classification_category=kind.get("category"),
            classification_confidence=None if confidence is None else float(confidence),
            original_prompt=prompt.get("original_prompt"),
            suggested_prompt=prompt.get("suggested_prompt"),
            analysis_hash=None if found is None else canonical_hash(found),
            extra=same(extra) if extra else None,
        )
        self.elements("insight_issues", analysis.get("issues"), ISSUE)
        self.elements("insight_timeline", analysis.get("timeline"), EVENT)
        self.elements("insight_action_items", analysis.get("action_items"), ACTION)
        self.elements("insight_feedback_items", prompt.get("feedback_items"), FEEDBACK)
        self.elements("insight_note_usages", notes.get("good_usages"), NOTE, usage="good")
        self.elements("insight_note_usages", notes.get("bad_usages"), NOTE, usage="bad")
        languages, tools = kind.get("programming_languages"), kind.get("tools_and_frameworks")
        self.texts("insight_programming_languages", "programming_language", languages)
        self.texts("insight_tools_and_frameworks", "tool_or_framework", tools)


def canonical_hash(analysis):
    return hashlib.sha256(msgspec.json.encode(analysis, order="sorted")).hexdigest()


def modelled(*records):
    """All rows, in the order that does not matter: by session, usage and position."""
    models = [Model(record).tables for record in records]
    return {name: in_order(row for model in models for row in model[name]) for name in TABLES}


def in_order(rows):
    return sorted(rows, key=lambda r: (r["session_id"], r.get("usage", ""), r.get("position", 0)))


def assert_rows(records, tables):
    assert {name: in_order(rows) for name, rows in plain(tables).items()} == modelled(*records)


TEXT = st.text(max_size=8)
NULLABLE = st.none() | TEXT
IDS = st.builds(
    "".join, st.tuples(st.sampled_from(["", "devin-"]), st.text(min_size=1, max_size=6))
)
NUMBERS = st.integers(-(10**300), 10**300) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
TRICKY = ["extra", "position", "usage", "session_id", "api_version", "analysis", "a.b", "", "\x00"]
MOMENTS = st.builds(
    lambda seconds, fraction: f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{fraction}",
    st.integers(0, 13 * 10**9),
    st.sampled_from(["", ".5", ".25", ".123456", ".000001"]),
)
OFFSETS = st.sampled_from(["Z", "+00:00", "-00:00", "+05:30", "-08:00", "+14:00", "-12:00"])
TIMES = st.builds("".join, st.tuples(MOMENTS, OFFSETS))


def objects(required, optional, known):
    """An object with its required keys, some optional ones, and perhaps keys nobody knows."""
    names = (st.sampled_from(TRICKY) | TEXT).filter(lambda name: name not in known)
    documented = st.fixed_dictionaries(required, optional=optional)
    strange: st.SearchStrategy[dict[str, Any]] = st.just({}) | st.dictionaries(
        names, JSON, max_size=2
    )
    return st.builds(lambda a, b: b | a, documented, strange)


def lists(elements):
    return st.lists(elements, max_size=3)


def texts(keys, of=TEXT):
    return dict.fromkeys(keys, of)


SPELLINGS = st.one_of(
    st.fixed_dictionaries({"url": TEXT}, optional={"state": NULLABLE}),
    st.fixed_dictionaries({"pr_url": TEXT, "pr_state": NULLABLE}),
    st.builds(
        lambda url, state: {"pr_url": url, "pr_state": state, "state": state}, TEXT, NULLABLE
    ),
    st.builds(lambda url, state: {"pr_url": url, "pr_state": None, "state": state}, TEXT, TEXT),
)
PULL_REQUESTS = st.builds(lambda a, b: a | b, objects({}, {}, PULL_REQUEST_KEYS), SPELLINGS)
ISSUES = objects(texts(["issue", "impact", "label"]), texts(["id", "title"], NULLABLE), ISSUE)
EVENTS = objects(texts(["title", "description"]), texts(["color", "issue_id"], NULLABLE), EVENT)
ACTIONS = objects(texts(["type", "action_item"]) | {"issue_id": NULLABLE}, {}, ACTION)
PROMPTS = objects(
    {
        "original_prompt": TEXT,
        "suggested_prompt": TEXT,
        "feedback_items": lists(objects(texts(FEEDBACK, NULLABLE), {}, FEEDBACK)),
    },
    {},
    PROMPT_KEYS,
)
NOTES = lists(objects(texts(NOTE), {}, NOTE))
NEWER = {
    "classification": st.none()
    | objects(
        {"category": TEXT, "confidence": NUMBERS},
        texts(["programming_languages", "tools_and_frameworks"], lists(TEXT)),
        CLASSIFICATION_KEYS,
    ),
    "note_usage": st.none() | objects({}, texts(NOTE_USAGE_KEYS, NOTES), NOTE_USAGE_KEYS),
}
ANALYSES = objects(
    {"suggested_prompt": st.none() | PROMPTS},
    {"issues": lists(ISSUES), "timeline": lists(EVENTS), "action_items": lists(ACTIONS), **NEWER},
    ANALYSIS_KEYS,
)
RECORDS = objects(
    {
        "session_id": IDS,
        **texts(["url", "status", "org_id"]),
        "created_at": TIMES,
        "updated_at": TIMES,
        "acus_consumed": NUMBERS,
        "tags": lists(TEXT),
        "pull_requests": lists(PULL_REQUESTS),
        "session_analysis": st.none() | ANALYSES,
        "initial_user_message": NULLABLE,
    },
    {
        **texts(["title", "user_id", "status_detail", "origin", "category"], NULLABLE),
        "parent_session_id": st.none() | IDS,
        "child_session_ids": st.none() | lists(IDS),
        "is_archived": st.booleans(),
        "structured_output": JSON,
    },
    SESSION_KEYS,
)
SOME_RECORDS = st.lists(RECORDS, max_size=4, unique_by=lambda record: bare(record["session_id"]))
relaxed = settings(deadline=None, max_examples=30)


@relaxed
@given(SOME_RECORDS)
def test_every_table_has_the_rows_that_the_design_says(records):
    """Any record that fits the schema gives the model's rows, in every table, and no others."""
    result = exploded(*records)
    assert result.rejected == {}
    assert_rows(records, result.tables)


def marked(value, place=""):
    """The value with every text made unique by its place; a pull request's spellings agree."""
    if isinstance(value, dict):
        return {
            key: inner
            if key.endswith("_at")
            else marked(inner, f"{place}.{key.removeprefix('pr_')}")
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [marked(inner, f"{place}.{number}") for number, inner in enumerate(value)]
    return f"<{place}: {value}>" if isinstance(value, str) else value


def texts_in(value):
    if isinstance(value, dict):
        return {text for inner in value.values() for text in texts_in(inner)}
    if isinstance(value, list):
        return {text for inner in value for text in texts_in(inner)}
    return {value} if isinstance(value, str) else set()


@relaxed
@given(RECORDS)
def test_no_text_that_the_api_sends_is_lost(found):
    """Each text of a record, known or not, is a value in some table or inside an `extra`."""
    found = marked(found)
    sent = texts_in({**found, "created_at": None, "updated_at": None})
    kept = set()
    for table in exploded(found).tables.values():
        for row in table.to_pylist():
            kept |= texts_in(row)
            for column in {"extra", "structured_output"} & row.keys():
                kept |= texts_in(json.loads(row[column] or "null"))
    assert sent <= kept


@relaxed
@given(SOME_RECORDS)
def test_unknown_keys_are_counted(records):
    """Drift names each unknown key once per place where it was met."""
    extras = [
        json.loads(row["extra"])
        for rows in modelled(*records).values()
        for row in rows
        if row.get("extra")
    ]
    inner = ("analysis", "suggested_prompt", "classification", "note_usage")
    insights = [json.loads(r["extra"]) for r in modelled(*records)["insights"] if r["extra"]]
    named = sum(len(extra[name]) - 1 for extra in insights for name in inner if name in extra)
    assert exploded(*records).drift.total() == sum(map(len, extras)) + named


@relaxed
@given(ANALYSES, ANALYSES)
def test_another_analysis_has_another_hash(one, other):
    """The hash tells a regenerated analysis from the same one with its keys in another order."""
    shuffled = dict(reversed(one.items()))
    assert content_hash(one) == content_hash(shuffled)
    assert (content_hash(one) == content_hash(other)) == (same(one) == same(other))
