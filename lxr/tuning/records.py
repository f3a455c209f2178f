"""Records of studies: tables of trials, and the best hyperparameters."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from lxr.tuning.journals import STUDY_PACKAGES
from lxr.tuning.studies import REASON
from lxr.tuning.subjects import Tuning
from lxr.utils.environment import package_versions, results_directory
from lxr.utils.extras import extra
from lxr.utils.records import read_json
from lxr.utils.storage import DataError

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial


_STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}


def trial_table(study: "optuna.Study") -> pd.DataFrame:
    """Table of the finished trials of a study.

    Args:
        study: a study of :func:`lxr.tuning.tune` or :func:`lxr.tuning.open_study`.

    Returns:
        One row per trial: ``state`` (complete, pruned, failed), the metric, number of ``reports``, ``seconds``, every
        option, and ``reason`` of a failure.

    Example: see :func:`lxr.tuning.tune`.
    """
    rows, metric = [], study.user_attrs["about"]["metric"]
    for trial in study.get_trials(deepcopy=False):
        if trial.state.is_finished():
            row = {"trial": trial.number, "state": _STATES[trial.state.name], metric: trial.value}
            row |= {"reports": len(trial.intermediate_values), "seconds": _seconds_of(trial)}
            reason = "" if trial.state.name != "FAIL" else trial.user_attrs.get(REASON, "interrupted")
            rows.append(row | trial.user_attrs.get("options", trial.params) | {"reason": reason})
    columns = ["trial", "state", metric, "reports", "seconds", *study.user_attrs["space"], "reason"]
    return pd.DataFrame(rows, columns=columns).set_index("trial")


def _seconds_of(trial: "FrozenTrial") -> float:
    """Duration of a finished trial."""
    return trial.duration.total_seconds() if trial.duration else 0.0


def _rounded_value(trial: "FrozenTrial | None") -> float | None:
    """The metric of a complete trial to five digits; None without one."""
    return None if trial is None or trial.value is None else round(trial.value, 5)


def tuning_record(study: "optuna.Study", tuning: Tuning) -> dict:
    """Record of a study: the best options and their origin.

    Args:
        study: a study of :func:`lxr.tuning.tune` or :func:`lxr.tuning.open_study`.
        tuning: subject of the study.

    Returns:
        ``options`` (none if no trial succeeded), ``value`` of the metric with them, ``start``: its value with the untuned
        options (None if they are not all within the space, or did not succeed), and the number of trials, the subject, the
        duration and the versions.

    Example: see :func:`lxr.tuning.tune`.
    """
    with extra("tuning"):
        from optuna.trial import TrialState

    ended = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    complete = [trial for trial in ended if trial.state == TrialState.COMPLETE]
    best = study.best_trial if complete else None
    given = tuning.start or {}
    start = [trial for trial in complete if trial.params == {name: given.get(name) for name in tuning.space}]
    about = study.user_attrs["about"]
    return {
        "options": best.user_attrs["options"] if best else {},
        "metric": about["metric"],
        "value": _rounded_value(best),
        "start": _rounded_value(start[0] if start else None),
        "trials": len(ended),
        "pruned": sum(trial.state == TrialState.PRUNED for trial in ended),
        "failed": sum(trial.state == TrialState.FAIL for trial in ended),
        "users": about["users"],
        "fixed": about["fixed"],
        "seed": about["seed"],
        "seconds": round(sum(map(_seconds_of, ended)), 1),
        "versions": study.user_attrs.get("versions", package_versions(STUDY_PACKAGES)),
    }


def load_tuned(dataset: str, recommender: str, results: str | Path | None = None) -> dict[str, dict]:
    """Tuned hyperparameters for a dataset and recommender, and their origin.

    Args:
        dataset, recommender: names.
        results: directory of results to read first, before the committed results of the project.

    Returns:
        ``"recommender"`` and names of explainers → results of :func:`tuning_record`; empty if nothing was tuned.

    Raises:
        DataError: the file is damaged.

    Example:
        >>> list(load_tuned("ml-100k", "mf"))[:2], load_tuned("no-such-dataset", "mf")
        (['recommender', 'lime'], {})
    """
    for folder in (results, results_directory("results")):
        path = folder and Path(folder) / dataset / f"tuned_{recommender}.json"
        if path and path.is_file():
            tuned = read_json(path)
            if tuned is None or not all(
                isinstance(record, dict) and {"options", "seed"} <= record.keys() for record in tuned.values()
            ):
                raise DataError(
                    f"{path}: expected records of tuning with their options and seed. If the file was changed by hand, "
                    "remove its entry sha256"
                )
            return tuned
    return {}
