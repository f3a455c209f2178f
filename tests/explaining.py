"""Helpers of tests: make explainers, and compare them with naive code."""

import numpy as np
import scipy.sparse as sp
import torch

import lxr
from lxr.explainers.objectives import Objective, at_kept

OBJECTIVES = list(lxr.OBJECTIVES)


def make(name, model, train_matrix, **options):
    return lxr.EXPLAINERS[name](model, train_matrix, **options)


def assert_close(found, expected, tolerance=1e-5):
    """Equal up to single precision."""
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def users_of(history, target):
    return list(zip(history.tolist(), target.tolist(), strict=True))


def objective_of(objective: Objective, model, point, target, history) -> torch.Tensor:
    """G (B,) at dense points (B, I), which keep a share of each item of the dense histories (B, I)."""
    histories = lxr.Histories.of_dense(history)
    return at_kept(objective, model, histories, histories.at(point), target)


def constant(objective):
    """An objective as the naive loops know it: a smooth rank with one τ."""
    return lxr.explainers.SoftRank(1.0, 1.0) if objective == "soft-rank" else lxr.OBJECTIVES[objective]


def scores_of(*users) -> sp.csr_matrix:
    """CSR scores of users who are given by their lists of scores; item i is the i-th of a list."""
    lengths = [len(user) for user in users]
    indices = np.concatenate([np.arange(length) for length in lengths])
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    return sp.csr_matrix((np.concatenate(users).astype(np.float32), indices, indptr), shape=(len(users), max(lengths)))


def lists_of(scores: sp.csr_matrix) -> list[np.ndarray]:
    """Scores of each user, by ascending item."""
    return np.split(scores.data, scores.indptr[1:-1])
