"""The command: what it prints, how it ends, and what it leaves alone."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys

import pytest

from devin_warehouse.settings import SETTINGS

NOBODY = "http://127.0.0.1:9"


def test_a_v3_key_loads_over_v3_and_a_dry_run_writes_nothing(run, sandbox, tmp_path, monkeypatch):
    """What would be read is said beforehand: sessions, windows, requests."""
    monkeypatch.setenv("DEVIN_API_KEY", "cog_secret123")
    code, out, _ = run("load", "--base-url", sandbox[0], "--dry-run")
    assert (code, "300 sessions" in out, "by the bulk list" in out) == (0, True, True)
    assert list(tmp_path.iterdir()) == []
    preview = json.loads(
        run("load", "--base-url", sandbox[0], "--dry-run", "--log-format", "json")[1]
    )
    assert (preview["sessions"], preview["mode"]) == (300, "incremental")
    code, out, _ = run("load", "--base-url", sandbox[0])
    assert (code, "300 new" in out, "insights 300" in out) == (0, True, True)
    monkeypatch.setenv("DEVIN_API_KEY", "apk_user_secret123")
    for arguments in ((), ("--dry-run",)):
        code, _, err = run("load", "--base-url", sandbox[0], *arguments)
        assert (code, "v3 has been loaded" in err) == (2, True)


def test_a_full_refresh_of_a_third_wants_to_be_confirmed(run, sandbox):
    """Exit 10 and how to go on; `--yes` marks them."""
    url, faults = sandbox
    load = ("load", "--base-url", url)
    assert run(*load)[0] == 0
    faults.visible_share = 0.33
    code, _, err = run(*load, "--full-refresh")
    assert (code, "--yes" in err, err.count("\n")) == (10, True, 1)
    code, out, _ = run(*load, "--full-refresh", "--yes")
    assert (code, "marked as deleted" in out) == (0, True)
    faults.visible_share = 1


@pytest.mark.parametrize("key", ["apk_user_x", "cog_x"])
def test_the_doctor_tells_what_a_key_can_do(run, sandbox, monkeypatch, key):
    """Each endpoint, each filter, and what follows where something is missing."""
    monkeypatch.setenv("DEVIN_API_KEY", key)
    code, out, _ = run("doctor", "--base-url", sandbox[0])
    assert (code, "NO" in out, out.count("answers") >= 2) == (0, False, True)
    sandbox[1].update({"refused": ["insights", "session_insights"], "ignore_session_ids": True})
    code, out, _ = run("doctor", "--base-url", sandbox[0])
    is_v3 = key.startswith("cog_")
    assert (code, "--no-insights" in out) == ((3, True) if is_v3 else (0, False))
    assert "ignored, or in another form" in out
    sandbox[1].update({"ignore_session_ids": False, "session_ids_form": "prefixed"})
    assert "ids as in devin-" in run("doctor", "--base-url", sandbox[0])[1]
    sandbox[1].update({"session_ids_form": "bare"})
    sandbox[1].update({"refused": [], "ignore_session_ids": False})


@pytest.mark.parametrize(("key", "code"), [("cog_forbidden", 3), ("apk_user_forbidden", 3)])
def test_the_doctor_names_the_permission_that_is_missing(run, sandbox, monkeypatch, key, code):
    """And says that nothing can be loaded."""
    monkeypatch.setenv("DEVIN_API_KEY", key)
    ended, out, _ = run("doctor", "--base-url", sandbox[0])
    assert ended == code
    assert "Nothing can be loaded" in out
    assert "ViewAccountSessions" in out or "enterprise admin" in out


def test_load_and_status_tell_what_was_done(run, sandbox, tmp_path):
    """A first load, one that finds nothing new, and how that looks to people and monitors."""
    code, out, _ = run("load", "--base-url", sandbox[0])
    assert (code, "300 sessions read: 300 new" in out, "published" in out) == (0, True, True)
    code, out, _ = run("load", "--base-url", sandbox[0], "--log-format", "json")
    summary = json.loads(out.splitlines()[-1])
    assert (code, summary["counts"]["new"], summary["is_published"]) == (0, 0, False)
    code, out, _ = run("status")
    assert (code, "2026-11-02 09:30:00 UTC" in out) == (0, True)
    status = json.loads(run("status", "--json")[1])
    assert len(status["runs"]) == 2
    assert run("status", "--max-age", "10000d")[0] == 0
    assert run("status", "--max-age", "5m")[0] == 4
    assert json.loads((tmp_path / "warehouse.status.json").read_text())["run"]["outcome"] == "done"


LOOKED_UP = """
import socket, sys
from devin_warehouse.cli import main

