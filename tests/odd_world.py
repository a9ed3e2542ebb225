"""A world with everything that the sandbox does not have by itself, and what happens to it."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from devin_warehouse.sandbox import World
from devin_warehouse.sandbox.sessions import (
    ActionItem,
    Analysis,
    FeedbackItem,
    Issue,
    NoteUsage,
    PullRequest,
    SuggestedPrompt,
)
from tests.truth_facts import SETTLED_AFTER, Row

GITHUB = "https://github.com/acme/odd/pull/"
ADDRESSES = (
    "https://github.com/acme/odd/pull/7/files",
    "https://github.com/acme/odd/pull/8?diff=split#r1",
    "https://github.com/acme/odd/pull/",
    "https://github.com/acme/odd/pull",
    "https://github.com/acme/odd/compare?back=/pull/9",
    "https://github.com/acme/odd/compare#/pull/9",
    "https://github.com/pull/10",
    "https://GitHub.example.com/acme/odd/pull/0011",
    "https://github.com/acme/odd/pull/123456789012345678",
    "https://github.com/acme/odd/pull/1234567890123456789",
    "https://github.com/acme/odd/pull/\N{ARABIC-INDIC DIGIT THREE}",
    "https://github.com/acme/odd/pull/-3",
    "https://gitlab.com/acme/group/sub/odd/-/merge_requests/12",
    "https://gitlab.example.com:8443/acme/odd/merge_requests/13",
    "https://code.example.com/acme/odd/-/merge_requests/14",
    "https://code.example.com/acme/odd/merge_requests/15",
    "https://gitlab.com/acme/pull/5/-/merge_requests/16",
    "https://gitlab.com/acme/group/pull/-/merge_requests/26",
    "https://acme.visualstudio.com/Finance/_git/pull/pullrequest/27",
    "https://bitbucket.org/acme/odd/pull-requests/17",
    "https://git.example.com/projects/AC/repos/odd/pull-requests/18/overview",
    "https://dev.azure.com/acme/Fin%20ance/_git/odd/pullrequest/19",
    "https://acme.visualstudio.com/Finance/_git/odd/pullrequest/20?_a=files",
    "https://tfs.example.com/Finance/_git/odd/pullrequest/21",
    "https://git.example.com/acme/odd/pull/22",
    "https://review.example.com/c/odd/+/23",
    "https://pull/24",
    "https://github.com",
    "http://user@github.com/acme/odd/pull/25",
    "not an address",
)


def put(world: World, session_id: str, begun: str = "2026-09-10 10:00", **values: Any) -> None:
    """Add a session that is over, with nothing but what is said of it."""
    created_at = datetime.fromisoformat(begun).replace(tzinfo=UTC)
    plain = {"status": "exit", "session_id": session_id, "updated_at": created_at + timedelta(1)}
    listed = pulls(*values.pop("pulls", ()))
    world.add(created_at=created_at, **{**plain, "pull_requests": listed, **values})


def pulls(*listed: tuple[str | None, str | None]) -> list[PullRequest]:
    return [PullRequest(url, state, spelling="v3") for url, state in listed]  # type: ignore[arg-type]


def add_oddities(world: World) -> None:
    """What the world does not have by itself."""
    org_ids = sorted({session.org_id for session in world.sessions.values()})
    _add_pull_requests(world, *org_ids[:3])
    _add_families(world)
    _add_insights(world, "early")
    _add_people(world, *org_ids[:2])
    _add_times(world)
    _add_without_anything(world)


def _add_pull_requests(world: World, a: str, b: str, c: str) -> None:
    """Shared in every way, twice in a list, in odd states, at odd addresses."""
    parent = {"parent_session_id": "devin-shared parent"}
    eve, new_month = "2026-06-30 23:59:59.999999", "2026-07-01 00:00:00"
    put(world, "shared parent", eve, org_id=a, pulls=[(f"{GITHUB}1", "open")])
    put(world, "shared child", new_month, org_id=b, **parent, pulls=[(f"{GITHUB}1", "merged")])
    put(world, "shared late", org_id=c, tags=["t"], pulls=[(f"{GITHUB}1", None)])
    for number, org_id in enumerate((b, a, c)):
        tie = [(f"{GITHUB}2", ("open", "closed", "Draft")[number]), (f"{GITHUB}3", "open")]
        put(world, f"tie {number}", org_id=org_id, tags=["t", "t"], pulls=tie)
    twice = [("4", "open"), ("4", "closed"), ("5", "merged"), ("5", "open"), ("6", "MERGED")]
    put(world, "twice", pulls=[(f"{GITHUB}{n}", state) for n, state in twice])
    put(world, "no address", pulls=[(None, "merged"), (None, None), (None, "open")])
    put(world, "one address", pulls=[(None, "merged"), (f"{GITHUB}30", "Open")])
    for number, url in enumerate(ADDRESSES):
        state = ("open", "merged", "closed")[number % 3]
        put(world, f"address {number}", acus_consumed=number / 8, pulls=[(url, state)])
    put(world, "all addresses", pulls=[(url, "closed") for url in ADDRESSES])
    flips = {"reopened": "merged", "late open": "closed", "dropped": "open", "later": "open"}
    for number, (name, state) in enumerate(flips.items()):
        put(world, name, pulls=[(f"{GITHUB}4{number}", state)])
    both = [(f"{GITHUB}42", "closed"), (f"{GITHUB}50", "open")]
    put(world, "dropped too", "2026-09-01", pulls=both)
    for name, state in (("seen first", "closed"), ("seen later", "draft")):
        put(world, name, pulls=[(f"{GITHUB}51", state)])


def _add_families(world: World) -> None:
    """Circles, with a tail and without, a child of itself, of nobody, and a deep one."""
    parents = {
        "circle 2 a": "circle 2 b",
        "circle 2 b": "devin-circle 2 a",
        "circle 3 b": "circle 3 c",
        "circle 3 c": "circle 3 a",
        "circle 3 a": "circle 3 b",
        "Tail 1": "circle 3 c",
        "tail 2": "devin-Tail 1",
        "tail of root": "circle 3 a",
        "of itself": "of itself",
        "child of itself": "of itself",
        "of nobody": "nobody",
        "of no name": "",
        "child of nobody's": "of nobody",
        **{f"deep {number}": f"deep {number - 1}" for number in range(1, 80)},
        "wide a": "deep 3",
        "wide b": "deep 3",
        "deep 0": None,
        "of the deleted": "to be deleted",
        "to be deleted": "of nobody",
    }
    for number, (name, parent) in enumerate(parents.items()):
        listed = [(f"{GITHUB}{60 + number % 7}", "open" if number % 3 else "merged")]
        put(world, name, parent_session_id=parent, acus_consumed=number / 4, pulls=listed)


def _add_insights(world: World, when: str) -> None:
    """Ids of issues that come twice, are empty, or of no issue; repeated action items; notes."""
    issues = [
        Issue("one", "High", "First", "same"),
        Issue("two", "Low", "Second", "same"),
        Issue("three", "Low", "Second", ""),
        Issue("four", "", "", "other"),
        Issue("five", "Low", "Second", "other"),
    ]
    items = [
        ActionItem("  Do THIS ", "", "same"),
        ActionItem("do this", "Other", ""),
        ActionItem("do this", "other", "unknown"),
        ActionItem("\tdo this", "other", "other"),
        ActionItem("", "other", None),
        ActionItem("   ", "other", None),
    ]
    feedback = [FeedbackItem("short", None, None), FeedbackItem("short", None, None)]
    prompt = SuggestedPrompt("e\u0301 👩‍👩‍👧 \ud800", "", feedback)
    notes = [NoteUsage("note", "m", "r", is_good=good) for good in (True, True, False)]
    plain = SuggestedPrompt("ab", "abc")
    listed = [(f"{GITHUB}70", "merged"), (f"{GITHUB}71", "open")]
    analyses = (
        Analysis(issues, [], items, prompt, None, notes),
        Analysis(issues[::-1], [], items[1:], prompt, None, []),
        Analysis(suggested_prompt=plain, note_usages=notes[2:]),
        Analysis(issues[:1]),
    )
    for number, analysis in enumerate(analyses):
        values: Row = {"user_id": "prompter", "acus_consumed": 3.5, "pulls": listed[number % 2 :]}
        put(world, f"{when} analysis {number}", analysis=deepcopy(analysis), **values)
    put(world, f"{when} of nobody", user_id=None, analysis=Analysis(issues[3:], [], items[:1]))


def _add_people(world: World, a: str, b: str) -> None:
    """Who is a person, whose first session is in which organization, and one without people."""
    robots: dict[str, Any] = {"org_id": "org-robots", "user_id": None}
    for number, origin in enumerate(("scheduled", "api", None)):
        service = {"service_user_id": f"service {number}", "origin": origin}
        put(world, f"robot {number}", f"2026-08-0{number + 1} 08:00", **robots, **service)
    for number, origin in enumerate(("automation", "scheduled", "code_scan", None, "", "webapp")):
        begun = f"2026-08-1{number} 08:00"
        put(world, f"origin {number}", begun, user_id="of all origins", org_id=a, origin=origin)
    for number, org_id in enumerate((b, a, None, b)):
        begun = f"2026-08-2{number // 2} 09:00"
        put(world, f"mover {number}", begun, user_id="mover", origin="cli", org_id=org_id)
    put(world, "nobody's first", user_id="nobody's", origin="cli", org_id=None)
    put(world, "nobody's second", "2026-09-11", user_id="nobody's", origin="cli", org_id=a)
    put(world, "both", user_id="mover", service_user_id="service 1")
    for number, name in enumerate(("user_id", "org_id", "origin", "category", "status_detail")):
        put(world, f"none {number}", f"2026-08-2{number}", **{name: None})
    nothing = dict.fromkeys(("user_id", "org_id", "origin", "category", "title"))
    put(world, "nothing", "2026-08-30", **nothing)
    put(world, "nothing at all", "2026-08-30", **nothing, absent=tuple(nothing))
    put(world, "named so", tags=["(none)", ""], category="(none)", user_id="(none)", org_id="")


def _add_times(world: World) -> None:
    """At the edges of days, weeks, months and years, with odd durations and statuses."""
    edges = ("2025-12-31 23:59:59.999999", "2026-01-01", "2026-03-01 23:59:59.5", "2026-03-02")
    for number, begun in enumerate(edges):
        put(world, f"edge {number}", begun, acus_consumed=(0, -2.5, 1e-7, 7)[number])
    put(world, "before all", "2025-11-30 12:00", pulls=[(f"{GITHUB}80", "closed")])
    finished = (
        ("exit", None), ("error", None), ("suspended", "inactivity"), ("suspended", "user_request"),
        ("suspended", "error"), ("running", "finished"), ("running", "working"), ("exit", "error"),
    )  # fmt: skip
    for number, (status, detail) in enumerate(finished):
        at = datetime(2026, 5, 4 + number % 2, 3, tzinfo=UTC)
        times = {"updated_at": at + timedelta(microseconds=10**number + 1)}
        values = {"status": status, "status_detail": detail, "category": "timed", **times}
        put(world, f"status {number}", str(at), **values)
    put(world, "backwards", updated_at=datetime(2026, 9, 1, tzinfo=UTC), category="backwards")


def _add_without_anything(world: World) -> None:
    """What a record may leave out, though none does."""
    for name in ("acus_consumed", "created_at", "status"):
        listed = [(f"{GITHUB}90", "merged"), (f"{GITHUB}91{name}", "merged")]
        put(world, f"without {name}", org_id="org-without", absent=(name,), pulls=listed)
    put(world, "child without", absent=("created_at",), parent_session_id="without created_at")


def change(world: World, version: Any) -> None:
    """The first day: states come and go, counters grow and shrink."""
    world.change(60, version)
    world.change_silently(30, version=version)
    world.change_silently(20, unsettled=False, version=version)
    world.edit("reopened", pull_requests=pulls((f"{GITHUB}40", "open")))
    world.edit("late open", pull_requests=pulls((f"{GITHUB}41", "merged")), moves_updated_at=False)
    world.edit("dropped", pull_requests=pulls((f"{GITHUB}42", "merged")))
    world.edit("later", pull_requests=pulls((f"{GITHUB}43", "MERGED")))
    world.edit("dropped too", pull_requests=pulls((f"{GITHUB}50", "merged")))
    world.edit("deep 5", acus_consumed=100.25)
    world.edit("deep 6", acus_consumed=-4, moves_updated_at=False)
    world.edit("deep 7", acus_consumed=3, moves_updated_at=False)
    world.edit("nothing", acus_consumed=6.5)


def change_at_once(world: World) -> None:
    """The same second again: two states of one observation, and one that has been before."""
    world.edit("deep 5", acus_consumed=99)
    world.edit("deep 6", acus_consumed=120, moves_updated_at=False)
    world.edit("deep 7", acus_consumed=7 / 4 + 14, moves_updated_at=False)
    world.edit("dropped", pull_requests=[], moves_updated_at=False)


def change_later(world: World, version: Any) -> None:
    """Days later: what was open once, and what moves to another owner."""
    world.change(60, version)
    world.edit("late open", pull_requests=pulls((f"{GITHUB}41", "open")))
    world.edit("later", pull_requests=[])
    world.edit("dropped too", pull_requests=[])
    world.edit("seen later", pull_requests=pulls((f"{GITHUB}51", None)), moves_updated_at=False)
    world.edit("seen first", title="updated later, but in no other state")
    world.edit("deep 6", acus_consumed=8)
    world.edit("deep 8", parent_session_id="circle 2 a")
    world.edit("mover 3", org_id="org-without")


def add_last(world: World) -> None:
    """What nothing happens to any more, so that its ties stay ties; some of it just settled."""
    _add_insights(world, "late")
    for name, hour, state in (("a", 2, "open"), ("b", 1, "closed"), ("c", 1, None)):
        # the last update decides; then, of sessions b and c, the greatest id and the last place
        listed = [(f"{GITHUB}52", name), (f"{GITHUB}53", state)]
        if hour == 1:
            listed += [(f"{GITHUB}54", f"{name} {place}") for place in range(3, 0, -1)]
        at = datetime(2026, 9, 11, hour, tzinfo=UTC)
        put(world, f"updated {name}", updated_at=at, pulls=listed)
    end = world.clock.now().replace(microsecond=0)
    for number, seconds in enumerate((-1, 0, 1)):
        begun = end - SETTLED_AFTER + timedelta(seconds=seconds)
        put(world, f"settled {number}", begun.isoformat(), tags=["settled"], category="settled")
