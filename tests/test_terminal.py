"""What people and monitors see: the report, word of a failure, the status of a warehouse."""

from __future__ import annotations

import json
import os
import re
from datetime import timedelta
from importlib.resources import files

import duckdb
import jsonschema
import pytest

from devin_warehouse.errors import CheckFailed
from devin_warehouse.layout import Layout
from devin_warehouse.locks import one_writer
from devin_warehouse.sql_files import Sql
from devin_warehouse.status import read_status

SCHEMA = json.loads(files("devin_warehouse").joinpath("status.schema.json").read_text())
AGO = timedelta(days=1)


def test_a_report_and_where_it_is(run, sandbox, tmp_path):
    """One line that names the file; without a warehouse one sentence and exit 2."""
    code, _, err = run("report")
    assert (code, "run `devin-warehouse load`" in err) == (2, True)
    run("load", "--base-url", sandbox[0])
    code, out, _ = run("report", "--acu-price", "2.25 EUR")
    assert (code, out.startswith("wrote devin-report.html, ")) == (0, True)
    page = (tmp_path / "devin-report.html").read_text()
    assert '"currency":"EUR"' in page
    assert run("report", "--output", "monday.html")[0] == 0
    assert '"currency":null' in (tmp_path / "monday.html").read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--acu-price", "cheap"),
        ("--acu-price", "-1"),
        ("--output", "."),
        ("--output", "no/x.html"),
        ("--output", "warehouse.duckdb"),
    ],
)
def test_a_report_that_cannot_be(run, sandbox, tmp_path, arguments):
    """Exit 2 in one sentence that names the option; nothing is written."""
    run("load", "--base-url", sandbox[0])
    before = sorted(tmp_path.iterdir())
    code, _, err = run("report", *arguments)
    assert (code, arguments[0] in err, err.count("\n")) == (2, True, 1)
    assert sorted(tmp_path.iterdir()) == before


def test_a_load_renews_the_report_with_the_file(run, sandbox, tmp_path, monkeypatch):
    """When a copy is published, or when there is no report yet; else it stays as it is."""
    monkeypatch.setenv("SOURCES__DEVIN__ACU_PRICE", "3")
    load, page = ("load", "--base-url", sandbox[0], "--report", "page.html"), tmp_path / "page.html"
    assert run(*load)[0] == 0
    assert '"currency":"USD"' in page.read_text()
    os.utime(page, (1, 1))
    assert run(*load)[0] == 0
    assert page.stat().st_mtime == 1
    page.unlink()
    assert run(*load)[0] == 0
    assert page.exists()
    assert run("load", "--base-url", sandbox[0], "--report", "no/page.html")[0] == 2


def test_a_failure_is_told_to_a_command(run, sandbox, tmp_path, monkeypatch):
    """Outcome, sentence and the ledger's row as JSON; the key is not in its environment."""
    tell = ("--on-failure", "cat > told.json; env > environment.txt")
    code, _, err = run("load", "--base-url", "http://127.0.0.1:9", *tell)
    told = json.loads((tmp_path / "told.json").read_text())
    assert (code, told["exit_code"], told["run"]["outcome"]) == (4, 4, "failed")
    assert f"devin-warehouse: {told['message']}" in err
    assert told["database"] == str(tmp_path / "warehouse.duckdb")
    assert "DEVIN_API_KEY" not in (tmp_path / "environment.txt").read_text()
    assert "secret123" not in (tmp_path / "told.json").read_text()
    monkeypatch.setenv("DEVIN_API_KEY", "cog_forbidden")
    assert run("load", "--base-url", sandbox[0], *tell)[0] == 3
    told = json.loads((tmp_path / "told.json").read_text())
    assert (told["exit_code"], told["run"]["exit_code"]) == (3, 3)


def test_what_is_no_failure_is_not_told(run, sandbox, tmp_path, monkeypatch):
    """Neither a load that is done, nor a dry run, nor one that finds another at work."""
    tell = ("--on-failure", "touch told")
    load = ("load", "--base-url", sandbox[0])
    assert run(*load, *tell)[0] == 0
    assert run("load", "--base-url", "http://127.0.0.1:9", "--dry-run", *tell)[0] == 4
    with one_writer(Layout.of(tmp_path / "warehouse.duckdb"), 0):
        assert run(*load, *tell)[0] == 6
    assert not (tmp_path / "told").exists()
    assert run(*load, "--since", "soon", *tell)[0] == 2
    assert (tmp_path / "told").exists()


