"""What findings of the checks lead to: in a load, and for the command `check`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import duckdb
import pytest

from devin_warehouse.errors import CheckFailed
from devin_warehouse.sandbox import World
from devin_warehouse.sql_files import Sql
from devin_warehouse.status import read_status
from tests.conftest import NOW, Warehouse

SQL = Sql.of()
NAMES = [check.name for check in SQL.checks]
HIBERNATING = (
    "check values_are_known (warn): 1 found, as column_name sessions.status, value hibernating, "
    "rows_count 1"
)
NEGATIVE = "check acus_are_not_negative (warn): 1 found, as session_id {}, acus_consumed -2.0"
GAP = "UPDATE devin.session_tags SET position = position + 1 WHERE session_id = '{}'"
CLOSED = "UPDATE devin.session_tags SET position = position - 1 WHERE session_id = '{}'"
ENDS = "SELECT outcome, exit_code, error FROM devin.load_runs ORDER BY started_at"


@pytest.fixture
def warehouse(make_warehouse):
    """A warehouse beside a world of 60 sessions, of which one has a single tag."""
    warehouse = make_warehouse(60, version="v3")
    warehouse.world.add(session_id="tagged", tags=["red"])
    return warehouse


def rows_of_work_file(warehouse, sql):
    with duckdb.connect(str(warehouse.layout.work_file), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def spoil(path, sql):
    """Change a database behind the loader's back."""
    path.chmod(0o600)
    with duckdb.connect(str(path)) as connection:
        connection.execute(sql)


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_whatever_the_api_says_is_published(make_warehouse, version):
    """Changes of every kind; NULs, no ids, no address: only words never seen deserve notice."""
    warehouse = make_warehouse(60, version=version)
    warehouse.world.change(60, version)
    warehouse.world.add_awkward()
    summary = warehouse.load(sql=SQL)
    assert summary.is_published
    (warning,) = summary.warnings
    assert warning.startswith("check values_are_known (warn): ")


def test_what_the_api_says_is_told_and_published(warehouse):
    """In the summary, in the ledger of work file and published file, and by `status`; once."""
    warehouse.world.edit("tagged", status="hibernating")
    other = warehouse.world.add(acus_consumed=-2, parent_session_id="tagged")
    warnings = (NEGATIVE.format(other.session_id), HIBERNATING)
    summary = warehouse.load(sql=SQL)
    assert (summary.is_published, summary.warnings, summary.exit_code) == (True, warnings, 0)
    told = [("done", 0, "; ".join(warnings))]
    assert rows_of_work_file(warehouse, ENDS) == told
    assert warehouse.rows(ENDS) == told
    assert warehouse.rows(ENDS.replace("devin.", "analytics.")) == told
    assert read_status(warehouse.layout).warnings == list(warnings)
    idle = warehouse.load(sql=SQL)
    assert (idle.is_published, idle.warnings) == (False, ())
    assert read_status(warehouse.layout).warnings == list(warnings)
    warehouse.world.edit("tagged", status="exit")
    warehouse.world.edit(other.session_id, acus_consumed=2)
    assert warehouse.load(sql=SQL).warnings == ()
    assert warehouse.rows(ENDS)[1:] == [("done", 0, None)] * 2
    assert read_status(warehouse.layout).warnings == []


def test_what_breaks_our_own_invariants_is_not_published(warehouse):
    """Exit 7, yesterday's file stays, and the ledger says why; once repaired, the load goes on."""
    assert warehouse.load(sql=SQL).warnings == ()
    target, count = warehouse.layout.target, "SELECT count(*) FROM analytics.sessions"
    spoil(warehouse.layout.work_file, GAP.format("tagged"))
    warehouse.world.add(status="hibernating")
    with pytest.raises(CheckFailed) as failed:
        warehouse.load(sql=SQL)
    said = (
        "check positions_have_no_gaps (error): 1 found, as table_name session_tags, session_id "
        "tagged, usage , rows_count 1, last_position 1. Nothing was published."
    )
    assert (str(failed.value), failed.value.exit_code) == (said, 7)
    assert (warehouse.layout.target, warehouse.rows(count)) == (target, [(61,)])
    assert rows_of_work_file(warehouse, ENDS) == [("done", 0, None), ("failed", 7, said)]
    status = read_status(warehouse.layout)
    assert (status.runs[0]["outcome"], status.runs[0]["error"]) == ("failed", said)
    assert status.warnings == []
    spoil(warehouse.layout.work_file, CLOSED.format("tagged"))
    summary = warehouse.load(sql=SQL)
    assert (summary.is_published, summary.warnings) == (True, (HIBERNATING,))
    assert warehouse.rows(count) == [(62,)]
    assert [row[:2] for row in warehouse.rows(ENDS)] == [("done", 0), ("failed", 7), ("done", 0)]
    failure = "SELECT last_failure_error FROM analytics.freshness"
    assert warehouse.rows(failure) == [(said,)]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """A published warehouse of 61 sessions, of which one has used less than nothing."""
    world = World(1, 60, now=NOW)
    world.add(session_id="tagged", tags=["red"], acus_consumed=-2)
    path = tmp_path_factory.mktemp("loaded") / "warehouse.duckdb"
    Warehouse(path, world, version="v3").load(sql=SQL)
    return path


