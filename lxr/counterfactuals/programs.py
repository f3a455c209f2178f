"""Smallest sets of items with which enough linear events happen: mixed-integer programs, and what makes them small."""

import time

import numpy as np
import scipy.sparse as sp
from scipy.optimize import Bounds, LinearConstraint, milp

from lxr.counterfactuals.events import Events, top_sums

WEIGHTS = (0.2, 0.35, 0.5, 0.65, 0.8)  # with which two events are added to see that they exclude each other
MOST_EVENTS = 120  # of which every pair is looked at
INFEASIBLE = 2  # status of scipy.optimize.milp


def smallest(events: Events, limit: int, seconds: float, *, least: int = 1) -> tuple[np.ndarray | None, int]:
    """A smallest set of at most ``limit`` items with which enough events happen.

    Sizes are ruled out in ascending order. For each, events that cannot happen with so few items are dropped, then those
    that too few others can go with, and items in whose place there are always better ones. An integer program decides the
    rest. The first size that has a set is the smallest.

    Args:
        events: of the goal.
        limit: highest size that is looked for.
        seconds: time limit.
        least: lowest size that is looked for; it is known that there is no smaller set.

    Returns:
        Positions (m,) of the items, or None if there is no such set or it was not found in time; and a proven lower bound
        of the size of every set, ``limit`` + 1 if there is no such set.
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
    """The ``size`` items that bring one event about, that which they exceed most; fewer where the others do harm."""
    if events.needed <= 0:
        return np.empty(0, dtype=int)
    order = np.argsort(-events.gain, axis=0, kind="stable")[:size]  # (size, E)
    gains = np.take_along_axis(events.gain, order, axis=0)
    best = int((gains.clip(min=0).sum(axis=0) - events.margin).argmax())
    return order[gains[:, best] > 0, best]


def _exclusive(events: Events, size: int) -> np.ndarray:
    """Return which pairs of events (E, E) exclude each other with at most ``size`` items, by a weighted sum of them.

    Of more than a hundred events none are said to be such.
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
    """Positions of the items that a set of ``size`` may need: fewer than ``size`` others are as good for every event."""
    order = np.argsort(-gain.sum(axis=1), kind="stable")  # better ones come first
    sorted_gain = gain[order]
    better = [(sorted_gain[:place] >= sorted_gain[place]).all(axis=1).sum() for place in range(len(order))]
    return np.sort(order[np.array(better) < size])


def _decide(events: Events, apart: np.ndarray, size: int, seconds: float) -> tuple[np.ndarray | None, bool]:
    """A set of at most ``size`` items, or None; and whether it is proven that there is none."""
    if seconds <= 0:
        return None, False
    items = _undominated(events.gain, size)
    gain, n, n_events = events.gain[items], len(items), len(events.margin)
    highest = events.margin + top_sums(-gain, size)  # of the left side where the event need not happen
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
