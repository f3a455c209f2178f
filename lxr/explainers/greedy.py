"""Greedy search: an order of a history that scores every step with the recommender."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from lxr.data.histories import Histories
from lxr.explainers.leave_one_out import change_one
from lxr.explainers.objectives import Objective, RankMargin, after_deletion, target_log_prob
from lxr.explainers.paths import Stepwise
from lxr.metrics.trajectory import target_rank
from lxr.recommenders.base import Recommender
from lxr.utils.registry import Registry


def _rank_without(
    model: Recommender, logits: torch.Tensor, target: torch.Tensor, histories: Histories, stays: torch.Tensor
) -> torch.Tensor:
    """Rank of the target on perturbed histories: minus its rank, then its rank margin, (R, 2)."""
    margin = RankMargin.of_catalogue(model.n_columns)(model, logits, target, histories, stays)
    return torch.stack([-target_rank(logits, target, histories), margin], dim=1)


def _probability_without(
    model: Recommender, logits: torch.Tensor, target: torch.Tensor, histories: Histories, stays: torch.Tensor
) -> torch.Tensor:
    """Log-probability of the target on perturbed histories, (R, 1)."""
    return target_log_prob(model, logits, target, histories, stays)[:, None]


@dataclass(frozen=True)
class Criterion:
    """Criterion of a greedy search.

    Attributes:
        objective: quality of the target's rank, one value or several; later values break ties.
        adding: whether the search adds items to the empty history; else it removes items from the whole one.
        least_first: whether the least important item comes first; else the most important one.
    """

    objective: Objective
    adding: bool = False
    least_first: bool = False


CRITERIA: dict[str, Criterion] = Registry(
    "criterion",
    {
        "rank": Criterion(_rank_without),
        "del": Criterion(_probability_without),
        "neg": Criterion(_rank_without, least_first=True),
        "ins": Criterion(_probability_without, adding=True),
    },
)


class GreedySearch(Stepwise):
    """Orders a history by greedy search: tries every remaining item, takes the best, and repeats.

    | criterion | each step | best by |
    | --- | --- | --- |
    | `"rank"` | removes the items without which the target ranks lowest, ties by the rank margin | POS, NDCG, CDCG |
    | `"del"` | removes the items without which the target is least probable | DEL |
    | `"neg"` | removes, as the least important, those without which the target still ranks highest | NEG |
    | `"ins"` | adds to the empty history the items with which the target is most probable | INS |

    Ties go to the lowest item. A step of several items ranks them individually. With single steps the first item is
    optimal; later items need not be, because the best item need not be one of the best two.

    Args:
        model: the explained recommender.
        criterion: a name in the table.
        singles, share: sizes of the steps, as for :class:`lxr.explainers.paths.Stepwise`.
        batch_size: histories per forward pass; bounds the memory.

    Raises:
        ValueError: an unknown criterion, a negative ``singles``, a ``share`` outside (0, 1].

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> history, target = torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3])
        >>> GreedySearch(model).explain(history, target)  # item 0 goes first
        tensor([[2., 1., 0., 0.]])
    """

    def __init__(
        self, model: Recommender, criterion: str = "rank", *, singles: int = 5, share: float = 0.1, batch_size: int = 512
    ):
        super().__init__(model, singles=singles, share=share, batch_size=batch_size)
        self.criterion = CRITERIA[criterion]

    @torch.no_grad()
    def importance(self, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """Position in the greedy order, from the history's length (most important) down to 1."""
        left = super().importance(histories, target)
        return 1 + histories.lengths[:, None] - left if self.criterion.least_first else left

    def order(self, stays: torch.Tensor, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """Places by the target's rank after each: best first if items should support it, else worst first."""
        adding, keeping = self.criterion.adding, self.criterion.adding or self.criterion.least_first

        def value(kept: torch.Tensor, user: torch.Tensor) -> torch.Tensor:
            return after_deletion(self.criterion.objective, self.model, histories[user], kept, target[user])

        kept = histories.real & ~stays if adding else stays
        values = change_one(value, kept, stays, adding, self.batch_size)
        return replace(histories, real=stays).padded(_by_first_key(values if keeping else -values))


def _by_first_key(keys: torch.Tensor) -> torch.Tensor:
    """One score (N,) in the order of keys (N, m): the first decides, the others break ties, then the earlier entry leads."""
    order = np.lexsort((*-keys.double().cpu().numpy().T[::-1],))
    place = np.empty(len(order))
    place[order] = np.arange(len(order))
    return torch.from_numpy(-place).to(keys.device)
