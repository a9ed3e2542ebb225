"""The sandbox's world: lifelike, deterministic, and as awkward as the API may be."""

import re
from collections import Counter
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from statistics import mean

import pytest

from devin_warehouse.sandbox import World
from devin_warehouse.sandbox.changes import KINDS, SILENT_CHANGES, V3_KINDS, list_of
from devin_warehouse.sandbox.clock import Clock, to_timedelta
from devin_warehouse.sandbox.v2 import record
from devin_warehouse.sandbox.v3 import insights

NOW = datetime(2026, 11, 2, 9, 30, 0, 250_000, tzinfo=UTC)


@pytest.fixture
def world():
    return World(1, 150, now=NOW)


def test_the_same_seed_gives_the_same_world_and_the_same_deeds():
    def live():
        world = World(5, 120, now=NOW)
        deeds = [
            world.advance("2d"),
            world.change(60),
            world.touch(9),
            world.same_instant(3),
            world.add_awkward(),
            world.add_malformed(4),
            world.add_malformed(4, "v3"),
            world.heal(),
            world.change(60, "v3"),
            world.change_silently(20),
            world.delete_some(5),
            world.delete_organization(next(iter(world.sessions.values())).org_id),
        ]
        return world.sessions, deeds, world.clock.now()

    assert live() == live()
    assert World(5, 10, now=NOW).sessions.keys() != World(6, 10, now=NOW).sessions.keys()


def test_the_invented_sessions_are_lifelike():
    sessions = list(World(3, 3000, now=NOW).sessions.values())
    assert all(re.fullmatch("[0-9a-f]{32}", s.session_id) for s in sessions)
    assert all(s.created_at < s.updated_at < NOW for s in sessions)
    assert min(s.created_at for s in sessions) >= NOW - timedelta(days=180)
    assert {s.status for s in sessions} >= {"running", "exit", "error", "suspended"}
    assert {type(s.acus_consumed) for s in sessions} == {int, float}
    assert 0 in {s.acus_consumed for s in sessions}
    assert any(s.updated_at.microsecond for s in sessions)
    assert any("|" in (s.user_id or "") for s in sessions)
    assert {p.state for s in sessions for p in s.pull_requests} == {
        "open", "merged", "closed", None,
    }  # fmt: skip
    hosts = {p.url.split("/")[2] for s in sessions for p in s.pull_requests}
    assert hosts == {"github.com", "gitlab.com", "dev.azure.com"}
    finished = [s for s in sessions if s.status in ("exit", "error", "suspended")]
    assert 0.5 < mean(s.analysis is not None for s in finished) < 0.7
    by_weekday = Counter(s.created_at.weekday() for s in sessions)
    assert by_weekday[1] > 3 * by_weekday[6]
    middle = NOW - timedelta(days=90)
    assert mean(s.created_at > middle for s in sessions) > 0.55


def test_v3_finds_what_it_needs():
    sessions = World(3, 1500, now=NOW).sessions
    assert {s.session_size for s in sessions.values()} == {"xs", "s", "m", "l", "xl"}
    for attribute in ("origin", "category", "status_detail", "playbook_id", "structured_output"):
        assert any(getattr(s, attribute) for s in sessions.values()), attribute
    children = [s for s in sessions.values() if s.parent_session_id]
    assert children
    for child in children:
        assert child.session_id in sessions[child.parent_session_id or ""].child_session_ids
    assert all((s.user_id is None) != (s.service_user_id is None) for s in sessions.values())


def test_a_broken_environment_costs_acus_in_one_organization_of_late():
    by_org: dict[str, list[bool]] = {}
    acus: dict[bool, list[float]] = {True: [], False: []}
    for session in World(3, 3000, now=NOW).sessions.values():
        if session.analysis and session.created_at > NOW - timedelta(days=48):
            is_broken = "Environment" in {issue.label for issue in session.analysis.issues}
            by_org.setdefault(session.org_id, []).append(is_broken)
            acus[is_broken].append(session.acus_consumed)
    shares = sorted(mean(each) for each in by_org.values())
    assert shares[-1] > 3 * shares[-2]
    assert mean(acus[True]) > 1.5 * mean(acus[False])


def lists(session):
    names = (
        "tags", "pull_requests", "issues", "timeline", "action_items", "feedback_items",
        "note_usages", "programming_languages", "tools_and_frameworks",
    )  # fmt: skip
    return {name: deepcopy(list_of(session, name)) for name in names}


