"""Random, greedy and exhaustive bounds: against naive loops, by construction, and against every explainer."""

from dataclasses import replace

import numpy as np
import oracles
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from toys import NEED_GRADIENT

import lxr
from lxr.explainers.greedy import CRITERIA
from lxr.reporting.plots import plot_gain

PACES = [(5, 0.1), (0, 7 / 13), (2, 1.0)]  # in single precision 13 · 7 / 13 is more than 7
OPTIONS = {"lxr": {"epochs": 2, "hidden_size": 8}, "shap-items": {"n_samples": 100}}
CUTOFFS = (1, 5, 10)
BEST = {"↓": min, "↑": max}


class Precise(lxr.Recommender):
    """A recommender with logits in double precision, so that equal scores of the naive loop are equal here."""

    def __init__(self, model):
        super().__init__(model.n_items)
        self.model, self.activation = model, model.activation

    def forward(self, history):
        """Map histories (B, I) to logits (B, I)."""
        return self.model(history).double()


@pytest.fixture
def precise(any_model):
    """The recommenders with logits in double precision."""
    return Precise(any_model)


@pytest.fixture
def integer(linear):
    """A linear recommender of small integers, few of which tell the items of a history apart."""
    generator = np.random.default_rng(5)
    return Precise(linear(generator.integers(0, 2, (20, 20)), bias=generator.integers(-1, 2, 20)))


@pytest.fixture
def users(any_model, history):
    """The arguments of a bound: recommender, sparse histories, targets."""
    return any_model, sp.csr_matrix(history.numpy()), lxr.top_item(any_model, history).numpy()


def assert_equals_naive_search(model, history, criterion, singles, share):
    target = lxr.top_item(model, history)
    found = lxr.evaluation.GreedySearch(model, criterion, singles=singles, share=share).explain(history, target)
    expected = [
        oracles.greedy_search(model, row, item, criterion, singles, share)
        for row, item in zip(history.tolist(), target.tolist(), strict=True)
    ]
    np.testing.assert_array_equal(found, expected)


def fixed_by_length(result, length):
    """Metric → (B,) of a fixed-length result."""
    return {name: values[:, result.lengths.index(length)] for name, values in result.fixed.items()}


def assert_not_worse(better, worse, explainer=""):
    """Every metric of ``better`` is at least as good, up to single precision, for every user."""
    for name, values in worse.items():
        sign = 1 if lxr.metrics.direction(name) == "↓" else -1
        assert (sign * (better[name] - values) <= 1e-6 * np.maximum(values, 1)).all(), f"{explainer} {name}"


# --- greedy search


@pytest.mark.slow
@pytest.mark.parametrize(("singles", "share"), PACES)
@pytest.mark.parametrize("criterion", CRITERIA)
def test_greedy_search_equals_the_naive_one(precise, history, criterion, singles, share):
    assert_equals_naive_search(precise, history, criterion, singles, share)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_greedy_search_takes_the_lowest_of_equal_items(integer, history, criterion):
    assert_equals_naive_search(integer, history, criterion, 5, 0.1)
    alike = lxr.wrap(lambda x: x.sum(dim=1, keepdim=True) + torch.zeros(20), 20, "sigmoid")
    found = lxr.evaluation.GreedySearch(alike, criterion).explain(history, lxr.top_item(alike, history))
    orders = [oracles.ordered_items(*user) for user in zip(history.tolist(), found.tolist(), strict=True)]
    step = -1 if criterion == "neg" else 1  # which goes first is the least important
    assert orders == [oracles.items_of(row)[::step] for row in history.tolist()]


