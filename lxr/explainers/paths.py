"""Explainers that remove history items step by step and take a new gradient after every step."""

from dataclasses import replace
from typing import ClassVar

import torch

from lxr.data.histories import Histories
from lxr.explainers.base import Explainer, in_batches
from lxr.explainers.gradients import gradient, gradient_at_rest
from lxr.explainers.objectives import Objective, RankMargin, SoftRank, objective_of
from lxr.metrics.trajectory import ranks
from lxr.recommenders.base import Recommender
from lxr.utils.checks import check_natural, check_numbers, check_positive


class Stepwise(Explainer):
    """Base class: takes history items step by step; earlier items are more important.

    A subclass defines :meth:`order`, scores of the remaining entries.

    Args:
        model: the explained recommender.
        singles: number of first steps, which take a single item each.
        share: share of the original history that each later step takes (at least one item).
        batch_size: users at a time; bounds the memory.

    Raises:
        ValueError: a negative ``singles``, a ``share`` outside (0, 1], or ``batch_size`` is not positive.
    """

    def __init__(self, model: Recommender, *, singles: int = 5, share: float = 0.1, batch_size: int = 512):
        super().__init__(model)
        check_positive(batch_size=batch_size)
        check_natural(singles=singles)
        check_numbers("a number above 0 and up to 1", lambda value: 0 < value <= 1, share=share)
        self.singles, self.share, self.batch_size = singles, share, batch_size

    def order(self, stays: torch.Tensor, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """Scores (B, L) of the remaining entries ``stays`` (B, L) of the histories, higher for the next ones."""
        raise NotImplementedError

    def importance(self, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """Number of remaining items when an item was taken; items of the same step count by their order."""
        return in_batches(self.follow, self.batch_size, histories, target)

    def follow(self, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """:meth:`importance` of one batch."""
        # (B,) items per step after the single ones, in double precision: single precision may round a whole number up.
        later = (histories.lengths.double() * self.share - 1e-6).ceil().clamp(min=1).long()
        stays, scores, step = histories.real.clone(), torch.zeros(histories.shape, device=histories.device), 0
        while (rows := stays.any(dim=1).nonzero().ravel()).numel():
            rest, part = stays[rows], histories[rows]  # (b, L)
            position = ranks(replace(part, real=rest), self.order(rest, part, target[rows]))
            count = torch.ones_like(later[rows]) if step < self.singles else later[rows]  # (b,)
            gone = rest & (position < count[:, None])
            scores[rows] += gone * (rest.sum(dim=1, keepdim=True) - position)
            stays[rows] = rest & ~gone
            step += 1
        return scores


class GradientPath(Stepwise):
    """Iterated gradient × input: remove the best items, take the gradient at the rest, and repeat.

    The gradient at the whole history goes stale once the best items are removed; new gradients do not. Items that are
    removed earlier are more important.

    Args:
        model: the explained recommender.
        objective: g, a name in :data:`lxr.OBJECTIVES` or a function like them.
        singles, share, batch_size: sizes of the steps and of a batch, as for :class:`lxr.explainers.paths.Stepwise`.

    Raises:
        ValueError: a recommender without a gradient, an unknown objective, or impossible steps.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> history, target = torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3])
        >>> GradientPath(model).explain(history, target).round(decimals=2)
        tensor([[2., 1., 0., 0.]])
    """

    needs_gradient = True

    def __init__(
        self,
        model: Recommender,
        *,
        objective: str | Objective = "soft-rank",
        singles: int = 5,
        share: float = 0.1,
        batch_size: int = 512,
    ):
        super().__init__(model, singles=singles, share=share, batch_size=batch_size)
        self.objective = objective_of(objective)

    def order(self, stays: torch.Tensor, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """The gradient at the remaining history."""
        return gradient_at_rest(self.objective, self.model, histories, stays, target)


class InsertionPath(GradientPath):
    """The reverse of a deletion path: add the item with the largest gradient, take the gradient again, and repeat.

    Items that are added earlier are more important. The gradient at the whole history selects the first: at the empty
    history a gradient need not exist. Arguments as for :class:`GradientPath`.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> history, target = torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3])
        >>> InsertionPath(model).explain(history, target).round(decimals=2)
        tensor([[2., 1., 0., 0.]])
    """

    def order(self, stays: torch.Tensor, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """The gradient at the items inserted so far."""
        inside = histories.real & ~stays
        kept = torch.where(inside.any(dim=1, keepdim=True), inside, histories.real)
        return gradient(self.objective, self.model, histories, kept, target)


class SoftRankPath(GradientPath):
    """:class:`GradientPath` of the smooth rank.

    Args:
        model: the explained recommender.
        tau, first_tau: τ, softness of the rank, and τ for the first items, as for :class:`lxr.explainers.SoftRank`.
        singles, share, batch_size: sizes of the steps and of a batch, as for :class:`lxr.explainers.paths.Stepwise`.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> history, target = torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3])
        >>> SoftRankPath(model, tau=0.5).explain(history, target).round(decimals=2)
        tensor([[2., 1., 0., 0.]])
    """

    search_space: ClassVar[dict] = {
        "tau": (0.1, 1.0, "log"),
        "first_tau": (0.1, 1.0, "log"),
        "singles": [5, 10],
        "share": [0.05, 0.1, 0.2],
    }

    def __init__(
        self,
        model: Recommender,
        *,
        tau: float = 0.35,
        first_tau: float = 0.2,
        singles: int = 5,
        share: float = 0.1,
        batch_size: int = 512,
    ):
        objective = SoftRank(tau, first_tau)
        super().__init__(model, objective=objective, singles=singles, share=share, batch_size=batch_size)


class RankMarginPath(GradientPath):
    """:class:`GradientPath` of the rank margin.

    Args:
        model, k, tau, batch_size: as for :class:`RankMarginGradient`.
        singles, share: sizes of the steps, as for :class:`lxr.explainers.paths.Stepwise`.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> history, target = torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3])
        >>> RankMarginPath(model, k=1).explain(history, target).round(decimals=2)
        tensor([[2., 1., 0., 0.]])
    """

    search_space: ClassVar[dict] = {
        "k": [10, 20, 50, 100],
        "tau": (0.3, 3.0, "log"),
        "singles": [5, 10],
        "share": [0.05, 0.1, 0.2],
    }

    def __init__(
        self,
        model: Recommender,
        *,
        k: int | None = None,
        tau: float = 1.0,
        singles: int = 5,
        share: float = 0.1,
        batch_size: int = 512,
    ):
        objective = RankMargin.of_catalogue(model.n_columns, k, tau)
        super().__init__(model, objective=objective, singles=singles, share=share, batch_size=batch_size)

    @classmethod
    def catalogue_defaults(cls, n_items: int) -> dict:
        """Default number of rivals."""
        return {"k": RankMargin.usual_k(n_items)}
