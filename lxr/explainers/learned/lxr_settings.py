"""Settings of LXR: hyperparameters, published values, and the search space."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeVar, get_args

import numpy as np
import pandas as pd
import torch
from torch import nn

from lxr.data.histories import EntryLists
from lxr.explainers.base import training_lists
from lxr.metrics.names import check_metric
from lxr.recommenders.base import Recommender
from lxr.recommenders.probes import check_answers
from lxr.recommenders.recommendations import top_item
from lxr.utils.checks import check_choice, check_non_negative, check_options, check_positive, check_positive_numbers
from lxr.utils.sparse import batches

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

HiddenActivation = Literal["tanh", "relu"]
Inputs = Literal["both", "history", "target"]
Initialization = Literal["xavier", "torch"]
WarmStart = Literal[False, True, "answers"]
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
    "warm_start": get_args(WarmStart),
}
# For lxr.tuning. All ranges contain the published and the default settings; weights of 0 are left to the variants. Adam
# ignores a common factor of the three weights, so alpha is on or off.
SEARCH_SPACE = {
    "lambda_pos": (0.01, 100.0, "log"),
    "lambda_neg": (0.01, 100.0, "log"),
    "alpha": [0.0, 1.0],
    "learning_rate": (3e-4, 5e-2, "log"),
    "batch_size": [8, 16, 32, 64, 128, 256],
    "hidden_size": [16, 32, 64, 128],
    "initialisation": list(CHOICES["initialisation"]),
    "warm_start": list(CHOICES["warm_start"]),
}
ASKED = 1000  # largest number of training users for a rule or a warm start
STEPS = 1000  # smallest number of steps of Adam
SMALLEST_FALL = 1e-3  # smallest fall of log-probability of a recommender that uses the history


@dataclass(frozen=True)
class LXRSettings:
    """All hyperparameters of LXR.

    Attributes:
        lambda_pos: weight of −log p(x⁺), "the kept items suffice".
        lambda_neg: weight of log p(x⁻), "without them the recommendation falls".
        alpha: weight of the mean mask, "keep few items".
        hidden_size: width of the encoders and of the hidden layer.
        learning_rate: learning rate of Adam.
        learning_rate_decay: factor of the learning rate after every epoch.
        batch_size: users per step.
        epochs: passes over the training users.
        activation: ``"tanh"``, or ``"relu"`` as in the authors' first release for the VAE.
        inputs: inputs of the network, ``"both"`` history and target, or only one of them.
        initialisation: initial weights, ``"xavier"`` or ``"torch"``, PyTorch's default for linear layers.
        warm_start: ``True`` starts the encoders from the recommender's, as the authors' first release does; their width is
            then the ``hidden_size``. ``"answers"`` starts all layers from the recommender's answers to training users
            (:func:`lxr.explainers.learned.lxr_network.start_from_answers`), which needs no encoders. ``False`` starts from
            random weights.
        criterion: metric on the validation users for the choice of the epoch, any of :meth:`lxr.FidelityResult.per_user`;
            :func:`lxr.metrics.direction` states whether lower is better.

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
    warm_start: WarmStart = False
    criterion: str = "POS@20"

    def __post_init__(self):
        check_non_negative(lambda_pos=self.lambda_pos, lambda_neg=self.lambda_neg, alpha=self.alpha)
        check_positive(hidden_size=self.hidden_size, batch_size=self.batch_size, epochs=self.epochs)
        check_positive_numbers(learning_rate=self.learning_rate, learning_rate_decay=self.learning_rate_decay)
        for name, known in CHOICES.items():
            check_choice(known, **{name: getattr(self, name)})
        check_metric(self.criterion)


