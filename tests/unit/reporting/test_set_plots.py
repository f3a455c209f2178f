"""The figure of counterfactual sets shows the means of its numbers."""

import matplotlib
import numpy as np
import pandas as pd

from lxr.reporting.set_plots import plot_set_sizes

matplotlib.use("agg")


def test_markers_are_means_over_users_whose_smallest_set_is_known():
    sizes = pd.DataFrame([[1, 2, 3], [2, 2, 9], [np.nan] * 3], index=["smallest set", "lime", "random"])
    figure = plot_set_sizes({1: sizes, 5: sizes}, dict.fromkeys((1, 5), np.array([1, 2, np.nan])))
    for ax, title in zip(figure.axes, ("leaving the top 1", "leaving the top 5"), strict=True):
        assert ax.get_title() == title and ax.get_xscale() == "log"
        shown = {line.get_label(): line.get_xdata() for line in ax.lines if not line.get_label().startswith("_")}
        assert list(shown) == ["lime"] and np.allclose(shown["lime"], 1.5)  # 2 / 1 and 2 / 2
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["lime", "random"]
