"""Sparse matrices become dense batch by batch."""

import numpy as np
import torch

import lxr
from lxr.utils import batches


def test_dense_batches_are_the_matrix(train_matrix):
    parts = [lxr.utils.dense(train_matrix[users]) for users in batches(60, 7)]
    assert [len(part) for part in parts] == [7] * 8 + [4]
    assert all(part.dtype == torch.float32 for part in parts)
    assert torch.equal(torch.cat(parts), torch.from_numpy(train_matrix.toarray()))
    order = np.random.default_rng(0).permutation(60)
    assert np.concatenate(list(batches(60, 7, order))).tolist() == order.tolist()
