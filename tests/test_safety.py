"""Readers, crashes, lost and restored files: each ends in the truth after one load."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import duckdb
import pytest

from devin_warehouse import load as loading
from devin_warehouse.errors import CheckFailed, Locked, Misuse, OutOfResources, Stopped
from devin_warehouse.layout import Layout
from devin_warehouse.ledger import Run
from devin_warehouse.locks import one_writer
from devin_warehouse.publish import publish
from devin_warehouse.sql_files import Sql
from devin_warehouse.work_file import open_work_file
from tests.conftest import HOUR

COUNT = "SELECT count(*) FROM devin.sessions"


def test_a_reader_keeps_its_copy_and_a_new_connection_sees_the_new_rows(warehouse):
    """Also in one and the same process, through two loads, and under the database's own name."""
    warehouse.load()
    reader = warehouse.connect()
    for expected in (301, 302):
        warehouse.world.add()
        warehouse.load()
        assert reader.execute(COUNT).fetchall() == [(300,)]
        assert warehouse.rows(
            "SELECT current_database(), count(*) FROM warehouse.devin.sessions"
        ) == [("warehouse", expected)]
    assert reader.execute("SELECT count(*) FROM devin.insight_issues").fetchall()[0][0] > 0
    reader.close()


def test_a_copy_is_for_readers_and_the_rest_for_its_owner(warehouse):
    """Files 0600 and folders 0700; the published file 0444 and in a format that 1.2 reads."""
    warehouse.load()
    assert warehouse.path.stat().st_mode & 0o777 == 0o444
    folder = warehouse.layout.folder
    assert folder.stat().st_mode & 0o777 == 0o700
    assert warehouse.layout.status_file.stat().st_mode & 0o777 == 0o600
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
    assert warehouse.path.read_bytes()[12] == 65


def test_two_copies_are_kept_and_no_file_of_others_is_touched(warehouse):
    """`warehouse.2025.duckdb` may be somebody's archive."""
    archive = warehouse.path.with_name("warehouse.2025.duckdb")
    archive.write_bytes(b"not ours")
    for _ in range(4):
        warehouse.world.add()
        warehouse.load()
    copies = sorted(path.name for path in archive.parent.glob("warehouse.*.duckdb"))
    assert copies == ["warehouse.2025.duckdb", "warehouse.3.duckdb", "warehouse.4.duckdb"]
    assert archive.read_bytes() == b"not ours"


def test_a_stale_log_beside_a_copy_breaks_nothing(warehouse):
    """A client that opened the published file read-write may leave a write-ahead log behind."""
    warehouse.load()
    warehouse.path.with_name("warehouse.2.duckdb.wal").write_bytes(b"stale")
    warehouse.path.with_name("warehouse.duckdb.wal").write_bytes(b"stale")
    warehouse.world.add()
    warehouse.load()
    assert warehouse.rows(COUNT) == [(301,)]


def test_the_published_file_holds_the_contract_and_nothing_else(warehouse):
    """No table of dlt's, no bookkeeping; every table and column has its comment."""
    warehouse.load(sql=Sql.of())
    schemas = warehouse.rows("SELECT DISTINCT schema_name FROM duckdb_tables()")
    assert sorted(schemas) == [("devin",), ("prepared",)]
    bare = "SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'devin' AND "
    assert warehouse.rows(f"{bare} (comment IS NULL OR column_name LIKE '\\_%' ESCAPE '\\')") == []
    assert warehouse.rows("SELECT table_name FROM duckdb_tables() WHERE comment IS NULL") == []


@pytest.mark.parametrize("lost", ["dlt folder", "work folder", "work file restored", "copied away"])
def test_lost_files_are_made_up_for(warehouse, tmp_path, lost):
    """dlt's folder lost; only the published file left; yesterday's work file; a copy elsewhere."""
    warehouse.load()
    layout = warehouse.layout
    yesterday = tmp_path / "yesterday.duckdb"
    shutil.copy(layout.work_file, yesterday)
    warehouse.world.clock.advance(HOUR * 24)
    warehouse.world.change(60)
    warehouse.load()
    versions = len(warehouse.rows("FROM devin.session_versions"))
    match lost:
        case "dlt folder":
            shutil.rmtree(layout.dlt_folder)
        case "work folder":
            shutil.rmtree(layout.folder)
        case "work file restored":
            shutil.copy(yesterday, layout.work_file)
        case "copied away":
            (tmp_path / "elsewhere").mkdir()
            warehouse.path = Path(shutil.copy(warehouse.path, tmp_path / "elsewhere"))
    warehouse.world.clock.advance(HOUR * 24)
    warehouse.world.change(10)
    warehouse.load()
    assert warehouse.differences() == []
    assert len(warehouse.rows("FROM devin.session_versions")) == versions + 10


