"""Clocks, zones, folders and versions: the same result, or a sentence that says what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from datetime import UTC, datetime, timedelta

import duckdb
import pendulum
import pytest

from devin_warehouse.errors import Misuse
from devin_warehouse.layout import Layout
from tests.conftest import HOUR, KEYS
from tests.served import served
from tests.soak.loads import COMMAND

DST_ENDS_IN_BERLIN = datetime(2026, 10, 25, 0, 58, 30, tzinfo=UTC)


@pytest.mark.parametrize(("version", "hours"), [("v2", -1), ("v3", 1)])
def test_this_machines_clock_may_be_off(make_warehouse, monkeypatch, version, hours):
    """By an hour, before or behind: what is read goes by the API's time alone."""
    real = pendulum.now
    monkeypatch.setattr(pendulum, "now", lambda zone=None: real(zone) + timedelta(hours=hours))
    warehouse = make_warehouse(version=version)
    for _ in range(2):
        summary = warehouse.load()
        assert abs(summary.watermark_after - warehouse.world.clock.now()) < timedelta(minutes=1)
        warehouse.world.clock.advance(HOUR / 2)
        warehouse.world.change(40, version)
    monkeypatch.undo()
    warehouse.load()
    assert warehouse.differences() == []


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Pacific/Kiritimati"])
def test_this_machine_may_stand_anywhere(make_warehouse, monkeypatch, zone):
    """Also in the hour that a zone lives twice: times are UTC from end to end."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    warehouse = make_warehouse(100, version="v3", now=DST_ENDS_IN_BERLIN)
    warehouse.load()
    warehouse.world.clock.advance(HOUR)
    warehouse.world.change(30, "v3")
    warehouse.load()
    assert warehouse.differences() == []
    monkeypatch.undo()
    time.tzset()


def test_a_warehouse_may_move(warehouse, tmp_path):
    """With all files of its name, to another folder: the next load goes on there."""
    warehouse.load()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for path in tmp_path.glob("warehouse*"):
        shutil.move(path, elsewhere)
    warehouse.path = elsewhere / "warehouse.duckdb"
    warehouse.world.clock.advance(HOUR)
    warehouse.world.change(30)
    summary = warehouse.load()
    assert (summary.watermark_before is None, summary.counts.new < 30) == (False, True)
    assert warehouse.differences() == []
    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]


def test_nothing_is_kept_at_home(make_warehouse, tmp_path):
    """HOME may be lost, or never have been there: as for a service's user."""
    warehouse = make_warehouse(50)
    home, folder = tmp_path / "gone" / "home", tmp_path / "empty"
    folder.mkdir()
    with served(warehouse.world) as base_url:
        for said in ("package 1: 50 of 50 sessions, 0 retries\n", ""):
            ended = subprocess.run(
                [COMMAND, "load", "--base-url", base_url, "--database", str(warehouse.path)],
                env={"HOME": str(home), "DEVIN_API_KEY": KEYS["v2"], "PATH": os.environ["PATH"]},
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            assert (ended.returncode, ended.stderr) == (0, said)
    assert warehouse.differences() == []
    assert not home.parent.exists()
    assert list(folder.iterdir()) == []


def test_two_warehouses_side_by_side_share_nothing(make_warehouse):
    """Though one is called like a copy of the other."""
    ours = make_warehouse(60, seed=1)
    theirs = make_warehouse(70, seed=2, name="warehouse.2.duckdb")
    for _ in range(3):
        for warehouse in (ours, theirs):
            warehouse.world.add()
            warehouse.load()
    assert ours.differences() == theirs.differences() == []
    assert ours.layout.target == "warehouse.4.duckdb"


@pytest.mark.parametrize("kept", ["both files", "only the published file"])
def test_files_of_an_older_contract_are_taken_over(warehouse, kept):
    """A column and a table are missing: a full refresh fills them."""
    warehouse.load()
    published = warehouse.path.resolve()
    published.chmod(0o600)
    for file in (published, warehouse.layout.work_file):
        with duckdb.connect(str(file)) as connection:
            connection.execute("ALTER TABLE devin.sessions DROP COLUMN playbook_id")
            connection.execute("DROP TABLE devin.session_children")
    if kept == "only the published file":
        shutil.rmtree(warehouse.layout.folder)
    warehouse.load(is_full=True)
    assert warehouse.differences() == []


@pytest.mark.parametrize("kept", ["both files", "only the published file"])
@pytest.mark.parametrize(
    "change",
    ["UPDATE {} SET contract_version = '2'", "ALTER TABLE devin.users ADD COLUMN x VARCHAR"],
)
def test_files_of_a_later_contract_are_left_alone(warehouse, kept, change):
    """Exit 2 and what to do: an older version would take columns away, or not know them."""
    warehouse.load()
    published = warehouse.path.resolve()
    published.chmod(0o600)
    for file, table in (
        (published, "devin.warehouse_info"),
        (warehouse.layout.work_file, "bookkeeping.publication"),
    ):
        with duckdb.connect(str(file)) as connection:
            connection.execute(change.format(table))
    if kept == "only the published file":
        shutil.rmtree(warehouse.layout.folder)
    before = published.read_bytes()
    with pytest.raises(Misuse, match="later version"):
        warehouse.load()
    assert published.read_bytes() == before
    assert Layout.of(warehouse.path).target == "warehouse.1.duckdb"
