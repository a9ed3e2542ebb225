"""Views of pull requests: rows in, rows out, worked out by hand."""

from __future__ import annotations

from tests.rows import PR, PR1, PR2, PR3, listed, seen, session, values_of

ADDRESSES = {
    f"{PR}12": ("github", "acme/ledger", 12),
    f"{PR}12/files?w=1#diff-1": ("github", "acme/ledger", 12),
    f"{PR}13#a://b?c": ("github", "acme/ledger", 13),
    "https://GitHub.com/Acme/Ledger/pull/3": ("github", "Acme/Ledger", 3),
    "https://github.acme.example/acme/ledger/pull/4": ("github", "acme/ledger", 4),
    "https://git.acme.example/acme/ledger/pull/5?a=b": ("github", "acme/ledger", 5),
    "https://gitlab.com/acme/ledger/merge_requests/6": ("gitlab", "acme/ledger", 6),
    "https://gitlab.com/a/b/c/d/-/merge_requests/7": ("gitlab", "a/b/c/d", 7),
    "https://code.acme.example/a/b/-/merge_requests/8#n": ("gitlab", "a/b", 8),
    "https://bitbucket.org/acme/ledger/pull-requests/9": ("bitbucket", "acme/ledger", 9),
    "https://stash.acme.example/projects/PAY/repos/ledger/pull-requests/10/overview": (
        "bitbucket",
        "projects/PAY/repos/ledger",
        10,
    ),
    "https://dev.azure.com/acme/pay/_git/ledger/pullrequest/11?_a=files": (
        "azure_devops",
        "acme/pay/_git/ledger",
        11,
    ),
    "https://acme.visualstudio.com/pay/_git/ledger/pullrequest/12": (
        "azure_devops",
        "pay/_git/ledger",
        12,
    ),
    "https://github.com/acme/l\x00dger 🦦/pull/13": ("github", "acme/l\x00dger 🦦", 13),
    f"{PR}new": ("github", "acme/ledger", None),
    f"{PR}": ("github", "acme/ledger", None),
    f"{PR}1e3": ("github", "acme/ledger", None),
    f"{PR}-1": ("github", "acme/ledger", None),
    f"{PR}999999999999999999": ("github", "acme/ledger", 999_999_999_999_999_999),
    f"{PR}99999999999999999999": ("github", "acme/ledger", None),
    "https://GITLAB.com/acme/ledger": ("gitlab", None, None),
    "https://bitbucket.org/acme/ledger": ("bitbucket", None, None),
    "https://dev.azure.com/acme/pay": ("azure_devops", None, None),
    "https://acme.visualstudio.com/pay": ("azure_devops", None, None),
    "https://example.com/reviews/1": ("other", None, None),
    "https://example.com": ("other", None, None),
    "pull request 7": ("other", None, None),
    "github.com/acme/ledger/pull/18?a#b": ("github", "acme/ledger", 18),
    "://": ("other", None, None),
    "": ("other", None, None),
}


def addresses_read(*urls: str | None) -> dict[str, tuple[str, str | None, int | None]]:
    rows = values_of(
        "pull_requests",
        "pr_url provider repository number",
        sessions=[session("a")],
        session_pull_requests=listed("a", *((url, "open") for url in urls)),
    )
    return {url: (provider, repository, number) for url, provider, repository, number in rows}


def test_an_address_tells_provider_repository_and_number():
    """By host or shape, whatever follows the number; nothing is made up, no address is no row."""
    assert addresses_read(*ADDRESSES, None) == ADDRESSES


def test_a_repository_may_be_called_pull():
    """Or its owner, and is not mistaken for what stands before the number."""
    addresses = {
        "https://github.com/acme/pull/pull/15": ("github", "acme/pull", 15),
        "https://github.com/pull/ledger/pull/16": ("github", "pull/ledger", 16),
        "https://gitlab.com/a/b/pull/-/merge_requests/17": ("gitlab", "a/b/pull", 17),
    }
    assert addresses_read(*addresses) == addresses


def pull_requests_of(*lists, sessions, states=()):
    return values_of(
        "pull_requests",
        "pr_url state sessions_count first_session_id org_id org_name "
        "first_observed_at first_merged_observed_at",
        sessions=sessions,
        session_pull_requests=[row for rows in lists for row in rows],
        pull_request_states=[row for rows in states for row in rows],
        organizations=[{"org_id": "org-1", "name": "Acme"}],
    )


def test_a_pull_request_belongs_to_its_first_session_and_is_merged_once_any_says_so():
    """First by creation, not by id; first seen by whichever session was looked at first."""
    assert pull_requests_of(
        listed("a", (PR1, "MERGED"), (PR3, None)),
        listed("b", (PR1, "closed"), (PR2, "open")),
        sessions=[
            session("a", "2026-01-06", org_id="org-2"),
            session("b", "2026-01-05", org_id="org-1"),
        ],
        states=[
            seen("a", PR1, open="2026-01-06 01:00", MERGED="2026-01-06 02:00"),
            seen("b", PR1, open="2026-01-06 03:00", closed="2026-01-07", merged="2026-01-08"),
        ],
    ) == [
        (PR1, "MERGED", 2, "b", "org-1", "Acme", "2026-01-06 01:00:00", "2026-01-06 02:00:00"),
        (PR2, "open", 1, "b", "org-1", "Acme", None, None),
        (PR3, None, 1, "a", "org-2", "org-2", None, None),
    ]


