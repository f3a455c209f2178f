"""Sanity checks: randomized recommenders, and histories without an irrelevant item.

Source: Adebayo et al.: Sanity Checks for Saliency Maps. NeurIPS 2018.
"""

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import overload

import numpy as np
import scipy.sparse as sp
import torch
from torch import nn

from lxr.data.histories import EntryLists, Histories
from lxr.data.inputs import as_entry_lists, as_matrix
from lxr.explainers.base import Explainer
from lxr.explainers.leave_one_out import LeaveOneOut
from lxr.metrics.agreement import Scores, entry_scores, top_overlap
from lxr.recommenders.base import Recommender
from lxr.utils.checks import check_natural, check_positive, check_seed
from lxr.utils.weights import own_weights


def randomized(model: Recommender, *, seed: int = 0) -> Iterator[tuple[str, Recommender]]:
    """Cascading randomisation: copies of a recommender with more and more random layers, from the output to the input.

    A layer is a module with parameters of its own. The order is that of registration, reversed: MF loses its item encoder
    before its history encoder, the VAE its output before its decoder, latent layer and encoder. (The order of execution
    would miss layers whose weights are used without a call, like MF's item encoder.)

    Every parameter is redrawn from a normal distribution with its mean and standard deviation. This keeps the scale of the
    logits and does not depend on a module's initialisation. Constant parameters and buffers do not change.

    Args:
        model: any recommender with parameters; it is not changed.
        seed: seed of the draws.

    Returns:
        Iterator of (last randomised layer, copy).

    Raises:
        ValueError: there are no parameters to randomise.

    Source: Adebayo et al., NeurIPS 2018, section 3.1.

    Example:
        >>> import lxr
        >>> [layer for layer, _ in randomized(lxr.VAE(10), seed=0)]
        ['output', 'decoder', 'latent', 'encoder']
    """
    layers = [name for name, module in model.named_modules() if list(module.parameters(recurse=False))]
    if not layers:
        raise ValueError(f"model: expected a recommender with parameters to randomise, found none in {type(model).__name__}")
    return _cascade(model, layers[::-1], torch.Generator().manual_seed(check_seed(seed)))


def _cascade(model: Recommender, layers: list[str], generator: torch.Generator) -> Iterator[tuple[str, Recommender]]:
    """Copies of a recommender with the first, the first two, … of the named layers redrawn."""
    for layer in layers:
        model = copy.deepcopy(model)
        _redraw(model.get_submodule(layer), generator)
        yield layer or type(model).__name__, model


@torch.no_grad()
def _redraw(layer: nn.Module, generator: torch.Generator) -> None:
    """Replace the parameters of one layer, without its sublayers, by normal draws with their mean and deviation."""
    for parameter in own_weights(layer):
        noise = torch.randn(parameter.shape, generator=generator).to(parameter)
        parameter.copy_(parameter.mean() + parameter.std(correction=0) * noise)


@overload
def shuffled_histories(histories: EntryLists, *, seed: int = 0, rounds: int = 10, n_features: int = 0) -> EntryLists: ...


@overload
def shuffled_histories(
    histories: sp.csr_matrix, *, seed: int = 0, rounds: int = 10, n_features: int = 0
) -> sp.csr_matrix: ...


def shuffled_histories(histories, *, seed=0, rounds=10, n_features=0):
    """Shuffle histories: every user keeps the number of entries, every item the number of users.

    Each round pairs all interactions at random; the two of a pair exchange their items unless one of the users already has
    the other item. This changes no count, makes no duplicates, and ends for a matrix of any density.

    Args:
        histories: :class:`lxr.EntryLists`, or (n, I) CSR histories; not changed.
        seed: seed of the pairs.
        rounds: exchanges proposed per interaction.
        n_features: number of user features in the last columns, which are not shuffled.

    Returns:
        Histories in the same form. Items ascend if they did before; otherwise each entry has a new item in its place.

    Raises:
        ValueError: not a binary CSR matrix, or ``rounds`` is not positive.

    Source: Adebayo et al., NeurIPS 2018, section 3.2 (randomised data); Milo et al., arXiv:cond-mat/0312028 (exchanges).

    Example:
        >>> matrix = sp.csr_matrix(np.eye(4) + np.eye(4, k=1))
        >>> shuffled = shuffled_histories(matrix, seed=0)
        >>> shuffled.sum(axis=0).tolist() == matrix.sum(axis=0).tolist(), bool((shuffled != matrix).nnz)
        (True, True)
    """
    by_rows = not isinstance(histories, EntryLists)
    lists = EntryLists.of_matrix(as_matrix(histories=histories)) if by_rows else histories
    check_positive(rounds=rounds)
    check_natural(n_features=n_features)
    generator = np.random.default_rng(check_seed(seed))
    is_item = lists.items < lists.n_columns - n_features
    user, item = lists.users[is_item], lists.items[is_item]
    for _ in range(rounds):
        _exchange(user, item, lists.n_columns, generator)
    items, start = lists.items.copy(), lists.users * lists.n_columns
    items[is_item] = item
    if (np.diff(start + lists.items) > 0).all():
        items = np.sort(start + items) - start
    shuffled = replace(lists, items=items)
    return shuffled.matrix() if by_rows else shuffled


