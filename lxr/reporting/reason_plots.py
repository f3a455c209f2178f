"""Figures of shared reasons of several explanations."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lxr.reporting.families import AGAINST, FOR
from lxr.reporting.fonts import drawable
from lxr.reporting.style import SMALL, note, panels
from lxr.utils.extras import extra
from lxr.utils.markup import plain, shortened

with extra("plots"):
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_list(reasons: pd.DataFrame, *, count: int = 10) -> Figure:
    """Plot the main history items of one user's list: the share of explanations with each as a first reason.

    Args:
        reasons: rows of one user of :meth:`lxr.Explanations.by_list`.
        count: number of items.

    Raises:
        ValueError: no rows, or rows of several users.
    """
    users = reasons["user"].unique()
    if len(users) != 1:
        raise ValueError(f"reasons: expected rows of one user, as reasons[reasons['user'] == 3], found {len(users)}")
    shown, length = reasons.head(count), reasons["list"].iloc[0]
    figure, (ax,) = panels(1, size=(7.8, 1.1 + 0.28 * len(shown)))
    pairs = zip(shown["importance"], shown["share"], strict=True)
    labels = [f"{importance:.2f}" + (f" ({share * length:.0f} of {length})" if share else "") for importance, share in pairs]
    _draw_bars(ax, shown["reason_title"].tolist(), shown["importance"].to_numpy(), labels)
    heading = f"{length} recommendations of user {plain(users[0])}, because of"
    ax.set_title(heading, fontsize=11, loc="left", parse_math=False)
    ax.set_xlabel("importance, mean over the list\n(recommendations with the item among their first reasons)", fontsize=8)
    return figure


def plot_shared_reasons(reasons: pd.DataFrame, *, count: int = 5) -> Figure:
    """Plot the shared reasons of recommendations: a panel for each group or item, with a bar for each reason.

    Args:
        reasons: result of :meth:`lxr.Explanations.by_group` or :meth:`lxr.Explanations.by_item`, or some of its rows.
        count: reasons of each panel.

    Raises:
        ValueError: no rows.
    """
    if reasons.empty:
        raise ValueError("reasons: expected one or more rows, found none")
    key = "item" if "item" in reasons else "group"
    groups = [(name, rows.head(count)) for name, rows in reasons.groupby(key, sort=False)]
    most = max(len(shown) for _, shown in groups)
    figure, axes = panels(len(groups), columns=2, size=(5.5, 0.7 + 0.28 * most))
    for ax, (name, shown) in zip(axes, groups, strict=True):
        _draw_bars(
            ax, shown["reason_title"].tolist(), shown["share"].to_numpy(), [f"{share:.0%}" for share in shown["share"]]
        )
        heading = shown["title"].iloc[0] if key == "item" else name
        (heading,), fonts = drawable([shortened(plain(heading), 50)])
        number = f"{shown['explanations'].iloc[0]:,} explanations"
        ax.set_title(f"{heading} ({number})", fontsize=10, loc="left", parse_math=False, **fonts)
        ax.set(xlim=(0, 1.15 * reasons["share"].max()), ylim=(most - 0.5, -0.5))  # one scale for all panels
    return note(figure, "Share of the explanations with the item among their first reasons.")


def _draw_bars(ax: Axes, titles: Sequence[str], values: np.ndarray, labels: Sequence[str]) -> None:
    """A horizontal bar for each title, the first on top, with a label at its end."""
    names, fonts = drawable([shortened(plain(title), 50) for title in titles])
    bars = ax.barh(range(len(names)), values, height=0.7, color=[AGAINST if value < 0 else FOR for value in values])
    ax.bar_label(bars, labels, padding=3, fontsize=8)
    ax.margins(x=0.15)
    ax.set_yticks(range(len(names)), names, fontsize=SMALL, parse_math=False, **fonts)
    ax.invert_yaxis()
    ax.tick_params(length=0, labelbottom=False)
    ax.spines[["top", "right", "bottom"]].set_visible(False)
