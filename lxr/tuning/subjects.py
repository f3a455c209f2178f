"""Subjects of tuning: a recommender or an explainer, evaluated on validation users."""

import hashlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field

import numpy as np
import scipy.sparse as sp
import torch

from lxr.data.histories import EntryLists
from lxr.data.inputs import as_entry_lists, as_matrix, check_model
from lxr.explainers.batch import mean_fidelity
from lxr.explainers.registry import EXPLAINERS, ExplainerSpec
from lxr.metrics.names import LOWER, check_metric, direction
from lxr.recommenders.base import Recommender
from lxr.recommenders.ranking import rank_quality
from lxr.recommenders.recommendations import top_item
from lxr.recommenders.registry import RECOMMENDERS
from lxr.recommenders.training import FIT_SPACE, HOLDOUT_METRIC, fit
from lxr.tuning.spaces import Space, drop_fixed
from lxr.utils.checks import check_choice, check_options, check_seed, default_options

RANK_METRICS = ("HR@10", "HR@50", "HR@100", "NDCG@10", "MRR")  # metrics of rank_quality for which higher is better
# Called after each step of a trial with its number and the metric so far; ends an unpromising trial.
Report = Callable[[int, float], None]


class Tuning:
    """Subject of a study; a subclass sets the attributes and defines :meth:`evaluate`.

    Attributes:
        space: search space of the options.
        start: options of the first trial, as far as the space has them; None to draw the first trial.
        about: description of the subject (plain values); a journal with another description is refused.
        lower_is_better: whether the metric is minimised.
        seed: seed of the draws, and of randomness within a trial.
        warmup: number of first steps without pruning.

    Example: see :func:`tune`.
    """

    space: Space
    start: Mapping | None
    about: Mapping
    lower_is_better: bool
    seed: int
    warmup: int = 10

    def evaluate(self, options: dict, report: Report) -> float:
        """Metric of some options.

        A ValueError (a training that diverges, options that do not fit the data) or a result that is not finite makes a
        failed trial, with its reason.
        """
        raise NotImplementedError


