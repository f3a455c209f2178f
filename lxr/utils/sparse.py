"""Sparse matrices of histories and scores: creation, batches, dense copies."""

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
import torch

USERS_PER_BATCH = 512  # users whose histories are read at a time


def rows(matrix: sp.csr_matrix) -> np.ndarray:
    """Row (nnz,) of every entry of a CSR matrix, as int64."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def binary_matrix(indices: np.ndarray, indptr: np.ndarray, shape: tuple[int, int]) -> sp.csr_matrix:
    """A CSR matrix of float32 ones."""
    return sp.csr_matrix((np.ones(len(indices), dtype=np.float32), indices, indptr), shape=shape)


def item_counts(matrix: sp.csr_matrix, n_features: int) -> np.ndarray:
    """Number of items (n,) in each history (n, I), the last columns of which are features."""
    return np.diff(matrix[:, : matrix.shape[1] - n_features].indptr)


def dense(matrix: sp.csr_matrix, device: torch.device | str = "cpu") -> torch.Tensor:
    """Histories of a few users as a dense tensor.

    Args:
        matrix: (B, I) CSR, of any type.
        device: device of the result.

    Returns:
        (B, I) float32.

    Example:
        >>> dense(sp.csr_matrix([[0, 1, 1]]))
        tensor([[0., 1., 1.]])
    """
    return torch.from_numpy(matrix.toarray().astype(np.float32, copy=False)).to(device)


def batches(n_users: int, batch_size: int, order: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """Cut users into batches.

    Args:
        n_users: number of users.
        batch_size: users per batch; the last may have fewer.
        order: (n_users,) the users; ascending by default.

    Returns:
        Iterator of index arrays.

    Example:
        >>> [users.tolist() for users in batches(5, 2)]
        [[0, 1], [2, 3], [4]]
    """
    order = np.arange(n_users) if order is None else order
    for start in range(0, n_users, batch_size):
        yield order[start : start + batch_size]


def rows_of(items: list[np.ndarray], n_items: int) -> sp.csr_matrix:
    """A binary matrix (len(items), I) with these items in its rows."""
    indptr = np.cumsum([0] + [len(row) for row in items])
    indices = np.concatenate(items)
    return sp.csr_matrix((np.ones(len(indices), dtype=np.float32), indices, indptr), shape=(len(items), n_items))


def sampled(n_users: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """At most ``count`` random ones (m,) of the rows 0 … n_users − 1, ascending."""
    return np.arange(n_users) if n_users <= count else np.sort(rng.choice(n_users, count, replace=False))
