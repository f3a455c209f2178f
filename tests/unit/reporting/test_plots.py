"""Figures show every value that they are given."""

import numpy as np
import pandas as pd
import pytest

from lxr.metrics import group_table, quartiles
from lxr.reporting.plots import plot_fidelity, plot_groups, plot_sanity, plot_training
from lxr.reporting.style import style

# --- figure


def test_the_sanity_figure_shows_every_value():
    table = pd.DataFrame(
        {"output": [0.5, 1.0], "input": [0.1, 1.0], "shuffled": [0.2, 1.0], "other seed": [0.9, 1.0]}, ["lxr", "jaccard"]
    )
    left, right = plot_sanity(table, ["output", "input"], {"shuffled": "full", "other seed": "none"}).axes
    assert {line.get_label(): line.get_ydata().tolist() for line in left.lines} == {
        "lxr": [1, 0.5, 0.1],
        "jaccard": [1, 1, 1],
    }
    assert [line.get_xdata().item() for line in right.lines] == [0.2, 0.9, 1, 1]
    assert [label.get_text() for label in left.get_xticklabels()] == ["none", "+ output", "+ input"]
    assert [line.get_fillstyle() for line in right.lines] == ["full", "none"] * 2
    assert right.get_title() == "shuffled (●), other seed (○)"


@pytest.mark.parametrize(("lower_is_better", "kept"), [(True, (2, 0.3)), (False, (3, 0.6))])
def test_the_training_curve_marks_the_kept_epoch(lower_is_better, kept):
    training = pd.DataFrame({"epoch": [1, 2, 3], "loss": [3.0, 2, 1], "NDCG": [0.5, 0.3, 0.6]})
    figure = plot_training(training, "NDCG", lower_is_better=lower_is_better)
    assert tuple(figure.axes[1].lines[-1].get_xydata()[0]) == kept


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
            assert lines[name].get_color() == style(name)["color"]
            edges = band.get_paths()[0].vertices[:, 1]
            error = 1.96 * user_values.std(axis=0) / np.sqrt(len(user_values))
            assert edges.max() == pytest.approx((mean + error).max()) and edges.min() == pytest.approx((mean - error).min())
    plot_groups({"length": group_table(results, quartiles(results["random"].history_length), ["NDCG"])})
