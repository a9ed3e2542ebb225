"""An API and a disk that fail: the result is exact, or the run says why not and loses nothing."""

from __future__ import annotations

import resource

import pytest

from devin_warehouse import packages, publish
from devin_warehouse.errors import OutOfResources, Unavailable
from devin_warehouse.load import load
from tests.conftest import HOUR
from tests.test_safety import in_work_file

ALL_SORTS = [
    ("v2", {}),
    ("v2", {"retry_after": "seconds", "total": "null"}),
    ("v2", {"retry_after": "date", "page_cap": 40}),
    ("v3", {}),
    ("v3", {"retry_after": "seconds", "cursor": "offset"}),
    ("v3", {"retry_after": "date", "bulk_insights": "404"}),
]


@pytest.mark.parametrize(("version", "faults"), ALL_SORTS)
def test_a_fifth_of_all_requests_may_fail(make_warehouse, version, faults):
    """429 with and without Retry-After, 5xx, resets, truncated bodies and HTML, all in a mix."""
    faults = {"error_rate": 0.2, "page_cap": 20, **faults}
    warehouse = make_warehouse(200, version=version, faults=faults)
    warehouse.load()
    warehouse.world.clock.advance(HOUR)
    warehouse.world.change(60, version)
    warehouse.load(is_full=True)
    assert warehouse.differences() == []
    assert warehouse.rows("SELECT sum(retries) > 0 FROM devin.load_runs") == [(True,)]


@pytest.mark.parametrize(
    ("version", "failure"),
    [("v2", "500"), ("v2", "reset"), ("v3", "429"), ("v3", "truncated"), ("v3", "html")],
)
def test_an_api_that_goes_down_ends_the_run_and_the_next_goes_on(
    make_warehouse, monkeypatch, version, failure
):
    """Exit 4 after a few hundred requests; what was committed is not read again."""
    monkeypatch.setattr(packages, "PACKAGE_SESSIONS", 300)
    warehouse = make_warehouse(1_500, version=version, faults={"page_cap": 20})
    begun = 0

    def go_down(progress):
        nonlocal begun
        if progress.counts.read and not begun:
            warehouse.faults.update({"error_rate": 1.0, "failures": [failure]})
            begun = warehouse.requests

    with pytest.raises(Unavailable) as down:
        load(warehouse.order(), go_down)
    assert down.value.exit_code == 4
    assert warehouse.requests - begun <= 250
    assert not warehouse.path.exists()
    committed = in_work_file(warehouse, "SELECT count(*) FROM devin.sessions")[0][0]
    assert committed > 0
    warehouse.faults.update({"error_rate": 0.0})
    summary = warehouse.load()
    assert summary.counts.new == 1_500 - committed
    assert warehouse.differences() == []


@pytest.mark.parametrize("place", ["publish._write", "Packages._commit_package"])
def test_a_disk_that_fills_up_while_it_is_written(warehouse, monkeypatch, place):
    """Exit 9 in one sentence; what was published stays, and with room again all is there.

    The system's limit on the size of files stands for the disk; `make soak` fills a real one.
    """
    warehouse.load()
    target = warehouse.layout.target
    warehouse.world.clock.advance(HOUR)
    warehouse.world.change(200)
    module, _, name = place.rpartition(".")
    owner = publish if module == "publish" else packages.Packages
    write = getattr(owner, name)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)

    def write_into_the_end(*arguments):
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, most))
        try:
            return write(*arguments)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    monkeypatch.setattr(owner, name, write_into_the_end)
    with pytest.raises(OutOfResources, match="Nothing that was committed or published is lost"):
        warehouse.load()
    assert warehouse.layout.target == target
    assert warehouse.rows("SELECT count(*) FROM devin.load_runs") == [(1,)]
    monkeypatch.undo()
    warehouse.load()
    assert warehouse.differences() == []
