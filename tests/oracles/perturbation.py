"""Explainers that leave items out: leave-one-out by a loop, exact Shapley values by all parts of the players."""

import math

from oracles.objectives import log_odds, objective_at
from oracles.recommenders import items_of, logits_of


def leave_one_out(model, row, target, objective) -> list[float]:
    """Fall of the objective when one item is left out at a time (the FIA baseline of Barkan et al., WWW 2024)."""
    scores, items = [0.0] * len(row), items_of(row)
    for item in items:
        without = [0.0 if other == item else value for other, value in enumerate(row)]
        whole = objective_at(model, row, target, items, objective)
        scores[item] = whole - objective_at(model, without, target, items, objective)
    return scores


def shapley(value, players) -> dict:
    """Exact Shapley values by all subsets: player → value (Lundberg & Lee, NeurIPS 2017, eq. 4)."""
    values = dict.fromkeys(players, 0.0)
    for player in players:
        others = [other for other in players if other != player]
        for code in range(2 ** len(others)):
            subset = [other for place, other in enumerate(others) if code >> place & 1]
            share = math.factorial(len(subset)) * math.factorial(len(others) - len(subset)) / math.factorial(len(players))
            values[player] += share * (value([*subset, player]) - value(subset))
    return values


def shap_items(model, row, target, objective) -> list[float]:
    """Exact Shapley values of the history items, against the empty history."""
    items = items_of(row)
    values = shapley(lambda kept: objective(logits_of(model, kept), target, items, model.activation), items)
    return [values.get(item, 0.0) for item in range(len(row))]


def shap_clusters(model, row, target, cluster) -> list[float]:
    """Exact Shapley values, for the log-odds, of the clusters in a history; every item inherits its cluster's."""
    items = items_of(row)

    def value(clusters):
        history = [item for item in range(len(row)) if cluster[item] in clusters]
        return log_odds(logits_of(model, history), target, items, model.activation)

    values = shapley(value, sorted({int(cluster[item]) for item in items}))
    return [values[int(cluster[item])] if row[item] > 0 else 0.0 for item in range(len(row))]