def test_a_reopened_pull_request_is_open_again_and_may_still_be_merged():
    """Its state is that of the list; when it was first seen merged is remembered."""
    states = {"open": "2026-01-01", "closed": "2026-01-02", "merged": "2026-01-04"}
    reopened, merged = dict(list(states.items())[:2]), states
    for now, ever, first_merged in (
        ("open", reopened, None),
        ("merged", merged, "2026-01-04 00:00:00"),
        ("open", merged, "2026-01-04 00:00:00"),
    ):
        assert pull_requests_of(
            listed("a", (PR1, now)), sessions=[session("a")], states=[seen("a", PR1, **ever)]
        ) == [(PR1, now, 1, "a", None, None, "2026-01-01 00:00:00", first_merged)]


def test_without_a_merge_the_state_is_the_one_seen_last():
    """Then closed; then by the session's update, its id, and the place in its list."""
    early, late = {"updated_at": "2026-02-01"}, {"updated_at": "2026-02-02"}
    pair = [session("a", **late), session("b", **early)]
    twins = [session("a", **early), session("b", **early)]
    a_seen, b_seen = seen("a", PR1, open="2026-02-02"), seen("b", PR1, draft="2026-02-03")
    two = [listed("a", (PR1, "open")), listed("b", (PR1, "draft"))]
    former = seen("b", PR1, closed="2026-02-04") + seen("b", PR2, draft="2026-02-05")
    closing = [listed("a", (PR1, "Closed")), listed("b", (PR1, "open"))]
    closed = [seen("a", PR1, Closed="2026-02-02"), seen("b", PR1, open="2026-02-02")]
    unknown = [listed("a", (PR1, "open")), listed("b", (PR1, None))]
    for lists, sessions, states, state, count in (
        (two, pair, [a_seen, b_seen], "draft", 2),
        (two, twins, [a_seen], "open", 2),
        (two, pair, [b_seen], "draft", 2),
        (two, twins, [a_seen, seen("b", PR1, draft="2026-02-01"), former], "open", 2),
        (two, pair, [], "open", 2),
        (two, twins, [], "draft", 2),
        (closing, twins, closed, "Closed", 2),
        (unknown, pair, [a_seen, [{**b_seen[0], "pr_state": None}]], None, 2),
        ([listed("a", (PR1, "open"), (PR1, "draft"))], twins, [], "draft", 1),
        ([listed("a", (PR1, "merged"), (PR1, "open"))], twins, [], "merged", 1),
    ):
        ((_, *found, _, _, _, _),) = pull_requests_of(*lists, sessions=sessions, states=states)
        assert found == [state, count, "a"]


def cycle_times(states, sessions=(("a", "2026-01-01 12:00"),)):
    names = "pr_url first_open_observed_at first_merged_observed_at "
    return values_of(
        "pull_request_cycle_times",
        names + "observed_open_to_merged_hours upper_bound_hours",
        sessions=[session(*each) for each in sessions],
        pull_request_states=[row for rows in states for row in rows],
    )


def test_how_long_a_pull_request_took_to_be_merged():
    """From first seen open to first seen merged, over being closed and opened again."""
    assert cycle_times(
        [
            seen("a", PR1, open="2026-01-02", closed="2026-01-03", merged="2026-01-04 13:30"),
            seen("a", PR2, open="2026-01-02", closed="2026-01-03"),
            seen("a", PR3, Merged="2026-01-01 12:00"),
            seen("a", f"{PR}4", open="2026-01-04", merged="2026-01-03"),
            seen("a", f"{PR}5", Open="2026-01-02", MERGED="2026-01-02"),
        ]
    ) == [
        (PR1, "2026-01-02 00:00:00", "2026-01-04 13:30:00", 61.5, 73.5),
        (PR3, None, "2026-01-01 12:00:00", None, 0.0),
        (f"{PR}4", "2026-01-04 00:00:00", "2026-01-03 00:00:00", None, 36.0),
        (f"{PR}5", "2026-01-02 00:00:00", "2026-01-02 00:00:00", 0.0, 12.0),
    ]


def test_a_shared_pull_request_can_have_been_open_since_its_first_session():
    """Opened by one session, merged by another: first sights of both, bound from the earlier."""
    assert cycle_times(
        [
            seen("a", PR1, open="2026-01-03", merged="2026-01-09"),
            seen("b", PR1, open="2026-01-04", merged="2026-01-05"),
        ],
        sessions=[("a", "2026-01-02"), ("b", "2026-01-01"), ("c", "2025-12-01")],
    ) == [(PR1, "2026-01-03 00:00:00", "2026-01-05 00:00:00", 48.0, 96.0)]