@dataclass
class RecommenderTuning(Tuning):
    """Tuning of a recommender by its ranking of hidden items of validation users.

    Attributes:
        name: key of :data:`lxr.RECOMMENDERS`.
        train_matrix, validation_matrix: histories of the training and the validation users, CSR or :class:`lxr.EntryLists`.
        metric: ``"NDCG@100"``, the metric of early stopping in :func:`lxr.fit`, or one of :func:`lxr.rank_quality`:
            ``"HR@10"``, ``"HR@50"``, ``"HR@100"``, ``"NDCG@10"``, ``"MRR"``.
        fixed: options of the recommender and of :func:`lxr.fit` that are not tuned.
        start: options of the first trial; the defaults of the recommender and of :func:`lxr.fit` unless given.
        dataset: name of the dataset, for the record.
        seed: seed of the draws and of every training.
        device: device of the training.

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
    train_matrix: sp.csr_matrix | EntryLists
    validation_matrix: sp.csr_matrix | EntryLists
    _: KW_ONLY
    metric: str = HOLDOUT_METRIC
    fixed: Mapping = field(default_factory=dict)
    start: Mapping | None = None
    dataset: str = ""
    seed: int = 0
    device: str | torch.device = "cpu"

    def __post_init__(self):
        check_choice((HOLDOUT_METRIC, *RANK_METRICS), metric=self.metric)
        self.train_matrix = _checked(None, train_matrix=self.train_matrix)
        self.n_columns = _as_rows(self.train_matrix).shape[1]
        self.validation_matrix = _checked(self.n_columns, validation_matrix=self.validation_matrix)
        self.seed = check_seed(self.seed)
        self.cls = RECOMMENDERS[self.name]
        check_options(default_options(self.cls) | default_options(fit), fixed=self.fixed, start=self.start or {})
        self.space = drop_fixed(self.cls.search_space | ({} if self.cls.is_closed_form else FIT_SPACE), self.fixed)
        self.start = default_options(self.cls) | default_options(fit) if self.start is None else self.start
        self.about = _about(self, "recommender") | {"recommender": self.name}
        self.lower_is_better = False
        self.warmup = 30  # trials that learn slowly often end best

    def evaluate(self, options: dict, report: Report) -> float:
        """Validation metric of a recommender that is trained with these options."""
        options = dict(self.fixed) | options
        fitting = {option: options.pop(option) for option in default_options(fit) if option in options}
        n_items = self.n_columns - options.get("n_features", 0)
        model = self.cls(n_items, **options, seed=self.seed).to(self.device)
        data = (model, self.train_matrix, self.validation_matrix)
        if self.metric == HOLDOUT_METRIC:
            return fit(*data, seed=self.seed, **fitting, report=report)[HOLDOUT_METRIC].max()
        fit(*data, seed=self.seed, **fitting)
        return rank_quality(model, self.validation_matrix, seed=self.seed)[self.metric]


@dataclass
class ExplainerTuning(Tuning):
    """Tuning of an explainer by its fidelity on validation users.

    Attributes:
        name: key of :data:`lxr.EXPLAINERS`; the explainer must have a search space.
        model: the explained recommender.
        train_matrix, validation_matrix: histories of the training and the validation users, CSR or :class:`lxr.EntryLists`.
            Explainers are made with these as rows, without an order.
        metric: any of :meth:`lxr.FidelityResult.per_user`: ``"POS@20"``, ``"INS"``, ``"CDCG@Ke=5"``;
            :func:`lxr.metrics.direction` states whether lower is better.
        fixed: options that are not tuned.
        given: further arguments of the explainer that are not plain values, so not in the record.
        start: options of the first trial; the explainer's defaults unless given.
        dataset: name of the dataset, for the record.
        seed: seed of the draws and of every explainer.

    Raises:
        ValueError: an unknown explainer, an explainer without options to tune, an unknown metric or option.

    Example: see :func:`tune`.
    """

    name: str
    model: Recommender
    train_matrix: sp.csr_matrix | EntryLists
    validation_matrix: sp.csr_matrix | EntryLists
    _: KW_ONLY
    metric: str = "POS@20"
    fixed: Mapping = field(default_factory=dict)
    given: Mapping = field(default_factory=dict)
    start: Mapping | None = None
    dataset: str = ""
    seed: int = 0

    def __post_init__(self):
        check_model(self.model)
        check_metric(self.metric)
        self.train_matrix = _checked(self.model.n_columns, train_matrix=self.train_matrix)
        self.validation_matrix = _checked(self.model.n_columns, validation_matrix=self.validation_matrix)
        self.seed = check_seed(self.seed)
        if not self.make.search_space:
            raise ValueError(f"name: expected an explainer with options to tune, found {self.name!r}")
        defaults = self.make.defaults(self.model, _as_rows(self.train_matrix))
        check_options(defaults, fixed=self.fixed, start=self.start or {})
        self.space = drop_fixed(self.make.search_space, self.fixed)
        self.start = defaults if self.start is None else self.start
        epochs = {**defaults, **self.start, **self.fixed}.get("epochs", 0)
        # The best epochs are late: of ten draws of 60 epochs of LXR (MF, MovieLens 100K) one of the best four was best in
        # its last. A median pruner stops it in half of the orders of trials after 10 epochs, in an eighth after 40.
        self.warmup = max(self.warmup, 2 * epochs // 3)
        self.about = _about(self, self.name) | {"weights": _model_digest(self.model, self.validation_matrix)}
        self.lower_is_better = direction(self.metric) == LOWER
        self.target = top_item(self.model, self.validation_matrix)

    @property
    def make(self) -> ExplainerSpec:
        """The registered explainer, looked up in every process because it cannot be pickled."""
        return EXPLAINERS[self.name]

    def evaluate(self, options: dict, report: Report) -> float:
        """Mean fidelity to the validation users of the explainer with these options."""
        learning = {"criterion": self.metric, "report": report} if self.make.is_trained else {}
        options = learning | dict(self.fixed) | dict(self.given) | options
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*not clearly better than a random order")  # the trials show this
            users = _as_rows(self.train_matrix), _as_rows(self.validation_matrix)
            explainer = self.make(self.model, *users, self.seed, **options)
        return mean_fidelity(explainer, self.validation_matrix, self.target, metric=self.metric)


def _checked(n_columns: int | None, **histories: object) -> sp.csr_matrix | EntryLists:
    """Checked histories in their form: entry lists, or a CSR matrix."""
    ((_, value),) = histories.items()
    if isinstance(value, EntryLists):
        return as_entry_lists(n_columns or value.n_columns, **histories)
    return as_matrix(n_columns, **histories)


def _as_rows(histories: sp.csr_matrix | EntryLists) -> sp.csr_matrix:
    """Histories as rows, without an order."""
    return histories.matrix() if isinstance(histories, EntryLists) else histories


def _as_lists(histories: sp.csr_matrix | EntryLists) -> EntryLists:
    """Histories as entries."""
    return histories if isinstance(histories, EntryLists) else EntryLists.of_matrix(histories)


def _about(tuning: RecommenderTuning | ExplainerTuning, subject: str) -> dict:
    """Description of a study's subject for its journal."""
    matrices = (tuning.train_matrix, tuning.validation_matrix)
    return {
        "dataset": tuning.dataset,
        "data": digest([part for each in matrices for part in _entries_of(each)]),
        "tuned": subject,
        "metric": tuning.metric,
        "users": len(_as_lists(tuning.validation_matrix)),
        "fixed": dict(tuning.fixed),
        "seed": tuning.seed,
    }


def _entries_of(histories: sp.csr_matrix | EntryLists) -> tuple[np.ndarray, np.ndarray]:
    """Pointers and items of histories."""
    return histories.indptr, histories.items if isinstance(histories, EntryLists) else histories.indices


def digest(arrays) -> str:
    """Short hash of arrays or tensors."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(np.ascontiguousarray(array.cpu() if isinstance(array, torch.Tensor) else array).tobytes())
    return total.hexdigest()[:16]


def _model_digest(model: Recommender, histories: sp.csr_matrix | EntryLists) -> str:
    """Short hash of a recommender's weights, or of its scores of some users if it has no weights."""
    weights = list(model.state_dict().values())
    with torch.no_grad():
        return digest(weights or [model.logits(_as_lists(histories)[:8].batch(device=model.device))])
