"""Figures show every value that they are given."""

import numpy as np
import pandas as pd
import pytest

import lxr
from lxr.metrics import group_table, quartiles
from lxr.reporting.families import FAMILIES, family_of, in_families, in_front
from lxr.reporting.plots import plot_fidelity, plot_groups, plot_learning_curves, plot_sanity, plot_training
from lxr.reporting.style import LIGHT, colour, spread

# --- figure


def test_the_sanity_figure_shows_every_value():
    table = pd.DataFrame(
        {"output": [1.0, 0.5], "input": [1.0, 0.1], "shuffled": [1.0, 0.2], "other seed": [1.0, 0.9]}, ["jaccard", "lxr"]
    )
    ax = plot_sanity(table, ["output", "input"], ["shuffled", "other seed"]).axes[0]
    assert [text.get_text() for text in ax.texts] == ["0.50", "0.10", "0.20", "0.90", *["1.00"] * 4]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["lxr", "jaccard"]  # families together
    assert [label.get_text() for label in ax.get_xticklabels()] == ["+ output", "+ input", "shuffled", "other seed"]


@pytest.mark.parametrize(("lower_is_better", "kept"), [(True, (2, 0.3)), (False, (3, 0.6))])
def test_the_training_curve_marks_the_kept_epoch(lower_is_better, kept):
    training = pd.DataFrame({"epoch": [1, 2, 3], "loss": [3.0, 2, 1], "NDCG": [0.5, 0.3, 0.6]})
    figure = plot_training(training, "NDCG", lower_is_better=lower_is_better)
    assert tuple(figure.axes[1].lines[-1].get_xydata()[0]) == kept


def test_learning_curves_in_colour_are_the_first_and_those_whose_best_epoch_is_farthest_from_it():
    curves = {"lxr": [0.5, 0.4], "near": [0.41, 0.6], "worse": [0.9, 0.8], "better": [0.1, 0.7]}
    figure = plot_learning_curves({name: pd.Series(curve, [1, 2]) for name, curve in curves.items()}, "POS@20", 0.95, most=3)
    shades = {line.get_label(): line.get_color() for line in figure.axes[0].lines}
    assert shades["lxr"] == "black" and shades["near"] == LIGHT
    assert len({"black", LIGHT, shades["worse"], shades["better"]}) == 4
    named = {text.get_text(): text.get_color() for text in figure.axes[0].texts}
    assert named.keys() == {*curves, "random order"} and named["worse"] == shades["worse"]


# --- figures


def test_the_eight_panels_show_means_with_bands(results):
    figure = plot_fidelity(results)
    assert [ax.get_title() for ax in figure.axes] == [
        *("POS@20 ↓", "POS@5 ↓", "NDCG ↓", "CDCG ↓", "DEL ↓", "DEL ↓", "INS ↑", "INS ↑")
    ]
    left, right = figure.axes[2:4]
    for ax, values in (
        (left, {n: r.curves["NDCG"] for n, r in results.items()}),
        (right, {n: r.fixed["CDCG"] for n, r in results.items()}),
    ):
        lines = {line.get_label(): line for line in ax.lines}
        for (name, user_values), band in zip(values.items(), ax.collections, strict=True):
            mean = user_values.mean(axis=0)
            np.testing.assert_allclose(lines[name].get_ydata(), mean)
            assert lines[name].get_color() == colour(name)
            edges = band.get_paths()[0].vertices[:, 1]
            error = 1.96 * user_values.std(axis=0) / np.sqrt(len(user_values))
            assert edges.max() == pytest.approx((mean + error).max()) and edges.min() == pytest.approx((mean - error).min())
    plot_groups({"length": group_table(results, quartiles(results["random"].history_length), ["NDCG"])})


def test_every_family_has_a_colour_of_its_own():
    shades = [shade for _, shade in FAMILIES.values()]
    assert len(set(shades)) == len(shades)
    assert {family_of(name) for name in lxr.EXPLAINERS} <= FAMILIES.keys() and family_of("mine") == "registered"


def test_lxr_and_the_best_of_each_family_are_in_front_and_others_grey(results):
    quality = pd.Series({"lxr": 0.9, "random": 1.0, "lime": 0.3, "shap": 0.2, "accent": 0.1, "lxr-path-rank": 0.5})
    assert in_front(quality) == ["lxr", "lxr-path-rank", "accent", "shap", "random"]
    assert in_front(quality, most=3) == ["lxr", "lxr-path-rank", "accent", "random"]
    one = next(iter(results.values()))
    ax = plot_fidelity({"lime": one, "lime-rank": one}).axes[0]
    assert [line.get_color() for line in ax.lines] == [colour("lime"), LIGHT]


def test_rows_have_families_together_and_a_random_order_last():
    names = ["random", "jaccard", "lime", "cosine", "lxr", "mine"]
    assert in_families(names) == ["lxr", "lime", "jaccard", "cosine", "mine", "random"]
    assert in_families(names, pd.Series({**dict.fromkeys(names, 1.0), "cosine": 0.5}))[2] == "cosine"


@pytest.mark.parametrize("heights", [[0.5] * 4, [0.0, 0.9, 0.95, 1.3], [-0.2, 0.1, 0.2, 0.3]])
def test_labels_do_not_overlap_and_stay_inside(heights):
    placed = np.array(spread(heights, 0.1))
    assert (np.diff(placed) > 0.0999).all() and placed.min() >= 0 and placed.max() <= 1


def test_labels_of_one_point_lie_around_it_and_others_stay():
    np.testing.assert_allclose(spread([0.1, 0.5, 0.5, 0.5], 0.1), [0.1, 0.4, 0.5, 0.6])