def test_what_was_seen_while_the_work_file_was_away_is_read_again(warehouse):
    """Only the published file left: the watermark comes from its ledger, not from the start."""
    warehouse.load()
    shutil.rmtree(warehouse.layout.folder)
    warehouse.world.clock.advance(HOUR * 24)
    warehouse.world.change(10)
    before = warehouse.requests
    summary = warehouse.load()
    assert summary.watermark_before is not None
    assert warehouse.requests - before <= 4


KILLED = """
    import os, signal, sys
    from pathlib import Path
    sys.path.insert(0, {root!r})
    from tests.conftest import NOW, Warehouse
    from devin_warehouse import bookkeeping, load as loading, merge, packages, publish
    from devin_warehouse.sandbox import World

    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    packages.PACKAGE_SESSIONS = 1_000
    commits = []
    def die_in_time(*arguments, original={module}.{name}, **named):
        commits.append(1)
        if len(commits) == {count}:
            die()
        return original(*arguments, **named)
    {module}.{name} = die_in_time
    Warehouse(Path({path!r}), World(1, {sessions}, now=NOW), version={version!r}).load()
"""


def killed(warehouse, place, count, version="v2"):
    """Load the warehouse in a process that dies at the `count`th call of the function `place`."""
    module, name = place.split(".", 1)
    script = KILLED.format(
        root=str(Path(__file__).parents[1]),
        module=module,
        name=name,
        count=count,
        path=str(warehouse.path),
        sessions=len(warehouse.world.sessions),
        version=version,
    )
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False)
    assert ended.returncode == -signal.SIGKILL


def in_work_file(warehouse, sql):
    with duckdb.connect(str(warehouse.layout.work_file), read_only=True) as work:
        return work.execute(sql).fetchall()


@pytest.mark.parametrize(
    ("place", "count", "committed"),
    [
        ("merge.Merger.land", 3, 2_000),
        ("merge.Merger.merge", 3, 2_000),
        ("merge.Merger._insert", 33, 2_000),
        ("publish._write", 1, 4_000),
        ("publish._switch", 1, 4_000),
        ("publish._remove_others", 1, 4_000),
    ],
)
def test_a_killed_first_load_goes_on_from_the_last_committed_package(
    make_warehouse, place, count, committed
):
    """SIGKILL anywhere: what is committed stays, the next run goes on, the result is the truth."""
    warehouse = make_warehouse(4_000)
    killed(warehouse, place, count)
    assert in_work_file(warehouse, COUNT)[0][0] >= committed
    summary = warehouse.load()
    assert warehouse.differences() == []
    assert summary.counts.new <= 4_000 - committed
    first = "done" if place.startswith("publish") else "killed"
    outcomes = in_work_file(warehouse, "SELECT outcome FROM devin.load_runs ORDER BY started_at")
    assert outcomes == [(first,), ("done",)]


@pytest.mark.parametrize(
    ("place", "count"),
    [
        ("loading._Loading._read_insights", 1),
        ("merge.Merger.land", 4),
        ("bookkeeping.settle_insights", 4),
    ],
)
def test_a_load_killed_between_sessions_and_insights_loses_none(make_warehouse, place, count):
    """Committed sessions owe their insights; the next run reads those, and what was not committed.

    Packages of 1,000: two of sessions are committed before the first insights are asked for.
    """
    warehouse = make_warehouse(2_500, version="v3")
    killed(warehouse, place, count, "v3")
    sessions = in_work_file(warehouse, COUNT)[0][0]
    read = in_work_file(warehouse, "SELECT count(*) FROM devin.insights")[0][0]
    owed = in_work_file(warehouse, "SELECT count(*) FROM bookkeeping.insights_owed")[0][0]
    assert (sessions >= 2_000, read + owed, owed >= 500) == (True, sessions, True)
    summary = warehouse.load()
    assert warehouse.differences() == []
    assert summary.counts.new == 2_500 - sessions
    assert warehouse.counts["insights"] <= (2_500 - read) / 190 + 4
    versions = "SELECT count(*), count(DISTINCT session_id) FROM devin.session_versions"
    assert warehouse.rows(versions) == [(2_500, 2_500)]


def test_stopping_keeps_the_package_in_hand(make_warehouse, monkeypatch):
    """SIGTERM: what has been read is committed, the exit code says so, the next run goes on."""
    warehouse = make_warehouse(3_000)

    asked: list[int] = []

    def stop(progress):
        if progress.counts.read >= 1_000 and not asked:
            asked.append(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Stopped) as stopped:
        loading.load(warehouse.order(), stop)
    assert stopped.value.exit_code == 143
    with duckdb.connect(str(warehouse.layout.work_file), read_only=True) as work:
        assert work.execute(COUNT).fetchall()[0][0] >= 1_000
    warehouse.load()
    assert warehouse.differences() == []


