"""Session of the explorer without widgets: trained models, a history, a recommendation, a what-if."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from lxr.data.interactions import Interactions
from lxr.data.splits import load_split
from lxr.explainers.base import Explainer
from lxr.explainers.registry import EXPLAINERS
from lxr.recommenders.loading import load
from lxr.recommenders.recommendations import best_items
from lxr.recommenders.registry import RECOMMENDERS
from lxr.reporting.explanation import TargetRank, UserExplanation, explain_history, logits_without, rank_without
from lxr.runs.workspace import stage_parameters
from lxr.utils.environment import results_directory
from lxr.utils.sparse import dense
from lxr.utils.storage import DataError, read_frame

EXPLAINING = ("05_lxr", "10_baselines")  # stages whose records have the options and seeds of explainers


def trained(results: str | Path, dataset: str | None = None, recommender: str | None = None) -> dict[str, list[str]]:
    """Find the recommenders that ``run_all.py`` has trained.

    Args:
        results: directory of all results; a relative path starts at the project root.
        dataset, recommender: required names, if given.

    Returns:
        Dataset → names of its recommenders with a trained model below ``results``.

    Raises:
        DataError: there is no such model; names the command that makes it.

    Example: see :class:`Exploration`.
    """
    results = results_directory(results)
    found: dict[str, list[str]] = {}
    for data in sorted(results.glob("*/interactions.npz")):
        names = [name for name in RECOMMENDERS if (data.parent / name / "recommender.pt").is_file()]
        found |= {data.parent.name: names} if names else {}
    wanted = results / (dataset or "<dataset>") / (recommender or "<recommender>") / "recommender.pt"
    there = found.get(dataset) if dataset else found
    if not there or (recommender and recommender not in there):
        command = ["python run_all.py"]
        command += [f"--dataset {dataset}"] * bool(dataset) + [f"--recommenders {recommender}"] * bool(recommender)
        raise DataError(f"expected {wanted}, found no such file: {' '.join(command)} makes it")
    return found


class TrainedModels:
    """A trained recommender and its explainers, read from a run.

    Args:
        results: directory of all results; a relative path starts at the project root.
        dataset, recommender: a pair of :func:`trained`.

    Attributes:
        data: the prepared data.
        test: (n,) rows of the test users.
        model: the recommender.
        names: available explainers: all except untrained ones of the LXR family.

    Raises:
        DataError: a file is missing or corrupt.

    Example: see :class:`Exploration`.
    """

    def __init__(self, results: str | Path, dataset: str, recommender: str):
        self.root = results_directory(results) / dataset
        self.folder, self.recommender = self.root / recommender, recommender
        self.data = Interactions.load(self.root / "interactions.npz")
        self.train, self.validation, self.test = load_split(self.root / "split.npz", n_users=len(self.data.user_ids))
        self.model = load(self.folder / "recommender.pt")
        self.names = [name for name in EXPLAINERS if (path := self.network(name)) is None or path.is_file()]
        self.made: dict[str, Explainer] = {}

    def network(self, name: str) -> Path | None:
        """File of the trained network that an explainer is or refines, or None."""
        needed = EXPLAINERS[name].depends_on or name
        return self.folder / f"{needed}.pt" if EXPLAINERS[needed].is_trained else None

    @cached_property
    def recorded(self) -> dict:
        """Options and seed of the run's explainers: ``options`` by name, and ``seed``."""
        stages = [stage_parameters(self.root, f"{stage}-{self.recommender}") for stage in EXPLAINING]
        options = {name: chosen for each in stages for name, chosen in each.get("options", {}).items()}
        return {"options": options, "seed": next((each["seed"] for each in stages if "seed" in each), 0)}

    def explainer(self, name: str) -> Explainer:
        """Explainer by name, made on first use."""
        if name not in self.made:
            self.made[name] = self.make(name)
        return self.made[name]

    def make(self, name: str) -> Explainer:
        """Make an explainer with the run's options; networks are read, not trained."""
        spec, path, options = EXPLAINERS[name], self.network(name), self.recorded["options"].get(name, {})
        if path and (load := spec.load):
            return load(path, self.model)
        if spec.depends_on:
            options = options | {"explainer": self.explainer(spec.depends_on)}
        histories = self.data.matrix[self.train], self.data.matrix[self.validation]
        return spec(self.model, *histories, seed=self.recorded["seed"], **options)

    def scores_asked(self, name: str) -> float | None:
        """Number of scored histories per user by an explainer, if the run has measured it."""
        path, column = self.folder / f"cost/{name}.parquet", "explaining [passes / user]"
        return float(read_frame(path, (column,))[column].iloc[0]) if path.is_file() else None


