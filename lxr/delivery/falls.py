"""Falls: history items without which an explained item loses its place, and what then comes before it."""

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
import scipy.sparse as sp
import torch

from lxr.counterfactuals import LeavesTop, counterfactual_sets, smallest_prefix
from lxr.data.interactions import Interactions
from lxr.delivery.records import Certificate
from lxr.explainers.accent import Counterfactual, items_before
from lxr.recommenders.base import Recommender
from lxr.reporting.tables import counterfactual_sentence, fall_sentence
from lxr.utils.checks import check_choice
from lxr.utils.sparse import binary_matrix, dense

Sets = Literal["prefix", "smallest"]
NONE_SMALLER = " No smaller set of items does this."
NONE_AT_ALL = " There is none."


@dataclass(frozen=True)
class Fall:
    """A set of history items without which an item loses its place.

    Attributes:
        removed: (r,) columns of these items, the most important first; none if no set was found.
        instead: column of the item that takes over; −1 if there is none.
        certificate, bound: how small the set is, see :mod:`lxr.delivery.records`.
        sentence: the same in words.
    """

    removed: np.ndarray
    instead: int
    certificate: Certificate
    bound: int | None
    sentence: str


class _Found(NamedTuple):
    """A set as it was found: as :class:`Fall`, and whether it is proven that there is no set."""

    removed: np.ndarray
    instead: int
    certificate: Certificate
    bound: int | None
    impossible: bool = False


def falls_of(
    model: Recommender,
    data: Interactions,
    scores: sp.csr_matrix,
    targets: np.ndarray,
    ranks: np.ndarray,
    *,
    sets: Sets = "prefix",
    time_limit: float = 2.0,
) -> list[Fall]:
    """Falls of a few explained items.

    Args:
        model: the recommender.
        data: for the titles.
        scores: (g, I) CSR importance, one entry for each history item.
        targets: (g,) columns of the explained items.
        ranks: (g,) their places from 1; an item loses its place if its rank becomes worse.
        sets: ``"prefix"``, the smallest number of first reasons that does it; or ``"smallest"``, the smallest set of history
            items at all, as far as it can be proven in the time.
        time_limit: seconds for each smallest set.

    Returns:
        One for each row of ``scores``.

    Raises:
        ValueError: an unknown kind of sets.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> data = Interactions(sp.csr_matrix((1, 4)), np.array([0]), np.array(list("abcd")))
        >>> falls_of(model, data, sp.csr_matrix([[2.0, 1, 0, 0]]), np.array([3]), np.array([1]))[0].sentence
        'Without “a”, “c” would have been recommended instead of “d”.'
    """
    check_choice(get_args(Sets), sets=sets)
    histories = binary_matrix(scores.indices, scores.indptr, scores.shape)
    falls: dict[int, Fall] = {}
    for rank in np.unique(ranks).tolist():
        group = np.flatnonzero(ranks == rank)
        of_rank = histories[group], targets[group]
        if sets == "prefix":
            found = _prefixes(model, *of_rank, scores[group], LeavesTop(rank))
        else:
            found = _smallest(model, *of_rank, scores[group], LeavesTop(rank), time_limit)
        sentences = _sentences(model, data, *of_rank, found, rank)
        for place, each, sentence in zip(group.tolist(), found, sentences, strict=True):
            proven = NONE_SMALLER if each.certificate == "optimal" and len(each.removed) > 1 else ""
            falls[place] = Fall(*each[:4], sentence + (NONE_AT_ALL if each.impossible else proven))
    return [falls[place] for place in range(len(targets))]


def _prefixes(
    model: Recommender, histories: sp.csr_matrix, targets: np.ndarray, scores: sp.csr_matrix, goal: LeavesTop
) -> list[_Found]:
    """The smallest numbers of first reasons; no set is smaller than one item."""
    found = smallest_prefix(model, histories, targets, scores, goal, users_per_batch=len(targets))
    pairs = zip(found.removed, found.replacement.tolist(), strict=True)
    return [_Found(*each, "optimal", 1) if len(each[0]) == 1 else _Found(*each, "none", None) for each in pairs]


def _smallest(
    model: Recommender,
    histories: sp.csr_matrix,
    targets: np.ndarray,
    scores: sp.csr_matrix,
    goal: LeavesTop,
    time_limit: float,
) -> list[_Found]:
    """The smallest sets, with what is proven of them."""
    found = []
    for row, each in enumerate(counterfactual_sets(model, histories, targets, goal, time_limit=time_limit)):
        if each.removed is None:
            found.append(_Found(np.empty(0, dtype=int), -1, "none", None, each.certificate == "none"))
        else:
            order = np.argsort(-scores[[row]].toarray()[0, each.removed], kind="stable")
            found.append(_Found(each.removed[order], each.replacement, each.certificate, each.bound))
    return found


def _sentences(
    model: Recommender,
    data: Interactions,
    histories: sp.csr_matrix,
    targets: np.ndarray,
    found: list[_Found],
    rank: int,
) -> list[str]:
    """Sentences about the sets (g,) that were found for items of one rank."""
    removed = [each.removed for each in found]
    if rank == 1:
        sets = [Counterfactual(each.removed, each.instead) if len(each.removed) else None for each in found]
        return [counterfactual_sentence(data, target, each) for target, each in zip(targets.tolist(), sets, strict=True)]
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