look_up = socket.getaddrinfo
socket.getaddrinfo = lambda host, *args, **kw: print("host", host) or look_up(host, *args, **kw)
main()
"""


def test_a_load_speaks_to_the_api_alone(sandbox, tmp_path):
    """dlt's telemetry is off, also where no configuration says so."""
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            LOOKED_UP,
            "load",
            "--base-url",
            sandbox[0].replace("127.0.0.1", "localhost"),
        ],
        env={"DEVIN_API_KEY": "apk_user_secret123", "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    hosts = {line for line in ended.stdout.splitlines() if line.startswith("host")}
    assert hosts == {"host b'localhost'"}
    assert "published" in ended.stdout


PHASES = [
    "feed.Feed.survey", "api.client.Client._decode", "intake.explode", "intake.Intake.sort_out",
    "merge.Merger.land", "merge.Merger.merge", "packages.record_states", "publish.write_anew",
    "publish._check", "publish._switch", "ledger.finish", "load.write_status",
]  # fmt: skip


@pytest.mark.parametrize("phase", PHASES)
def test_the_key_is_written_nowhere(run, sandbox, tmp_path, monkeypatch, caplog, phase):
    """Not by a good run, nor by one that a defect ends in any phase, traceback and all."""
    caplog.set_level(logging.DEBUG)

    def fail(*_, **__):
        raise RuntimeError("a defect")

    monkeypatch.setattr(f"devin_warehouse.{phase}", fail)
    code, out, err = run("load", "--base-url", sandbox[0], "--verbose")
    assert (code, "RuntimeError: a defect" in err) == (1, True)
    monkeypatch.undo()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 2
    assert not [path for path in files if b"secret123" in path.read_bytes()]
    assert "secret123" not in out + err + caplog.text


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (None, "DEVIN_API_KEY"),
        ("apk_user_forbidden", "enterprise admin"),
        ("apk_user_forbidden\n", "enterprise admin"),
    ],
)
def test_a_key_that_is_missing_or_refused(run, sandbox, monkeypatch, key, said):
    """Exit 3, the cause and the permission in one sentence."""
    if key is None:
        monkeypatch.delenv("DEVIN_API_KEY")
    else:
        monkeypatch.setenv("DEVIN_API_KEY", key)
    code, out, err = run("load", "--base-url", sandbox[0])
    assert (code, out, said in err, err.count("\n")) == (3, "", True, 1)


@pytest.mark.parametrize("base_url", [NOBODY, "https://nowhere.invalid"])
def test_an_api_that_cannot_be_reached(run, base_url):
    """No route, no such name: exit 4 after a bounded number of tries."""
    code, _, err = run("load", "--base-url", base_url)
    assert (code, "gave no usable answer" in err) == (4, True)


