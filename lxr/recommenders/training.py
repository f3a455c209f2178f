"""Training of recommenders, with early stopping on validation users."""

import itertools
from collections.abc import Callable

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch

from lxr.data.histories import EntryLists
from lxr.data.inputs import as_lists_for, check_model
from lxr.data.interactions import Interactions
from lxr.data.order import warn_without_order
from lxr.data.splits import split_users
from lxr.recommenders.base import Recommender
from lxr.recommenders.modes import learning, with_gradients
from lxr.recommenders.ranking import hide_share, holdout_ndcg
from lxr.recommenders.registry import RECOMMENDERS
from lxr.utils.checks import (
    check_instance,
    check_non_negative,
    check_options,
    check_positive,
    check_positive_numbers,
    check_seed,
    default_options,
)
from lxr.utils.training_loop import train_and_keep_best, train_epoch

HOLDOUT_METRIC = "NDCG@100"
# Options of fit that lxr.tuning tunes in addition to the recommender's own options.
FIT_SPACE = {"learning_rate": (5e-4, 1e-2, "log"), "batch_size": [64, 128, 256, 512]}


def fit(
    model: Recommender,
    train_matrix: sp.csr_matrix | EntryLists,
    validation_matrix: sp.csr_matrix | EntryLists,
    *,
    seed: int = 0,
    epochs: int = 200,
    batch_size: int = 256,
    learning_rate: float = 2e-3,
    weight_decay: float = 0.0,
    patience: int = 10,
    report: Callable[[int, float], None] | None = None,
) -> pd.DataFrame:
    """Train a recommender in place and keep the weights of the epoch that is best on validation users.

    After every epoch a fifth of each validation user's items is hidden (always the same), and the NDCG@100 of finding them
    decides. These items are drawn at random; for a recommender that uses the order, they are the newest. Training stops when
    it has not improved for ``patience`` epochs. Steps run in training mode, validation in evaluation mode, in which the
    recommender is afterwards.

    A recommender in closed form (``model.is_closed_form``) is trained by one call of its ``solve``, reported as one epoch.
    ``epochs``, ``batch_size``, ``learning_rate``, ``weight_decay`` and ``patience`` are then without effect.

    Args:
        model: the recommender, on the device to train on.
        train_matrix: histories of the training users: (n, I) CSR, or :class:`lxr.EntryLists`, which have an order. A
            recommender that uses the order needs these.
        validation_matrix: histories of the validation users, in one of these forms.
        seed: seed of the order of users, of dropout and of the hidden items.
        epochs: upper limit.
        batch_size: users per step.
        learning_rate: learning rate of Adam.
        weight_decay: weight decay of Adam.
        patience: epochs without improvement before stopping.
        report: called after every epoch with its number and the validation NDCG@100; an exception in it stops training.

    Returns:
        One row per epoch: ``epoch``, ``loss`` (mean over batches), ``NDCG@100``.

    Raises:
        ValueError: an empty or mis-shaped matrix, a matrix without an order for a recommender that uses it, or a loss that
            is not finite.

    Warns:
        UserWarning: the recommender uses the order, and the training users have none: no times, or all equal ones.

    Example:
        >>> import lxr
        >>> matrix = lxr.load_dataset("synthetic").matrix
        >>> model = lxr.MF(matrix.shape[1], n_factors=8)
        >>> training = fit(model, matrix[:400], matrix[400:500], epochs=4)
        >>> training.columns.tolist(), len(training)
        (['epoch', 'loss', 'NDCG@100'], 4)
    """
    check_model(model)
    train_lists = as_lists_for(model, train_matrix=train_matrix)
    validation_lists = as_lists_for(model, validation_matrix=validation_matrix)
    check_positive(epochs=epochs, batch_size=batch_size, patience=patience)
    check_positive_numbers(learning_rate=learning_rate)
    check_non_negative(weight_decay=weight_decay)
    seed = check_seed(seed)
    if model.is_ordered:
        warn_without_order("train_matrix", train_lists, model.n_features)
    shuffle, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    rest, hidden = hide_share(validation_lists, 0.2, seed, model.n_features, last=model.is_ordered)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate, weight_decay=weight_decay, fused=True)
    step = itertools.count()

    def loss_of(users: np.ndarray) -> torch.Tensor:
        return model.loss(train_lists.batch(users, model.device), generator, next(step))

    def train() -> float:
        if model.is_closed_form:
            return model.solve(train_lists)
        with learning(model), with_gradients():
            return train_epoch(optimizer, loss_of, shuffle.permutation(len(train_lists)), batch_size)

    with model.training_on(train_lists):
        training = train_and_keep_best(
            model,
            1 if model.is_closed_form else epochs,
            train=train,
            validate=lambda: holdout_ndcg(model, rest, hidden),
            metric=HOLDOUT_METRIC,
            lower_is_better=False,
            learning_rate=learning_rate,
            label=f"training {type(model).__name__}",
            report=report,
            patience=patience,
        )
    model.eval()
    return training


def train_recommender(name: str, data: Interactions, *, seed: int = 0, **options) -> Recommender:
    """Create and train a registered recommender on the training users of :func:`lxr.split_users`.

    Args:
        name: a name in :data:`lxr.RECOMMENDERS`.
        data: histories, whose users are split with the default shares.
        seed: seed of the split, the initial weights and the training.
        options: options of the recommender's class.

    Returns:
        The trained recommender.

    Raises:
        ValueError: an unknown name or option, or too few users to split.

    Warns:
        UserWarning: as for :func:`fit`.

    Example:
        >>> import lxr
        >>> model = train_recommender("mf", lxr.load_dataset("synthetic"), n_factors=8)
        >>> model.n_items, model.training
        (160, False)
    """
    check_instance(Interactions, "interactions, as lxr.prepare makes them", data=data)
    cls = RECOMMENDERS[name]
    check_options(default_options(cls).keys() - {"seed", "n_features"}, **{name: options})
    train, validation, _ = split_users(data.matrix.shape[0], seed=seed)
    model = cls(data.n_items, seed=seed, n_features=data.n_features, **options)
    lists = data.histories() if model.is_ordered else EntryLists.of_matrix(data.matrix)
    fit(model, lists[train], lists[validation], seed=seed)
    return model
