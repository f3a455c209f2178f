"""Objectives: against plain arithmetic, and by hand."""

import functools

import numpy as np
import oracles
import pytest
import torch
from explaining import OBJECTIVES, assert_close, constant, make, objective_of, users_of

import lxr

LOCAL = ["leave-one-out", "gradient"]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_objectives_equal_naive_ones(any_model, history, objective):
    target, halved = lxr.top_item(any_model, history), history * (torch.arange(20) % 2)
    found = objective_of(constant(objective), any_model, halved, target, history)
    expected = [
        oracles.objective_at(any_model, point, item, oracles.items_of(row), oracles.OBJECTIVES[objective])
        for point, (row, item) in zip(halved.tolist(), users_of(history, target), strict=True)
    ]
    assert_close(found.detach(), expected)


@pytest.mark.parametrize(("k", "tau"), [(1, 1.0), (3, 0.2), (19, 5.0)])
def test_rank_margin_with_options_equals_the_naive_one(model, history, target, k, tau):
    found = objective_of(lxr.explainers.RankMargin(k, tau), model, history, target, history)
    expected = [
        oracles.objective_at(model, row, item, oracles.items_of(row), functools.partial(oracles.rank_margin, k=k, tau=tau))
        for row, item in users_of(history, target)
    ]
    assert_close(found.detach(), expected)


def test_rank_margin_by_hand(linear):
    # Logits of the history {0}: 0, 3, 1, 2; the rivals of item 1 are 3 and 2, item 0 is consumed.
    model = linear([[9, 3, 1, 2], [0] * 4, [0] * 4, [0] * 4])
    history, target = torch.tensor([[1.0, 0, 0, 0]]), torch.tensor([1])
    assert objective_of(lxr.explainers.RankMargin(k=1), model, history, target, history).item() == pytest.approx(3 - 2)
    assert objective_of(lxr.explainers.RankMargin(k=2), model, history, target, history).item() == pytest.approx(
        3 - np.log(np.exp(2) + np.exp(1))
    )
    assert objective_of(lxr.explainers.RankMargin(k=2, tau=1e-3), model, history, target, history).item() == pytest.approx(1)
    alone = torch.tensor([[1.0, 0, 1, 1]])
    assert objective_of(lxr.explainers.RankMargin(k=2), model, history, target, alone).item() == pytest.approx(3)


@pytest.mark.parametrize(
    "name", ["gradient", "leave-one-out", "rank-margin", "rank-margin-path", "soft-rank-path", "accent"]
)
def test_a_target_without_rivals_is_explained(model, train_matrix, histories, name):
    history = histories([19])
    found = make(name, model, train_matrix).explain(history, lxr.top_item(model, history))
    assert torch.isfinite(found).all()
    assert (found != 0).any()


def test_soft_rank_by_hand(linear):
    # Three rivals: one level with the target, one far ahead, one far behind.
    model = linear([[0.0, 2, 2, 9, -9], *[[0.0] * 5] * 4])
    history, target = torch.eye(1, 5), torch.tensor([1])
    assert objective_of(lxr.explainers.SoftRank(0.1, 0.1), model, history, target, history).item() == pytest.approx(
        -np.log(1 + 0.5 + 1 + 0)
    )
    soft = -np.log(1 + 0.5 + 1 / (1 + np.exp(-1)) + 1 / (1 + np.exp(11 / 7)))
    assert objective_of(lxr.explainers.SoftRank(0.1, 7.0), model, history, target, history).item() == pytest.approx(soft)
    assert objective_of(lxr.explainers.SoftRank(7.0, 0.1, first=0), model, history, target, history).item() == pytest.approx(
        soft
    )
    twice = torch.tensor([[1.0, 0, 0, 0, 1]])  # one item gone of two, which is no rival
    less = -np.log(1 + 0.5 + 1 / (1 + np.exp(-1)))
    assert objective_of(lxr.explainers.SoftRank(7.0, 0.1, first=1), model, history, target, twice).item() == pytest.approx(
        less
    )
    assert objective_of(lxr.explainers.SoftRank(0.1, 7.0, first=2), model, history, target, twice).item() == pytest.approx(
        less
    )
    alone = torch.tensor([[1.0, 0, 1, 1, 1]])
    assert objective_of(lxr.explainers.SoftRank(), model, history, target, alone).item() == 0


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


def test_rivals_of_a_large_catalogue_are_a_hundred():
    assert (
        lxr.OBJECTIVES["rank-margin"]
        == lxr.explainers.RankMargin()
        == lxr.explainers.RankMargin.of_catalogue(200)
        == lxr.explainers.RankMargin(100, 1.0)
    )
    assert lxr.explainers.RankMargin.of_catalogue(200, tau=2.0) == lxr.explainers.RankMargin(100, 2.0)
    assert lxr.explainers.RankMargin.of_catalogue(200, k=150) == lxr.explainers.RankMargin(150, 1.0)
