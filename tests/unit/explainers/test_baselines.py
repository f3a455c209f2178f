"""Explainers that ask the recommender: against naive loops, answers known by hand, and axioms."""

import copy
import functools

import naive
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.cluster import KMeans

import lxr
from lxr.explainers.accent import ACCENT
from lxr.explainers.gradients import IntegratedGradients
from lxr.explainers.paths import GradientPath, InsertionPath
from lxr.explainers.registry import LXR_FAMILIES

OBJECTIVES = list(lxr.OBJECTIVES)
LOCAL = ["leave-one-out", "gradient"]
FLIPS = {"n_samples": 40, "min_flips": 3, "max_flips": 8}


def make(name, model, train_matrix, **options):
    return lxr.EXPLAINERS[name](model, train_matrix, **options)


def assert_close(found, expected, tolerance=1e-5):
    """Equal up to single precision."""
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def users_of(history, target):
    return list(zip(history.tolist(), target.tolist(), strict=True))


@pytest.fixture
def target(model, history):
    """The top recommendations of MF or VAE."""
    return lxr.top_item(model, history)


@pytest.fixture
def double_model(model):
    """The same recommender in double precision, for finite differences."""
    return copy.deepcopy(model).double()


# --- objectives


def constant(objective):
    """An objective as the naive loops know it: a smooth rank with one τ."""
    return lxr.explainers.SoftRank(1.0, 1.0) if objective == "soft-rank" else lxr.OBJECTIVES[objective]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_objectives_equal_naive_ones(any_model, history, objective):
    target, halved = lxr.top_item(any_model, history), history * (torch.arange(20) % 2)
    found = constant(objective)(any_model, halved, target, history)
    expected = [
        naive.objective_at(any_model, point, item, naive.items_of(row), naive.OBJECTIVES[objective])
        for point, (row, item) in zip(halved.tolist(), users_of(history, target), strict=True)
    ]
    assert_close(found.detach(), expected)


@pytest.mark.parametrize(("k", "tau"), [(1, 1.0), (3, 0.2), (19, 5.0)])
def test_rank_margin_with_options_equals_the_naive_one(model, history, target, k, tau):
    found = lxr.explainers.RankMargin(k, tau)(model, history, target, history)
    expected = [
        naive.objective_at(model, row, item, naive.items_of(row), functools.partial(naive.rank_margin, k=k, tau=tau))
        for row, item in users_of(history, target)
    ]
    assert_close(found.detach(), expected)


def test_rank_margin_by_hand(linear):
    # Logits of the history {0}: 0, 3, 1, 2; the rivals of item 1 are 3 and 2, item 0 is consumed.
    model = linear([[9, 3, 1, 2], [0] * 4, [0] * 4, [0] * 4])
    history, target = torch.tensor([[1.0, 0, 0, 0]]), torch.tensor([1])
    assert lxr.explainers.RankMargin(k=1)(model, history, target, history).item() == pytest.approx(3 - 2)
    assert lxr.explainers.RankMargin(k=2)(model, history, target, history).item() == pytest.approx(
        3 - np.log(np.exp(2) + np.exp(1))
    )
    assert lxr.explainers.RankMargin(k=2, tau=1e-3)(model, history, target, history).item() == pytest.approx(1)
    alone = torch.tensor([[1.0, 0, 1, 1]])
    assert lxr.explainers.RankMargin(k=2)(model, history, target, alone).item() == pytest.approx(3)


@pytest.mark.parametrize(
    "name", ["gradient", "leave-one-out", "rank-margin", "rank-margin-path", "soft-rank-path", "accent"]
)
def test_a_target_without_rivals_is_explained(model, train_matrix, histories, name):
    history = histories([19])
    found = make(name, model, train_matrix).explain(history, lxr.top_item(model, history))
    assert torch.isfinite(found).all()
    assert (found != 0).any()


# --- naive loops


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_leave_one_out_equals_the_naive_loop(any_model, train_matrix, history, objective):
    target = lxr.top_item(any_model, history)
    expected = [naive.leave_one_out(any_model, *user, naive.OBJECTIVES[objective]) for user in users_of(history, target)]
    assert_close(
        make("leave-one-out", any_model, train_matrix, objective=constant(objective)).explain(history, target), expected
    )


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_gradient_equals_finite_differences(model, double_model, train_matrix, history, target, objective):
    found = make("gradient", model, train_matrix, objective=constant(objective)).explain(history, target)
    objective = naive.OBJECTIVES[objective]
    assert_close(found, [naive.gradient_times_input(double_model, *user, objective) for user in users_of(history, target)])


