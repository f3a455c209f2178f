"""Explanations against true reasons, which are known where tastes were planted (dataset ``synthetic``)."""

import numpy as np
import scipy.sparse as sp

from lxr.data.inputs import as_pair
from lxr.metrics.agreement import average_ranks, positions
from lxr.utils.checks import check_positive
from lxr.utils.sparse import row_sums, rows


def true_reasons(matrix: sp.csr_matrix, target: np.ndarray, groups: np.ndarray) -> sp.csr_matrix:
    """The true reasons of recommendations among planted tastes: the history items of the target's own taste group.

    Args:
        matrix: (n, I) CSR histories.
        target: (n,) explained items.
        groups: (I,) taste group of each item, :attr:`lxr.Interactions.item_groups`.

    Returns:
        (n, I) CSR with exactly the entries of ``matrix``: 1 for a reason, else 0.

    Example:
        >>> groups = np.array([0, 1, 0, 1])  # items 0 and 2 are of one taste, 1 and 3 of another
        >>> true_reasons(sp.csr_matrix([[1, 1, 1, 0]]), target=np.array([3]), groups=groups).toarray()
        array([[0., 1., 0., 0.]], dtype=float32)
    """
    own = groups[matrix.indices] == groups[target][rows(matrix)]
    return sp.csr_matrix((own.astype(np.float32), matrix.indices, matrix.indptr), shape=matrix.shape)


def precision(scores: sp.csr_matrix, truth: sp.csr_matrix, count: int) -> np.ndarray:
    """Share of true reasons among the ``count`` most important items of each user.

    Args:
        scores: (n, I) CSR importance; ties by ascending item.
        truth: (n, I) CSR with the same entries, 1 for a true reason, else 0.
        count: length of the explanation.

    Returns:
        (n,); NaN where there are fewer than ``count`` true reasons, so that no explanation could be right throughout.

    Raises:
        ValueError: the two are of other entries.
    """
    scores, truth = as_pair(scores=scores, truth=truth)
    check_positive(count=count)
    found = row_sums(scores, truth.data * (positions(scores) < count))
    return np.where(row_sums(truth, truth.data) >= count, found / count, np.nan)


def area_under_roc(scores: sp.csr_matrix, truth: sp.csr_matrix) -> np.ndarray:
    """Probability that a true reason scores higher than another history item, equal scores counting half.

    Args:
        scores: (n, I) CSR importance.
        truth: (n, I) CSR with the same entries, 1 for a true reason, else 0.

    Returns:
        (n,); NaN where all items or none are true reasons.

    Raises:
        ValueError: the two are of other entries.

    Source: the Mann-Whitney statistic; Hanley & McNeil, Radiology 1982.
    """
    scores, truth = as_pair(scores=scores, truth=truth)
    n_true = row_sums(truth, truth.data)
    n_other = np.diff(truth.indptr) - n_true
    wins = row_sums(scores, average_ranks(scores) * truth.data) - n_true * (n_true + 1) / 2
    with np.errstate(invalid="ignore"):  # 0 / 0 where one kind is absent
        return wins / (n_true * n_other)
