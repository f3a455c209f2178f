"""Recommendations: the best items that are not in the history."""

import numpy as np
import oracles
import scipy.sparse as sp
import torch

import lxr


def test_top_item_is_the_best_unseen(any_model, history):
    found = lxr.top_item(any_model, history)
    assert found.shape == (len(history),)
    assert found.dtype == torch.long
    assert (history.gather(1, found[:, None]) == 0).all()
    assert found.tolist() == [
        oracles.top_item(oracles.logits_at(any_model, row), oracles.items_of(row)) for row in history.tolist()
    ]


def test_top_item_by_hand(linear):
    bias = [9.0, 1, 5, 5]
    history = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [1, 0, 1, 1]])
    assert lxr.top_item(linear(np.zeros((4, 4)), bias=bias), history).tolist() == [2, 0, 1]  # of equal ones the lowest


def test_top_item_is_an_array_where_histories_are_sparse(any_model, history):
    expected = lxr.top_item(any_model, history).tolist()
    for kind in (sp.csr_matrix, sp.csr_array, sp.coo_matrix):
        found = lxr.top_item(any_model, kind(history.numpy()), batch_size=2)
        assert isinstance(found, np.ndarray) and found.tolist() == expected
