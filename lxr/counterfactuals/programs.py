"""Smallest sets of items with which enough linear events happen: mixed-integer programs and their reduction."""

import time

import numpy as np
import scipy.sparse as sp
from scipy.optimize import Bounds, LinearConstraint, milp

from lxr.counterfactuals.events import Events, top_sums

WEIGHTS = (0.2, 0.35, 0.5, 0.65, 0.8)  # weights in sums of two events, to find exclusive events
MOST_EVENTS = 120  # largest number of events for a check of all pairs
INFEASIBLE = 2  # status of scipy.optimize.milp


def smallest(events: Events, limit: int, seconds: float, *, least: int = 1) -> tuple[np.ndarray | None, int]:
    """A smallest set of at most ``limit`` items with which enough events happen.

    Sizes are ruled out in ascending order. For each size, this drops events that need more items, then events that too few
    others can accompany, then items that can always be replaced by better ones. An integer program decides the rest. The
    first size with a set is the smallest.

    Args:
        events: events of the goal.
        limit: largest size to try.
        seconds: time limit.
        least: smallest size to try; smaller sets are known not to exist.

    Returns:
        Positions (m,) of the items, or None if there is no such set or it was not found in time; and a proven lower bound
        on the size of every set, ``limit`` + 1 if there is no such set.
    """
    deadline = time.perf_counter() + seconds
    events = events.within(limit)
    size = max(least, events.fewest(limit))
    if events.needed <= 1 and size <= limit:
        return _alone(events, size), size
    while size <= limit:
        few = events.within(size)
        apart = _exclusive(few, size)
        while not (able := (~apart).sum(axis=1) >= few.needed).all():
            few = few.among(able, few.needed)
            apart = _exclusive(few, size)
        if len(few.margin) >= few.needed:
            found, is_impossible = _decide(few, apart, size, deadline - time.perf_counter())
            if not is_impossible:
                return found, size
        size += 1
    return None, limit + 1


def _alone(events: Events, size: int) -> np.ndarray:
    """The ``size`` best items for the event that they exceed most, without harmful items."""
    if events.needed <= 0:
        return np.empty(0, dtype=int)
    order = np.argsort(-events.gain, axis=0, kind="stable")[:size]  # (size, E)
    gains = np.take_along_axis(events.gain, order, axis=0)
    best = int((gains.clip(min=0).sum(axis=0) - events.margin).argmax())
    return order[gains[:, best] > 0, best]


def _exclusive(events: Events, size: int) -> np.ndarray:
    """Return which pairs of events (E, E) exclude each other with at most ``size`` items, by a weighted sum of both.

    Among more than a hundred events, no pair is checked.
    """
    if len(events.margin) > MOST_EVENTS:
        return np.zeros((len(events.margin),) * 2, dtype=bool)
    first, second = np.triu_indices(len(events.margin), 1)
    both = np.ones(len(first), dtype=bool)
    for weight in WEIGHTS:
        gain = weight * events.gain[:, first] + (1 - weight) * events.gain[:, second]
        both &= top_sums(gain, size) > weight * events.margin[first] + (1 - weight) * events.margin[second]
    apart = np.zeros((len(events.margin),) * 2, dtype=bool)
    apart[first[~both], second[~both]] = True
    return apart | apart.T


def _undominated(gain: np.ndarray, size: int) -> np.ndarray:
    """Positions of items that a set of ``size`` may need: fewer than ``size`` others are as good for every event."""
    order = np.argsort(-gain.sum(axis=1), kind="stable")  # better ones come first
    sorted_gain = gain[order]
    better = [(sorted_gain[:place] >= sorted_gain[place]).all(axis=1).sum() for place in range(len(order))]
    return np.sort(order[np.array(better) < size])


def _decide(events: Events, apart: np.ndarray, size: int, seconds: float) -> tuple[np.ndarray | None, bool]:
    """A set of at most ``size`` items, or None; and whether a proof excludes such sets."""
    if seconds <= 0:
        return None, False
    items = _undominated(events.gain, size)
    gain, n, n_events = events.gain[items], len(items), len(events.margin)
    highest = events.margin + top_sums(-gain, size)  # lower bound on the left side for events that need not happen
    first, second = np.nonzero(np.triu(apart))
    row = np.arange(len(first))
    exclusive = sp.csr_matrix(
        (np.ones(2 * len(row)), (np.r_[row, row], n + np.r_[first, second])), shape=(len(row), n + n_events)
    )
    constraints = [
        LinearConstraint(sp.hstack([sp.csr_matrix(-gain.T), sp.diags(highest)]), ub=highest - events.margin),
        LinearConstraint(sp.csr_matrix(np.eye(2)[:, [0] * n + [1] * n_events]), lb=[0, events.needed], ub=[size, n_events]),
    ]
    if len(row):
        constraints.append(LinearConstraint(exclusive, ub=1))
    found = milp(
        np.zeros(n + n_events),
        integrality=np.ones(n + n_events),
        bounds=Bounds(0, 1),
        constraints=constraints,
        options={"time_limit": seconds},
    )
    return (None if found.x is None else items[found.x[:n] > 0.5]), found.status == INFEASIBLE
