"""Agreement of explanations with true reasons, which are known for generated data (``synthetic…``)."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import scipy.sparse as sp

from lxr.data.histories import EntryLists
from lxr.data.inputs import as_matrix
from lxr.metrics.agreement import Scores, average_ranks, entry_pair, positions, sums
from lxr.metrics.statistics import bootstrap_interval
from lxr.utils.checks import check_instance, check_positive


def true_reasons(histories: EntryLists | sp.csr_matrix, target: np.ndarray, groups: np.ndarray) -> Scores:
    """True reasons of recommendations for planted tastes: the history items of the target's own taste group.

    Args:
        histories: :class:`lxr.EntryLists`, or (n, I) histories, CSR or dense.
        target: (n,) explained items.
        groups: (I,) taste group of each item, ``item_groups`` of :class:`lxr.Interactions`.

    Returns:
        1 for a reason, else 0: an array (N,) for the entries, or (n, I) CSR with exactly the entries of the rows.

    Example:
        >>> groups = np.array([0, 1, 0, 1])  # items 0 and 2 are of one taste, 1 and 3 of another
        >>> true_reasons(sp.csr_matrix([[1, 1, 1, 0]]), target=np.array([3]), groups=groups).toarray()
        array([[0., 1., 0., 0.]], dtype=float32)
    """
    by_rows = not isinstance(histories, EntryLists)
    lists = EntryLists.of_matrix(as_matrix(histories=histories)) if by_rows else histories
    own = (groups[lists.items] == groups[target][lists.users]).astype(np.float32)
    return sp.csr_matrix((own, lists.items, lists.indptr), shape=(len(lists), lists.n_columns)) if by_rows else own


def latest_reasons(entries: EntryLists, target: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """True reasons of recommendations for planted sequences: the newest history item of the target's own series.

    Args:
        entries: histories of n users, oldest first, as :meth:`lxr.Interactions.histories` returns them.
        target: (n,) explained items.
        groups: (I,) series of each item, ``item_groups`` of :class:`lxr.Interactions` (dataset ``synthetic-sequences``).

    Returns:
        (N,) for the entries: 1 for the reason, of which a user has at most one, else 0.

    Raises:
        ValueError: not entries.

    Example:
        >>> entries = EntryLists(np.array([3, 0, 2]), np.array([0, 3]), n_columns=5)  # 3 is the oldest
        >>> latest_reasons(entries, target=np.array([4]), groups=np.array([0, 1, 0, 1, 0]))
        array([0., 0., 1.], dtype=float32)
    """
    check_instance(EntryLists, "entries, as data.histories() returns them", entries=entries)
    own = np.flatnonzero(true_reasons(entries, target, groups))
    reason = np.zeros(len(entries.items), dtype=np.float32)
    reason[own[np.diff(entries.users[own], append=len(entries)) > 0]] = 1
    return reason


def precision(scores: Scores, truth: Scores, count: int, histories: EntryLists | None = None) -> np.ndarray:
    """Share of true reasons among the ``count`` most important items of each user.

    Args:
        scores: (N,) importance of the entries of ``histories``, or (n, I) CSR importance of rows; ties by ascending item.
        truth: 1 for a true reason, else 0, in the same form.
        count: length of the explanation.
        histories: the explained entries; None for rows.

    Returns:
        (n,); NaN where there are fewer than ``count`` true reasons, so no explanation could be fully right.

    Raises:
        ValueError: the two have different entries.

    Example:
        >>> truth = true_reasons(sp.csr_matrix([[1, 1, 1, 0]]), target=np.array([3]), groups=np.array([0, 1, 0, 1]))
        >>> precision(sp.csr_matrix([[0.1, 0.9, 0.5, 0]]), truth, count=1)
        array([1.])
    """
    lists, values, true = entry_pair(histories, scores=scores, truth=truth)
    check_positive(count=count)
    found = sums(lists, true * (positions(values, lists) < count))
    return np.where(sums(lists, true) >= count, found / count, np.nan)


def area_under_roc(scores: Scores, truth: Scores, histories: EntryLists | None = None) -> np.ndarray:
    """Probability that a true reason scores higher than another history item, equal scores counting half.

    Args:
        scores: (N,) importance of the entries of ``histories``, or (n, I) CSR importance of rows.
        truth: 1 for a true reason, else 0, in the same form.
        histories: the explained entries; None for rows.

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
    lists, values, true = entry_pair(histories, scores=scores, truth=truth)
    n_true = sums(lists, true)
    n_other = lists.lengths - n_true
    wins = sums(lists, average_ranks(lists, values) * true) - n_true * (n_true + 1) / 2
    with np.errstate(invalid="ignore"):  # 0 / 0 if one kind is missing
        return wins / (n_true * n_other)


def ground_truth_table(
    scores: Mapping[str, Scores],
    truth: Scores,
    histories: EntryLists | None = None,
    *,
    cutoffs: Sequence[int] = (1, 3, 5),
    n_resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Agreement of explanations with true reasons, one row per explainer.

    Args:
        scores: explainer → (N,) importance of the entries of ``histories``, or (n, I) CSR importance of rows.
        truth: 1 for a true reason, else 0, in the same form, from :func:`true_reasons` or
            :func:`latest_reasons`.
        histories: the explained entries; None for rows.
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
    for name, each in scores.items():
        values = pd.DataFrame({f"precision@{count}": precision(each, truth, count, histories) for count in cutoffs})
        values["AUC"] = area_under_roc(each, truth, histories)
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
