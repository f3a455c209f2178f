"""Figure of counterfactual sets: sizes of each explainer's sets relative to the smallest."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lxr.explainers.registry import EXPLAINERS
from lxr.reporting.style import SMALL, panels, style
from lxr.utils.extras import extra

with extra("plots"):
    from matplotlib.figure import Figure


def plot_set_sizes(sizes: Mapping[int, pd.DataFrame], smallest: Mapping[int, np.ndarray]) -> Figure:
    """Plot sizes of sets as multiples of the smallest: one panel per K, one row per explainer in the order of the registry.

    Lines go from the 10th to the 90th percentile over users, with a marker at the mean. Only users count whose smallest set
    is proven and for whom the explainer has a set.

    Args:
        sizes: K → explainers × users, as in :attr:`lxr.evaluation.LeavingTop.sizes`.
        smallest: K → (users,) proven sizes; NaN if unknown.
    """
    known = next(iter(sizes.values())).index
    names = [name for name in EXPLAINERS if name in known]
    figure, axes = panels(len(sizes), size=(3.9, 0.2 * len(names) + 1))
    for panel, (ax, k) in enumerate(zip(axes, sizes, strict=True)):
        ax.axvline(1, color="0.6", linewidth=1)
        for row, name in enumerate(names):
            ratio = sizes[k].loc[name].to_numpy(dtype=float) / smallest[k]
            ratio = ratio[np.isfinite(ratio)]
            if len(ratio):
                ax.plot(np.quantile(ratio, [0.1, 0.9]), [row, row], color=style(name)["color"], alpha=0.5)
                ax.plot(ratio.mean(), row, **style(name) | {"linestyle": "none", "markevery": None})
        ax.set_yticks(range(len(names)), names if panel % 3 == 0 else [""] * len(names), fontsize=SMALL)
        ax.set_ylim(len(names) - 0.5, -0.5)
        ax.set_xscale("log")
        ax.set_xlabel("items of the set / of the smallest set", fontsize=SMALL)
        ax.set_title(f"leaving the top {k}", fontsize=11)
        ax.grid(alpha=0.3)
    return figure
