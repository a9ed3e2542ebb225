"""SQL files: what they say of themselves, in which order they go, and a user's own views."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlglot
from sqlglot.errors import ErrorLevel

from devin_warehouse.errors import Misuse
from devin_warehouse.sql_files import Meaning, Sql, SqlFile
from devin_warehouse.views import rehearse

COSTS = """-- One row per organization.
-- Two dollars an ACU.
-- stored: to be quick
-- dollars: What its sessions cost,
--   all of them. [USD = 2 * sum(acus)]
-- org_id: The organization.
select org_id, 2 * sum(acus_consumed) as dollars, count(*) as n
from analytics.sessions -- not team.other
group by org_id;
"""


@pytest.fixture
def folder(tmp_path: Path):
    """Write views into a folder of a user's: name -> text."""

    def write(**views: str) -> Path:
        for name, text in views.items():
            path = tmp_path / "views" / f"{name.replace('__', '/')}.sql"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / "views"

    return write


def test_a_view_says_what_it_is():
    """Line 1 is the grain; a column has a meaning, a unit and a formula, as far as it is told."""
    view = SqlFile("team", "costs", COSTS, "costs.sql")
    assert view.grain == "One row per organization."
    assert view.is_stored
    assert view.meanings == {
        "dollars": Meaning("What its sessions cost, all of them.", "USD", "2 * sum(acus)"),
        "org_id": Meaning("The organization."),
    }


def test_views_are_created_after_those_that_they_read(folder):
    """Whatever their names; what a comment mentions is not read."""
    views = Sql.of(
        folder(
            a__first='-- x\nselect * from "b"."second" -- z.third',
            b__second="-- x\nselect * from Z.Third",
            z__third="-- x\nselect 1 as one -- a.first",
        )
    ).views
    mine = [view.key for view in views if view.schema in ("a", "b", "z")]
    assert mine == [("z", "third"), ("b", "second"), ("a", "first")]
    rehearse(views)


@pytest.mark.parametrize(
    ("views", "said"),
    [
        ({"team__a": "select * from team.b", "team__b": "select * from team.a"}, "read each other"),
        ({"devin__a": "select 1 as x"}, "schema devin is taken"),
        ({"Analytics__a": "select 1 as x"}, "schema Analytics is taken"),
        ({"prepared__a": "select 1 as x"}, "schema prepared is taken"),
        ({'te"am__a': "select 1 as x"}, "is no name"),
        ({"team__a.b": "select 1 as x"}, "is no name"),
        ({"team__a": "select 1; drop schema devin cascade"}, "one select, and nothing else"),
        ({"team__a": "drop schema devin cascade"}, "one select, and nothing else"),
        ({"team__a": "-- nothing"}, "one select, and nothing else"),
        ({"team__a": "select 1 as x\nfrm devin.sessions\n"}, "team/a.sql:2: Parser Error"),
        (
            {"team__a": "-- x\nselect\n  nonsense\nfrom devin.sessions"},
            "team/a.sql:3: Binder Error",
        ),
        ({"team__a": "-- x\nselect *\nfrom devin.session"}, "team/a.sql:3: Catalog Error"),
    ],
)
def test_a_view_that_cannot_be_is_refused_before_anything_is_read(folder, views, said):
    """With its file and line, where there is one."""
    with pytest.raises(Misuse, match=said):
        rehearse(Sql.of(folder(**views)).views)


def test_a_folder_without_views_is_refused(tmp_path):
    """It is likely to be another than was meant."""
    with pytest.raises(Misuse, match="holds no view"):
        Sql.of(tmp_path)
    with pytest.raises(Misuse, match="no such folder"):
        Sql.of(tmp_path / "nowhere")
    (tmp_path / "team").mkdir()
    (tmp_path / "lost.sql").write_text("select 1 as x")
    with pytest.raises(Misuse, match=r"lost\.sql is in no folder"):
        Sql.of(tmp_path)
    (tmp_path / "lost.sql").unlink()
    (tmp_path / "team" / "a.sql").write_bytes(b"select '\xff' as x")
    with pytest.raises(Misuse, match="--views"):
        Sql.of(tmp_path)


