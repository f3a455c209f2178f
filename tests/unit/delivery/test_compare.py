"""The comparison of explainers: its means and costs, its verdict, and what it refuses."""

import numpy as np
import pytest
import torch

import lxr
from lxr.delivery import Comparison
from lxr.delivery.compare import SECONDS, SET_SIZE
from lxr.evaluation import Cost

ORDERS = {"good": [2.0, 1, 0, 0], "same": [2.0, 1, 0, 0], "bad": [1.0, 2, 0, 0]}


@pytest.fixture
def comparison(monkeypatch) -> Comparison:
    """Two explainers that remove item 0 first, which speaks for the target, and one that removes it last; "same" is slow."""
    model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
    histories, target = np.tile([1, 1, 0, 0], (12, 1)), np.full(12, 3)
    scores = {name: np.tile(order, (12, 1)) for name, order in ORDERS.items()}
    for name in ORDERS:
        monkeypatch.setitem(lxr.EXPLAINERS, name, lxr.EXPLAINERS["leave-one-out"])
    results = {name: lxr.evaluate_fidelity(model, histories, target, each) for name, each in scores.items()}
    seconds = {"good": 0.12, "same": 1.2, "bad": 0.012}
    prefixes = {name: lxr.counterfactuals.smallest_prefix(model, histories, target, each) for name, each in scores.items()}
    return Comparison(
        results,
        {name: (Cost(), Cost(seconds=each, n_scored=24)) for name, each in seconds.items()},
        {name: np.where(each.found, each.size, np.nan) for name, each in prefixes.items()},
        lxr.counterfactuals.counterfactual_sets(model, histories[:3], target[:3]),
    )


def test_the_table_has_means_and_seconds_of_a_thousand_users(comparison):
    assert comparison.table.index[-1] == "bad" and comparison.n_users == 12
    assert comparison.table[SECONDS].round().to_dict() == {"good": 10, "same": 100, "bad": 1}
    assert comparison.table["NDCG"]["good"] < comparison.table["NDCG"]["bad"]


def test_the_cheapest_of_the_best_comes_first(comparison):
    assert comparison.best("NDCG") == ["good", "same"]
    assert comparison.best("NDCG", ["same", "bad"]) == ["same"]
    rank = comparison.verdict[0]
    assert rank.startswith("To explain the rank: good (NDCG ") and rank.endswith("No test finds a difference to same.")
    assert rank in str(comparison) and rank in comparison._repr_html_()


def test_sets_that_provably_change_the_recommendation_are_in_the_verdict(comparison):
    sizes = comparison.table[SET_SIZE]
    assert sizes["good"] == sizes["same"] == 1 and np.isnan(sizes["bad"])  # without item 1 nothing is ahead
    proof = comparison.verdict[-1]
    assert "(mean size 1.0, proven for 3 of 3 users, " in proof
    assert proof.endswith("Of the explainers, good needs the fewest first reasons (mean size 1.0).")


def test_the_figure_has_a_panel_for_the_rank_and_one_for_the_score(comparison):
    assert [ax.get_title() for ax in comparison.plot().axes] == ["NDCG ↓", "INS ↑"]


def test_a_black_box_is_compared_by_what_needs_no_gradient():
    data = lxr.load_dataset("synthetic")
    popular = data.matrix.toarray().sum(axis=0)
    model = lxr.wrap(lambda x: popular + x @ np.eye(data.n_items)[::-1], data.n_items, "sigmoid")
    comparison = lxr.compare(model, data, explainers=["random", "leave-one-out", "gradient"], n_users=20)
    assert set(comparison.results) == {"random", "leave-one-out"} and comparison.n_users == 20
    with pytest.raises(ValueError, match="explainers: expected two or more that can explain this recommender, found random"):
        lxr.compare(model, data, explainers=["random", "gradient"])


def test_explainers_are_given_by_known_names():
    data = lxr.load_dataset("synthetic")
    with pytest.raises(ValueError, match="unknown explainer 'nobody'"):
        lxr.compare(lxr.MF(data.n_items), data, explainers=["random", "nobody"])
