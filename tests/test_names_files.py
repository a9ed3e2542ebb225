"""Names from CSV files: what they may look like, and that they go before the API."""

from __future__ import annotations

from pathlib import Path

import pytest

from devin_warehouse import cli, options
from devin_warehouse.directories import ORGANIZATIONS, USERS, read_file
from devin_warehouse.sql_files import Sql
from tests.conftest import KEYS
from tests.test_names import NAMED, listed


def test_a_file_goes_before_the_api(warehouse_v3):
    """For the ids that it names, and as far as it says something; without it the API counts."""
    warehouse_v3.load()
    (one, *_, email), (two, name, _), *_ = (row for row in warehouse_v3.rows(NAMED) if all(row))
    own = {one: {"name": "Grace"}, two: {"email": "own@x"}, "new": {"name": "New"}}
    for is_full in (False, True, False):
        warehouse_v3.load(names={"users": own}, is_full=is_full)
        rows = warehouse_v3.rows(NAMED)
        assert {(one, "Grace", email), (two, name, "own@x"), ("new", "New", None)} <= set(rows)
        assert len(rows) == len(listed(warehouse_v3)[0]) + 1
    warehouse_v3.load(is_full=True)
    assert warehouse_v3.rows(NAMED) == sorted([*listed(warehouse_v3)[0], ("new", "New", None)])


def test_files_are_all_that_v2_has(warehouse):
    """They are read at each load; a file that did not change publishes nothing."""
    sessions = warehouse.world.sessions.values()
    own = {"organizations": {s.org_id: {"name": "Acme"} for s in sessions}}
    warehouse.load(names=own, sql=Sql.of())
    assert warehouse.rows("SELECT DISTINCT org_name FROM analytics.sessions") == [("Acme",)]
    assert not warehouse.load(names=own, sql=Sql.of()).is_published
    own["organizations"][next(iter(sessions)).org_id] = {"name": "Other"}
    assert warehouse.load(names=own, sql=Sql.of()).is_published
    names = warehouse.rows("SELECT DISTINCT org_name FROM analytics.sessions ORDER BY 1")
    assert names == [("Acme",), ("Other",)]


ROWS = {"a|1": {"name": "Ada", "email": "a@x"}, "b": {"name": "Bo; B, \0"}, "c": {}}


@pytest.mark.parametrize(
    "text",
    [
        'user_id,name,email\na|1,Ada,a@x\nb,"Bo; B, \0",\nc,,\n',
        '\ufeffuser_id;name;email\r\na|1;Ada;a@x\r\nb;"Bo; B, \0"\r\n\r\nc\r\n;;\r\n',
        'Email, User_ID ,role,Name\na@x, a|1 ,admin, Ada \n,b,,"Bo; B, \0"\n,c,"two\nlines",\n',
        '"name";"email";"user_id"\nOld;o@x;a|1\nAda;a@x;a|1\n"Bo; B, \0";;b\n;;c',
    ],
)
def test_a_file_may_be_written_in_many_ways(tmp_path, text):
    """Delimiter, order, blanks, empty lines, other columns; of an id the last row counts."""
    path = tmp_path / "users.csv"
    path.write_bytes(text.encode())
    assert read_file(path, USERS) == ROWS


def test_a_name_may_be_long(tmp_path):
    """Longer than Python's csv takes by itself."""
    path = tmp_path / "organizations.csv"
    path.write_text(f"org_id,name\norg-1,{'x' * 300_000}\n")
    assert read_file(path, ORGANIZATIONS) == {"org-1": {"name": "x" * 300_000}}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file"),
        (b"", "no column name and no user_id"),
        (b"user_id,mail\na,b\n", "no column name: its first line"),
        (b"a|1,Ada\n", "no column name and no user_id"),
        (b"user_id;name\na;A\n;B\n", "line 3: no user_id"),
        (b"user_id,name\n\xff,B\n", "cannot be read: not UTF-8"),
        ("user_id,name\n".encode("utf-16"), "cannot be read: not UTF-8"),
        (b"user_id,name\na," + b"x" * 2**21, "cannot be read as CSV"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path, monkeypatch, capsys, content, said):
    """Exit 2, with its name and what is missing, before anything is touched or asked."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("DEVIN_API_KEY", KEYS["v2"])
    path = tmp_path / "users.csv"
    if content is not None:
        path.write_bytes(content)
    nobody = ["--base-url", "http://127.0.0.1:9"]
    monkeypatch.setattr("sys.argv", ["devin-warehouse", "load", *nobody, "--users-csv", str(path)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    complaint = capsys.readouterr().err
    assert (ended.value.code, str(path) in complaint, said in complaint) == (2, True, True)
    assert list(Path().iterdir()) == []


def test_the_options_name_files(tmp_path):
    """Each table's own; without them there are none."""
    path = tmp_path / "names.csv"
    path.write_text("org_id,name,user_id\no,N,u\n")
    assert options.names_of(None, None) == {}
    assert options.names_of(path, path) == {
        "organizations": {"o": {"name": "N"}},
        "users": {"u": {"name": "N"}},
    }
