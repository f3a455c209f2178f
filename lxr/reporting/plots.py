"""One function per figure. Every family of explainers has the same colour in all of them.

A figure shows at most six explainers in colour, LXR and the best of each family, and all others in grey.
"""

import itertools
import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lxr.explainers.registry import EXPLAINERS
from lxr.metrics.names import LOWER, direction
from lxr.metrics.result import FidelityResult
from lxr.reporting.families import AGAINST, FOR, MOST_LINES, in_families, in_front
from lxr.reporting.fonts import drawable
from lxr.reporting.formats import with_direction
from lxr.reporting.style import (
    DASHES,
    GREY,
    LIGHT,
    PANELS,
    SMALL,
    colour,
    colour_labels,
    dot,
    draw_lines,
    family_legend,
    label_ends,
    label_panel,
    label_rows,
    line,
    note,
    panels,
    spread,
)
from lxr.utils.extras import extra
from lxr.utils.markup import plain, shortened

with extra("plots"):
    import matplotlib.pyplot as plt
    import seaborn as sns
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GAINS = ("POS@20 gain", "NDCG gain", "CDCG@Ke=5 gain", "DEL gain", "INS gain")


def pareto_front(table: pd.DataFrame) -> list[str]:
    """Rows on the Pareto front: no other row is as good in every column and better in one.

    Args:
        table: explainers × metrics, the result of :func:`lxr.reporting.tables.fidelity_table`.

    Returns:
        Names of these rows, the best of the first column first.

    Example:
        >>> means = {"DEL": [0.1, 0.2, 0.3], "INS": [0.5, 0.7, 0.6]}
        >>> pareto_front(pd.DataFrame(means, index=["a", "b", "c"]))
        ['a', 'b']
    """
    signs = [1 if direction(column) == LOWER else -1 for column in table]
    costs = table.to_numpy() * signs
    beaten = [((costs <= row).all(axis=1) & (costs < row).any(axis=1)).any() for row in costs]
    front = table.index[~np.array(beaten)]
    return list(front[np.argsort(costs[~np.array(beaten), 0], kind="stable")])


def plot_fidelity(results: Mapping[str, FidelityResult], metrics: Sequence[tuple[str, str]] = PANELS) -> Figure:
    """Plot the eight panels of the papers: left perturbation curves (WWW 2024), right fixed-length metrics (SIGIR 2025).

    Lines are means over users. In colour, with their 95 % normal intervals (mean ± 1.96 standard errors): LXR, LXR on paths
    and the best of the other families by the NDCG of the curves. All others are grey.

    Args:
        results: explainer → result.
        metrics: pairs, one row of panels each: a name in ``FidelityResult.curves`` and one in ``FidelityResult.fixed``.
    """
    figure, axes = panels(2 * len(metrics), columns=2, size=(4.6, 2.7))
    front = in_front(pd.Series({name: result.curves["NDCG"].mean() for name, result in results.items()}))
    lengths = next(iter(results.values())).lengths
    for (curve, fixed), left, right in zip(metrics, axes[::2], axes[1::2], strict=True):
        steps = next(iter(results.values())).curves[curve].shape[1]
        draw_lines(left, np.linspace(0, 100, steps), {name: each.curves[curve] for name, each in results.items()}, front)
        draw_lines(right, lengths, {name: each.fixed[fixed] for name, each in results.items()}, front)
        how = "kept" if curve == "INS" else "removed"
        label_panel(left, curve, f"history {how}, most important first [%]")
        label_panel(right, fixed, f"most important items {how} (Ke)", relative=fixed in ("DEL", "INS"))
        right.set_xticks(lengths)
        label_ends(right, {name: (lengths[-1], results[name].fixed[fixed][:, -1].mean()) for name in front})
    return note(figure, _legend_text(front, results))


def _legend_text(front: Sequence[str], names: Collection[str]) -> str:
    """Meaning of the colours of lines."""
    others = len(names) - len(front)
    grey = f"; grey: the {others} other explainers" if others else ""
    return f"In colour: LXR and the best explainer of each family by NDCG{grey}."