def test_rank_margin_gradient_equals_finite_differences(model, double_model, train_matrix, history, target):
    found = make("rank-margin", model, train_matrix, k=3, tau=0.5).explain(history, target)
    objective = functools.partial(naive.rank_margin, k=3, tau=0.5)
    assert_close(found, [naive.gradient_times_input(double_model, *user, objective) for user in users_of(history, target)])


@pytest.mark.parametrize(("singles", "share"), [(5, 0.1), (0, 0.34), (2, 1.0)])
def test_rank_margin_path_equals_the_naive_loop(model, double_model, train_matrix, history, target, singles, share):
    options = {"k": 4, "tau": 0.7, "singles": singles, "share": share}
    found = make("rank-margin-path", model, train_matrix, **options).explain(history, target)
    objective = functools.partial(naive.rank_margin, k=4, tau=0.7)
    expected = [
        naive.gradient_path(double_model, row, item, objective, singles, share) for row, item in users_of(history, target)
    ]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("objective", ["log-prob", "soft-rank"])
@pytest.mark.parametrize("path", [GradientPath, InsertionPath])
def test_paths_equal_the_naive_loop(model, double_model, history, target, path, objective):
    found = path(model, objective=constant(objective), singles=2, share=0.3).explain(history, target)
    users, insert = users_of(history, target), path is InsertionPath
    g = naive.OBJECTIVES[objective]
    expected = [naive.gradient_path(double_model, *user, g, 2, 0.3, insert) for user in users]
    np.testing.assert_array_equal(found, expected)


def test_soft_rank_by_hand(linear):
    # Three rivals: one level with the target, one far ahead, one far behind.
    model = linear([[0.0, 2, 2, 9, -9], *[[0.0] * 5] * 4])
    history, target = torch.eye(1, 5), torch.tensor([1])
    assert lxr.explainers.SoftRank(0.1, 0.1)(model, history, target, history).item() == pytest.approx(
        -np.log(1 + 0.5 + 1 + 0)
    )
    soft = -np.log(1 + 0.5 + 1 / (1 + np.exp(-1)) + 1 / (1 + np.exp(11 / 7)))
    assert lxr.explainers.SoftRank(0.1, 7.0)(model, history, target, history).item() == pytest.approx(soft)
    assert lxr.explainers.SoftRank(7.0, 0.1, first=0)(model, history, target, history).item() == pytest.approx(soft)
    twice = torch.tensor([[1.0, 0, 0, 0, 1]])  # one item gone of two, which is no rival
    less = -np.log(1 + 0.5 + 1 / (1 + np.exp(-1)))
    assert lxr.explainers.SoftRank(7.0, 0.1, first=1)(model, history, target, twice).item() == pytest.approx(less)
    assert lxr.explainers.SoftRank(0.1, 7.0, first=2)(model, history, target, twice).item() == pytest.approx(less)
    alone = torch.tensor([[1.0, 0, 1, 1, 1]])
    assert lxr.explainers.SoftRank()(model, history, target, alone).item() == 0


# Just above 7 in single precision; 2.0085; far less than one item, which is one.
@pytest.mark.parametrize("share", [7 / 13, 0.1545, 1e-9])
def test_the_share_of_the_rank_margin_path_is_rounded_up_exactly(model, double_model, train_matrix, histories, share):
    history = histories([13])
    target = lxr.top_item(model, history)
    found = make("rank-margin-path", model, train_matrix, k=4, singles=0, share=share).explain(history, target)
    objective = functools.partial(naive.rank_margin, k=4)
    expected = [naive.gradient_path(double_model, *user, objective, 0, share) for user in users_of(history, target)]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("objective", ["logit", "log-prob", "rank-margin"])
