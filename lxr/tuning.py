"""Hyperparameters, chosen on validation users: Optuna studies that several processes may share and that go on where they
were interrupted.

A search space stands beside the class that it tunes. It maps options to what they may be: a list of choices, or a range
``(low, high)`` of integers (if both are) or numbers, with ``"log"`` as a third entry for a logarithmic scale.

A study is one journal file. Its trials are drawn one after the other under a lock, each by a sampler that is seeded by the
number of trials before it, and what was interrupted is tried again: a study by one process is the same whether it was
interrupted or not, and going on does not repeat draws.
"""

import contextlib
import hashlib
import itertools
import json
import math
import multiprocessing
import os
import socket
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import psutil
import scipy.sparse as sp
import torch

from lxr.checks import (
    check_choice,
    check_natural,
    check_non_negative,
    check_options,
    check_positive,
    check_seed,
    default_options,
)
from lxr.datasets import results_directory
from lxr.explainer import mean_fidelity, top_items
from lxr.explainers import EXPLAINERS, Factory
from lxr.fidelity import LOWER, check_metric, direction
from lxr.inputs import as_matrix, check_model
from lxr.interactions import dense
from lxr.progress import progress
from lxr.ranking import rank_quality
from lxr.recommenders import RECOMMENDERS, Recommender
from lxr.storage import DataError
from lxr.training import FIT_SPACE, HOLDOUT_METRIC, fit
from lxr.workspace import package_versions, read_json

if TYPE_CHECKING:
    import optuna

STUDY = "study"  # each journal holds one
STUDY_PACKAGES = ("torch", "optuna")
REASON, AGAIN = "reason", "again"
SCALES = {(): False, ("log",): True}
RANK_METRICS = ("HR@10", "HR@50", "HR@100", "NDCG@10", "MRR")  # of rank_quality, where higher is better
STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
Space = Mapping[str, Sequence]
# Called after each step of a trial with its number and the metric so far; ends a trial that is not worth going on with.
Report = Callable[[int, float], None]


