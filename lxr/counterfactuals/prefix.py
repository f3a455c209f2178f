"""Smallest prefix of an explainer's order that changes a recommendation, for many users at once."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from lxr.counterfactuals.goals import FIRST_PLACE, Goal
from lxr.data.histories import Histories
from lxr.metrics.fidelity import of_batches
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
        size: (B,) number of items in the prefix; 0 without a prefix, or if the whole history reaches the goal.
        removed: B arrays (size,) of history items, the most important first.
        replacement: (B,) the item that takes over (:meth:`lxr.counterfactuals.Goal.successor`); −1 without a prefix.

    Example: see :func:`smallest_prefix`.
    """

    found: np.ndarray
    size: np.ndarray
    removed: list[np.ndarray]
    replacement: np.ndarray

    @classmethod
    def concatenate(cls, parts: Sequence["Prefixes"]) -> "Prefixes":
        """Join the prefixes of consecutive groups of users."""
        return cls(
            np.concatenate([part.found for part in parts]),
            np.concatenate([part.size for part in parts]),
            [removed for part in parts for removed in part.removed],
            np.concatenate([part.replacement for part in parts]),
        )


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
    executor: Executor | None = None,
) -> Prefixes:
    """Smallest prefix of an explainer's order whose removal reaches a goal.

    Items are removed in the order of their importance, ties by ascending item, and the goal is checked after every removal.
    More removals need not bring the goal nearer; the first hit counts. The last prefix is the whole history. As in
    :func:`smallest_set`, an item leaves with all of its entries; it is as important as the most important of these.

    Args:
        model: recommender of I items.
        history: :class:`lxr.Histories`, :class:`lxr.EntryLists`, or (B, I) binary histories, dense or a SciPy matrix; at
            least one entry each. Entry lists and SciPy matrices are read one batch of users at a time.
        target: (B,) explained items, outside the histories; for :class:`Enters` the wanted items.
        importance: (B, I) scores of the history items, dense or sparse.
        goal: the change: :class:`LeavesTop`, :class:`Enters` or :class:`ChangesList`.
        batch_size: histories per forward pass.
        users_per_batch: users of entry lists or of a SciPy matrix at a time.
        label: label of a progress bar over the batches of users; None for no bar.
        executor: computes the batches of users, as for :func:`lxr.evaluate_fidelity`.

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
    judge = partial(_prefixes_of_users, goal=goal, batch_size=batch_size)
    about = (model, history, target, importance)
    return Prefixes.concatenate(of_batches(judge, *about, users_per_batch, label, executor))


def check_goal(goal: object) -> None:
    """Refuse anything but a goal."""
    check_instance(Goal, "a goal, as lxr.counterfactuals.LeavesTop(k=1)", goal=goal)


def _prefixes_of_users(
    model: Recommender,
    histories: Histories,
    target: torch.Tensor,
    importance: torch.Tensor,
    goal: Goal,
    batch_size: int,
) -> Prefixes:
    """:func:`smallest_prefix` of checked entries and scores (B, L)."""
    parts = zip(*(each.split(batch_size) for each in (histories, target, importance)), strict=True)
    return Prefixes.concatenate(
        [_prefixes(model, entries, chosen, read, goal, batch_size) for entries, chosen, read in parts]
    )


@torch.no_grad()
def _prefixes(
    model: Recommender,
    histories: Histories,
    target: torch.Tensor,
    importance: torch.Tensor,
    goal: Goal,
    batch_size: int,
) -> Prefixes:
    """:func:`smallest_prefix` of checked entries and scores (B, L) of at most ``batch_size`` users."""
    position, ordered = _items_in_order(histories, importance)
    length = np.array([len(items) for items in ordered])
    whole, candidates = model.logits(histories), histories.unseen(model.n_columns)  # (B, I) both
    check_logits(whole)
    size, replacement = np.zeros_like(length), np.full_like(length, -1)

    def note_hits(user: np.ndarray, sizes: np.ndarray, logits: torch.Tensor) -> None:
        """Note the smallest hit of each user, by logits (R, I) without prefixes: users (R,) and sizes (R,), ascending."""
        question = whole[user], target[user], candidates[user]
        hits = np.flatnonzero(goal.reached(logits, *question).cpu())
        users, first = np.unique(user[hits], return_index=True)
        hits = hits[first]
        size[users] = sizes[hits]
        replacement[users] = goal.successor(logits[hits], *(part[hits] for part in question)).cpu()

    note_hits(np.arange(len(size)), np.zeros_like(size), whole)
    for user, sizes in _rounds(replacement, length, batch_size):
        stays = position[user] >= torch.from_numpy(sizes).to(position)[:, None]
        note_hits(user, sizes, model.logits_after_deletion(histories[user], stays))
    removed = [items[:count] for items, count in zip(ordered, size, strict=True)]
    return Prefixes(replacement >= 0, size, removed, replacement)


def _items_in_order(histories: Histories, importance: torch.Tensor) -> tuple[torch.Tensor, list[np.ndarray]]:
    """Items by descending importance of their most important entry, for scores (B, L) of entries.

    Returns:
        (B, L) position of the item of each entry; and the items of each user in this order.
    """
    rank, entries = ranks(histories, importance), histories.places
    _, item = torch.stack([histories.users, histories.entries]).unique(dim=1, return_inverse=True)  # (N,)
    own = rank.ravel()[entries]
    best = own.new_full((len(own),), rank.shape[1]).scatter_reduce(0, item, own, "amin")[item]
    leads = torch.zeros_like(rank).scatter(1, rank, histories.padded((best == own).long()))  # by rank: the first of an item
    position = (leads.cumsum(dim=1) - 1).gather(1, histories.padded(best))
    ordered = histories.items.gather(1, rank.argsort(dim=1)).cpu().numpy()
    return position, [items[first] for items, first in zip(ordered, leads.bool().cpu().numpy(), strict=True)]


def _rounds(replacement: np.ndarray, length: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rounds of users (R,) without a hit and the sizes (R,) of their next prefixes; the caller updates ``replacement`` (B,).

    A round has as many sizes as fit a batch, but few at first, because most hits are early.
    """
    done = 0
    while len(users := np.flatnonzero((replacement < 0) & (length > done))):
        several = min(max(1, batch_size // len(users)), max(FEW_SIZES, done))
        user, size = users.repeat(several), np.tile(np.arange(done + 1, done + 1 + several), len(users))
        exist = size <= length[user]
        yield user[exist], size[exist]
        done += several
