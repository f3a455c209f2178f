"""Smallest prefixes: against trying one after the other, in any batch, dense and sparse."""

import numpy as np
import oracles
import pytest
import scipy.sparse as sp
import torch
from every_recommender import trained
from explaining import users_of
from toys import Fading

import lxr
from lxr.counterfactuals import ChangesList, Enters, LeavesTop, smallest_prefix

GOALS = {"leaves": LeavesTop, "enters": Enters, "changes": ChangesList}


def importance_of(history):
    """Small integers, many of them equal."""
    return torch.from_numpy(np.random.default_rng(7).integers(-2, 3, tuple(history.shape)).astype(np.float32))


def wanted(model, history, name):
    """The best item, or one in the middle of the ranking if it is to come into the list."""
    if name != "enters":
        return torch.as_tensor(lxr.top_item(model, history))
    with torch.no_grad():
        ranking = model(history).masked_fill(history > 0, -torch.inf).argsort(dim=1, descending=True)
    unseen = (history == 0).sum(dim=1)
    return ranking[torch.arange(len(history)), (unseen - 1).clamp(max=4)]


@pytest.mark.parametrize("name", GOALS)
@pytest.mark.parametrize("k", [1, 3])
def test_prefixes_equal_the_naive_loop(any_model, history, name, k):
    target, importance = wanted(any_model, history, name), importance_of(history)
    found = smallest_prefix(any_model, history, target, importance, GOALS[name](k))
    for row, (user, scores) in enumerate(zip(users_of(history, target), importance.tolist(), strict=True)):
        expected = oracles.smallest_prefix(any_model, *user, scores, name, k)
        assert found.found[row] == (expected is not None)
        assert found.removed[row].tolist() == (expected or [])
        assert found.size[row] == len(expected or [])


def test_prefixes_do_not_depend_on_batches_and_types(model, history):
    target, importance = wanted(model, history, "leaves"), importance_of(history)
    expected = smallest_prefix(model, history, target, importance)
    assert expected.found.any() and expected.size.max() > 1
    sparse = sp.csr_matrix(history.numpy()), target.numpy(), sp.csr_matrix((importance * history).numpy())
    for found in (
        smallest_prefix(model, history, target, importance, batch_size=3),
        smallest_prefix(model, *sparse),
        smallest_prefix(model, *sparse, users_per_batch=2, batch_size=5),
    ):
        assert np.array_equal(found.found, expected.found) and np.array_equal(found.size, expected.size)
        assert np.array_equal(found.replacement, expected.replacement)
        assert all(map(np.array_equal, found.removed, expected.removed))


def test_the_replacement_is_what_the_recommender_then_recommends(model, history):
    target = wanted(model, history, "leaves")
    found = smallest_prefix(model, history, target, importance_of(history))
    for row in np.flatnonzero(found.found):
        rest = history[[row]].index_fill(1, torch.from_numpy(found.removed[row]), 0)
        with torch.no_grad():
            first = model(rest).masked_fill(history[[row]] > 0, -torch.inf).argmax()
        assert found.replacement[row] == first != target[row]
    assert (found.replacement[~found.found] == -1).all()


def test_a_goal_that_the_whole_history_reaches_takes_no_item(linear):
    bias = np.zeros(20)
    bias[[5, 6]] = [3, 5]
    history = torch.zeros(1, 20)
    history[0, :3] = 1
    found = smallest_prefix(linear(np.eye(20), bias=bias), history, [5], history)
    assert found.found.tolist() == [True] and found.size.tolist() == [0]


def test_bad_input_is_refused(bad_users, linear):
    history, target, message = bad_users
    with pytest.raises(ValueError, match=message):
        smallest_prefix(linear(np.eye(20)), history, target, history)


def test_options_are_refused(linear, history):
    model = linear(np.eye(20))
    target = lxr.top_item(model, history)
    with pytest.raises(ValueError, match=r"goal: expected a goal, as lxr.counterfactuals.LeavesTop\(k=1\), found 'top'"):
        smallest_prefix(model, history, target, history, "top")
    with pytest.raises(ValueError, match="batch_size"):
        smallest_prefix(model, history, target, history, batch_size=0)


@pytest.mark.parametrize("model", [trained("mf"), Fading()], ids=["without an order", "with an order"])
def test_an_item_leaves_with_all_of_its_entries(model):
    lists = [[7, 2, 7, 11], [4, 4], [9, 0, 5, 0, 9, 3, 9], [6]]
    histories = lxr.Histories.of_lists(lists, model.n_columns)
    target = lxr.top_item(model, histories)
    importance = torch.rand(histories.shape, generator=torch.Generator().manual_seed(5))
    importance[2, 4] = 2  # the second entry of item 9 is the most important one
    found = smallest_prefix(model, histories, target, importance)
    assert found.size[2] >= 1 and found.removed[2][0] == 9
    for user, items in enumerate(lists):
        value = {item: max(float(importance[user, at]) for at, one in enumerate(items) if one == item) for item in items}
        order, size = sorted(value, key=value.get, reverse=True), None
        for count in range(len(order) + 1):
            rest = [item for item in items if item not in order[:count]]
            logits = model.logits(lxr.Histories.of_lists([rest], model.n_columns))[0].tolist()
            if oracles.target_rank(logits, int(target[user]), items) > 1:
                size = count
                break
        assert found.found[user] == (size is not None)
        assert found.removed[user].tolist() == order[: size or 0]
