"""LXR on paths: a small network learns to order history items as a long search would.

A path (:class:`lxr.explainers.paths.GradientPath`) removes history items one by one and takes a gradient after each: good
explanations, but dozens of gradients per user. The network reads a few signals of every item
(:mod:`lxr.explainers.lxr_path_signals`) and learns the order of removal from the paths of the training users.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import skip_init

from lxr.data.histories import Histories
from lxr.data.inputs import as_users
from lxr.data.splits import with_validation
from lxr.explainers.base import Explainer
from lxr.explainers.gradients import GradientTimesInput
from lxr.explainers.learned import HiddenNetwork, LearnedExplainer, report_unlearned
from lxr.explainers.leave_one_out import LeaveOneOut
from lxr.explainers.lxr_path_signals import RIVALS, PathGradients, Signals, SingleItemAnswers, check_looks, relative
from lxr.explainers.objectives import OBJECTIVES, Objective, SoftRank
from lxr.explainers.paths import GradientPath, InsertionPath
from lxr.metrics.agreement import positions
from lxr.metrics.fidelity import fidelity_of_scores
from lxr.metrics.names import LOWER, check_metric, direction
from lxr.recommenders.base import Recommender
from lxr.recommenders.modes import evaluating, with_gradients
from lxr.recommenders.probes import check_answers
from lxr.recommenders.recommendations import top_item
from lxr.utils.checks import (
    check_choice,
    check_differentiable,
    check_instance,
    check_natural,
    check_positive,
    check_positive_numbers,
    check_seed,
)
from lxr.utils.sparse import batches, random_subhistories, sample_users
from lxr.utils.training_loop import train_and_keep_best, train_epoch
from lxr.utils.weights import initialize

STEPS: dict[str, Any] = {"singles": 10, "share": 0.05}  # steps of the imitated paths: finer than those of the baseline
Aim = Literal["rank", "score"]
Kind = Literal["gradients", "answers"]
Teacher = Literal["path", "leave-one-out", "gradient"]
Loss = Literal["pairs", "positions"]
CHOICES = {"objective": get_args(Aim), "signals": get_args(Kind), "teacher": get_args(Teacher), "loss": get_args(Loss)}
LOOKS = {"rank": (1, 2, 3, 5, 0.1, 0.2, 0.3, 0.45, 0.6), "score": (0.1, 0.3, 0.6)}
CRITERION = {"rank": "NDCG", "score": "DEL"}
SEARCH_SPACE = {
    "tau": (0.1, 1.0, "log"),
    "first_tau": (0.1, 1.0, "log"),
    "learning_rate": (1e-3, 1e-2, "log"),
    "batch_size": [32, 64, 128],
    "hidden_size": [64, 128, 256],
    "n_pairs": [32, 64, 128],
    "places": [True, False],
}


@dataclass(frozen=True)
class PathSettings:
    """All hyperparameters of LXR on paths.

    Attributes:
        objective: ``"rank"``: the order of removals that lower the target's rank; ``"score"``: the mean of two orders, of
            removals that lower its log-probability and of additions that raise it.
        signals: ``"gradients"``, a few gradients along the path; or ``"answers"``, of the recommender to single items,
            which need no gradient after training.
        tau, first_tau: τ of the smooth rank, and τ for the first items, as for :class:`lxr.explainers.SoftRank`.
        looks: positions of gradients in addition to the whole history, as for
            :class:`lxr.explainers.lxr_path_signals.PathGradients`; for the score both without and with these items.
        places: whether the order of the coarse path is also a signal, as for
            :class:`lxr.explainers.lxr_path_signals.PathGradients`.
        teacher: the order to imitate: ``"path"``, or, for comparison, ``"leave-one-out"`` or ``"gradient"``.
        loss: ``"pairs"``, which of two items comes first, or ``"positions"``, squared error of the relative position.
        n_users: largest number of training users, drawn at random.
        augmentation: number of random parts of every training history as further examples.
        n_pairs: pairs of items per user and step.
        hidden_size: width of the network.
        learning_rate: highest learning rate of AdamW; it rises and falls once (Smith and Topin, 2019).
        batch_size: users per step.
        epochs: passes over the training users.
        criterion: metric on the validation users for the choice of the epoch; ties go to the later epoch.

    Raises:
        ValueError: an unknown choice or metric, a size or a rate that is not positive, or a negative ``augmentation``.

    Example:
        >>> PathSettings().looks
        (1, 2, 3, 5, 0.1, 0.2, 0.3, 0.45, 0.6)
    """

    objective: Aim = "rank"
    signals: Kind = "gradients"
    tau: float = 0.35
    first_tau: float = 0.2
    looks: tuple[float, ...] = LOOKS["rank"]
    places: bool = True
    teacher: Teacher = "path"
    loss: Loss = "pairs"
    n_users: int = 5000
    augmentation: int = 0
    n_pairs: int = 64
    hidden_size: int = 128
    learning_rate: float = 3e-3
    batch_size: int = 64
    epochs: int = 20
    criterion: str = CRITERION["rank"]

    def __post_init__(self):
        for name, known in CHOICES.items():
            check_choice(known, **{name: getattr(self, name)})
        check_choice((True, False), places=self.places)
        sizes = ("n_users", "n_pairs", "hidden_size", "batch_size", "epochs")
        check_positive(**{name: getattr(self, name) for name in sizes})
        check_natural(augmentation=self.augmentation)
        check_positive_numbers(learning_rate=self.learning_rate, tau=self.tau, first_tau=self.first_tau)
        check_looks(self.looks)
        check_metric(self.criterion)

    @property
    def g(self) -> Objective:
        """Objective of the gradients."""
        return SoftRank(self.tau, self.first_tau) if self.objective == "rank" else OBJECTIVES["log-prob"]


def default_path_settings(objective: Aim = "rank", signals: Kind = "gradients") -> PathSettings:
    """Default settings of an objective and its signals, chosen once on validation users of MovieLens 1M.

    Args:
        objective, signals: as for :class:`PathSettings`.

    Returns:
        The settings.

    Example:
        >>> default_path_settings("score").criterion
        'DEL'
    """
    check_choice(CHOICES["objective"], objective=objective)
    check_choice(CHOICES["signals"], signals=signals)
    return PathSettings(objective, signals, looks=LOOKS[objective], criterion=CRITERION[objective])


class OrderNetwork(HiddenNetwork):
    """Network that scores each history item by its signals: linear → GELU → linear → GELU → linear.

    Inputs are each signal relative to its mean size over the history, the same on a logarithmic scale, and the length of
    the history.

    Args:
        signals: the signals to read; they have no weights, but may hold data of the recommender.
        hidden_size: width of the hidden layers.
        seed: seed of the initial weights.
    """

    def __init__(self, signals: Signals, hidden_size: int, seed: int = 0):
        super().__init__()
        self.signals, self.hidden_size = signals, hidden_size
        self.layers = nn.Sequential(
            skip_init(nn.Linear, 2 * signals.n_signals + 1, hidden_size),
            nn.GELU(),
            skip_init(nn.Linear, hidden_size, hidden_size),
            nn.GELU(),
            skip_init(nn.Linear, hidden_size, 1),
        )
        initialize(self.layers, seed)

    def forward(self, signals: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """Scores (N,) of items with signals (N, F) in histories of lengths (B,), user after user."""
        size = relative(signals, length)
        inputs = [size, size.sign() * size.abs().log1p(), length.log().repeat_interleave(length)[:, None]]
        return self.layers(torch.cat(inputs, dim=1)).squeeze(1)


class PathLXR(LearnedExplainer):
    """The trained network as an explainer.

    Attributes:
        model: the explained recommender.
        network: the network, with its signals.
        settings: settings of the training.
        training: one row per epoch: ``epoch``, ``loss``, the criterion of validation users.

    Example: see :func:`train_path_lxr`.
    """

    settings_class = PathSettings
    network: OrderNetwork

    def __init__(self, model: Recommender, network: OrderNetwork, settings: PathSettings, training: pd.DataFrame):
        self.needs_gradient = settings.signals == "gradients"
        super().__init__(model, network, settings, training)

    def importance(self, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """The network's scores."""
        signals = self.network.signals(self.model, histories, target)
        with torch.no_grad():
            return histories.padded(self.network(signals, histories.lengths))

    @classmethod
    def new_network(cls, model: Recommender, settings: PathSettings, hidden_size: int) -> OrderNetwork:
        """An untrained network."""
        return OrderNetwork(signals_of(model, settings), hidden_size)