def plot_groups(groups: Mapping[str, pd.DataFrame]) -> Figure:
    """Plot fidelity within groups of users: one column of panels per grouping, one row per metric.

    In colour: LXR, LXR on paths and the best of the other families, by the first metric.

    Args:
        groups: name of a grouping → result of :func:`lxr.metrics.group_table`.
    """
    first = next(iter(groups.values()))
    metrics = list(first.columns[3:])
    front = in_front(first.groupby("explainer", sort=False)[metrics[0]].mean())
    figure, axes = panels(len(groups) * len(metrics), columns=len(groups), size=(4.6, 2.7))
    for ax, (metric, what) in zip(axes, itertools.product(metrics, groups), strict=True):
        ends = {}
        for name, rows in groups[what].groupby("explainer", sort=False):
            marker = "o" if name in front else ""
            ax.plot(rows["group"].astype(str), rows[metric], **line(str(name), name in front), marker=marker, markersize=4)
            ends[str(name)] = len(rows) - 1, rows[metric].iloc[-1]
        label_panel(ax, metric, what)
        label_ends(ax, {name: ends[name] for name in front})
    return note(figure, _legend_text(front, first["explainer"].unique()))


def plot_cost(fidelity: pd.DataFrame, cost: pd.DataFrame, metrics: Sequence[str] = ("NDCG", "CDCG@Ke=5")) -> Figure:
    """Plot fidelity of explainers over their computing time: one panel per metric. The Pareto front has names.

    Args:
        fidelity: explainers × metrics, the result of :func:`lxr.reporting.tables.fidelity_table`.
        cost: result of :func:`lxr.evaluation.cost_table` for the same explainers.
        metrics: columns of ``fidelity``.
    """
    figure, axes = panels(len(metrics), columns=2, size=(4.6, 3.8))
    seconds = cost["explaining [s / 1,000 users]"].reindex(fidelity.index)
    for ax, metric in zip(axes, metrics, strict=True):
        for name in fidelity.index:
            ax.plot(seconds[name], fidelity[metric][name], **dot(name))
        ax.set_xscale("log")
        points = pd.DataFrame({"DEL": seconds, metric: fidelity[metric]})  # of seconds, too, lower is better
        front = {name: (seconds[name], fidelity[metric][name]) for name in pareto_front(points)}
        ax.plot(*zip(*front.values(), strict=True), color=LIGHT, linewidth=3, zorder=1)
        label_ends(ax, front, gap=0.055)
        ax.set_xlabel("explaining 1,000 users [s]")
        ax.set_ylabel(f"{metric} of the target", fontsize=SMALL)
        ax.set_title(with_direction(metric), fontsize=11)
        ax.grid(alpha=0.3)
    return family_legend(figure, fidelity.index)


def plot_pareto(fidelity: pd.DataFrame, pairs: Sequence[tuple[str, str]] = (("NDCG", "DEL"), ("NDCG", "INS"))) -> Figure:
    """Plot one metric of all explainers against another: one panel per pair, with the Pareto front.

    Nothing is better than the front. Its names are on its better side, the left one. What is not in the registry is a
    small grey dot without a name. An explainer that is three times as far from the best as the median is named above the
    panel instead of drawn.

    Args:
        fidelity: explainers × metrics, the result of :func:`lxr.reporting.tables.fidelity_table`.
        pairs: columns of ``fidelity``, along and up.
    """
    figure, axes = panels(len(pairs), columns=2, size=(4.9, 4.2))
    near = {pair: _near_best(fidelity[list(pair)]) for pair in pairs}
    known = [name for name in EXPLAINERS if name in fidelity.index]
    drawn = [name for name in known if any(each[name] for each in near.values())]  # in at least one panel
    for ax, pair in zip(axes, pairs, strict=True):
        points = fidelity.loc[near[pair], list(pair)]
        front = points.loc[pareto_front(points)]
        ax.plot(*front.to_numpy().T, color="0.8", linewidth=4, zorder=1)
        for name in drawn:
            ax.plot(*points[points.index == name].to_numpy().T, **dot(name))
        others = points.drop(index=known, errors="ignore")
        ax.plot(*others.to_numpy().T, ".", color="0.6", markersize=4, zorder=1.5)
        _name_front(ax, front)
        beyond = ", ".join(name for name in known if not near[pair][name])
        ax.set_title(textwrap.fill(f"far behind: {beyond or 'none'}", 70), fontsize=SMALL)
        ax.set_xlabel(f"{with_direction(pair[0])}, mean over users")
        ax.set_ylabel(f"{with_direction(pair[1])}, mean over users")
        ax.grid(alpha=0.3)
    return family_legend(figure, drawn)


def _near_best(points: pd.DataFrame, factor: float = 3) -> pd.Series:
    """Whether rows are near the best in every column: at most ``factor`` times as far as the median."""
    distance = (points - [points[column].agg("min" if direction(column) == LOWER else "max") for column in points]).abs()
    return (distance <= factor * distance.median() + 1e-9).all(axis=1)


