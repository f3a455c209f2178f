"""Base class of trained explainers: saving, loading, and a comparison with a random order after training."""

import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import torch
from torch import nn

from lxr.data.histories import EntryLists
from lxr.explainers.base import Explainer, training_lists
from lxr.explainers.similarity import RandomOrder
from lxr.metrics.fidelity import fidelity_per_user
from lxr.metrics.names import LOWER, direction
from lxr.recommenders.base import Recommender
from lxr.recommenders.fingerprint import Fingerprint
from lxr.recommenders.modes import uncounted
from lxr.utils.records import plain
from lxr.utils.storage import REPAIR, DataError, short
from lxr.utils.weights import check_weights, read_weights, restore_weights, save_weights

LXR_FAMILIES = ("lxr", "lxr-path")  # LXR and its variants, and LXR on paths: separate notebooks train them
_CLEARLY = 2.0  # required lead of a trained explainer over a random order, in standard errors
_ENTRIES = ("explainer", "recommender", "n_items", "settings", "hidden_size", "weights", "training")


class HiddenNetwork(nn.Module):
    """Base class of the networks of trained explainers.

    Attributes:
        hidden_size: width of the hidden layers.
    """

    hidden_size: int


class LearnedExplainer(Explainer):
    """A trained network as an explainer of the recommender for which it was trained.

    A subclass defines ``settings_class``, :meth:`new_network` and ``importance``.

    Attributes:
        model: the explained recommender.
        network: the network.
        settings: settings of the training.
        training: one row per epoch.
        fingerprint: fingerprint of the recommender for which the network was trained.

    Example: see :func:`lxr.train_lxr`.
    """

    settings_class: ClassVar[type]

    def __init__(self, model: Recommender, network: HiddenNetwork, settings: Any, training: pd.DataFrame):
        super().__init__(model)
        self.network, self.settings, self.training = network, settings, training
        self.fingerprint = Fingerprint.of(model)

    @classmethod
    def new_network(cls, model: Recommender, settings: Any, hidden_size: int) -> HiddenNetwork:
        """Make an untrained network with these settings and this width for a recommender."""
        raise NotImplementedError

    def save(self, path: str | Path) -> None:
        """Write settings, weights, the training record and the recommender's fingerprint to one file, atomically.

        Raises:
            ValueError: content that :meth:`load` would refuse; nothing is written.
        """
        state = {
            "explainer": type(self).__name__,
            "recommender": self.fingerprint.state,
            "n_items": int(self.model.n_columns),
            "settings": plain(asdict(self.settings), "settings"),
            "hidden_size": int(self.network.hidden_size),
            "weights": self.network.state_dict(),
            "training": plain(pd.DataFrame(self.training).to_dict("list"), "training"),
        }
        check_weights(self.network, state["weights"])
        save_weights(state, path)

    @classmethod
    def load(cls, path: str | Path, model: Recommender, *, allow_other: bool = False) -> Self:
        """Read a file of :meth:`save`, as an explainer of ``model``.

        Args:
            path: the file.
            model: the recommender for which the network was trained.
            allow_other: also accept a recommender with the same items but other weights. The network then explains it with
                what it learned about the original one.

        Raises:
            DataError: the file is missing or damaged, or holds another kind of explainer or one of another recommender.
        """
        state = read_weights(path, required=_ENTRIES)
        if state["explainer"] != cls.__name__:
            raise DataError(f"{path}: expected an explainer of the class {cls.__name__}, found {state['explainer']!r}")
        if state["n_items"] != model.n_columns:
            raise DataError(f"{path}: expected an explainer of {model.n_columns} items, found one of {state['n_items']}")
        try:
            fingerprint = Fingerprint.of_state(state["recommender"])
            settings = cls.settings_class(**state["settings"])
            network = cls.new_network(model, settings, state["hidden_size"])
            training = pd.DataFrame(state["training"])
        except Exception as error:  # a file made by hand may hold anything
            raise DataError(f"{path} is damaged: its settings are not valid: {short(error)}: {REPAIR}") from error
        restore_weights(network, state["weights"], path)
        explainer = cls(model, network.to(model.device), settings, training)
        if fingerprint.differs(explainer.fingerprint) and not allow_other:
            raise DataError(
                f"{path}: expected an explainer of this recommender ({explainer.fingerprint}), found one of another "
                f"({fingerprint}): load that one, or train the explainer again; allow_other=True accepts it anyway"
            )
        explainer.fingerprint = fingerprint
        return explainer


