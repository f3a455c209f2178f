"""Agreement of two explanations of the same recommendations: rank correlation, overlap of the orders.

Scores are results of :meth:`lxr.Explainer.explain`: for :class:`lxr.EntryLists` an array with one number per entry, to be
given with these histories; for rows a CSR matrix with one entry per history item, zeros included. All users are compared at
once.
"""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import pandas as pd
import scipy.sparse as sp

from lxr.data.histories import EntryLists
from lxr.data.inputs import as_csr, as_pair
from lxr.utils.checks import check_numbers, check_positive

Scores: TypeAlias = sp.csr_matrix | np.ndarray


def entry_scores(histories: EntryLists | None, **scores: Scores) -> tuple[EntryLists, np.ndarray]:
    """Histories as entries, and the scores (N,) of these.

    Args:
        histories: the explained entries; None for scores of rows.
        scores: (N,) scores of the entries, or (n, I) CSR scores of rows, by the name of the argument.

    Raises:
        ValueError: another number of scores; names the argument.

    Example:
        >>> lists, values = entry_scores(None, a=sp.csr_matrix([[3.0, 0, 1]]))
        >>> lists.items, values
        (array([0, 2]), array([3., 1.]))
    """
    ((name, value),) = scores.items()
    if histories is None:
        matrix = as_csr(name, value)
        return EntryLists.of_matrix(matrix), matrix.data
    if not isinstance(value, np.ndarray) or value.shape != histories.items.shape:
        found = f"shape {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
        raise ValueError(f"{name}: expected {len(histories.items)} scores, one per entry of the histories, found {found}")
    return histories, value


def entry_pair(histories: EntryLists | None, **scores: Scores) -> tuple[EntryLists, np.ndarray, np.ndarray]:
    """:func:`entry_scores` of two explanations, by the names of the arguments."""
    if histories is None:
        a, b = as_pair(**scores)
        return EntryLists.of_matrix(a), a.data, b.data
    a, b = (entry_scores(histories, **{name: value})[1] for name, value in scores.items())
    return histories, a, b


def sums(lists: EntryLists, values: np.ndarray) -> np.ndarray:
    """Sums (n,) over each user of values (N,) of the entries."""
    return np.bincount(lists.users, values, minlength=len(lists))


def rank_correlation(a: Scores, b: Scores, histories: EntryLists | None = None) -> np.ndarray:
    """Spearman's rank correlation of two explanations of each user; equal scores share the mean of their ranks.

    Args:
        a: (N,) scores of the entries of ``histories``, or (n, I) CSR scores of rows.
        b: scores of the same entries.
        histories: the explained entries; None for rows.

    Returns:
        (n,) from −1 to 1; NaN where it is undefined: a single item, or equal scores for all items.

    Raises:
        ValueError: the two do not score the same items.

    Example:
        >>> a, b = sp.csr_matrix([[3.0, 2, 1]]), sp.csr_matrix([[3.0, 1, 2]])
        >>> rank_correlation(a, b)
        array([0.5])
    """
    lists, x, y = entry_pair(histories, a=a, b=b)
    centre = (lists.lengths[lists.users] + 1) / 2  # the mean rank, ties or not
    x, y = average_ranks(lists, x) - centre, average_ranks(lists, y) - centre
    with np.errstate(invalid="ignore"):  # 0 / 0 where nothing varies
        return sums(lists, x * y) / np.sqrt(sums(lists, x**2) * sums(lists, y**2))


def rank_biased_overlap(a: Scores, b: Scores, histories: EntryLists | None = None, *, p: float = 0.9) -> np.ndarray:
    """Rank-biased overlap of two orders of each user's history: the overlap at every depth, shallow depths weighing more.

    With X_d the number of items that are among the first d of both,

        RBO = (X_k / k) p^k + (1 − p) / p · Σ_{d = 1…k} (X_d / d) p^d,

    here for whole orders of k items, so X_k = k. (Two random orders of a short history overlap much: compare values of the
    same users only.)

    Args:
        a: (N,) scores of the entries of ``histories``, or (n, I) CSR scores of rows. Entries are ordered by descending
            score, ties by ascending item.
        b: scores of the same entries.
        histories: the explained entries; None for rows.
        p: persistence, between 0 and 1: probability that a reader goes on to the next item; at 0.9 the first ten items have
            86 % of the weight.

    Returns:
        (n,) from 0 to 1, 1 for equal orders.

    Raises:
        ValueError: the two do not score the same items, or p is outside (0, 1).

    Source: Webber, Moffat, Zobel: A Similarity Measure for Indefinite Rankings. TOIS 2010, eq. 32 (extrapolated RBO).

    Example:
        >>> a, b, c = (sp.csr_matrix([row]) for row in ([3.0, 2, 1], [3.0, 1, 2], [2.0, 3, 1]))
        >>> rank_biased_overlap(a, b).round(3), rank_biased_overlap(a, c).round(3)  # last and first two exchanged
        (array([0.955]), array([0.9]))
    """
    lists, x, y = entry_pair(histories, a=a, b=b)
    return _overlap_of_positions(positions(x, lists), positions(y, lists), lists, p)