def _name_front(ax: Axes, front: pd.DataFrame, gap: float = 0.055) -> None:
    """List the names of a front's points on the left of a panel, with lines to the points.

    Args:
        ax: the panel, all its points drawn.
        front: names × two coordinates.
        gap: distance of two names, as a share of the height.
    """
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    ax.set(xlim=(left - 0.6 * (right - left), right), ylim=(low, high))
    heights = ((front.iloc[:, 1] - low) / (high - low)).sort_values(kind="stable")
    thin: dict[str, Any] = {"arrowstyle": "-", "relpos": (1, 0.5), "color": "0.7", "linewidth": 0.8}
    place: dict[str, Any] = {
        "textcoords": "axes fraction",
        "va": "center",
        "fontsize": SMALL,
        "arrowprops": thin,
        "zorder": 1,
    }
    for name, height in zip(heights.index, spread(list(heights), gap), strict=True):
        shade = colour(name) if name in EXPLAINERS else GREY
        ax.annotate(name, front.loc[name], xytext=(0.02, height), color=shade, **place)


def plot_gain(gain: pd.DataFrame, columns: Sequence[str] = GAINS) -> Figure:
    """Plot the fidelity gain: one panel per column, a row for each explainer; families together, the best of each first.

    Args:
        gain: explainers × gains, the result of :func:`lxr.evaluation.fidelity_gain`.
        columns: of it.
    """
    names = in_families(gain.index, -gain[list(columns)].mean(axis=1))
    figure, axes = panels(len(columns), columns=len(columns), size=(9.4 / len(columns), 0.9 + 0.18 * len(names)))
    for ax, column in zip(axes, columns, strict=True):
        for bound in (0, 1):
            ax.axvline(bound, color="0.6", linewidth=1)
        for row, name in enumerate(names):
            ax.plot(gain[column][name], row, **dot(name))
        label_rows(ax, names, ax is axes[0])
        ax.set_xticks([0, 0.5, 1])
        ax.set_title(column.removesuffix(" gain"), fontsize=11)
        ax.grid(axis="x", alpha=0.3)
    return note(figure, "0: a random order. 1: a greedy search that knows the metric. Further right is better.")


def plot_explanation(
    titles: Sequence[str],
    importance: np.ndarray,
    *,
    heading: str,
    scale: str,
    sentence: str = "",
    ax: Axes | None = None,
    is_signed: bool = False,
) -> Axes:
    """Plot one explanation: a horizontal bar with its number per history item, the most important on top.

    Args:
        titles: titles of the history items, most important first.
        importance: (len(titles),) their scores, or numbers from 0 to 1 if the sign of a score has no meaning.
        heading: recommendation, above the bars.
        scale: meaning of the numbers, below the bars.
        sentence: counterfactual, below the scale; only in a new figure.
        ax: axes of the plot; a new figure by default.
        is_signed: whether a score below zero speaks against the item; if so, its bar is grey.

    Warns:
        UserWarning: no installed font has some of the characters; they are spelled out.
    """
    texts = [shortened(plain(heading), 120), plain(sentence), *(shortened(plain(title), 60) for title in titles)]
    (heading, sentence, *titles), fonts = drawable(texts)
    fonts |= {"parse_math": False}  # a title with dollars is not mathematics
    if ax is None:
        wrapped = textwrap.fill(sentence, 92)
        height = 1.1 + 0.28 * len(titles) + 0.2 * (wrapped.count("\n") + 1)
        figure, ax = plt.subplots(figsize=(7.8, height), layout="constrained")
        figure.supxlabel(wrapped, x=0.01, ha="left", fontsize=10, **fonts)
    bars = ax.barh(
        range(len(titles)), importance, color=[AGAINST if is_signed and score < 0 else FOR for score in importance]
    )
    numbers = [f"{score:{'.3g' if is_signed else '.2f'}}" for score in importance]
    ax.bar_label(bars, numbers, padding=3, fontsize=8)
    ax.margins(x=0.12)
    ax.set_yticks(range(len(titles)), titles, fontsize=SMALL, **fonts)
    ax.invert_yaxis()
    ax.tick_params(length=0, labelbottom=False)
    ax.spines[["top", "right", "bottom"]].set_visible(False)
    ax.set_xlabel(scale, fontsize=8, color="0.3", parse_math=False)
    ax.set_title(textwrap.fill(heading, 80), fontsize=11, loc="left", x=0.0, **fonts)
    return ax


