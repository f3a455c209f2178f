"""Optuna studies on validation users; several processes can share a study, and an interrupted one resumes.

Each class defines its search space. It maps options to their values: a list of choices, or a range ``(low, high)`` of
integers (if both are) or numbers, with ``"log"`` as a third entry for a logarithmic scale.

A study is one journal file. Its trials are drawn one by one under a lock, each by a sampler whose seed is the number of
earlier trials. Interrupted trials run again. So a study by one process is the same with and without interruptions, and
resuming it does not repeat draws. By several workers, on one machine or on a cluster, the number of trials is the same. But
the order in which they end depends on the workers' speed, and so do the later draws, except in a finite space that is tried
completely.
"""

import contextlib
import hashlib
import json
import math
import multiprocessing
import os
import secrets
import socket
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import torch

from lxr.distributed.cluster import is_wanted
from lxr.tuning.journals import locked, open_study
from lxr.tuning.spaces import distributions, grid, points_inside, round_to_4_digits
from lxr.tuning.subjects import Tuning
from lxr.utils.checks import (
    check_natural,
    check_non_negative,
    check_positive,
)
from lxr.utils.extras import extra
from lxr.utils.progress import progress_bar

if TYPE_CHECKING:
    import optuna

REASON, AGAIN = "reason", "again"


@dataclass(frozen=True)
class Budget:
    """Budget of a study.

    Attributes:
        trials: final number of trials, including those of other processes and of earlier calls.
        minutes: time after which no further trial begins; None for no limit.
        workers: processes that share the study and the processors.

    Raises:
        ValueError: a negative or fractional number of trials, negative minutes, or no worker.

    Example: ``Budget(trials=20, minutes=30)``; see :func:`tune`.
    """

    trials: int = 20
    minutes: float | None = None
    workers: int = 1

    def __post_init__(self):
        check_natural(trials=self.trials)
        if self.minutes is not None:
            check_non_negative(minutes=self.minutes)
        check_positive(workers=self.workers)


def study_key(tuning: Tuning) -> str:
    """Short hash of the subject and the search space of a study: different studies have different keys.

    Args:
        tuning: subject of the study.

    Returns:
        Eight hexadecimal digits.

    Example:
        >>> import lxr
        >>> matrix = lxr.load_dataset("synthetic").matrix
        >>> models = [lxr.Popularity(matrix[:users]) for users in (400, 300)]
        >>> len({study_key(lxr.tuning.ExplainerTuning("shap", model, matrix[:400], matrix[400:])) for model in models})
        2
    """
    identity = {"about": dict(tuning.about), "space": tuning.space, "start": points_inside(tuning.start, tuning.space)}
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]


