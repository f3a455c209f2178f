"""Fixtures shared by the tests of metrics and studies."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

import lxr


@pytest.fixture
def matrix(history):
    return sp.csr_matrix(history.numpy())


@pytest.fixture
def drawn(matrix):
    """Two explanations of the same histories: small integers, so that many are equal, and negative ones."""
    generator = np.random.default_rng(3)
    return [
        sp.csr_matrix((generator.integers(-2, 3, matrix.nnz).astype(np.float32), matrix.indices, matrix.indptr))
        for _ in range(2)
    ]


@pytest.fixture
def trained(planted):
    """An MF trained on planted tastes."""
    model = lxr.MF(20, n_factors=8)
    lxr.fit(model, *planted, epochs=60, batch_size=20, learning_rate=0.02)
    return model


@pytest.fixture
def results(model, train_matrix):
    """Leave-one-out, its equal by another name, and a random order, of eighty users."""
    history = torch.from_numpy(train_matrix[:50].toarray())
    target = lxr.top_item(model, history)
    by_leaving_out, at_random = (lxr.EXPLAINERS[name](model, train_matrix) for name in ("leave-one-out", "random"))
    scores = {"leave-one-out": by_leaving_out.explain(history, target), "random": at_random.explain(history, target)}
    scores["gradient"] = scores["leave-one-out"].clone()
    return {name: lxr.evaluate_fidelity(model, history, target, importance) for name, importance in scores.items()}
