"""Explanations of many users: mean fidelity, saving and loading."""

import hashlib
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from lxr.data.inputs import as_csr, as_entry_lists, as_matrix
from lxr.explainers.base import Explainer, check_explainer
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


def save_scores(scores: sp.csr_matrix, path: str | Path) -> None:
    """Write an explainer's scores of a CSR matrix to one ``.npz`` file, atomically.

    Args:
        scores: (n, I) CSR; the file holds their values and a checksum of their entries. Reading them needs the histories.
        path: the file.

    Raises:
        ValueError: not a matrix of scores, or scores that are not finite; nothing is written.

    Example: see :func:`load_scores`.
    """
    if not sp.issparse(scores):  # a dense matrix does not show which zeros are scores
        raise ValueError(f"scores: expected a CSR matrix with a score per history item, found {type(scores).__name__}")
    scores = as_csr("scores", scores)
    values = scores.data if np.issubdtype(scores.dtype, np.floating) else scores.data.astype(float)
    if not np.isfinite(values).all():
        raise ValueError(f"scores: expected finite numbers, found {values[~np.isfinite(values)][0]}")
    save_npz(path, scores=values, entries=_digest_of_entries(scores))


def load_scores(path: str | Path, matrix: sp.csr_matrix) -> sp.csr_matrix:
    """Read a file of :func:`save_scores`.

    Args:
        path: the file.
        matrix: (n, I) CSR histories that the scores explain; the items of a history may be in any order.

    Returns:
        (n, I) CSR scores with exactly the entries of ``matrix``, zeros included, items ascending.

    Raises:
        ValueError: histories that are not binary.
        DataError: the file is missing or damaged, or its scores belong to other histories.

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
        raise DataError(f"{path} is damaged: expected finite numbers in one dimension: {REPAIR}")
    if len(values) != matrix.nnz:
        raise DataError(f"{path}: expected {matrix.nnz} scores, one per history item, found {len(values)}")
    if not np.array_equal(arrays["entries"], _digest_of_entries(matrix)):
        raise DataError(f"{path}: expected scores of these histories, found scores of other users or items")
    return sp.csr_matrix((values, matrix.indices, matrix.indptr), shape=matrix.shape)


def _digest_of_entries(matrix: sp.csr_matrix) -> np.ndarray:
    """SHA-256, as (32,) bytes, of the positions of the entries of a matrix in canonical form."""
    parts = (np.array(matrix.shape), matrix.indptr, matrix.indices)
    return np.frombuffer(hashlib.sha256(b"".join(part.astype("<i8").tobytes() for part in parts)).digest(), dtype=np.uint8)
