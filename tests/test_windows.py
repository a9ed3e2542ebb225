"""Windows tile exactly however they are cut, and the frontier is the longest proven prefix."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devin_warehouse.windows import SECOND, Frontier, Range, Window, cuts

START = datetime(2026, 1, 1, tzinfo=UTC)
PAGE = 200
DAYS = 10

relaxed = settings(deadline=None)


def at(seconds):
    return START + timedelta(seconds=seconds)


def windows(longest=DAYS * 86_400):
    """Windows of a second or more, some without a lower end."""
    seconds = st.integers(0, longest)
    return st.builds(
        lambda since, length, is_endless: Window(
            None if is_endless else at(since), at(since + length)
        ),
        seconds,
        st.integers(1, longest),
        st.booleans(),
    )


INSTANTS = st.floats(-86_400, 3 * DAYS * 86_400).map(at)
CLOSE_INSTANTS = st.floats(-5, 30).map(at)


def assert_tiles(parts, window):
    """Nothing between the parts, nothing twice, nothing outside, no part empty."""
    assert parts[0].since == window.since
    assert parts[-1].until == window.until
    assert all(a.until == b.since for a, b in pairwise(parts))
    assert all(part.since is None or part.since < part.until for part in parts)


@relaxed
@given(windows(), st.lists(INSTANTS))
def test_a_split_tiles_the_window_whatever_the_cuts(window, instants):
    """Cuts outside, at the ends, twice or within one second neither lose nor repeat an instant."""
    assert_tiles(window.split(instants), window)


@relaxed
@given(windows(longest=20), st.lists(CLOSE_INSTANTS))
def test_every_cut_inside_is_an_end_on_a_whole_second(window, instants):
    """The API's times are sent in whole seconds, so an end between two seconds would be a gap."""
    parts = window.split(instants)
    floored = {instant.replace(microsecond=0) for instant in instants}
    earliest = window.since or datetime.min.replace(tzinfo=UTC)
    assert {part.until for part in parts} == {window.until} | {
        instant for instant in floored if earliest < instant < window.until
    }
    assert all(part.until.microsecond == 0 for part in parts)


@relaxed
@given(windows(longest=20), st.lists(CLOSE_INSTANTS), CLOSE_INSTANTS)
def test_an_instant_is_in_one_part_if_it_is_in_the_window_and_else_in_none(
    window, instants, instant
):
    """Half-open: an instant on a cut belongs to the later part."""
    holders = [part for part in window.split(instants) if part.contains(instant)]
    assert len(holders) == window.contains(instant)


@relaxed
@given(windows())
def test_halves_are_equal_to_a_second(window):
    """A window is halved exactly if it can be; one without a lower end has no middle."""
    halves = window.halves()
    assert_tiles(halves, window)
    if window.since is None or window.until - window.since == SECOND:
        assert halves == [window]
        return
    first, second = halves
    assert timedelta() <= (second.until - second.since) - (first.until - first.since) <= SECOND


@relaxed
@given(windows(), st.lists(st.booleans(), min_size=40, max_size=40))
def test_halving_ends_at_one_second(window, choices):
    """However often the reader halves, it ends, and at a window that it knows as indivisible."""
    window = Window(window.since or START, window.until)
    steps = 0
    while window.is_divisible:
        window = window.halves()[choices[steps]]
        steps += 1
    assert window.until - window.since == SECOND
    assert steps <= 22


@relaxed
@given(windows(longest=20), CLOSE_INSTANTS)
def test_a_second_more_is_asked_for_at_both_ends(window, instant):
    """Whether the API's ends are inclusive is undocumented: either way the window is inside."""
    asked = window.asked()
    assert asked.until == window.until + SECOND
    assert asked.since == (window.since and window.since - SECOND)
    assert window.asked(open_ended=True) == Range(asked.since, None)
    if window.contains(instant):
        assert (asked.since or instant) < instant + SECOND
        assert instant < asked.until


@relaxed
@given(windows(longest=20), CLOSE_INSTANTS)
def test_far_is_more_than_a_second_outside_what_was_asked(window, instant):
    """Only rows that no reading of the filter lets through say that it was ignored."""
    asked = window.asked()
    is_before = asked.since is not None and (asked.since - instant) > SECOND
    assert asked.is_far_from(instant) == (is_before or instant - asked.until > SECOND)
    assert not Range(None, None).is_far_from(instant)


def clustered_times(rng, count):
    """Distinct whole seconds, most of them in a few busy hours: a year of real work."""
    busy = [rng.randrange(365 * 86_400) for _ in range(7)]
    seconds: set[int] = set()
    while len(seconds) < count:
        near = rng.choice(busy) + rng.randrange(3 * 3_600 + count)
        seconds.add(near if rng.random() < 0.8 else rng.randrange(365 * 86_400))
    return [at(second) for second in sorted(seconds)]


def pages_of(listing, samples):
    """The first page, and evenly spaced ones up to the last rows, as the reader takes them."""
    step = (len(listing) - PAGE) // samples
    return [(step * i, listing[step * i : step * i + PAGE]) for i in range(samples + 1)]


def sizes(listing, instants):
    """How many rows each piece holds."""
    whole = Window(None, max(listing) + SECOND)
    return [sum(map(part.contains, listing)) for part in whole.split(instants)]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(2_001, 12_000), st.integers(2, 9), st.booleans())
