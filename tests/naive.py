"""Slow, obvious implementations, one user at a time, which the fast ones of ``lxr`` must equal.

A history is a row of zeros and ones; everything about one user is computed by loops over its items. Sources: Barkan et al.,
A Counterfactual Framework for Learning and Evaluating Explanations for Recommender Systems, WWW 2024; Baklanov et al.,
Refining Fidelity Metrics for Explainable Recommendations, SIGIR 2025.
"""

import itertools
import math

import numpy as np
import torch


def items_of(row) -> list[int]:
    """Items of a history, ascending."""
    return [item for item in range(len(row)) if row[item] > 0]


def only(items, n_items) -> list[float]:
    """The history of these items."""
    return [1.0 if item in items else 0.0 for item in range(n_items)]


def logits_at(model, point, dtype=torch.float32) -> list[float]:
    """Logits of one history, passed through the recommender alone."""
    with torch.no_grad():
        return model(torch.tensor([list(point)], dtype=dtype))[0].tolist()


def logits_of(model, items) -> list[float]:
    """Logits of the history that consists of ``items``."""
    return logits_at(model, only(items, model.n_items))


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


def rank_biased_overlap(first, second, p) -> float:
    """Extrapolated overlap of two orders of the same items, depth by depth (Webber et al., TOIS 2010, eq. 32)."""
    total = 0.0
    for depth in range(1, len(first) + 1):
        shared = len(set(first[:depth]) & set(second[:depth]))
        total += shared / depth * p**depth
    return shared / len(first) * p ** len(first) + (1 - p) / p * total


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


def logit(logits, target, consumed, activation) -> float:
    """The target's score before activation."""
    return logits[target]


def log_prob(logits, target, consumed, activation) -> float:
    """Logarithm of the target's probability."""
    return log_probability(logits, target, activation)


def log_odds(logits, target, consumed, activation) -> float:
    """log p / (1 − p) of the target: against all other items, if they share one probability."""
    if activation == "sigmoid":
        return logits[target]
    return logits[target] - soft_maximum([score for item, score in enumerate(logits) if item != target], 1.0)


def rank_margin(logits, target, consumed, activation, k=100, tau=1.0) -> float:
    """Lead of the target over its k best rivals outside the original history."""
    rivals = [score for item, score in enumerate(logits) if item not in consumed and item != target]
    return logits[target] - (soft_maximum(sorted(rivals, reverse=True)[:k], tau) if rivals else 0.0)


def soft_rank(logits, target, consumed, activation, tau=1.0) -> float:
    """Minus the logarithm of one plus the rivals ahead of the target, each counted by a sigmoid of its lead."""
    leads = [(score - logits[target]) / tau for item, score in enumerate(logits) if item not in consumed and item != target]
    return -math.log(1 + sum(0.5 * (1 + math.tanh(lead / 2)) for lead in leads))


def soft_maximum(scores, tau) -> float:
    """τ · log of the sum of exp(score / τ)."""
    highest = max(scores)
    return highest + tau * math.log(sum(math.exp((score - highest) / tau) for score in scores))


OBJECTIVES = {"logit": logit, "log-prob": log_prob, "log-odds": log_odds, "rank-margin": rank_margin, "soft-rank": soft_rank}


def objective_at(model, point, target, consumed, objective, dtype=torch.float32) -> float:
    """An objective at one history, perturbed from one with the items ``consumed``."""
    return objective(logits_at(model, point, dtype), target, consumed, model.activation)


def leave_one_out(model, row, target, objective) -> list[float]:
    """Fall of the objective when one item is left out at a time (the FIA baseline of Barkan et al., WWW 2024)."""
    scores, items = [0.0] * len(row), items_of(row)
    for item in items:
        without = [0.0 if other == item else value for other, value in enumerate(row)]
        whole = objective_at(model, row, target, items, objective)
        scores[item] = whole - objective_at(model, without, target, items, objective)
    return scores


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


def spinrec(double_model, row, starts, target, objective, n_steps) -> list[float]:
    """The integrated gradients whose order makes the objective fall most on average over the perturbation curve."""
    items, best, lowest = items_of(row), None, math.inf
    for start in starts:
        scores = integrated_gradients(double_model, row, start, target, objective, n_steps)
        order = ordered_items(row, scores)
        parts = np.array_split(order, 10)
        sizes = [sum(len(part) for part in parts[:step]) for step in range(11)]
        values = [
            objective_at(double_model, only(order[size:], len(row)), target, items, objective, torch.float64)
            for size in sizes
        ]
        if sum(values) < lowest:
            best, lowest = scores, sum(values)
    return best


def accent(model, row, target, k) -> tuple[list[float], list[int], int | None]:
    """Influence on the target less that on a rival, the smallest set after which a rival has passed, and what is then first.

    Tran et al.: Counterfactual Explanations for Neural Recommenders, SIGIR 2021, with influence by leaving one item out.
    """
    items, logits = items_of(row), logits_at(model, row)
    rivals = sorted(
        (item for item in range(len(row)) if item not in items and item != target), key=lambda i: (-logits[i], i)
    )
    without = {item: logits_of(model, [other for other in items if other != item]) for item in items}
    candidates = []
    for rival in rivals[: k - 1]:
        contrast = [0.0] * len(row)
        for item in items:
            contrast[item] = (logits[target] - without[item][target]) - (logits[rival] - without[item][rival])
        order = ordered_items(row, contrast)
        for size in range(1, len(items) + 1):
            after = logits_of(model, order[size:])
            if after[rival] > after[target]:
                candidates.append((size, after[target] - after[rival], len(candidates), contrast, order[:size], after))
                break
        if rival == rivals[0]:
            fallback = contrast
    if not candidates:
        return fallback, [], None
    *_, contrast, removed, after = min(candidates)
    return contrast, removed, top_item(after, items)


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
