"""Explainers that look at gradients with respect to the history."""

import torch

from lxr.explainer import Explainer
from lxr.objectives import OBJECTIVES
from lxr.recommenders import Recommender


class GradientTimesInput(Explainer):
    """x ∘ ∂g/∂x: the first-order estimate of what leaving an item out takes away.

    Args:
        model: the explained recommender.
        objective: g, ``"log-prob"`` or ``"logit"`` of the target.

    Source: Shrikumar et al., ICML 2017, section 2.2.1.
    """

    def __init__(self, model: Recommender, objective: str = "log-prob"):
        super().__init__(model)
        self.objective = OBJECTIVES[objective]

    @torch.enable_grad()
    def importance(self, history: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Gradient × input; one backward pass serves all users, since each row depends on its own history alone."""
        x = history.clone().requires_grad_()
        g = self.objective(self.model, x, target)  # (B,)
        if not g.requires_grad:
            raise ValueError("model: its scores have no gradient with respect to the history")
        (gradient,) = torch.autograd.grad(g.sum(), x)
        return gradient * history