@pytest.fixture
def published(loaded, tmp_path):
    """Its file, under the name that the command looks for."""
    return Path(shutil.copy(loaded, tmp_path))


def test_the_command_tells_each_check_and_what_it_found(run, published):
    """Exit 0 with warnings, 7 with an error; a line a check, and sample rows of what fails."""
    code, out, err = run("check")
    lines = [line.rstrip() for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert lines[:4] == [
        "warn  acus_are_not_negative: The API counts no negative ACUs.",
        "      1 found, the first of them:",
        "session_id  acus_consumed",
        "tagged      -2.0",
    ]
    assert [line.split()[:2] for line in lines[4:]] == [["ok", f"{name}:"] for name in NAMES[1:]]
    spoil(published, GAP.format("tagged"))
    code, out, err = run("check", "--database", str(published))
    assert (code, err, out.count("  ok  "), out.count("warn  ")) == (7, "", len(NAMES) - 2, 1)
    assert "FAIL  positions_have_no_gaps: A list's rows are numbered from 0" in out
    assert "session_tags  tagged" in out


def test_the_command_tells_machines_in_json(run, published):
    """A line a check: name, severity, rule, how many rows, and the first five of them."""
    spoil(
        published,
        "UPDATE devin.sessions SET updated_at = created_at - INTERVAL 1 SECOND "
        "WHERE session_id <> 'tagged'; "
        "INSERT INTO devin.users VALUES ('ada', 'A', NULL), ('ada', 'B', NULL)",
    )
    code, out, err = run("check", "--log-format", "json")
    told = {line["name"]: line for line in map(json.loads, out.splitlines())}
    assert (code, err, list(told)) == (7, "", NAMES)
    assert {name: line["found"] for name, line in told.items() if line["found"]} == {
        "acus_are_not_negative": 1,
        "keys_are_unique": 1,
        "updated_is_not_before_created": 60,
    }
    assert told["keys_are_unique"] == {
        "event": "check",
        "name": "keys_are_unique",
        "severity": "error",
        "rule": "A key stands once in its table.",
        "found": 1,
        "sample": [{"table_name": "users", "key": "ada", "rows_count": 2}],
    }
    sample = told["updated_is_not_before_created"]["sample"]
    assert len(sample) == 5
    assert {row["updated_at"] < row["created_at"] for row in sample} == {True}


def test_without_a_warehouse_the_command_says_what_to_do(run, tmp_path):
    """Exit 2: no file, a file of somebody else's, a text; nothing is touched."""
    code, out, err = run("check")
    assert (code, out, "devin-warehouse load" in err, err.count("\n")) == (2, "", True, 1)
    with duckdb.connect("theirs.duckdb") as connection:
        connection.execute("CREATE TABLE sessions AS SELECT 1 AS session_id")
    code, out, err = run("check", "--database", "theirs.duckdb")
    assert (code, out, "not a warehouse of ours" in err, err.count("\n")) == (2, "", True, 1)
    (tmp_path / "text.duckdb").write_text("some text")
    code, out, err = run("check", "--database", "text.duckdb")
    assert (code, out, "not a DuckDB file" in err, err.count("\n")) == (2, "", True, 1)
    assert {path.name for path in tmp_path.iterdir()} == {"theirs.duckdb", "text.duckdb"}


def test_a_warehouse_of_another_version_is_to_be_published_anew(run, published):
    """Exit 2 where the views are missing that checks look at."""
    spoil(published, "DROP SCHEMA analytics CASCADE")
    code, out, err = run("check")
    assert (code, out, "the next load publishes it anew" in err) == (2, "", True)
    assert err.count("\n") == 1
