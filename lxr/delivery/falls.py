"""Falls: history items whose removal makes an explained item lose its place, and the items that pass it."""

from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import numpy as np
import pandas as pd

from lxr.counterfactuals import CounterfactualSet, LeavesTop, counterfactual_sets, smallest_prefix
from lxr.counterfactuals.question import Question
from lxr.counterfactuals.search import shortest_prefix
from lxr.data.histories import EntryLists
from lxr.data.interactions import Interactions
from lxr.delivery.records import Certificate
from lxr.recommenders.base import Recommender
from lxr.reporting.sentences import set_sentences
from lxr.utils.checks import check_choice

Sets = Literal["prefix", "smallest"]


@dataclass(frozen=True)
class Fall:
    """A set of history items whose removal makes an item lose its place.

    Attributes:
        removed: (r,) columns of these items, the most important first; none if no set was found.
        instead: column of the item that takes over, or −1.
        certificate, bound: proof about the size of the set, see :mod:`lxr.delivery.records`.
        sentence: the fall in words.
    """

    removed: np.ndarray
    instead: int
    certificate: Certificate
    bound: int | None
    sentence: str


def falls_of(
    model: Recommender,
    data: Interactions,
    histories: EntryLists,
    importance: np.ndarray,
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
        histories: histories of g users.
        importance: (N,) importance of their entries.
        targets: (g,) columns of the explained items.
        ranks: (g,) their ranks from 1; an item loses its place if its rank becomes worse.
        sets: ``"prefix"``, the shortest prefix of the reasons with this effect; or ``"smallest"``, the smallest set of
            history items, as far as proven in the time.
        time_limit: seconds for each smallest set.

    Returns:
        One for each user.

    Raises:
        ValueError: an unknown kind of sets.

    Example:
        >>> import lxr, torch  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> entries = EntryLists(np.array([0, 1]), np.array([0, 2]), n_columns=4)
        >>> data = Interactions(entries.matrix(), np.array([0]), np.array(list("abcd")))
        >>> falls_of(model, data, entries, np.array([2.0, 1]), np.array([3]), np.array([1]))[0].sentence
        'Without “a”, “c” would have been recommended instead of “d”.'
    """
    check_choice(get_args(Sets), sets=sets)
    falls: dict[int, Fall] = {}
    for rank in np.unique(ranks).tolist():
        group = np.flatnonzero(ranks == rank)
        of_rank, scores = (histories[group], targets[group]), importance[histories.places_of(group)]
        if sets == "prefix":
            found = _prefixes(model, *of_rank, scores, LeavesTop(rank))
        else:
            found = counterfactual_sets(model, *of_rank, LeavesTop(rank), time_limit=time_limit)
        sentences = set_sentences(model, data, of_rank[0].batch(device=model.device), of_rank[1], found, rank)
        items_of, scores_of = (np.split(each, of_rank[0].indptr[1:-1]) for each in (of_rank[0].items, scores))
        falls_of_rank = map(partial(_fall, sets), found, items_of, scores_of, sentences)
        falls |= dict(zip(group.tolist(), falls_of_rank, strict=True))
    return [falls[place] for place in range(len(targets))]


def _prefixes(
    model: Recommender, histories: EntryLists, targets: np.ndarray, scores: np.ndarray, goal: LeavesTop
) -> list[CounterfactualSet]:
    """Shortest prefixes of reasons, with the trivial bound of one item."""
    if not histories.distinct:
        users = enumerate(zip(targets.tolist(), np.split(scores, histories.indptr[1:-1]), strict=True))
        return [_prefix_of_items(model, histories[user : user + 1], item, values, goal) for user, (item, values) in users]
    found = smallest_prefix(model, histories, targets, scores, goal, users_per_batch=len(targets))
    sets = zip(found.removed, found.replacement.tolist(), histories.lengths.tolist(), strict=True)
    return [CounterfactualSet(items if len(items) else None, item, 1, length, 0.0) for items, item, length in sets]


def _prefix_of_items(
    model: Recommender, history: EntryLists, target: int, scores: np.ndarray, goal: LeavesTop
) -> CounterfactualSet:
    """Shortest prefix of one user's reasons; an item that is consumed repeatedly leaves with all of its entries."""
    question = Question(model, history.batch(device=model.device), target, goal)
    items = pd.unique(history.items[np.lexsort((history.items, -scores))])
    found = shortest_prefix(question, np.searchsorted(question.items, items))
    if found is None:
        return CounterfactualSet(None, -1, 1, len(items), 0.0)
    return CounterfactualSet(question.items[found], question.successor(question.mask(found)[0]), 1, len(items), 0.0)


def _fall(sets: Sets, found: CounterfactualSet, items: np.ndarray, scores: np.ndarray, sentence: str) -> Fall:
    """A fall by a set, ordered by the scores (n,) of history items (n,); a prefix of one item is proven to be smallest."""
    if found.removed is None:
        return Fall(np.empty(0, dtype=int), -1, "none", None, sentence)
    ordered = pd.unique(items[np.lexsort((items, -scores))])
    removed = ordered[np.isin(ordered, found.removed)]
    if sets == "prefix" and len(found.removed) > 1:
        return Fall(removed, found.replacement, "none", None, sentence)
    return Fall(removed, found.replacement, found.certificate, found.bound, sentence)
