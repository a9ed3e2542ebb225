"""Redaction: what is to go is on no disk, and the same goes for what was stored before."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devin_warehouse.api import v2, v3
from devin_warehouse.errors import Misuse
from devin_warehouse.explode import explode
from devin_warehouse.redaction import FILLED, MARK, Policy, Redactor, made_key
from devin_warehouse.tables import TABLES
from devin_warehouse.work_file import open_work_file
from tests.conftest import HOUR, Warehouse

SECRET = "Kumquat-4711"
KEY = b"k" * 32


def redacted(kind: Any, record: Any, *rules: str) -> Any:
    Redactor(Policy.parsed(rules), KEY).redact(kind, record)
    return record


def traces(warehouse: Warehouse) -> list[str]:
    """The files, and the columns of both databases, that the secret stands in."""
    folder = warehouse.path.parent
    found = [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and SECRET.encode() in path.read_bytes()
    ]
    with warehouse.connect() as connection:
        connection.execute(f"ATTACH '{warehouse.layout.work_file}' AS work (READ_ONLY)")
        columns = connection.execute(
            "SELECT database_name, schema_name, table_name, column_name FROM duckdb_columns() "
            "WHERE data_type IN ('VARCHAR', 'JSON') AND NOT internal"
        ).fetchall()
        for database, schema, table, column in columns:
            name = f'"{database}"."{schema}"."{table}"'
            query = f'SELECT count(*) FROM {name} WHERE contains("{column}"::VARCHAR, ?)'
            if connection.execute(query, [SECRET]).fetchall() != [(0,)]:
                found.append(f"{table}.{column}")
    return found


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("nothing=drop", "fills no column"),
        ("load_runs.scope=drop", "fills no column"),
        ("users.user_id=drop", "needs user_id"),
        ("organizations.org_id=hash", "needs org_id"),
        ("session_id=hash", "needs session_id"),
        ("sessions.status=drop", "needs status"),
        ("title", "write title=drop"),
        ("title=blur", "write title=drop"),
        ("title=truncate", "write title=drop"),
        ("title=truncate:-1", "write title=drop"),
        ("title=hash:3", "write title=drop"),
        ("structured_output=hash", "can be dropped"),
        ("extra=truncate:3", "can be dropped"),
        ("pr_url=drop", "can be hashed"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(rule, said):
    """With how it may be written."""
    with pytest.raises(Misuse, match=said):
        Policy.parsed([rule])


def test_a_rule_without_a_table_is_about_every_column_of_that_name():
    """And of two rules for a column the later counts."""
    policy = Policy.parsed(["title=drop", "sessions.title=truncate:4"])
    assert str(policy) == (
        "insight_issues.title=drop, insight_timeline.title=drop, sessions.title=truncate:4"
    )


def test_texts_are_dropped_hashed_or_cut_short():
    """In a record's own keys, in its lists, and in inner objects; NULL stays NULL."""
    record = {
        "session_id": "a",
        "title": "Fix the login",
        "user_id": None,
        "tags": ["red", "blue"],
        "pull_requests": [{"url": "u", "state": "open"}, {"pr_url": "u", "url": "w"}],
        "session_analysis": {
            "issues": [{"issue": "It broke", "label": "x"}],
            "suggested_prompt": {"original_prompt": "p" * 50, "suggested_prompt": "q"},
        },
    }
    rules = (
        "title=truncate:3", "user_id=hash", "tag=drop", "pr_url=hash", "insight_issues.issue=drop",
        "original_prompt=truncate:5", "suggested_prompt=hash",
    )  # fmt: skip
    hashed = Redactor(Policy(), KEY).hashed
    assert redacted(v2.RECORD, record, *rules) == {
        "session_id": "a",
        "title": "Fix",
        "user_id": None,
        "pull_requests": [
            {"url": hashed("u"), "state": "open"},
            {"pr_url": hashed("u"), "url": hashed("w")},
        ],
        "session_analysis": {
            "issues": [{"label": "x"}],
            "suggested_prompt": {
                "original_prompt": "ppppp",
                "suggested_prompt": hashed("q"),
            },
        },
    }


