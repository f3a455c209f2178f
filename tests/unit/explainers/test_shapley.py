"""SHAP over items and over clusters: exact Shapley values, and what they sum to."""

import numpy as np
import oracles
import pytest
import torch
from explaining import assert_close, make, objective_of, users_of
from sklearn.cluster import KMeans

import lxr


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["logit", "log-prob", "log-odds", "rank-margin"])
def test_shap_items_equal_exact_shapley_values(model, train_matrix, history, target, objective):
    history, target = history[:4], target[:4]
    found = make("shap-items", model, train_matrix, objective=objective).explain(history, target)
    assert_close(
        found, [oracles.shap_items(model, *user, oracles.OBJECTIVES[objective]) for user in users_of(history, target)], 1e-4
    )


def test_shap_clusters_equal_exact_shapley_values(model, train_matrix, history, target):
    explainer = make("shap", model, train_matrix, n_clusters=6)
    assert len(np.unique(explainer.cluster)) == 6  # the last one is switched on too
    expected = [oracles.shap_clusters(model, *user, explainer.cluster) for user in users_of(history, target)]
    assert_close(explainer.explain(history, target), expected, 1e-4)


def test_exact_shapley_values_of_a_linear_recommender_are_its_coefficients(linear):
    weights = np.random.default_rng(6).integers(-3, 4, (20, 20))
    found = oracles.shap_items(linear(weights), oracles.only([1, 4, 7, 12], 20), 5, oracles.logit)
    assert_close(found, np.where(np.isin(np.arange(20), [1, 4, 7, 12]), weights[:, 5], 0))


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
    expected = [oracles.shap_clusters(model, *user, explainer.cluster) for user in users_of(history, target)]
    assert_close(explainer.explain(history, target), expected, 1e-4)


def test_several_targets_of_one_history_have_values_of_their_own(model, train_matrix, histories):
    history = histories([7]).repeat(13, 1)
    target = (history[0] == 0).nonzero().ravel()
    explainer = make("shap", model, train_matrix, n_clusters=6)
    expected = [oracles.shap_clusters(model, *user, explainer.cluster) for user in users_of(history, target)]
    assert_close(explainer.explain(history, target), expected, 1e-4)


@pytest.mark.parametrize("objective", ["logit", "log-odds"])
def test_shap_items_sum_to_the_difference_from_the_empty_history(model, train_matrix, history, target, objective):
    found = make("shap-items", model, train_matrix, objective=objective, n_samples=80).explain(history, target)
    g = lxr.OBJECTIVES[objective]
    whole, empty = (objective_of(g, model, point, target, history) for point in (history, torch.zeros_like(history)))
    assert_close(found.sum(dim=1), (whole - empty).detach(), 1e-4)


def test_a_function_of_the_mask_is_what_shap_and_lime_ask_for(model, history, target):
    row, item = history[3], int(target[3])
    one = lxr.Histories.of_dense(row[None])
    score = lxr.explainers.mask_function(model, one, item, objective="logit", batch_size=2)
    items = oracles.items_of(row.tolist())
    masks = np.random.default_rng(0).integers(0, 2, (5, len(items)))
    expected = [oracles.logits_of(model, [i for i, kept in zip(items, mask, strict=True) if kept])[item] for mask in masks]
    assert_close(score(masks), expected)
    assert score(masks).dtype == np.float64
