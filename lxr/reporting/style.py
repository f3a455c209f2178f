"""The style of figures: a colour for each family, a few lines in front of grey ones, direct labels, panels."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from lxr.metrics.names import METRICS, kind_of
from lxr.reporting.families import FAMILIES, family_of
from lxr.reporting.formats import with_direction
from lxr.utils.extras import extra

with extra("plots"):
    import matplotlib.pyplot as plt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.text import Text

PANELS = (("POS@20", "POS@5"), ("NDCG", "CDCG"), ("DEL", "DEL"), ("INS", "INS"))
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)))
GREY, LIGHT = "0.45", "0.8"  # of a random order, and of lines in the background
SMALL = 9  # points


def colour(explainer: str) -> str:
    """Colour of an explainer: that of its family, and grey for a random order."""
    return GREY if explainer == "random" else FAMILIES[family_of(explainer)][1]


def line(explainer: str, in_front: bool = True) -> dict[str, Any]:
    """Style of a line of an explainer, in colour or as a part of the background."""
    if not in_front:
        return {"color": LIGHT, "linewidth": 0.8, "zorder": 1}
    dashes = DASHES[2] if explainer == "random" else "-"
    return {"color": colour(explainer), "linewidth": 2.0, "linestyle": dashes, "label": explainer, "zorder": 2}


def dot(explainer: str) -> dict[str, Any]:
    """Style of a single marker of an explainer."""
    return {"color": colour(explainer), "marker": "o", "markersize": 5, "linestyle": "none", "label": explainer}


def draw_lines(ax: Axes, x: Sequence | np.ndarray, values: Mapping[str, np.ndarray], front: Sequence[str]) -> None:
    """Draw the mean over users of (n_users, len(x)) values of every explainer; those in front with their 95 % intervals."""
    for name, each in values.items():
        mean, error = each.mean(axis=0), 1.96 * each.std(axis=0) / np.sqrt(len(each))
        ax.plot(x, mean, **line(name, name in front))
        if name in front:
            ax.fill_between(x, mean - error, mean + error, color=colour(name), alpha=0.12, linewidth=0)


def label_ends(
    ax: Axes, points: Mapping[str, tuple[float, float]], gap: float = 0.075, shades: Mapping[str, Any] | None = None
) -> None:
    """Write names right of a panel, each at the height of its point, as far as they do not overlap.

    Args:
        ax: the panel, all of it drawn.
        points: name → coordinates of its point.
        gap: least distance of two names, as a share of the height.
        shades: name → colour of a name; by default the colour of the explainer.
    """
    shades = {name: colour(name) for name in points} if shades is None else shades
    ax.get_xlim(), ax.get_ylim()  # limits that are not settled yet would move the points
    scale = ax.transData + ax.transAxes.inverted()
    at = {name: tuple(scale.transform(point)) for name, point in points.items()}
    names = sorted(at, key=lambda name: at[name][1])
    around: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "axes fraction", "va": "center", "fontsize": SMALL}
    for name, height in zip(names, spread([at[name][1] for name in names], gap), strict=True):
        shape: dict[str, Any] = {"arrowstyle": "-", "relpos": (0, 0.5), "linewidth": 0.5, "shrinkA": 1, "shrinkB": 0}
        place: dict[str, Any] = {"xytext": (1.04, height), "annotation_clip": False}
        ax.annotate(name, at[name], color=shades[name], arrowprops=shape | {"color": shades[name]}, **around, **place)


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Move ascending heights apart by at least ``gap`` and as little as possible, inside 0 to 1 if there is room.

    Heights without their gaps must not fall: that is isotonic regression, by its formula of largest and smallest means.

    Example:
        >>> spread([0.25, 0.375, 0.875, 1.5], 0.25)
        [0.1875, 0.4375, 0.75, 1.0]
    """
    steps = gap * np.arange(len(heights))
    free = np.asarray(heights) - steps
    count = range(len(heights))
    kept = [max(min(free[i : k + 1].mean() for k in count[at:]) for i in count[: at + 1]) for at in count]
    return (np.minimum(np.maximum(kept, 0), 1 - steps[-1:]) + steps).tolist()


def panels(count: int, columns: int = 3, size: tuple[float, float] = (3.9, 3.1)) -> tuple[Figure, list[Axes]]:
    """Create a figure of ``count`` panels of a size in inches, with a number of columns."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figsize = size[0] * columns, size[1] * rows
    figure, axes = plt.subplots(rows, columns, figsize=figsize, layout="constrained", squeeze=False)
    for ax in axes.flat[count:]:
        ax.set_visible(False)
    return figure, list(axes.flat[:count])


def label_panel(ax: Axes, metric: str, x_label: str, relative: bool = False) -> None:
    """Set a title with direction, and axis labels with units."""
    kind, (_, _, cutoff) = kind_of(metric), metric.partition("@")
    ax.set_title(with_direction(metric), fontsize=11)
    ax.set_xlabel(x_label)
    what, _, _ = METRICS[kind].title.format(k=cutoff).partition(", ")
    unit = "\n/ unperturbed" if relative else "\n[share]" if kind in ("POS@K", "NEG@K") else ""
    ax.set_ylabel(what + unit, fontsize=SMALL)
    ax.grid(alpha=0.3)


def colour_labels(labels: Iterable[Text], names: Iterable[str]) -> None:
    """Give each label of an axis the colour of its explainer."""
    for label, name in zip(labels, names, strict=True):
        label.set_color(colour(name))


def label_rows(ax: Axes, names: Sequence[str], is_first: bool = True) -> None:
    """Names of explainers down the side of a panel, each in its colour; a thin line between two families."""
    ax.set_yticks(range(len(names)), names if is_first else [""] * len(names), fontsize=SMALL)
    colour_labels(ax.get_yticklabels(), names)
    for row, (above, below) in enumerate(pairwise(names)):
        if family_of(above) != family_of(below):
            ax.axhline(row + 0.5, color=LIGHT, linewidth=0.6, zorder=0)
    ax.set_ylim(len(names) - 0.5, -0.5)


def family_legend(figure: Figure, names: Iterable[str]) -> Figure:
    """One legend of the families of some explainers, below all panels."""
    there = {family_of(name) for name in names if name != "random"}
    shown = [FAMILIES[family] for family in FAMILIES if family in there]
    handles = [Line2D([], [], color=shade, marker="o", linestyle="none", label=label) for label, shade in shown]
    if "random" in names:
        handles.append(Line2D([], [], color=GREY, marker="o", linestyle="none", label="random order"))
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=SMALL)
    return figure


def note(figure: Figure, text: str) -> Figure:
    """One line below all panels that says how to read them."""
    figure.supxlabel(text, fontsize=SMALL, color="0.3")
    return figure
