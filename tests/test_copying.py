"""A copy is made from the last one and what has changed; and written anew where that is safer."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import pytest

from devin_warehouse import publish
from devin_warehouse.errors import Misuse
from devin_warehouse.ledger import Run
from devin_warehouse.sql_files import Sql
from tests.conftest import HOUR

ROWS = "SELECT schema_name || '.' || table_name FROM duckdb_tables() ORDER BY 1"


@pytest.fixture
def written(monkeypatch):
    """How each copy was written."""
    ways = []
    for name in ("write_anew", "bring_up_to_date"):
        write = getattr(publish, name)

        def noted(*arguments, name=name, write=write):
            ways.append(name)
            return write(*arguments)

        monkeypatch.setattr(publish, name, noted)
    return ways


def contents(path):
    with duckdb.connect(str(path), read_only=True) as copy:
        tables = [name for (name,) in copy.execute(ROWS).fetchall()]
        found = {name: copy.execute(f"SELECT * FROM {name}").fetchall() for name in tables}
        comments = copy.execute(
            "SELECT schema_name, table_name, column_name, comment FROM duckdb_columns() "
            "ORDER BY ALL"
        ).fetchall()
    # each copy has its own time
    found.pop("devin.warehouse_info")
    return {name: sorted(map(rounded, rows)) for name, rows in found.items()}, comments


def rounded(row):
    """A sum of floats depends on their order, which DuckDB's threads do not keep."""
    return repr([round(value, 6) if isinstance(value, float) else value for value in row])


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_changes_make_the_same_copy_as_writing_anew(make_warehouse, written, version):
    """Rows, stored views and comments; in the format that 1.2 reads, and for readers only."""
    warehouse = make_warehouse(version=version)
    warehouse.load(sql=Sql.of())
    for _ in range(3):
        warehouse.world.clock.advance(HOUR)
        warehouse.world.change(20, version)
        warehouse.load(sql=Sql.of())
    assert written == ["write_anew", *["bring_up_to_date"] * 3]
    assert warehouse.differences() == []
    assert warehouse.path.read_bytes()[12] == 65
    assert warehouse.path.stat().st_mode & 0o777 == 0o444
    changed = contents(warehouse.path)
    assert contents_anew(warehouse, version) == changed
    assert written[-1] == "write_anew"


def contents_anew(warehouse, version):
    """What a copy holds that is written anew."""
    with duckdb.connect(str(warehouse.layout.work_file)) as work:
        work.execute("UPDATE bookkeeping.publication SET published_at = NULL, written_bytes = NULL")
        work.execute("UPDATE bookkeeping.publication SET data_version = data_version + 1")
        work.execute("SET TimeZone = 'UTC'")
        run = Run("none", version, "incremental")
        assert publish.publish(work, warehouse.layout, run, Sql.of()).is_new
    return contents(warehouse.path)


def test_history_that_grows_by_itself_is_published(make_warehouse, written):
    """A state that was published before its insights came, and these then are what they were."""
    warehouse = make_warehouse(60, version="v3", faults={"bulk_insights": "404"})
    warehouse.load(sql=Sql.of())
    warehouse.faults.failing_insights = 1.0
    warehouse.world.clock.advance(HOUR)
    (moved,) = warehouse.world.touch(1)
    assert warehouse.load(sql=Sql.of()).insights_failed == 1
    warehouse.faults.failing_insights = 0
    warehouse.world.clock.advance(HOUR)
    assert warehouse.load(sql=Sql.of()).counts.changed == 0
    assert written == ["write_anew", "bring_up_to_date", "bring_up_to_date"]
    assert warehouse.differences() == []
    grown = contents(warehouse.path)
    steps = [row for row in grown[0]["prepared.analytics_acu_accrual"] if moved in row]
    assert len(steps) == 2
    assert contents_anew(warehouse, "v3") == grown


FIRST = "SELECT min(session_id) FROM devin.sessions"
NEXT = "SELECT session_id FROM devin.sessions ORDER BY 1 LIMIT 3 OFFSET 1"
LISTING = "SELECT DISTINCT session_id FROM devin.session_pull_requests ORDER BY 1 LIMIT 3"
OTHERWISE = {
    "a name": """
        UPDATE devin.users SET name = 'Ada'
        WHERE user_id = (SELECT min(user_id) FROM devin.sessions)
    """,
    "another name": """
        UPDATE devin.organizations SET name = 'Ledger'
        WHERE org_id = (SELECT min(org_id) FROM devin.sessions)
    """,
    "a deletion": f"INSERT INTO devin.deleted_sessions SELECT ({FIRST}), now()",
    "a family": f"""
        UPDATE devin.sessions SET parent_session_id = ({FIRST}) WHERE session_id IN ({NEXT});
        INSERT INTO bookkeeping.unpublished {NEXT}
    """,
    "a family that ends": f"""
        UPDATE devin.sessions SET parent_session_id = NULL WHERE session_id IN ({NEXT});
        INSERT INTO bookkeeping.unpublished {NEXT}
    """,
    "a shared pull request": f"""
        UPDATE devin.session_pull_requests
        SET pr_url = (SELECT min(pr_url) FROM devin.session_pull_requests)
        WHERE session_id IN ({LISTING});
        INSERT INTO devin.pull_request_states SELECT *, TIMESTAMP '2026-11-01' FROM (
            SELECT session_id, pr_url, pr_state FROM devin.session_pull_requests
            EXCEPT SELECT session_id, pr_url, pr_state FROM devin.pull_request_states
        );
        INSERT INTO bookkeeping.unpublished {LISTING}
    """,
}


