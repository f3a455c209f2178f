"""Figures of tuning studies."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from lxr.reporting.families import PATH_RED
from lxr.reporting.formats import with_direction
from lxr.reporting.style import GREY, SMALL
from lxr.utils.extras import extra

with extra("plots"):
    import matplotlib.pyplot as plt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

if TYPE_CHECKING:
    import optuna

MOST_OPTIONS = 2  # that have a panel


def plot_tuning(study: "optuna.Study") -> Figure:
    """Plot a study: its history, the importance of each option, and the metric over the two most important options.

    Left, every trial and the best so far. Then the share of the metric's explained variance by option (functional ANOVA;
    Hutter et al., ICML 2014), if there are enough trials. Right, the metric of every trial that was not pruned over the
    values of two options; the best trial is red.

    Args:
        study: result of :func:`lxr.tuning.tune`; at least one trial must have succeeded.
    """
    metric, lower = study.user_attrs["about"]["metric"], study.direction.name == "MINIMIZE"
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.value is not None]
    complete = [trial for trial in trials if trial.state.name == "COMPLETE"]
    if not complete:
        raise ValueError("study: expected at least one trial that succeeded, found none")
    shares = _option_importance(study)
    shown = list(shares or complete[0].distributions)[:MOST_OPTIONS]
    figure, (history, importance, *options) = plt.subplots(
        1, 2 + len(shown), figsize=(5.2 + 2.2 * len(shown), 2.8), layout="constrained"
    )
    _draw_history(history, trials, complete, lower)
    history.set_ylabel(f"{with_direction(metric)} of validation users", fontsize=SMALL)
    importance.barh(list(shares)[::-1], list(shares.values())[::-1], color=GREY)
    importance.set_xlabel("importance [share]" if shares else "importance: too few trials", fontsize=SMALL)
    for ax, name in zip(options, shown, strict=True):
        _draw_option(ax, complete, name, study.best_trial.number)
        ax.sharey(history)
        ax.tick_params(labelleft=False)
    for ax in (history, importance, *options):
        ax.tick_params(labelsize=SMALL)
        ax.grid(alpha=0.3)
    return figure


def _draw_history(ax: Axes, trials: Sequence, complete: Sequence, lower: bool) -> None:
    """Values of trials in their order, and the best so far."""
    for state, marker in (("COMPLETE", "o"), ("PRUNED", "x")):
        points = [(trial.number, trial.value) for trial in trials if trial.state.name == state]
        if points:
            ax.plot(*zip(*points, strict=True), marker, color=GREY, markersize=4, label=state.lower())
    values = pd.Series([trial.value for trial in complete])
    best = values.cummin() if lower else values.cummax()
    ax.step([trial.number for trial in complete], best, where="post", color="black", label="best so far")
    ax.set_xlabel("trial", fontsize=SMALL)
    ax.legend(frameon=False, fontsize=8)


def _draw_option(ax: Axes, complete: Sequence, name: str, best: int) -> None:
    """Values of trials over those of an option; the best trial is red."""
    distribution = complete[0].distributions[name]
    choices = [str(choice) for choice in getattr(distribution, "choices", ())]
    for trial in complete:
        place = choices.index(str(trial.params[name])) if choices else trial.params[name]
        colour, order = (PATH_RED, 3) if trial.number == best else (GREY, 2)
        ax.plot(place, trial.value, "o", color=colour, markersize=5, zorder=order)
    if choices:
        ax.set_xticks(range(len(choices)), choices, rotation=30, ha="right", rotation_mode="anchor")
        ax.set_xlim(-0.5, len(choices) - 0.5)
    elif distribution.log:
        ax.set_xscale("log")
    ax.set_xlabel(name.replace("_", " "), fontsize=SMALL)


def _option_importance(study: "optuna.Study") -> dict[str, float]:
    """Share of the metric's variance that each option explains, or nothing if there are too few trials."""
    with extra("tuning"):
        from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    try:
        return get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    except (ValueError, RuntimeError):  # a single trial, or identical trials
        return {}
