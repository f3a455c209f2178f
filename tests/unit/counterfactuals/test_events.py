"""Linear events: by hand, and against trying all sets."""

import itertools

import numpy as np
import pytest

from lxr.counterfactuals import ChangesList, Enters, LeavesTop
from lxr.counterfactuals.events import Events, greedy_order, greedy_set, pairs_of, sets_within, top_sums


def drawn(seed, n=7, n_events=6, needed=3):
    """Random events of which some are near, some far."""
    generator = np.random.default_rng(seed)
    return Events(generator.uniform(0.2, 3, n_events), generator.normal(0.3, 0.8, (n, n_events)), needed)


def test_pairs_equal_those_by_hand():
    logits, candidates = np.array([9.0, 5, 4, 3]), np.array([False, True, True, True])
    leaves, enters, changes = (pairs_of(goal, logits, 2, candidates) for goal in (LeavesTop(2), Enters(1), ChangesList(2)))
    assert (leaves.upper.tolist(), leaves.lower.tolist(), leaves.needed) == ([2, 2], [1, 3], 2)
    assert (enters.upper.tolist(), enters.lower.tolist(), enters.needed) == ([1, 3], [2, 2], 2)
    assert (changes.upper.tolist(), changes.lower.tolist(), changes.needed) == ([1, 2], [3, 3], 1)
    falls = np.array([[0.0, 3, 1, 0]])
    events = leaves.events(logits, falls)
    assert events.margin.tolist() == [-1, 1] and events.gain.tolist() == [[-2, 1]]


@pytest.mark.parametrize("size", [0, 1, 3, 7, 9])
def test_top_sums_add_the_largest_positive_values(size):
    values = np.random.default_rng(size).normal(size=(7, 5))
    assert np.allclose(top_sums(values, size), np.sort(values.clip(min=0), axis=0)[::-1][:size].sum(axis=0))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [1, 2, 4])
def test_sets_within_are_all_sets(seed, size):
    events = drawn(seed)
    expected = [list(s) for s in itertools.combinations(range(7), size) if events.happen(np.array(s))]
    found = sets_within(events, size, most=1000)
    assert sorted(found.tolist()) == expected
    assert sets_within(Events(np.array([-1.0]), np.zeros((7, 1)), 1), 3, most=34) is None


@pytest.mark.parametrize("seed", range(5))
def test_no_set_is_smaller_than_the_fewest(seed):
    events = drawn(seed, needed=2)
    sizes = [k for k in range(8) for s in itertools.combinations(range(7), k) if events.happen(np.array(s, dtype=int))]
    assert events.fewest(7) <= min(sizes, default=8)
    assert Events(np.array([9.0]), np.zeros((3, 1)), 1).fewest(3) == 4


def test_greedy_goes_on_from_what_is_removed():
    events = Events(np.array([3.0, 3.0]), np.array([[2.0, 0], [1.5, 1.5], [0, 2], [1.6, 1.6]]), 2)
    assert list(greedy_order(events))[:2] == [3, 1]
    assert greedy_set(events).tolist() == [3, 1]
    assert greedy_set(Events(np.array([9.0]), np.ones((3, 1)), 1)) is None