@dataclass(frozen=True)
class Budget:
    """What a study may cost.

    Attributes:
        trials: that the study has in the end, those of other processes and of former calls included.
        minutes: after which no further trial begins; None for no limit.
        workers: processes that share the study, and the processors.

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


class Tuning:
    """What is tuned by what: a subclass sets the attributes and defines :meth:`evaluate`.

    Attributes:
        space: what the options may be.
        start: options of the first trial, as far as the space has them.
        about: what the study is of (plain values): the journal of something else is refused.
        lower_is_better: whether the metric is to be minimised.
        seed: of the draws, and of whatever a trial draws itself.
        warmup: steps before which no trial is pruned.

    Example: see :func:`tune`.
    """

    space: Space
    start: Mapping
    about: Mapping
    lower_is_better: bool
    seed: int
    warmup: int = 10

    def evaluate(self, options: dict, report: Report) -> float:
        """The metric of some options.

        What raises a ValueError (a training that diverges, options that do not fit the data) or returns no finite number is
        a failed trial, whose reason is kept.
        """
        raise NotImplementedError


@dataclass
class RecommenderTuning(Tuning):
    """A recommender, by how well it ranks what is hidden of validation users.

    Attributes:
        name: key of :data:`lxr.RECOMMENDERS`.
        train_matrix, validation_matrix: CSR histories of the training and the validation users.
        metric: ``"NDCG@100"``, by which :func:`lxr.fit` chooses the epoch, or one of :func:`lxr.rank_quality`: ``"HR@10"``,
            ``"HR@50"``, ``"HR@100"``, ``"NDCG@10"``, ``"MRR"``.
        fixed: options of the recommender and of :func:`lxr.fit` that are not tuned.
        start: options of the first trial; the defaults of the recommender and of :func:`lxr.fit` unless given.
        dataset: its name, for the record.
        seed: of the draws and of every training.
        device: where to train.

    Raises:
        ValueError: an unknown recommender, metric or option.

    Example:
        >>> import lxr
        >>> matrix = lxr.load_dataset("synthetic").matrix
        >>> tuning = RecommenderTuning("mf", matrix[:400], matrix[400:500], fixed={"batch_size": 256})
        >>> tuning.space
        {'n_factors': [32, 64, 128], 'dropout': (0.1, 0.7), 'learning_rate': (0.0005, 0.01, 'log')}
    """

    name: str
    train_matrix: sp.csr_matrix
    validation_matrix: sp.csr_matrix
    metric: str = HOLDOUT_METRIC
    fixed: Mapping = field(default_factory=dict)
    start: Mapping | None = None
    dataset: str = ""
    seed: int = 0
    device: str | torch.device = "cpu"

    def __post_init__(self):
        check_choice((HOLDOUT_METRIC, *RANK_METRICS), metric=self.metric)
        self.train_matrix = as_matrix(train_matrix=self.train_matrix)
        self.validation_matrix = as_matrix(self.train_matrix.shape[1], validation_matrix=self.validation_matrix)
        self.seed = check_seed(self.seed)
        self.cls = RECOMMENDERS[self.name]
        check_options(default_options(self.cls) | default_options(fit), fixed=self.fixed, start=self.start or {})
        self.space = without(self.cls.search_space | FIT_SPACE, self.fixed)
        self.start = default_options(self.cls) | default_options(fit) if self.start is None else self.start
        self.about = about(self, "recommender") | {"recommender": self.name}
        self.lower_is_better = False
        self.warmup = 30  # slow learners often end best

    def evaluate(self, options: dict, report: Report) -> float:
        """Validation metric of a recommender that is trained with these options."""
        options = dict(self.fixed) | options
        fitting = {option: options.pop(option) for option in default_options(fit) if option in options}
        model = self.cls(self.train_matrix.shape[1], **options, seed=self.seed).to(self.device)
        data = (model, self.train_matrix, self.validation_matrix, self.seed)
        if self.metric == HOLDOUT_METRIC:
            return fit(*data, **fitting, report=report)[HOLDOUT_METRIC].max()
        fit(*data, **fitting)
        return rank_quality(model, self.validation_matrix, self.seed)[self.metric]


@dataclass
class ExplainerTuning(Tuning):
    """An explainer, by the fidelity of its explanations to validation users.

    Attributes:
        name: key of :data:`lxr.EXPLAINERS`, of an explainer that has a search space.
        model: the explained recommender.
        train_matrix, validation_matrix: CSR histories of the training and the validation users.
        metric: any of :meth:`lxr.FidelityResult.per_user`: ``"POS@20"``, ``"INS"``, ``"CDCG@Ke=5"``; its name says whether
            lower is better.
        fixed: options that are not tuned.
        given: further arguments of the explainer that are no plain values, and so are not in the record.
        start: options of the first trial; the explainer's defaults unless given.
        dataset: its name, for the record.
        seed: of the draws and of every explainer.

    Raises:
        ValueError: an unknown explainer, one that has nothing to tune, an unknown metric or option.

    Example: see :func:`tune`.
    """

    name: str
    model: Recommender
    train_matrix: sp.csr_matrix
    validation_matrix: sp.csr_matrix
    metric: str = "POS@20"
    fixed: Mapping = field(default_factory=dict)
    given: Mapping = field(default_factory=dict)
    start: Mapping | None = None
    dataset: str = ""
    seed: int = 0

    def __post_init__(self):
        check_model(self.model)
        check_metric(self.metric)
        self.train_matrix = as_matrix(self.model.n_items, train_matrix=self.train_matrix)
        self.validation_matrix = as_matrix(self.model.n_items, validation_matrix=self.validation_matrix)
        self.seed = check_seed(self.seed)
        if not self.make.search_space:
            raise ValueError(f"name: expected an explainer that has options to tune, found {self.name!r}")
        defaults = self.make.defaults(self.model)
        check_options(defaults, fixed=self.fixed, start=self.start or {})
        self.space = without(self.make.search_space, self.fixed)
        self.start = defaults if self.start is None else self.start
        self.about = about(self, self.name) | {"weights": model_digest(self.model, self.validation_matrix)}
        self.lower_is_better = direction(self.metric) == LOWER
        self.target = top_items(self.model, self.validation_matrix)

    @property
    def make(self) -> Factory:
        """The registered factory (looked up in every process: it would not travel)."""
        return EXPLAINERS[self.name]

    def evaluate(self, options: dict, report: Report) -> float:
        """Mean fidelity to the validation users of the explainer with these options."""
        learning = {"criterion": self.metric, "report": report} if self.make.learns else {}
        options = learning | dict(self.fixed) | dict(self.given) | options
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message=".*not clearly better than a random order"
            )  # that is for the trials to show
            explainer = self.make(self.model, self.train_matrix, self.validation_matrix, self.seed, **options)
        return mean_fidelity(explainer, self.validation_matrix, self.target, self.metric)


def about(tuning: RecommenderTuning | ExplainerTuning, subject: str) -> dict:
    """What a study is of, as it is kept in its journal."""
    matrices = (tuning.train_matrix, tuning.validation_matrix)
    return {
        "dataset": tuning.dataset,
        "data": digest([part for matrix in matrices for part in (matrix.indptr, matrix.indices)]),
        "tuned": subject,
        "metric": tuning.metric,
        "users": tuning.validation_matrix.shape[0],
        "fixed": dict(tuning.fixed),
        "seed": tuning.seed,
    }


def study_key(tuning: Tuning) -> str:
    """Short hash of what a study is of and of its search space: studies of different things have different keys."""
    identity = {"about": dict(tuning.about), "space": tuning.space, "start": within(tuning.start, tuning.space)}
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]


def digest(arrays) -> str:
    """Short hash of arrays or tensors."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(np.ascontiguousarray(array.cpu() if isinstance(array, torch.Tensor) else array).tobytes())
    return total.hexdigest()[:16]


