"""Smallest sets and their certificates: against trying all sets, for linear and for other recommenders."""

import numpy as np
import oracles
import pytest
import scipy.sparse as sp
import torch
from explaining import users_of
from test_prefix import wanted

import lxr
from lxr.counterfactuals import ChangesList, Enters, LeavesTop, counterfactual_sets, smallest_set

GOALS = {"leaves": LeavesTop, "enters": Enters, "changes": ChangesList}


def real(n_items=20, seed=0):
    """A linear recommender without ties."""
    *weights, bias = torch.from_numpy(np.random.default_rng(seed).normal(size=(n_items + 1, n_items))).float()
    weights = torch.stack(weights)
    return lxr.wrap(lambda x: x @ weights + bias, n_items, "sigmoid", is_linear=True)


MODELS = {
    "linear": real,
    "mf": lambda: lxr.MF(20, n_factors=6),
    "vae": lambda: lxr.VAE(20, n_hidden=8, n_latent=4),
    "ncf": lambda: lxr.NCF(20, n_factors=4, layers=(6, 3)),
    "deep ncf": lambda: lxr.NCF(20, n_factors=4, layers=(6, 5, 3), branches="mlp"),
}


def made(name):
    """A small recommender whose weights are so wide that few items matter."""
    model, generator = MODELS[name](), torch.Generator().manual_seed(3)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, mean=0.1, std=0.5, generator=generator)
    return model


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("name", MODELS)
def test_sets_and_bounds_equal_trying_all(name, goal, k, histories):
    model, history = made(name), histories([1, 2, 5, 8, 9], seed=k)
    target = wanted(model, history, goal)
    found = counterfactual_sets(model, history, target, GOALS[goal](k), time_limit=60)
    for one, user in zip(found, users_of(history, target), strict=True):
        expected = oracles.smallest_size(model, *user, goal, k)
        assert one.size == expected
        assert one.certificate == ("none" if expected is None else "optimal")
        assert one.gap == (None if expected is None else 0)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_ties_never_break_a_bound(activation, linear, histories):
    generator, history = np.random.default_rng(5), histories([4, 7, 9])
    weights = torch.from_numpy(generator.integers(-2, 3, (20, 20)).astype(np.float32))
    model = lxr.wrap(lambda x: x @ weights, 20, activation, is_linear=True)
    target = torch.as_tensor(lxr.top_item(model, history))
    for goal in (LeavesTop(1), LeavesTop(2), Enters(1), ChangesList(2)):
        name = next(key for key, kind in GOALS.items() if isinstance(goal, kind))
        for one, user in zip(counterfactual_sets(model, history, target, goal), users_of(history, target), strict=True):
            expected = oracles.smallest_size(model, *user, name, goal.k)
            assert expected is None or one.bound <= expected
            assert one.size is None or (expected is not None and one.size >= expected)


def test_a_set_is_verified_and_says_what_comes_instead():
    model, history = made("mf"), torch.zeros(1, 20)
    history[0, :8] = 1
    target = int(lxr.top_item(model, history)[0])
    found = smallest_set(model, history, target)
    rest = history.index_fill(1, torch.from_numpy(found.removed), 0)
    with torch.no_grad():
        assert model(rest).masked_fill(history > 0, -torch.inf).argmax() == found.replacement != target
    assert sorted(found.removed) == found.removed.tolist()


def test_a_goal_that_holds_already_takes_nothing():
    model, history = made("vae"), torch.zeros(1, 20)
    history[0, :5] = 1
    found = smallest_set(model, history, int(lxr.top_item(model, history)[0]), Enters(1))
    assert found.size == 0 and found.certificate == "optimal"


def test_without_time_there_is_a_set_but_no_proof(histories):
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(60, 60, generator=generator)
    model, history = lxr.wrap(lambda x: torch.tanh(x @ weights / 4), 60, "softmax"), histories([40], 60)
    found = smallest_set(model, history, int(lxr.top_item(model, history)[0]), LeavesTop(9), time_limit=1e-6)
    assert found.size > 1 and found.certificate == "bound" and found.bound == 1 and found.gap == found.size - 1


@pytest.mark.parametrize("name", ["mf", "ncf"])
def test_one_user_or_many_sparse_or_dense(name, history):
    model = made(name)
    target = wanted(model, history, "leaves")
    expected = [smallest_set(model, row[None], int(item), time_limit=60) for row, item in zip(history, target, strict=True)]
    found = counterfactual_sets(model, sp.csr_matrix(history.numpy()), target, time_limit=60)
    for one, other in zip(found, expected, strict=True):
        assert (one.size, one.bound, one.replacement) == (other.size, other.bound, other.replacement)


def test_features_can_be_removed_but_are_no_rivals():
    model = lxr.NCF(12, n_factors=4, layers=(6, 3), n_features=3)
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.7, generator=generator)
    history = torch.zeros(1, 15)
    history[0, [0, 1, 2, 12, 14]] = 1
    target = int(lxr.top_item(model, history)[0])
    found = smallest_set(model, history, target, time_limit=60)
    assert found.replacement < 12 and found.certificate == "optimal"


def test_bad_input_is_refused(bad_users, linear):
    history, target, _ = bad_users  # the names of sparse histories are others
    with pytest.raises(ValueError, match=r"(history|matrix|target).*: expected"):
        counterfactual_sets(linear(np.eye(20)), history, target)


def test_options_are_refused():
    model = made("mf")
    with pytest.raises(ValueError, match="time_limit: expected a positive number, found 0"):
        smallest_set(model, np.eye(1, 20), 3, time_limit=0)
    with pytest.raises(ValueError, match=r"target: expected shape \(2,\)"):
        smallest_set(model, np.eye(2, 20), 3)
    with pytest.raises(ValueError, match="goal: expected a goal"):
        smallest_set(model, np.eye(1, 20), 3, 5)