def test_integrated_gradients_equal_the_naive_quadrature(model, double_model, train_matrix, history, target, objective):
    options = {"baseline": "user", "objective": objective, "n_steps": 6, "seed": 3}
    found = make("integrated-gradients", model, train_matrix, **options).explain(history, target)
    train = train_matrix.toarray().tolist()
    expected = [
        naive.integrated_gradients(
            double_model, row, naive.baseline_user(train, row, item, 3, 0), item, naive.OBJECTIVES[objective], 6
        )
        for row, item in users_of(history, target)
    ]
    assert_close(found, expected, 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["logit", "log-prob", "rank-margin"])
def test_spinrec_equals_the_naive_choice(model, double_model, train_matrix, history, target, objective):
    options = {"objective": objective, "n_samples": 4, "n_steps": 5, "seed": 3}
    found = make("spinrec", model, train_matrix, **options).explain(history, target)
    train, expected = train_matrix.toarray().tolist(), []
    for row, item in users_of(history, target):
        starts = [naive.baseline_user(train, row, item, 3, draw) for draw in range(4)]
        expected.append(naive.spinrec(double_model, row, starts, item, naive.OBJECTIVES[objective], 5))
    assert_close(found, expected, 1e-4)


def test_spinrec_explains_at_least_as_well_as_each_draw_by_its_criterion(model, train_matrix, history, target):
    explainer = make("spinrec", model, train_matrix, n_samples=5)
    best = explainer.remainder(history, target, explainer.explain(history, target))
    draws = torch.stack([explainer.remainder(history, target, d.explain(history, target)) for d in explainer.draws])
    assert torch.equal(best, draws.min(dim=0).values)
    assert (draws.argmin(dim=0) > 0).any()  # the first draw is not always the best


@pytest.mark.parametrize("k", [2, 5])
def test_accent_equals_the_naive_loop(any_model, train_matrix, history, k):
    target = lxr.top_item(any_model, history)
    explainer = make("accent", any_model, train_matrix, k=k)
    expected = [naive.accent(any_model, *user, k) for user in users_of(history, target)]
    assert_close(explainer.explain(history, target), [scores for scores, _, _ in expected])
    for found, (_, removed, replacement) in zip(explainer.counterfactuals(history, target), expected, strict=True):
        assert (found is None) == (replacement is None)
        if found is not None:
            assert found.removed.tolist() == removed
            assert found.replacement == replacement


def test_mean_ranking_of_accent_by_hand(linear, train_matrix):
    # Item 0 speaks for the target 5 by 3 and for its rival 6 by 1; item 1 for the target by 1 and for its rival 7 by 2.
    weights = np.zeros((20, 20))
    weights[0, 5], weights[0, 6], weights[1, 5], weights[1, 7] = 3, 1, 1, 2
    history = torch.zeros(1, 20)
    history[0, :2] = 1
    found = make("accent", linear(weights), train_matrix, k=3, ranking="mean").explain(history, torch.tensor([5]))
    assert found[0, :2].tolist() == [3 - (1 + 0) / 2, 1 - (0 + 2) / 2]


@pytest.mark.parametrize("objective", ["logit", "log-odds"])
def test_lime_equals_the_naive_loop(model, train_matrix, history, target, objective):
    found = make("lime", model, train_matrix, objective=objective, seed=3, **FLIPS).explain(history, target)
    expected = [
        naive.lime(model, row, item, naive.OBJECTIVES[objective], 3, *FLIPS.values())
        for row, item in users_of(history, target)
    ]
    assert_close(found, expected, 1e-4)


def test_lire_equals_the_naive_loop(model, train_matrix, history, target):
    options = {"n_samples": 30, "n_neighbours": 7, "share": 0.3}
    found = make("lire", model, train_matrix, seed=3, **options).explain(history, target)
    train = train_matrix.toarray().tolist()
    expected = [
        naive.lire(model, train, row, item, naive.log_odds, 3, *options.values()) for row, item in users_of(history, target)
    ]
    assert_close(found, expected, 1e-4)


@pytest.mark.parametrize("objective", ["logit", "log-prob", "log-odds", "rank-margin"])
def test_shap_items_equal_exact_shapley_values(model, train_matrix, history, target, objective):
    history, target = history[:4], target[:4]
    found = make("shap-items", model, train_matrix, objective=objective).explain(history, target)
    assert_close(
        found, [naive.shap_items(model, *user, naive.OBJECTIVES[objective]) for user in users_of(history, target)], 1e-4
    )


