"""Options of a run, and their checks."""

import copy
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from lxr.data.datasets import DATASETS
from lxr.data.ratings import REPEATS, Repeats
from lxr.explainers.registry import EXPLAINERS
from lxr.recommenders.registry import RECOMMENDERS
from lxr.runs.data_source import OptionError, Source, source_of
from lxr.runs.plan import (
    ALL,
    EXPLORE,
    QUICKSTART,
    REPORT,
    TINY_DATASET,
    TINY_SEQUENCES,
    default_explainers,
    explainers_of,
    in_registry_order,
)
from lxr.runs.plugins import load_plugin
from lxr.runs.stage import NOTEBOOKS
from lxr.tuning.records import load_tuned
from lxr.utils.checks import HIGHEST_SEED, is_integer, is_number
from lxr.utils.environment import PROJECT_ROOT, choose_device, data_directory

DEFAULT_RECOMMENDERS = ("mf", "vae")
DEVICES = ("auto", "cpu", "cuda")
SMOKE, WITH_FEATURES = "smoke", "user-features"  # directories of the results of tiny runs, and with user features
RESERVED = (SMOKE, WITH_FEATURES, "seeds", "splits")
LOWEST: dict[str, float] = dict.fromkeys(("jobs", "workers", "test_users", "min_items_per_user", "min_users_per_item"), 1)
LOWEST |= {"trials": 0, "minutes": 0, "tolerance": 0, "min_rating": -math.inf}
FRACTIONS = ("minutes", "tolerance", "min_rating")  # all other thresholds are integers


def default_jobs() -> int:
    """Default number of notebooks that run at a time."""
    return min(2, os.cpu_count() or 1)


