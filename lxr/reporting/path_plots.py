"""Figures of LXR on paths."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from lxr.explainers.registry import EXPLAINERS
from lxr.metrics.names import direction
from lxr.reporting.families import PATH_RED
from lxr.reporting.formats import with_direction
from lxr.reporting.style import DASHES, SMALL, line
from lxr.utils.extras import extra

with extra("plots"):
    import matplotlib.pyplot as plt
    import seaborn as sns
    from matplotlib.figure import Figure


def plot_path_agreement(agreement: pd.DataFrame) -> Figure:
    """Plot the agreement of orders along a deletion path; orders that are not in the registry are grey.

    Args:
        agreement: result of :func:`lxr.evaluation.path_analysis.path_agreement_table`.
    """
    figure, ax = plt.subplots(figsize=(7.8, 3.6), layout="constrained")
    for place, (name, values) in enumerate(agreement.items()):
        plain = {"color": "0.45", "linestyle": DASHES[1 + place % 3], "marker": None, "label": name}
        ax.plot(100 * agreement.index, values, **line(str(name)) if name in EXPLAINERS else plain)
    ax.set_xlabel("history removed along the path [%]")
    ax.set_ylabel("rank correlation with the gradient there,\nitems that are left, mean over users", fontsize=SMALL)
    ax.grid(alpha=0.3)
    ax.legend(frameon=False, handlelength=3.5)
    return figure


def plot_signals(signals: pd.DataFrame) -> Figure:
    """Plot mean signals of groups of items, look by look.

    Args:
        signals: result of :func:`lxr.evaluation.path_analysis.signal_table`, one line per row.
    """
    figure, ax = plt.subplots(figsize=(7.8, 3.6), layout="constrained")
    palette, last = sns.color_palette("colorblind"), signals.shape[1] - 1
    for place, (name, values) in enumerate(signals.iterrows()):
        ax.plot(range(len(values)), values, color=palette[place], marker="o", markersize=4)
        offset: dict[str, Any] = {"xytext": (6, 0), "textcoords": "offset points", "va": "center", "annotation_clip": False}
        ax.annotate(name, (last, values.iloc[-1]), color=palette[place], fontsize=SMALL, **offset)
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
    """Plot a learning curve over the number of training users.

    Args:
        growth: quality indexed by the number of training users.
        references: name → quality of untrained methods, for horizontal lines.
        quality: name of the quality.
    """
    figure, ax = plt.subplots(figsize=(7.8, 3.6), layout="constrained")
    ax.plot(growth.index, growth, "o-", color=PATH_RED)
    for place, (name, value) in enumerate(references.items()):
        ax.axhline(value, color="0.45", linestyle=DASHES[1 + place % 3], label=name)
    ax.set_xscale("log")
    ax.set_xticks(growth.index, [f"{count:,}" for count in growth.index])
    ax.minorticks_off()
    ax.set_xlabel("training users (log scale)")
    ax.set_ylabel(f"{quality} of validation users {direction(quality)}")
    ax.grid(alpha=0.3)
    ax.legend(frameon=False, handlelength=3.5)
    return figure
