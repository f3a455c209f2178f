"""LIME and LIRE: against the naive regression, and on linear recommenders, whose coefficients are known."""

import numpy as np
import oracles
import pytest
import torch
from explaining import assert_close, make, users_of

import lxr

FLIPS = {"n_samples": 40, "min_flips": 3, "max_flips": 8}


@pytest.mark.parametrize("objective", ["logit", "log-odds"])
def test_lime_equals_the_naive_loop(model, train_matrix, history, target, objective):
    found = make("lime", model, train_matrix, objective=objective, seed=3, **FLIPS).explain(history, target)
    expected = [
        oracles.lime(model, row, item, oracles.OBJECTIVES[objective], 3, *FLIPS.values())
        for row, item in users_of(history, target)
    ]
    assert_close(found, expected, 1e-4)


def test_lire_equals_the_naive_loop(model, train_matrix, history, target):
    options = {"n_samples": 30, "n_neighbours": 7, "share": 0.3}
    found = make("lire", model, train_matrix, seed=3, **options).explain(history, target)
    train = train_matrix.toarray().tolist()
    expected = [
        oracles.lire(model, train, row, item, oracles.log_odds, 3, *options.values())
        for row, item in users_of(history, target)
    ]
    assert_close(found, expected, 1e-4)


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


@pytest.mark.parametrize("name", ["lime", "lire", "shap-items"])
def test_surrogates_fit_log_odds_by_default(name, train_matrix, history):
    model = lxr.VAE(20, n_hidden=16, n_latent=4)
    target = lxr.top_item(model, history)
    default, log_odds = (
        make(name, model, train_matrix, **options).explain(history, target) for options in ({}, {"objective": "log-odds"})
    )
    assert torch.equal(default, log_odds)


def test_a_function_of_the_mask_is_in_log_odds_by_default(linear):
    one = lxr.Histories.of_lists([[0, 1]], n_columns=3)
    score = lxr.explainers.mask_function(linear([[0, 0, 2], [0, 0, 1], [0, 0, 0]]), one, 2)
    assert score(np.ones((1, 2))) == pytest.approx(3)
