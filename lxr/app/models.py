"""Recommenders with their explainers, as the explorer needs them: those of a run, one's own, or of generated data."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from lxr.data.interactions import Interactions
from lxr.data.preparation import load_dataset
from lxr.data.splits import load_split, split_users
from lxr.delivery.explainers import as_explainer, default_explainer
from lxr.explainers.base import Explainer
from lxr.explainers.registry import EXPLAINERS
from lxr.recommenders.base import Recommender
from lxr.recommenders.built_in.mf import MF
from lxr.recommenders.loading import load
from lxr.recommenders.recommendations import check_catalogue, rows_of, training_users
from lxr.recommenders.registry import RECOMMENDERS
from lxr.recommenders.training import fit
from lxr.runs.workspace import stage_parameters
from lxr.utils.environment import results_directory
from lxr.utils.markup import plain
from lxr.utils.storage import DataError, read_frame

EXPLAINING = ("05_lxr", "10_baselines")  # stages whose records say with which options and seed explainers were made
FILMS = ("ml-1m", "ml-100k")  # datasets that the explorer prefers, the best first
GENERATED = "synthetic"  # the dataset that it shows if there is no other
UNTRAINED = ("leave-one-out", "cosine")  # explainers that every recommender has


def trained(results: str | Path, dataset: str | None = None, recommender: str | None = None) -> dict[str, list[str]]:
    """Find the recommenders that ``run_all.py`` has trained.

    Args:
        results: directory of all results; a relative path starts at the project root.
        dataset, recommender: that must be among them, if given.

    Returns:
        Dataset → names of its recommenders that have a trained model below ``results``. Films come first, generated data
        last.

    Raises:
        DataError: there is none, or not that one; the message says which command makes it.

    Example: see :class:`Exploration`.
    """
    results = results_directory(results)
    found: dict[str, list[str]] = {}
    for data in sorted(results.glob("*/interactions.npz"), key=_preference):
        names = [name for name in RECOMMENDERS if (data.parent / name / "recommender.pt").is_file()]
        found |= {data.parent.name: names} if names else {}
    wanted = results / (dataset or "<dataset>") / (recommender or "<recommender>") / "recommender.pt"
    there = found.get(dataset) if dataset else found
    if not there or (recommender and recommender not in there):
        command = ["python run_all.py"]
        command += [f"--dataset {dataset}"] * bool(dataset) + [f"--recommenders {recommender}"] * bool(recommender)
        raise DataError(f"expected {wanted}, found no such file: {' '.join(command)} makes it")
    return found


def _preference(data: Path) -> tuple[bool, int, str]:
    """Sorting key of a file ``<dataset>/interactions.npz``: films first, generated data last."""
    name = data.parent.name
    return name == GENERATED, FILMS.index(name) if name in FILMS else len(FILMS), name


class Models:
    """A recommender, data, and explainers that are made when they are first asked for.

    Args:
        model: the recommender.
        data: histories, ids and titles.
        users: ids of the users who are offered; all by default.
        explainers: further explainers of the recommender, or names of those that have to be trained first.
        seed: of explainers that are made.

    Attributes:
        users: (n,) rows of the users who are offered.
        names: explainers that there are.

    Raises:
        ValueError: data of another catalogue, an unknown user, or an unknown explainer or one of another recommender.

    Example: see :func:`explore`.
    """

    def __init__(
        self,
        model: Recommender,
        data: Interactions,
        users: object = None,
        explainers: Iterable[str | Explainer] = (),
        seed: int = 0,
    ):
        check_catalogue(model, data)
        self.model, self.data, self.seed = model, data, seed
        self.users = rows_of(data, users, None)
        self.made: dict[str, Explainer] = {}
        self.given = [self._accept(explainer) for explainer in explainers]
        self.names = [*dict.fromkeys([*self.given, *filter(self._is_at_hand, EXPLAINERS)])]

    def _accept(self, explainer: str | Explainer) -> str:
        """Name of an explainer that is given, kept if it is made already."""
        if isinstance(explainer, str):
            name = EXPLAINERS.primary(explainer)
            if EXPLAINERS[name].cls.is_ordered and not self.model.is_ordered:
                raise ValueError(f"explainers: {name} uses the order of entries, and {type(self.model).__name__} does not")
            return name
        made, name = as_explainer(explainer, self.model, self.data)
        self.made[name] = made
        return name

    def _is_at_hand(self, name: str) -> bool:
        """True if an explainer can explain this recommender without training."""
        spec = EXPLAINERS[name]
        return not (spec.is_trained or spec.depends_on) and spec.fits(self.model)

    def explainer(self, name: str) -> Explainer:
        """An explainer by its name, made when it is first asked for."""
        if name not in self.made:
            self.made[name] = self.make(name)
        return self.made[name]

    def make(self, name: str) -> Explainer:
        """Explainer by its name, trained if necessary."""
        return as_explainer(name, self.model, self.data, seed=self.seed)[0]

    @cached_property
    def keys(self) -> list[str]:
        """Ids of items, and names of user features, as texts without blanks."""
        keys = [*self.data.item_ids, *self.data.names[self.data.n_items :]]
        return [plain(key).replace(" ", "_") for key in keys]

    def scores_asked(self, name: str) -> float | None:
        """Number of scores that an explainer asks for, per user; None if it is not known."""
        return None

    def pair(self, wanted: Sequence[str]) -> list[str]:
        """Names of two explainers that there are, those that are wanted if possible."""
        candidates = dict.fromkeys([*wanted, default_explainer(self.model), *UNTRAINED])
        return [name for name in candidates if name in self.names][:2]


class TrainedModels(Models):
    """A trained recommender and its explainers, as a run has left them.

    Args:
        results: directory of all results; a relative path starts at the project root.
        dataset, recommender: a pair of :func:`trained`.

    Attributes:
        data: the prepared data.
        test: (n,) rows of the test users; these users are offered.
        model: the recommender.
        names: explainers that there are: all but those of the LXR family that were not trained.

    Raises:
        DataError: a file is missing or corrupt.

    Example: see :class:`Exploration`.
    """

    def __init__(self, results: str | Path, dataset: str, recommender: str):
        self.root = results_directory(results) / dataset
        self.folder, self.recommender = self.root / recommender, recommender
        data = Interactions.load(self.root / "interactions.npz")
        super().__init__(load(self.folder / "recommender.pt"), data)
        self.train, self.validation, self.test = load_split(self.root / "split.npz", n_users=len(data.user_ids))
        self.users = self.test
        self.names = [name for name in EXPLAINERS if (path := self.network(name)) is None or path.is_file()]

    def network(self, name: str) -> Path | None:
        """The file of the trained network that an explainer is or refines; None if it needs none."""
        needed = EXPLAINERS[name].depends_on or name
        return self.folder / f"{needed}.pt" if EXPLAINERS[needed].is_trained else None

    @cached_property
    def recorded(self) -> dict:
        """Options and seed with which the run made its explainers: ``options`` by name, and ``seed``."""
        stages = [stage_parameters(self.root, f"{stage}-{self.recommender}") for stage in EXPLAINING]
        options = {name: chosen for each in stages for name, chosen in each.get("options", {}).items()}
        return {"options": options, "seed": next((each["seed"] for each in stages if "seed" in each), 0)}

    def make(self, name: str) -> Explainer:
        """An explainer as the run has made it; networks are read, not trained."""
        spec, path, options = EXPLAINERS[name], self.network(name), self.recorded["options"].get(name, {})
        if path and (load := spec.load):
            return load(path, self.model)
        if spec.depends_on:
            options = options | {"explainer": self.explainer(spec.depends_on)}
        train, validation = (training_users(self.model, self.data, rows) for rows in (self.train, self.validation))
        return spec(self.model, train, validation, seed=self.recorded["seed"], **options)

    def scores_asked(self, name: str) -> float | None:
        """Scores of histories that an explainer asks for, per user, if the run has measured it."""
        path, column = self.folder / f"cost/{name}.parquet", "explaining [passes / user]"
        return float(read_frame(path, (column,))[column].iloc[0]) if path.is_file() else None


def generated_models(epochs: int = 40) -> Models:
    """A small MF, trained here and now on generated data; its test users are offered."""
    data = load_dataset(GENERATED)
    train, validation, test = split_users(len(data.user_ids), seed=42)
    model = MF(data.n_items, n_factors=8)
    fit(model, data.matrix[train], data.matrix[validation], epochs=epochs)
    return Models(model, data, np.asarray(data.user_ids)[test])
