"""Slow, obvious implementations, one user at a time, which the fast ones of ``lxr`` must equal.

A history is a row of zeros and ones; everything about one user is computed by loops over its items. Sources: Barkan et al.,
A Counterfactual Framework for Learning and Evaluating Explanations for Recommender Systems, WWW 2024; Baklanov et al.,
Refining Fidelity Metrics for Explainable Recommendations, SIGIR 2025.
"""

import math

import numpy as np
import torch


def items_of(row) -> list[int]:
    """Items of a history, ascending."""
    return [item for item in range(len(row)) if row[item] > 0]


def logits_at(model, point, dtype=torch.float32) -> list[float]:
    """Logits of one history, passed through the recommender alone."""
    with torch.no_grad():
        return model(torch.tensor([list(point)], dtype=dtype))[0].tolist()


def logits_of(model, items) -> list[float]:
    """Logits of the history that consists of ``items``."""
    return logits_at(model, [1.0 if item in items else 0.0 for item in range(model.n_items)])


def log_probability(logits, target, activation) -> float:
    """Logarithm of the activated score of the target, in double precision."""
    score = logits[target]
    if activation == "sigmoid":
        return min(score, 0.0) - math.log1p(math.exp(-abs(score)))
    highest = max(logits)
    return score - highest - math.log(sum(math.exp(logit - highest) for logit in logits))


def probability(logits, target, activation) -> float:
    """Activated score of the target: what DEL and INS are defined on (Barkan et al., WWW 2024)."""
    return math.exp(log_probability(logits, target, activation))


def target_rank(logits, target, consumed) -> int:
    """1 + the number of items outside the original history with a strictly higher logit."""
    return 1 + sum(logits[item] > logits[target] for item in range(len(logits)) if item not in consumed)


def top_item(logits, consumed) -> int:
    """The unseen item with the highest logit, the lowest index of equal ones (Barkan et al., WWW 2024)."""
    unseen = [item for item in range(len(logits)) if item not in consumed]
    return min(unseen, key=lambda item: (-logits[item], item))


def ordered_items(row, importance) -> list[int]:
    """History items by descending importance, ties by ascending item."""
    return sorted(items_of(row), key=lambda item: (-importance[item], item))


def discounted_gain(rank) -> float:
    """1 / log2(1 + rank): NDCG of Barkan et al., WWW 2024, and CDCG of Baklanov et al., SIGIR 2025."""
    return 1 / math.log2(1 + rank)


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


def users_of(train, item) -> set[int]:
    """Training users who consumed the item."""
    return {user for user in range(len(train)) if train[user][item] > 0}


def jaccard(train, first, second) -> float:
    """Shared users over all users of two items (baseline of Barkan et al., WWW 2024); 0 if there are none."""
    a, b = users_of(train, first), users_of(train, second)
    return len(a & b) / len(a | b) if a | b else 0.0


def cosine(train, first, second) -> float:
    """Cosine between the columns of two items (baseline of Barkan et al., WWW 2024); 0 if one is empty."""
    a, b = users_of(train, first), users_of(train, second)
    return len(a & b) / math.sqrt(len(a) * len(b)) if a and b else 0.0


def inverse_document_frequency(train, user) -> float:
    """ln((1 + n) / (1 + df)) + 1 of a term: a user, who occurs in df of the n documents: the items."""
    return math.log((1 + len(train[user])) / (1 + len(items_of(train[user])))) + 1


def tf_idf(train, first, second) -> float:
    """Cosine between two items as documents whose terms are their users (baseline of Barkan et al., WWW 2024)."""
    a, b = users_of(train, first), users_of(train, second)

    def squared(users):
        return sum(inverse_document_frequency(train, user) ** 2 for user in users)

    return squared(a & b) / math.sqrt(squared(a) * squared(b)) if a and b else 0.0


def popularity(train, target, item) -> float:
    """Training users of the item, whatever the target (baseline of Barkan et al., WWW 2024)."""
    return float(len(users_of(train, item)))


def similarity_scores(similarity, train, row, target) -> list[float]:
    """Importance of one user's items: their similarity to the target, 0 outside the history."""
    return [similarity(train, target, item) if row[item] > 0 else 0.0 for item in range(len(row))]


def objective_at(model, point, target, objective, dtype=torch.float32) -> float:
    """Logit or log-probability of the target at one history."""
    logits = logits_at(model, point, dtype)
    return logits[target] if objective == "logit" else log_probability(logits, target, model.activation)


def leave_one_out(model, row, target, objective) -> list[float]:
    """Fall of the objective when one item is left out at a time (the FIA baseline of Barkan et al., WWW 2024)."""
    scores = [0.0] * len(row)
    for item in items_of(row):
        without = [0.0 if other == item else value for other, value in enumerate(row)]
        scores[item] = objective_at(model, row, target, objective) - objective_at(model, without, target, objective)
    return scores


def gradient_times_input(double_model, row, target, objective, epsilon=1e-5) -> list[float]:
    """Central differences at the items of one history, of a recommender in double precision."""
    scores = [0.0] * len(row)
    for item in items_of(row):
        more, less = list(row), list(row)
        more[item] += epsilon
        less[item] -= epsilon
        higher = objective_at(double_model, more, target, objective, torch.float64)
        lower = objective_at(double_model, less, target, objective, torch.float64)
        scores[item] = (higher - lower) / (2 * epsilon) * row[item]
    return scores


def rank_quality(model, rest, hidden) -> dict[str, float]:
    """HR@K, NDCG@10, MRR and MPR of one hidden item per user; an equal score counts half a place."""
    ranks, percentiles = [], []
    for row, item in zip(rest, hidden, strict=True):
        logits = logits_at(model, row)
        others = [other for other in range(len(row)) if row[other] == 0 and other != item]
        higher = sum(logits[other] > logits[item] for other in others)
        equal = sum(logits[other] == logits[item] for other in others)
        ranks.append(1 + higher + equal / 2)
        percentiles.append((ranks[-1] - 1) / len(others))
    quality = {f"HR@{k}": sum(rank <= k for rank in ranks) / len(ranks) for k in (10, 50, 100)}
    quality["NDCG@10"] = sum(discounted_gain(rank) for rank in ranks if rank <= 10) / len(ranks)
    quality["MRR"] = sum(1 / rank for rank in ranks) / len(ranks)
    quality["MPR"] = sum(percentiles) / len(percentiles)
    return quality
