"""What arrives in pages becomes tables: which pages it came in leaves no trace."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devin_warehouse.api import v2, v3
from devin_warehouse.intake import Intake
from devin_warehouse.layout import Layout
from devin_warehouse.sandbox import World
from devin_warehouse.sandbox.v2 import encoded_record
from devin_warehouse.sandbox.v3 import encoded_item
from devin_warehouse.work_file import open_work_file
from tests.conftest import NOW

WORLD = World(1, 25, now=NOW)
WORLD.add_awkward()
ENCODED = {
    "v2": (v2.RECORD, [encoded_record(session) for session in WORLD.sessions.values()]),
    "v3": (v3.SESSION, [encoded_item(session) for session in WORLD.sessions.values()]),
}
# what the client makes of them
LONE_SURROGATE = re.compile(rb"\\ud[89a-f]..")
COUNT = len(WORLD.sessions)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    layout = Layout.of(tmp_path_factory.mktemp("intake") / "warehouse.duckdb")
    layout.make_folder()
    with open_work_file(layout) as connection:
        yield connection


def read(encoded):
    return json.loads(LONE_SURROGATE.sub(rb"\\ufffd", encoded))


def rows(connection, version, pages):
    """The rows that so many pages of places become, and what was counted."""
    kind, encoded = ENCODED[version]
    intake = Intake(connection)
    intake.observed_at = NOW
    found: dict[str, Counter[str]] = {}

    def pack():
        for table, arrow in intake.package:
            found.setdefault(table.name, Counter()).update(map(repr, arrow.to_pylist()))
        intake.start_package()

    for page, is_sorted_out in pages:
        intake.take(kind, kind.endpoints[0], [read(encoded[place]) for place in page])
        if is_sorted_out and not intake.sort_out():
            pack()
            intake.sort_out()
    assert intake.sort_out()
    pack()
    return found, intake.counts


ORDERS = st.permutations(range(COUNT))
CUTS = st.lists(st.tuples(st.integers(0, COUNT), st.integers(0, 3), st.booleans()), max_size=9)


@settings(deadline=None, max_examples=60)
@given(version=st.sampled_from(["v2", "v3"]), order=ORDERS, cuts=CUTS)
def test_pages_leave_no_trace(work, version, order, cuts):
    """In any order, cut anywhere, neighbours sharing sessions, sorted out whenever it may be."""
    pages, begin = [], 0
    for end, shared, is_sorted_out in [*sorted(cuts), (COUNT, 0, False)]:
        pages.append((order[max(0, begin - shared) : end], is_sorted_out))
        begin = end
    assert rows(work, version, pages) == rows(work, version, [(range(COUNT), True)])