@pytest.mark.parametrize("dialect", ["postgres", "spark"])
def test_our_sql_is_portable(dialect):
    """It has a translation, without anything that the other engine would not understand."""
    sql = Sql.of()
    for file in (*sql.views, *sql.checks):
        options = {"read": "duckdb", "write": dialect, "unsupported_level": ErrorLevel.RAISE}
        assert len(sqlglot.transpile(file.text, **options)) == 1, file.source
        assert "GROUP BY ALL" not in file.text.upper(), file.source


def test_views_are_published_with_the_data_and_go_with_the_option(warehouse, folder):
    """Changed SQL is published though no row has changed; a load without `--views` has none."""
    mine = folder(team__costs=COSTS, team__big="-- x\nselect * from team.costs where dollars > 1")
    warehouse.load(sql=Sql.of(mine))
    assert len(warehouse.rows("FROM team.big")) > 1
    described = (
        "SELECT column_name, unit FROM analytics.metric_dictionary WHERE view_name = 'team.costs'"
    )
    assert warehouse.rows(described) == [("org_id", None), ("dollars", "USD"), ("n", None)]
    assert not warehouse.load(sql=Sql.of(mine)).is_published
    folder(team__big="-- x\nselect 42 as answer")
    assert warehouse.load(sql=Sql.of(mine)).is_published
    assert warehouse.rows("FROM team.big") == [(42,)]
    warehouse.load(sql=Sql.of())
    assert warehouse.rows("FROM duckdb_views() WHERE schema_name = 'team'") == []


def test_a_view_that_fails_on_the_data_publishes_nothing(warehouse, folder):
    """The message names file and line, the ledger says so, and yesterday's file stays."""
    warehouse.load(sql=Sql.of())
    target = warehouse.layout.target
    bad = folder(
        team__bad="-- One row per session.\n-- stored: x\nselect cast(status as int) as x\n"
        "from devin.sessions"
    )
    with pytest.raises(Misuse, match=r"team/bad\.sql:\d: Conversion Error.*nothing was published"):
        warehouse.load(sql=Sql.of(bad))
    assert warehouse.layout.target == target
    warehouse.load(sql=Sql.of())
    outcomes = "SELECT outcome, exit_code FROM devin.load_runs ORDER BY started_at"
    warehouse.world.add()
    warehouse.load(sql=Sql.of())
    assert ("failed", 2) in warehouse.rows(outcomes)


def test_each_column_of_a_view_is_computed_before_it_is_published(warehouse, folder):
    """In a copy made from the last one too, when a row comes that one column fails on."""
    told = "case when status = 'hibernating' then error('a bear') else status end as told"
    views = Sql.of(folder(team__told=f"-- x\nselect session_id, {told}\nfrom analytics.sessions"))
    assert warehouse.load(sql=views).is_published
    target = warehouse.layout.target
    warehouse.world.add(status="hibernating")
    with pytest.raises(Misuse, match=r"team/told\.sql:\d: .*a bear"):
        warehouse.load(sql=views)
    assert warehouse.layout.target == target
    assert len(warehouse.rows("FROM team.told")) == 300


def test_a_schema_named_like_the_database_is_refused(make_warehouse, folder):
    """`team.costs` would be ambiguous for every reader of team.duckdb."""
    warehouse = make_warehouse(name="team.duckdb")
    with pytest.raises(Misuse, match="ambiguous"):
        warehouse.load(sql=Sql.of(folder(team__a="select 1 as x")))


def test_what_is_renewed_by_a_column_depends_on_nothing_that_is_not():
    """It reads tables, views that are not stored, and others of its kind."""
    views = {view.key: view for view in Sql.of().views}
    renewed = [view for view in views.values() if view.stored_by]
    assert len(renewed) >= 6
    for view in renewed:
        for read in sources(view, views):
            assert read.stored_by or not read.is_stored, f"{view.name} reads {read.name}"


def sources(view, views):
    """All views that a view reads, also by way of others."""
    for key in view.references(views):
        yield views[key]
        yield from sources(views[key], views)
