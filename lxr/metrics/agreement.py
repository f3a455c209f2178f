"""Agreement of two explanations of the same recommendations: rank correlation, overlap of the orders.

Scores are results of :meth:`lxr.Explainer.explain` for a CSR matrix: one row per user, one entry per history item, zeros
included. All users are compared at once, by arrays with one element per entry.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import scipy.sparse as sp

from lxr.data.inputs import as_pair
from lxr.utils.checks import check_numbers, check_positive
from lxr.utils.sparse import row_sums, rows


def rank_correlation(a: sp.csr_matrix, b: sp.csr_matrix) -> np.ndarray:
    """Spearman's rank correlation of two explanations of each user; equal scores share the mean of their ranks.

    Args:
        a: (n, I) CSR scores.
        b: (n, I) CSR scores of the same history items.

    Returns:
        (n,) from −1 to 1; NaN where it is undefined: a single item, or equal scores for all items.

    Raises:
        ValueError: the two do not score the same items.

    Example:
        >>> a, b = sp.csr_matrix([[3.0, 2, 1]]), sp.csr_matrix([[3.0, 1, 2]])
        >>> rank_correlation(a, b)
        array([0.5])
    """
    a, b = as_pair(a=a, b=b)
    row, length = rows(a), np.diff(a.indptr)
    centre = (length[row] + 1) / 2  # the mean rank, ties or not
    x, y = average_ranks(a) - centre, average_ranks(b) - centre
    with np.errstate(invalid="ignore"):  # 0 / 0 where nothing varies
        return row_sums(a, x * y) / np.sqrt(row_sums(a, x**2) * row_sums(a, y**2))


def rank_biased_overlap(a: sp.csr_matrix, b: sp.csr_matrix, *, p: float = 0.9) -> np.ndarray:
    """Rank-biased overlap of two orders of each user's history: the overlap at every depth, shallow depths weighing more.

    With X_d the number of items that are among the first d of both,

        RBO = (X_k / k) p^k + (1 − p) / p · Σ_{d = 1…k} (X_d / d) p^d,

    here for whole orders of k items, so X_k = k. (Two random orders of a short history overlap much: compare values of the
    same users only.)

    Args:
        a: (n, I) CSR scores; items are ordered by descending score, ties by ascending item.
        b: (n, I) CSR scores of the same history items.
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
    a, b = as_pair(a=a, b=b)
    return _overlap_of_positions(positions(a), positions(b), a.indptr, p)


def _overlap_of_positions(first: np.ndarray, second: np.ndarray, indptr: np.ndarray, p: float) -> np.ndarray:
    """:func:`rank_biased_overlap` (n,) of two orders, given as :func:`positions` (nnz,) in the rows of ``indptr`` (n + 1,).

    An item is among the first d of both from the depth of its worse position on. So the sum over depths is a sum over items
    of the weight of all depths from there: one pass over the entries of all users.

    Raises:
        ValueError: p is outside (0, 1).
    """
    check_numbers("a number between 0 and 1", lambda value: 0 < value < 1, p=p)
    length = np.diff(indptr)
    depth = np.arange(1, length.max(initial=0) + 1)
    weight = np.concatenate([[0], np.cumsum(p**depth / depth)])  # (longest + 1,), total weight of the first d depths
    row = np.repeat(np.arange(len(length)), length)
    below = weight[length[row]] - weight[np.maximum(first, second)]
    return p**length + (1 - p) / p * np.bincount(row, below, minlength=len(length))


def top_overlap(a: sp.csr_matrix, b: sp.csr_matrix, count: int) -> np.ndarray:
    """Share of the ``count`` most important items (all of a shorter history) that two explanations have in common.

    Args:
        a: (n, I) CSR scores.
        b: (n, I) CSR scores of the same history items.
        count: length of the explanations.

    Returns:
        (n,) from 0 to 1.

    Raises:
        ValueError: the two do not score the same items.

    Example:
        >>> top_overlap(sp.csr_matrix([[3.0, 2, 1]]), sp.csr_matrix([[3.0, 1, 2]]), count=2)
        array([0.5])
    """
    a, b = as_pair(a=a, b=b)
    check_positive(count=count)
    common = (positions(a) < count) & (positions(b) < count)
    return row_sums(a, common) / np.minimum(count, np.diff(a.indptr))


def agreement_table(scores: Mapping[str, sp.csr_matrix], *, p: float = 0.9) -> pd.DataFrame:
    """Explainers × explainers: :func:`rank_biased_overlap` of their orders, mean over users.

    Args:
        scores: explainer → (n, I) CSR importance of the same history items.
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
    first = next(iter(scores.values()))
    found = {name: positions(as_pair(first=first, **{name: matrix})[1]) for name, matrix in scores.items()}
    return pd.DataFrame(
        {a: {b: _overlap_of_positions(found[a], found[b], first.indptr, p).mean() for b in found} for a in found}
    )


def positions(scores: sp.csr_matrix) -> np.ndarray:
    """Position of every entry in the order of its row: 0 for the highest score, ties by ascending item.

    Args:
        scores: (n, I) CSR.

    Returns:
        (nnz,) positions.

    Example:
        >>> positions(sp.csr_matrix([[0.2, 0.7, 0.7], [0, 0, 0.1]]))
        array([2, 0, 1, 0])
    """
    row = rows(scores)
    order = np.lexsort((scores.indices, -scores.data, row))
    position = np.empty(scores.nnz, dtype=np.int64)
    position[order] = np.arange(scores.nnz) - scores.indptr[row]
    return position


def by_place(scores: np.ndarray, indptr: np.ndarray) -> sp.csr_matrix:
    """Scores (N,) of entries, as explainers return them for :class:`lxr.EntryLists`, as a matrix with a column per place.

    Args:
        scores: (N,) scores, user after user.
        indptr: (n + 1,) where the entries of each user begin, and N.

    Returns:
        (n, L) CSR, L the longest history.

    Example:
        >>> by_place(np.array([0.2, 0.7, 0.1]), np.array([0, 2, 3])).toarray()
        array([[0.2, 0.7],
               [0.1, 0. ]])
    """
    length = np.diff(indptr)
    place = np.arange(len(scores)) - indptr[:-1].repeat(length)
    return sp.csr_matrix((scores, place, indptr), shape=(len(length), length.max(initial=0)))


def average_ranks(scores: sp.csr_matrix) -> np.ndarray:
    """Rank (nnz,) of every entry in its row, 1 for the lowest score; equal scores share the mean of their ranks."""
    row = rows(scores)
    order = np.lexsort((scores.data, row))
    data = scores.data[order]
    starts = np.ones(scores.nnz, dtype=bool)  # of a run of equal scores in one row
    starts[1:] = (np.diff(data) != 0) | (np.diff(row) != 0)
    run = np.cumsum(starts) - 1
    position = np.arange(scores.nnz) - scores.indptr[row] + 1
    ranks = np.empty(scores.nnz)
    ranks[order] = (np.bincount(run, position) / np.bincount(run))[run]
    return ranks
