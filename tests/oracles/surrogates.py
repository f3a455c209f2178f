"""LIME and LIRE: a ridge regression for one user."""

import math

import numpy as np

from oracles.objectives import objective_at
from oracles.recommenders import items_of, logits_of


def weighted_ridge(features, values, weights, penalty) -> np.ndarray:
    """Coefficients of a ridge regression with an intercept that is not penalised."""
    features, values, weights = np.array(features, dtype=float), np.array(values), np.array(weights)
    centred = features - np.average(features, axis=0, weights=weights)
    target = values - np.average(values, weights=weights)
    gram = centred.T @ (centred * weights[:, None]) + penalty * np.eye(features.shape[1])
    return np.linalg.solve(gram, centred.T @ (weights * target))


def lime(model, row, target, objective, seed, n_samples, min_flips, max_flips) -> list[float]:
    """Weighted ridge coefficients around a history in which items are taken out and others put in."""
    items = items_of(row)
    others = [item for item in range(len(row)) if item not in items and item != target]
    generator = np.random.default_rng([seed, target, *items])
    masks, values, distances = [[1.0] * len(items)], [objective_at(model, row, target, items, objective)], [0]
    for _ in range(n_samples):
        flips = generator.integers(min_flips, max_flips + 1)
        n_out = min(generator.integers(0, flips + 1), len(items))
        out = [items[place] for place in generator.choice(len(items), n_out, replace=False)]
        put_in = list(generator.choice(others, min(flips - n_out, len(others)), replace=False))
        history = [item for item in items if item not in out] + put_in
        masks.append([float(item not in out) for item in items])
        values.append(objective(logits_of(model, history), target, items, model.activation))
        distances.append(len(out) + len(put_in))
    weights = [1 - distance / sum(distances) for distance in distances]
    scores = [0.0] * len(row)
    for item, coefficient in zip(items, weighted_ridge(masks, values, weights, 1.0), strict=True):
        scores[item] = coefficient
    return scores


def lire(model, train, row, target, objective, seed, n_samples, n_neighbours, share) -> list[float]:
    """Weighted ridge coefficients around a history of which items are taken out, and similar users' histories."""
    items = items_of(row)
    random = np.random.default_rng([seed, target, *items]).random((n_samples, len(items)))
    histories = [items] + [[item for item, draw in zip(items, draws, strict=True) if draw >= share] for draws in random]

    def similarity(user):
        return len(set(items) & set(items_of(train[user]))) / math.sqrt(len(items_of(train[user])))

    neighbours = sorted(range(len(train)), key=lambda user: (-similarity(user), user))[:n_neighbours]
    histories += [[item for item in items_of(train[user]) if item != target] for user in neighbours]
    masks, values, weights = [], [], []
    for history in histories:
        masks.append([float(item in history) for item in items])
        values.append(objective(logits_of(model, history), target, items, model.activation))
        cosine = len(set(items) & set(history)) / math.sqrt(len(items) * max(len(history), 1))
        weights.append(math.sqrt(math.exp(-((100 * (1 - cosine)) ** 2) / 25**2)))
    scores = [0.0] * len(row)
    for item, coefficient in zip(items, weighted_ridge(masks, values, weights, 1.0), strict=True):
        scores[item] = coefficient
    return scores