def plot_training(training: pd.DataFrame, quality: str, *, lower_is_better: bool = False) -> Figure:
    """Plot training loss and validation quality over epochs, with a mark at the kept epoch.

    Args:
        training: columns ``epoch``, ``loss`` and ``quality``.
        quality: name of the validation column.
        lower_is_better: whether the kept epoch has the lowest quality value; else the highest.
    """
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


def plot_learning_curves(curves: Mapping[str, pd.Series], quality: str, floor: float, *, most: int = MOST_LINES) -> Figure:
    """Plot validation quality over epochs, one line per training, with its name at the end.

    In colour: the first training in black, and the trainings whose best epoch differs most from its best. All others are
    grey.

    Args:
        curves: name → quality indexed by epoch.
        quality: name of the quality.
        floor: quality of a random order, for a dotted line.
        most: largest number of lines in colour.
    """
    best = pd.Series({name: curve.min() if direction(quality) == LOWER else curve.max() for name, curve in curves.items()})
    first, apart = best.index[0], (best - best.iloc[0]).abs().iloc[1:].sort_values(ascending=False, kind="stable")
    chosen = [name for name in best.index[1:] if name in apart.index[: most - 1]]
    coloured = zip(chosen, sns.color_palette("colorblind"), strict=False)
    shades: dict[str, Any] = dict.fromkeys(curves, "0.55") | {first: "black"} | dict(coloured)
    figure, ax = plt.subplots(figsize=(7.8, 4.2), layout="constrained")
    for name, curve in curves.items():
        is_shown = name == first or name in chosen
        style = {"color": shades[name], "linewidth": 2.0, "zorder": 2} if is_shown else line(name, in_front=False)
        ax.plot(curve.index, curve, label=name, **style)
    ax.axhline(floor, color=GREY, linestyle=DASHES[2])
    last = max(curve.index[-1] for curve in curves.values())
    ends = {name: (curve.index[-1], curve.iloc[-1]) for name, curve in curves.items()}
    label_ends(ax, ends | {"random order": (last, floor)}, gap=0.06, shades=shades | {"random order": GREY})
    ax.set_xlabel("epoch")
    ax.set_ylabel(f"{quality} of validation users {direction(quality)}")
    ax.grid(alpha=0.3)
    return note(figure, f"In colour: {first}, and those whose best epoch differs most from its best. Grey: the others.")


def plot_history_lengths(lengths: np.ndarray, popularity: np.ndarray) -> Figure:
    """Plot the distributions of history lengths and item popularity.

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
    """Plot a heat map of the agreement between explainers; families together.

    Args:
        agreement: result of :func:`lxr.metrics.agreement_table`.
    """
    names = in_families(agreement.index)
    size = 2.2 + 0.26 * len(names)
    figure, ax = plt.subplots(figsize=(size + 1, size), layout="constrained")
    image = ax.imshow(agreement.loc[names, names], vmin=0, vmax=1, cmap="Greys")
    label_rows(ax, names)
    ax.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor", fontsize=SMALL)
    colour_labels(ax.get_xticklabels(), names)
    figure.colorbar(image, label="rank-biased overlap of two orders, mean over users", shrink=0.8)
    return figure


def plot_sanity(correlation: pd.DataFrame, cascade: Sequence[str], apart: Sequence[str]) -> Figure:
    """Plot the sanity check: rank correlation after the recommender is randomized (Adebayo et al., NeurIPS 2018).

    A row for each explainer, families together. Left, the layers are randomized one after the other; right, independent
    changes.

    Args:
        correlation: explainers × changes, mean rank correlation with the explanation of the original recommender.
        cascade: columns that follow one another.
        apart: columns of independent changes.
    """
    names, columns = in_families(correlation.index), [*cascade, *apart]
    labels = [f"{'+ ' * (column in cascade)}{column}".replace("_", " ") for column in columns]
    figure, ax = plt.subplots(figsize=(2.6 + 1.3 * len(columns), 1.2 + 0.27 * len(names)), layout="constrained")
    values = correlation.loc[names, columns]
    shade: dict[str, Any] = {"vmin": 0, "vmax": 1, "cmap": "Greys", "cbar": False, "linewidths": 1}
    digits: dict[str, Any] = {"annot": True, "fmt": ".2f", "annot_kws": {"fontsize": SMALL}}
    sns.heatmap(values.set_axis(labels, axis=1), ax=ax, **shade, **digits)
    ax.set_yticks(np.arange(len(names)) + 0.5, names, fontsize=SMALL, rotation=0)
    colour_labels(ax.get_yticklabels(), names)
    ax.axvline(len(cascade), color="white", linewidth=6)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.set_ylabel("")
    return note(figure, "Rank correlation with the explanation of the trained recommender, mean over users.")
