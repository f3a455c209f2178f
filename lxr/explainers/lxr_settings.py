"""Settings of LXR: hyperparameters, the published ones, and the search space."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeVar, get_args

import pandas as pd
from torch import nn

from lxr.metrics.names import check_metric
from lxr.recommenders.base import Recommender
from lxr.utils.checks import check_choice, check_non_negative, check_options, check_positive, check_positive_numbers

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

HiddenActivation = Literal["tanh", "relu"]
Inputs = Literal["both", "history", "target"]
Initialization = Literal["xavier", "torch"]
Variant = Literal["combined", "pos", "neg"]
HIDDEN_ACTIVATIONS: dict[HiddenActivation, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU}
Settings = TypeVar("Settings", bound="DataclassInstance")
PUBLISHED = Path(__file__).with_name("published_hyperparameters.csv")
VARIANTS = get_args(Variant)
POS_WARM: Final = "pos-warm"
CHOICES = {
    "activation": get_args(HiddenActivation),
    "inputs": get_args(Inputs),
    "initialisation": get_args(Initialization),
}
# For lxr.tuning: that of the authors, weights on a logarithmic scale (published ones are from 0.14 to 19); 0 is left to the
# variants.
SEARCH_SPACE = {
    "lambda_pos": (0.1, 50.0, "log"),
    "lambda_neg": (0.05, 50.0, "log"),
    "learning_rate": (1e-3, 1e-2, "log"),
    "batch_size": [32, 64, 128, 256],
    "hidden_size": [32, 64, 128],
}


@dataclass(frozen=True)
class LXRSettings:
    """Everything that is chosen about LXR.

    Attributes:
        lambda_pos: weight of −log p(x⁺), "what explains suffices".
        lambda_neg: weight of log p(x⁻), "without it the recommendation falls".
        alpha: weight of the mean mask, "explain by little".
        hidden_size: width of the encoders and of the hidden layer.
        learning_rate: of Adam.
        learning_rate_decay: factor of the learning rate after every epoch.
        batch_size: users per step.
        epochs: passes over the training users.
        activation: ``"tanh"``, or ``"relu"`` as the authors' first release has for the VAE.
        inputs: what the network looks at: ``"both"`` history and target, or only one of them.
        initialisation: of the weights, ``"xavier"`` or ``"torch"``, PyTorch's own for linear layers.
        warm_start: start the encoders from the recommender's, as the authors' first release does; ``hidden_size`` is then
            theirs.
        criterion: metric of the validation users by which the epoch is chosen, any of
            :meth:`lxr.FidelityResult.per_user`; its name says whether lower is better.

    Raises:
        ValueError: a weight below 0, a rate or a size that is not positive, an unknown choice or metric.

    Example:
        >>> LXRSettings(lambda_neg=0).lambda_pos, LXRSettings().epochs
        (11.599, 40)
    """

    lambda_pos: float = 11.599
    lambda_neg: float = 0.1415
    alpha: float = 1.0
    hidden_size: int = 64
    learning_rate: float = 0.004177
    learning_rate_decay: float = 1.0
    batch_size: int = 32
    epochs: int = 40
    activation: HiddenActivation = "tanh"
    inputs: Inputs = "both"
    initialisation: Initialization = "xavier"
    warm_start: bool = False
    criterion: str = "POS@20"

    def __post_init__(self):
        check_non_negative(lambda_pos=self.lambda_pos, lambda_neg=self.lambda_neg, alpha=self.alpha)
        check_positive(hidden_size=self.hidden_size, batch_size=self.batch_size, epochs=self.epochs)
        check_positive_numbers(learning_rate=self.learning_rate, learning_rate_decay=self.learning_rate_decay)
        for name, known in CHOICES.items():
            check_choice(known, **{name: getattr(self, name)})
        check_choice((True, False), warm_start=self.warm_start)
        check_metric(self.criterion)


def published_settings(dataset: str, recommender: str, variant: Variant | Literal["pos-warm"] = "combined") -> LXRSettings:
    """The hyperparameters that the authors of LXR report, for the nearest configuration.

    Args:
        dataset: its own row if there is one, else the row of MovieLens 1M.
        recommender: ``"mf"`` or ``"vae"``; any other has the row of MF.
        variant: ``"combined"``, ``"pos"`` or ``"neg"``; or ``"pos-warm"``: the values of ``"pos"``, encoders that start
            from the recommender's, and for the VAE ReLU activations. These three are choices of the first release of their
            code. It is not that release, whose head for MF goes from 2h over 3h to n, for the VAE has one layer, and whose
            size term is the sum of the mask over the whole catalogue, weighed by .00055 to .0055.

    Returns:
        The settings; what the authors do not report has its default.

    Raises:
        ValueError: an unknown variant.

    Example:
        >>> published_settings("ml-100k", "vae").hidden_size
        128
    """
    if variant == POS_WARM:
        activation: HiddenActivation = "relu" if recommender == "vae" else "tanh"
        return replace(published_settings(dataset, recommender, "pos"), warm_start=True, activation=activation)
    check_choice((*VARIANTS, POS_WARM), variant=variant)
    table = pd.read_csv(PUBLISHED)
    dataset = dataset if dataset in set(table["dataset"]) else "ml-1m"
    recommender = recommender if recommender in set(table["recommender"]) else "mf"
    row = table[(table["dataset"] == dataset) & (table["recommender"] == recommender) & (table["variant"] == variant)]
    values = row.iloc[0][["lambda_pos", "lambda_neg", "alpha", "hidden_size", "learning_rate", "batch_size"]].to_dict()
    return LXRSettings(**values | {name: int(values[name]) for name in ("hidden_size", "batch_size")})


def default_settings(model: Recommender, variant: Variant = "combined") -> LXRSettings:
    """Published settings of MovieLens 1M for the recommender of the same kind of score."""
    return published_settings("ml-1m", "vae" if model.activation == "softmax" else "mf", variant)


def search_space(variant: Variant) -> dict:
    """What :mod:`lxr.tuning` may choose settings of a variant from."""
    absent = {"pos": "lambda_neg", "neg": "lambda_pos"}.get(variant)
    return {name: values for name, values in SEARCH_SPACE.items() if name != absent}


def settings_from(options: dict, base: Settings) -> Settings:
    """``base``, settings of any kind, with some fields replaced.

    Raises:
        ValueError: an option that is no field, or a value that a field cannot have.
    """
    check_options([field.name for field in fields(base)], **{type(base).__name__: options})
    return replace(base, **options)
