"""Any history of the API and of its loads, crashes included, ends in the truth after a quiet load.

A history is a list of steps: sessions change, come, go, cannot be read and can again; the API takes
on ways of its own; loads of every mode run, and some are killed, or fail, at any line of the code
that keeps state. `python -m tests.test_any_history 500` tries 500 others, each time.
"""

from __future__ import annotations

import gc
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from devin_warehouse import intake, merge, packages, walk
from devin_warehouse.api.listing import Filters
from devin_warehouse.errors import OutOfResources, Refused, WarehouseError
from devin_warehouse.sandbox import Faults, World
from devin_warehouse.sandbox.awkward import WRONG_VALUES, WRONG_VALUES_V3
from devin_warehouse.sandbox.changes import ApiVersion
from devin_warehouse.summary import Summary
from tests.conftest import HOUR, NOW, Warehouse

EXAMPLES = 2
DAY = 24 * HOUR
# a re-check is due after a 12th of the age up to which sessions are asked for again, at the latest
YOUNG, LATE = 35 * DAY, 3 * DAY
# where a load may be interrupted: a module, and about how many of its lines a load executes
PLACES = {
    "load": 300, "packages": 250, "merge": 320, "publish": 880, "ledger": 330, "bookkeeping": 90,
    "history": 3, "work_file": 900, "intake": 700, "status": 50, "dlt.pipeline.pipeline": 1_100,
}  # fmt: skip
SWITCHES = [
    "order=updated_asc", "order=updated_desc", "churn=2", "total=null", "total=late churn=1",
    "total=lagging churn=1", "total=capped:9", "bounds=()", "bounds=(]", "page_cap=4", "page_cap=9",
    "cursor=offset", "token_fault=repeated", "token_fault=null", "ignore_updated_filter=true",
    "ignore_updated_filter_insights=true", "ignore_session_ids=true", "session_ids_form=prefixed",
    "session_ids_limit=3", "visible_share=0.6", "bulk_insights=404", "bulk_insights=no_items",
    'refused=["session_insights"]', 'refused=["insights","session_insights"]',
    "failing_insights=0.3", "error_rate=0.2", 'error_rate=0.6 failures=["500","reset"]',
    'error_rate=0.9 failures=["429","truncated"]',
]  # fmt: skip
TABLES = "SELECT schema_name || '.' || table_name FROM duckdb_tables() ORDER BY 1"
STATES = """
SELECT version_key, NULL, NULL FROM devin.session_versions
UNION ALL SELECT session_id, pr_url, pr_state FROM devin.pull_request_states
"""
NOT_IN_HISTORY = """
SELECT s.session_id FROM devin.sessions AS s LEFT JOIN devin.insights AS i USING (session_id)
WHERE (s.session_id, s.updated_at, s.status, s.acus_consumed, i.analysis_hash) NOT IN (
    SELECT (session_id, updated_at, status, acus_consumed, analysis_hash)
    FROM devin.session_versions
)
UNION ALL (
    SELECT concat_ws(' ', session_id, pr_url, pr_state) FROM devin.session_pull_requests
    EXCEPT SELECT concat_ws(' ', session_id, pr_url, pr_state) FROM devin.pull_request_states
)
"""
LEDGER = "SELECT list(DISTINCT outcome), max(watermark_after) FROM devin.load_runs"


class Killed(BaseException):
    """The process is no more; what unwinds from here happens to files that nobody looks at."""


@contextmanager
def interrupted(kill: Callable[[], None], place: str, lines: int, is_kill: bool) -> Iterator[None]:
    """After so many lines of a module the process is killed, or the disk full."""
    file = import_module(place if "." in place else f"devin_warehouse.{place}").__file__
    left = lines

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename != file:
            return None
        left -= event == "line"
        if left > 0:
            return trace
        sys.settrace(before)
        if is_kill:
            kill()
        raise OSError(28, "No space left on device", "somewhere")

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


