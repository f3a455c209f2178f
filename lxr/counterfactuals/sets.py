"""Smallest sets of history items whose removal changes a recommendation, with a proof."""

import time
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lxr.counterfactuals.goals import FIRST_PLACE, Goal
from lxr.counterfactuals.linear import linear_set
from lxr.counterfactuals.prefix import check_goal
from lxr.counterfactuals.question import Question
from lxr.counterfactuals.search import searched_set
from lxr.data.inputs import as_entries, as_lists
from lxr.recommenders.base import Recommender
from lxr.utils.checks import check_logits, check_positive, check_positive_numbers
from lxr.utils.progress import progress_bar

Certificate = Literal["optimal", "bound", "none"]


@dataclass(frozen=True, eq=False)
class CounterfactualSet:
    """History items whose removal changes a recommendation, and a proven bound on their number.

    Attributes:
        removed: (m,) history items, ascending; None if no set was found.
        replacement: the item that takes over (:meth:`lxr.counterfactuals.Goal.successor`); −1 if no set was found.
        bound: no set of fewer items reaches the goal. Larger than ``length`` if no set reaches it.
        length: number n of history items.
        seconds: time of the search.

    Example: see :func:`smallest_set`.
    """

    removed: np.ndarray | None
    replacement: int
    bound: int
    length: int
    seconds: float

    @property
    def size(self) -> int | None:
        """Number m of removed items; None if no set was found."""
        return None if self.removed is None else len(self.removed)

    @property
    def gap(self) -> int | None:
        """Difference between the size and its proven lower bound; None if no set was found."""
        return None if self.removed is None else len(self.removed) - self.bound

    @property
    def certificate(self) -> Certificate:
        """``"optimal"``: no smaller set exists. ``"none"``: no set exists at all. ``"bound"``: neither is proven."""
        if self.removed is None:
            return "none" if self.bound > self.length else "bound"
        return "optimal" if self.bound == len(self.removed) else "bound"


def smallest_set(
    model: Recommender,
    history: object,
    target: int,
    goal: Goal = FIRST_PLACE,
    *,
    time_limit: float = 2.0,
    batch_size: int = 512,
) -> CounterfactualSet:
    """Find the smallest set of history items whose removal reaches a goal, with a certificate.

    For recommenders that are linear in the history (``model.is_linear``) the set comes from a mixed-integer program. For
    others it is the best set of a search, with a lower bound.

    Args:
        model: recommender of I items.
        history: history of one user: :class:`lxr.Histories`, or a (1, I) binary history; at least one item. A removed item
            leaves with all of its entries.
        target: the explained item, outside the history; for :class:`Enters` the wanted item.
        goal: the change: :class:`LeavesTop`, :class:`Enters` or :class:`ChangesList`.
        time_limit: seconds until the best set so far and its bound are returned.
        batch_size: histories per forward pass.

    Returns:
        The set. Without it the recommender reaches the goal: this has been checked.

    Raises:
        ValueError: more than one history, one that is empty or not binary, a target inside it, something else than a goal,
            or an option that is not positive.

    Example:
        >>> import lxr, torch  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), 4, "sigmoid", is_linear=True)
        >>> found = smallest_set(model, [[1, 1, 0, 0]], target=3)
        >>> found.removed, found.replacement, found.certificate
        (array([0]), 2, 'optimal')
    """
    check_goal(goal)
    check_positive_numbers(time_limit=time_limit)
    check_positive(batch_size=batch_size)
    histories, chosen = as_entries(model, history, [target])
    return _smallest(Question(model, histories, int(chosen), goal, batch_size), time_limit)


def counterfactual_sets(
    model: Recommender,
    history: object,
    target: object,
    goal: Goal = FIRST_PLACE,
    *,
    time_limit: float = 2.0,
    batch_size: int = 512,
    label: str | None = None,
) -> list[CounterfactualSet]:
    """:func:`smallest_set` for many users.

    Args:
        model: recommender of I items.
        history: :class:`lxr.EntryLists`, or (B, I) binary histories, dense or CSR; at least one item each.
        target: (B,) explained items, outside the histories.
        goal: the change.
        time_limit: seconds for each user.
        batch_size: histories per forward pass.
        label: label of a progress bar over the users; None for no bar.

    Returns:
        B sets, in the order of the users.

    Raises:
        ValueError: as :func:`smallest_set`; names the row.

    Example:
        >>> import lxr, torch  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), 4, "sigmoid", is_linear=True)
        >>> [found.size for found in counterfactual_sets(model, [[1, 1, 0, 0], [0, 1, 0, 0]], target=[3, 2])]
        [1, None]
    """
    check_goal(goal)
    check_positive_numbers(time_limit=time_limit)
    check_positive(batch_size=batch_size)
    lists, items = as_lists(model, history, target)
    users = progress_bar(range(len(lists)), desc=label, unit="user", disable=label is None)
    return [
        _smallest(
            Question(model, lists.batch(slice(user, user + 1), model.device), int(items[user]), goal, batch_size), time_limit
        )
        for user in users
    ]


def _smallest(question: Question, time_limit: float) -> CounterfactualSet:
    """:func:`smallest_set` for a checked user."""
    started = time.perf_counter()
    check_logits(question.whole)
    n = len(question.items)
    nothing = np.zeros((1, n), dtype=bool)
    if question.reached(nothing)[0]:
        removed, bound = nothing[0].nonzero()[0], 0
    else:
        find = linear_set if question.model.is_linear else searched_set
        removed, bound = find(question, started + time_limit)
    if removed is None and bound == n:  # only the whole history is left to try
        if question.reached(~nothing)[0]:
            removed = np.arange(n)
        else:
            bound = n + 1
    seconds = time.perf_counter() - started
    if removed is None:
        return CounterfactualSet(None, -1, bound, n, seconds)
    replacement = question.successor(question.mask(removed)[0])
    return CounterfactualSet(question.items[np.sort(removed)], replacement, bound, n, seconds)
