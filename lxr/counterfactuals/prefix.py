"""Smallest prefix of an explainer's order that changes a recommendation, for many users at once."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from lxr.counterfactuals.goals import FIRST_PLACE, Goal
from lxr.data.histories import Histories
from lxr.explainers.base import in_batches
from lxr.metrics.fidelity import scored_batches
from lxr.metrics.trajectory import ranks
from lxr.recommenders.base import Recommender
from lxr.utils.checks import check_instance, check_logits, check_positive
from lxr.utils.sparse import USERS_PER_BATCH

FEW_SIZES = 4  # sizes of the first round


@dataclass(frozen=True)
class Prefixes:
    """Smallest prefixes of users.

    Attributes:
        found: (B,) whether a prefix reaches the goal.
        size: (B,) items of the prefix; 0 without a prefix, or if the whole history reaches the goal.
        removed: B arrays (size,) of history items, the most important first.
        replacement: (B,) the item that takes over (:meth:`lxr.counterfactuals.Goal.successor`); −1 without a prefix.

    Example: see :func:`smallest_prefix`.
    """

    found: np.ndarray
    size: np.ndarray
    removed: list[np.ndarray]
    replacement: np.ndarray


def smallest_prefix(
    model: Recommender,
    history: object,
    target: object,
    importance: object,
    goal: Goal = FIRST_PLACE,
    *,
    batch_size: int = 512,
    users_per_batch: int = USERS_PER_BATCH,
    label: str | None = None,
) -> Prefixes:
    """Smallest prefix of an explainer's order whose removal reaches a goal.

    Items are removed in the order of their importance, ties by ascending item, and the goal is checked after every removal.
    More removals need not bring the goal nearer; the first hit counts. The last prefix is the whole history.

    Args:
        model: recommender of I items.
        history: :class:`lxr.Histories`, or (B, I) binary histories, at least one item each: dense, or a SciPy matrix, which
            is read one batch of users at a time.
        target: (B,) explained items, outside the histories; for :class:`Enters` the wanted items.
        importance: (B, I) scores of the history items, dense or sparse.
        goal: the change: :class:`LeavesTop`, :class:`Enters` or :class:`ChangesList`.
        batch_size: histories per forward pass.
        users_per_batch: users of a SciPy matrix at a time.
        label: label of a progress bar over the batches of users; None for no bar.

    Returns:
        The prefixes, in the order of the users.

    Raises:
        ValueError: a wrong shape, an empty or non-binary history, a target inside its history, scores that are not finite,
            something else than a goal, or an option that is not positive.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> prefixes = smallest_prefix(model, [[1, 1, 0, 0]], target=[3], importance=[[2.0, 1, 0, 0]])
        >>> prefixes.removed, prefixes.replacement
        ([array([0])], array([2]))
    """
    check_goal(goal)
    check_positive(batch_size=batch_size, users_per_batch=users_per_batch)
    batches = scored_batches(model, history, target, importance, users_per_batch, label)
    parts = [_prefixes(model, *batch, goal, batch_size) for batch in batches]
    return Prefixes(
        np.concatenate([part.found for part in parts]),
        np.concatenate([part.size for part in parts]),
        [removed for part in parts for removed in part.removed],
        np.concatenate([part.replacement for part in parts]),
    )


def check_goal(goal: object) -> None:
    """Refuse anything but a goal."""
    check_instance(Goal, "a goal, as lxr.counterfactuals.LeavesTop(k=1)", goal=goal)


@torch.no_grad()
def _prefixes(
    model: Recommender,
    histories: Histories,
    target: torch.Tensor,
    importance: torch.Tensor,
    goal: Goal,
    batch_size: int,
) -> Prefixes:
    """:func:`smallest_prefix` of checked entries and scores (B, L)."""
    position, candidates = ranks(histories, importance), histories.unseen(model.n_columns)  # (B, L), (B, I)
    whole = in_batches(model.logits, batch_size, histories)  # (B, I)
    check_logits(whole)

    def without(user: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
        return model.logits_after_deletion(histories[user], position[user] >= size[:, None])

    def reached(user: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
        return goal.reached(without(user, size), whole[user], target[user], candidates[user])

    def successor(user: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
        return goal.successor(without(user, size), whole[user], target[user], candidates[user])

    found = goal.reached(whole, whole, target, candidates)
    size = torch.zeros_like(target)
    for users, sizes in _rounds(found, histories.lengths, batch_size):
        pairs = users.repeat_interleave(len(sizes)), sizes.repeat(len(users))
        hits = in_batches(reached, batch_size, *pairs).view(len(users), len(sizes))
        hit = hits.any(dim=1)
        size[users[hit]] = sizes[hits[hit].int().argmax(dim=1)]
        found[users[hit]] = True
    replacement = torch.full_like(target, -1)
    if found.any():
        users = found.nonzero().ravel()
        replacement[users] = in_batches(successor, batch_size, users, size[users])
    counts = size.cpu().numpy()
    ordered = histories.items.gather(1, position.argsort(dim=1)).cpu().numpy()
    removed = [items[:count] for items, count in zip(ordered, counts, strict=True)]
    return Prefixes(found.cpu().numpy(), counts, removed, replacement.cpu().numpy())


def _rounds(found: torch.Tensor, length: torch.Tensor, batch_size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Rounds of users without a hit and their next sizes; the caller updates ``found`` (B,).

    A round has as many sizes as fit a batch, but few at first, because most hits are early.
    """
    done = 0
    while (users := (~found & (length > done)).nonzero().ravel()).numel():
        several = min(max(1, batch_size // len(users)), max(FEW_SIZES, done), int(length[users].max()) - done)
        yield users, torch.arange(done + 1, done + 1 + several, device=users.device)
        done += several