def test_shap_clusters_equal_exact_shapley_values(model, train_matrix, history, target):
    explainer = make("shap", model, train_matrix, n_clusters=6)
    assert len(np.unique(explainer.cluster)) == 6  # the last one is switched on too
    expected = [naive.shap_clusters(model, *user, explainer.cluster) for user in users_of(history, target)]
    assert_close(explainer.explain(history, target), expected, 1e-4)


# --- answers known by hand


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("leave-one-out", {}),
        ("gradient", {}),
        ("integrated-gradients", {}),
        ("shap-items", {"n_samples": 400}),
        ("lire", {"n_samples": 4000, "n_neighbours": 0, "share": 0.5}),
    ],
)
def test_coefficients_of_a_linear_recommender(linear, train_matrix, histories, name, options, activation):
    history = histories([7, 10, 13])
    weights = np.random.default_rng(6).integers(-3, 4, (20, 20))
    target = (history == 0).int().argmax(dim=1)
    explainer = make(name, linear(weights, activation), train_matrix, objective="logit", **options)
    expected = np.where(history > 0, weights[:, target].T, 0)
    assert_close(explainer.explain(history, target), expected, 2e-2 if name == "lire" else 1e-4)  # LIRE's is a ridge


def test_lime_finds_the_coefficients_of_a_linear_recommender(linear, train_matrix, histories):
    # What is put in does not matter to the target: else it is noise that only many more samples average out.
    history, weights = histories([6]), np.zeros((20, 20))
    target = (history == 0).int().argmax(dim=1)
    weights[:, int(target)] = np.where(history[0] > 0, [-3, 2, 1, 0, -1, 3, 2, 1, 4, -2] * 2, 0)
    options = {"n_samples": 4000, "min_flips": 3, "max_flips": 8, "objective": "logit"}
    found = make("lime", linear(weights), train_matrix, **options).explain(history, target)
    assert_close(found[0], weights[:, int(target)], 2e-2)


def test_exact_shapley_values_of_a_linear_recommender_are_its_coefficients(linear):
    weights = np.random.default_rng(6).integers(-3, 4, (20, 20))
    found = naive.shap_items(linear(weights), naive.only([1, 4, 7, 12], 20), 5, naive.logit)
    assert_close(found, np.where(np.isin(np.arange(20), [1, 4, 7, 12]), weights[:, 5], 0))


@pytest.mark.parametrize("name", LOCAL)
def test_log_probability_is_the_default_objective(name, model, train_matrix, history, target):
    default, log_prob, logit = (
        make(name, model, train_matrix, **options).explain(history, target)
        for options in ({}, {"objective": "log-prob"}, {"objective": "logit"})
    )
    assert torch.equal(default, log_prob)
    assert not torch.allclose(default, logit)


@pytest.mark.parametrize("name", LOCAL)
def test_log_probability_by_hand(linear, train_matrix, name):
    # The target's logit is 2 + 1 = 3: log σ(3) falls to log σ(1) without item 0, to log σ(2) without item 1.
    weights = np.zeros((20, 20))
    weights[:2, 5] = [2, 1]
    history = torch.zeros(1, 20)
    history[0, :2] = 1
    found = make(name, linear(weights), train_matrix).explain(history, torch.tensor([5]))
    expected = {"leave-one-out": [0.2646743, 0.0783407], "gradient": [2 * 0.0474259, 0.0474259]}  # 0.0474259 = 1 − σ(3)
    assert_close(found[0, :2], expected[name], 1e-6)


def test_accent_removes_the_smallest_set_that_flips_the_ranking(linear, train_matrix):
    # Items 0, 1, 2 lift the target 5 to 6; the rivals 6 and 7 stand at 3.5 and 1 whatever the history.
    weights, bias = np.zeros((20, 20)), np.zeros(20)
    weights[:3, 5], bias[[6, 7]] = [1, 2, 3], [3.5, 1]
    model, history, target = linear(weights, bias=bias), torch.zeros(1, 20), torch.tensor([5])
    history[0, :3] = 1
    explainer = make("accent", model, train_matrix)
    assert lxr.top_item(model, history).item() == 5
    (found,) = explainer.counterfactuals(history, target)
    assert found.removed.tolist() == [2]  # 6 − 3 = 3 is less than 3.5
    assert found.replacement == 6
    assert lxr.metrics.ranks_without_most(model, history, target, explainer.explain(history, target), steps=3).tolist() == [
        [1, 2, 2, 3]
    ]


