"""Recommenders, one user at a time: logits, probabilities, ranks, the quality of a ranking."""

import math

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


def discounted_gain(rank) -> float:
    """1 / log2(1 + rank): NDCG of Barkan et al., WWW 2024, and CDCG of Baklanov et al., SIGIR 2025."""
    return 1 / math.log2(1 + rank)


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