def test_stopping_does_not_wait_for_an_api_that_does_not_answer(warehouse):
    """Ctrl-C while nothing comes: exit 130 at once, not 4 after minutes."""
    warehouse.faults.latency = 3600
    pause = threading.Event()

    def press_ctrl_c_once_asked():
        while not warehouse.requests:
            pause.wait(0.01)
        signal.raise_signal(signal.SIGINT)

    thread = threading.Thread(target=press_ctrl_c_once_asked)
    thread.start()
    with pytest.raises(Stopped) as stopped:
        warehouse.load()
    thread.join()
    assert stopped.value.exit_code == 130


def test_a_second_load_names_the_first(warehouse):
    """One writer: the other exits 6 at once."""
    warehouse.layout.make_folder()
    with one_writer(warehouse.layout, 0), pytest.raises(Locked, match="process"):
        warehouse.load()


def test_a_reader_of_the_work_file_is_named(warehouse, tmp_path):
    """A process that holds the loader's own file: exit 6, nothing touched; or the load waits."""
    warehouse.load()
    script = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True); "
        "print('open', flush=True); sys.stdin.read()"
    )
    reader = subprocess.Popen(
        [sys.executable, "-c", script, str(warehouse.layout.work_file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with reader:
        assert reader.stdout is not None
        reader.stdout.readline()
        with pytest.raises(Locked, match=str(reader.pid)):
            warehouse.load()
        leaving = threading.Timer(0.5, reader.communicate, [""])
        leaving.start()
        warehouse.load(wait_seconds=60)
        leaving.join()


@pytest.mark.parametrize(
    "name", ["devin.duckdb", "analytics.db", "devin.prod.duckdb", "Main.duckdb", ".duckdb"]
)
def test_a_name_that_is_a_schemas_is_refused(tmp_path, name):
    """DuckDB would find `devin.sessions` ambiguous in a file called devin.duckdb."""
    with pytest.raises(Misuse):
        Layout.of(tmp_path / name)


def test_a_file_that_is_not_ours_is_refused_and_left_alone(warehouse):
    """No DuckDB file, or somebody else's DuckDB file: exit 2, nothing touched."""
    warehouse.path.write_text("my notes")
    with pytest.raises(Misuse, match="not a DuckDB file"):
        warehouse.load()
    assert warehouse.path.read_text() == "my notes"
    warehouse.path.unlink()
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("CREATE TABLE mine AS SELECT 1")
    before = warehouse.path.read_bytes()
    with pytest.raises(Misuse, match="not a warehouse of ours"):
        warehouse.load()
    assert warehouse.path.read_bytes() == before


def test_a_work_file_of_an_older_version_gets_the_columns_that_it_lacks(warehouse):
    """And is published with every column under its own name, in whatever order it has them."""
    warehouse.load()
    with open_work_file(warehouse.layout) as connection:
        connection.execute("ALTER TABLE bookkeeping.publication DROP COLUMN warnings")
        connection.execute("ALTER TABLE devin.sessions DROP COLUMN playbook_id")
    warehouse.world.add()
    warehouse.load(is_full=True)
    assert warehouse.differences() == []


def test_a_failing_check_publishes_nothing(warehouse, monkeypatch):
    """Yesterday's file stays until the checks hold again."""
    warehouse.load()
    target = warehouse.layout.target
    with open_work_file(warehouse.layout) as connection:
        connection.execute("INSERT INTO devin.sessions FROM devin.sessions LIMIT 1")
        connection.execute("UPDATE bookkeeping.publication SET data_version = data_version + 1")
        with pytest.raises(CheckFailed, match="keys_are_unique"):
            publish(connection, warehouse.layout, Run("scope", "v2", "incremental"), Sql.of())
    assert warehouse.layout.target == target
    assert not warehouse.path.with_name("warehouse.2.duckdb").exists()


@pytest.mark.parametrize("ago", ["1 HOUR", "-2 HOUR"])
def test_the_ledger_alone_is_published_once_an_hour(warehouse, ago):
    """Nothing changed: nothing copied, until the ledger's copy is an hour old, or from a future."""
    warehouse.load()
    assert not warehouse.load().is_published
    with open_work_file(warehouse.layout) as connection:
        connection.execute(
            f"UPDATE bookkeeping.publication SET published_at = published_at - INTERVAL '{ago}'"
        )
    assert warehouse.load().is_published


def test_a_full_disk_is_no_defect(warehouse, monkeypatch):
    """Exit 9: the published file stays, the next load publishes."""
    warehouse.load()
    warehouse.world.add()

    def full(*_):
        raise OSError(28, "No space left on device", "somewhere")

    monkeypatch.setattr("devin_warehouse.publish._make_durable", full)
    with pytest.raises(OutOfResources, match="No space left"):
        warehouse.load()
    assert warehouse.rows(COUNT) == [(300,)]
    monkeypatch.undo()
    warehouse.load()
    assert warehouse.rows(COUNT) == [(301,)]
