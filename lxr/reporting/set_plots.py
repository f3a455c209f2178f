"""Figure of counterfactual sets: sizes of each explainer's sets relative to the smallest."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lxr.explainers.registry import EXPLAINERS
from lxr.reporting.families import in_families
from lxr.reporting.style import SMALL, colour, dot, label_rows, panels
from lxr.utils.extras import extra

with extra("plots"):
    from matplotlib.figure import Figure


def plot_set_sizes(sizes: Mapping[int, pd.DataFrame], smallest: Mapping[int, np.ndarray]) -> Figure:
    """Sizes of sets as multiples of the smallest: one panel per K, a row for each explainer, families together.

    Lines go from the 10th to the 90th percentile over users, with a marker at the mean. Only users count whose smallest set
    is proven and for whom the explainer has a set.

    Args:
        sizes: K → explainers × users, as in :attr:`lxr.evaluation.LeavingTop.sizes`.
        smallest: K → (users,) proven sizes; NaN if unknown.
    """
    known = next(iter(sizes.values())).index
    names = in_families(name for name in known if name in EXPLAINERS)
    figure, axes = panels(len(sizes), size=(3.2, 0.9 + 0.18 * len(names)))
    for ax, k in zip(axes, sizes, strict=True):
        ax.axvline(1, color="0.6", linewidth=1)
        for row, name in enumerate(names):
            ratio = sizes[k].loc[name].to_numpy(dtype=float) / smallest[k]
            ratio = ratio[np.isfinite(ratio)]
            if len(ratio):
                ax.plot(np.quantile(ratio, [0.1, 0.9]), [row, row], color=colour(name), alpha=0.5)
                ax.plot(ratio.mean(), row, **dot(name))
        label_rows(ax, names, ax is axes[0])
        ax.set_xscale("log")
        ax.set_xlabel("items of the set / of the smallest set", fontsize=SMALL)
        ax.set_title(f"leaving the top {k}", fontsize=11)
        ax.grid(axis="x", alpha=0.3)
    return figure