def model_digest(model: Recommender, matrix: sp.csr_matrix) -> str:
    """Short hash of a recommender: of its weights, or of its scores of some users if it shows none."""
    weights = list(model.state_dict().values())
    with torch.no_grad():
        return digest(weights or [model(dense(matrix[:8], model.device))])


def tune(tuning: Tuning, path: str | Path, budget: Budget | None = None) -> "optuna.Study":
    """Run a study, or go on with it, until its budget is spent.

    The first trial has the start options. A finite space of no more points than trials is tried point by point; else the
    tree-structured Parzen estimator draws (Bergstra et al., NeurIPS 2011). A trial that reports its metric step by step is
    pruned once it is worse than the median of the others at the same step.

    Args:
        tuning: what is tuned.
        path: the journal; several processes may work on it at once.
        budget: 20 trials unless given.

    Returns:
        The study.

    Raises:
        ValueError: a search space without options, or with an impossible range.
        DataError: the file is no journal, or one of another study.

    Example:
        >>> import lxr, tempfile
        >>> matrix = lxr.load_dataset("synthetic").matrix
        >>> model = lxr.Popularity(matrix[:400])
        >>> tuning = ExplainerTuning("accent", model, matrix[:400], matrix[400:410], fixed={"ranking": "mean"})
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     study = tune(tuning, f"{directory}/accent.journal", Budget(trials=5))
        ...     [trial.params for trial in study.trials]  # the start first, then whatever else k may be
        [{'k': 5}, {'k': 2}, {'k': 3}, {'k': 10}, {'k': 20}]
    """
    path, budget = Path(path), budget or Budget()
    study = open_study(path, tuning)
    with locked(path):
        fail_abandoned(study)
        budget = replace(budget, trials=enqueue(study, tuning, budget.trials))
    with progress(total=budget.trials, desc=f"tuning {path.stem}", unit="trial") as bar:

        def show() -> None:
            bar.update(spent(study) - bar.n)
            with contextlib.suppress(ValueError):  # no trial has succeeded yet
                bar.set_postfix({"best": f"{study.best_value:.4f}"})

        if budget.workers > 1:
            in_processes(tuning, path, budget, show)
        else:
            work(tuning, path, budget, show)
    return study