def test_no_smaller_set_of_the_same_order_flips_the_ranking(model, train_matrix, history, target):
    explainer = make("accent", model, train_matrix)
    importance = explainer.explain(history, target)
    for row, found in enumerate(explainer.counterfactuals(history, target)):
        if found is None:
            continue
        order = naive.ordered_items(history[row].tolist(), importance[row].tolist())
        assert found.removed.tolist() == order[: len(found.removed)]
        consumed = naive.items_of(history[row].tolist())
        tops = [naive.top_item(naive.logits_of(model, order[size:]), consumed) for size in range(len(found.removed) + 1)]
        assert tops[-1] == found.replacement != int(target[row])
        # Before, none of the rivals that ACCENT looks at, the next best four, is ahead of the target.
        whole = naive.logits_of(model, order)
        rivals = sorted((i for i in range(20) if i not in [*consumed, int(target[row])]), key=lambda i: -whole[i])[:4]
        for size in range(len(found.removed)):
            after = naive.logits_of(model, order[size:])
            assert all(after[rival] <= after[int(target[row])] for rival in rivals)


def test_no_counterfactual_where_no_rival_can_pass(linear, train_matrix, history):
    bias = np.zeros(20)
    bias[0] = 9  # the target of all whose history leaves it unseen
    history = history[history[:, 0] == 0]
    model = linear(np.eye(20), bias=bias)
    assert len(history) > 1
    assert ACCENT(model).counterfactuals(history, lxr.top_item(model, history)) == [None] * len(history)


def test_counterfactuals_refuse_bad_users(bad_users, linear):
    history, target, message = bad_users
    with pytest.raises(ValueError, match=message):
        ACCENT(linear(np.eye(20))).counterfactuals(history, target)


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


def test_counterfactuals_do_not_depend_on_batch_size_and_type(model, history, target):
    expected = ACCENT(model).counterfactuals(history, target)
    assert max(len(one.removed) for one in expected if one) > 1
    for found in (
        ACCENT(model, batch_size=3).counterfactuals(history, target),
        ACCENT(model).counterfactuals(history.double(), target.int()),
        ACCENT(model).counterfactuals(history.bool(), target),
    ):
        for one, other in zip(found, expected, strict=True):
            assert (one is None) == (other is None)
            if one is not None:
                assert one.removed.tolist() == other.removed.tolist()
                assert one.replacement == other.replacement


# --- clusters of items


def test_items_of_one_taste_are_one_cluster(linear, planted):
    place = np.random.default_rng(0).permutation(20)
    cluster = make("shap", linear(np.eye(20)), planted[0][:, place], n_clusters=2).cluster
    assert len(np.unique(cluster[place % 2 == 0])) == len(np.unique(cluster[place % 2 == 1])) == 1
    assert len(np.unique(cluster)) == 2


def test_clusters_are_those_of_the_columns_by_the_seed(model, train_matrix):
    expected = KMeans(6, n_init=1, random_state=3).fit_predict(train_matrix.toarray().T)
    found, other = (make("shap", model, train_matrix, n_clusters=6, seed=seed).cluster for seed in (3, 4))
    np.testing.assert_array_equal(found, expected)
    assert not np.array_equal(other, expected)


def test_more_than_ten_clusters_are_all_explained(linear, train_matrix, histories):
    history = histories([18])
    model = linear(np.random.default_rng(0).normal(size=(20, 20)))
    target = lxr.top_item(model, history)
    explainer = make("shap", model, train_matrix, n_clusters=12)
    assert len(np.unique(explainer.cluster[history[0] > 0])) > 10
    expected = [naive.shap_clusters(model, *user, explainer.cluster) for user in users_of(history, target)]
    assert_close(explainer.explain(history, target), expected, 1e-4)


def test_several_targets_of_one_history_have_values_of_their_own(model, train_matrix, histories):
    history = histories([7]).repeat(13, 1)
    target = (history[0] == 0).nonzero().ravel()
    explainer = make("shap", model, train_matrix, n_clusters=6)
    expected = [naive.shap_clusters(model, *user, explainer.cluster) for user in users_of(history, target)]
    assert_close(explainer.explain(history, target), expected, 1e-4)


