"""Gradients against finite differences, integrals against quadrature, SPINRec against the naive choice."""

import functools

import numpy as np
import oracles
import pytest
import torch
from explaining import OBJECTIVES, assert_close, constant, make, objective_of, users_of

import lxr
from lxr.explainers.gradients import IntegratedGradients


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_gradient_equals_finite_differences(model, double_model, train_matrix, history, target, objective):
    found = make("gradient", model, train_matrix, objective=constant(objective)).explain(history, target)
    objective = oracles.OBJECTIVES[objective]
    assert_close(found, [oracles.gradient_times_input(double_model, *user, objective) for user in users_of(history, target)])


def test_rank_margin_gradient_equals_finite_differences(model, double_model, train_matrix, history, target):
    found = make("rank-margin", model, train_matrix, k=3, tau=0.5).explain(history, target)
    objective = functools.partial(oracles.rank_margin, k=3, tau=0.5)
    assert_close(found, [oracles.gradient_times_input(double_model, *user, objective) for user in users_of(history, target)])


@pytest.mark.parametrize("objective", ["logit", "log-prob", "rank-margin"])
def test_integrated_gradients_equal_the_naive_quadrature(model, double_model, train_matrix, history, target, objective):
    options = {"baseline": "user", "objective": objective, "n_steps": 6, "seed": 3}
    found = make("integrated-gradients", model, train_matrix, **options).explain(history, target)
    train = train_matrix.toarray().tolist()
    expected = [
        oracles.integrated_gradients(
            double_model, row, oracles.baseline_user(train, row, item, 3, 0), item, oracles.OBJECTIVES[objective], 6
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
        starts = [oracles.baseline_user(train, row, item, 3, draw) for draw in range(4)]
        expected.append(oracles.spinrec(double_model, row, starts, item, oracles.OBJECTIVES[objective], 5))
    assert_close(found, expected, 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("criterion", ["NDCG", "POS@5"])
def test_spinrec_by_a_metric_equals_the_naive_choice(model, double_model, train_matrix, history, target, criterion):
    options = {"objective": "rank-margin", "n_samples": 4, "n_steps": 5, "seed": 3, "criterion": criterion}
    found = make("spinrec", model, train_matrix, **options).explain(history, target)
    train, expected, objective = train_matrix.toarray().tolist(), [], oracles.OBJECTIVES["rank-margin"]
    for row, item in users_of(history, target):
        starts = [oracles.baseline_user(train, row, item, 3, draw) for draw in range(4)]
        expected.append(oracles.spinrec(double_model, row, starts, item, objective, 5, criterion))
    assert_close(found, expected, 1e-4)


@pytest.mark.parametrize("criterion", ["NDCG", "POS@5", "INS", "DEL@Ke=2"])
def test_spinrec_keeps_the_draw_that_is_best_by_its_metric(model, train_matrix, history, target, criterion):
    explainer = make("spinrec", model, train_matrix, n_samples=5, criterion=criterion)

    def values(each):
        return lxr.evaluate_fidelity(model, history, target, each.explain(history, target)).per_user()[criterion]

    draws = np.stack([values(draw) for draw in explainer.draws])
    best = draws.max(axis=0) if criterion == "INS" else draws.min(axis=0)
    assert_close(values(explainer), best)
    assert (draws[0] != best).any()


def test_draws_that_are_level_leave_the_first_one(linear, train_matrix):
    model, history, target = linear(np.eye(20)), torch.zeros(1, 20), torch.tensor([7])  # no item says anything of item 7
    history[0, [1, 4, 9]] = 1
    explainer = make("spinrec", model, train_matrix, n_samples=3, objective="rank-margin", criterion="POS@100")
    assert torch.equal(explainer.explain(history, target), explainer.draws[0].explain(history, target))


@pytest.mark.parametrize("criterion", ["rank", "POS@0", "HR@10"])
def test_an_unknown_criterion_is_refused(linear, train_matrix, criterion):
    with pytest.raises(ValueError, match=f"unknown metric '{criterion}': expected one of POS@1"):
        make("spinrec", linear(np.eye(20)), train_matrix, criterion=criterion)


@pytest.mark.slow
def test_the_rank_version_of_spinrec_is_spinrec_with_other_defaults(model, train_matrix, history, target):
    options = {"objective": "soft-rank", "criterion": "NDCG", "n_samples": 20, "n_steps": 5}
    preset = make("spinrec-rank", model, train_matrix, seed=3)
    expected = make("spinrec", model, train_matrix, seed=3, **options).explain(history, target)
    assert torch.equal(preset.explain(history, target), expected)
    with lxr.evaluation.measure_cost(model) as cost:
        preset.explain(history, target)
    assert cost.n_gradients == 100 * len(history)
    assert len(make("spinrec-rank", model, train_matrix, n_samples=3).draws) == 3


def test_spinrec_explains_at_least_as_well_as_each_draw_by_its_criterion(model, train_matrix, history, target):
    explainer = make("spinrec", model, train_matrix, n_samples=5)
    entries = lxr.Histories.of_dense(history)
    best, *draws = (
        explainer.remainder(entries, target, each.explain(entries, target)) for each in (explainer, *explainer.draws)
    )
    draws = torch.stack(draws)
    assert torch.equal(best, draws.min(dim=0).values)
    assert (draws.argmin(dim=0) > 0).any()  # the first draw is not always the best


def start_of(explainer: IntegratedGradients, history, target) -> torch.Tensor:
    """Dense baselines (B, I), where the line of each user starts."""
    union, start, _ = explainer.line(lxr.Histories.of_dense(history), target)
    return union.dense(keep=start)


# --- axioms


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["logit", "log-prob"])
def test_integrated_gradients_are_complete(model, train_matrix, history, target, objective):
    explainer = IntegratedGradients(model, train_matrix, baseline="user", objective=objective, n_steps=1000)  # NCF has kinks
    g = lxr.OBJECTIVES[objective]
    entries = lxr.Histories.of_dense(history)
    whole, before = (
        g(model, model(point), target, entries, entries.real) for point in (history, start_of(explainer, history, target))
    )
    assert_close(explainer.integrate(entries, target).sum(dim=1), (whole - before).detach(), 1e-3)


def test_integrated_gradients_from_the_empty_history_are_complete_on_mf(train_matrix, history):
    model = lxr.MF(20, n_factors=4, seed=1)
    target = lxr.top_item(model, history)
    found = IntegratedGradients(model, train_matrix, n_steps=100).explain(history, target)
    g = lxr.OBJECTIVES["log-prob"]
    whole, empty = (objective_of(g, model, point, target, history) for point in (history, torch.zeros_like(history)))
    assert_close(found.sum(dim=1), (whole - empty).detach(), 1e-4)


def test_from_the_empty_history_a_normalising_recommender_has_the_gradient_at_its_end(train_matrix, history):
    model = lxr.VAE(20, n_hidden=16, n_latent=4, seed=1)
    target = lxr.top_item(model, history)
    found = make("integrated-gradients", model, train_matrix).explain(history, target)
    gradient = make("gradient", model, train_matrix).explain(history, target)
    factor = (found * gradient).sum(dim=1) / (gradient**2).sum(dim=1).clamp(min=1e-12)
    assert_close(found, factor[:, None] * gradient, 1e-3)


def test_a_sampled_baseline_is_a_training_user_without_the_target(model, train_matrix, history, target):
    rows = {tuple(row) for row in train_matrix.toarray().astype(int).tolist()}
    start = start_of(IntegratedGradients(model, train_matrix, baseline="user"), history, target)
    for row, item in zip(start.int().tolist(), target.tolist(), strict=True):
        assert row[item] == 0
        assert {tuple(row), (*row[:item], 1, *row[item + 1 :])} & rows


def test_spinrec_draws_ten_users_by_default(linear, train_matrix):
    explainer = make("spinrec", linear(np.eye(20)), train_matrix)
    assert [(draw.baseline, draw.draw, draw.n_steps) for draw in explainer.draws] == [("user", n, 10) for n in range(10)]


@pytest.mark.parametrize("name", ["gradient", "integrated-gradients", "spinrec"])
def test_an_objective_without_gradient_is_refused(model, train_matrix, history, target, name):
    objective = lambda model, logits, target, histories, keep: logits.argmax(dim=1).float()  # noqa: E731
    with pytest.raises(ValueError, match="objective: its values have no gradient with respect to the history"):
        make(name, model, train_matrix, objective=objective).explain(history, target)