@with_gradients()
def train_path_lxr(
    model: Recommender,
    train_matrix: sp.csr_matrix,
    validation_matrix: sp.csr_matrix | None = None,
    seed: int = 0,
    *,
    settings: PathSettings | None = None,
    report: Callable[[int, float], None] | None = None,
) -> PathLXR:
    """Train LXR to imitate the paths of training users; keep the epoch that is best for the validation users.

    The loss of a pair of items is log(1 + exp(−(s_a − s_b))), weighted by 1/√(1 + position of a). Here s are the scores,
    and the path takes a first: first items matter most.

    Args:
        model: the recommender to explain; it is not changed.
        train_matrix: (n, I) CSR histories of the training users.
        validation_matrix: (m, I) CSR histories for the choice of the epoch; None sets a tenth of the training users aside.
        seed: seed of all random draws: users, initial weights, pairs.
        settings: settings of the training; the defaults unless given.
        report: called after every epoch with its number and the validation criterion; an exception in it stops training.

    Returns:
        The explainer, with a record of its training.

    Raises:
        ValueError: an empty matrix, a loss that is not finite, or a recommender without a gradient.

    Warns:
        UserWarning: by its criterion, the explainer is not clearly better than a random order on the validation users.

    Source: this project. Of imitating explanations by a network: Schwab and Karlen, NeurIPS 2019 (CXPlain).

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> train = sp.csr_matrix([[1, 1, 0, 0]] * 64)
        >>> explainer = train_path_lxr(model, train, settings=PathSettings(epochs=3))
        >>> scores = explainer.explain(torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3]))
        >>> bool(scores[0, 0] > scores[0, 1]), explainer.training.columns.tolist()
        (True, ['epoch', 'loss', 'NDCG'])
    """
    check_answers(model)
    check_differentiable(model)
    settings, seed = settings or default_path_settings(), check_seed(seed)
    check_instance(PathSettings, "lxr.PathSettings", settings=settings)
    train_matrix, validation_matrix = with_validation(model.n_columns, train_matrix, validation_matrix, seed)
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    train_matrix = sample_users(train_matrix, settings.n_users, rng)
    train_matrix = sp.vstack(
        [train_matrix, *(random_subhistories(train_matrix, rng) for _ in range(settings.augmentation))], "csr"
    )

    network = OrderNetwork(signals_of(model, settings), settings.hidden_size, seed).to(model.device)
    with evaluating(model):
        network.signals.fit(model, seed)
        lesson = Examples.of(network.signals, model, train_matrix)
        position = torch.from_numpy(teacher_positions(model, lesson, settings)).to(model.device)
        validation = Examples.of(network.signals, model, validation_matrix)
    optimizer = torch.optim.AdamW(network.layers.parameters(), lr=settings.learning_rate)
    steps = settings.epochs * math.ceil(len(lesson.target) / settings.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, total_steps=steps)

    def loss_of(users: np.ndarray) -> torch.Tensor:
        entry, length = lesson.entries(users)
        score = network(lesson.signals[entry], length)
        return LOSSES[settings.loss](score, position[entry], length, settings.n_pairs, generator)

    def validate() -> float:
        scores = validation.scores(network)
        return fidelity_of_scores(model, validation.matrix, validation.target, scores, settings.criterion)

    training = train_and_keep_best(
        network,
        settings.epochs,
        train=lambda: train_epoch(optimizer, loss_of, rng.permutation(len(lesson.target)), settings.batch_size, schedule),
        validate=validate,
        metric=settings.criterion,
        lower_is_better=direction(settings.criterion) == LOWER,
        learning_rate=settings.learning_rate,
        label="training LXR on paths",
        report=report,
        later_of_equals=True,  # it has learned more
    )
    report_unlearned(model, "LXR on paths", validation.scores(network), validation.target, settings.criterion, seed=seed)
    return PathLXR(model, network, settings, training)