def published_settings(dataset: str, recommender: str, variant: Variant | Literal["pos-warm"] = "combined") -> LXRSettings:
    """Published hyperparameters of LXR for the nearest configuration.

    Args:
        dataset: name of the dataset; unknown ones use the row of MovieLens 1M.
        recommender: ``"mf"`` or ``"vae"``; others use the row of MF.
        variant: ``"combined"``, ``"pos"`` or ``"neg"``; or ``"pos-warm"``: the values of ``"pos"``, encoders that start
            from the recommender's, and for the VAE ReLU activations. These three are choices of the first release of their
            code. Otherwise that release differs: its head for MF goes from 2h over 3h to n, for the VAE has one layer, and
            its size term is the sum of the mask over the whole catalogue, weighed by .00055 to .0055.

    Returns:
        The settings; unreported ones have their defaults.

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


def default_settings(model: Recommender, train_matrix: object, variant: Variant = "combined") -> LXRSettings:
    """Settings for any recommender, from its probabilities for training users.

    **Weights.** The effect of a λ depends on how far log p of the recommender can fall. Let s be the mean fall from the
    whole history to none, log p(x) − log p(∅). With λ = α / s every term of the loss moves by α between a mask of ones and
    one of zeros. An item whose removal costs the mean share of s then gains 2 α / n by being kept (one for each term), and
    costs α / n: items of more than half the mean effect are kept.

    **Start.** From the recommender's answers: a few hundred users are too few to learn encoders of thousands of items. The
    learning rate is lower than the published ones; otherwise the first steps would undo the warm start.

    **Steps.** As many epochs as published, and more if these have fewer than a thousand steps. All other settings are as
    published for MF and MovieLens 1M.

    ``benchmarks/defaults.py`` measures this rule on validation users: for MF, VAE, NCF, EASE and ALS on MovieLens 100K and
    on generated histories of about five items, and for an external matrix factorisation on Amazon data. The published
    settings are better in one of these eleven cases, NCF on MovieLens 100K.

    Args:
        model: the recommender to explain.
        train_matrix: histories of the training users: :class:`lxr.EntryLists`, or (n, I) CSR.
        variant: ``"combined"``, ``"pos"`` or ``"neg"``.

    Returns:
        The settings.

    Raises:
        ValueError: an unknown variant, or not histories for this recommender.

    Example:
        >>> import lxr, torch, scipy.sparse as sp
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> settings = default_settings(model, sp.csr_matrix([[1, 1, 0, 0]]))
        >>> fall = np.log(1 / (1 + np.exp(-2))) - np.log(0.5)  # of item 3, from a logit of 2 to one of 0
        >>> bool(np.isclose(settings.lambda_pos, 1 / fall)), settings.epochs
        (True, 1000)
    """
    check_choice(VARIANTS, variant=variant)
    check_answers(model)
    train = training_lists(model, train_matrix=train_matrix)
    weight = LXRSettings.alpha / max(SMALLEST_FALL, fall_of_log_prob(model, asked_users(train)))
    steps_per_epoch = -(-len(train) // LXRSettings.batch_size)
    return LXRSettings(
        lambda_pos=0.0 if variant == "neg" else weight,
        lambda_neg=0.0 if variant == "pos" else weight,
        learning_rate=1e-3,
        epochs=max(LXRSettings.epochs, -(-STEPS // steps_per_epoch)),
        warm_start="answers",
    )


def asked_users(lists: EntryLists) -> EntryLists:
    """At most ``ASKED`` of the histories, evenly spaced."""
    n = len(lists)
    return lists if n <= ASKED else lists[np.linspace(0, n - 1, ASKED).astype(int)]


@torch.no_grad()
def fall_of_log_prob(model: Recommender, lists: EntryLists) -> float:
    """Mean fall of the log-probability of the top recommendation without the whole history."""
    target, falls = top_item(model, lists), []
    for users in batches(len(lists), 512):
        histories = lists.batch(users, model.device)
        items = torch.from_numpy(target[users]).to(model.device)
        kept = (histories.real, torch.zeros_like(histories.real))
        whole, nothing = (model.target_log_prob(model.logits_after_deletion(histories, each), items) for each in kept)
        falls.append(whole - nothing)
    return float(torch.cat(falls).mean())


def search_space(variant: Variant) -> dict:
    """Search space of a variant's settings for :mod:`lxr.tuning`."""
    absent = {"pos": "lambda_neg", "neg": "lambda_pos"}.get(variant)
    return {name: values for name, values in SEARCH_SPACE.items() if name != absent}


def settings_from(options: dict, base: Settings) -> Settings:
    """``base``, settings of any kind, with some fields replaced.

    Raises:
        ValueError: an unknown field, or an impossible value of a field.
    """
    check_options([field.name for field in fields(base)], **{type(base).__name__: options})
    return replace(base, **options)