def enqueue(study: "optuna.Study", tuning: Tuning, trials: int) -> int:
    """Put what is to be tried in any case before what will be drawn; returns the trials that the study shall have.

    That is what was interrupted; the start; and all points of a finite space, if they are no more than ``trials``.
    """
    known = study.get_trials(deepcopy=False)
    repeated = {trial.user_attrs.get(AGAIN) for trial in known}
    for trial in known:
        interrupted = trial.state.name == "FAIL" and REASON not in trial.user_attrs
        if interrupted and trial.params and trial.number not in repeated:
            study.enqueue_trial(trial.params, user_attrs={AGAIN: trial.number})
    start, points = within(tuning.start, tuning.space), grid(tuning.space)
    if points is None or len(points) > trials:
        if start:
            study.enqueue_trial(start, skip_if_exists=True)
        return trials
    for options in [start, *points]:
        if options in points:
            study.enqueue_trial(options, skip_if_exists=True)
    return spent(study) + sum(trial.state.name == "WAITING" for trial in study.get_trials(deepcopy=False))


def work(tuning: Tuning, path: Path, budget: Budget, show: Callable[[], None] = lambda: None) -> None:
    """Take part in a study until its budget is spent; ``show`` is called after every trial."""
    study, began = open_study(path, tuning), time.monotonic()
    while budget.minutes is None or time.monotonic() - began < 60 * budget.minutes:
        trial = ask(study, tuning, path, budget.trials)
        if trial is None:
            break
        run_trial(study, trial, tuning)
        show()


def in_processes(tuning: Tuning, path: Path, budget: Budget, show: Callable[[], None]) -> None:
    """Have several processes take part in a study, and show how far it is."""
    threads = max(1, torch.get_num_threads() // budget.workers)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(budget.workers, context, initializer=torch.set_num_threads, initargs=(threads,)) as pool:
        running = {pool.submit(work, tuning, path, budget) for _ in range(budget.workers)}
        while running:
            ended, running = wait(running, timeout=1)
            show()
            for future in ended:
                future.result()


def open_study(path: str | Path, tuning: Tuning | None = None) -> "optuna.Study":
    """The study in a journal: to read it, or to take part in it.

    Args:
        path: the journal.
        tuning: what the study has to be of; a study that is not there yet is begun.

    Returns:
        The study.

    Raises:
        DataError: the file is missing or no journal, or the study is one of something else.
        OSError: the file cannot be read or written.

    Example:
        >>> open_study("none.journal")
        Traceback (most recent call last):
        ...
        lxr.storage.DataError: none.journal is missing: run the tuning that makes it
    """
    import optuna
    from optuna.storages.journal import JournalFileBackend

    path, space = Path(path), {name: list(values) for name, values in tuning.space.items()} if tuning else {}
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if tuning is None:
        if not path.is_file():
            raise DataError(f"{path} is missing: run the tuning that makes it")
    else:
        distributions(tuning.space)  # fails before a file is made
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        storage = optuna.storages.JournalStorage(JournalFileBackend(str(path)))
        if tuning is None:
            return optuna.load_study(study_name=STUDY, storage=storage)
        with locked(path):
            drop_torn_line(path)
            study = optuna.create_study(
                storage=storage,
                study_name=STUDY,
                direction=direction_of(tuning),
                pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=tuning.warmup),
                load_if_exists=True,
            )
            if not study.user_attrs and not study.get_trials(deepcopy=False):
                study.set_user_attr("about", dict(tuning.about))
                study.set_user_attr("space", space)
                study.set_user_attr("versions", package_versions(STUDY_PACKAGES))
    except OSError:
        raise
    except Exception as error:  # a damaged journal raises many kinds
        raise DataError(f"{path} is no journal of a study ({error}): delete it to start anew") from error
    check_same(path, study.user_attrs.get("about", {}), tuning.about)
    check_same(path, study.user_attrs["space"], space, "space of ")
    check_same(path, {"direction": study.direction.name.lower()}, {"direction": direction_of(tuning)})
    return study


def direction_of(tuning: Tuning) -> str:
    """Optuna's word for it."""
    return "minimize" if tuning.lower_is_better else "maximize"


def drop_torn_line(path: Path) -> None:
    """Cut off what a process that was killed while writing has left of its last line, lest the next one is joined to it."""
    content = path.read_bytes() if path.is_file() else b""
    if content and not content.endswith(b"\n"):
        with path.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)