# --- axioms


@pytest.mark.parametrize("objective", ["logit", "log-prob"])
def test_integrated_gradients_are_complete(model, train_matrix, history, target, objective):
    explainer = IntegratedGradients(model, train_matrix, baseline="user", objective=objective, n_steps=1000)  # NCF has kinks
    g = lxr.OBJECTIVES[objective]
    start = explainer.start(history, target)
    difference = g(model, history, target, history) - g(model, start, target, history)
    assert_close(explainer.integrate(history, target).sum(dim=1), difference.detach(), 1e-3)


def test_integrated_gradients_from_the_empty_history_are_complete_on_mf(train_matrix, history):
    model = lxr.MF(20, n_factors=4, seed=1)
    target = lxr.top_item(model, history)
    found = IntegratedGradients(model, train_matrix, n_steps=100).explain(history, target)
    g = lxr.OBJECTIVES["log-prob"]
    difference = g(model, history, target, history) - g(model, torch.zeros_like(history), target, history)
    assert_close(found.sum(dim=1), difference.detach(), 1e-4)


def test_from_the_empty_history_a_normalising_recommender_has_the_gradient_at_its_end(train_matrix, history):
    model = lxr.VAE(20, n_hidden=16, n_latent=4, seed=1)
    target = lxr.top_item(model, history)
    found = make("integrated-gradients", model, train_matrix).explain(history, target)
    gradient = make("gradient", model, train_matrix).explain(history, target)
    factor = (found * gradient).sum(dim=1) / (gradient**2).sum(dim=1).clamp(min=1e-12)
    assert_close(found, factor[:, None] * gradient, 1e-3)


@pytest.mark.parametrize("objective", ["logit", "log-odds"])
def test_shap_items_sum_to_the_difference_from_the_empty_history(model, train_matrix, history, target, objective):
    found = make("shap-items", model, train_matrix, objective=objective, n_samples=80).explain(history, target)
    g = lxr.OBJECTIVES[objective]
    difference = g(model, history, target, history) - g(model, torch.zeros_like(history), target, history)
    assert_close(found.sum(dim=1), difference.detach(), 1e-4)


def test_a_sampled_baseline_is_a_training_user_without_the_target(model, train_matrix, history, target):
    rows = {tuple(row) for row in train_matrix.toarray().astype(int).tolist()}
    start = IntegratedGradients(model, train_matrix, baseline="user").start(history, target)
    for row, item in zip(start.int().tolist(), target.tolist(), strict=True):
        assert row[item] == 0
        assert {tuple(row), (*row[:item], 1, *row[item + 1 :])} & rows


# --- options


UNBATCHED = ("similarity", *LXR_FAMILIES)
BATCHED = [name for name, spec in lxr.EXPLAINERS.items() if spec.family not in UNBATCHED]


@pytest.mark.slow
@pytest.mark.parametrize("name", BATCHED)
def test_batch_size_bounds_the_histories_at_a_time_and_changes_nothing(model, train_matrix, history, target, name):
    options = {"n_samples": 80} if name == "shap-items" else {}
    expected = make(name, model, train_matrix, **options).explain(history, target)
    sizes = []
    hook = model.register_forward_hook(lambda module, inputs, output: sizes.append(len(inputs[0])))
    found = make(name, model, train_matrix, batch_size=3, **options).explain(history, target)
    hook.remove()
    assert max(sizes) <= 3
    assert_close(found, expected, 1e-4)


@pytest.mark.parametrize("name", ["lime", "lire"])
def test_the_highest_coefficients_are_kept(model, train_matrix, history, target, name):
    options = FLIPS if name == "lime" else {"n_samples": 40}
    found = make(name, model, train_matrix, n_features=3, **options).explain(history, target)
    assert ((found != 0).sum(dim=1) == history.sum(dim=1).clamp(max=3)).all()


