"""Explanations of many users: mean fidelity, saving and loading."""

import hashlib
from pathlib import Path
from typing import overload

import numpy as np
import scipy.sparse as sp

from lxr.data.histories import EntryLists
from lxr.data.inputs import as_entry_lists, as_matrix
from lxr.explainers.base import Explainer, check_explainer
from lxr.metrics.agreement import entry_scores
from lxr.metrics.fidelity import fidelity_of_scores
from lxr.metrics.names import check_metric
from lxr.recommenders.recommendations import top_item
from lxr.utils.storage import REPAIR, DataError, read_npz, save_npz


def mean_fidelity(
    explainer: Explainer, matrix: object, target: np.ndarray | None = None, *, metric: str = "POS@20"
) -> float:
    """One fidelity metric, mean over users: the criterion for the choice of epochs and hyperparameters.

    Args:
        explainer: any explainer.
        matrix: :class:`lxr.EntryLists`, or (n, I) histories, CSR or dense.
        target: (n,) explained items; the top recommendations by default.
        metric: a metric of :meth:`lxr.FidelityResult.per_user`; curves count with the mean over their steps. POS@K and NDCG
            take a third of the time of the others.

    Returns:
        The mean; :func:`lxr.metrics.direction` states whether lower is better.

    Raises:
        ValueError: an unknown metric.

    Example:
        >>> import lxr, torch  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> explainer = lxr.EXPLAINERS["leave-one-out"](model, sp.csr_matrix((1, 4)))
        >>> mean_fidelity(explainer, sp.csr_matrix([[1, 1, 0, 0]]), metric="POS@1,Ke=1")  # item 0 removed: item 2 is first
        0.0
    """
    check_metric(metric)
    check_explainer(explainer)
    lists = as_entry_lists(explainer.model.n_columns, matrix=matrix)
    target = top_item(explainer.model, lists) if target is None else target
    scores = explainer.explain(lists, target, users_per_batch=512)
    return fidelity_of_scores(explainer.model, lists, target, scores, metric)


def save_scores(scores: sp.csr_matrix | np.ndarray, path: str | Path, histories: EntryLists | None = None) -> None:
    """Write an explainer's scores to one ``.npz`` file, atomically.

    Args:
        scores: (N,) scores of the entries of ``histories``, or (n, I) CSR scores of rows. The file holds their values and a
            checksum of their entries. Reading them needs the histories.
        path: the file.
        histories: the explained entries; None for rows.

    Raises:
        ValueError: scores in neither form, or scores that are not finite; nothing is written.

    Example: see :func:`load_scores`.
    """
    if histories is None and not sp.issparse(scores):  # a dense matrix does not show which zeros are scores
        raise ValueError(f"scores: expected a CSR matrix with a score per history item, found {type(scores).__name__}")
    lists, values = entry_scores(histories, scores=scores)
    values = values if np.issubdtype(values.dtype, np.floating) else values.astype(float)
    if not np.isfinite(values).all():
        raise ValueError(f"scores: expected finite numbers, found {values[~np.isfinite(values)][0]}")
    save_npz(path, scores=values, entries=_digest_of_entries(lists))


@overload
def load_scores(path: str | Path, histories: EntryLists) -> np.ndarray: ...


@overload
def load_scores(path: str | Path, histories: sp.csr_matrix) -> sp.csr_matrix: ...


def load_scores(path, histories):
    """Read a file of :func:`save_scores`.

    Args:
        path: the file.
        histories: the explained histories: :class:`lxr.EntryLists`, or (n, I) CSR with the items of a history in any order.

    Returns:
        (N,) scores of the entries, or (n, I) CSR scores with exactly the entries of the rows, zeros included, items
        ascending.

    Raises:
        ValueError: histories that are not binary.
        DataError: the file is missing or damaged, or its scores belong to other histories.

    Example:
        >>> import lxr, tempfile
        >>> histories, scores = lxr.EntryLists(np.array([2, 0]), np.array([0, 2]), n_columns=3), np.array([0.7, 0.2])
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     save_scores(scores, f"{directory}/scores.npz", histories)
        ...     load_scores(f"{directory}/scores.npz", histories)
        array([0.7, 0.2])
    """
    arrays = read_npz(path, required=("scores", "entries"))
    values, by_rows = arrays["scores"], not isinstance(histories, EntryLists)
    lists = EntryLists.of_matrix(as_matrix(histories=histories)) if by_rows else histories
    if values.ndim != 1 or not np.issubdtype(values.dtype, np.floating) or not np.isfinite(values).all():
        raise DataError(f"{path} is damaged: expected finite numbers in one dimension: {REPAIR}")
    if len(values) != len(lists.items):
        raise DataError(f"{path}: expected {len(lists.items)} scores, one per history item, found {len(values)}")
    if not np.array_equal(arrays["entries"], _digest_of_entries(lists)):
        raise DataError(f"{path}: expected scores of these histories, found scores of other users or items")
    return sp.csr_matrix((values, lists.items, lists.indptr), shape=(len(lists), lists.n_columns)) if by_rows else values


def _digest_of_entries(lists: EntryLists) -> np.ndarray:
    """SHA-256, as (32,) bytes, of users, items and their order."""
    parts = (np.array([len(lists), lists.n_columns]), lists.indptr, lists.items)
    return np.frombuffer(hashlib.sha256(b"".join(part.astype("<i8").tobytes() for part in parts)).digest(), dtype=np.uint8)
