"""The tables as partitioned Parquet: all of them, typed, swapped at once, only what has changed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from filelock import FileLock

from devin_warehouse import export as exporting
from devin_warehouse.errors import Locked, Misuse, OutOfResources
from devin_warehouse.export import Exported, export
from devin_warehouse.tables import BY_NAME, TABLES
from tests.conftest import HOUR, Warehouse


@pytest.fixture
def loaded(make_warehouse: Callable[..., Warehouse]) -> Warehouse:
    warehouse = make_warehouse(200, version="v3")
    warehouse.world.add_awkward()
    warehouse.load()
    return warehouse


def is_the_warehouse(folder: Path, warehouse: Warehouse) -> bool:
    """Whether the files hold the published tables: columns, types, rows."""
    files = str(folder).replace("'", "''")
    with warehouse.connect() as connection:
        for table in TABLES:
            names = ", ".join(column.name for column in table.columns)
            read = f"SELECT {names} FROM read_parquet('{files}/{table.name}/**/*.parquet')"
            for one, other in (
                (read, f"FROM devin.{table.name}"),
                (f"FROM devin.{table.name}", read),
            ):
                assert connection.execute(f"{one} EXCEPT ALL {other}").fetchall() == [], table.name
            types = [row[1] for row in connection.execute(f"DESCRIBE {read}").fetchall()]
            assert types == [column.type for column in table.columns]
    return True


def inodes(folder: Path) -> dict[str, int]:
    return {
        str(file.relative_to(folder.resolve())): file.stat().st_ino
        for file in folder.resolve().rglob("*.parquet")
    }


@pytest.mark.parametrize("name", ["devin", "a folder's Ünicode %20"])
def test_all_tables_with_their_types(loaded: Warehouse, tmp_path: Path, name):
    """Also those without a row, and whatever the texts hold."""
    folder = tmp_path / name
    exported = export(loaded.layout, folder)
    assert is_the_warehouse(folder, loaded)
    assert exported.written >= 100
    assert exported.carried_over == 0
    assert {path.name for path in (folder / "sessions").iterdir()} == {
        f"created_month={month}"
        for (month,) in loaded.rows(
            "SELECT DISTINCT strftime(created_at, '%Y-%m') FROM devin.sessions"
        )
    }
    assert oct((folder / "sessions").stat().st_mode)[-3:] == "755"
    assert {oct(file.stat().st_mode)[-3:] for file in folder.rglob("*.parquet")} == {"444"}


def test_only_what_has_changed_is_written(loaded: Warehouse, tmp_path: Path):
    """The other partitions are the same files; nothing is done where nothing was published."""
    folder = tmp_path / "devin"
    first = export(loaded.layout, folder)
    before, target = inodes(folder), folder.resolve()
    assert export(loaded.layout, folder) == Exported(is_new=False)
    assert folder.resolve() == target
    oldest = min(loaded.world.sessions.values(), key=lambda session: session.created_at)
    loaded.world.clock.advance(HOUR)
    loaded.world.edit(oldest.session_id, title="another", tags=[])
    loaded.load()
    second = export(loaded.layout, folder)
    assert is_the_warehouse(folder, loaded)
    after, month = inodes(folder), f"created_month={oldest.created_at:%Y-%m}"
    changed = {name for name in after if after[name] != before.get(name)}
    assert {name.partition("/")[0] for name in changed} <= {
        "sessions", "session_tags", "session_versions", "insights", "load_runs", "warehouse_info",
    }  # fmt: skip
    assert all(month in name or name.count("/") == 1 for name in changed)
    assert second.written < 10 < second.carried_over < first.written


def test_a_month_that_is_no_more_goes(loaded: Warehouse, tmp_path: Path):
    folder = tmp_path / "devin"
    with duckdb.connect(str(loaded.layout.work_file)) as work:
        work.execute("UPDATE devin.sessions SET created_at = TIMESTAMP '1999-01-02'")
        work.execute("UPDATE bookkeeping.publication SET published_version = NULL")
    loaded.load()
    export(loaded.layout, folder)
    assert [path.name for path in (folder / "session_tags").iterdir()] == ["created_month=1999-01"]
    loaded.load(is_full=True)
    with duckdb.connect(str(loaded.layout.work_file)) as work:
        work.execute("DELETE FROM devin.session_tags")
        work.execute("UPDATE bookkeeping.publication SET published_version = NULL")
    loaded.load()
    export(loaded.layout, folder)
    assert [path.name for path in (folder / "session_tags").iterdir()] == ["data.parquet"]
    assert is_the_warehouse(folder, loaded)


def test_who_reads_goes_on_reading(loaded: Warehouse, tmp_path: Path):
    """The last export stays until the next but one, and older ones go."""
    folder = tmp_path / "devin"
    export(loaded.layout, folder)
    held = folder.resolve()
    for number in range(2):
        assert (held / "sessions").exists() == (number < 2)
        loaded.world.clock.advance(HOUR)
        loaded.world.change(5, "v3")
        loaded.load()
        export(loaded.layout, folder)
    assert not held.exists()
    assert len(list(tmp_path.glob("devin.*"))) == 2


@pytest.mark.parametrize("step", ["_copy", "_carry_over", "_compared"])
def test_a_crash_leaves_the_last_export(
    loaded: Warehouse, tmp_path: Path, step, monkeypatch: pytest.MonkeyPatch
):
    """Wherever it comes; what it leaves behind goes with the next export."""
    folder = tmp_path / "devin"
    export(loaded.layout, folder)
    before = inodes(folder)
    loaded.world.clock.advance(HOUR)
    loaded.world.change(5, "v3")
    loaded.load()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "somewhere")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(exporting._Writing, step, full)
        with pytest.raises(OutOfResources, match="No space left"):
            export(loaded.layout, folder)
        patch.setattr(exporting._Writing, step, killed)
        patch.setattr("shutil.rmtree", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            export(loaded.layout, folder)
    assert inodes(folder) == before
    export(loaded.layout, folder)
    assert is_the_warehouse(folder, loaded)
    assert len(list(tmp_path.glob("devin.*"))) == 2


def test_interrupted_right_after_the_switch_it_is_there(
    loaded: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder, original = tmp_path / "devin", exporting._switch

    def interrupted(path: Path, target: Path) -> None:
        original(path, target)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(exporting, "_switch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            export(loaded.layout, folder)
    assert is_the_warehouse(folder, loaded)
    assert export(loaded.layout, folder) == Exported(is_new=False)


def test_what_is_not_ours_is_left_alone(loaded: Warehouse, tmp_path: Path):
    file, other, link = tmp_path / "file", tmp_path / "other", tmp_path / "link"
    file.write_text("mine")
    (other / "sessions").mkdir(parents=True)
    link.symlink_to(other)
    archive = tmp_path / "devin.2024"
    archive.mkdir()
    for path in (file, other, link, tmp_path / "nowhere" / "devin"):
        with pytest.raises(Misuse):
            export(loaded.layout, path)
    (tmp_path / "devin").mkdir()
    export(loaded.layout, tmp_path / "devin")
    assert is_the_warehouse(tmp_path / "devin", loaded)
    assert archive.exists()


def test_exports_beside_each_other_do_no_harm(loaded: Warehouse, tmp_path: Path):
    """Nor to copies that somebody keeps under a name like ours."""
    folder, other, archive = (tmp_path / name for name in ("devin", "devin.eu", "devin.2024"))
    for path in (other, folder):
        export(loaded.layout, path)
    shutil.copytree(folder, archive)
    before = inodes(other), inodes(archive)
    for _ in range(2):
        loaded.world.clock.advance(HOUR)
        loaded.world.change(5, "v3")
        loaded.load()
        export(loaded.layout, folder)
    assert (inodes(other), inodes(archive)) == before
    folder.unlink()
    folder.symlink_to(archive.name)
    with pytest.raises(Misuse):
        export(loaded.layout, folder)


@pytest.mark.parametrize("is_new", [False, True])
def test_what_is_lost_of_an_export_is_written_anew(loaded: Warehouse, tmp_path: Path, is_new):
    folder = tmp_path / "devin"
    export(loaded.layout, folder)
    shutil.rmtree(min((folder / "sessions").iterdir()))
    (folder / "users" / "data.parquet").unlink()
    if is_new:
        loaded.world.clock.advance(HOUR)
        loaded.world.change(5, "v3")
        loaded.load()
    export(loaded.layout, folder)
    assert is_the_warehouse(folder, loaded)


def test_what_a_killed_export_left_goes_even_if_nothing_is_new(loaded: Warehouse, tmp_path: Path):
    folder = tmp_path / "devin"
    export(loaded.layout, folder)
    left = exporting._next(folder, folder.resolve())
    assert export(loaded.layout, folder) == Exported(is_new=False)
    assert not left.exists()
    assert is_the_warehouse(folder, loaded)


def test_an_export_without_its_manifest_stays_until_the_next_is_there(
    loaded: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "somewhere")

    folder = tmp_path / "devin"
    export(loaded.layout, folder)
    (folder / exporting.MANIFEST).unlink()
    with monkeypatch.context() as patch:
        patch.setattr(exporting._Writing, "_copy", full)
        with pytest.raises(OutOfResources):
            export(loaded.layout, folder)
    assert is_the_warehouse(folder, loaded)
    assert export(loaded.layout, folder).is_new
    assert is_the_warehouse(folder, loaded)


def test_one_export_at_a_time(loaded: Warehouse, tmp_path: Path):
    with FileLock(tmp_path / ".devin.lock"), pytest.raises(Locked):
        export(loaded.layout, tmp_path / "devin")


def test_an_empty_warehouse(make_warehouse: Callable[..., Warehouse], tmp_path: Path):
    warehouse = make_warehouse(0)
    warehouse.load()
    export(warehouse.layout, tmp_path / "devin")
    assert is_the_warehouse(tmp_path / "devin", warehouse)


def test_the_command(run, sandbox, tmp_path: Path):
    base_url, _ = sandbox
    assert run("export", "devin")[0] == 2
    assert run("load", "--base-url", base_url)[0] == 0
    code, out, _ = run("export", "devin")
    assert (code, "partitions written" in out) == (0, True)
    assert run("export", "devin") == (0, "devin is up to date\n", "")
    assert '"is_new": false' in run("export", "devin", "--log-format", "json")[1]
    assert os.path.lexists(tmp_path / "devin")
    assert BY_NAME.keys() <= {path.name for path in (tmp_path / "devin").iterdir()}
