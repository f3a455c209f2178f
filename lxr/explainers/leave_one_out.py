"""Leave-one-out: the fall of the objective when one history item is removed."""

from collections.abc import Callable
from typing import ClassVar

import torch

from lxr.data.histories import Histories
from lxr.explainers.base import Explainer, in_batches
from lxr.explainers.objectives import OBJECTIVES, Objective, after_deletion, objective_of
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
    def importance(self, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """Fall of the objective when each entry is left out."""

        def g(stays: torch.Tensor, user: torch.Tensor) -> torch.Tensor:
            return self.value(histories[user], stays, target[user])

        return histories.padded(leave_one_out(g, histories, self.batch_size).float())

    def value(self, histories: Histories, stays: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The objective (R,) of targets (R,) after all entries but those that stay (R, L) are deleted."""
        return after_deletion(self.objective, self.model, histories, stays, target)


Scorer = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def leave_one_out(g: Scorer, histories: Histories, batch_size: int) -> torch.Tensor:
    """Contribution of every entry: the fall of g without it.

    Args:
        g: entries that stay (R, L) and their users (R,) → (R,) or (R, m) values.
        histories: histories of B users.
        batch_size: histories per call of g.

    Returns:
        The falls (N,) or (N, m) of all entries, user after user.
    """
    users = torch.arange(len(histories), device=histories.device)
    whole = in_batches(g, batch_size, histories.real, users)  # (B, …)
    return whole[histories.users] - change_one(g, histories.real, histories.real, False, batch_size)


def change_one(g: Scorer, stays: torch.Tensor, entries: torch.Tensor, value: bool, batch_size: int) -> torch.Tensor:
    """Evaluate g with one entry removed or added, for each of several entries.

    Args:
        g: entries that stay (R, L) and their users (R,) → (R,) or (R, m) values.
        stays: (B, L) entries that stay otherwise.
        entries: (B, L) bool, the entries to change, one at a time.
        value: False removes the entry, True adds it.
        batch_size: histories per call of g.

    Returns:
        The values (N,) or (N, m), user after user, in the order of the entries.
    """

    def changed(user: torch.Tensor, entry: torch.Tensor) -> torch.Tensor:
        return g(stays[user].scatter_(1, entry[:, None], value), user)

    return in_batches(changed, batch_size, *entries.nonzero(as_tuple=True))