def test_a_command_that_fails_changes_nothing(run, sandbox):
    """The load's own exit code and sentence stand; that the command failed is said."""
    code, _, err = run("load", "--base-url", "http://127.0.0.1:9", "--on-failure", "exit 5")
    assert (code, "gave no usable answer" in err) == (4, True)
    assert "--on-failure: Command 'exit 5' returned non-zero exit status 5" in err


@pytest.mark.parametrize("form", [("--on-failure", "curl token"), ("--on-failure=curl token",)])
def test_the_ledger_does_not_keep_the_command(run, sandbox, tmp_path, form):
    """It may hold a secret; the rest of the command line is kept."""
    run("load", "--base-url", sandbox[0], *form)
    with duckdb.connect(str(tmp_path / "warehouse.duckdb"), read_only=True) as connection:
        [(command,)] = connection.execute("SELECT command FROM devin.load_runs").fetchall()
    assert "token" not in command
    assert re.fullmatch(r"devin-warehouse load --base-url \S+ --on-failure[ =]\*\*\*", command)


def test_the_status_for_monitors_is_as_described(run, sandbox):
    """Every key of status.schema.json, and no other; after a failure too."""
    for url, code in ((sandbox[0], 0), ("http://127.0.0.1:9", 4)):
        assert run("load", "--base-url", url)[0] == code
        told = json.loads(run("status", "--json")[1])
        jsonschema.validate(told, SCHEMA)
        assert told["runs"][0]["exit_code"] == code
    [(scope, fresh)] = told["watermarks"].items()
    assert (scope.endswith(" v2 all"), fresh["visible"]) == (True, fresh["watermark"])
    code, out, _ = run("status")
    assert (code, "failed, exit 4" in out, "No load is in progress." in out) == (0, True, True)


def test_a_warehouse_that_is_too_old_says_how_old(run, sandbox):
    """Exit 4 in one sentence on stderr; stdout is as without the option."""
    run("load", "--base-url", sandbox[0])
    code, out, err = run("status", "--json", "--max-age", "5m")
    assert (code, err.count("\n"), "older than 5m" in err) == (4, 1, True)
    assert "2026-11-02 09:30:00 UTC" in err
    assert json.loads(out)["watermarks"]


def test_a_warehouse_is_as_old_as_what_readers_see(warehouse, monkeypatch):
    """Committed, but held back by a failed check: that does not make the file any fresher."""
    warehouse.load(sql=Sql.of())
    seen = read_status(warehouse.layout).scopes["sandbox v2 all"]
    assert seen.visible == seen.watermark
    with duckdb.connect(str(warehouse.layout.work_file)) as work:
        work.execute(
            "INSERT INTO devin.session_tags BY NAME "
            "SELECT session_id, 90 AS position, 'x' AS tag "
            "FROM devin.sessions ORDER BY updated_at LIMIT 1"
        )
    warehouse.world.advance(AGO)
    with pytest.raises(CheckFailed):
        warehouse.load(sql=Sql.of(), is_full=True)
    status = read_status(warehouse.layout)
    held_back = status.scopes["sandbox v2 all"]
    assert (held_back.visible, held_back.watermark) == (seen.visible, seen.watermark + AGO)
    assert status.age("sandbox v2 all") == status.at - seen.visible


def test_a_file_alone_says_how_fresh_it_is(warehouse):
    """A copy without its status file is as fresh as its ledger says."""
    warehouse.load()
    told = read_status(warehouse.layout).scopes
    warehouse.layout.status_file.unlink()
    assert read_status(warehouse.layout).scopes == told


def test_a_scope_that_v3_has_taken_over_does_not_age(warehouse):
    """Otherwise --max-age would complain for ever after the move from v2 to v3."""
    warehouse.load()
    warehouse.version = "v3"
    warehouse.load()
    assert list(read_status(warehouse.layout).scopes) == ["sandbox v3 all"]


def test_help_shows_how_it_is_used(run):
    """Examples with each command that has options worth one."""
    for command in ("load", "status", "report", "sandbox"):
        code, out, _ = run(command, "--help")
        assert (code, f"devin-warehouse {command} " in out) == (0, True), command


def test_somebody_who_may_only_read_asks_for_the_status(warehouse, monkeypatch):
    """The loader's folder is its owner's alone: whether a load runs is not known, and no error."""
    warehouse.load()

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(
        "pathlib.Path.exists", lambda path: refuse() if "work" in str(path) else True
    )
    assert read_status(warehouse.layout).held_by is None