def test_rank_search_by_hand(linear):
    weights = np.zeros((6, 6))
    weights[:3, 4], weights[:3, 5] = [0, 1, 2], [-2, 1, -1]  # for the target 4 and its rival 5
    model = linear(weights, bias=[0, 0, 0, -9, 0, 3])
    history, target = torch.tensor([[1.0, 1, 1, 0, 0, 0]]), torch.tensor([4])
    assert model(history)[0, 3:].tolist() == [-9, 3, 1]
    # Without 0: 3 against 3, rank 1; without 1: 2 against 0, rank 1; without 2: 1 against 2, rank 2. So 2 goes first, and
    # then 0 (1 against 4, rank 2) rather than 1 (0 against 1, rank 2).
    assert lxr.evaluation.GreedySearch(model, "rank").explain(history, target)[0, :3].tolist() == [2, 1, 3]
    assert lxr.evaluation.GreedySearch(model, "del").explain(history, target)[0, :3].tolist() == [1, 2, 3]
    # What may go: 1 (2 against 0) rather than 0 (3 against 3), then 0 (2 against 2, rank 1) rather than 2 (0 against 1).
    assert lxr.evaluation.GreedySearch(model, "neg").explain(history, target)[0, :3].tolist() == [2, 1, 3]


@pytest.mark.parametrize("criterion", ["del", "ins"])
@pytest.mark.parametrize(("singles", "share"), PACES)
def test_on_additive_recommenders_probability_search_sorts_by_coefficient(linear, history, criterion, singles, share):
    weights = np.random.default_rng(6).integers(-3, 4, (20, 20))
    target = (history == 0).int().argmax(dim=1)
    found = lxr.evaluation.GreedySearch(linear(weights), criterion, singles=singles, share=share).explain(history, target)
    for row, scores, item in zip(history.tolist(), found.tolist(), target.tolist(), strict=True):
        assert oracles.ordered_items(row, scores) == oracles.ordered_items(row, weights[:, item])


@pytest.mark.parametrize("criterion", CRITERIA)
def test_greedy_search_keeps_the_contract_of_explainers(model, history, criterion, unchanged_model, untouched_rng):
    explainer, target = lxr.evaluation.GreedySearch(model, criterion), lxr.top_item(model, history)
    with unchanged_model(model), untouched_rng():
        found = explainer.explain(history, target)
    assert sorted(found[-1][history[-1] > 0].tolist()) == list(range(1, int(history[-1].sum()) + 1))
    assert (found[history == 0] == 0).all()
    singles = [explainer.explain(history[row : row + 1], target[row : row + 1]) for row in range(len(history))]
    assert torch.equal(found, torch.cat(singles))
    sparse = explainer.explain(sp.csr_matrix(history.numpy()), target.numpy(), users_per_batch=3)
    np.testing.assert_array_equal(sparse.toarray(), found)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_batch_size_bounds_the_histories_at_a_time_and_changes_nothing(model, history, criterion):
    target, sizes = lxr.top_item(model, history), []
    expected = lxr.evaluation.GreedySearch(model, criterion).explain(history, target)
    hook = model.register_forward_hook(lambda module, inputs, output: sizes.append(len(inputs[0])))
    found = lxr.evaluation.GreedySearch(model, criterion, batch_size=3).explain(history, target)
    hook.remove()
    assert max(sizes) <= 3
    assert torch.equal(found, expected)


def test_greedy_search_refuses_bad_users(bad_users, linear):
    history, target, message = bad_users
    with pytest.raises(ValueError, match=message):
        lxr.evaluation.GreedySearch(linear(np.eye(20))).explain(history, target)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"criterion": "best"}, "unknown criterion 'best': expected one of rank, del, neg, ins"),
        ({"singles": -1}, "singles: expected an integer of at least 0, found -1"),
        ({"share": 0}, "share: expected a number above 0 and up to 1, found 0"),
        ({"batch_size": 0}, "batch_size: expected a positive integer, found 0"),
    ],
)
def test_greedy_search_refuses_bad_options(linear, options, message):
    with pytest.raises(ValueError, match=message):
        lxr.evaluation.GreedySearch(linear(np.eye(20)), **options)


# --- bounds


