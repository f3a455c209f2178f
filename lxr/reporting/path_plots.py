"""Figures of LXR on paths."""

from collections.abc import Mapping

import pandas as pd

from lxr.metrics.names import direction
from lxr.reporting.families import FAMILIES, PATH_RED
from lxr.reporting.formats import with_direction
from lxr.reporting.style import DASHES, SMALL, colour, label_ends
from lxr.utils.extras import extra

with extra("plots"):
    import matplotlib.pyplot as plt
    import seaborn as sns
    from matplotlib.figure import Figure

SIZE = (7.8, 3.6)  # inches
GRADIENTS, PATHS = FAMILIES["gradient"][1], FAMILIES["path"][1]
TEACHERS = {"one gradient": GRADIENTS, "path": PATHS, "path of the looks": PATHS}  # what nothing is learned in → its colour


def plot_path_agreement(agreement: pd.DataFrame) -> Figure:
    """Plot the agreement of orders along a deletion path, with their names at the ends of the lines.

    Args:
        agreement: result of :func:`lxr.evaluation.path_analysis.path_agreement_table`; its columns are names of explainers
            or of :data:`TEACHERS`.
    """
    figure, ax = plt.subplots(figsize=SIZE, layout="constrained")
    removed = 100 * agreement.index.to_numpy()
    shades = {str(name): TEACHERS.get(str(name)) or colour(str(name)) for name in agreement}
    for name, values in agreement.items():
        ax.plot(removed, values, color=shades[str(name)], linewidth=2, marker="o", markersize=4, label=name)
    ends = {str(name): (removed[-1], values.iloc[-1]) for name, values in agreement.items()}
    label_ends(ax, ends, shades=shades)
    ax.set_xlabel("history removed along the path [%]")
    ax.set_ylabel("rank correlation with the gradient there,\nitems that are left, mean over users", fontsize=SMALL)
    ax.grid(alpha=0.3)
    return figure


def plot_signals(signals: pd.DataFrame) -> Figure:
    """Plot mean signals of groups of items, look by look.

    Args:
        signals: result of :func:`lxr.evaluation.path_analysis.signal_table`, one line per row.
    """
    figure, ax = plt.subplots(figsize=SIZE, layout="constrained")
    shades = dict(zip(signals.index, sns.color_palette("colorblind"), strict=False))
    for name, values in signals.iterrows():
        ax.plot(range(len(values)), values, color=shades[name], linewidth=2, marker="o", markersize=4)
    label_ends(ax, {str(name): (signals.shape[1] - 1, value) for name, value in signals.iloc[:, -1].items()}, shades=shades)
    ax.set_xticks(range(signals.shape[1]), [column.removesuffix(" out") for column in signals.columns])
    ax.set_xlabel("items removed before the gradient is taken")
    ax.set_ylabel("signal, relative to its mean size\nover the history, mean over items", fontsize=SMALL)
    ax.grid(alpha=0.3)
    return figure


def plot_reliance(reliance: pd.Series, metric: str) -> Figure:
    """Plot the importance of signals: one bar each, from the full network to the network without the signal.

    Args:
        reliance: result of :func:`lxr.evaluation.path_analysis.reliance_table`; its first entry is the unchanged network.
        metric: name of the metric.
    """
    intact, shuffled = reliance.iloc[0], reliance.iloc[1:]
    figure, ax = plt.subplots(figsize=(7.8, 0.9 + 0.32 * len(shuffled)), layout="constrained")
    ax.use_sticky_edges = False
    ax.barh(range(len(shuffled)), shuffled - intact, left=intact, color="0.4")
    ax.axvline(intact, color="black", linewidth=1)
    ax.set_yticks(range(len(shuffled)), shuffled.index)
    ax.invert_yaxis()
    ax.set_xlabel(f"{with_direction(metric)} of validation users, signal shuffled (line: not shuffled)", fontsize=SMALL)
    ax.grid(axis="x", alpha=0.3)
    return figure


def plot_growth(growth: pd.Series, references: Mapping[str, float], quality: str) -> Figure:
    """Plot a learning curve of LXR on paths over the number of training users, with its name at the end.

    Args:
        growth: quality indexed by the number of training users.
        references: name in :data:`TEACHERS` → quality of the untrained method, for horizontal lines.
        quality: name of the quality.
    """
    figure, ax = plt.subplots(figsize=SIZE, layout="constrained")
    ours, last = FAMILIES["lxr-path"][0], growth.index[-1]
    ax.plot(growth.index, growth, "o-", color=PATH_RED, linewidth=2)
    for name, value in references.items():
        ax.axhline(value, color=TEACHERS[name], linestyle=DASHES[1], zorder=1)
    ax.set_xscale("log")
    ax.set_xticks(growth.index, [f"{count:,}" for count in growth.index])
    ax.minorticks_off()
    ends = {name: (last, value) for name, value in references.items()} | {ours: (last, growth.iloc[-1])}
    label_ends(ax, ends, shades={**TEACHERS, ours: PATH_RED})
    ax.set_xlabel("training users (log scale)")
    ax.set_ylabel(f"{quality} of validation users {direction(quality)}")
    ax.grid(alpha=0.3)
    return figure