class History:
    """A world, its warehouse, and what is known of changes that no incremental load sees."""

    def __init__(self, folder: Path, seed: int, version: ApiVersion, tick: float) -> None:
        self.folder, self.lives, self.version = folder, 0, version
        self.world = World(seed, 20 + seed, now=NOW, tick=tick)
        self.clock = self.world.clock
        self.org_id = next(iter(self.world.sessions.values())).org_id
        (folder / "0").mkdir()
        self.warehouse = Warehouse(folder / "0" / "warehouse.duckdb", self.world, version=version)
        self.gone: set[str] = set()
        self.hidden: set[str] = set()
        self.silent: dict[str, bool] = {}
        self.published: tuple[str | None, Any] = (None, None)
        self.states: set[tuple[Any, ...]] = set()

    def change(self, count: int) -> None:
        self.world.change(count, self.version)

    def change_silently(self, count: int, unsettled: bool) -> None:
        for sid, _ in self.world.change_silently(count, unsettled=unsettled, version=self.version):
            self.silent[sid] = self.silent.get(sid, True) and unsettled

    def wait(self, minutes: int, is_idle: bool) -> None:
        (self.clock.advance if is_idle else self.world.advance)(timedelta(minutes=minutes))

    def delete(self, count: int) -> None:
        self.gone.update(self.world.delete_some(count))

    def malform(self, count: int) -> None:
        self.world.add_malformed(count, self.version)

    def malform_again(self, kind: int) -> None:
        """A session that may have been healed, and read, tells something wrong once more."""
        wrong = [s for s in self.world.sessions.values() if "malformed" in s.tags]
        for session in wrong[-1:]:
            self.world.edit(session.session_id)
            session.wrong = WRONG_VALUES[kind] if self.version == "v2" else None
            session.wrong_v3 = WRONG_VALUES_V3[kind] if self.version == "v3" else None

    def heal(self, is_silent: bool) -> None:
        self.world.heal(moves_updated_at=not is_silent)

    def switch(self, faults: list[str]) -> None:
        """The API's ways from now on; none: it is kind."""
        self.warehouse.faults.update(asdict(Faults.parsed(" ".join(faults).split())))

    def upgrade(self) -> None:
        """From here on with a key for v3, whose records are other ones."""
        self.version = self.warehouse.version = "v3"

    def load(self, mode: str, interruption: Any = None) -> Summary | None:
        """A load that may be interrupted, or fail if it is disturbed."""
        faults, summary = self.warehouse.faults, None
        self.hidden |= {sid for sid in self.world.sessions if not faults.shows(sid)}
        try:
            with interrupted(self._kill, *interruption) if interruption else nullcontext():
                summary = self.warehouse.load(**MODES[mode](self))
        except Killed:
            self.warehouse.path = self.folder / f"{self.lives}" / "warehouse.duckdb"
            shutil.rmtree(self.folder / f"{self.lives - 1}")
        except (OSError, OutOfResources):
            if not interruption:
                raise
        except WarehouseError as error:
            is_disturbed = faults != Faults() or isinstance(error, Refused)
            if error.exit_code not in (3, 4, 5, 10) or not is_disturbed:
                raise
        self._look(is_new=bool(interruption or (summary and summary.is_published)))
        return summary

    def _kill(self) -> None:
        """Whatever is on disk at this instant is all that remains."""
        self.lives += 1
        before, after = (self.folder / f"{life}" for life in (self.lives - 1, self.lives))
        shutil.copytree(before, after, symlinks=True)
        raise Killed

    def _look(self, *, is_new: bool) -> None:
        """What is published can be read, is one load's, and has forgotten no state."""
        target = self.warehouse.layout.target
        if target is None:
            assert self.published[0] is None
            return
        with self.warehouse.connect() as reader:
            tables = reader.execute(TABLES).fetchall()
            states = reader.execute(STATES).fetchall()
            sizes = [reader.execute(f"SELECT count(*) FROM {t}").fetchall() for (t,) in tables]
        assert is_new or target == self.published[0]
        assert target != self.published[0] or sizes == self.published[1]
        assert len(states) == len(set(states))
        assert self.states <= set(states)
        self.published, self.states = (target, sizes), set(states)

    def end(self, mode: str, is_late: bool) -> None:
        """All faults off, and ONE quiet load: then the tables are the truth."""
        self.switch([])
        self.heal(is_silent=not is_late)
        self.clock.advance(LATE if is_late else 0)
        summary = self.load(mode)
        assert summary
        stored, deleted, rejected = (
            {row[0] for row in self.warehouse.rows(f"SELECT session_id FROM devin.{name}")}
            for name in ("sessions", "deleted_sessions", "rejected_records")
        )
        # what never could be read stays in the list when its session is deleted
        assert rejected <= self.gone
        assert summary.exit_code == (8 if rejected - deleted else 0)
        unseen = self._unseen(is_late) if mode == "incremental" else set()
        assert self.warehouse.differences(unseen | self.gone) == []
        assert deleted <= self.gone | (self.hidden & unseen)
        assert mode == "incremental" or (stored | rejected) & self.gone <= deleted
        assert self.warehouse.rows(NOT_IN_HISTORY) == []
        with duckdb.connect(str(self.warehouse.layout.work_file), read_only=True) as work:
            outcomes, watermark = work.execute(LEDGER).fetchall()[0]
        assert "running" not in outcomes
        assert watermark <= self.clock.now().replace(tzinfo=None)

    def _unseen(self, is_late: bool) -> set[str]:
        """Sessions that an incremental load need not have seen as they are."""
        silent = set(self.silent)
        if is_late:
            sessions = [self.world.sessions[sid] for sid in silent - self.gone]
            young = {s.session_id for s in sessions if self.clock.now() - s.created_at < YOUNG}
            silent -= {sid for sid in young if self.silent[sid]}
        return self.hidden | silent


