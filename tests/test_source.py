"""`devin_source` in a dlt pipeline of somebody else's: twice is once, and lists shrink."""

from __future__ import annotations

import json
from functools import partial

import dlt
import duckdb
import pytest

from devin_warehouse import devin_source
from devin_warehouse.sandbox import Faults, World
from devin_warehouse.sandbox.v2 import record
from devin_warehouse.sandbox.v3 import encoded_insights, encoded_item
from tests.conftest import HOUR, NOW
from tests.served import served
from tests.truth import compared, differences
from tests.truth_v3 import expected_v3


@pytest.fixture
def pipeline(tmp_path, monkeypatch):
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    return dlt.pipeline(
        "theirs",
        pipelines_dir=str(tmp_path / "dlt"),
        destination=dlt.destinations.duckdb(str(tmp_path / "raw.duckdb")),
        dataset_name="devin",
    )


def test_a_pipeline_of_their_own(pipeline, tmp_path, monkeypatch):
    """Full, incremental and unchanged, with dlt's own configuration; equal, value by value."""
    world, faults = World(2, 700, now=NOW), Faults()
    world.add_awkward()
    with served(world, faults) as base_url:
        monkeypatch.setenv("SOURCES__DEVIN__API_KEY", "apk_user_dlt")
        monkeypatch.setenv("SOURCES__DEVIN__BASE_URL", base_url)
        for changes in (0, 120, 0):
            world.clock.advance(HOUR * 3)
            world.change(changes)
            pipeline.run(devin_source())
            with duckdb.connect(str(tmp_path / "raw.duckdb"), read_only=True) as connection:
                records = [record(session) for session in world.sessions.values()]
                assert differences(connection, records) == []


@pytest.mark.parametrize("bulk", ["ok", "404"])
def test_the_same_over_v3(pipeline, tmp_path, monkeypatch, bulk):
    """A v3 key is all that differs: sessions and insights, with the bulk list or without."""
    world, faults = World(2, 400, now=NOW), Faults(bulk_insights=bulk, newer_fields=True)
    world.add_awkward()
    with served(world, faults) as base_url:
        monkeypatch.setenv("SOURCES__DEVIN__API_KEY", "cog_dlt")
        monkeypatch.setenv("SOURCES__DEVIN__BASE_URL", base_url)
        for changes in (0, 100, 0):
            world.clock.advance(HOUR * 3)
            world.change(changes, "v3")
            pipeline.run(devin_source())
            with duckdb.connect(str(tmp_path / "raw.duckdb"), read_only=True) as connection:
                sessions = world.sessions.values()
                truth = expected_v3(
                    [json.loads(encoded_item(s, faults)) for s in sessions],
                    [json.loads(encoded_insights(s, faults)) for s in sessions],
                )
                assert compared(connection, truth) == []


def test_a_range_leaves_the_watermark_alone(pipeline, tmp_path):
    """`since` and `until` read that range; the next run reads everything all the same."""
    world = World(2, 300, now=NOW)
    with served(world) as base_url:
        source = partial(devin_source, "apk_user_dlt", base_url)
        pipeline.run(source(since="2026-09-01", until="2026-10-01"))
        with duckdb.connect(str(tmp_path / "raw.duckdb"), read_only=True) as connection:
            some = connection.execute("SELECT count(*) FROM devin.sessions").fetchall()[0][0]
        assert 0 < some < 300
        pipeline.run(source())
    with duckdb.connect(str(tmp_path / "raw.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM devin.sessions").fetchall() == [(300,)]