def test_an_answer_that_breaks_the_contract(run, sandbox, monkeypatch):
    """Exit 5, naming endpoint, range and what was wrong."""
    monkeypatch.setattr("devin_warehouse.api.v2.LIST_PATH", "/sandbox/state")
    code, _, err = run("load", "--base-url", sandbox[0])
    assert code == 5
    assert re.search(r"GET /v2/enterprise/sessions/insights, updated in .* no `items`", err)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--bogus"], "No such option"),
        (["--overlap", "1m"], "at least 5m"),
        (["--overlap", "soon"], "not understood"),
        (["--initial-since", "yesterday-ish"], "not understood"),
        (["--base-url", "http://api.devin.ai"], "https"),
        (["--base-url", "ftp://localhost"], "https"),
        (["--base-url", "https://me:word@api.devin.ai"], "without name"),
        (["--base-url", "https://api.devin.ai?key=word"], "without name"),
        (["--api", "v9"], "v9"),
        (["--tag", "a"], "--tag"),
        (["--org-id", ""], "org_ids"),
        (["--category", ""], "--category"),
        (["--created-since", ""], "--created-since"),
        (["--since", " "], "--since"),
        (["--created-since", "2026-02-01", "--created-until", "2026-01-01"], "not before"),
        (["--full-refresh", "--since", "2026-01-01"], "--full-refresh"),
        (["--since", "2026-02-01", "--until", "2026-01-01"], "not before"),
        (["--database", "devin.duckdb"], "ambiguous"),
        (["--database", "nowhere/warehouse.duckdb"], "no folder"),
        (["--database", "o'brien.duckdb"], "dlt cannot load"),
        (["--database", "100%.duckdb"], "dlt cannot load"),
        (["--database", "."], "database"),
    ],
)
def test_misuse_touches_nothing(run, tmp_path, arguments, said):
    """Exit 2, one sentence, and the folder as empty as before."""
    code, out, err = run("load", *arguments)
    assert (code, out, said in err, "word" in err.replace("password", "")) == (2, "", True, False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("spelling", [["--log-format", "json"], ["--log-format=json"]])
@pytest.mark.parametrize(("code", "wrong"), [(2, ["--overlap", "1m"]), (4, ["--base-url", NOBODY])])
def test_a_machine_is_told_of_errors_as_json(run, code, wrong, spelling):
    """The last line of what was asked for as JSON lines is the outcome, a bad one too."""
    ended, out, err = run("load", "--base-url", NOBODY, *wrong, *spelling)
    said = json.loads(out.splitlines()[-1])
    assert (ended, said["event"], said["exit_code"], err) == (code, "error", code, "")
    assert said["message"].endswith(".")


def test_an_unreadable_configuration(tmp_path):
    """Exit 2, naming the file's folder; in a process of its own, since dlt reads it only once."""
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").write_text("[sources")
    command = [sys.executable, "-c", "from devin_warehouse.cli import main; main()", "load"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, ".dlt" in ended.stderr, ended.stderr.count("\n")) == (2, True, 1)
    assert [path.name for path in tmp_path.iterdir()] == [".dlt"]


def test_the_configuration_is_the_last_word_but_the_default(run, sandbox, tmp_path, monkeypatch):
    """Option over environment over dlt's config over default."""
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").write_text(
        f'[sources.devin]\ndatabase = "configured.duckdb"\nbase_url = "{sandbox[0]}"\n'
    )
    assert run("load")[0] == 0
    monkeypatch.setenv("SOURCES__DEVIN__DATABASE", "variable.duckdb")
    assert run("load")[0] == 0
    monkeypatch.setenv("DEVIN_DATABASE", "environment.duckdb")
    assert run("load")[0] == 0
    assert run("load", "--database", "option.duckdb")[0] == 0
    assert {path.name for path in tmp_path.glob("*n.duckdb")} == {"option.duckdb"}
    assert (tmp_path / "configured.duckdb").exists()
    assert (tmp_path / "variable.duckdb").exists()
    assert (tmp_path / "environment.duckdb").exists()


def test_a_folder_that_cannot_be_written(run, sandbox):
    """Exit 9, naming it."""
    code, _, err = run("load", "--base-url", sandbox[0], "--database", "/proc/warehouse.duckdb")
    assert (code, "/proc" in err) == (9, True)


def test_without_a_warehouse_status_says_what_to_do(run):
    """Exit 2 and the next step."""
    code, _, err = run("status")
    assert (code, "devin-warehouse load" in err) == (2, True)
    assert "devin-warehouse 0" in run("--version")[1]


def test_the_help_tells_every_default(run):
    """Each setting with its option and what holds without it."""
    said = " ".join(run("load", "--help")[1].replace("│", " ").split())
    for setting in SETTINGS.values():
        assert setting.option in said
        assert f"(default: {setting.default or 'none'})" in said


def test_faults_of_the_sandbox_are_listed(run):
    """Each with its default; a wrong one says where to look."""
    code, out, _ = run("sandbox", "--fault", "help")
    assert (code, "ignore_updated_filter=False" in out) == (0, True)
    code, _, err = run("sandbox", "--fault", "bogus=1")
    assert (code, "--fault help" in err) == (2, True)


def test_variables_of_other_people_do_not_reach_dlt(run, sandbox, tmp_path, monkeypatch):
    """dlt takes plain names from the environment: a dataset of another name, a refresh, ..."""
    for name, value in (
        ("FULL_REFRESH", "true"),
        ("DATASET_NAME_LAYOUT", "ci_%s"),
        ("DEV_MODE", "1"),
    ):
        monkeypatch.setenv(name, value)
    code, out, err = run("load", "--base-url", sandbox[0])
    assert (code, "300 new" in out) == (0, True)
    assert err == "package 1: 300 of 300 sessions, 0 retries\n"