def happened(kind, before, after):
    """Whether a session shows that this kind of change happened to it."""
    if kind in V3_ONLY:
        return V3_ONLY[kind](before, after)
    subject, _, verb = kind.rpartition(" ")
    had, has = lists(before).get(subject), lists(after).get(subject)
    states = Counter(p.state for p in after.pull_requests)
    states.subtract(Counter(p.state for p in before.pull_requests))
    return {
        "grown": lambda: had is not None and len(has) > len(had) and has[: len(had)] == had,
        "shrunk": lambda: 0 < len(has) < len(had),
        "emptied": lambda: had and has == [],
        "added": lambda: before.analysis is None and after.analysis is not None,
        "replaced": lambda: (
            None not in (before.analysis, after.analysis) and before.analysis != after.analysis
        ),
        "merged": lambda: states["merged"] == 1 and states["open"] == -1,
        "changed": lambda: getattr(before, subject) != getattr(after, subject),
        "removed": lambda: (
            after.analysis is None
            or (subject == "suggested_prompt" and after.analysis.suggested_prompt is None)
        ),
    }[verb]()


V3_ONLY = {
    "category set": lambda before, after: after.category not in (None, before.category),
    "archived": lambda before, after: after.is_archived and not before.is_archived,
    "child added": lambda before, after: (
        after.child_session_ids[:-1] == before.child_session_ids != after.child_session_ids
    ),
    "classification removed": lambda before, after: (
        before.analysis.classification and after.analysis.classification is None
    ),
}


def test_changes_of_every_kind_happen_each_to_another_session():
    """Of a world in which two pull requests are open still when it is their turn to be merged."""
    world = World(1, 400, now=NOW)
    before = {key: (deepcopy(session), record(session)) for key, session in world.sessions.items()}
    start = world.clock.now()
    changed = world.change(2 * len(KINDS))
    assert Counter(kind for _, kind in changed) == dict.fromkeys(KINDS, 2)
    assert len({session_id for session_id, _ in changed}) == len(changed)
    last = start
    for session_id, kind in changed:
        after = world.sessions[session_id]
        assert last < after.updated_at <= world.clock.now()
        last = after.updated_at
        if kind == "new session":
            assert session_id not in before
        elif kind == "ACUs grown":
            assert after.acus_consumed > before[session_id][0].acus_consumed
        else:
            assert happened(kind, before[session_id][0], after), kind
            seen = before[session_id][1] | {"updated_at": record(after)["updated_at"]}
            assert record(after) != seen, kind
    untouched = before.keys() - {session_id for session_id, _ in changed}
    assert all(record(world.sessions[key]) == before[key][1] for key in untouched)


def test_v3_has_a_cycle_of_its_own_with_more_kinds(world):
    """Each shows in what v3 tells."""
    world.change(3)
    before = {key: (deepcopy(s), insights(s)) for key, s in world.sessions.items()}
    changed = world.change(len(V3_KINDS), "v3")
    assert [kind for _, kind in changed] == list(V3_KINDS)
    assert set(V3_KINDS) > set(KINDS)
    for session_id, kind in changed:
        after = world.sessions[session_id]
        if session_id in before and kind != "ACUs grown":
            assert happened(kind, before[session_id][0], after), kind
            seen = before[session_id][1] | {"updated_at": insights(after)["updated_at"]}
            assert insights(after) != seen, kind
    assert world.change(1)[0].kind == KINDS[3]


@pytest.mark.parametrize("version", ["v2", "v3"])
@pytest.mark.parametrize("unsettled", [True, False])
def test_silent_changes_show_but_leave_updated_at(version, unsettled):
    """They happen to young unsettled sessions, or to settled ones of any age."""
    tell = {"v2": record, "v3": insights}[version]
    world = World(1, 600, now=NOW)
    before = {key: (deepcopy(s), tell(s)) for key, s in world.sessions.items()}
    changed = world.change_silently(24, unsettled=unsettled, version=version)
    assert len({each.session_id for each in changed}) == 24
    kinds = {change.kind for change in SILENT_CHANGES[version]}
    needs_unsettled = {"pull request merged", "analysis generated"}
    assert {each.kind for each in changed} == (kinds if unsettled else kinds - needs_unsettled)
    for session_id, (was, told) in before.items():
        now = world.sessions[session_id]
        if session_id not in {each.session_id for each in changed}:
            assert now == was
            continue
        assert now.updated_at == was.updated_at
        assert tell(now) != told
        is_open = was.analysis is None or any(p.state == "open" for p in was.pull_requests)
        assert (was.status not in ("exit", "error") or is_open) == unsettled
        assert not unsettled or NOW - was.created_at < timedelta(days=35)
    assert world.clock.now() == NOW


def test_silent_changes_end_where_no_session_is_left():
    world = World(1, 40, now=NOW)
    changed = [*world.change_silently(100), *world.change_silently(100, unsettled=False)]
    assert 0 < len(changed) < 80


