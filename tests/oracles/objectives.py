"""Objectives by plain arithmetic."""

import math

import torch

from oracles.recommenders import log_probability, logits_at


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
