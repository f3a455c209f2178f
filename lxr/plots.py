"""One function per figure. Every explainer has the same colour, marker and line in all of them."""

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lxr.explainers import EXPLAINERS
from lxr.fidelity import FidelityResult, direction

CURVES = ("POS@5", "POS@20", "NDCG", "DEL", "NEG@20", "INS")
FIXED = ("POS@1", "POS@5", "POS@20", "CDCG", "DEL", "INS")
MARKERS = "oXs^vDPp<>*h"
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)))
TITLES = {
    "POS": "users with target in top {k}, most important removed",
    "NEG": "users with target in top {k}, least important removed",
    "NDCG": "NDCG of the target, most important removed",
    "CDCG": "DCG of the target, most important removed",
    "DEL": "probability of the target, most important removed",
    "INS": "probability of the target, only most important kept",
}


def style(explainer: str) -> dict:
    """Colour, marker and line of an explainer: by its place in the registry, distinct in black and white too.

    LXR, the method under study, is black and thick. Neighbours carry their markers at alternate points, so that two lines
    that coincide are still both seen.
    """
    place = list(EXPLAINERS).index(explainer) if explainer in EXPLAINERS else len(EXPLAINERS)
    palette = sns.color_palette("colorblind")
    emphasis = explainer.startswith("lxr")
    return {
        "color": "black" if emphasis else palette[place % len(palette)],
        "marker": MARKERS[place % len(MARKERS)],
        "markevery": (place % 2, 2),
        "linestyle": "-" if emphasis else DASHES[place % len(DASHES)],
        "markersize": 6,
        "linewidth": 2.5 if emphasis else 1.5,
        "label": explainer,
    }


def plot_curves(results: Mapping[str, FidelityResult], metrics: Sequence[str] = CURVES) -> Figure:
    """Perturbation curves: one panel per metric, explainers as lines over the share of the history (WWW 2024).

    Args:
        results: explainer → result.
        metrics: names in ``FidelityResult.curves``.
    """

    def line(result: FidelityResult, metric: str) -> tuple[np.ndarray, np.ndarray]:
        mean = result.curves[metric].mean(axis=0)  # (steps + 1,)
        return np.linspace(0, 100, len(mean)), mean

    def label(ax: Axes, metric: str) -> None:
        label_panel(ax, metric, "history kept [%]" if metric == "INS" else "history removed [%]")

    return line_panels(results, metrics, line, label)


def plot_fixed(results: Mapping[str, FidelityResult], metrics: Sequence[str] = FIXED) -> Figure:
    """Fixed-length metrics: one panel per metric, explainers as lines over the explanation length Ke (SIGIR 2025).

    Args:
        results: explainer → result.
        metrics: names in ``FidelityResult.fixed``.
    """

    def line(result: FidelityResult, metric: str) -> tuple[tuple[int, ...], np.ndarray]:
        return result.lengths, result.fixed[metric].mean(axis=0)

    def label(ax: Axes, metric: str) -> None:
        label_panel(ax, metric, "explanation length Ke [items]", relative=metric in ("DEL", "INS"))
        ax.set_xticks(next(iter(results.values())).lengths)

    return line_panels(results, metrics, line, label)


def plot_cost(fidelity: pd.DataFrame, cost: pd.DataFrame, metrics: Sequence[str] = ("NDCG ↓", "CDCG@Ke=5 ↓")) -> Figure:
    """Fidelity of explainers over the time they take: one panel per metric.

    Args:
        fidelity: explainers × metrics, what :func:`lxr.tables.fidelity_table` returns.
        cost: what :func:`lxr.cost_table` returns, indexed by the same explainers.
        metrics: columns of ``fidelity``.
    """
    figure, axes = panels(len(metrics))
    for ax, metric in zip(axes, metrics, strict=True):
        for name in fidelity.index:
            seconds = cost["explaining [s / 1,000 users]"][name]
            ax.plot(seconds, fidelity[metric][name], **style(name) | {"linestyle": "none", "markevery": None})
        ax.set_xscale("log")
        ax.set_xlabel("explaining 1,000 users [s]")
        ax.set_ylabel(f"{metric.split()[0]} of the target,\nmost important removed", fontsize=8)
        ax.set_title(metric, fontsize=11)
        ax.grid(alpha=0.3)
    return add_legend(figure, axes[0])


def line_panels(
    results: Mapping[str, FidelityResult],
    metrics: Sequence[str],
    line: Callable[[FidelityResult, str], tuple],
    label: Callable[[Axes, str], None],
) -> Figure:
    """One panel per metric, one line (x, y) per explainer, one legend."""
    figure, axes = panels(len(metrics))
    for ax, metric in zip(axes, metrics, strict=True):
        for name, result in results.items():
            ax.plot(*line(result, metric), **style(name))
        label(ax, metric)
    return add_legend(figure, axes[0])