def learning_lists(
    model: Recommender, train_matrix: object, validation_matrix: object, seed: int
) -> tuple[EntryLists, EntryLists]:
    """Training and validation histories of a trained explainer.

    Args:
        model: the explained recommender.
        train_matrix: histories of the training users, as :func:`lxr.explainers.base.training_lists` takes them.
        validation_matrix: histories of the validation users; None takes a random tenth of the training users.
        seed: seed of this choice.

    Raises:
        ValueError: not histories for this recommender, or too few training users to draw from.
    """
    train = training_lists(model, train_matrix=train_matrix)
    if validation_matrix is not None:
        return train, training_lists(model, validation_matrix=validation_matrix)
    if len(train) < 2:
        raise ValueError("train_matrix: expected at least two users without a validation_matrix, found one")
    order = np.random.default_rng(seed).permutation(len(train))
    cut = max(1, len(order) // 10)
    return train[np.sort(order[cut:])], train[np.sort(order[:cut])]


def ages(lengths: torch.Tensor) -> torch.Tensor:
    """Number of newer entries (N,) of each entry of histories of lengths (B,), user after user, oldest first.

    Example:
        >>> ages(torch.tensor([3, 1]))
        tensor([2, 1, 0, 0])
    """
    end = lengths.cumsum(0).repeat_interleave(lengths)
    return end - 1 - torch.arange(len(end), device=lengths.device)


def report_unlearned(
    model: Recommender,
    name: str,
    lists: EntryLists,
    target: np.ndarray,
    scores: np.ndarray,
    metric: str,
    *,
    seed: int = 0,
) -> None:
    """Warn if explanations are not clearly better than a random order: by two standard errors of the paired difference.

    The comparison is not counted as a cost of the explainer.

    Args:
        model: the explained recommender.
        name: name of the explainer.
        lists: histories of n validation users.
        target: (n,) explained items.
        scores: (N,) explanations of their entries.
        metric: the criterion of the training.
        seed: seed of the random order.

    Warns:
        UserWarning: explanations are not clearly better; names both means.

    Example:
        >>> import torch, lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> lists = EntryLists(np.tile([0, 1], 9), 2 * np.arange(10), n_columns=4)
        >>> with warnings.catch_warnings(record=True) as said:
        ...     report_unlearned(model, "good", lists, np.full(9, 3), np.tile([2.0, 1.0], 9), "INS")
        ...     report_unlearned(model, "bad", lists, np.full(9, 3), np.tile([1.0, 2.0], 9), "INS")
        >>> [str(warning.message).split(":")[0] for warning in said]
        ['bad']
    """
    with uncounted(model), warnings.catch_warnings(action="ignore"):
        random = RandomOrder(model, seed=seed).explain(lists, target)
        found, chance = (fidelity_per_user(model, lists, target, each, metric) for each in (scores, random))
    ahead = (chance - found) * (1 if direction(metric) == LOWER else -1)
    error = ahead.std(ddof=1) / np.sqrt(len(ahead)) if len(ahead) > 1 else np.inf
    if ahead.mean() > max(_CLEARLY * error, 0.0):
        return
    figures = f"{metric} {found.mean():.3f}, {chance.mean():.3f} for a random order"
    warnings.warn(
        f"{name}: not clearly better than a random order on {len(ahead)} validation users: {figures}. It may have learned "
        "nothing: tune it for this recommender (run_all.py --tune explainers)",
        stacklevel=4,  # skips the decorator of the training function
    )
