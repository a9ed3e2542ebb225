"""Several at once: loads of one warehouse, and readers while copies are replaced."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from devin_warehouse.ledger import Run
from devin_warehouse.publish import publish
from devin_warehouse.work_file import open_work_file
from tests.conftest import KEYS, TABLES_ALONE
from tests.served import served
from tests.soak.loads import COMMAND

READERS = 20
PUBLISHES = 30
READ = """
    import duckdb, sys, threading

    path, threads = sys.argv[1], int(sys.argv[2])
    is_over, errors, reads = threading.Event(), [], []

    def read():
        seen = 0
        while not is_over.wait(0.1):
            try:
                with duckdb.connect(path, read_only=True) as warehouse:
                    counts = {
                        warehouse.execute(f"SELECT count(*) FROM devin.{table}").fetchall()[0][0]
                        for table in ("sessions", "insights", "session_tags", "warehouse_info")
                    }
            except Exception as error:
                errors.append(repr(error))
                return
            if len(counts - {1}) != 1 or min(counts - {1}) < seen:
                errors.append(f"{counts} after {seen}")
            seen = max(counts)
            reads.append(seen)

    workers = [threading.Thread(target=read) for _ in range(threads)]
    for worker in workers:
        worker.start()
    print("reading", flush=True)
    sys.stdin.read()
    is_over.set()
    for worker in workers:
        worker.join()
    print(len(reads), len(set(reads)), *errors, sep="\\n")
"""


def test_readers_never_meet_half_a_load(warehouse):
    """Twenty of them open, read and close during thirty publications: no error, no mixture."""
    warehouse.layout.make_folder()
    _add_and_publish(warehouse, 10)
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(READ), str(warehouse.path), str(READERS // 2)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "reading\n"
    for _ in range(PUBLISHES):
        _add_and_publish(warehouse, 1)
    for reader in readers:
        said, _ = reader.communicate("")
        reads, copies, *errors = said.split("\n")
        assert errors == [""]
        assert int(reads) > READERS
        assert int(copies) > PUBLISHES / 3
    assert warehouse.rows("SELECT count(*) FROM devin.sessions") == [(10 + PUBLISHES,)]


def _add_and_publish(warehouse, count):
    with open_work_file(warehouse.layout) as connection:
        for _ in range(count):
            connection.execute("SET VARIABLE id = uuid()::VARCHAR")
            for columns in ("sessions (session_id", "insights (session_id"):
                connection.execute(f"INSERT INTO devin.{columns}) SELECT getvariable('id')")
            connection.execute("INSERT INTO devin.session_tags SELECT getvariable('id'), 0, 'tag'")
        connection.execute("UPDATE bookkeeping.publication SET data_version = data_version + 1")
        run = Run("sandbox v2 all", "v2", "incremental")
        assert publish(connection, warehouse.layout, run, TABLES_ALONE).is_new


@pytest.mark.parametrize(("options", "codes"), [([], [0, 6]), (["--wait", "2m"], [0, 0])])
def test_of_two_loads_one_waits_or_ends(make_warehouse, options, codes):
    """At the same time: exit 6 names the process that loads; with --wait both are done."""
    warehouse = make_warehouse(50)
    with served(warehouse.world) as base_url:
        command = [COMMAND, "load", "--base-url", base_url, "--database", str(warehouse.path)]
        loads = [
            subprocess.Popen(
                [*command, *options],
                env=os.environ | {"DEVIN_API_KEY": KEYS["v2"]},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        said = {load.pid: load.communicate() for load in loads}
    assert sorted(load.returncode for load in loads) == codes
    assert warehouse.differences() == []
    for loser in (load for load in loads if load.returncode):
        (winner,) = said.keys() - {loser.pid}
        assert f"process {winner}" in said[loser.pid][1]
