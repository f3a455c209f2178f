"""Tables and figures about LXR on paths: how orders age, what its network sees and relies on, what more users are worth."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

import lxr
from lxr.evaluation import path_agreement_table, reliance_table, signal_table
from lxr.explainers.gradients import GradientTimesInput, gradient
from lxr.explainers.learned.lxr_path import OrderNetwork, signals_of
from lxr.explainers.learned.lxr_path_lessons import Examples
from lxr.explainers.learned.lxr_path_signals import PathGradients, SingleItemAnswers
from lxr.metrics import rank_correlation
from lxr.reporting.path_plots import plot_growth, plot_path_agreement, plot_reliance, plot_signals
from lxr.reporting.style import colour


def scored(matrix, values):
    return sp.csr_matrix((np.asarray(values, dtype=np.float32), matrix.indices, matrix.indptr), matrix.shape)


def test_where_the_recommender_is_linear_one_gradient_does_not_age(linear, train_matrix):
    weights = np.random.default_rng(0).normal(size=(20, 20))
    model, logit = linear(weights), lxr.OBJECTIVES["logit"]
    target = lxr.top_item(model, train_matrix)
    right = lxr.EXPLAINERS["gradient"](model, None, objective="logit").explain(train_matrix, target)
    table = path_agreement_table(
        model, train_matrix, target, logit, right, {"gradient": right, "random": -right}, shares=(0, 0.25, 0.5)
    )
    np.testing.assert_allclose(table["gradient"], 1)
    np.testing.assert_allclose(table["random"], -1)
    assert table.index.tolist() == [0, 0.25, 0.5]
    lines = {line.get_label(): line for line in plot_path_agreement(table).axes[0].lines}
    assert lines["random"].get_color() == colour("random")
    assert lines["gradient"].get_xdata().tolist() == [0, 25, 50]


def test_agreement_is_that_of_what_is_left(model, histories):
    history = histories([6, 7])
    matrix = sp.csr_matrix(history.numpy())
    target, g = lxr.top_item(model, matrix), lxr.explainers.SoftRank()
    path = scored(matrix, np.arange(matrix.nnz)[::-1])  # items go by ascending number
    order = scored(matrix, np.random.default_rng(0).random(matrix.nnz))
    table = path_agreement_table(model, matrix, target, g, path, {"order": order}, shares=(0.4,))
    expected = []
    for row, kept in ((0, 3), (1, 4)):  # 6 − ⌈2.4⌉, 7 − ⌈2.8⌉
        rest = torch.zeros(1, 20)
        rest[0, matrix[[row]].indices[-kept:]] = 1
        entries = lxr.Histories.of_dense(history[[row]])
        stays = entries.at(rest) > 0
        now = gradient(g, model, entries, stays, torch.from_numpy(target[[row]]))
        only = sp.csr_matrix(rest.numpy())
        left = order[[row]].data[-kept:], now[stays].numpy()
        expected.append(rank_correlation(*(scored(only, values) for values in left)))
    assert table["order"][0.4] == pytest.approx(np.mean(expected))


def test_signals_of_groups_are_relative_to_the_history():
    lists = lxr.EntryLists(np.array([0, 1, 0, 2]), np.array([0, 2, 4]), 3)
    examples = Examples(lists, np.array([2, 1]), torch.tensor([[1.0, 0], [-3, 0], [10, 4], [30, 8]]))
    table = signal_table(examples, ["whole", "later"], np.array(["a", "b", "a", "b"]))
    assert table.loc["a"].tolist() == pytest.approx([(1 / 2 + 10 / 20) / 2, (0 + 4 / 6) / 2])
    assert table.loc["b"].tolist() == pytest.approx([(-3 / 2 + 30 / 20) / 2, (0 + 8 / 6) / 2])
    ax = plot_signals(table).axes[0]
    assert [text.get_text() for text in ax.texts] == ["a", "b"]
    assert ax.lines[1].get_ydata().tolist() == table.loc["b"].tolist()


def test_a_network_relies_on_what_it_reads(planted):
    model = lxr.MF(20, n_factors=4)
    lxr.fit(model, *planted, epochs=20)
    settings = lxr.PathSettings(looks=(1, 0.5), places=False)
    network = OrderNetwork(signals_of(model, settings), hidden_size=1)
    network.layers = torch.nn.Linear(7, 1, bias=False)
    network.layers.weight.data = torch.eye(1, 7)  # it reads the first look alone
    explainer = lxr.PathLXR(model, network, settings, pd.DataFrame())
    examples = Examples.of(network.signals, model, planted[1])
    before = examples.signals.clone()
    table = reliance_table(explainer, examples, "NDCG")
    one_gradient = lxr.explainers.mean_fidelity(GradientTimesInput(model, objective=settings.g), planted[1], metric="NDCG")
    assert table.index.tolist() == ["none", "whole", "1 out", "50% out"]
    assert table[["none", "1 out", "50% out"]].tolist() == pytest.approx([one_gradient] * 3)
    assert table["whole"] > table["none"]
    assert torch.equal(examples.signals, before)
    (ax,) = plot_reliance(table, "NDCG").axes
    ends = [bar.get_x() + bar.get_width() for bar in ax.patches]
    assert ends == pytest.approx(table.iloc[1:].tolist())


def test_signals_have_names():
    looks = PathGradients(lxr.explainers.SoftRank(), removed=(3, 0.1), kept=(2, 0.35))
    assert looks.names == ("whole", "3 out", "10% out", "2 in", "35% in", "place out", "place in")
    assert looks.n_signals == 7 and PathGradients(lxr.explainers.SoftRank(), path_positions=False).names == ("whole",)
    assert SingleItemAnswers(4, 4, rivals=(1, 2)).names == ("answer", "share", "lead of 1", "lead of 2")


def test_growth_is_drawn_over_the_number_of_users():
    growth = pd.Series({100: 0.4, 1000: 0.3})
    (ax,) = plot_growth(growth, {"path": 0.25}, "POS@20").axes
    line, reference = ax.lines
    assert line.get_xydata().tolist() == [[100, 0.4], [1000, 0.3]]
    assert set(reference.get_ydata()) == {0.25} and ax.get_xscale() == "log"
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["100", "1,000"]
