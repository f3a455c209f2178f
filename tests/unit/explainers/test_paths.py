"""Paths: item by item as in the naive loop."""

import functools

import numpy as np
import oracles
import pytest
from explaining import constant, make, users_of

import lxr
from lxr.explainers.paths import GradientPath, InsertionPath


@pytest.mark.parametrize(("singles", "share"), [(5, 0.1), (0, 0.34), (2, 1.0)])
def test_rank_margin_path_equals_the_naive_loop(model, double_model, train_matrix, history, target, singles, share):
    options = {"k": 4, "tau": 0.7, "singles": singles, "share": share}
    found = make("rank-margin-path", model, train_matrix, **options).explain(history, target)
    objective = functools.partial(oracles.rank_margin, k=4, tau=0.7)
    expected = [
        oracles.gradient_path(double_model, row, item, objective, singles, share) for row, item in users_of(history, target)
    ]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("objective", ["log-prob", "soft-rank"])
@pytest.mark.parametrize("path", [GradientPath, InsertionPath])
def test_paths_equal_the_naive_loop(model, double_model, history, target, path, objective):
    found = path(model, objective=constant(objective), singles=2, share=0.3).explain(history, target)
    users, insert = users_of(history, target), path is InsertionPath
    g = oracles.OBJECTIVES[objective]
    expected = [oracles.gradient_path(double_model, *user, g, 2, 0.3, insert) for user in users]
    np.testing.assert_array_equal(found, expected)


# Just above 7 in single precision; 2.0085; far less than one item, which is one.
@pytest.mark.parametrize("share", [7 / 13, 0.1545, 1e-9])
def test_the_share_of_the_rank_margin_path_is_rounded_up_exactly(model, double_model, train_matrix, histories, share):
    history = histories([13])
    target = lxr.top_item(model, history)
    found = make("rank-margin-path", model, train_matrix, k=4, singles=0, share=share).explain(history, target)
    objective = functools.partial(oracles.rank_margin, k=4)
    expected = [oracles.gradient_path(double_model, *user, objective, 0, share) for user in users_of(history, target)]
    np.testing.assert_array_equal(found, expected)
