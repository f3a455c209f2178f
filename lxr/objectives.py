"""What an explanation is about: the quantity g(x) of the target that history items raise or lower."""

from collections.abc import Callable

import torch

from lxr.recommenders import Recommender
from lxr.registry import Registry

Objective = Callable[[Recommender, torch.Tensor, torch.Tensor], torch.Tensor]


def target_logit(model: Recommender, history: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Logit of the target: histories (B, I), items (B,) → (B,)."""
    return model(history).gather(1, target[:, None]).squeeze(1)


def target_log_prob(model: Recommender, history: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Log-probability of the target: histories (B, I), items (B,) → (B,)."""
    return model.target_log_prob(model(history), target)


OBJECTIVES: dict[str, Objective] = Registry("objective", {"logit": target_logit, "log-prob": target_log_prob})
