"""Figures, one function each. An explainer has the same colour, marker and line in all figures."""

import itertools
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lxr.explainers.registry import EXPLAINERS
from lxr.metrics.names import LOWER, direction
from lxr.metrics.result import FidelityResult
from lxr.reporting.fonts import drawable
from lxr.reporting.formats import with_direction
from lxr.reporting.style import DASHES, PANELS, SMALL, add_legend, draw_line, label_panel, panels, style
from lxr.utils.extras import extra
from lxr.utils.markup import plain, shortened

with extra("plots"):
    import matplotlib.pyplot as plt
    import seaborn as sns
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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

    Lines are means over users; bands are 95 % normal intervals, mean ± 1.96 standard errors.

    Args:
        results: explainer → result.
        metrics: pairs, one row of panels each: a name in ``FidelityResult.curves`` and one in ``FidelityResult.fixed``.
    """
    figure, axes = panels(2 * len(metrics), columns=2, size=(5.85, 3.3))
    for (curve, fixed), left, right in zip(metrics, axes[::2], axes[1::2], strict=True):
        for name, result in results.items():
            values = result.curves[curve]
            draw_line(left, name, np.linspace(0, 100, values.shape[1]), values)
            draw_line(right, name, result.lengths, result.fixed[fixed])
        label_panel(left, curve, "history kept [%]" if curve == "INS" else "history removed [%]")
        label_panel(right, fixed, "explanation length Ke [items]", relative=fixed in ("DEL", "INS"))
        right.set_xticks(next(iter(results.values())).lengths)
    return add_legend(figure, axes[0])


def plot_groups(groups: Mapping[str, pd.DataFrame]) -> Figure:
    """Plot fidelity within groups of users: one column of panels per grouping, one row per metric.

    Args:
        groups: name of a grouping → result of :func:`lxr.metrics.group_table`.
    """
    metrics = list(next(iter(groups.values())).columns[3:])
    figure, axes = panels(len(groups) * len(metrics), columns=len(groups), size=(5.85, 3.3))
    for ax, (metric, what) in zip(axes, itertools.product(metrics, groups), strict=True):
        for name, rows in groups[what].groupby("explainer", sort=False):
            ax.plot(rows["group"].astype(str), rows[metric], **style(name))
        label_panel(ax, metric, what)
    return add_legend(figure, axes[0])


def plot_cost(fidelity: pd.DataFrame, cost: pd.DataFrame, metrics: Sequence[str] = ("NDCG", "CDCG@Ke=5")) -> Figure:
    """Plot fidelity of explainers over their computing time: one panel per metric.

    Args:
        fidelity: explainers × metrics, the result of :func:`lxr.reporting.tables.fidelity_table`.
        cost: result of :func:`lxr.evaluation.cost_table` for the same explainers.
        metrics: columns of ``fidelity``.
    """
    figure, axes = panels(len(metrics), columns=2, size=(5.85, 3.6))
    for ax, metric in zip(axes, metrics, strict=True):
        for name in fidelity.index:
            seconds = cost["explaining [s / 1,000 users]"][name]
            ax.plot(seconds, fidelity[metric][name], **style(name) | {"linestyle": "none", "markevery": None})
        ax.set_xscale("log")
        ax.set_xlabel("explaining 1,000 users [s]")
        ax.set_ylabel(f"{metric} of the target,\nmost important removed", fontsize=SMALL)
        ax.set_title(with_direction(metric), fontsize=11)
        ax.grid(alpha=0.3)
    return add_legend(figure, axes[0])


def plot_pareto(fidelity: pd.DataFrame, pairs: Sequence[tuple[str, str]] = (("NDCG", "DEL"), ("NDCG", "INS"))) -> Figure:
    """Plot one metric of all explainers against another: one panel per pair, with the Pareto front.

    The better (left) side of the front is empty, so the names of its explainers are there. Explainers outside the registry
    are small dots without names. An explainer that is three times as far from the best as the median is named instead of
    drawn, to keep the scale useful.

    Args:
        fidelity: explainers × metrics, the result of :func:`lxr.reporting.tables.fidelity_table`.
        pairs: columns of ``fidelity``, along and up.
    """
    figure, axes = panels(len(pairs), columns=2, size=(5.85, 4.6))
    near = {pair: _near_best(fidelity[list(pair)]) for pair in pairs}
    known = [name for name in EXPLAINERS if name in fidelity.index]
    drawn = [name for name in known if any(each[name] for each in near.values())]  # in at least one panel
    for ax, pair in zip(axes, pairs, strict=True):
        points = fidelity.loc[near[pair], list(pair)]
        front = points.loc[pareto_front(points)]
        ax.plot(*front.to_numpy().T, color="0.8", linewidth=4, zorder=1)
        for name in drawn:
            ax.plot(*points[points.index == name].to_numpy().T, **style(name) | {"linestyle": "none", "markevery": None})
        others = points.drop(index=known, errors="ignore")
        ax.plot(*others.to_numpy().T, ".", color="0.6", markersize=5, label="not registered", zorder=1.5)
        _name_front(ax, front)
        beyond = ", ".join(name for name in known if not near[pair][name])
        ax.set_title(textwrap.fill(f"far behind: {beyond or 'none'}", 80), fontsize=SMALL)
        ax.set_xlabel(f"{with_direction(pair[0])}, mean over users")
        ax.set_ylabel(f"{with_direction(pair[1])}, mean over users")
        ax.grid(alpha=0.3)
    return add_legend(figure, axes[0])


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
    above = -np.inf
    heights = ((front.iloc[:, 1] - low) / (high - low)).sort_values(kind="stable")
    for place, name in enumerate(heights.index):
        highest = 0.96 - gap * (len(heights) - 1 - place)  # leave room for the names that follow
        above = min(max(heights.iloc[place], above + gap), highest)
        line = {"arrowstyle": "-", "color": "0.7", "linewidth": 0.8}
        ax.annotate(
            name,
            front.loc[name],
            xytext=(0.02, above),
            textcoords="axes fraction",
            va="center",
            fontsize=SMALL,
            arrowprops=line,
            zorder=1,
        )


def plot_gain(gain: pd.DataFrame) -> Figure:
    """Plot the fidelity gain: one panel per column, one row per explainer in the order of the registry.

    Args:
        gain: explainers × gains, the result of :func:`lxr.evaluation.fidelity_gain`; missing values are left out.
    """
    names = [name for name in EXPLAINERS if name in gain.index] + [name for name in gain.index if name not in EXPLAINERS]
    figure, axes = panels(len(gain.columns), size=(3.9, 3.6))
    for panel, (ax, column) in enumerate(zip(axes, gain.columns, strict=True)):
        for bound in (0, 1):
            ax.axvline(bound, color="0.6", linewidth=1)
        for row, name in enumerate(names):
            ax.plot(gain[column][name], row, **style(name) | {"linestyle": "none", "markevery": None})
        ax.set_yticks(range(len(names)), names if panel % 3 == 0 else [""] * len(names), fontsize=SMALL)
        ax.set_ylim(len(names) - 0.5, -0.5)
        ax.locator_params(axis="x", nbins=6)
        ax.set_xlabel("gain: 0 random, 1 greedy", fontsize=SMALL)
        ax.set_title(column, fontsize=11)
        ax.grid(alpha=0.3)
    return figure


def plot_explanation(
    titles: Sequence[str],
    importance: np.ndarray,
    recommended: str,
    explainer: str,
    *,
    ax: Axes | None = None,
    is_signed: bool = False,
) -> Axes:
    """Plot one explanation: a horizontal bar per history item, the most important on top.

    Args:
        titles: titles of the history items, most important first.
        importance: (len(titles),) their scores, or numbers from 0 to 1 if the sign of a score has no meaning.
        recommended: title of the explained item.
        explainer: name of the explainer, for the colour.
        ax: axes of the plot; a new figure by default.
        is_signed: whether a score below zero speaks against the item; if so, its bar is grey, and the axis states this.

    Warns:
        UserWarning: no installed font has some of the characters; they are spelled out.
    """
    (recommended, *titles), fonts = drawable([shortened(plain(title), 60) for title in (recommended, *titles)])
    fonts |= {"parse_math": False}  # a title with dollars is not mathematics
    if ax is None:
        _, ax = plt.subplots(figsize=(7.8, 1.2 + 0.28 * len(titles)), layout="constrained")
    colours = ["0.75" if is_signed and score < 0 else style(explainer)["color"] for score in importance]
    ax.barh(range(len(titles)), importance, color=colours)
    ax.set_yticks(range(len(titles)), titles, fontsize=8, **fonts)
    ax.invert_yaxis()
    meaning = ("\ngrey: speaks against it" * ("0.75" in colours)) if is_signed else "\nfrom 0 (least) to 1 (most)"
    ax.set_xlabel(f"importance by {explainer}{meaning}", fontsize=8, parse_math=False)
    ax.set_title(f"“{recommended}”, because of", fontsize=11, **fonts)
    ax.grid(axis="x", alpha=0.3)
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


def plot_learning_curves(curves: Mapping[str, pd.Series], quality: str, floor: float) -> Figure:
    """Plot validation quality over epochs, one line per training.

    Args:
        curves: name → quality indexed by epoch.
        quality: name of the quality.
        floor: quality of a random order, for a dotted line.
    """
    figure, ax = plt.subplots(figsize=(7.8, 4.2), layout="constrained")
    palette = sns.color_palette("colorblind")
    for place, (name, curve) in enumerate(curves.items()):
        dashes = DASHES[place % len(DASHES)]
        colour, width = (palette[place % len(palette)], 1.5) if place else ("black", 2.5)
        ax.plot(curve.index, curve, color=colour, linestyle=dashes, linewidth=width, label=name)
    ax.axhline(floor, color="0.6", linestyle=":", label="random order")
    ax.set_xlabel("epoch")
    ax.set_ylabel(f"{quality} of validation users {direction(quality)}")
    ax.grid(alpha=0.3)
    figure.legend(loc="outside right center", frameon=False, fontsize=SMALL, handlelength=3.5)
    return figure


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
    """Plot a heat map of the agreement between explainers.

    Args:
        agreement: result of :func:`lxr.metrics.agreement_table`.
    """
    size = 1.6 + 0.62 * len(agreement)
    figure, ax = plt.subplots(figsize=(size + 1, size), layout="constrained")
    sns.heatmap(agreement, vmin=0, vmax=1, annot=True, fmt=".2f", cmap="Greys", square=True, ax=ax, cbar=False)
    ax.set_xticks(ax.get_xticks(), agreement.columns, rotation=45, ha="right", rotation_mode="anchor")
    ax.tick_params(axis="y", labelrotation=0)
    for text in ax.texts:  # black and white have the same contrast to this grey
        text.set_color("white" if float(text.get_text()) > 0.62 else "black")
    ax.set_title("rank-biased overlap of the orders of a history, mean over users", fontsize=10)
    return figure


def plot_sanity(correlation: pd.DataFrame, cascade: Sequence[str], apart: Mapping[str, str]) -> Figure:
    """Plot the sanity check: rank correlation after the recommender is randomized (Adebayo et al., NeurIPS 2018).

    Left, one line per explainer over the layers that are randomised one by one, starting at 1 for the original recommender.
    Right, one row per explainer for independent changes; the rows are also the legend of the lines.

    Args:
        correlation: explainers × changes, mean rank correlation with the explanation of the original recommender.
        cascade: columns that follow one another.
        apart: columns of independent changes → fill of their markers, ``"full"`` or ``"none"``.
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
    left.set_ylabel("rank correlation with the explanation\nof the trained recommender, mean over users", fontsize=SMALL)
    left.set_title("random weights (markers as on the right)", fontsize=11)
    right.set_yticks(range(len(lines)), lines.index)
    right.invert_yaxis()
    right.set_xlabel("rank correlation")
    right.set_title(", ".join(f"{change} ({'●' if fill == 'full' else '○'})" for change, fill in apart.items()), fontsize=11)
    for ax in (left, right):
        ax.grid(alpha=0.3)
    return figure