def test_lime_keeps_the_highest_coefficient_not_the_best_single_predictor(linear):
    a, b = np.random.default_rng(0).integers(0, 2, (2, 200))
    kept = np.vstack([np.ones(3), np.stack([a, b, a & b], axis=1)])  # a & b alone explains the values best
    explainer = lxr.EXPLAINERS["lime"](linear(np.eye(20)), None, n_features=1)
    assert np.flatnonzero(explainer.regress(kept, kept @ [1.2, 1, 0], np.ones(len(kept)))).tolist() == [0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lime", {"n_samples": 150, "min_flips": 50, "max_flips": 100, "n_features": None}),
        ("lire", {"n_samples": 200, "n_neighbours": 50, "share": 0.1, "n_features": None}),
        ("shap", {"n_clusters": 10}),
        ("shap-items", {"n_samples": 1024}),
        ("accent", {"k": 5, "ranking": "set"}),
        ("integrated-gradients", {"baseline": "empty", "n_steps": 20}),
        ("rank-margin", {"objective": lxr.explainers.RankMargin(19, 1.0)}),
        ("rank-margin-path", {"objective": lxr.explainers.RankMargin(19, 1.0), "singles": 5, "share": 0.1}),
        ("soft-rank-path", {"objective": lxr.explainers.SoftRank(0.35, 0.2), "singles": 5, "share": 0.1}),
    ],
)
def test_the_documented_settings_are_the_defaults(linear, train_matrix, name, expected):
    explainer = make(name, linear(np.eye(20)), train_matrix)
    assert {option: getattr(explainer, option) for option in expected} == expected


def test_spinrec_draws_ten_users_by_default(linear, train_matrix):
    explainer = make("spinrec", linear(np.eye(20)), train_matrix)
    assert [(draw.baseline, draw.draw, draw.n_steps) for draw in explainer.draws] == [("user", n, 10) for n in range(10)]


@pytest.mark.parametrize("name", ["lime", "lire", "shap-items"])
def test_surrogates_fit_log_odds_by_default(name, train_matrix, history):
    model = lxr.VAE(20, n_hidden=16, n_latent=4)
    target = lxr.top_item(model, history)
    default, log_odds = (
        make(name, model, train_matrix, **options).explain(history, target) for options in ({}, {"objective": "log-odds"})
    )
    assert torch.equal(default, log_odds)


def test_rivals_of_a_large_catalogue_are_a_hundred():
    assert (
        lxr.OBJECTIVES["rank-margin"]
        == lxr.explainers.RankMargin()
        == lxr.explainers.RankMargin.of_catalogue(200)
        == lxr.explainers.RankMargin(100, 1.0)
    )
    assert lxr.explainers.RankMargin.of_catalogue(200, tau=2.0) == lxr.explainers.RankMargin(100, 2.0)
    assert lxr.explainers.RankMargin.of_catalogue(200, k=150) == lxr.explainers.RankMargin(150, 1.0)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("lime", {"n_samples": 0}, "n_samples: expected a positive integer, found 0"),
        ("lime", {"min_flips": 0}, "min_flips: expected a positive integer, found 0"),
        ("lime", {"min_flips": 9, "max_flips": 8}, "max_flips: expected an integer of at least min_flips = 9, found 8"),
        ("lime", {"n_features": 0}, "n_features: expected a positive integer, found 0"),
        ("lire", {"n_neighbours": -1}, "n_neighbours: expected an integer of at least 0, found -1"),
        ("lire", {"share": 1.0}, "share: expected a number between 0 and 1, found 1.0"),
        ("shap", {"n_clusters": 21}, "n_clusters: expected an integer from 1 to 12, found 21"),
        ("shap", {"n_clusters": 0}, "n_clusters: expected an integer from 1 to 12, found 0"),
        ("shap-items", {"n_samples": -5}, "n_samples: expected a positive integer, found -5"),
        ("accent", {"k": 1}, "k: expected an integer from 2 to 20, found 1"),
        ("accent", {"k": 21}, "k: expected an integer from 2 to 20, found 21"),
        ("accent", {"ranking": "nope"}, "ranking: expected one of set, mean, found 'nope'"),
        ("integrated-gradients", {"n_steps": 0}, "n_steps: expected a positive integer, found 0"),
        ("integrated-gradients", {"baseline": "nope"}, "baseline: expected one of empty, user, found 'nope'"),
        ("spinrec", {"n_samples": 0}, "n_samples: expected a positive integer, found 0"),
        ("spinrec", {"n_steps": 1.5}, "n_steps: expected a positive integer, found 1.5"),
        ("rank-margin", {"k": 20}, "k: expected an integer from 1 to 19, found 20"),
        ("rank-margin", {"k": 0}, "k: expected an integer from 1 to 19, found 0"),
        ("rank-margin", {"tau": -1.0}, "tau: expected a positive number, found -1.0"),
        ("rank-margin", {"tau": float("nan")}, "tau: expected a positive number, found nan"),
        ("rank-margin", {"tau": float("inf")}, "tau: expected a positive number, found inf"),
        ("rank-margin-path", {"tau": 0}, "tau: expected a positive number, found 0"),
        ("soft-rank-path", {"tau": 0}, "tau: expected a positive number, found 0"),
        ("rank-margin-path", {"singles": -1}, "singles: expected an integer of at least 0, found -1"),
        ("rank-margin-path", {"share": 0}, "share: expected a number above 0 and up to 1, found 0"),
        *((name, {"batch_size": 0}, "batch_size: expected a positive integer, found 0") for name in BATCHED),
        *(
            (name, {"objective": "nope"}, "unknown objective 'nope': expected one of logit, log-prob, log-odds, rank-margin")
            for name in ("lime", "lire", "shap-items", "leave-one-out", "gradient", "integrated-gradients", "spinrec")
        ),
    ],
)
def test_bad_options_are_refused(linear, train_matrix, name, options, message):
    with pytest.raises(ValueError, match=message):
        make(name, linear(np.eye(20)), train_matrix, **options)


