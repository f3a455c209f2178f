"""A black box gets the same explanations as the same function of tensors, wherever no gradient is needed."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from toys import NEED_GRADIENT

import lxr

N_ITEMS = 20
WEIGHTS = np.random.default_rng(6).integers(-3, 4, (N_ITEMS, N_ITEMS)).astype(float)  # exact in any precision and order


@pytest.fixture(params=["sigmoid", "softmax"])
def models(request):
    """(black box, the same differentiable)."""
    weights = torch.from_numpy(WEIGHTS).float()
    box = lxr.wrap(lambda history: history @ WEIGHTS, N_ITEMS, request.param)
    same = lxr.wrap(lambda history: history @ weights, N_ITEMS, request.param)
    assert (box.differentiable, same.differentiable) == (False, True)
    return box, same


def test_a_black_box_has_the_same_scores(models, history, train_matrix):
    box, same = models
    assert torch.equal(lxr.top_item(box, history), lxr.top_item(same, history))
    assert torch.equal(box.log_prob(history), same.log_prob(history))
    assert lxr.rank_quality(box, train_matrix) == lxr.rank_quality(same, train_matrix)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(lxr.EXPLAINERS.keys() - NEED_GRADIENT))
def test_a_black_box_has_the_same_explanations(models, history, train_matrix, name):
    target = lxr.top_item(models[1], history)
    box, same = (lxr.EXPLAINERS[name](model, train_matrix).explain(history, target) for model in models)
    assert torch.equal(box, same)


def test_a_black_box_has_the_same_evaluation(models, history):
    matrix, target = sp.csr_matrix(history.numpy()), lxr.top_item(models[1], history).numpy()
    frames = []
    for model in models:
        explainer = lxr.EXPLAINERS["leave-one-out"](model, None)
        scores = explainer.explain(matrix, target)
        removed = lxr.evaluation.least_influential_item(model, matrix, target)
        results = {
            "leave-one-out": lxr.evaluate_fidelity(model, matrix, target, scores),
            "random": lxr.evaluation.random_bound(model, matrix, target),
            "greedy": lxr.metrics.result.FidelityResult.best_of(
                [searched(model, matrix, target, name) for name in ("rank", "ins")]
            ),
        }
        frame = pd.concat({name: result.per_user() for name, result in results.items()}, axis=1)
        frame["stability"] = lxr.evaluation.stability(explainer, scores, target, removed)
        optimum = lxr.evaluation.exhaustive_optimum(model, history, torch.from_numpy(target), 2)
        frames.append(frame.assign(**{f"best {name}": values for name, values in optimum.items()}))
    pd.testing.assert_frame_equal(*frames)


def searched(model, matrix, target, criterion):
    """Result of a greedy search."""
    return lxr.evaluate_fidelity(
        model, matrix, target, lxr.evaluation.GreedySearch(model, criterion).explain(matrix, target)
    )


def test_the_greedy_bound_does_without_gradients(models, history):
    matrix, target = sp.csr_matrix(history.numpy()), lxr.top_item(models[1], history).numpy()
    box, same = (lxr.evaluation.greedy_bound(model, matrix, target).per_user() for model in models)
    with_direction = [(name, lxr.metrics.direction(name)) for name in box.columns[4:]]
    assert all((box[name] >= same[name]).all() for name, arrow in with_direction if arrow == "↓")
    assert all((box[name] <= same[name]).all() for name, arrow in with_direction if arrow == "↑")
