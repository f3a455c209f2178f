"""Metrics of sets: by hand, and against one question after the other."""

import numpy as np
import oracles
import pytest
import scipy.sparse as sp
import torch

import lxr
from lxr.metrics import gini, necessary_and_sufficient, size_metrics


@pytest.mark.parametrize("k", [1, 3])
def test_necessary_and_sufficient_equal_the_loop(any_model, history, k):
    target, generator = lxr.top_item(any_model, history), np.random.default_rng(0)
    items = [oracles.items_of(row) for row in history.tolist()]
    sets = [generator.choice(each, (1 + len(each)) // 2, replace=False) for each in items]
    found = necessary_and_sufficient(any_model, sp.csr_matrix(history.numpy()), target, sets, k, batch_size=6)
    for row, (each, some) in enumerate(zip(items, sets, strict=True)):
        rest = [item for item in each if item not in some]
        without, alone = (
            oracles.target_rank(oracles.logits_of(any_model, kept), int(target[row]), each) for kept in (rest, some.tolist())
        )
        assert (found[0][row], found[1][row]) == (without > k, alone <= k)


def test_the_gini_coefficient_equals_that_by_hand():
    assert gini(np.array([1, 3])) == pytest.approx(0.25)
    assert gini(np.array([5])) == 0 and gini(np.array([0, 0])) == 0
    sizes = np.random.default_rng(0).integers(1, 9, 30)
    assert gini(sizes) == pytest.approx(np.abs(sizes[:, None] - sizes).mean() / (2 * sizes.mean()))


def test_sizes_equal_those_by_hand():
    found = size_metrics(np.array([2, 3, np.nan, 4]), np.array([2, 2, 1, np.nan]))
    assert found == {
        "validity": 0.75,
        "set size": 3.0,
        "relative size": 1.25,
        "optimal": pytest.approx(1 / 3),
        "Gini": gini(np.array([2, 3, 4])),
    }
    assert np.isnan(size_metrics(np.array([np.nan]), np.array([np.nan]))["optimal"])


def test_another_number_of_sets_is_refused(history):
    model = lxr.MF(20)
    with pytest.raises(ValueError, match="sets: expected 7, one for each user, found 1"):
        necessary_and_sufficient(model, history, lxr.top_item(model, history), [torch.tensor([0])])
