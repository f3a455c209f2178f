"""Sentences about counterfactual sets, with titles."""

from collections.abc import Sequence

import numpy as np
import torch

from lxr.counterfactuals.goals import before
from lxr.counterfactuals.sets import CounterfactualSet
from lxr.data.histories import Histories
from lxr.data.interactions import Interactions
from lxr.recommenders.base import Recommender
from lxr.utils.markup import quoted


def counterfactual_sentence(data: Interactions, target: int, found: CounterfactualSet) -> str:
    """Counterfactual explanation in words, with titles, of the first recommendation.

    Args:
        data: histories with the titles.
        target: the explained item.
        found: its counterfactual set, from :func:`lxr.counterfactuals.smallest_set`.

    Returns:
        The sentence, and a second one if no smaller set exists (proven).

    Example:
        >>> import scipy.sparse as sp
        >>> data = Interactions(sp.csr_matrix((1, 4)), np.array([0]), np.arange(4), np.array(list("ABCD")))
        >>> counterfactual_sentence(data, 2, CounterfactualSet(np.array([0, 3]), 1, bound=2, length=2, seconds=0.1))
        'Without “A” and “D”, “B” would have been recommended instead of “C”. No smaller set exists.'
    """
    (recommended,) = _quoted_titles(data, [target])
    if found.removed is None:
        if found.certificate == "none":
            return f"Whichever items are left out, no other item takes the place of {recommended}."
        return f"No set was found without which another item takes the place of {recommended}."
    (replacement,) = _quoted_titles(data, [found.replacement])
    removed = enumeration(_quoted_titles(data, found.removed))
    return f"Without {removed}, {replacement} would have been recommended instead of {recommended}.{_proof(found)}"


def fall_sentence(
    data: Interactions,
    target: int,
    found: CounterfactualSet,
    ranks: tuple[int, int],
    passing: Sequence[int],
    *,
    count: int = 3,
) -> str:
    """Counterfactual explanation in words, with titles, of an item that is not the first recommendation.

    Args:
        data: histories with the titles.
        target: the explained item.
        found: the set whose removal makes it fall, from :func:`lxr.counterfactuals.smallest_set`.
        ranks: ranks of the target with the whole history and without the set.
        passing: items that pass it without the set, the best first.
        count: number of them to name.

    Returns:
        The sentence, and a second one if no smaller set exists (proven).

    Example:
        >>> import scipy.sparse as sp
        >>> data = Interactions(sp.csr_matrix((1, 5)), np.array([0]), np.arange(5), np.array(list("ABCDE")))
        >>> found = CounterfactualSet(np.array([0]), 3, bound=1, length=2, seconds=0.1)
        >>> fall_sentence(data, 2, found, (3, 5), [3, 4])
        'Without “A”, “C” would fall from place 3 to 5: “D” and “E” would come before it.'
    """
    (title,) = _quoted_titles(data, [target])
    rank, fallen = ranks
    if found.removed is None:
        if found.certificate == "none":
            return f"Whichever items are left out, {title} does not fall below place {rank}."
        return f"No set was found without which {title} falls below place {rank}."
    others = [f"{len(passing) - count} other{'s' if len(passing) > count + 1 else ''}"] * (len(passing) > count)
    named = enumeration([*_quoted_titles(data, passing[:count]), *others])
    without = enumeration(_quoted_titles(data, found.removed))
    fall = f"Without {without}, {title} would fall from place {rank} to {fallen}: {named} would come before it."
    return fall + _proof(found)


def set_sentences(
    model: Recommender,
    data: Interactions,
    histories: Histories,
    target: np.ndarray,
    found: Sequence[CounterfactualSet],
    rank: int,
) -> list[str]:
    """Sentences about the counterfactual sets of items that have the same rank.

    Args:
        model: the recommender.
        data: histories with the titles.
        histories: histories of B users, on the device of the model.
        target: (B,) explained items.
        found: B sets, for the goal that the target loses this rank.
        rank: rank of the targets with the whole history, from 1.

    Returns:
        B sentences: :func:`counterfactual_sentence` for the first rank, else :func:`fall_sentence`.
    """
    if rank == 1:
        return [counterfactual_sentence(data, item, each) for item, each in zip(target.tolist(), found, strict=True)]
    stays = ~histories.among([() if each.removed is None else each.removed for each in found])
    candidates, items = histories.unseen(model.n_columns), torch.from_numpy(target).to(histories.device)
    with torch.no_grad():
        logits = model.logits_after_deletion(histories, stays)
        ahead = before(model.logits(histories), items, candidates)
    after = before(logits, items, candidates)
    passing = [_best_first(row, chosen) for row, chosen in zip(logits, after & ~ahead, strict=True)]
    parts = zip(target.tolist(), found, (1 + after.sum(dim=1)).tolist(), passing, strict=True)
    return [fall_sentence(data, item, each, (rank, fallen), others) for item, each, fallen, others in parts]


def _best_first(logits: torch.Tensor, chosen: torch.Tensor) -> list[int]:
    """The chosen items by descending logit; both arguments (I,)."""
    items = chosen.nonzero().ravel()
    return items[logits[items].argsort(descending=True, stable=True)].tolist()


def _proof(found: CounterfactualSet) -> str:
    """Sentence about a set of several items that is proven to be smallest, else empty."""
    return " No smaller set exists." if found.certificate == "optimal" and found.bound > 1 else ""


def _quoted_titles(data: Interactions, items: Sequence[int] | np.ndarray) -> list[str]:
    """Titles of items, quoted for a sentence."""
    return [quoted(title) for title in data.titles(np.asarray(items, dtype=int))]


def enumeration(names: Sequence[str]) -> str:
    """List of names in a sentence.

    Example:
        >>> enumeration(["A"]), enumeration(["A", "B", "C"])
        ('A', 'A, B and C')
    """
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
