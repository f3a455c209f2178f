"""The style of figures: colours, markers, panels, legends."""

from collections.abc import Sequence

import numpy as np

from lxr.explainers.learned import LXR_FAMILIES
from lxr.explainers.registry import EXPLAINERS
from lxr.metrics.names import METRICS, kind_of
from lxr.reporting.formats import with_direction
from lxr.utils.extras import extra

with extra("plots"):
    import matplotlib.pyplot as plt
    import seaborn as sns
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = (("POS@20", "POS@5"), ("NDCG", "CDCG"), ("DEL", "DEL"), ("INS", "INS"))
MARKERS = "oXs^vDPp<>*h"
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)))
PATH_RED = "#a50026"
SMALL = 9  # points: figures of three panels are scaled down to the width of a page


def style(explainer: str) -> dict:
    """Colour, marker and line of an explainer: by its place among its peers, distinct in black and white too.

    LXR is black and thick, its variants are grey; LXR that imitates paths is red, the first of it thick. Neighbours carry
    their markers at alternate points, so that two lines that coincide are still both seen.
    """
    first = EXPLAINERS.primary(explainer) if explainer in EXPLAINERS else explainer
    family = EXPLAINERS[first].family if first in EXPLAINERS else ""
    learned = family in LXR_FAMILIES
    peers = [name for name, spec in EXPLAINERS.items() if (spec.family in LXR_FAMILIES) == learned]
    place = peers.index(first) if first in peers else len(peers)
    palette = sns.color_palette("colorblind")
    emphasis = first in ("lxr", "lxr-path-rank")
    shade = PATH_RED if family == "lxr-path" else "black" if emphasis else "0.45"
    return {
        "color": shade if learned else palette[place % len(palette)],
        "marker": MARKERS[place % len(MARKERS)],
        "markevery": (place % 2, 2),
        "linestyle": "-" if emphasis else DASHES[place % len(DASHES)],
        "markersize": 6,
        "linewidth": 2.5 if emphasis else 1.5,
        "label": explainer,
    }


def draw_line(ax: Axes, explainer: str, x: Sequence[float] | np.ndarray, values: np.ndarray) -> None:
    """The mean over users of (n_users, len(x)) values, with the band of its interval."""
    mean, error = values.mean(axis=0), 1.96 * values.std(axis=0) / np.sqrt(len(values))
    ax.plot(x, mean, **style(explainer))
    ax.fill_between(x, mean - error, mean + error, color=style(explainer)["color"], alpha=0.12, linewidth=0)


def panels(count: int, columns: int = 3, size: tuple[float, float] = (3.9, 3.1)) -> tuple[Figure, list[Axes]]:
    """A figure of ``count`` panels of a size in inches, so many in a row."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figsize = size[0] * columns, size[1] * rows
    figure, axes = plt.subplots(rows, columns, figsize=figsize, layout="constrained", squeeze=False)
    for ax in axes.flat[count:]:
        ax.set_visible(False)
    return figure, list(axes.flat[:count])


def label_panel(ax: Axes, metric: str, x_label: str, relative: bool = False) -> None:
    """Title with direction, axes with units."""
    kind, (_, _, cutoff) = kind_of(metric), metric.partition("@")
    ax.set_title(with_direction(metric), fontsize=11)
    ax.set_xlabel(x_label)
    what, _, change = METRICS[kind].title.format(k=cutoff).partition(", ")
    unit = " / unperturbed" if relative else " [share]" if kind in ("POS@K", "NEG@K") else ""
    ax.set_ylabel(f"{what}{unit},\n{change}", fontsize=SMALL)
    ax.grid(alpha=0.3)


def add_legend(figure: Figure, ax: Axes) -> Figure:
    """One legend for all panels, below them, in room of its own."""
    handles, labels = ax.get_legend_handles_labels()
    columns = min(len(labels), int(figure.get_figwidth() / 2.3))
    rows = -(-len(labels) // columns)
    figure.set_figheight(figure.get_figheight() + 0.22 * rows)
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False, handlelength=3.5)
    return figure