def panels(count: int) -> tuple[Figure, list[Axes]]:
    """A figure of ``count`` panels, three in a row."""
    columns = min(3, count)
    rows = -(-count // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(3.9 * columns, 3.1 * rows), layout="constrained", squeeze=False)
    for ax in axes.flat[count:]:
        ax.set_visible(False)
    return figure, list(axes.flat[:count])


def label_panel(ax: Axes, metric: str, x_label: str, relative: bool = False) -> None:
    """Title with direction, axes with units."""
    kind, _, cutoff = metric.partition("@")
    description = TITLES[kind].format(k=cutoff)
    ax.set_title(f"{metric} {direction(metric)}", fontsize=11)
    ax.set_xlabel(x_label)
    what, _, change = description.partition(", ")
    unit = " / unperturbed" if relative else " [share]" if kind in ("POS", "NEG") else ""
    ax.set_ylabel(f"{what}{unit},\n{change}", fontsize=8)
    ax.grid(alpha=0.3)


def add_legend(figure: Figure, ax: Axes) -> Figure:
    """One legend for all panels, below them, in room of its own."""
    handles, labels = ax.get_legend_handles_labels()
    columns = min(len(labels), int(figure.get_figwidth() / 2.3))
    rows = -(-len(labels) // columns)
    figure.set_figheight(figure.get_figheight() + 0.22 * rows)
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False, handlelength=3.5)
    return figure


def plot_training(training: pd.DataFrame, quality: str) -> Figure:
    """Training loss and validation quality over epochs, the kept epoch marked.

    Args:
        training: columns ``epoch``, ``loss`` and ``quality``.
        quality: name of the validation column; it is minimal at the kept epoch if lower is better, else maximal.
    """
    lower_is_better = quality.startswith("POS")
    best = training[quality].idxmin() if lower_is_better else training[quality].idxmax()
    figure, axes = panels(2)
    for ax, column, label in ((axes[0], "loss", "training loss"), (axes[1], quality, f"{quality} of validation users")):
        ax.plot(training["epoch"], training[column], color="0.2")
        ax.axvline(training["epoch"][best], color="0.6", linestyle=":")
        ax.set_xlabel("epoch")
        ax.set_ylabel(label)
        ax.grid(alpha=0.3)
    axes[1].plot(training["epoch"][best], training[quality][best], "o", color="0.2", label="kept")
    axes[1].legend(frameon=False)
    return figure


def plot_history_lengths(lengths: np.ndarray, popularity: np.ndarray) -> Figure:
    """Distributions of the lengths of histories and of the popularity of items.

    Args:
        lengths: (n_users,) items per user.
        popularity: (n_items,) users per item.
    """
    figure, axes = panels(2)
    for ax, values, what in ((axes[0], lengths, "items per user"), (axes[1], popularity, "users per item")):
        sns.histplot(values, bins=40, log_scale=True, color="0.4", ax=ax)
        ax.set_xlabel(f"{what} (log scale)")
        ax.set_ylabel("number of " + what.rpartition(" ")[2] + "s")
    return figure


def plot_agreement(agreement: pd.DataFrame) -> Figure:
    """Heat map of the agreement between explainers.

    Args:
        agreement: what :func:`lxr.tables.agreement_table` returns.
    """
    size = 1.6 + 0.62 * len(agreement)
    figure, ax = plt.subplots(figsize=(size + 1, size), layout="constrained")
    sns.heatmap(agreement, vmin=0, vmax=1, annot=True, fmt=".2f", cmap="Greys", square=True, ax=ax, cbar=False)
    ax.tick_params(axis="x", labelrotation=45)
    ax.tick_params(axis="y", labelrotation=0)
    ax.set_title("rank-biased overlap of the orders of a history, mean over users", fontsize=10)
    return figure


def plot_sanity(correlation: pd.DataFrame, cascade: Sequence[str], apart: Mapping[str, str]) -> Figure:
    """What is left of explanations when the recommender is made meaningless (Adebayo et al., NeurIPS 2018).

    Left, one line per explainer over the layers that are randomised one after the other, from 1 for the recommender as it
    is. Right, one row per explainer for changes that stand by themselves; the rows are the legend of the lines too.

    Args:
        correlation: explainers × changes, mean rank correlation with the explanation of the recommender as it is.
        cascade: columns that follow one another.
        apart: columns that stand by themselves → fill of their markers, ``"full"`` or ``"none"``.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 5.2), layout="constrained")
    lines = pd.concat([pd.Series(1.0, correlation.index), correlation[list(cascade)]], axis=1)
    for place, (name, values) in enumerate(lines.iterrows()):
        left.plot(range(len(values)), values, **style(name) | {"markevery": None})
        for change, fill in apart.items():
            alone = {"linestyle": "none", "markevery": None, "fillstyle": fill}
            right.plot(correlation[change][name], place, **style(name) | alone)
    left.set_xticks(range(lines.shape[1]), ["none", *(f"+ {layer}" for layer in cascade)])
    left.set_xlabel("layers randomised, one after the other")
    left.set_ylabel("rank correlation with the explanation\nof the trained recommender, mean over users", fontsize=8)
    left.set_title("random weights (markers as on the right)", fontsize=11)
    right.set_yticks(range(len(lines)), lines.index)
    right.invert_yaxis()
    right.set_xlabel("rank correlation")
    right.set_title(", ".join(f"{change} ({'●' if fill == 'full' else '○'})" for change, fill in apart.items()), fontsize=11)
    for ax in (left, right):
        ax.grid(alpha=0.3)
    return figure
