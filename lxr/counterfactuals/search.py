"""Small sets for recommenders that are not linear in the history: a search, and a lower bound on the size."""

import time
from itertools import islice
from typing import Literal

import numpy as np
import torch

from lxr.counterfactuals.events import Events, Pairs, greedy_order, sets_within
from lxr.counterfactuals.layer_bounds import optimistic_events
from lxr.counterfactuals.linear import remaining, rounding
from lxr.counterfactuals.programs import smallest
from lxr.counterfactuals.question import Question
from lxr.recommenders.network import Network

MOST_SETS = 30_000  # number of sets to try in order to rule out one size
MOST_PAIRS = 8000  # number of items to bound together
ROUNDS = 4  # rounds of improvement of the first set
SHARE = 0.25  # share of the remaining time for one integer program


def searched_set(question: Question, deadline: float) -> tuple[np.ndarray | None, int]:
    """A small set and a lower bound, for any recommender.

    A first set comes from the order of single removals and from greedy removal by the falls of single items, repeated
    around the best set so far. Then sizes are ruled out, from 1 on: by optimistic events if the recommender provides its
    layers (:meth:`lxr.Recommender.network`), and by trying all remaining sets.

    Args:
        question: question of one user.
        deadline: time to stop, by ``time.perf_counter``.

    Returns:
        Positions (m,) of the removed items among those of the history, or None if no set was found; and a lower bound on
        the size of every set that reaches the goal, n + 1 if none does.
    """
    best = _first_set(question)
    for _ in range(ROUNDS):
        better = None if best is None else _found_around(question, best, len(best) - 1, deadline)
        if better is None:
            break
        best = better
    return _ruled_out(question, best, deadline)


def _first_set(question: Question) -> np.ndarray | None:
    """Shortest prefix of two orders (single removals, greedy) that reaches the goal."""
    events = question.pairs.events(question.whole[0].double().cpu().numpy(), question.falls)
    n = len(question.items)
    if len(events.margin) < events.needed:
        return None
    decisive = np.partition(events.margin - events.gain, events.needed - 1, axis=1)[:, events.needed - 1]  # (n,)
    best = shortest_prefix(question, np.argsort(decisive, kind="stable"))
    length = n if best is None else len(best) - 1
    greedy = shortest_prefix(question, np.fromiter(islice(greedy_order(events), length), dtype=int))
    return best if greedy is None else greedy


def _found_around(question: Question, removed: np.ndarray, limit: int, deadline: float) -> np.ndarray | None:
    """A set of at most ``limit`` items, by the effects of items when some (m,) are removed already; None if not found."""
    if limit < 1 or time.perf_counter() > deadline:
        return None
    around = question.mask(removed)[0]
    logits = question.logits(around[None])[0].double().cpu().numpy()
    there = question.pairs.events(logits, question.falls_around(around))
    events = Events(there.margin + there.gain[removed].sum(axis=0), there.gain, there.needed)
    found = shortest_prefix(question, np.fromiter(islice(greedy_order(events), limit), dtype=int))
    if found is not None:
        return found
    program, _ = smallest(events, limit, SHARE * remaining(deadline))
    return program if program is not None and question.reached(question.mask(program))[0] else None


def shortest_prefix(question: Question, order: np.ndarray) -> np.ndarray | None:
    """Shortest prefix of an order (m,) that reaches the goal, or None."""
    if not len(order):
        return None
    hits = question.reached(question.mask(*(order[: size + 1] for size in range(len(order)))))
    return order[: 1 + int(hits.argmax())] if hits.any() else None


def _ruled_out(question: Question, best: np.ndarray | None, deadline: float) -> tuple[np.ndarray | None, int]:
    """The best set found, and the smallest size that is not ruled out."""
    n, bound, slack, pairs = len(question.items), 1, rounding(question), question.pairs
    bounded = len(pairs.upper) <= MOST_PAIRS and not question.history.repeats
    network = question.model.network() if bounded else None
    limit = (n if best is None else len(best)) - 1
    if network is not None and not network.is_normalized and limit > 1:  # bounds also hold for smaller sets
        events = optimistic_events(network, question.items, pairs, limit).shifted(slack)
        _, bound = smallest(events, limit, SHARE * remaining(deadline))
        pairs = pairs.among(events.possible(limit))
    while bound <= limit and time.perf_counter() < deadline:
        events = _everything(n)
        if network is not None:
            events = optimistic_events(network, question.items, pairs, bound).shifted(slack)
        found, verdict = _try_size(question, network, pairs, events, bound, deadline)
        if verdict == "reached":
            return found, bound
        if verdict == "open":
            better = None if found is None else _found_around(question, found, limit, deadline)
            return (best if better is None else better), bound
        bound += 1
    return best, bound


def _everything(n: int) -> Events:
    """Bounds of n items that rule out no set."""
    return Events(np.array([-1.0]), np.zeros((n, 1)), 1)


def _try_size(
    question: Question, network: Network | None, pairs: Pairs, events: Events, size: int, deadline: float
) -> tuple[np.ndarray | None, Literal["reached", "impossible", "open"]]:
    """Try sets of ``size`` items: returns a set that reaches the goal or, if undecided, a set that comes near."""
    found, bound = smallest(events, size, SHARE * remaining(deadline), least=size)
    if bound > size:
        return None, "impossible"
    if found is not None and len(found) == size and question.reached(question.mask(found))[0]:
        return found, "reached"
    sets = sets_within(events, size, MOST_SETS)
    if sets is None:
        return found, "open"
    likely = pairs.among(events.possible(size)) if network else pairs
    for start in range(0, len(sets), question.batch_size):
        if time.perf_counter() > deadline:
            return found, "open"
        removed = question.mask(*sets[start : start + question.batch_size])
        if network:
            removed = removed[_may_reach(network, question, likely, removed)]
        hits = question.reached(removed)
        if hits.any():
            return np.flatnonzero(removed[hits.argmax()]), "reached"
    return None, "impossible"


def _may_reach(network: Network, question: Question, pairs: Pairs, removed: np.ndarray) -> np.ndarray:
    """Return which sets (R, n) can reach the goal (R,), by the layers and by the remaining pairs."""
    items, place = np.unique(np.concatenate([pairs.upper, pairs.lower]), return_inverse=True)
    entries = torch.from_numpy(question.items)
    logits = network.logits(torch.from_numpy(~removed), entries, torch.from_numpy(items)).numpy()[:, place]
    upper, lower = np.split(logits, 2, axis=1)
    return (upper - lower < rounding(question)).sum(axis=1) >= pairs.needed