@dataclass(frozen=True, eq=False)
class Recommendation:
    """One recommendation for one history, with explanations and what-ifs.

    Attributes:
        models: the recommender and its explainers.
        history: (1, I).
        user: row of the user; None for a custom history.
        target: the explained item.
        explanations: explanations so far, by explainer.

    Example: see :class:`Exploration`.
    """

    models: TrainedModels
    history: torch.Tensor
    user: int | None
    target: int
    explanations: dict[str, UserExplanation] = field(default_factory=dict)

    def explanation(self, name: str) -> UserExplanation:
        """Explanation by an explainer, computed once."""
        if name not in self.explanations:
            about = self.models.model, self.models.data, self.history
            self.explanations[name] = explain_history(*about, self.models.explainer(name), name, self.target, self.user)
        return self.explanations[name]

    @cached_property
    def sentence(self) -> str:
        """The counterfactual in words, which does not depend on the explainer."""
        return self.explanation(self.models.names[0]).sentence

    @property
    def title(self) -> str:
        """Title of the explained item."""
        return self.models.data.titles(np.array([self.target]))[0]

    @cached_property
    def baseline(self) -> TargetRank:
        """Rank of the target with the whole history."""
        return self.without(())

    def without(self, removed: Iterable[int]) -> TargetRank:
        """Rank of the target without some of the items."""
        return rank_without(self.models.model, self.history, self.target, sorted(removed))

    def what_if(self, removed: Iterable[int]) -> pd.DataFrame:
        """Outcome with the whole history (row ``now``) and without some of its items (``without``).

        Returns:
            ``rank`` and ``probability`` of the target, and ``first``, the title of the first recommendation.
        """
        frame = pd.DataFrame([vars(self.baseline), vars(self.without(removed))], index=["now", "without"])
        return frame.assign(first=self.models.data.titles(frame["first"].to_numpy()))


class Exploration:
    """A history, one of its recommendations, and the currently removed items.

    Args:
        models: the explored models.
        user: row of the first user; the first test user by default.

    Attributes:
        user, history: as in :class:`Recommendation`.
        recommendation: at first the top one; None if the history is empty or complete.
        removed: removed history items.

    Example:
        >>> exploration = Exploration(TrainedModels("results", "ml-1m", "mf"))  # doctest: +SKIP
        >>> exploration.remove(exploration.recommendation.explanation("lxr").items[:3])  # doctest: +SKIP
        >>> exploration.what_if()  # doctest: +SKIP
    """

    def __init__(self, models: TrainedModels, user: int | None = None):
        self.models = models
        self.choose_user(int(models.test[0]) if user is None else user)

    def choose_user(self, user: int) -> None:
        """Take the history of a user, by row."""
        self.take(dense(self.models.data.matrix[[user]]), user)

    def start_empty(self) -> None:
        """Begin an empty custom history."""
        self.take(torch.zeros_like(self.history), None)

    def add(self, item: int) -> None:
        """Add an item to the history, which becomes a custom history."""
        self.take(self.history.index_fill(1, torch.tensor([item]), 1.0), None)

    def take(self, history: torch.Tensor, user: int | None) -> None:
        """Explain the top recommendation of a history (1, I)."""
        self.history, self.user = history, user
        self.recommendation: Recommendation | None = None
        self.removed: set[int] = set()
        first = self.recommendations(1)["item"].tolist()
        if history.any() and first:
            self.choose_target(*first)

    def choose_target(self, item: int) -> None:
        """Explain this recommendation; removed items are put back."""
        self.recommendation, self.removed = Recommendation(self.models, self.history, self.user, item), set()

    def remove(self, items: Iterable[int]) -> None:
        """Leave history items out."""
        self.removed |= {int(item) for item in items}

    def put_back(self, items: Iterable[int]) -> None:
        """Have history items in again."""
        self.removed -= {int(item) for item in items}

    def recommendations(self, count: int = 10) -> pd.DataFrame:
        """The first recommendations for the whole history, by rank: ``item`` (column), ``title``, ``probability``."""
        return self._recommended(self.history, count)

    def recommendations_without(self, count: int = 10) -> pd.DataFrame:
        """The first recommendations without the removed items, which are never recommended."""
        rest = self.history.index_fill(1, torch.tensor(sorted(self.removed), dtype=torch.long), 0.0)
        return self._recommended(rest, count)

    def _recommended(self, history: torch.Tensor, count: int) -> pd.DataFrame:
        """The best items for a history (1, I) that are not in the whole history, by rank."""
        best = best_items(self.models.model, history, count, seen=self.history).set_index("rank").rename_axis(None)
        return best.assign(title=self.models.data.titles(best["item"].to_numpy()))[["item", "title", "score", "probability"]]

    def ranks_without(self, items: Iterable[int]) -> list[int]:
        """Ranks of items without the removed items."""
        logits = logits_without(self.models.model, self.history, sorted(self.removed))
        candidates = logits.masked_fill(self.history > 0, -torch.inf)
        return [1 + int((candidates > logits[0, item]).sum()) for item in items]

    def what_if(self) -> pd.DataFrame:
        """The recommendation with and without the removed items, see :meth:`Recommendation.what_if`; empty without one."""
        return (
            self.recommendation.what_if(self.removed)
            if self.recommendation
            else pd.DataFrame(columns=["rank", "probability", "first"])
        )