def check_same(path: Path, found: Mapping, expected: Mapping, what: str = "") -> None:
    """Refuse a study of something else.

    Raises:
        DataError: names the file and what differs.
    """
    for name in expected | found:
        if name not in found or name not in expected or found[name] != expected[name]:
            raise DataError(
                f"{path} holds another study, {what}{name}: expected {expected.get(name, 'nothing')}, "
                f"found {found.get(name, 'nothing')}; delete it to start anew"
            )


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time draw trials of a study. (The journal has a lock of its own for each line.)"""
    from optuna.storages.journal import JournalFileOpenLock

    lock = JournalFileOpenLock(f"{path}.draw")
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


def ask(study: "optuna.Study", tuning: Tuning, path: Path, trials: int) -> "optuna.Trial | None":
    """The next trial, or None if the study has as many as it shall have."""
    from optuna.samplers import TPESampler

    with locked(path):
        drawn = spent(study)
        if drawn >= trials:
            return None
        study.sampler = TPESampler(seed=int(np.random.SeedSequence([tuning.seed, drawn]).generate_state(1)[0]))
        trial = study.ask(distributions(tuning.space))
        trial.set_user_attr("worker", this_process())
    return trial


def run_trial(study: "optuna.Study", trial: "optuna.Trial", tuning: Tuning) -> None:
    """Evaluate the options of a trial, and tell the study how it went."""
    from optuna import TrialPruned
    from optuna.trial import TrialState

    def report(step: int, value: float) -> None:
        trial.report(value, step)
        if trial.should_prune():
            raise TrialPruned

    options = {name: readable(value) for name, value in trial.params.items()}
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
    finally:  # an interrupt leaves a failed trial without a reason, which does not count
        study.tell(trial, value if state == TrialState.COMPLETE else None, state)


def spent(study: "optuna.Study") -> int:
    """Trials that use up the budget: all that were tried to the end, or still are."""
    trials = study.get_trials(deepcopy=False)
    return sum(trial.state.name in ("RUNNING", "COMPLETE", "PRUNED") or REASON in trial.user_attrs for trial in trials)


def fail_abandoned(study: "optuna.Study") -> None:
    """Mark as failed the trials of processes of this machine that have ended without telling. (Of other machines' processes
    nothing is known: their trials are left running.)"""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        host, process, started = trial.user_attrs.get("worker", [socket.gethostname(), None, None])
        if host == socket.gethostname() and not alive(process, started):
            study.tell(trial.number, state=TrialState.FAIL)


def alive(process: int | None, started: float | None) -> bool:
    """Whether a process still runs, and is the one that was born then (clocks may be set by a few seconds)."""
    try:
        return process is not None and abs(psutil.Process(process).create_time() - started) < 5
    except psutil.NoSuchProcess:
        return False


def this_process() -> list:
    """Host, number and time of birth of this process: what tells it from all others."""
    return [socket.gethostname(), os.getpid(), psutil.Process().create_time()]


def readable(value):
    """A number rounded to four digits: what is written down is what was tried."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def distributions(space: Space) -> dict:
    """Optuna's distributions of a search space.

    Raises:
        ValueError: no option, or one that is neither choices nor a possible range.
    """
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not space:
        raise ValueError("space: expected at least one option to tune, found none")
    result = {}
    for name, values in space.items():
        try:
            if isinstance(values, list):
                result[name] = CategoricalDistribution(values)
            else:
                low, high, *scale = values
                whole = isinstance(low, int) and isinstance(high, int)
                result[name] = (IntDistribution if whole else FloatDistribution)(low, high, log=SCALES[tuple(scale)])
        except (ValueError, TypeError, KeyError) as error:
            expected = "a list of choices, (low, high) or (low, high, 'log')"
            raise ValueError(f"space of {name}: expected {expected}, found {values}") from error
    return result


def grid(space: Space) -> list[dict] | None:
    """All points of a search space, or None if it has a range of more than one point."""
    choices = {name: values if isinstance(values, list) else [*set(values[:2])] for name, values in space.items()}
    if any(len(choices[name]) > 1 for name, values in space.items() if not isinstance(values, list)):
        return None
    return [dict(zip(choices, point, strict=True)) for point in itertools.product(*choices.values())]


