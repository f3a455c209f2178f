"""Falls: the first reasons of an explanation without which the explained item loses its place, and what comes before it."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch

from lxr.counterfactuals import LeavesTop, smallest_prefix
from lxr.data.interactions import Interactions
from lxr.explainers.accent import Counterfactual, items_before
from lxr.recommenders.base import Recommender
from lxr.reporting.tables import counterfactual_sentence, fall_sentence
from lxr.utils.sparse import binary_matrix, dense


@dataclass(frozen=True)
class Fall:
    """The smallest number of first reasons without which an item loses its place.

    Attributes:
        removed: (r,) columns of these reasons, the most important first; none if the item keeps its place without all.
        instead: column of the item that takes over; −1 if there is none.
        sentence: the same in words.
    """

    removed: np.ndarray
    instead: int
    sentence: str


def falls_of(
    model: Recommender, data: Interactions, scores: sp.csr_matrix, targets: np.ndarray, ranks: np.ndarray
) -> list[Fall]:
    """Falls of a few explained items.

    Args:
        model: the recommender.
        data: for the titles.
        scores: (g, I) CSR importance, one entry for each history item.
        targets: (g,) columns of the explained items.
        ranks: (g,) their places from 1; an item loses its place if its rank becomes worse.

    Returns:
        One for each row of ``scores``.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> data = Interactions(sp.csr_matrix((1, 4)), np.array([0]), np.array(list("abcd")))
        >>> falls_of(model, data, sp.csr_matrix([[2.0, 1, 0, 0]]), np.array([3]), np.array([1]))[0].sentence
        'Without “a”, “c” would have been recommended instead of “d”.'
    """
    histories = binary_matrix(scores.indices, scores.indptr, scores.shape)
    falls: dict[int, Fall] = {}
    for rank in np.unique(ranks).tolist():
        group = np.flatnonzero(ranks == rank)
        of_rank = histories[group], targets[group]
        found = smallest_prefix(model, *of_rank, scores[group], LeavesTop(rank), users_per_batch=len(group))
        sentences = _sentences(model, data, *of_rank, found.removed, found.replacement, rank)
        parts = zip(group.tolist(), found.removed, found.replacement.tolist(), sentences, strict=True)
        falls |= {place: Fall(*fall) for place, *fall in parts}
    return [falls[place] for place in range(len(targets))]


def _sentences(
    model: Recommender,
    data: Interactions,
    histories: sp.csr_matrix,
    targets: np.ndarray,
    removed: list[np.ndarray],
    instead: np.ndarray,
    rank: int,
) -> list[str]:
    """Sentences of items (g,) of one rank, with the items that are removed for each, and the one that takes over."""
    if rank == 1:
        sets = [Counterfactual(*each) if len(each[0]) else None for each in zip(removed, instead.tolist(), strict=True)]
        return [counterfactual_sentence(data, target, found) for target, found in zip(targets.tolist(), sets, strict=True)]
    history = dense(histories, model.device)
    rest = history.clone()
    for row, items in enumerate(removed):
        rest[row, torch.from_numpy(items).to(rest.device)] = 0.0
    target = torch.from_numpy(targets).to(rest.device)
    with torch.no_grad():
        logits, before = model(rest), items_before(model(history), history, target)
    after = items_before(logits, history, target)
    passing = [_best_first(row, chosen) for row, chosen in zip(logits, after & ~before, strict=True)]
    parts = zip(targets.tolist(), removed, (1 + after.sum(dim=1)).tolist(), passing, strict=True)
    return [fall_sentence(data, item, items, (rank, fallen), others) for item, items, fallen, others in parts]


def _best_first(logits: torch.Tensor, chosen: torch.Tensor) -> list[int]:
    """The chosen items by descending logit; both arguments (I,)."""
    items = chosen.nonzero().ravel()
    return items[logits[items].argsort(descending=True, stable=True)].tolist()