def tune(
    tuning: Tuning, path: str | Path, budget: Budget | None = None, *, executor: Executor | None = None
) -> "optuna.Study":
    """Run or resume a study until its budget is spent.

    The first trial has the start options. A finite space with at most as many points as trials is tried completely; else
    the tree-structured Parzen estimator draws (Bergstra et al., NeurIPS 2011). A trial that reports its metric step by step
    is pruned if it is worse than the median of the others at the same step.

    Args:
        tuning: subject of the study.
        path: the journal; several processes may work on it at once.
        budget: 20 trials unless given.
        executor: runs ``budget.workers`` workers, such as a cluster (:func:`lxr.distributed.connect`) whose machines share
            the directory of the journal. A trial that was lost with its worker runs again. None for processes of this
            machine, or this one if it is the only worker.

    Returns:
        The study.

    Raises:
        ValueError: a search space without options, or with an impossible range.
        lxr.distributed.ClusterError: all tries of a worker failed, or the scheduler was lost; the next call resumes.
        DataError: the file is not a journal, or belongs to another study.

    Example:
        >>> import lxr, tempfile
        >>> matrix = lxr.load_dataset("synthetic").matrix
        >>> model = lxr.Popularity(matrix[:400])
        >>> tuning = lxr.tuning.ExplainerTuning("accent", model, matrix[:400], matrix[400:410], fixed={"ranking": "mean"})
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     study = tune(tuning, f"{directory}/accent.journal", Budget(trials=5))
        ...     [trial.params for trial in study.trials]  # the start first, then whatever else k may be
        ...     lxr.tuning.trial_table(study)["state"].tolist()
        ...     lxr.tuning.tuning_record(study, tuning)["trials"]
        [{'k': 5}, {'k': 2}, {'k': 3}, {'k': 10}, {'k': 20}]
        ['complete', 'complete', 'complete', 'complete', 'complete']
        5
    """
    path, budget = Path(path), budget or Budget()
    study = open_study(path, tuning)
    with locked(path):
        _fail_abandoned(study)
        budget = replace(budget, trials=_enqueue(study, tuning, budget.trials))
    with progress_bar(total=budget.trials, desc=f"tuning {path.stem}", unit="trial") as bar:

        def show() -> None:
            bar.update(_n_finished(study) - bar.n)
            with contextlib.suppress(ValueError):  # no trial has succeeded yet
                bar.set_postfix({"best": f"{study.best_value:.4f}"})

        if executor is not None:
            _on_cluster(study, tuning, path, budget, show, executor)
        elif budget.workers > 1:
            _in_processes(tuning, path, budget, show)
        else:
            run_worker(tuning, path, budget, show)
    return study


def _enqueue(study: "optuna.Study", tuning: Tuning, trials: int) -> int:
    """Queue the trials that are not drawn, and return the final number of trials.

    Queued are interrupted trials, the start, and all points of a finite space if there are at most ``trials``.
    """
    known = study.get_trials(deepcopy=False)
    repeated = {trial.user_attrs.get(AGAIN) for trial in known}
    for trial in known:
        interrupted = trial.state.name == "FAIL" and REASON not in trial.user_attrs
        if interrupted and trial.params and trial.number not in repeated:
            study.enqueue_trial(trial.params, user_attrs={AGAIN: trial.number})
    start, points = points_inside(tuning.start, tuning.space), grid(tuning.space)
    if points is None or len(points) > trials:
        if start:
            study.enqueue_trial(start, skip_if_exists=True)
        return trials
    for options in [start, *points]:
        if options in points:
            study.enqueue_trial(options, skip_if_exists=True)
    return _n_finished(study) + sum(trial.state.name == "WAITING" for trial in study.get_trials(deepcopy=False))


def run_worker(
    tuning: Tuning, path: Path, budget: Budget, show: Callable[[], None] = lambda: None, call: str | None = None
) -> None:
    """Take part in a study until its budget is spent or the call that started it ends.

    Args:
        tuning, path, budget: as for :func:`tune`.
        show: called after every trial.
        call: name of the call, for trials that may be lost with this process.
    """
    study, began = open_study(path, tuning), time.monotonic()
    while is_wanted() and (budget.minutes is None or time.monotonic() - began < 60 * budget.minutes):
        trial = _draw_trial(study, tuning, path, budget.trials, call)
        if trial is None:
            break
        _run_trial(study, trial, tuning)
        show()


