"""Figures of tuning studies."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lxr.reporting.style import SMALL
from lxr.utils.extras import extra

with extra("plots"):
    import matplotlib.pyplot as plt
    from matplotlib.figure import Figure

if TYPE_CHECKING:
    import optuna


def plot_tuning(study: "optuna.Study") -> Figure:
    """Plot a study: its history, the importance of each option, and the options of good trials.

    Left, every trial and the best so far. Middle, the share of the metric's explained variance by option (functional ANOVA;
    Hutter et al., ICML 2014), if there are enough trials for it. Right, one line per trial that was not pruned, through its
    options, on axes that span the search space; the darker, the better.

    Args:
        study: result of :func:`lxr.tuning.tune`; at least one trial must have succeeded.
    """
    metric, lower = study.user_attrs["about"]["metric"], study.direction.name == "MINIMIZE"
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.value is not None]
    complete = [trial for trial in trials if trial.state.name == "COMPLETE"]
    if not complete:
        raise ValueError("study: expected at least one trial that succeeded, found none")
    figure, (history, importance, lines) = plt.subplots(
        1, 3, figsize=(11.7, 3.3), layout="constrained", width_ratios=[1, 0.8, 1.4]
    )
    for state, marker in (("COMPLETE", "o"), ("PRUNED", "x")):
        points = [(trial.number, trial.value) for trial in trials if trial.state.name == state]
        if points:
            history.plot(*zip(*points, strict=True), marker, color="0.4", label=state.lower())
    values = pd.Series([trial.value for trial in complete])
    best = values.cummin() if lower else values.cummax()
    history.step([trial.number for trial in complete], best, where="post", color="black", label="best so far")
    history.set_xlabel("trial")
    history.set_ylabel(f"{metric} of validation users")
    history.legend(frameon=False, fontsize=SMALL)

    shares = _option_importance(study)
    importance.barh(list(shares)[::-1], list(shares.values())[::-1], color="0.4")
    importance.set_xlabel("importance [share]" if shares else "importance: too few trials")

    rank = values.rank(ascending=not lower, pct=True)
    space = complete[0].distributions
    positions = {name: _axis_positions([trial.params[name] for trial in complete], space[name]) for name in space}
    for row, share in enumerate(rank):
        heights = [height[row] for height, _ in positions.values()]
        lines.plot(heights, color=plt.cm.Greys(0.15 + 0.85 * share), linewidth=2.2 if row == rank.idxmax() else 0.9)
    labels = [f"{name}\n{values}" for name, (_, values) in positions.items()]
    staggered = ["\n\n" * (index % 2) + label for index, label in enumerate(labels)]  # neighbouring labels may be long
    lines.set_xticks(range(len(space)), staggered, fontsize=SMALL)
    lines.set_yticks([])
    for ax, title in ((history, "history"), (importance, "importance"), (lines, "options, best trial thick")):
        ax.set_title(title, fontsize=11)
        ax.grid(alpha=0.3)
    return figure


def _axis_positions(values: Sequence, distribution: Any) -> tuple[np.ndarray, str]:
    """Positions from 0 to 1 of an option's values on its axis of parallel coordinates, and a label of the axis."""
    if hasattr(distribution, "choices"):
        numbers = np.array([distribution.choices.index(value) for value in values]) / max(1, len(distribution.choices) - 1)
        return numbers, ", ".join(map(str, distribution.choices))
    low, high = distribution.low, distribution.high
    scale = np.log if distribution.log else np.asarray
    return (scale(values) - scale(low)) / max(scale(high) - scale(low), 1e-12), f"{low:g} – {high:g}"


def _option_importance(study: "optuna.Study") -> dict[str, float]:
    """Share of the metric's variance that each option explains, or nothing if there are too few trials."""
    with extra("tuning"):
        from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    try:
        return get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    except (ValueError, RuntimeError):  # a single trial, or identical trials
        return {}