MODES: dict[str, Callable[[History], dict[str, Any]]] = {
    "incremental": lambda _: {},
    "full, confirmed": lambda _: {"is_full": True, "is_confirmed": True},
    "full": lambda _: {"is_full": True},
    "soon again": lambda _: {"overlap": HOUR / 12, "recheck_requests": 2},
    "no re-check": lambda _: {"recheck_requests": 0},
    "backfill": lambda h: {"since": h.clock.now() - 60 * DAY, "until": h.clock.now() - HOUR},
    "by id": lambda h: {"filters": Filters(session_ids=tuple(h.world.sessions)[:9])},
    "lately begun": lambda h: {"filters": Filters(created_since=h.clock.now() - 9 * DAY)},
    "an organization": lambda h: {"filters": Filters(org_ids=(h.org_id,))},
    "no insights": lambda h: {"with_insights": h.version == "v2"},
}


def step(what: str, **how: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, Any]]:
    """A method of History, and what it is called with."""
    return st.tuples(st.just(what), st.fixed_dictionaries(how))


INTERRUPTIONS = st.sampled_from(list(PLACES)).flatmap(
    lambda place: st.tuples(st.just(place), st.integers(1, PLACES[place]), st.booleans())
)
SPANS = st.sampled_from([1, 20, 90, 24 * 60, 9 * 24 * 60])
CHANGES = st.one_of(
    step("change", count=st.integers(1, 25)),
    step("wait", minutes=SPANS, is_idle=st.booleans()),
    step("change_silently", count=st.integers(1, 6), unsettled=st.booleans()),
    step("delete", count=st.integers(1, 3)),
    step("malform", count=st.integers(1, 6)),
    step("malform_again", kind=st.integers(0, 3)),
    step("heal", is_silent=st.booleans()),
    step("switch", faults=st.lists(st.sampled_from(SWITCHES), max_size=2, unique=True)),
    step("upgrade"),
)
LOADS = step("load", mode=st.sampled_from(list(MODES)), interruption=st.none() | INTERRUPTIONS)
HISTORIES: dict[str, st.SearchStrategy[Any]] = {
    "version": st.sampled_from(["v2", "v3"]),
    # seed, seconds that pass with a request, whether dlt is left out
    "start": st.tuples(st.integers(0, 40), st.sampled_from([0, 0.2, 5]), st.booleans()),
    "chapters": st.lists(st.tuples(st.lists(CHANGES, max_size=4), LOADS), min_size=1, max_size=6),
    "end": st.tuples(st.sampled_from(["incremental", "full, confirmed"]), st.booleans()),
}


def land_directly(merger: Any, package: merge.Package) -> None:
    """What Merger.land does, without dlt, which takes most of a small load's time."""
    merger._connection.execute("CREATE SCHEMA IF NOT EXISTS landing")
    for name, rows in ((table.name, rows) for table, rows in package if rows.num_rows):
        merger._connection.from_arrow(rows).create(f"landing.{name}")


def happen(version: ApiVersion, start: Any, chapters: Any, end: Any) -> None:
    """Let it happen in a folder of its own, with packages and windows of a few sessions."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(packages, "PACKAGE_SESSIONS", 10)
        patch.setattr(intake, "BATCH_SESSIONS", 5)
        for walker in (walk.SkipWalker, walk.TokenWalker):
            patch.setattr(walker, "largest", 16)
            patch.setattr(walker, "aimed_at", 12)
        seed, tick, is_direct = start
        if is_direct:
            patch.setattr(merge.Merger, "land", land_directly)
        history = History(Path(folder), seed, version, tick)
        for changes, load in chapters:
            for what, how in (*changes, load):
                getattr(history, what)(**how)
        history.end(*end)


def tried(examples: int, version: st.SearchStrategy[str], **options: Any) -> None:
    """Try so many histories; raises what the first one that does not end well raises."""
    options |= {"deadline": None, "database": None, "report_multiple_bugs": False}
    limits = settings(max_examples=examples, suppress_health_check=list(HealthCheck), **options)
    limits(given(**HISTORIES | {"version": version})(happen))()


# a killed dlt leaves contexts and files to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("version", ["v2", "v3"])
def test_any_history_ends_in_the_truth(version):
    """A full refresh in the end brings all of it.

    An incremental load does but for what the API tells to no such load: what changed without its
    `updated_at` moving where no re-check is due, and what was hidden when its time was read.
    """
    tried(EXAMPLES, st.just(version), derandomize=True)
    gc.collect()


if __name__ == "__main__":
    tried(int(sys.argv[1]), HISTORIES["version"], phases=[Phase.generate])
    sys.stdout.write(f"{sys.argv[1]} histories, each ended in the truth\n")
