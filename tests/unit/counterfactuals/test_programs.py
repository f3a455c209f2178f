"""Integer programs: smallest sets against trying all of them; what is dropped before is never needed."""

import itertools

import numpy as np
import pytest
from test_events import drawn

from lxr.counterfactuals.events import Events
from lxr.counterfactuals.programs import _exclusive, _undominated, smallest


def first_size(events):
    """The size of the smallest set, by trying all."""
    n = len(events.gain)
    for size in range(n + 1):
        if any(events.happen(np.array(s, dtype=int)) for s in itertools.combinations(range(n), size)):
            return size
    return n + 1


@pytest.mark.parametrize("needed", [1, 2, 4, 6])
@pytest.mark.parametrize("seed", range(12))
def test_smallest_sets_equal_trying_all(seed, needed):
    events = drawn(seed, n=9, needed=needed)
    expected = first_size(events)
    found, bound = smallest(events, 9, 60)
    assert bound == expected
    assert (found is None) == (expected == 10)
    if found is not None:
        assert len(found) == expected and events.happen(found)
    assert smallest(events, expected - 1, 60) == (None, expected) if expected > 0 else True


@pytest.mark.parametrize("seed", range(8))
def test_exclusive_events_never_happen_together(seed):
    events = drawn(seed, n=8)
    apart = _exclusive(events, 3)
    for size in range(4):
        for removed in itertools.combinations(range(8), size):
            happen = events.gain[list(removed)].sum(axis=0) > events.margin
            assert not (apart & np.outer(happen, happen)).any()


def test_some_events_exclude_each_other():
    events = Events(np.array([1.0, 1.0]), np.array([[1.1, -1], [-1, 1.1], [0.1, 0.1]]), 2)
    assert _exclusive(events, 2)[0, 1] and smallest(events, 3, 60) == (None, 4)


def test_only_items_with_enough_better_ones_are_dropped():
    gain = np.array([[1.0, 1], [2, 2], [3, 3], [0, 4]])
    assert _undominated(gain, 1).tolist() == [2, 3]
    assert _undominated(gain, 2).tolist() == [1, 2, 3]
    assert _undominated(np.ones((4, 2)), 2).tolist() == [0, 1]


def test_time_that_is_over_leaves_a_bound():
    events = drawn(1, n=9, needed=4)
    expected = first_size(events)
    found, bound = smallest(events, 9, 0.0)
    assert found is None and 1 <= bound <= expected
