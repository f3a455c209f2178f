"""Bounds: no set of removed items ever brings about what they rule out."""

import numpy as np
import pytest
import torch
from test_sets import made

import lxr
from lxr.counterfactuals import ChangesList, Enters, LeavesTop
from lxr.counterfactuals.layer_bounds import optimistic_events, relu_lines, tanh_lines
from lxr.counterfactuals.question import Question


def question_of(name, goal, n=9):
    """One user of a small recommender, explained by the third of the ranking."""
    model, history = made(name), torch.zeros(1, 20)
    history[0, np.random.default_rng(2).choice(20, n, replace=False)] = 1
    with torch.no_grad():
        target = int(model(history).masked_fill(history > 0, -torch.inf).argsort(dim=1, descending=True)[0, 2])
    return Question(model, lxr.Histories.of_dense(history), target, goal)


def margins(question, removed):
    """Margins (R, E) of the pairs of a goal without sets (R, n)."""
    logits = question.logits(removed).double().numpy()
    return logits[:, question.pairs.upper] - logits[:, question.pairs.lower]


@pytest.mark.parametrize("few", [0, 128], ids=["units by themselves", "sets"])
@pytest.mark.parametrize("goal", [LeavesTop(3), Enters(1), ChangesList(2)])
@pytest.mark.parametrize("name", ["vae", "ncf", "deep ncf"])
def test_optimistic_margins_are_never_above_those_of_the_recommender(name, goal, few, monkeypatch):
    monkeypatch.setattr("lxr.counterfactuals.layer_bounds.FEW_ITEMS", few)
    question, generator = question_of(name, goal), np.random.default_rng(0)
    network, tightest = question.model.network(), np.inf
    for size in range(1, 9):
        events = optimistic_events(network, question.items, question.pairs, size)
        counts = np.full(60, size) if network.is_normalized else generator.integers(0, size + 1, 60)
        removed = question.mask(*(generator.choice(9, count, replace=False) for count in counts))
        optimistic = events.margin - removed.astype(float) @ events.gain
        slack = margins(question, removed) - optimistic
        assert slack.min() > -1e-5
        tightest = min(tightest, slack.max() if size == 1 else np.inf)
    assert tightest < 10 and events.needed == question.pairs.needed


@pytest.mark.parametrize("name", ["vae", "ncf"])
def test_bounds_rule_something_out(name):
    question = question_of(name, LeavesTop(9))
    events = optimistic_events(question.model.network(), question.items, question.pairs, 1)
    assert events.fewest(1) == 2


def enclosing(activation, lowest, highest):
    """Slope and intercept of the line below and of the line above an activation."""
    if activation is torch.tanh:
        slope, low, high = tanh_lines(lowest, highest)
        return slope, low, slope, high
    low_slope, high_slope, high = relu_lines(lowest, highest)
    return low_slope, torch.zeros_like(high), high_slope, high


@pytest.mark.parametrize("activation", [torch.relu, torch.tanh])
def test_lines_enclose_their_function(activation):
    lowest = torch.linspace(-4, 3, 40).double()[:, None].expand(-1, 30).flatten()
    highest = lowest + torch.logspace(-9, 1, 30).double().repeat(40)
    low_slope, low, high_slope, high = enclosing(activation, lowest, highest)
    for share in np.linspace(0, 1, 33):
        x = lowest + share * (highest - lowest)
        assert (low_slope * x + low <= activation(x) + 1e-12).all()
        assert (activation(x) <= high_slope * x + high + 1e-12).all()
        assert ((high_slope * x + high) - (low_slope * x + low))[(highest - lowest) < 1e-3].max() < 1e-3