def notebook_names() -> list[str]:
    """Notebooks that ``before`` may name."""
    return [*sorted({path.stem for path in NOTEBOOKS.glob("[0-9]*.ipynb")} - {QUICKSTART}), EXPLORE]


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Options of a run, as in ``python run_all.py --help``, with the same defaults.

    Options that require or exclude another one are None unless they are given. Properties have the value that the run uses.

    Attributes:
        dataset: name of a registered dataset, or of a file; by default the name of that file, or MovieLens 100K.
        recommenders: names in :data:`lxr.RECOMMENDERS`.
        explainers: names in :data:`lxr.EXPLAINERS`, or ``"all"``; by default those of :func:`lxr.compare` and of plugins,
            or all in a tiny run and with ``tune``, ``before`` and ``verify``. ``"recent"`` explains only recommenders that
            use the order of entries, also by default.
        plugins: Python files that register explainers.
        seed: seed of the split, the training and the explainers.
        seeds: seeds of repeated trainings on the same split.
        splits: seeds of further splits of the users. The headline explainers (or those in ``explainers``) are trained and
            evaluated again on each, with the options of the first split.
        ablation: also train LXR without each of its parts.
        studies: also check sanity, and compare other targets and metrics; ``explainers=("all",)`` includes them.
        smoke: a tiny run.
        before: run only the stages that this notebook needs.
        data_dir: directory of the raw data.
        results: directory of all results.
        test_users: number of test users to explain and evaluate; all by default.
        user_features: include user features in histories.
        hyperparameters: the tuned ones (default) or the published ones.
        tuned_on: another dataset, with tuned hyperparameters of the explainers.
        tune: only search for hyperparameters.
        trials, minutes, workers: see ``tune``.
        device, jobs: device of PyTorch; number of notebooks at a time.
        scheduler: address or file of a dask.distributed scheduler, whose workers run the notebooks.
        force, wait: run all stages, even up-to-date ones; wait for another run in the same results to end.
        dry_run, list_stages: only describe the data, or the stages.
        verify: compare tables: True for a new run, or a directory of results.
        against: commit, branch or tag to compare with.
        tolerance: see :func:`lxr.runs.verify.verify`.
        ratings, items: files of ratings and titles instead of a registered dataset.
        sequences: a file of :func:`lxr.read_sequences_file` instead.
        user_column, item_column, rating_column, timestamp_column, title_column: columns of these files.
        min_rating, min_items_per_user, min_users_per_item, repeats: see :func:`lxr.prepare`.
        implicit: there are no ratings; every row counts.

    Raises:
        OptionError: an option or a combination of options is not valid.

    Example:
        >>> import lxr
        >>> options = lxr.runs.RunOptions(dataset="synthetic", recommenders=("mf",), explainers=("random", "lxr"))
        >>> [stage.name for stage in lxr.runs.plan_stages(options)][:3]
        ['01_data_preparation', '02_mf', '05_lxr-mf']
    """

    dataset: str | None = None
    recommenders: Sequence[str] = DEFAULT_RECOMMENDERS
    explainers: Sequence[str] | None = None
    plugins: Sequence[str | Path] = ()
    seed: int = 42
    seeds: Sequence[int] = ()
    splits: Sequence[int] = ()
    ablation: bool = False
    studies: bool = False
    smoke: bool = False
    before: str | None = None
    data_dir: str | Path | None = None
    results: Path = field(default_factory=lambda: PROJECT_ROOT / "results")
    test_users: int | None = None
    user_features: bool = False
    hyperparameters: Literal["tuned", "published"] | None = None
    tuned_on: str | None = None
    tune: Literal["recommenders", "explainers"] | None = None
    trials: int | None = None
    minutes: float | None = None
    workers: int | None = None
    device: str = "auto"
    jobs: int = field(default_factory=default_jobs)
    scheduler: str | None = None
    force: bool = False
    wait: bool = False
    dry_run: bool = False
    list_stages: bool = False
    verify: Literal[True] | Path | None = None
    against: str | None = None
    tolerance: float | None = None
    ratings: Path | None = None
    items: Path | None = None
    sequences: Path | None = None
    user_column: str | None = None
    item_column: str | None = None
    rating_column: str | None = None
    timestamp_column: str | None = None
    title_column: str | None = None
    min_rating: float | None = None
    min_items_per_user: int | None = None
    min_users_per_item: int | None = None
    repeats: Repeats | None = None
    implicit: bool = False

    def __post_init__(self):
        for name in ("results", "ratings", "items", "sequences", "verify"):
            value = getattr(self, name)
            if value is not None and value is not True:
                object.__setattr__(self, name, Path(value).expanduser())
        object.__setattr__(self, "results", self.results.resolve())
        _check_choices(self)
        # In the order of the registry, each once.
        object.__setattr__(self, "recommenders", tuple(name for name in RECOMMENDERS if name in self.recommenders))
        _check_numbers(self)
        _check_combinations(self)
        _check_name(self)
        _check_user_features(self)
        if self.tune == "explainers" and not any(EXPLAINERS[name].search_space for name in self.chosen_explainers):
            raise OptionError("tune", f"none of {', '.join(self.chosen_explainers)} has options")
        assert self.chosen_explainers and self.source  # resolved now, to raise errors in this call
        _check_directories(self)
        choose_device(self.device)

    @property
    def is_tiny(self) -> bool:
        """Whether notebooks keep their own parameters."""
        return self.smoke or self.dataset in (TINY_DATASET, TINY_SEQUENCES)

    @property
    def dataset_name(self) -> str:
        """Name of the dataset and of the directory of its results."""
        if self.dataset is not None:
            return self.dataset
        if self.own_file:
            return Path(self.own_file.name.removesuffix(".gz")).stem  # plays of plays.csv.gz
        return TINY_DATASET if self.smoke else "ml-100k"

    @property
    def own_file(self) -> Path | None:
        """The file of ratings or sequences, if there is one."""
        return self.ratings or self.sequences

    @property
    def results_root(self) -> Path:
        """Directory of all results of runs of this kind: ``results``, or a directory below it."""
        root = self.results
        if self.smoke and self.dataset_name not in (TINY_DATASET, TINY_SEQUENCES):  # keep tiny results apart from full ones
            root /= SMOKE
        if self.user_features and root.name != WITH_FEATURES:  # keep results with user features apart
            root /= WITH_FEATURES
        return root

    @property
    def root(self) -> Path:
        """Directory of the run: ``<results_root>/<dataset_name>``."""
        return self.results_root / self.dataset_name

    @property
    def raw_data(self) -> Path:
        """Directory of the raw data."""
        return data_directory(self.data_dir).resolve()

    @property
    def uses_tuned(self) -> bool:
        """Whether the run uses hyperparameters that were tuned for this split."""
        return not self.is_tiny and self.hyperparameters != "published"

    @property
    def only_looks(self) -> bool:
        """Whether the run writes nothing to the results."""
        return self.dry_run or self.list_stages or self.verify is not None

    @cached_property
    def chosen_explainers(self) -> list[str]:
        """Primary names of the explainers of any recommender in the order of the registry, each once."""
        for path in self.plugins:
            try:
                load_plugin(path)
            except ValueError as error:
                raise OptionError("plugins", str(error)) from error
        for name in {*(self.explainers or ())} - {ALL}:
            _check_choice("explainers", name, EXPLAINERS)
        found = {each: self.explainers_for(each) for each in self.recommenders}
        for recommender, names in found.items():
            if not names:
                expected = f"expected one that can explain {recommender}"
                raise OptionError("explainers", f"{expected}, found {' '.join(self.explainers or ())}")
        return in_registry_order(name for names in found.values() for name in names)

    def explainers_for(self, recommender: str) -> list[str]:
        """Primary names of the explainers of a recommender in the order of the registry, each once."""
        return explainers_of(self._asked_explainers, ordered=RECOMMENDERS[recommender].is_ordered)

    @property
    def has_studies(self) -> bool:
        """Whether the run has the sanity checks, and other targets and metrics: by wish, or with all explainers."""
        return self.studies or ALL in self._asked_explainers

    @property
    def _asked_explainers(self) -> Sequence[str]:
        """Names of explainers, or ``"all"``."""
        return self.explainers or default_explainers(self.is_tiny, self.tune, self.before, self.verify)

    @cached_property
    def source(self) -> Source:
        """Source of the data: a registered dataset, a file, or the file of an earlier run."""
        return source_of(self)

    def in_results(self, results: Path) -> "RunOptions":
        """The same run with another directory of all results."""
        other = copy.copy(self)
        object.__setattr__(other, "results", results)
        return other


def _check_choice(name: str, value: object, choices: Sequence[str] | dict[str, Any]) -> None:
    """Refuse a value outside the choices, with the message of a command-line parser."""
    if value not in choices:
        raise OptionError(name, f"invalid choice: {value!r} (choose from {', '.join(map(repr, choices))})")


def _check_choices(options: RunOptions) -> None:
    """Refuse unknown names."""
    for name in options.recommenders:
        _check_choice("recommenders", name, RECOMMENDERS)
    if not options.recommenders:
        raise OptionError("recommenders", "expected at least one, found none")
    _check_choice("device", options.device, DEVICES)
    for name, known in {
        "hyperparameters": ("tuned", "published"),
        "tune": ("recommenders", "explainers"),
        "repeats": tuple(REPEATS),
        "before": notebook_names(),
    }.items():
        if (value := getattr(options, name)) is not None:
            _check_choice(name, value, known)
    if (on := options.tuned_on) and not any(load_tuned(on, each, options.results_root) for each in options.recommenders):
        raise OptionError("tuned_on", f"expected a dataset with tuned hyperparameters, found {on!r}")


def _check_numbers(options: RunOptions) -> None:
    """Refuse numbers outside their bounds, and repeated seeds."""
    for name, lowest in LOWEST.items():
        value = getattr(options, name)
        right = is_number(value) if name in FRACTIONS else is_integer(value)
        if value is not None and not (right and value >= lowest):
            raise OptionError(name, f"expected {f'at least {lowest}' if lowest > -math.inf else 'a number'}, found {value}")
    for name, seeds in (("seed", [options.seed]), ("seeds", options.seeds), ("splits", options.splits)):
        for seed in seeds:
            if not (is_integer(seed) and 0 <= seed <= HIGHEST_SEED):
                raise OptionError(name, f"expected 0 to {HIGHEST_SEED}, found {seed}")
        if len(set(seeds)) < len(seeds):
            raise OptionError(name, f"expected different seeds, found {' '.join(map(str, seeds))}")
        if name != "seed" and options.seed in seeds:
            raise OptionError(name, f"expected seeds other than --seed, found {options.seed}")


def _check_combinations(options: RunOptions) -> None:
    """Refuse options that require or exclude another one.

    ``--dry-run``, ``--list`` and ``--verify``, which only read a command or its results, can be combined with all others.
    """
    for needed, names in (("tune", ("trials", "minutes", "workers")), ("verify", ("tolerance", "against"))):
        for name in names:
            if getattr(options, name) is not None and getattr(options, needed) is None:
                raise OptionError(name, f"requires --{needed}")
    tunes_recommenders = options.tune == "recommenders"
    for name, other, refused in (
        ("tune", "--seeds", options.seeds),
        ("tune", "--splits", options.splits),
        ("tune", "--ablation", options.ablation),
        ("tune", "--studies", options.studies),
        ("tune", "--before", options.before),
        ("hyperparameters", f"--smoke or --dataset {TINY_DATASET}", options.is_tiny),
        ("hyperparameters", "--tune recommenders", tunes_recommenders),
        ("tuned_on", "--tune, --hyperparameters published or a tiny run", options.tune or not options.uses_tuned),
        ("explainers", "--tune recommenders", tunes_recommenders),
        ("ablation", f"--before {options.before}", options.before and options.before != REPORT),
    ):
        if refused and getattr(options, name) not in (None, False):
            raise OptionError(name, f"cannot be combined with {other}")
    for name in ("tune", "before"):
        if options.verify is not None and getattr(options, name):
            raise OptionError("verify", f"cannot be combined with --{name}")


def _check_name(options: RunOptions) -> None:
    """Refuse a dataset's name that is in use or cannot be the name of a directory."""
    name, file = options.dataset_name, options.own_file
    expected = f"expected a new name for {file}, found {name!r}" if file else f"expected a name, found {name!r}"
    if name.casefold() in RESERVED:
        raise OptionError("dataset", f"{expected}, which is reserved (like {', '.join(RESERVED)})")
    if not name.isprintable() or name != name.strip(" ") or name[:1] in ("", ".", "~", "-") or set(name) & set('/\\:*?"<>|'):
        raise OptionError("dataset", f"{expected}, which is not a valid name of a directory on every system")
    if file and name in DATASETS:
        raise OptionError("dataset", f"{expected}, which is a registered dataset")


def _check_user_features(options: RunOptions) -> None:
    """Refuse user features for a dataset without them."""
    telling = [name for name, dataset in DATASETS.items() if dataset.read_users]
    if options.user_features and options.dataset_name not in telling:
        expected = f"one of {', '.join(telling)} as --dataset"
        raise OptionError("user_features", f"expected {expected}, found {options.dataset_name}")


def _check_directories(options: RunOptions) -> None:
    """Refuse directories that cannot be read or written."""
    for name, path in (("data_dir", options.raw_data), ("results", options.results_root)):
        existing = next(folder for folder in (path, *path.parents) if folder.exists())
        if not existing.is_dir():
            raise OptionError(name, f"expected a directory, found a file {existing}")
    if not options.only_looks and not os.access(existing, os.W_OK | os.X_OK):
        raise OptionError("results", f"expected a directory that can be written, found {existing}")