def test_what_nobody_knows_is_dropped_with_extra():
    """At every level, and not what the contract knows."""
    record = {
        "session_id": "a",
        "new": 1,
        "session_analysis": {"issues": [{"issue": "x", "new": 2}], "new": 3},
    }
    assert redacted(v2.RECORD, record, "extra=drop") == {
        "session_id": "a",
        "session_analysis": {"issues": [{"issue": "x"}]},
    }
    item = {"session_id": "a", "title": "t", "new": 1}
    assert redacted(v3.SESSION, item, "extra=drop") == {"session_id": "a", "title": "t"}


@pytest.mark.parametrize("wrong", [SECRET, [SECRET], {"a": SECRET}, 7, True])
@pytest.mark.parametrize(
    "path", ["title", "tags", "pull_requests", "session_analysis", "session_analysis.issues"]
)
@pytest.mark.parametrize("how", ["hash", "truncate:2"])
def test_a_value_of_a_wrong_type_keeps_nothing_either(wrong, path, how):
    """It is kept no more than a right one, and rejects its record where it did before."""
    record: dict[str, Any] = {"session_id": "a", "updated_at": "2026-01-01T00:00:00Z"}
    *parents, key = path.split(".")
    inner = record
    for parent in parents:
        inner = inner.setdefault(parent, {})
    inner[key] = deepcopy(wrong)
    rules = [f"{name}={how}" for name in ("title", "tag", "issue")]
    changed = redacted(v2.RECORD, record, *rules, "pr_url=hash", "extra=drop")
    assert SECRET not in json.dumps(changed)
    if path != "title" and not isinstance(wrong, dict) and (path, wrong) != ("tags", [SECRET]):
        exploded = explode([changed], v2.RECORD)
        assert exploded.rejected or MARK in json.dumps(changed)


@given(st.text(), st.text())
def test_hashes_are_keyed(text, other):
    """The same text has the same hash under one key, and another under another."""
    one, two = Redactor(Policy(), KEY), Redactor(Policy(), b"x" * 32)
    assert (one.hashed(text) == one.hashed(other)) == (text == other)
    assert one.hashed(text) != two.hashed(text)


ALL = ("title=hash", "initial_user_message=drop", "original_prompt=truncate:3", "tag=drop",
       "issue=drop", "extra=drop", "pr_url=hash", "structured_output=drop", "url=drop")  # fmt: skip


def say_it_everywhere(warehouse: Warehouse) -> None:
    """Let sessions say the secret wherever a text goes; one of them cannot be read."""
    world = warehouse.world
    ids = [sid for sid, session in world.sessions.items() if session.analysis][:3]
    for sid in ids:
        analysis = world.sessions[sid].analysis
        assert analysis is not None
        for issue in analysis.issues:
            issue.issue = SECRET
        if analysis.suggested_prompt:
            analysis.suggested_prompt.original_prompt = f"abc{SECRET}"
        world.edit(
            sid, title=SECRET, initial_user_message=SECRET, tags=[SECRET], extra={"new": SECRET},
            structured_output={"a": SECRET},
        )  # fmt: skip
        for listed in world.sessions[sid].pull_requests:
            listed.url = f"https://github.com/acme/{SECRET}/pull/1"
        world.mark(world.sessions[sid])
    unreadable = world.add(title=SECRET, initial_user_message=SECRET)
    unreadable.wrong = (("created_at",), "yesterday")
    unreadable.wrong_v3 = ("item", ("created_at",), "yesterday")
    world.mark(unreadable)


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_the_secret_is_nowhere(make_warehouse, version):
    """Not in a row, in `extra`, in history, in rejected records, in a package or in the log."""
    warehouse = make_warehouse(60, version=version)
    say_it_everywhere(warehouse)
    policy = Policy.parsed(ALL)
    assert warehouse.load(policy=policy).exit_code == 8
    assert traces(warehouse) == []
    rows = warehouse.rows("SELECT count(*), count(title), count(url) FROM devin.sessions")
    assert rows[0][0] > rows[0][2] == 0
    assert warehouse.load(policy=policy).counts.changed == 0


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_another_policy_is_applied_to_what_is_stored(make_warehouse, version):
    """To what is read again, to what is not any more, and to the copies; and taken back again."""
    warehouse = make_warehouse(60, version=version)
    say_it_everywhere(warehouse)
    warehouse.load()
    gone = next(sid for sid, s in warehouse.world.sessions.items() if s.title == SECRET)
    deleted = warehouse.world.sessions[gone]
    warehouse.world.delete(gone)
    warehouse.world.clock.advance(HOUR)
    assert traces(warehouse)
    policy = Policy.parsed(ALL)
    summary = warehouse.load(policy=policy)
    assert traces(warehouse) == []
    assert any("everything is read again" in notice for notice in summary.notices)
    redactor = Redactor(policy, made_key(warehouse.layout.redaction_key_file))
    title = warehouse.rows(f"SELECT title FROM devin.sessions WHERE session_id = '{gone}'")
    assert title == [(redactor.hashed(SECRET),)]
    warehouse.world.sessions[gone] = deleted
    warehouse.world.mark(deleted, warehouse.world.clock.now())
    warehouse.load()
    unread = [s.session_id for s in warehouse.world.sessions.values() if s.wrong]
    assert warehouse.differences(left_out=unread) == []