@pytest.mark.parametrize("change", OTHERWISE)
def test_what_reaches_other_sessions_makes_the_same_copy_too(make_warehouse, written, change):
    """Names, deletions, families and shared pull requests, each in a copy of the last copy."""
    warehouse = make_warehouse(80, version="v3")
    warehouse.load(sql=Sql.of())
    for earlier in ("a family", change):
        publish_after(warehouse, OTHERWISE[earlier])
    copied = contents(warehouse.path)
    assert contents_anew(warehouse, "v3") == copied
    assert written == ["write_anew", "bring_up_to_date", "bring_up_to_date", "write_anew"]


def publish_after(warehouse, change):
    """Change the work file as a merge would, and publish it."""
    with duckdb.connect(str(warehouse.layout.work_file)) as work:
        work.execute("SET TimeZone = 'UTC'")
        work.execute(change)
        work.execute("UPDATE bookkeeping.publication SET data_version = data_version + 1")
        run = Run("none", "v3", "incremental")
        assert publish.publish(work, warehouse.layout, run, Sql.of()).is_new


def test_a_view_that_fails_where_a_change_reaches_says_so(warehouse):
    """Exit 2 with its file and what was wrong, nothing published; with good SQL it goes on."""
    view = next(view for view in Sql.of().views if view.name == "acu_accrual")
    runs = "(SELECT count(*) FROM devin.load_runs)"
    fails = replace(view, text=f"{view.text} WHERE {runs} < 2 OR error('not twice') IS NULL")
    views = tuple(fails if each.key == view.key else each for each in Sql.of().views)
    warehouse.load(sql=replace(Sql.of(), views=views))
    before = warehouse.path.resolve()
    warehouse.world.clock.advance(HOUR)
    warehouse.world.change(20)
    with pytest.raises(Misuse, match=r"acu_accrual\.sql:\d+: .*not twice"):
        warehouse.load(sql=replace(Sql.of(), views=views))
    assert warehouse.path.resolve() == before
    warehouse.load(sql=Sql.of())
    assert warehouse.differences() == []


def spoil(warehouse, statement):
    published = warehouse.path.resolve()
    published.chmod(0o600)
    with duckdb.connect(str(published)) as copy:
        copy.execute(statement)


@pytest.mark.parametrize(
    "reason", ["somebody wrote to it", "full refresh", "most has changed", "rows behind our back"]
)
def test_a_copy_is_written_anew_where_the_last_one_is_no_base(warehouse, written, reason):
    """What somebody else wrote to the last copy does not reach the next one."""
    warehouse.load()
    count, options = 20, {}
    match reason:
        case "somebody wrote to it":
            spoil(warehouse, "UPDATE devin.sessions SET title = 'mine'")
        case "full refresh":
            options = {"is_full": True}
        case "most has changed":
            count = 300
        case "rows behind our back":
            with duckdb.connect(str(warehouse.layout.work_file)) as work:
                work.execute("INSERT INTO devin.session_tags SELECT 'nobody', 0, 'tag'")
                work.execute("DELETE FROM devin.session_tags WHERE session_id <> 'nobody'")
                work.execute("DELETE FROM devin.session_tags")
    warehouse.world.clock.advance(HOUR)
    warehouse.world.change(count)
    warehouse.load(**options)
    assert written[-1] == "write_anew"
    if reason != "rows behind our back":
        assert warehouse.differences() == []


def test_a_copy_that_has_grown_is_written_anew(warehouse, written, monkeypatch):
    """What is replaced leaves gaps; they do not add up from copy to copy."""
    monkeypatch.setattr(publish, "LARGEST_GROWTH", 1.0)
    warehouse.load()
    sizes = []
    for _ in range(4):
        warehouse.world.clock.advance(HOUR)
        warehouse.world.change(40)
        warehouse.load()
        sizes.append(warehouse.path.stat().st_size)
    assert "write_anew" in written[1:]
    assert max(sizes) < 2 * sizes[0]