@pytest.mark.parametrize("name", ["gradient", "integrated-gradients", "spinrec"])
def test_an_objective_without_gradient_is_refused(model, train_matrix, history, target, name):
    objective = lambda model, x, target, history: model(x).argmax(dim=1).float()  # noqa: E731
    with pytest.raises(ValueError, match="objective: its values have no gradient with respect to the history"):
        make(name, model, train_matrix, objective=objective).explain(history, target)


@pytest.mark.parametrize(("name", "longest"), [("lime", 10), ("lire", 10), ("shap-items", 2)])
def test_histories_beyond_the_budget_are_explained_and_reported(model, train_matrix, history, target, name, longest):
    explainer = make(name, model, train_matrix, n_samples=10)
    assert explainer.max_history == longest
    count = int((history.sum(dim=1) > longest).sum())
    message = f"{count} of 7 histories have more than {longest} items \\(the longest 18\\)"
    with pytest.warns(UserWarning, match=message):
        found = explainer.explain(history, target)
    assert torch.isfinite(found).all()
    assert (found[-1][history[-1] > 0] != 0).all()
    with pytest.warns(UserWarning, match=message) as record:
        explainer.explain(sp.csr_matrix(history.numpy()), target.numpy(), users_per_batch=2)
    assert len([warning for warning in record if "histories have more" in str(warning.message)]) == 1


def test_long_histories_get_four_subsets_per_item(model, train_matrix, histories):
    history = histories([18])
    target = lxr.top_item(model, history)
    explainer = make("shap-items", model, train_matrix, n_samples=10)
    with lxr.evaluation.measure_cost(model) as cost, pytest.warns(UserWarning, match="four samples per item"):
        explainer.explain(history, target)
    assert cost.n_scored == 4 * 18 + 2  # and the whole and the empty history


def test_a_function_of_the_mask_is_in_log_odds_by_default(linear):
    score = lxr.explainers.mask_function(linear([[0, 0, 2], [0, 0, 1], [0, 0, 0]]), torch.tensor([1.0, 1, 0]), 2)
    assert score(np.ones((1, 2))) == pytest.approx(3)


def test_a_function_of_the_mask_is_what_shap_and_lime_ask_for(model, history, target):
    row, item = history[3], int(target[3])
    score = lxr.explainers.mask_function(model, row, item, objective="logit", batch_size=2)
    items = naive.items_of(row.tolist())
    masks = np.random.default_rng(0).integers(0, 2, (5, len(items)))
    expected = [naive.logits_of(model, [i for i, kept in zip(items, mask, strict=True) if kept])[item] for mask in masks]
    assert_close(score(masks), expected)
    assert score(masks).dtype == np.float64