def test_greedy_bound_is_the_best_of_its_orders(users, history):
    model, matrix, target = users
    bound = lxr.evaluation.greedy_bound(*users)
    orders = [lxr.evaluation.GreedySearch(model, name, singles=0 if name == "neg" else 5) for name in CRITERIA]
    orders += [lxr.EXPLAINERS["rank-margin-path"](model, None)] if model.differentiable else []
    results = [lxr.evaluate_fidelity(model, matrix, target, order.explain(matrix, target)) for order in orders]
    for name, values in bound.curves.items():
        best = BEST[lxr.metrics.direction(name)]
        expected = [best(users) for users in zip(*(result.curves[name].mean(axis=1) for result in results), strict=True)]
        np.testing.assert_allclose(values.mean(axis=1), expected)
    for name, values in bound.fixed.items():
        each = np.stack([result.fixed[name] for result in results])
        best = each.min(axis=0) if lxr.metrics.direction(name) == "↓" else each.max(axis=0)
        np.testing.assert_array_equal(values, best)


@pytest.mark.slow
def test_no_explainer_beats_the_greedy_bound_by_one_item(users, train_matrix):
    model, matrix, target = users
    bound = fixed_by_length(lxr.evaluation.greedy_bound(*users), 1)
    for name in lxr.EXPLAINERS if model.differentiable else lxr.EXPLAINERS.keys() - NEED_GRADIENT:
        if lxr.EXPLAINERS[name].is_trained and not isinstance(model, lxr.MF):
            continue  # training takes long, and the bound does not depend on it
        explainer = lxr.EXPLAINERS[name](model, train_matrix, **OPTIONS.get(name, {}))
        result = lxr.evaluate_fidelity(model, matrix, target, explainer.explain(matrix, target))
        assert_not_worse(bound, fixed_by_length(result, 1), name)


@pytest.mark.slow
def test_bounds_do_not_depend_on_batches(users):
    options = {"steps": 3, "cutoffs": (2,), "lengths": (1, 2)}
    for bound in (lxr.evaluation.greedy_bound, lxr.evaluation.random_bound):
        expected = bound(*users, **options)
        found = bound(*users, batch_size=3, users_per_batch=2, label="bound", **options)
        assert found.lengths == (1, 2)
        assert found.curves["POS@2"].shape == (7, 4)
        for kind in ("curves", "fixed"):
            for name, values in getattr(expected, kind).items():
                np.testing.assert_allclose(getattr(found, kind)[name], values, rtol=1e-5, atol=1e-6, err_msg=name)


