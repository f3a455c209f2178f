"""Explainers that follow a history on its way to nothing, and look again after every step."""

import torch

from lxr.checks import check_natural, check_numbers, check_positive
from lxr.explainer import Explainer, in_batches
from lxr.fidelity import ItemOrder
from lxr.recommenders import Recommender


class Stepwise(Explainer):
    """Takes a history apart step by step: an item is the more important, the earlier it is taken.

    A subclass defines :meth:`order`: which of the items that are left are taken next.

    Args:
        model: the explained recommender.
        singles: steps at which a single item is taken.
        share: of the original history that is taken at each later step (at least one item).
        batch_size: users at a time; bounds the memory.

    Raises:
        ValueError: a negative ``singles``, a ``share`` outside (0, 1], or ``batch_size`` is not positive.
    """

    def __init__(self, model: Recommender, singles: int = 5, share: float = 0.1, batch_size: int = 512):
        super().__init__(model)
        check_positive(batch_size=batch_size)
        check_natural(singles=singles)
        check_numbers("a number above 0 and up to 1", lambda value: 0 < value <= 1, share=share)
        self.singles, self.share, self.batch_size = singles, share, batch_size

    def order(self, rest: torch.Tensor, target: torch.Tensor, history: torch.Tensor) -> ItemOrder:
        """The items that are left of histories (B, I), ``rest`` (B, I), in the order in which they would be taken now."""
        raise NotImplementedError

    def importance(self, history: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Number of items that were left when an item was taken, counting those of the same step by their order."""
        return in_batches(self.follow, self.batch_size, history, target)

    def follow(self, history: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """:meth:`importance` of one batch."""
        # (B,) items per step after the single ones; in double precision, lest a whole number is rounded up.
        later = (history.double().sum(dim=1) * self.share - 1e-6).ceil().clamp(min=1)
        x, scores, step = history.clone(), torch.zeros_like(history), 0
        while (rows := x.any(dim=1).nonzero().ravel()).numel():
            rest = x[rows]  # (b, I)
            position = self.order(rest, target[rows], history[rows]).positions(rest)
            count = torch.ones_like(later[rows]) if step < self.singles else later[rows]  # (b,)
            gone = (rest > 0) & (position < count[:, None])
            scores[rows] += gone * (rest.sum(dim=1, keepdim=True) - position)
            x[rows] = rest * ~gone
            step += 1
        return scores
