"""Tables and figures of explainers: counterfactuals in words, costs, the oracle."""

import numpy as np
import pandas as pd
import pytest
import torch

import lxr
from lxr.plots import plot_cost
from lxr.tables import counterfactual_sentence


@pytest.fixture
def data(train_matrix):
    ids, titles = np.arange(20), np.array([f"Film {item}" for item in range(20)])
    return lxr.Interactions(train_matrix, np.arange(train_matrix.shape[0]), ids, titles)


@pytest.mark.parametrize(
    ("removed", "expected"),
    [
        ([3], "Without Film 3, Film 9 would have been recommended instead of Film 5."),
        ([3, 1], "Without Film 3 and Film 1, Film 9 would have been recommended instead of Film 5."),
        ([3, 1, 2], "Without Film 3, Film 1 and Film 2, Film 9 would have been recommended instead of Film 5."),
    ],
)
def test_a_counterfactual_is_said_with_titles(data, removed, expected):
    assert counterfactual_sentence(data, 5, lxr.Counterfactual(np.array(removed), 9)) == expected


def test_no_counterfactual_is_said_too(data):
    assert "none of the next best items takes the place of Film 5" in counterfactual_sentence(data, 5, None)


def test_passes_and_gradients_are_counted_while_measuring(model, train_matrix, history):
    target, n_items = lxr.top_item(model, history), int(history.sum())
    with lxr.measure(model) as cost:
        lxr.EXPLAINERS["leave-one-out"](model, train_matrix).explain(history, target)
    assert (cost.histories, cost.gradients) == (len(history) + n_items, 0)
    with lxr.measure(model) as cost:
        lxr.EXPLAINERS["integrated-gradients"](model, train_matrix, n_steps=6).explain(history, target)
    assert (cost.histories, cost.gradients) == (6 * len(history), 6 * len(history))
    model(history)
    assert cost.histories == 6 * len(history)  # no longer
    assert cost.seconds > 0


def test_costs_are_per_user_and_drawn(model):
    costs = {
        "random": (lxr.Cost(), lxr.Cost(seconds=0.5)),
        "lxr": (lxr.Cost(seconds=3.0, histories=70), lxr.Cost(seconds=0.25, histories=20, gradients=10)),
    }
    table = lxr.cost_table(costs, n_users=5).set_index("explainer")
    assert table.loc["lxr"].tolist() == [3.0, 70, 50.0, 4.0, 2.0]
    figure = plot_cost(pd.DataFrame({"NDCG ↓": {"random": 0.9, "lxr": 0.4}}), table, ["NDCG ↓"])
    points = {line.get_label(): line.get_xydata()[0].tolist() for line in figure.axes[0].lines}
    assert points == {"random": [100.0, 0.9], "lxr": [50.0, 0.4]}


def test_the_oracle_takes_the_best_candidate_for_every_user_and_metric(model, history):
    target = lxr.top_item(model, history)
    candidates = [
        lxr.evaluate_fidelity(
            model, history, target, torch.rand(history.shape, generator=torch.Generator().manual_seed(seed))
        )
        for seed in range(4)
    ]
    oracle = lxr.FidelityResult.best_of(candidates)
    assert (oracle.rank == candidates[0].rank).all()
    for name, values in oracle.curves.items():
        areas = np.stack([candidate.curves[name].mean(axis=1) for candidate in candidates])
        best = areas.max(axis=0) if name.startswith(("NEG", "INS")) else areas.min(axis=0)
        np.testing.assert_allclose(values.mean(axis=1), best)
        rows = np.stack([candidate.curves[name] for candidate in candidates])
        assert (rows == values).all(axis=2).any(axis=0).all()  # whole curves, not the best of each step
    for name, values in oracle.fixed.items():
        each = np.stack([candidate.fixed[name] for candidate in candidates])
        np.testing.assert_array_equal(values, each.max(axis=0) if name == "INS" else each.min(axis=0))