def _in_processes(tuning: Tuning, path: Path, budget: Budget, show: Callable[[], None]) -> None:
    """Run a study in several processes, and show its progress."""
    threads = max(1, torch.get_num_threads() // budget.workers)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(budget.workers, context, initializer=torch.set_num_threads, initargs=(threads,)) as pool:
        _run_workers(pool, tuning, path, budget, show)


def _on_cluster(
    study: "optuna.Study", tuning: Tuning, path: Path, budget: Budget, show: Callable[[], None], executor: Executor
) -> None:
    """Run a study by the workers of an executor, until no trial was lost with its worker."""
    began = time.monotonic()
    while True:
        call, spent = secrets.token_hex(4), (time.monotonic() - began) / 60
        left = replace(budget, minutes=budget.minutes and max(0, budget.minutes - spent))
        _run_workers(executor, tuning, path, left, show, call)
        with locked(path):
            if not _fail_lost(study, call):
                return
            _enqueue(study, tuning, budget.trials)


def _run_workers(
    executor: Executor, tuning: Tuning, path: Path, budget: Budget, show: Callable[[], None], call: str | None = None
) -> None:
    """Let the workers of an executor take part in a study, and show its progress; an exception cancels them."""
    running = {executor.submit(run_worker, tuning, path, budget, call=call) for _ in range(budget.workers)}
    try:
        while running:
            ended, running = wait(running, timeout=1)
            show()
            for future in ended:
                future.result()
    finally:
        for future in running:
            future.cancel()


def _draw_trial(study: "optuna.Study", tuning: Tuning, path: Path, trials: int, call: str | None) -> "optuna.Trial | None":
    """The next trial, or None if the study has its final number."""
    with extra("tuning"):
        from optuna.samplers import TPESampler

    with locked(path):
        drawn = _n_finished(study)
        if drawn >= trials:
            return None
        study.sampler = TPESampler(seed=int(np.random.SeedSequence([tuning.seed, drawn]).generate_state(1)[0]))
        trial = study.ask(distributions(tuning.space))
        trial.set_user_attr("worker", this_process())
        trial.set_user_attr("call", call)
    return trial


def _run_trial(study: "optuna.Study", trial: "optuna.Trial", tuning: Tuning) -> None:
    """Evaluate the options of a trial, and record the outcome in the study."""
    with extra("tuning"):
        from optuna import TrialPruned
        from optuna.trial import TrialState

    def report(step: int, value: float) -> None:
        trial.report(value, step)
        if trial.should_prune():
            raise TrialPruned

    options = {name: round_to_4_digits(value) for name, value in trial.params.items()}
    trial.set_user_attr("options", options)
    state, value = TrialState.FAIL, None
    try:
        value = float(tuning.evaluate(dict(options), report))
        state = TrialState.COMPLETE if math.isfinite(value) else state
        if state == TrialState.FAIL:
            trial.set_user_attr(REASON, f"{tuning.about['metric']} is {value}")
    except TrialPruned:
        state = TrialState.PRUNED
    except ValueError as error:
        trial.set_user_attr(REASON, str(error))
    finally:  # an interrupted trial fails without a reason and does not count
        study.tell(trial, value if state == TrialState.COMPLETE else None, state)


def _n_finished(study: "optuna.Study") -> int:
    """Number of trials that use up the budget: finished and running ones."""
    trials = study.get_trials(deepcopy=False)
    return sum(trial.state.name in ("RUNNING", "COMPLETE", "PRUNED") or REASON in trial.user_attrs for trial in trials)


def _fail_abandoned(study: "optuna.Study") -> None:
    """Mark as failed the trials of processes of this machine that ended without a result.

    Trials of other machines are left running: nothing is known about their processes.
    """
    with extra("tuning"):
        from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        host, process, started = trial.user_attrs.get("worker", [socket.gethostname(), None, None])
        if host == socket.gethostname() and not _is_running(process, started):
            study.tell(trial.number, state=TrialState.FAIL)


def _fail_lost(study: "optuna.Study", call: str) -> bool:
    """Mark as failed the unfinished trials of a call whose workers have all ended; returns whether there are any."""
    with extra("tuning"):
        from optuna.trial import TrialState

    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    lost = [trial for trial in running if trial.user_attrs.get("call") == call]
    for trial in lost:
        study.tell(trial.number, state=TrialState.FAIL)
    return bool(lost)


def _is_running(process: int | None, started: float | None) -> bool:
    """Whether a process still runs and was started at the given time (up to small changes of the clock)."""
    try:
        return process is not None and abs(psutil.Process(process).create_time() - started) < 5
    except psutil.NoSuchProcess:
        return False


def this_process() -> list:
    """Host, id and start time of this process, which identify it."""
    return [socket.gethostname(), os.getpid(), psutil.Process().create_time()]
