"""The base of explainers that were trained: a network, its settings and the record of its training, saved and loaded."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import pandas as pd
from torch import nn

from lxr.explainer import Explainer
from lxr.fingerprint import Fingerprint
from lxr.recommenders import Recommender, check_weights, read_weights, restore_weights, save_weights
from lxr.storage import ANEW, DataError, plain, short

ENTRIES = ("explainer", "recommender", "n_items", "settings", "hidden_size", "weights", "training")


class LearnedExplainer(Explainer):
    """A trained network as an explainer of the recommender for which it was trained.

    A subclass defines :attr:`settings_class`, :meth:`new_network` and ``importance``.

    Attributes:
        model: the explained recommender.
        network: the network; its ``hidden_size`` is its width.
        settings: what it was trained with.
        training: one row per epoch.
        fingerprint: of the recommender for which the network was trained.

    Example: see :func:`lxr.train_lxr`.
    """

    settings_class: ClassVar[type]

    def __init__(self, model: Recommender, network: nn.Module, settings: Any, training: pd.DataFrame):
        super().__init__(model)
        self.network, self.settings, self.training = network, settings, training
        self.fingerprint = Fingerprint.of(model)

    @classmethod
    def new_network(cls, model: Recommender, settings: Any, hidden_size: int) -> nn.Module:
        """Make an untrained network of these settings and this width for a recommender."""
        raise NotImplementedError

    def save(self, path: str | Path) -> None:
        """Write settings, weights, the training record and the recommender's fingerprint to one file, atomically.

        Raises:
            ValueError: something that :meth:`load` would refuse; nothing is written.
        """
        state = {
            "explainer": type(self).__name__,
            "recommender": self.fingerprint.state,
            "n_items": int(self.model.n_items),
            "settings": plain(asdict(self.settings), "settings"),
            "hidden_size": int(self.network.hidden_size),
            "weights": self.network.state_dict(),
            "training": plain(pd.DataFrame(self.training).to_dict("list"), "training"),
        }
        check_weights(self.network, state["weights"])
        save_weights(state, path)

    @classmethod
    def load(cls, path: str | Path, model: Recommender, allow_other: bool = False) -> Self:
        """Read what :meth:`save` wrote, as an explainer of ``model``.

        Args:
            path: the file.
            model: the recommender for which the network was trained.
            allow_other: also take a recommender with the same items, but other weights. Its explanations come from what
                the network learned about the other one.

        Raises:
            DataError: the file is missing, damaged, another kind of explainer, or one of another recommender.
        """
        state = read_weights(path, required=ENTRIES)
        if state["explainer"] != cls.__name__:
            raise DataError(f"{path}: expected an explainer of the class {cls.__name__}, found {state['explainer']!r}")
        if state["n_items"] != model.n_items:
            raise DataError(f"{path}: expected an explainer of {model.n_items} items, found one of {state['n_items']}")
        try:
            fingerprint = Fingerprint.of_state(state["recommender"])
            settings = cls.settings_class(**state["settings"])
            network = cls.new_network(model, settings, state["hidden_size"])
            training = pd.DataFrame(state["training"])
        except Exception as error:  # a file made by hand may hold anything
            raise DataError(f"{path} is damaged: its settings make no explainer: {short(error)}: {ANEW}") from error
        restore_weights(network, state["weights"], path)
        explainer = cls(model, network.to(model.device), settings, training)
        if fingerprint.differs(explainer.fingerprint) and not allow_other:
            raise DataError(
                f"{path}: expected an explainer of this recommender ({explainer.fingerprint}), found one of another "
                f"({fingerprint}): load that one, or train the explainer anew; allow_other=True takes it all the same"
            )
        explainer.fingerprint = fingerprint
        return explainer
