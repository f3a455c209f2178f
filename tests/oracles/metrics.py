"""Fidelity and agreement by loops over steps, cutoffs and depths."""

import numpy as np

from oracles.recommenders import discounted_gain, items_of, logits_of, probability, target_rank


def ordered_items(row, importance) -> list[int]:
    """History items by descending importance, ties by ascending item."""
    return sorted(items_of(row), key=lambda item: (-importance[item], item))


def rank_biased_overlap(first, second, p) -> float:
    """Extrapolated overlap of two orders of the same items, depth by depth (Webber et al., TOIS 2010, eq. 32)."""
    total = 0.0
    for depth in range(1, len(first) + 1):
        shared = len(set(first[:depth]) & set(second[:depth]))
        total += shared / depth * p**depth
    return shared / len(first) * p ** len(first) + (1 - p) / p * total


def curve_metrics(model, row, target, importance, steps, cutoffs) -> dict[str, list[float]]:
    """Perturbation curves of one user: metric → steps + 1 values (Barkan et al., WWW 2024)."""
    order = ordered_items(row, importance)
    parts = np.array_split(order, steps)
    curves = {name: [] for name in [f"{kind}@{k}" for kind in ("POS", "NEG") for k in cutoffs] + ["DEL", "INS", "NDCG"]}
    for step in range(steps + 1):
        n_removed = sum(len(part) for part in parts[:step])
        without_most = logits_of(model, order[n_removed:])
        without_least = logits_of(model, order[: len(order) - n_removed])
        only_most = logits_of(model, order[:n_removed])
        for k in cutoffs:
            curves[f"POS@{k}"].append(float(target_rank(without_most, target, order) <= k))
            curves[f"NEG@{k}"].append(float(target_rank(without_least, target, order) <= k))
        curves["DEL"].append(probability(without_most, target, model.activation))
        curves["INS"].append(probability(only_most, target, model.activation))
        curves["NDCG"].append(discounted_gain(target_rank(without_most, target, order)))
    return curves


def first_release(model, row, target, importance, steps, cutoffs) -> dict[str, float]:
    """Means over the steps after the unperturbed one, with the two metrics of the first release of LXR's code."""
    curves = curve_metrics(model, row, target, importance, steps, cutoffs)
    order = ordered_items(row, importance)
    parts = np.array_split(order, steps)
    without_most = [order[sum(len(part) for part in parts[:step]) :] for step in range(steps + 1)]
    ranks = [target_rank(logits_of(model, items), target, order) for items in without_most]
    for k in cutoffs:
        curves[f"rankA@{k}"] = [max(0, k + 1 - rank) / k for rank in ranks]
    curves["rankB"] = [1 / rank for rank in ranks]
    return {name: sum(curve[1:]) / steps for name, curve in curves.items()}


def fixed_metrics(model, row, target, importance, lengths, cutoffs) -> dict[str, list[float]]:
    """Fixed-length metrics of one user: metric → one value per length Ke (Baklanov et al., SIGIR 2025).

    A history that is shorter than Ke counts with what there is.
    """
    order = ordered_items(row, importance)
    whole = probability(logits_of(model, order), target, model.activation)
    fixed = {name: [] for name in [f"POS@{k}" for k in cutoffs] + ["CDCG", "DEL", "INS"]}
    for length in lengths:
        without, only = logits_of(model, order[length:]), logits_of(model, order[:length])
        rank = target_rank(without, target, order)
        for k in cutoffs:
            fixed[f"POS@{k}"].append(float(rank <= k))
        fixed["CDCG"].append(discounted_gain(rank))
        fixed["DEL"].append(probability(without, target, model.activation) / whole)
        fixed["INS"].append(probability(only, target, model.activation) / whole)
    return fixed


def stacked(users: list[dict[str, list[float]]]) -> dict[str, np.ndarray]:
    """Metrics of single users, joined: metric → (B, values)."""
    return {name: np.array([user[name] for user in users]) for name in users[0]}
