"""Further items that would make the recommender recommend a wanted item."""

import time
from dataclasses import dataclass

import numpy as np
import torch

from lxr.data.histories import Histories
from lxr.data.inputs import as_entries
from lxr.recommenders.base import Recommender
from lxr.utils.checks import check_positive, check_positive_numbers


@dataclass(frozen=True, eq=False)
class AddedItems:
    """Items that bring a wanted item into the first K places when added to a history.

    Attributes:
        added: (m,) items, in the order of addition; None if no set was found.
        bound: lower bound on the size of every such set.
        seconds: time of the search.

    Example: see :func:`added_items`.
    """

    added: np.ndarray | None
    bound: int
    seconds: float

    @property
    def is_optimal(self) -> bool:
        """Whether it is proven that no smaller set exists."""
        return self.added is not None and len(self.added) == self.bound


@torch.no_grad()
def added_items(
    model: Recommender, history: object, wanted: int, *, k: int = 1, time_limit: float = 2.0, batch_size: int = 512
) -> AddedItems:
    """Add items to a history one by one until a wanted item comes into the first K places.

    Each step tries every item outside the history and adds the one that brings the wanted item nearest to place K. The
    first step is exhaustive: a set of one item is a smallest one, and so is a set of two. Candidates are the items outside
    the given history: adding an item removes no rival. An added item is the newest entry.

    Args:
        model: recommender of I items.
        history: history of one user: :class:`lxr.Histories`, or a (1, I) binary history; at least one item.
        wanted: the wanted item, outside the history.
        k: length K of the list of recommendations.
        time_limit: seconds after which the search stops.
        batch_size: histories per forward pass.

    Returns:
        The items, and a bound on their number.

    Raises:
        ValueError: more than one history, one that is empty or not binary, the wanted item inside it, or an option that is
            not positive.

    Example:
        >>> import lxr  # item 2 speaks for item 3, all else for item 1
        >>> weights = torch.tensor([[0.0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 2], [0, 0, 0, 0]])
        >>> model = lxr.wrap(lambda x: x @ weights, n_items=4, activation="sigmoid")
        >>> added_items(model, [[1, 0, 0, 0]], wanted=3).added
        array([2])
    """
    check_positive(k=k, batch_size=batch_size)
    check_positive_numbers(time_limit=time_limit)
    x, chosen = as_entries(model, history, [wanted])
    unseen, started, added = x.unseen(model.n_columns), time.perf_counter(), list[int]()
    if _distance(model, x, chosen, unseen, k)[0] <= 0:
        return AddedItems(np.empty(0, dtype=int), 0, time.perf_counter() - started)
    while time.perf_counter() < started + time_limit:
        free = x.unseen(model.n_columns).scatter(1, chosen[:, None], False)[0, : model.n_items].nonzero().ravel()
        if not len(free):
            break
        longer = (_with_newest(x, part) for part in free.split(batch_size))
        distance = torch.cat([_distance(model, each, chosen.expand(len(each)), unseen, k) for each in longer])
        best = int(distance.argmin())
        added.append(int(free[best]))
        x = _with_newest(x, free[[best]])
        if distance[best] <= 0:
            return AddedItems(np.array(added), min(len(added), 2), time.perf_counter() - started)
    return AddedItems(None, min(len(added), 1) + 1, time.perf_counter() - started)


def _with_newest(history: Histories, items: torch.Tensor) -> Histories:
    """One history, with each of R other items (R,) as its newest entry."""
    newest = Histories(items[:, None], torch.ones_like(items[:, None], dtype=torch.bool), distinct=True)
    return history.repeat(len(items)).joined(newest)


def _distance(model: Recommender, x: Histories, wanted: torch.Tensor, unseen: torch.Tensor, k: int) -> torch.Tensor:
    """Distance of the wanted items (R,) from place K for R histories, among the unseen items (1, I) of one history."""
    logits = model.logits(x)
    others = logits.masked_fill(~unseen, -torch.inf).scatter(1, wanted[:, None], -torch.inf)
    place = others.topk(min(k, others.shape[1]), dim=1).values[:, -1]
    return place - logits.gather(1, wanted[:, None]).squeeze(1)