def _overlap_of_positions(first: np.ndarray, second: np.ndarray, lists: EntryLists, p: float) -> np.ndarray:
    """:func:`rank_biased_overlap` (n,) of two orders, given as :func:`positions` (N,) of the entries.

    An item is among the first d of both from the depth of its worse position on. So the sum over depths is a sum over items
    of the weight of all depths from there: one pass over the entries of all users.

    Raises:
        ValueError: p is outside (0, 1).
    """
    check_numbers("a number between 0 and 1", lambda value: 0 < value < 1, p=p)
    length = lists.lengths
    depth = np.arange(1, length.max(initial=0) + 1)
    weight = np.concatenate([[0], np.cumsum(p**depth / depth)])  # (longest + 1,), total weight of the first d depths
    below = weight[length[lists.users]] - weight[np.maximum(first, second)]
    return p**length + (1 - p) / p * sums(lists, below)


def top_overlap(a: Scores, b: Scores, count: int, histories: EntryLists | None = None) -> np.ndarray:
    """Share of the ``count`` most important items (all of a shorter history) that two explanations have in common.

    Args:
        a: (N,) scores of the entries of ``histories``, or (n, I) CSR scores of rows.
        b: scores of the same entries.
        count: length of the explanations.
        histories: the explained entries; None for rows.

    Returns:
        (n,) from 0 to 1.

    Raises:
        ValueError: the two do not score the same items.

    Example:
        >>> top_overlap(sp.csr_matrix([[3.0, 2, 1]]), sp.csr_matrix([[3.0, 1, 2]]), count=2)
        array([0.5])
    """
    lists, x, y = entry_pair(histories, a=a, b=b)
    check_positive(count=count)
    common = (positions(x, lists) < count) & (positions(y, lists) < count)
    return sums(lists, common) / np.minimum(count, lists.lengths)


def agreement_table(scores: Mapping[str, Scores], histories: EntryLists | None = None, *, p: float = 0.9) -> pd.DataFrame:
    """Explainers × explainers: :func:`rank_biased_overlap` of their orders, mean over users.

    Args:
        scores: explainer → (N,) importance of the entries of ``histories``, or (n, I) CSR importance of the same rows.
        histories: the explained entries; None for rows.
        p: persistence; the higher, the deeper an order is read.

    Returns:
        The table.

    Example:
        >>> a, b = sp.csr_matrix([[3.0, 2, 1]]), sp.csr_matrix([[3.0, 1, 2]])
        >>> agreement_table({"a": a, "b": b}).round(2)
              a     b
        a  1.00  0.96
        b  0.96  1.00
    """
    first, found = next(iter(scores.values())), {}
    for name, each in scores.items():
        lists, _, values = entry_pair(histories, first=first, **{name: each})
        found[name] = positions(values, lists)
    return pd.DataFrame({a: {b: _overlap_of_positions(found[a], found[b], lists, p).mean() for b in found} for a in found})


def positions(scores: Scores, histories: EntryLists | None = None) -> np.ndarray:
    """Position of every entry in the order of its history: 0 for the highest score, ties by ascending item.

    Args:
        scores: (N,) scores of the entries of ``histories``, or (n, I) CSR scores of rows.
        histories: the explained entries; None for rows.

    Returns:
        (N,) positions.

    Example:
        >>> positions(sp.csr_matrix([[0.2, 0.7, 0.7], [0, 0, 0.1]]))
        array([2, 0, 1, 0])
    """
    lists, values = entry_scores(histories, scores=scores)
    order = np.lexsort((lists.items, -values, lists.users))
    position = np.empty(len(values), dtype=np.int64)
    position[order] = np.arange(len(values)) - lists.indptr[lists.users]
    return position


def average_ranks(lists: EntryLists, scores: np.ndarray) -> np.ndarray:
    """Rank (N,) of every entry by its score (N,), 1 for the lowest; equal scores share the mean of their ranks."""
    user = lists.users
    order = np.lexsort((scores, user))
    ascending = scores[order]
    starts = np.ones(len(scores), dtype=bool)  # of a run of equal scores of one user
    starts[1:] = (np.diff(ascending) != 0) | (np.diff(user) != 0)
    run = np.cumsum(starts) - 1
    position = np.arange(len(scores)) - lists.indptr[user] + 1
    ranks = np.empty(len(scores))
    ranks[order] = (np.bincount(run, position) / np.bincount(run))[run]
    return ranks