def test_a_sorted_listing_is_cut_by_rank(seed, count, samples, is_reversed):
    """Of a listing sorted by time the ranks are known: no piece is off by more than two gaps.

    A gap is what lies between two samples, where only a straight line can be drawn.
    """
    listing = clustered_times(Random(seed), count)
    pages = pages_of(listing[::-1] if is_reversed else listing, samples)
    pieces = -(-count // 1_500)
    gap = (count - PAGE) // samples + PAGE
    assert max(sizes(listing, cuts(pages, pieces))) <= count / pieces + 2 * gap


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("is_reversed", [False, True])
def test_a_sorted_listing_of_even_density_is_cut_evenly(seed, is_reversed):
    """Samples at known ranks make pieces within a tenth of equal, the first and last one too."""
    rng = Random(seed)
    count = rng.randrange(2_001, 9_000)
    listing = [at(60 * i + rng.randrange(60)) for i in range(count)]
    pieces = -(-count // 1_500)
    pages = pages_of(listing[::-1] if is_reversed else listing, max(2, pieces // 3))
    found = sizes(listing, cuts(pages, pieces))
    assert max(found) <= 1.1 * count / pieces + 5
    assert min(found) >= 0.9 * count / pieces - 5


@pytest.mark.parametrize("seed", range(12))
def test_a_listing_in_another_order_is_cut_by_a_fair_sample(seed):
    """Sorted by creation, updates come at random: a piece is at most twice its share."""
    rng = Random(seed)
    listing = clustered_times(rng, rng.randrange(2_001, 9_000))
    shuffled = rng.sample(listing, len(listing))
    pieces = -(-len(listing) // 1_500)
    found = sizes(listing, cuts(pages_of(shuffled, max(2, pieces // 3)), pieces))
    assert max(found) <= 2 * len(listing) / pieces
    assert len(found) == pieces


def test_samples_may_come_in_any_order():
    """Pages are fetched together; the order in which they are given tells nothing."""
    listing = clustered_times(Random(1), 6_000)
    pages = pages_of(listing, 5)
    assert cuts(pages[::-1], 4) == cuts(pages, 4)


STRETCHES = st.lists(
    st.tuples(st.integers(0, 10**6), st.lists(INSTANTS, max_size=8)),
    max_size=6,
    unique_by=lambda stretch: stretch[0],
)


@relaxed
@given(STRETCHES, st.integers(1, 9))
def test_cuts_rise_and_lie_among_the_times_seen(samples, pieces):
    """Whatever the samples are (few, equal, empty, at wrong ranks), the cuts are usable."""
    times = [time for _, found in samples for time in found]
    found = cuts(samples, pieces)
    assert len(found) == (pieces - 1 if times else 0)
    assert found == sorted(found)
    assert all(min(times) <= cut <= max(times) for cut in found)


def test_times_that_are_all_equal_cut_off_nothing():
    """A thousand sessions of one instant cannot be cut between: one piece holds them all."""
    listing = [at(50)] * 1_000
    assert max(sizes(listing, cuts([(0, listing[:PAGE]), (500, listing[:PAGE])], 5))) == 1_000


def longest_prefix(tiles, proven):
    """The model of the frontier: walk the tiles from the oldest on until one is not proven."""
    reached = tiles[0].since
    for tile in tiles:
        if tile not in proven:
            break
        reached = tile.until
    return reached


@relaxed
@given(windows(), st.lists(INSTANTS, max_size=12), st.randoms(use_true_random=False), st.data())
def test_the_frontier_is_the_longest_proven_prefix_after_every_proof(window, instants, rng, data):
    """Whatever the order of proving, and if some are never proven, nothing unproven is passed."""
    tiles = window.split(instants)
    order = rng.sample(tiles, data.draw(st.integers(0, len(tiles))))
    order += rng.choices(order, k=2) if order else []
    frontier = Frontier(window.since)
    for done, tile in enumerate(order, 1):
        frontier.prove(tile)
        assert frontier.reached == longest_prefix(tiles, order[:done])
    if set(order) == set(tiles):
        assert frontier.reached == window.until


SHORT = st.tuples(st.integers(0, 20), st.integers(1, 6))


@relaxed
@given(st.lists(SHORT, max_size=12))
def test_overlapping_windows_reach_as_far_as_every_second_is_covered(spans):
    """A window that was read twice, or in other pieces, proves no more than its seconds."""
    frontier = Frontier(at(0))
    covered: set[int] = set()
    for since, length in spans:
        frontier.prove(Window(at(since), at(since + length)))
        covered.update(range(since, since + length))
        expected = next(second for second in range(50) if second not in covered)
        assert frontier.reached == at(expected)


def test_without_a_start_nothing_is_reached_until_the_beginning_is_proven():
    """A first load has no lower end: only the window without one begins the prefix."""
    frontier = Frontier(None)
    frontier.prove(Window(at(10), at(20)))
    assert frontier.reached is None
    frontier.prove(Window(None, at(10)))
    assert frontier.reached == at(20)


def test_windows_show_themselves_in_messages():
    """A message names a window by its ends, in the form that is sent to the API."""
    assert str(Window(at(0), at(1))) == "[2026-01-01T00:00:00Z, 2026-01-01T00:00:01Z)"
    assert str(Range(None, None)) == "[the beginning, now)"