def test_random_bound_is_the_mean_of_several_orders(users):
    model, matrix, target = users
    one, same, other = (lxr.evaluation.random_bound(*users, n_orders=1, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.curves["DEL"], same.curves["DEL"])
    assert not np.array_equal(one.curves["DEL"], other.curves["DEL"])
    seeds = np.random.SeedSequence(3).generate_state(2)
    orders = [lxr.EXPLAINERS["random"](model, None, seed=int(seed)).explain(matrix, target) for seed in seeds]
    first, second = (lxr.evaluate_fidelity(model, matrix, target, order) for order in orders)
    assert not np.array_equal(first.curves["DEL"], second.curves["DEL"])
    bound = lxr.evaluation.random_bound(*users, n_orders=2, seed=3)
    for kind in ("curves", "fixed"):
        for name, values in getattr(bound, kind).items():
            np.testing.assert_allclose(values, (getattr(first, kind)[name] + getattr(second, kind)[name]) / 2)


@pytest.mark.parametrize(
    ("bound", "options", "message"),
    [
        (lxr.evaluation.greedy_bound, {"singles": 1.5}, "singles: expected an integer of at least 0, found 1.5"),
        (lxr.evaluation.greedy_bound, {"share": 2}, "share: expected a number above 0 and up to 1, found 2"),
        (lxr.evaluation.greedy_bound, {"lengths": ()}, "lengths: expected one or more positive integers"),
        (lxr.evaluation.random_bound, {"n_orders": 0}, "n_orders: expected a positive integer, found 0"),
        (lxr.evaluation.random_bound, {"users_per_batch": 0}, "users_per_batch: expected a positive integer, found 0"),
    ],
)
def test_bounds_refuse_bad_options(users, bound, options, message):
    with pytest.raises(ValueError, match=message):
        bound(*users, **options)


# --- fidelity gain


METRICS = ["POS@5", "NDCG", "NEG@5", "DEL", "INS", "CDCG@Ke=5", "DEL@Ke=2", "INS@Ke=1"]


def test_gain_is_zero_for_random_and_one_for_greedy(users):
    random, greedy = lxr.evaluation.random_bound(*users), lxr.evaluation.greedy_bound(*users)
    gain = lxr.evaluation.fidelity_gain({"random": random, "greedy": greedy}, random, greedy, METRICS)
    assert gain.columns.tolist() == [f"{metric} gain" for metric in METRICS]
    np.testing.assert_allclose(gain.loc["random"], 0)
    np.testing.assert_allclose(gain.loc["greedy"], 1)


def test_the_gain_equals_that_by_hand(users):
    random, greedy = lxr.evaluation.random_bound(*users), lxr.evaluation.greedy_bound(*users)
    found = lxr.evaluation.random_bound(*users, n_orders=1, seed=8)
    gain = lxr.evaluation.fidelity_gain({"one": found, "other": greedy}, random, greedy, ["INS", "DEL@Ke=2"])
    means = [(r.curves["INS"].mean(), r.fixed["DEL"][:, 1].mean()) for r in (random, found, greedy)]
    expected = [(low - value) / (low - high) for low, value, high in zip(*means, strict=True)]
    pd.testing.assert_series_equal(gain.loc["one"], pd.Series(expected, gain.columns, name="one"))
    assert gain.index.tolist() == ["one", "other"]


def test_gain_is_drawn_with_families_together_and_a_random_order_last():
    gain = pd.DataFrame(
        {"DEL": {"mine": 0.5, "lxr": 0.75, "random": 0.0}, "INS": {"mine": np.nan, "lxr": 1.5, "random": -0.5}}
    )
    left, right = plot_gain(gain, list(gain)).axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["lxr", "mine", "random"]
    assert left.get_ylim() == (2.5, -0.5)  # from top to bottom
    points = {line.get_label(): line.get_xydata()[0].tolist() for line in right.lines[2:]}
    assert points["random"] == [-0.5, 2]
    assert points["lxr"] == [1.5, 0]
    assert np.isnan(points["mine"][0])


def test_gain_is_missing_where_there_is_no_way_to_go(linear, histories):
    model = linear(np.zeros((20, 20)), bias=np.arange(20.0))  # whatever is removed, nothing changes
    matrix = sp.csr_matrix(histories([3, 4]).numpy())
    users = model, matrix, lxr.top_item(model, matrix)
    random, greedy = lxr.evaluation.random_bound(*users), lxr.evaluation.random_bound(*users, seed=1)
    assert lxr.evaluation.fidelity_gain({"random": random}, random, greedy, ["POS@1", "DEL"]).isna().all(axis=None)
    rounded = replace(random, curves={name: values + 1e-15 for name, values in random.curves.items()})
    assert lxr.evaluation.fidelity_gain({"random": random}, random, rounded, ["POS@1", "DEL"]).isna().all(axis=None)


def test_gain_refuses_unknown_metrics_and_other_users(users):
    random = lxr.evaluation.random_bound(*users)
    for metric in ("CDCG", "rank", "POS@20,Ke=9"):
        with pytest.raises(ValueError, match=f"metrics: expected some of POS@1, .*, found '{metric}'"):
            lxr.evaluation.fidelity_gain({}, random, random, ["DEL", metric])
    with pytest.raises(ValueError, match="results, jaccard: expected the users and targets of random, found different ones"):
        lxr.evaluation.fidelity_gain({"jaccard": random.select(np.array([0, 1]))}, random, random, ["DEL"])
    with pytest.raises(ValueError, match="greedy: expected the users and targets of random, found different ones"):
        lxr.evaluation.fidelity_gain({}, random, random.select(np.array([1, 0, 2, 3, 4, 5, 6])), ["DEL"])


def test_selected_users_are_those_rows(users):
    result = lxr.evaluation.random_bound(*users)
    frame = result.select(np.array([5, 0])).per_user()
    pd.testing.assert_frame_equal(frame, result.per_user().iloc[[5, 0]].reset_index(drop=True))


# --- exhaustive optimum


@pytest.mark.parametrize("length", [1, 2])
def test_exhaustive_optimum_equals_the_naive_loop(any_model, history, length):
    target = lxr.top_item(any_model, history)
    found = lxr.evaluation.exhaustive_optimum(any_model, history, target, length, cutoffs=CUTOFFS)
    expected = [
        oracles.exhaustive_optimum(any_model, row, item, length, CUTOFFS)
        for row, item in zip(history.tolist(), target.tolist(), strict=True)
    ]
    assert list(found) == list(expected[0])
    for name, values in found.items():
        np.testing.assert_allclose(values, [user[name] for user in expected], rtol=1e-5, err_msg=name)


def test_greedy_is_optimal_for_one_item_and_not_always_for_two(users, history):
    model, _, target = users
    bound = lxr.evaluation.greedy_bound(*users)
    optimum = {
        length: lxr.evaluation.exhaustive_optimum(model, history, torch.from_numpy(target), length) for length in (1, 2)
    }
    for name, values in fixed_by_length(bound, 1).items():
        np.testing.assert_allclose(values, optimum[1][name], rtol=1e-5, err_msg=name)
    assert_not_worse(optimum[2], fixed_by_length(bound, 2))


def test_greedy_misses_a_pair_that_matters_only_together():
    def scorer(x):
        either = (x[:, 1] + x[:, 2]).clamp(max=1)  # one of the two does for both
        return (x[:, 0] + 3 * either)[:, None] * torch.eye(6)[4]

    model = lxr.wrap(scorer, 6, "sigmoid")
    history, target = torch.tensor([[1.0, 1, 1, 0, 0, 0]]), torch.tensor([4])
    search = lxr.evaluate_fidelity(
        model, history, target, lxr.evaluation.GreedySearch(model, "del").explain(history, target)
    )
    optimum = lxr.evaluation.exhaustive_optimum(model, history, target, 2)
    sigmoid = [1 / (1 + np.exp(-value)) for value in (1.0, 3.0, 4.0)]
    assert search.fixed["DEL"][0, 1] == pytest.approx(sigmoid[1] / sigmoid[2])  # without 0 and 1 the logit is 3
    assert optimum["DEL"][0] == pytest.approx(sigmoid[0] / sigmoid[2])  # without 1 and 2 it is 1


def test_batch_size_bounds_the_exhaustive_search_and_changes_nothing(model, history):
    target, sizes = lxr.top_item(model, history), []
    expected = lxr.evaluation.exhaustive_optimum(model, history, target, 2)
    hook = model.register_forward_hook(lambda module, inputs, output: sizes.append(len(inputs[0])))
    found = lxr.evaluation.exhaustive_optimum(model, history, target, 2, batch_size=3)
    hook.remove()
    assert max(sizes) <= 3
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 0}, "length: expected 1 or 2, since all subsets are tried, found 0"),
        ({"length": 3}, "length: expected 1 or 2, since all subsets are tried, found 3"),
        ({"length": 1, "cutoffs": (5, 0)}, r"cutoffs: expected one or more positive integers, found \(5, 0\)"),
        ({"length": 1, "batch_size": 0}, "batch_size: expected a positive integer, found 0"),
    ],
)
def test_exhaustive_optimum_refuses_bad_options(linear, history, options, message):
    model = linear(np.eye(20))
    with pytest.raises(ValueError, match=message):
        lxr.evaluation.exhaustive_optimum(model, history, lxr.top_item(model, history), **options)


def test_exhaustive_optimum_refuses_bad_users(bad_users, linear):
    history, target, message = bad_users
    with pytest.raises(ValueError, match=message):
        lxr.evaluation.exhaustive_optimum(linear(np.eye(20)), history, target, 1)