def within(options: Mapping, space: Space) -> dict:
    """Those options that are points of a search space."""

    def inside(value, values: Sequence) -> bool:
        return value in values if isinstance(values, list) else value is not None and values[0] <= value <= values[1]

    return {name: options[name] for name, values in space.items() if name in options and inside(options[name], values)}


def without(space: Space, fixed: Mapping) -> dict:
    """A search space without the options that are fixed."""
    return {name: values for name, values in space.items() if name not in fixed}


def trial_table(study: "optuna.Study") -> pd.DataFrame:
    """All trials of a study that have ended.

    Returns:
        One row per trial: ``state`` (complete, pruned, failed), the metric, how many ``reports``, ``seconds``, every option,
        and ``reason``: why it failed.
    """
    rows, metric = [], study.user_attrs["about"]["metric"]
    for trial in study.get_trials(deepcopy=False):
        if trial.state.is_finished():
            row = {"trial": trial.number, "state": STATES[trial.state.name], metric: trial.value}
            row |= {"reports": len(trial.intermediate_values), "seconds": trial.duration.total_seconds()}
            reason = "" if trial.state.name != "FAIL" else trial.user_attrs.get(REASON, "interrupted")
            rows.append(row | trial.user_attrs.get("options", trial.params) | {"reason": reason})
    columns = ["trial", "state", metric, "reports", "seconds", *study.user_attrs["space"], "reason"]
    return pd.DataFrame(rows, columns=columns).set_index("trial")


def tuning_record(study: "optuna.Study", tuning: Tuning) -> dict:
    """What a study has found: the best options, and where they come from.

    Returns:
        ``options`` (none if no trial succeeded), ``value`` of the metric with them, ``start``: its value with the options
        that would have been used untuned (None if they are not all within the space, or did not succeed), and how many
        trials, of what, how long, by which versions.
    """
    from optuna.trial import TrialState

    ended = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    complete = [trial for trial in ended if trial.state == TrialState.COMPLETE]
    best = study.best_trial if complete else None
    start = [trial.value for trial in complete if trial.params == {name: tuning.start.get(name) for name in tuning.space}]
    about = study.user_attrs["about"]
    return {
        "options": best.user_attrs["options"] if best else {},
        "metric": about["metric"],
        "value": round(best.value, 5) if best else None,
        "start": round(start[0], 5) if start else None,
        "trials": len(ended),
        "pruned": sum(trial.state == TrialState.PRUNED for trial in ended),
        "failed": sum(trial.state == TrialState.FAIL for trial in ended),
        "users": about["users"],
        "fixed": about["fixed"],
        "seed": about["seed"],
        "seconds": round(sum(trial.duration.total_seconds() for trial in ended), 1),
        "versions": study.user_attrs.get("versions", package_versions(STUDY_PACKAGES)),
    }


def load_tuned(dataset: str, recommender: str, results: str | Path | None = None) -> dict[str, dict]:
    """The hyperparameters that were found for a dataset and recommender, and where they come from.

    Args:
        dataset, recommender: names.
        results: directory of results to look into first; then those of the project, which are committed.

    Returns:
        ``"recommender"`` and names of explainers → what :func:`tuning_record` returns; empty if nothing was tuned.

    Raises:
        DataError: the file is damaged.

    Example:
        >>> list(load_tuned("ml-1m", "mf"))[:2], load_tuned("no-such-dataset", "mf")
        (['recommender', 'lime'], {})
    """
    for place in (results, results_directory("results")):
        path = place and Path(place) / dataset / f"tuned_{recommender}.json"
        if path and path.is_file():
            tuned = read_json(path)
            if tuned is None or not all(
                isinstance(record, dict) and {"options", "seed"} <= record.keys() for record in tuned.values()
            ):
                raise DataError(
                    f"{path}: expected records of tuning with their options and seed, found something else, or content that "
                    "was changed by hand (then remove its entry sha256)"
                )
            return tuned
    return {}