def _exchange(row: np.ndarray, item: np.ndarray, n_items: int, generator: np.random.Generator) -> None:
    """Exchange the items of random pairs of interactions (row, item), (nnz,) each, in place where possible."""
    first, second = generator.permutation(len(item))[: len(item) // 2 * 2].reshape(2, -1)
    proposed = np.stack([row[first] * n_items + item[second], row[second] * n_items + item[first]])  # (2, pairs)
    _, index, times = np.unique(proposed, return_inverse=True, return_counts=True)
    twice = times[index].reshape(proposed.shape) > 1  # by two pairs of this round
    possible = ~(twice | np.isin(proposed, row * n_items + item)).any(axis=0)
    first, second = first[possible], second[possible]
    item[first], item[second] = item[second], item[first]


def least_influential_item(model: Recommender, matrix: object, target: np.ndarray) -> np.ndarray:
    """History item of each user whose removal changes the target's log-odds least, the same for all explainers.

    Args:
        model: the recommender.
        matrix: :class:`lxr.EntryLists`, or (n, I) histories, CSR or dense.
        target: (n,) explained items.

    Returns:
        (n,) items; ties go to the lowest item. An item leaves with all of its entries.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> least_influential_item(model, sp.csr_matrix([[1, 1, 0, 0]]), target=np.array([3])).tolist()
        [1]
    """
    lists = as_entry_lists(model.n_columns, matrix=matrix)
    change = LeaveItemOut(model, objective="log-odds").explain(lists, target)
    return lists.items[np.lexsort((lists.items, np.abs(change), lists.users))[lists.indptr[:-1]]]


class LeaveItemOut(LeaveOneOut):
    """Leave-one-out whose entries leave together with all other entries of the same item."""

    def value(self, histories: Histories, stays: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The objective (R,) of targets (R,) after the items of all entries but those that stay (R, L) are deleted."""
        gone = histories.real & ~stays  # one entry at most
        item = torch.where(gone, histories.items, -1).amax(dim=1, keepdim=True)
        return super().value(histories, stays & (histories.items != item), target)


def stability(
    explainer: Explainer,
    scores: Scores,
    target: np.ndarray,
    removed: np.ndarray,
    *,
    count: int = 5,
    histories: EntryLists | None = None,
) -> np.ndarray:
    """Overlap of explanations before and after an item without influence leaves the history.

    Compares the first ``count`` entries of the explanations with and without this item, which leaves with all of its
    entries. The first explanation skips the item, so an explainer that scores items independently gets 1. The target stays
    the same.

    Args:
        explainer: any explainer.
        scores: its explanation of the whole histories: (n, I) CSR, or (N,) for ``histories``.
        target: (n,) explained items.
        removed: (n,) history items to remove, from :func:`least_influential_item`.
        count: length of an explanation.
        histories: the explained entries, if they have an order or repeats.

    Returns:
        (n,) shares of common entries; NaN if no history is left. If at most ``count`` entries are left, the share is 1 for
        every explainer.

    Raises:
        ValueError: ``count`` is not positive.

    Example:
        >>> import lxr
        >>> model, matrix = lxr.MF(6), sp.csr_matrix([[1, 1, 1, 1, 0, 0]])
        >>> target = lxr.top_item(model, matrix)
        >>> explainer = lxr.EXPLAINERS["gradient"](model, matrix)
        >>> scores, removed = explainer.explain(matrix, target), least_influential_item(model, matrix, target)
        >>> stability(explainer, scores, target, removed, count=2)
        array([1.])
    """
    check_positive(count=count)
    lists, values = entry_scores(histories, scores=scores)
    place = np.flatnonzero(lists.items != removed[lists.users])
    lengths = np.bincount(lists.users[place], minlength=len(lists))
    left = lengths > 0
    rest = lists.taken(place, np.append(0, lengths[left].cumsum()))
    after = explainer.explain(rest, target[left])
    shares = np.full(len(target), np.nan)
    shares[left] = top_overlap(values[place], after, count, rest)
    return shares