def test_deleting_some_sessions(world):
    before = set(world.sessions)
    deleted = world.delete_some(20)
    assert len(deleted) == 20
    assert world.sessions.keys() == before - set(deleted)


def test_changes_go_on_where_the_last_call_ended_and_are_always_as_many_as_asked(world):
    assert [world.change(1)[0].kind for _ in KINDS] == list(KINDS)
    small = World(1, 1, now=NOW)
    assert len(small.change(100)) == 100


def test_life_goes_on_while_the_clock_advances(world):
    before = deepcopy(world.sessions)
    touched = world.advance("5 days")
    assert world.clock.now() == NOW + timedelta(days=5)
    new = [key for key in touched if key not in before]
    assert new
    assert set(touched) - set(new)
    for session_id, session in world.sessions.items():
        if session_id in touched:
            assert NOW < session.updated_at <= world.clock.now()
            assert session.created_at <= session.updated_at
        else:
            assert session == before[session_id]
    for verb in ("status", "pull_requests", "analysis", "acus_consumed"):
        changed = [key for key in touched if key in before]
        assert any(getattr(world.sessions[k], verb) != getattr(before[k], verb) for k in changed), (
            verb
        )


def test_touching_and_sharing_an_instant(world):
    before = world.touch(5)
    assert len(before) == 5
    assert all(world.sessions[key].updated_at > NOW > at for key, at in before.items())
    assert len(world.touch(10_000)) == 150
    shared = world.same_instant(7)
    assert {world.sessions[key].updated_at for key in shared} == {world.clock.now()}


def test_a_silent_change_leaves_updated_at(world):
    session_id = next(iter(world.sessions))
    before = world.sessions[session_id].updated_at
    world.edit(session_id, moves_updated_at=False, title="silently")
    assert record(world.sessions[session_id])["title"] == "silently"
    assert world.sessions[session_id].updated_at == before


def test_sessions_made_by_hand(world):
    at = NOW - timedelta(days=3)
    session = world.add(session_id="mine", updated_at=at, tags=["x"], acus_consumed=25)
    assert (session.created_at, session.updated_at) == (at, at)
    assert record(session)["acus_consumed"] == 25
    assert world.add().updated_at == NOW
    with pytest.raises(ValueError, match="mine"):
        world.add(session_id="mine")
    with pytest.raises(AttributeError):
        world.add(no_such_field=1)


def test_awkward_sessions_are_awkward(world):
    added = world.add_awkward()
    assert len(set(added)) == len(added)
    awkward = [record(world.sessions[key]) for key in added]
    texts = [item.get("title") or "" for item in awkward]
    assert any("\x00" in text for text in texts)
    assert any("\ud800" in text for text in texts)
    assert any(len(item["initial_user_message"] or "") >= 290_000 for item in awkward)
    spellings = {tuple(sorted(p)) for item in awkward for p in item["pull_requests"]}
    assert spellings >= {
        ("state", "url"), ("pr_state", "pr_url"), ("pr_state", "pr_url", "state"), ("url",),
    }  # fmt: skip
    assert {"suggested_prompt": None} in [item["session_analysis"] for item in awkward]
    assert any(item["status"] == "hibernating" for item in awkward)
    assert any("title" not in item for item in awkward)
    assert any(item["updated_at"].endswith("+05:30") for item in awkward)


def test_unknown_fields_are_at_every_level(world):
    records = [record(world.sessions[key]) for key in world.add_awkward()]
    [item] = [r for r in records if "unknown_object" in r]
    analysis = item["session_analysis"]
    prompt = analysis["suggested_prompt"]
    for owner in (
        item["pull_requests"][0], analysis, analysis["issues"][0], analysis["timeline"][0],
        analysis["action_items"][0], prompt, prompt["feedback_items"][0],
    ):  # fmt: skip
        assert owner["unknown_big_integer"] == 2**70


def test_healing_can_leave_updated_at(world):
    [session_id] = world.add_malformed(1)
    before = world.sessions[session_id].updated_at
    world.heal(moves_updated_at=False)
    assert world.sessions[session_id].updated_at == before


def test_without_an_instant_the_clock_runs_and_can_be_moved():
    clock = Clock()
    assert not clock.is_manual
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)
    assert clock.advance("2d") - datetime.now(UTC) > timedelta(days=1)
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (90, 90),
        ("1.5", 1.5),
        ("45m", 2700),
        ("1d", 86400),
        ("1 day", 86400),
        ("2 days, 3 hours", 183600),
        ("1w 30 s", 604830),
        ("PT45M", 2700),
        ("P1DT12H", 129600),
    ],
)
def test_durations(text, seconds):
    assert to_timedelta(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "soon", "5 apples", "P", "1d tomorrow", None])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError):  # noqa: PT011
        to_timedelta(text)
