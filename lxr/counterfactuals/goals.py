"""Goals of counterfactual sets: changes of a recommendation.

A goal compares the logits of the whole history with the logits of a part of it. Candidates are the items outside the whole
history: a removed item never becomes one. The rank of an item is 1 + the number of candidates with higher logits.
"""

from dataclasses import dataclass

import torch

from lxr.utils.checks import check_positive


@dataclass(frozen=True)
class Goal:
    """Base class of the goals about the first ``k`` places.

    A subclass defines :meth:`reached` and :meth:`successor`. Both take ``logits`` (R, I) of perturbed histories, logits
    ``whole`` (R, I) of the whole histories, explained items ``target`` (R,), and ``candidates`` (R, I), which are the items
    outside the whole histories.

    Args:
        k: length K of the list of recommendations.

    Raises:
        ValueError: ``k`` is not a positive integer.

    Example: see :class:`LeavesTop`.
    """

    k: int = 1

    def __post_init__(self):
        check_positive(k=self.k)

    def reached(
        self, logits: torch.Tensor, whole: torch.Tensor, target: torch.Tensor, candidates: torch.Tensor
    ) -> torch.Tensor:
        """Whether the goal is reached: (R,) booleans."""
        raise NotImplementedError

    def successor(
        self, logits: torch.Tensor, whole: torch.Tensor, target: torch.Tensor, candidates: torch.Tensor
    ) -> torch.Tensor:
        """The item (R,) that takes over if the goal is reached."""
        raise NotImplementedError


@dataclass(frozen=True)
class LeavesTop(Goal):
    """The target leaves the first K places: its rank becomes worse than K.

    The successor is the best of the items that have passed the target.

    Args:
        k: length K of the list of recommendations.

    Example:
        >>> whole, without = torch.tensor([[0.0, 3, 2]]), torch.tensor([[0.0, 1, 2]])
        >>> question = whole, torch.tensor([1]), torch.tensor([[False, True, True]])
        >>> LeavesTop(k=1).reached(without, *question), LeavesTop(k=2).reached(without, *question)
        (tensor([True]), tensor([False]))
        >>> LeavesTop(k=1).successor(without, *question)
        tensor([2])
    """

    def reached(self, logits, whole, target, candidates):
        """Whether at least K candidates are before the target: (R,)."""
        return _count(before(logits, target, candidates)) >= self.k

    def successor(self, logits, whole, target, candidates):
        """The best item that has passed the target: (R,)."""
        newcomers = before(logits, target, candidates) & ~before(whole, target, candidates)
        return logits.masked_fill(~newcomers, -torch.inf).argmax(dim=1)


@dataclass(frozen=True)
class Enters(Goal):
    """The target, a wanted item, comes into the first K places.

    The successor is the target itself.

    Args:
        k: length K of the list of recommendations.

    Example:
        >>> whole, without = torch.tensor([[0.0, 3, 2]]), torch.tensor([[0.0, 1, 2]])
        >>> Enters(k=1).reached(without, whole, torch.tensor([2]), torch.tensor([[False, True, True]]))
        tensor([True])
    """

    def reached(self, logits, whole, target, candidates):
        """Whether fewer than K candidates are before the target: (R,)."""
        return _count(before(logits, target, candidates)) < self.k

    def successor(self, logits, whole, target, candidates):
        """The target: (R,)."""
        return target


@dataclass(frozen=True)
class ChangesList(Goal):
    """The set of the first K items changes: an item outside the list gets a higher logit than an item of it.

    The target is ignored. The successor is the best item outside the former list.

    Args:
        k: length K of the list of recommendations.

    Example:
        >>> whole, without = torch.tensor([[0.0, 3, 2]]), torch.tensor([[0.0, 1, 2]])
        >>> question = whole, torch.tensor([1]), torch.tensor([[False, True, True]])
        >>> ChangesList(k=1).reached(without, *question), ChangesList(k=2).reached(without, *question)
        (tensor([True]), tensor([False]))
    """

    def reached(self, logits, whole, target, candidates):
        """Whether the best item outside the former list passes the last item of it: (R,)."""
        inside = listed(whole, candidates, self.k)
        best = logits.masked_fill(inside | ~candidates, -torch.inf).amax(dim=1)
        return best > logits.masked_fill(~inside, torch.inf).amin(dim=1)

    def successor(self, logits, whole, target, candidates):
        """The best item outside the former list: (R,)."""
        return logits.masked_fill(listed(whole, candidates, self.k) | ~candidates, -torch.inf).argmax(dim=1)


FIRST_PLACE = LeavesTop(k=1)


def before(logits: torch.Tensor, target: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
    """The candidates (R, I) whose logits (R, I) are higher than those of the targets (R,)."""
    return (logits > logits.gather(1, target[:, None])) & candidates


def listed(logits: torch.Tensor, candidates: torch.Tensor, k: int) -> torch.Tensor:
    """The candidates (R, I) among the first ``k`` by logits (R, I); more than k if items tie for the last place."""
    ranked = logits.masked_fill(~candidates, -torch.inf)
    return candidates & (ranked >= ranked.topk(min(k, logits.shape[1]), dim=1).values[:, -1:])


def _count(chosen: torch.Tensor) -> torch.Tensor:
    """Number (R,) of chosen items (R, I); several times faster than a sum of 64 bits."""
    return chosen.sum(dim=1, dtype=torch.int32)
