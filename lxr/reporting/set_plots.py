"""Figure of counterfactual sets: sizes of each explainer's sets relative to the smallest."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lxr.explainers.registry import EXPLAINERS
from lxr.reporting.families import in_families
from lxr.reporting.style import SMALL, colour, dot, label_rows, note, panels
from lxr.utils.extras import extra

with extra("plots"):
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullLocator

MEANING = "Dot: mean over users. Line: 10th to 90th percentile. 1: no smaller set exists. Further left is better."


def plot_set_sizes(sizes: Mapping[int, pd.DataFrame], smallest: Mapping[int, np.ndarray]) -> Figure:
    """Sizes of sets as multiples of the smallest: one panel per K, a row for each explainer.

    Families are together, the best of each first. Lines go from the 10th to the 90th percentile over users, with a marker at
    the mean. Only users count whose smallest set is proven and for whom the explainer has a set. All panels have one scale.

    Args:
        sizes: K → explainers × users, as in :attr:`lxr.evaluation.LeavingTop.sizes`.
        smallest: K → (users,) proven sizes; NaN if unknown.
    """
    ratios = {k: table.loc[[name for name in table.index if name in EXPLAINERS]] / smallest[k] for k, table in sizes.items()}
    means = pd.DataFrame({k: ratio.mean(axis=1) for k, ratio in ratios.items()})
    names = in_families(means.index, means.mean(axis=1).fillna(np.inf))
    figure, axes = panels(len(sizes), size=(3.2, 0.9 + 0.18 * len(names)))
    for ax, (k, ratio) in zip(axes, ratios.items(), strict=True):
        ax.axvline(1, color="0.6", linewidth=1)
        for row, name in enumerate(names):
            known = ratio.loc[name].dropna()
            if len(known):
                ax.plot(known.quantile([0.1, 0.9]), [row, row], color=colour(name), alpha=0.5, linewidth=2)
                ax.plot(means[k][name], row, **dot(name))
        label_rows(ax, names, ax is axes[0])
        ax.sharex(axes[0])
        ax.set_xlabel("items of the set / of the smallest set", fontsize=SMALL)
        ax.set_title(f"leaving the top {k}", fontsize=11)
        ax.grid(axis="x", alpha=0.3)
    axes[0].set_xscale("log")
    axes[0].xaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), major_formatter="{x:g}", minor_locator=NullLocator())
    return note(figure, MEANING)
