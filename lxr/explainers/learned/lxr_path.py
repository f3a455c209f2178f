"""LXR on paths: a small network learns to order history items as a long search would.

A path (:class:`lxr.explainers.paths.GradientPath`) removes history items one by one and takes a gradient after each: good
explanations, but dozens of gradients per user. The network reads a few signals of every item
(:mod:`lxr.explainers.learned.lxr_path_signals`) and learns the order of removal from the paths of the training users.
"""

import math
from collections.abc import Callable
from concurrent.futures import Executor

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import skip_init

from lxr.data.histories import EntryLists, Histories
from lxr.explainers.learned.base import HiddenNetwork, LearnedExplainer, ages, learning_lists, report_unlearned
from lxr.explainers.learned.lxr_path_lessons import Examples, teacher_positions, with_parts
from lxr.explainers.learned.lxr_path_settings import PathSettings, default_path_settings
from lxr.explainers.learned.lxr_path_signals import (
    RIVALS,
    PathGradients,
    Signals,
    SingleDeletions,
    SingleItemAnswers,
    relative,
)
from lxr.metrics.fidelity import fidelity_of_scores
from lxr.metrics.names import LOWER, direction
from lxr.recommenders.base import Recommender
from lxr.recommenders.modes import evaluating, with_gradients
from lxr.recommenders.probes import check_answers
from lxr.utils.checks import (
    check_differentiable,
    check_instance,
    check_seed,
)
from lxr.utils.sparse import sampled
from lxr.utils.training_loop import train_and_keep_best, train_epoch
from lxr.utils.weights import initialize


class OrderNetwork(HiddenNetwork):
    """Network that scores each history item by its signals: linear → GELU → linear → GELU → linear.

    Inputs are each signal relative to its mean size over the history, the same on a logarithmic scale, and the length of
    the history. If the recommender uses the order of entries, the age is another input: the number of newer entries, on a
    logarithmic scale, and as a share of the history.

    Args:
        signals: the signals to read; they have no weights, but may hold data of the recommender.
        hidden_size: width of the hidden layers.
        is_ordered: whether the age of an entry is an input.
        seed: seed of the initial weights.
    """

    def __init__(self, signals: Signals, hidden_size: int, *, is_ordered: bool = False, seed: int = 0):
        super().__init__()
        self.signals, self.hidden_size, self.is_ordered = signals, hidden_size, is_ordered
        self.layers = nn.Sequential(
            skip_init(nn.Linear, 2 * signals.n_signals + 1 + 2 * is_ordered, hidden_size),
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
        if self.is_ordered:
            age = ages(length)
            inputs += [age.float().log1p()[:, None], (age / length.repeat_interleave(length))[:, None]]
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
    def new_network(cls, model: Recommender, settings: PathSettings, hidden_size: int, seed: int = 0) -> OrderNetwork:
        """An untrained network."""
        return OrderNetwork(signals_of(model, settings), hidden_size, is_ordered=model.is_ordered, seed=seed)


@with_gradients()
def train_path_lxr(
    model: Recommender,
    train_matrix: EntryLists | sp.csr_matrix,
    validation_matrix: EntryLists | sp.csr_matrix | None = None,
    seed: int = 0,
    *,
    settings: PathSettings | None = None,
    report: Callable[[int, float], None] | None = None,
    executor: Executor | None = None,
) -> PathLXR:
    """Train LXR to imitate the paths of training users; keep the epoch that is best for the validation users.

    The loss of a pair of items is log(1 + exp(−(s_a − s_b))), weighted by 1/√(1 + position of a). Here s are the scores,
    and the path takes a first: first items matter most.

    Args:
        model: the recommender to explain; it is not changed.
        train_matrix: histories of the training users: :class:`lxr.EntryLists`, or (n, I) CSR if their order has no effect.
        validation_matrix: histories for the choice of the epoch; None sets a tenth of the training users aside.
        seed: seed of all random draws: users, initial weights, pairs.
        settings: settings of the training; the defaults unless given.
        report: called after every epoch with its number and the validation criterion; an exception in it stops training.
        executor: computes signals and paths of users in batches, see :func:`lxr.distributed.map_shards`; None for this
            thread. The network is trained in this thread, and the result is the same.

    Returns:
        The explainer, with a record of its training.

    Raises:
        ValueError: no users, a matrix for a recommender that uses the order of entries, a loss that is not finite, or a
            recommender without a gradient.

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
    train, validation_lists = learning_lists(model, train_matrix, validation_matrix, seed)
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    train = with_parts(train[sampled(len(train), settings.n_users, rng)], settings.augmentation, rng)
    network = PathLXR.new_network(model, settings, settings.hidden_size, seed).to(model.device)
    with evaluating(model):
        network.signals.fit(model, seed)
        lesson = Examples.of(network.signals, model, train, executor=executor)
        position = torch.from_numpy(teacher_positions(model, lesson, settings, executor)).to(model.device)
        validation = Examples.of(network.signals, model, validation_lists, executor=executor)
    optimizer = torch.optim.AdamW(network.layers.parameters(), lr=settings.learning_rate)
    steps = settings.epochs * math.ceil(len(lesson.target) / settings.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, total_steps=steps)

    def loss_of(users: np.ndarray) -> torch.Tensor:
        entry, length = lesson.entries(users)
        score = network(lesson.signals[entry], length)
        return LOSSES[settings.loss](score, position[entry], length, settings.n_pairs, generator)

    def validate() -> float:
        scores = validation.scores(network)
        return fidelity_of_scores(model, validation.lists, validation.target, scores, settings.criterion)

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
    scores = validation.scores(network)
    report_unlearned(model, "LXR on paths", validation.lists, validation.target, scores, settings.criterion, seed=seed)
    return PathLXR(model, network, settings, training)


def signals_of(model: Recommender, settings: PathSettings) -> Signals:
    """The network's signals for these settings, before :meth:`Signals.fit`."""
    if settings.signals == "gradients":
        kept = settings.looks if settings.objective == "score" else ()
        return PathGradients(settings.g, removed=settings.looks, kept=kept, path_positions=settings.places)
    rivals = sorted({min(k, max(1, model.n_items - 1)) for k in RIVALS})
    if model.is_ordered:  # a history of one item says little of a sequence
        return SingleDeletions(model.n_items, rivals=rivals)
    return SingleItemAnswers(model.n_columns, model.n_items, rivals=rivals)


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
