"""Paths, removed or added step by step, and searches with a criterion."""

import itertools
import math

from oracles.gradients import slopes
from oracles.metrics import fixed_metrics
from oracles.objectives import rank_margin
from oracles.recommenders import items_of, log_probability, logits_of, only, target_rank


def gradient_path(double_model, row, target, objective, singles, share, insert=False) -> list[float]:
    """Items left when an item goes: the steepest first, one at a time, then a share of the history at a time.

    Slopes are taken at what is left; or at what has gone, once something has.
    """
    left, scores, step = items_of(row), [0.0] * len(row), 0
    several = max(1, math.ceil(share * len(left) - 1e-6))
    while left:
        here = [item for item in items_of(row) if item not in left] if insert and step else left
        found = slopes(double_model, only(here, len(row)), left, target, items_of(row), objective)
        for item in sorted(left, key=lambda item: (-found[item], item))[: 1 if step < singles else several]:
            scores[item] = float(len(left))
            left.remove(item)
        step += 1
    return scores


def greedy_search(model, row, target, criterion, singles, share) -> list[float]:
    """Places in a greedy order, from the history's length at its most important item down to 1.

    Every item that is left is tried out; the best goes next, or the best few. (Greedy bound of the fidelity gain.)
    """
    items = items_of(row)
    left, taken = list(items), []
    while left:
        keys = {}
        for item in left:
            kept = [*taken, item] if criterion == "ins" else [other for other in left if other != item]
            logits = logits_of(model, kept)
            rank, margin = target_rank(logits, target, items), rank_margin(logits, target, items, model.activation)
            probability_key = log_probability(logits, target, model.activation)
            keys[item] = {
                "rank": (-rank, margin),
                "neg": (rank, -margin),
                "del": (probability_key,),
                "ins": (-probability_key,),
            }[criterion]
        count = 1 if len(taken) < singles else math.ceil(share * len(items) - 1e-6)
        best = sorted(left, key=lambda item: (keys[item], item))[:count]
        taken, left = taken + best, [item for item in left if item not in best]
    order = taken[::-1] if criterion == "neg" else taken
    return [float(len(order) - order.index(item)) if item in order else 0.0 for item in range(len(row))]


def exhaustive_optimum(model, row, target, length, cutoffs) -> dict[str, float]:
    """The best of every fixed-length metric over all explanations of this length."""
    best = {}
    for subset in itertools.combinations(items_of(row), min(length, len(items_of(row)))):
        importance = only(subset, len(row))
        for name, (value,) in fixed_metrics(model, row, target, importance, (length,), cutoffs).items():
            best[name] = (max if name == "INS" else min)(best.get(name, value), value)
    return best
