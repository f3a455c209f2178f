"""Explanations of many users: made in batches, judged by one metric, saved and loaded."""

import hashlib
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch

from lxr.data.inputs import as_csr, as_matrix, as_users
from lxr.explainers.base import Explainer, check_explainer
from lxr.metrics.fidelity import fidelity_of_scores
from lxr.metrics.names import check_metric
from lxr.recommenders.recommend import top_items
from lxr.utils.checks import check_positive
from lxr.utils.memory import check_memory
from lxr.utils.progress import progress
from lxr.utils.sparse import batches, dense
from lxr.utils.storage import ANEW, DataError, read_npz, save_npz


def explain_users(
    explainer: Explainer, matrix: sp.csr_matrix, target: np.ndarray, batch_size: int = 256, label: str | None = None
) -> sp.csr_matrix:
    """Explain the recommendations of many users, dense one batch at a time.

    Args:
        explainer: any explainer.
        matrix: (n, I) histories: CSR, or any other form that :func:`lxr.data.inputs.as_matrix` takes.
        target: (n,) explained items.
        batch_size: users per call.
        label: of a progress bar, or None for none.

    Returns:
        (n, I) CSR scores, one for each history item (zeros included), items ascending in each row.

    Raises:
        ValueError: an empty history, or a target that is inside its history or outside the catalogue.

    Warns:
        UserWarning: histories are longer than the explainer's budget is made for, or all items of a history score the same.

    Example:
        >>> import lxr
        >>> train = sp.csr_matrix([[1, 1, 0, 0], [1, 1, 0, 1], [0, 1, 1, 1]])
        >>> cosine = lxr.EXPLAINERS["cosine"](lxr.MF(4), train)
        >>> explain_users(cosine, sp.csr_matrix([[1, 0, 1, 0]]), target=np.array([1])).toarray().round(2)
        array([[0.82, 0.  , 0.58, 0.  ]], dtype=float32)
    """
    check_explainer(explainer)
    matrix, target = as_users(explainer.model, matrix, target)
    check_positive(batch_size=batch_size)
    check_memory(3 * 4 * min(batch_size, matrix.shape[0]) * explainer.model.n_items, "batch_size")
    explainer.report_long(np.diff(matrix.indptr))
    device = explainer.model.device
    values = np.empty(matrix.nnz, dtype=np.float32)
    groups = list(batches(matrix.shape[0], batch_size))
    for users in progress(groups, desc=label, unit="batch", disable=label is None):
        history = dense(matrix[users], device)
        scores = explainer.scores(history, torch.from_numpy(target[users]).to(device))
        values[matrix.indptr[users[0]] : matrix.indptr[users[-1] + 1]] = scores[history > 0].cpu().numpy()
    explainer.report_equal(values, np.diff(matrix.indptr))
    return sp.csr_matrix((values, matrix.indices, matrix.indptr), shape=matrix.shape)


def mean_fidelity(
    explainer: Explainer, matrix: sp.csr_matrix, target: np.ndarray | None = None, metric: str = "POS@20"
) -> float:
    """One fidelity metric, mean over users: the criterion by which epochs and hyperparameters are chosen.

    Args:
        explainer: any explainer.
        matrix: (n, I) CSR histories.
        target: (n,) explained items; the top recommendations by default.
        metric: any of :meth:`lxr.FidelityResult.per_user`, curves by the mean over their steps. POS@K and NDCG take a third
            of the time of the others.

    Returns:
        The mean; its name says whether lower is better (:func:`lxr.metrics.direction`).

    Raises:
        ValueError: an unknown metric.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> explainer = lxr.EXPLAINERS["leave-one-out"](model, sp.csr_matrix((1, 4)))
        >>> mean_fidelity(explainer, sp.csr_matrix([[1, 1, 0, 0]]), metric="POS@1,Ke=1")  # item 0 removed: item 2 is first
        0.0
    """
    check_metric(metric)
    check_explainer(explainer)
    matrix = as_matrix(explainer.model.n_items, matrix=matrix)
    target = top_items(explainer.model, matrix) if target is None else target
    return fidelity_of_scores(explainer.model, matrix, target, explain_users(explainer, matrix, target, 512), metric)


def save_scores(scores: sp.csr_matrix, path: str | Path) -> None:
    """Write the scores that :func:`explain_users` returns to one ``.npz`` file, atomically.

    Args:
        scores: (n, I) CSR; the file holds their values, and a checksum of the entries to which they belong. They are read
            with the histories beside them.
        path: the file.

    Raises:
        ValueError: no matrix of scores, or scores that are not finite; nothing is written.

    Example: see :func:`load_scores`.
    """
    if not sp.issparse(scores):  # dense ones do not say which zeros are scores
        raise ValueError(f"scores: expected a CSR matrix with a score per history item, found {type(scores).__name__}")
    scores = as_csr("scores", scores)
    values = scores.data if np.issubdtype(scores.dtype, np.floating) else scores.data.astype(float)
    if not np.isfinite(values).all():
        raise ValueError(f"scores: expected finite numbers, found {values[~np.isfinite(values)][0]}")
    save_npz(path, scores=values, entries=digest_of_entries(scores))


def load_scores(path: str | Path, matrix: sp.csr_matrix) -> sp.csr_matrix:
    """Read what :func:`save_scores` wrote.

    Args:
        path: the file.
        matrix: (n, I) CSR histories that the scores explain; the items of a history may be in any order.

    Returns:
        (n, I) CSR scores with exactly the entries of ``matrix``, zeros included, items ascending.

    Raises:
        ValueError: no binary histories.
        DataError: the file is missing or damaged, or its scores are of other histories.

    Example:
        >>> import tempfile
        >>> matrix, scores = sp.csr_matrix([[1, 0, 1]]), sp.csr_matrix([[0.2, 0, 0.7]])
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     save_scores(scores, f"{directory}/scores.npz")
        ...     load_scores(f"{directory}/scores.npz", matrix).toarray()
        array([[0.2, 0. , 0.7]])
    """
    arrays = read_npz(path, required=("scores", "entries"))
    values, matrix = arrays["scores"], as_matrix(matrix=matrix)
    if values.ndim != 1 or not np.issubdtype(values.dtype, np.floating) or not np.isfinite(values).all():
        raise DataError(f"{path} is damaged: expected finite numbers in one dimension, found others: {ANEW}")
    if len(values) != matrix.nnz:
        raise DataError(f"{path}: expected {matrix.nnz} scores, one per history item, found {len(values)}")
    if not np.array_equal(arrays["entries"], digest_of_entries(matrix)):
        raise DataError(f"{path}: expected scores of these histories, found those of other users or other items")
    return sp.csr_matrix((values, matrix.indices, matrix.indptr), shape=matrix.shape)


def digest_of_entries(matrix: sp.csr_matrix) -> np.ndarray:
    """SHA-256, as (32,) bytes, of the places of the entries of a matrix in canonical form."""
    parts = (np.array(matrix.shape), matrix.indptr, matrix.indices)
    return np.frombuffer(hashlib.sha256(b"".join(part.astype("<i8").tobytes() for part in parts)).digest(), dtype=np.uint8)
