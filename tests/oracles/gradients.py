"""Gradients by finite differences, integrals by quadrature."""

import math

import numpy as np
import torch

from oracles.metrics import ordered_items
from oracles.objectives import objective_at
from oracles.recommenders import discounted_gain, items_of, logits_at, only, target_rank


def slopes(double_model, point, places, target, consumed, objective, epsilon=1e-5) -> dict[int, float]:
    """Central differences at one point, of a recommender in double precision: place → ∂g/∂x."""
    found = {}
    for place in places:
        more, less = list(point), list(point)
        more[place] += epsilon
        less[place] -= epsilon
        higher = objective_at(double_model, more, target, consumed, objective, torch.float64)
        lower = objective_at(double_model, less, target, consumed, objective, torch.float64)
        found[place] = (higher - lower) / (2 * epsilon)
    return found


def gradient_times_input(double_model, row, target, objective) -> list[float]:
    """Slopes at the items of one history."""
    found = slopes(double_model, row, items_of(row), target, items_of(row), objective)
    return [found.get(item, 0.0) * row[item] for item in range(len(row))]


def baseline_user(train, row, target, seed, draw) -> list[float]:
    """The history of a random training user, without the target."""
    generator = np.random.default_rng([seed, target, *items_of(row), draw])
    return [0.0 if item == target else float(value) for item, value in enumerate(train[generator.integers(len(train))])]


def integrated_gradients(double_model, row, start, target, objective, n_steps) -> list[float]:
    """Mean slopes between two histories, times their difference (Sundararajan et al., ICML 2017, eq. 1)."""
    scores, items = [0.0] * len(row), items_of(row)
    nodes, weights = np.polynomial.legendre.leggauss(n_steps)
    for node, weight in zip((1 + nodes) / 2, weights / 2, strict=True):
        point = [begin + node * (end - begin) for begin, end in zip(start, row, strict=True)]
        for item, slope in slopes(double_model, point, items, target, items, objective).items():
            scores[item] += weight * slope * (row[item] - start[item])
    return scores


def spinrec(double_model, row, starts, target, objective, n_steps, criterion="objective") -> list[float]:
    """The integrated gradients whose order makes the objective fall most on average over the perturbation curve, or the
    curve of the target's rank: NDCG, or POS at a cutoff."""
    items, best, lowest = items_of(row), None, math.inf
    for start in starts:
        scores = integrated_gradients(double_model, row, start, target, objective, n_steps)
        order = ordered_items(row, scores)
        parts = np.array_split(order, 10)
        sizes = [sum(len(part) for part in parts[:step]) for step in range(11)]
        if criterion == "objective":
            values = [
                objective_at(double_model, only(order[size:], len(row)), target, items, objective, torch.float64)
                for size in sizes
            ]
        else:
            ranks = [
                target_rank(logits_at(double_model, only(order[size:], len(row)), torch.float64), target, order)
                for size in sizes
            ]
            cutoff = int(criterion.partition("@")[2] or 0)
            values = [float(rank <= cutoff) if cutoff else discounted_gain(rank) for rank in ranks]
        if sum(values) < lowest:
            best, lowest = scores, sum(values)
    return best
