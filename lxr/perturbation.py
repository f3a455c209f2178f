"""Explainers that change the history and look at what the recommender does."""

import torch

from lxr.checks import check_positive
from lxr.explainer import Explainer
from lxr.objectives import OBJECTIVES
from lxr.recommenders import Recommender


class LeaveOneOut(Explainer):
    """g(x) − g(x without i) for every history item i, batched over users and items.

    Args:
        model: the explained recommender.
        objective: g, ``"log-prob"`` or ``"logit"`` of the target.
        batch_size: histories per forward pass; bounds the memory.

    Source: the FIA baseline of Barkan et al., WWW 2024; Tran et al., SIGIR 2021, for its use in recommendation.
    """

    def __init__(self, model: Recommender, objective: str = "log-prob", batch_size: int = 512):
        super().__init__(model)
        check_positive(batch_size=batch_size)
        self.objective, self.batch_size = OBJECTIVES[objective], batch_size

    @torch.no_grad()
    def importance(self, history: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Fall of the objective when each item is left out."""
        whole = self.objective(self.model, history, target)  # (B,)
        user, item = history.nonzero(as_tuple=True)  # (N,)
        scores = torch.zeros_like(history)
        for rows in torch.arange(len(user), device=history.device).split(self.batch_size):
            without = history[user[rows]]
            without[torch.arange(len(rows), device=history.device), item[rows]] = 0
            fall = whole[user[rows]] - self.objective(self.model, without, target[user[rows]])
            scores[user[rows], item[rows]] = fall.to(scores.dtype)
        return scores
