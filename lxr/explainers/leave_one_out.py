"""Leave-one-out: the fall of the objective when one history item is removed."""

from typing import ClassVar

import torch

from lxr.explainers.base import Explainer, in_batches
from lxr.explainers.objectives import OBJECTIVES, Objective, objective_of
from lxr.recommenders.base import Recommender
from lxr.utils.checks import check_positive


class LeaveOneOut(Explainer):
    """g(x) − g(x without i) for every history item i, batched over users and items.

    A score below zero means that g is higher without the item.

    Args:
        model: the explained recommender.
        objective: g, a name in :data:`lxr.OBJECTIVES` or a function like them.
        batch_size: histories per forward pass; bounds the memory.

    Raises:
        ValueError: an unknown objective, or ``batch_size`` is not positive.

    Source: the FIA baseline of Barkan et al., WWW 2024; Tran et al., SIGIR 2021, for its use in recommendation.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> history, target = torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3])
        >>> LeaveOneOut(model, objective="logit").explain(history, target).round(decimals=2)
        tensor([[2., 0., 0., 0.]])
    """

    is_signed: ClassVar[bool] = True
    search_space: ClassVar[dict] = {"objective": list(OBJECTIVES)}

    def __init__(self, model: Recommender, *, objective: str | Objective = "log-prob", batch_size: int = 512):
        super().__init__(model)
        check_positive(batch_size=batch_size)
        self.objective, self.batch_size = objective_of(objective), batch_size

    @torch.no_grad()
    def importance(self, history: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Fall of the objective when each item is left out."""

        def g(x: torch.Tensor, user: torch.Tensor) -> torch.Tensor:
            return self.objective(self.model, x, target[user], history[user])

        user, item, falls = leave_one_out(g, history, self.batch_size)
        scores = torch.zeros_like(history)
        scores[user, item] = falls.to(scores.dtype)
        return scores


def leave_one_out(g, history: torch.Tensor, batch_size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Contribution of every history item: the fall of g without it.

    Args:
        g: histories (R, I) and their users (R,) → (R,) or (R, m) values.
        history: (B, I) histories.
        batch_size: histories per call of g.

    Returns:
        Users (N,) and items (N,) of all history items, and their falls (N,) or (N, m).
    """
    whole = in_batches(g, batch_size, history, torch.arange(len(history), device=history.device))  # (B, …)

    user, item, rest = change_one(g, history, history, 0.0, batch_size)
    return user, item, whole[user] - rest


def change_one(
    g, x: torch.Tensor, items: torch.Tensor, value: float, batch_size: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Evaluate g with one history item set to a value, for each of several items.

    Args:
        g: histories (R, I) and their users (R,) → (R,) or (R, m) values.
        x: (B, I) histories.
        items: (B, I), positive at the items to change, one at a time.
        value: 0 removes the item, 1 adds it.
        batch_size: histories per call of g.

    Returns:
        Users (N,), ascending, and items (N,), ascending for each user, and the values (N,) or (N, m).
    """

    def changed(user: torch.Tensor, item: torch.Tensor) -> torch.Tensor:
        return g(x[user].scatter_(1, item[:, None], value), user)

    user, item = items.nonzero(as_tuple=True)
    return user, item, in_batches(changed, batch_size, user, item)