@dataclass(frozen=True)
class Examples:
    """Top recommendations of many users, with the signals of their history items.

    Attributes:
        matrix: (n, I) CSR histories.
        target: (n,) explained items.
        signals: (N, F) signals of all N entries.
    """

    matrix: sp.csr_matrix
    target: np.ndarray
    signals: torch.Tensor

    @classmethod
    def of(cls, signals: Signals, model: Recommender, matrix: sp.csr_matrix, *, users_per_batch: int = 256) -> "Examples":
        """Compute signals of histories, batch by batch."""
        matrix, target = as_users(model, matrix, top_item(model, matrix))
        items = torch.from_numpy(target).to(model.device)
        parts = [
            signals(model, Histories.of_matrix(matrix[users], model.device), items[users])
            for users in batches(matrix.shape[0], users_per_batch)
        ]
        return cls(matrix, target, torch.cat(parts))

    def entries(self, users: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the entries (m,) of some users (b,), user after user, and their counts (b,)."""
        length = np.diff(self.matrix.indptr)[users]
        first = self.matrix.indptr[users] - (length.cumsum() - length)
        entry = torch.from_numpy(np.arange(length.sum()) + first.repeat(length))
        return entry.to(self.signals.device), torch.from_numpy(length).long().to(self.signals.device)

    @torch.no_grad()
    def scores(self, network: OrderNetwork) -> sp.csr_matrix:
        """Scores of all entries by a network."""
        groups = (self.entries(users) for users in batches(len(self.target), 512))
        values = torch.cat([network(self.signals[entry], length) for entry, length in groups]).cpu().numpy()
        return sp.csr_matrix((values, self.matrix.indices, self.matrix.indptr), shape=self.matrix.shape)


def signals_of(model: Recommender, settings: PathSettings) -> Signals:
    """The network's signals for these settings, before :meth:`Signals.fit`."""
    if settings.signals == "gradients":
        kept = settings.looks if settings.objective == "score" else ()
        return PathGradients(settings.g, removed=settings.looks, kept=kept, path_positions=settings.places)
    rivals = sorted({min(k, max(1, model.n_items - 1)) for k in RIVALS})
    return SingleItemAnswers(model.n_columns, model.n_items, rivals=rivals)


def teacher_positions(model: Recommender, examples: Examples, settings: PathSettings) -> np.ndarray:
    """Position (N,) of every history item in the imitated order, from 0; the mean if there are two orders."""
    teachers: list[Explainer]
    if settings.teacher == "path":
        paths = (GradientPath,) if settings.objective == "rank" else (GradientPath, InsertionPath)
        teachers = [path(model, objective=settings.g, **STEPS) for path in paths]
    else:
        teacher = LeaveOneOut if settings.teacher == "leave-one-out" else GradientTimesInput
        teachers = [teacher(model, objective=settings.g)]
    label = "paths of training users"
    scores = [teacher.explain(examples.matrix, examples.target, label=label) for teacher in teachers]
    return np.asarray(np.mean([positions(each) for each in scores], axis=0, dtype=np.float32))


def pair_loss(
    score: torch.Tensor, position: torch.Tensor, length: torch.Tensor, n_pairs: int, generator: torch.Generator
) -> torch.Tensor:
    """Logistic loss of random pairs of items of the same user, weighted by 1/√(1 + the better position).

    Args:
        score: (N,) scores of items, user after user.
        position: (N,) positions in the imitated order.
        length: (B,) number of items of each user.
        n_pairs: number of pairs per user.
        generator: random generator of the draws.

    Returns:
        A scalar; 0 if no pair has an order.
    """
    start = (length.cumsum(0) - length)[:, None]
    draws = torch.rand(2, len(length), n_pairs, generator=generator, dtype=torch.float64).to(length.device)
    first, second = start + (draws * length[:, None]).long()
    ahead = position[second] - position[first]  # positive: the path takes the first item earlier
    weight = (ahead != 0) / (1 + torch.minimum(position[first], position[second])).sqrt()
    loss = F.softplus(-ahead.sign() * (score[first] - score[second]))
    return (weight * loss).sum() / weight.sum().clamp(min=1e-12)


def position_loss(
    score: torch.Tensor, position: torch.Tensor, length: torch.Tensor, n_pairs: int, generator: torch.Generator
) -> torch.Tensor:
    """Mean squared error of the relative position, from 1 (first) to 0; arguments as for :func:`pair_loss`."""
    return F.mse_loss(score, 1 - position / length.repeat_interleave(length))


LOSSES = {"pairs": pair_loss, "positions": position_loss}
