"""ACCENT: against the naive loop, and by hand."""

import numpy as np
import oracles
import pytest
import torch
from explaining import assert_close, make, users_of

import lxr


@pytest.mark.parametrize("k", [2, 5])
def test_accent_equals_the_naive_loop(any_model, train_matrix, history, k):
    target = lxr.top_item(any_model, history)
    explainer = make("accent", any_model, train_matrix, k=k)
    expected = [oracles.accent(any_model, *user, k) for user in users_of(history, target)]
    assert_close(explainer.explain(history, target), expected)


def test_mean_ranking_of_accent_by_hand(linear, train_matrix):
    # Item 0 speaks for the target 5 by 3 and for its rival 6 by 1; item 1 for the target by 1 and for its rival 7 by 2.
    weights = np.zeros((20, 20))
    weights[0, 5], weights[0, 6], weights[1, 5], weights[1, 7] = 3, 1, 1, 2
    history = torch.zeros(1, 20)
    history[0, :2] = 1
    found = make("accent", linear(weights), train_matrix, k=3, ranking="mean").explain(history, torch.tensor([5]))
    assert found[0, :2].tolist() == [3 - (1 + 0) / 2, 1 - (0 + 2) / 2]


def test_accent_removes_the_smallest_set_that_flips_the_ranking(linear, train_matrix):
    # Items 0, 1, 2 lift the target 5 to 6; the rivals 6 and 7 stand at 3.5 and 1 whatever the history.
    weights, bias = np.zeros((20, 20)), np.zeros(20)
    weights[:3, 5], bias[[6, 7]] = [1, 2, 3], [3.5, 1]
    model, history, target = linear(weights, bias=bias), torch.zeros(1, 20), torch.tensor([5])
    history[0, :3] = 1
    explainer = make("accent", model, train_matrix)
    assert lxr.top_item(model, history).item() == 5
    assert explainer.explain(history, target)[0].argmax() == 2  # 6 − 3 = 3 is less than 3.5
    assert lxr.metrics.ranks_without_most(model, history, target, explainer.explain(history, target), steps=3).tolist() == [
        [1, 2, 2, 3]
    ]


@pytest.mark.parametrize("ranking", ["set", "mean"])
def test_accent_without_rivals_is_the_influence_on_the_target(any_model, train_matrix, histories, ranking):
    history = histories([19])
    target = lxr.top_item(any_model, history)
    expected = make("leave-one-out", any_model, train_matrix, objective="logit").explain(history, target)
    assert_close(make("accent", any_model, train_matrix, ranking=ranking).explain(history, target), expected)


def test_the_mean_ranking_of_accent_counts_the_rivals_there_are(any_model, train_matrix, histories):
    history = histories([18])  # one rival
    target = lxr.top_item(any_model, history)
    found = make("accent", any_model, train_matrix, k=5, ranking="mean").explain(history, target)
    assert_close(found, make("accent", any_model, train_matrix, k=2).explain(history, target))
