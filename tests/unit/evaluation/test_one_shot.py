"""Explainers that imitate paths against one-shot ones: tests, _verdicts, shares and fronts on numbers made by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import lxr
from lxr.evaluation import against_table, bars_table, between_table, one_shot_rivals
from lxr.evaluation.one_shot import _share_covered, _verdict
from lxr.reporting.plots import _near_best, pareto_front, plot_pareto

N_USERS = 40


@pytest.fixture
def results(model, train_matrix):
    """Maker of results whose NDCG and INS are the given means, for every user with the same small noise."""
    matrix = train_matrix[:N_USERS]
    scores = lxr.EXPLAINERS["random"](model, train_matrix).explain(matrix, target := lxr.top_item(model, matrix))
    base = lxr.evaluate_fidelity(model, matrix, target, scores)
    noise = np.random.default_rng(0).normal(0, 0.01, (N_USERS, 1))
    noise -= noise.mean()

    def make(**means):
        return {
            name.replace("_", "-"): replace(base, curves=base.curves | {"NDCG": ndcg + noise, "INS": ins + noise})
            for name, (ndcg, ins) in means.items()
        }

    return make


def test_every_difference_is_tested_and_corrected_for_all(results):
    made = results(ours=(0.3, 0.6), near=(0.3, 0.6), far=(0.5, 0.7))
    table = against_table(made, "ours", ["near", "far"], ["NDCG", "INS"])
    assert table[["metric", "other"]].to_numpy().tolist() == [
        [metric, other] for metric in ("NDCG", "INS") for other in ("near", "far")
    ]
    assert np.allclose(table["mean"], [0.3, 0.5, 0.6, 0.7]) and np.allclose(table["explainer"], [0.3, 0.3, 0.6, 0.6])
    assert np.allclose(table["difference"], [0, -0.2, 0, -0.1])
    least = 1 / 10_001
    assert np.allclose(table["p_holm"], [1, 4 * least, 1, 4 * least])
    assert table["verdict"].tolist() == ["no significant difference", "better", "no significant difference", "worse"]


def test_too_few_permutations_are_refused(results):
    made = results(ours=(0.3, 0.6), other=(0.3, 0.6))
    with pytest.raises(ValueError, match="n_permutations: expected at least 20 for each of 2 pairs, found 39"):
        against_table(made, "ours", ["other"], ["NDCG", "INS"], n_permutations=39)


@pytest.mark.parametrize(
    ("metric", "difference", "p", "expected"),
    [
        ("NDCG", -0.1, 0.01, "better"),
        ("NDCG", 0.1, 0.01, "worse"),
        ("INS", -0.1, 0.01, "worse"),
        ("INS", 0.1, 0.049, "better"),
        ("CDCG@Ke=5", -0.1, 0.05, "no significant difference"),
    ],
)
def test_a_verdict_depends_on_the_direction_of_the_metric(metric, difference, p, expected):
    assert _verdict(metric, difference, p) == expected


@pytest.mark.parametrize(
    ("metric", "start", "reached", "end", "share"),
    [
        ("POS@5", 0.5, 0.4, 0.3, 0.5),
        ("POS@5", 0.5, 0.2, 0.3, 1.5),
        ("POS@5", 0.5, 0.6, 0.3, -0.5),
        ("INS", 0.2, 0.3, 0.6, 0.25),
        ("POS@5", 0.3, 0.2, 0.3, np.nan),
        ("INS", 0.6, 0.3, 0.2, np.nan),
    ],
)
def test_the_share_of_a_distance(metric, start, reached, end, share):
    assert _share_covered(metric, start, reached, end) == pytest.approx(share, nan_ok=True)


def test_the_bar_is_the_best_of_the_others(results):
    made = results(ours=(0.3, 0.6), a=(0.5, 0.8), b=(0.4, 0.7), path=(0.2, 0.65))
    bars = bars_table(against_table(made, "ours", ["a", "b"], ["NDCG", "INS"]), made, ["path"])
    assert bars["best other"].to_dict() == {"NDCG": "b", "INS": "a"}
    assert bars["verdict"].tolist() == ["better", "worse"]
    assert bars["others better"].tolist() == [0, 2]
    assert np.allclose(bars[["mean", "explainer", "difference"]], [[0.4, 0.3, -0.1], [0.8, 0.6, -0.2]])
    assert bars["to path"].to_numpy() == pytest.approx([0.5, np.nan], nan_ok=True)


def test_a_table_compares_with_two_others(results):
    made = results(ours=(0.2, 0.5), lxr=(0.5, 0.2), leave_one_out=(0.3, 0.6))
    against = against_table(made, "ours", ["lxr", "leave-one-out"], ["NDCG", "INS"])
    table = between_table(against, "lxr", "leave-one-out")
    assert np.allclose(table[["lxr", "leave-one-out", "explainer", "share"]], [[0.5, 0.3, 0.2, 1.5], [0.2, 0.6, 0.5, 0.75]])
    assert table["verdict, lxr"].tolist() == ["better", "better"]
    assert table["verdict, leave-one-out"].tolist() == ["better", "worse"]


def test_rivals_that_the_catalogue_does_not_have_are_left_out(linear, history):
    names = list(one_shot_rivals(linear(np.eye(20)), [5, 19, 20]))
    objectives = ["log-prob", "logit", "log-odds", "soft-rank", "rank-margin-5", "rank-margin-19"]
    assert names == [f"{method} {objective}" for method in ("leave-one-out", "gradient") for objective in objectives]


def test_of_a_linear_logit_all_one_shot_explanations_are_its_weights(linear):
    weights = np.random.default_rng(0).normal(size=(20, 20))
    rivals = one_shot_rivals(linear(weights), [5])
    history, target = torch.zeros(1, 20), torch.tensor([7])
    history[0, [1, 4, 9]] = 1
    for name in ("leave-one-out logit", "gradient logit", "leave-one-out log-odds"):
        found = rivals[name].explain(history, target)[0, [1, 4, 9]]
        assert found.numpy() == pytest.approx(weights[[1, 4, 9], 7], abs=1e-5)


FIDELITY = pd.DataFrame(
    {"NDCG": [0.3, 0.4, 0.5, 0.3, 0.6], "INS": [0.5, 0.7, 0.6, 0.4, 0.7]},
    index=["lxr", "gradient", "spinrec", "leave-one-out", "gradient logit"],
)


def test_the_front_is_what_no_other_beats():
    assert pareto_front(FIDELITY) == ["lxr", "gradient"]
    assert pareto_front(-FIDELITY) == ["gradient logit", "spinrec", "leave-one-out"]
    assert pareto_front(FIDELITY.iloc[[0, 0]]) == ["lxr", "lxr"]  # equals do not beat each other


def test_the_front_is_drawn_through_its_points():
    ax, *_ = plot_pareto(FIDELITY, [("NDCG", "INS")]).axes
    front, *points = ax.lines
    assert front.get_xydata().tolist() == [[0.3, 0.5], [0.4, 0.7]]
    assert {line.get_label(): line.get_xydata()[0].tolist() for line in points[:4]} == FIDELITY.T.iloc[:, :4].to_dict("list")
    assert [text.get_text() for text in ax.texts] == ["lxr", "gradient"]


def test_what_is_far_behind_is_named_instead_of_drawn():
    points = pd.DataFrame({"NDCG": [0.1, 0.2, 0.3, 0.75, 0.2], "INS": [0.9, 0.8, 0.8, 0.8, 0.65]}, index=list("abcde"))
    assert _near_best(points).tolist() == [True, True, True, False, True]  # medians are 0.1 from the best
    assert _near_best(points, factor=2).tolist() == [True, True, True, False, False]
    far = pd.concat([FIDELITY, pd.DataFrame([[5.0, 0.6]], ["random"], FIDELITY.columns)])
    ax, *_ = plot_pareto(far, [("NDCG", "INS")]).axes
    assert ax.get_title() == "far behind: random"
    assert "random" not in [line.get_label() for line in ax.lines]
