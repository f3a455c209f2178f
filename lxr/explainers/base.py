"""The contract of all explainers."""

import warnings
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import torch

from lxr.data.inputs import as_explained
from lxr.recommenders.base import Recommender
from lxr.recommenders.modes import evaluating, ordinary, with_gradients
from lxr.recommenders.probes import check_answers
from lxr.utils.checks import check_differentiable, check_finite, check_instance


class Explainer:
    """Scores how much each item of a history is responsible for a recommendation.

    A subclass defines :meth:`importance`; users are always rows, and an explanation depends on its own row alone.

    Args:
        model: the explained recommender.

    Attributes:
        model: the recommender whose recommendations are explained.
        needs_gradient: whether it must be differentiable.
        is_signed: whether a score below zero says that the item speaks against the recommendation: without it, what the
            explainer is about (the target's score, say) would be higher. Otherwise only the order of the scores means
            something, and figures show them on a scale from 0 to 1.
        longest: history items that an explainer's budget is made for; None if it has none.
        if_longer: what it does about longer histories.
        search_space: what :mod:`lxr.tuning` may choose its options from.

    Raises:
        ValueError: a recommender without a gradient, if one is needed, or whose answers cannot be explained
            (:func:`lxr.recommenders.probes.check_answers`).

    Warns:
        UserWarning: the recommender ignores the history, or its scores look like probabilities where logits are expected.

    Example:
        >>> import lxr
        >>> class Position(Explainer):  # items that stand later in the catalogue matter more
        ...     def importance(self, history, target):
        ...         return torch.arange(1.0, 1 + history.shape[1]).expand_as(history)
        >>> Position(lxr.MF(4)).explain(torch.tensor([[1.0, 0, 1, 0]]), torch.tensor([3]))
        tensor([[1., 0., 3., 0.]])
    """

    needs_gradient = False
    is_signed: ClassVar[bool] = False
    longest: int | None = None
    if_longer = ""
    search_space: ClassVar[dict] = {}

    def __init__(self, model: Recommender):
        check_answers(model)
        if self.needs_gradient:
            check_differentiable(model)
        self.model = model

    @classmethod
    def sized(cls, n_items: int) -> dict:
        """Defaults of options that depend on the size of the catalogue."""
        return {}

    def explain(self, history: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Explain one recommendation per user.

        Args:
            history: (B, I) binary histories, at least one item each: tensor, array, frame, lists or SciPy matrix.
            target: (B,) explained items, outside the histories: tensor, array, series or list of integers.

        Returns:
            (B, I) scores, higher for the items that are more responsible; 0 outside the history.

        Raises:
            ValueError: a wrong shape, an empty or non-binary history, a target inside its history, or a score that is not
                finite.

        Warns:
            UserWarning: histories are longer than the explainer's budget is made for, or all items of a history score the
                same.
        """
        history, target = as_explained(self.model, history, target)
        lengths = history.sum(dim=1).cpu().numpy().astype(int)
        self.report_long(lengths)
        scores = self.scores(history, target)
        self.report_equal(scores[history > 0].cpu().numpy(), lengths)
        return scores

    def scores(self, history: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """:meth:`explain` for input that is known to be right."""
        with with_gradients(), evaluating(self.model):
            history, target = ordinary(history), ordinary(target)
            scores = torch.where(history > 0, self.importance(history, target), 0.0).detach()
        if not scores.isfinite().all():
            user, item = history.nonzero(as_tuple=True)
            check_finite(user.cpu().numpy(), item.cpu().numpy(), scores[user, item].cpu().numpy())
        return scores

    def importance(self, history: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Scores (B, I) of checked input; what stands outside the history does not matter."""
        raise NotImplementedError

    def report_long(self, lengths: np.ndarray) -> None:
        """Warn of histories (lengths (B,)) that are longer than the budget is made for."""
        if self.longest is not None and (lengths > self.longest).any():
            warnings.warn(
                f"{type(self).__name__}: {(lengths > self.longest).sum()} of {len(lengths)} histories have more than "
                f"{self.longest} items (the longest {lengths.max():.0f}): {self.if_longer}",
                stacklevel=3,
            )

    def report_equal(self, scores: np.ndarray, lengths: np.ndarray) -> None:
        """Warn of histories of at least two items whose scores are all the same.

        Args:
            scores: (N,) of all items, user after user.
            lengths: (B,) items of each user, at least one.
        """
        start = lengths.cumsum() - lengths
        equal = (np.maximum.reduceat(scores, start) == np.minimum.reduceat(scores, start)) & (lengths >= 2)
        if equal.any():
            warnings.warn(
                f"{type(self).__name__}: for {equal.sum()} of {len(lengths)} users all items score the same: their order is "
                "that of the item numbers and explains nothing",
                stacklevel=3,
            )


def check_explainer(explainer: object) -> None:
    """Refuse what is no explainer, its name among others."""
    check_instance(Explainer, "an explainer, as lxr.EXPLAINERS[name](model, train_matrix) makes it", explainer=explainer)


def user_generator(seed: int, target: int, items: np.ndarray) -> np.random.Generator:
    """Random numbers for explaining one target by one history: they depend on these and the seed alone, so that they are
    the same in whatever batch the user comes. (The seed is below 2³².)"""
    # An array is hashed faster than a list.
    return np.random.default_rng(np.concatenate([np.array([seed, target], dtype=np.uint32), items.astype(np.uint32)]))


def in_batches(function: Callable[..., torch.Tensor], size: int, *tensors: torch.Tensor) -> torch.Tensor:
    """Apply a function to ``size`` rows of all tensors at a time, and join what it returns."""
    return torch.cat([function(*rows) for rows in zip(*(tensor.split(size) for tensor in tensors), strict=True)])
