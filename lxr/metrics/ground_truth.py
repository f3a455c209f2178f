"""Agreement of explanations with true reasons, which are known for generated data (``synthetic…``)."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import scipy.sparse as sp

from lxr.data.histories import EntryLists
from lxr.data.inputs import as_matrix, as_pair
from lxr.metrics.agreement import average_ranks, positions
from lxr.metrics.statistics import bootstrap_interval
from lxr.utils.checks import check_instance, check_positive
from lxr.utils.sparse import row_sums, rows


def true_reasons(matrix: sp.csr_matrix, target: np.ndarray, groups: np.ndarray) -> sp.csr_matrix:
    """True reasons of recommendations for planted tastes: the history items of the target's own taste group.

    Args:
        matrix: (n, I) histories, CSR or dense.
        target: (n,) explained items.
        groups: (I,) taste group of each item, ``item_groups`` of :class:`lxr.Interactions`.

    Returns:
        (n, I) CSR with exactly the entries of ``matrix``: 1 for a reason, else 0.

    Example:
        >>> groups = np.array([0, 1, 0, 1])  # items 0 and 2 are of one taste, 1 and 3 of another
        >>> true_reasons(sp.csr_matrix([[1, 1, 1, 0]]), target=np.array([3]), groups=groups).toarray()
        array([[0., 1., 0., 0.]], dtype=float32)
    """
    matrix = as_matrix(matrix=matrix)
    own = groups[matrix.indices] == groups[target][rows(matrix)]
    return sp.csr_matrix((own.astype(np.float32), matrix.indices, matrix.indptr), shape=matrix.shape)


def latest_reasons(entries: EntryLists, target: np.ndarray, groups: np.ndarray) -> sp.csr_matrix:
    """True reasons of recommendations for planted sequences: the newest history item of the target's own series.

    Args:
        entries: histories of n users, oldest first, each item once, as :meth:`lxr.Interactions.histories` returns them.
        target: (n,) explained items.
        groups: (I,) series of each item, ``item_groups`` of :class:`lxr.Interactions` (dataset ``synthetic-sequences``).

    Returns:
        (n, I) CSR with the entries: 1 for the reason, of which a user has at most one, else 0.

    Raises:
        ValueError: not entries, or a user who has consumed an item twice.

    Example:
        >>> entries = EntryLists(np.array([3, 0, 2]), np.array([0, 3]), n_columns=5)  # 3 is the oldest
        >>> latest_reasons(entries, target=np.array([4]), groups=np.array([0, 1, 0, 1, 0])).toarray()
        array([[0., 0., 1., 0., 0.]], dtype=float32)
        >>> scores = np.array([0.1, 0.4, 0.5])  # of the entries
        >>> scores = sp.csr_matrix((scores, entries.items, entries.indptr), (1, 5))  # as the other functions take them
    """
    check_instance(EntryLists, "entries, as data.histories() returns them", entries=entries)
    if entries.matrix().nnz < len(entries.items):
        raise ValueError("entries: expected every item of a user once, found repeats")
    own = np.flatnonzero(groups[entries.items] == groups[target].repeat(entries.lengths))
    user = entries.users[own]
    reason = np.zeros(len(entries.items), dtype=np.float32)
    reason[own[np.diff(user, append=len(entries)) > 0]] = 1
    truth = sp.csr_matrix((reason, entries.items, entries.indptr), (len(entries), entries.n_columns))
    return truth.sorted_indices()


def precision(scores: sp.csr_matrix, truth: sp.csr_matrix, count: int) -> np.ndarray:
    """Share of true reasons among the ``count`` most important items of each user.

    Args:
        scores: (n, I) CSR importance; ties by ascending item.
        truth: (n, I) CSR with the same entries, 1 for a true reason, else 0.
        count: length of the explanation.

    Returns:
        (n,); NaN where there are fewer than ``count`` true reasons, so no explanation could be fully right.

    Raises:
        ValueError: the two have different entries.

    Example:
        >>> truth = true_reasons(sp.csr_matrix([[1, 1, 1, 0]]), target=np.array([3]), groups=np.array([0, 1, 0, 1]))
        >>> precision(sp.csr_matrix([[0.1, 0.9, 0.5, 0]]), truth, count=1)
        array([1.])
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
        ValueError: the two have different entries.

    Source: the Mann-Whitney statistic; Hanley & McNeil, Radiology 1982.

    Example:
        >>> truth = true_reasons(sp.csr_matrix([[1, 1, 1, 0]]), target=np.array([3]), groups=np.array([0, 1, 0, 1]))
        >>> area_under_roc(sp.csr_matrix([[0.9, 0.5, 0.1, 0]]), truth)  # of the others, one is above the reason
        array([0.5])
    """
    scores, truth = as_pair(scores=scores, truth=truth)
    n_true = row_sums(truth, truth.data)
    n_other = np.diff(truth.indptr) - n_true
    wins = row_sums(scores, average_ranks(scores) * truth.data) - n_true * (n_true + 1) / 2
    with np.errstate(invalid="ignore"):  # 0 / 0 if one kind is missing
        return wins / (n_true * n_other)


def ground_truth_table(
    scores: Mapping[str, sp.csr_matrix],
    truth: sp.csr_matrix,
    *,
    cutoffs: Sequence[int] = (1, 3, 5),
    n_resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Agreement of explanations with true reasons, one row per explainer.

    Args:
        scores: explainer → (n, I) CSR importance.
        truth: (n, I) CSR with the same entries, 1 for a true reason, else 0, from :func:`true_reasons` or
            :func:`latest_reasons`.
        cutoffs: the K of precision@K.
        n_resamples: bootstrap samples of the interval.
        seed: seed of the resampling.

    Returns:
        ``precision@K`` and ``AUC``, means over the users for whom they are defined (K true reasons; a history with reasons
        and other items); the 95 % interval of the AUC (``AUC low``, ``AUC high``); ``fails``: the interval reaches down to
        0.5, so no better than a random order; and the numbers of users.

    Raises:
        ValueError: different entries in ``truth``, or no user with both reasons and other items.

    Example:
        >>> truth = true_reasons(sp.csr_matrix([[1, 1, 1, 0]]), target=np.array([3]), groups=np.array([0, 1, 0, 1]))
        >>> scores = {"good": sp.csr_matrix([[0.1, 0.9, 0.5, 0]]), "bad": sp.csr_matrix([[0.9, 0.1, 0.5, 0]])}
        >>> ground_truth_table(scores, truth, cutoffs=[1])[["precision@1", "AUC", "fails"]].T.to_dict("list")
        {'good': [1.0, 1.0, False], 'bad': [0.0, 0.0, True]}
    """
    rows = {}
    for name, matrix in scores.items():
        values = pd.DataFrame({f"precision@{count}": precision(matrix, truth, count) for count in cutoffs})
        values["AUC"] = area_under_roc(matrix, truth)
        areas = values[["AUC"]].dropna().to_numpy()
        if not len(areas):
            raise ValueError("truth: expected at least one user with both reasons and other items, found none")
        (low,), (high,) = bootstrap_interval(areas, n_resamples=n_resamples, seed=seed)
        rows[name] = {
            **values.mean(),
            "AUC low": low,
            "AUC high": high,
            "fails": bool(low <= 0.5),
            **values.count().rename(lambda metric: f"users {metric}"),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("explainer")