def test_a_load_of_a_part_does_not_change_the_policy(warehouse):
    """It would leave the rest as it was, and say nothing."""
    warehouse.load()
    with pytest.raises(Misuse, match="run `load` alone first"):
        warehouse.load(policy=Policy.parsed(["title=drop"]), since=warehouse.world.clock.now())
    assert warehouse.rows("SELECT count(title) FROM devin.sessions")[0][0] > 0


def test_a_load_that_is_killed_goes_on_applying_the_policy(warehouse, monkeypatch):
    """What was rewritten stays so; the next load reads everything again."""
    warehouse.load()
    policy = Policy.parsed(["title=truncate:4"])
    monkeypatch.setattr("devin_warehouse.load._Loading.run", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        warehouse.load(policy=policy)
    monkeypatch.undo()
    summary = warehouse.load(policy=policy)
    assert summary.counts.read == 300
    assert warehouse.rows("SELECT max(length(title)) FROM devin.sessions") == [(4,)]
    assert warehouse.load(policy=policy).counts.read < 300


def test_a_crash_before_the_work_file_is_compacted_is_made_up_for(warehouse, monkeypatch):
    """What was deleted from it may still stand in its free space."""
    warehouse.load()
    policy = Policy.parsed(["title=drop"])
    monkeypatch.setattr("devin_warehouse.load.compact", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        warehouse.load(policy=policy)
    compacted: list[object] = []
    monkeypatch.setattr("devin_warehouse.load.compact", compacted.append)
    for _ in range(2):
        warehouse.load(policy=policy)
    assert compacted == [warehouse.layout]
    assert warehouse.rows("SELECT count(title) FROM devin.sessions") == [(0,)]


def test_a_load_that_is_refused_rewrites_nothing(make_warehouse):
    """Exit 2: nothing was touched."""
    warehouse = make_warehouse(20, version="v3")
    warehouse.load()
    titles = "SELECT count(title) FROM devin.sessions"
    before = warehouse.rows(titles)
    warehouse.version = "v2"
    with pytest.raises(Misuse, match="v3 has been loaded"):
        warehouse.load(policy=Policy.parsed(["title=drop"]))
    with open_work_file(warehouse.layout) as connection:
        assert connection.execute(titles).fetchall() == before


def test_every_table_that_holds_what_the_api_says_can_be_redacted():
    """A table is filled by the API, or it is one of the loader's own; a new one is neither yet."""
    own = {"session_versions", "pull_request_states", "deleted_sessions", "rejected_records"}
    own |= {"load_runs", "warehouse_info"}
    assert {table.name for table in TABLES} == own | {table.name for table in FILLED}
