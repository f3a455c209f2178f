"""Figure of recommenders that use the order of entries: importance by age."""

import pandas as pd

from lxr.reporting.style import SMALL, label_ends, line, note, panels
from lxr.utils.extras import extra

with extra("plots"):
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator


def plot_ages(ages: pd.DataFrame) -> Figure:
    """Importance of entries over their age, a line for each explainer.

    Args:
        ages: result of :func:`lxr.evaluation.age_table`.
    """
    figure, (ax,) = panels(1, size=(6.0, 3.6))
    for name, values in ages.items():
        ax.plot(ages.index, values, **line(str(name)))
    ax.set_ylim(0, 1.02)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("age of the entry, 0 is the newest", fontsize=SMALL)
    ax.set_ylabel("share of the ranks below it", fontsize=SMALL)
    ax.grid(alpha=0.3)
    last = ages.ffill().iloc[-1]
    label_ends(ax, {name: (ages.index[-1], last[name]) for name in ages.columns})
    return note(figure, "1: the most important entry of its history. 0.5: as in a random order. Mean over users.")
