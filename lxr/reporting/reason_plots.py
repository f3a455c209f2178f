"""Figures of shared reasons of several explanations."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lxr.reporting.families import AGAINST, FOR
from lxr.reporting.fonts import drawable
from lxr.reporting.style import SMALL, panels
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
    shown = reasons.head(count)
    figure, (ax,) = panels(1, size=(7.8, 1.3 + 0.28 * len(shown)))
    _draw_bars(ax, shown["reason_title"].tolist(), shown["importance"].to_numpy(), shown["share"].tolist())
    heading = f"{shown['list'].iloc[0]} recommendations of user {plain(users[0])}, because of"
    ax.set_title(heading, fontsize=11, parse_math=False)
    ax.set_xlabel("importance, mean over the list\n(share of the list with it among the first reasons)", fontsize=8)
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
    groups = list(reasons.groupby(key, sort=False))
    figure, axes = panels(len(groups), columns=2, size=(5.5, 1.3 + 0.28 * count))
    for ax, (name, rows) in zip(axes, groups, strict=True):
        shown = rows.head(count)
        _draw_bars(ax, shown["reason_title"].tolist(), shown["share"].to_numpy())
        heading = rows["title"].iloc[0] if key == "item" else name
        (heading,), fonts = drawable([shortened(plain(heading), 50)])
        ax.set_title(f"{heading} ({rows['explanations'].iloc[0]} explanations)", fontsize=10, parse_math=False, **fonts)
        ax.set_xlabel("share with it among the first reasons", fontsize=8)
    return figure


def _draw_bars(ax: Axes, titles: Sequence[str], values: np.ndarray, shares: Sequence[float] | None = None) -> None:
    """A horizontal bar for each title, the first on top, with shares in brackets after the titles."""
    notes = [""] * len(titles) if shares is None else [f" ({share:.0%})" for share in shares]
    names, fonts = drawable([shortened(plain(title), 50) + note for title, note in zip(titles, notes, strict=True)])
    ax.barh(range(len(names)), values, color=[AGAINST if value < 0 else FOR for value in values])
    ax.set_yticks(range(len(names)), names, fontsize=SMALL, parse_math=False, **fonts)
    ax.invert_yaxis()
    ax.grid(axis="x", alpha=0.3)
