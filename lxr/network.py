"""LXR: an explainer network that is trained to explain one recommender.

Source: Barkan, Bogina, Gurevitch, Asher, Koenigstein: A Counterfactual Framework for Learning and Evaluating Explanations
for Recommender Systems. WWW 2024. doi:10.1145/3589334.3645560
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from torch import nn

from lxr.chance import report_unlearned
from lxr.checks import (
    check_choice,
    check_differentiable,
    check_instance,
    check_non_negative,
    check_options,
    check_positive,
    check_positive_numbers,
    check_seed,
)
from lxr.epochs import train_and_keep_best, train_epoch
from lxr.explainer import explain_users, mean_fidelity, top_items
from lxr.fidelity import LOWER, check_metric, direction
from lxr.inputs import as_users
from lxr.interactions import dense, with_validation
from lxr.learned import LearnedExplainer
from lxr.modes import evaluating, uncounted, with_gradients
from lxr.probes import check_answers
from lxr.recommenders import Recommender, initialise, linear_layer

HIDDEN_ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU}
Settings = TypeVar("Settings")
PUBLISHED = Path(__file__).with_name("published_hyperparameters.csv")
VARIANTS = ("combined", "pos", "neg")
FIRST_RELEASE = "first-release"
CHOICES = {
    "activation": tuple(HIDDEN_ACTIVATIONS),
    "inputs": ("both", "history", "target"),
    "initialisation": ("xavier", "torch"),
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
        activation: ``"tanh"``, or ``"relu"`` as the first release used for the VAE.
        inputs: what the network looks at: ``"both"`` history and target, or only one of them.
        initialisation: of the weights, ``"xavier"`` or ``"torch"``, PyTorch's own for linear layers.
        warm_start: start the encoders from the recommender's, as the first release did; ``hidden_size`` is then theirs.
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
    activation: str = "tanh"
    inputs: str = "both"
    initialisation: str = "xavier"
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


def published_settings(dataset: str, recommender: str, variant: str = "combined") -> LXRSettings:
    """The hyperparameters that the authors of LXR report, for the nearest configuration.

    Args:
        dataset: its own row if there is one, else the row of MovieLens 1M.
        recommender: ``"mf"`` or ``"vae"``; any other has the row of MF.
        variant: ``"combined"``, ``"pos"`` or ``"neg"``; or ``"first-release"``: the network of the first release of their
            code, which has no negative term, starts from the recommender's encoders and for the VAE has ReLU activations,
            with the values of ``"pos"``.

    Returns:
        The settings; what the authors do not report has its default.

    Raises:
        ValueError: an unknown variant.

    Example:
        >>> published_settings("ml-100k", "vae").hidden_size
        128
    """
    if variant == FIRST_RELEASE:
        activation = "relu" if recommender == "vae" else "tanh"
        return replace(published_settings(dataset, recommender, "pos"), warm_start=True, activation=activation)
    check_choice((*VARIANTS, FIRST_RELEASE), variant=variant)
    table = pd.read_csv(PUBLISHED)
    dataset = dataset if dataset in set(table["dataset"]) else "ml-1m"
    recommender = recommender if recommender in set(table["recommender"]) else "mf"
    row = table[(table["dataset"] == dataset) & (table["recommender"] == recommender) & (table["variant"] == variant)]
    values = row.iloc[0][["lambda_pos", "lambda_neg", "alpha", "hidden_size", "learning_rate", "batch_size"]].to_dict()
    return LXRSettings(**values | {name: int(values[name]) for name in ("hidden_size", "batch_size")})


class ExplainerNetwork(nn.Module):
    """E(x, y): linear encoders of history and item, then tanh → linear → tanh → linear → sigmoid.

    Args:
        n_items: number of items I.
        hidden_size: width h of the encoders.
        activation, inputs, initialisation: as for :class:`LXRSettings`.
        seed: of the initial weights.

    Source: Barkan et al., WWW 2024, section 3.

    Example:
        >>> network = ExplainerNetwork(n_items=5, hidden_size=3)
        >>> network(torch.ones(2, 5), torch.tensor([0, 4])).shape  # mask logits of two users
        torch.Size([2, 5])
    """

    def __init__(
        self,
        n_items: int,
        hidden_size: int,
        activation: str = "tanh",
        inputs: str = "both",
        initialisation: str = "xavier",
        seed: int = 0,
    ):
        super().__init__()
        check_positive(n_items=n_items, hidden_size=hidden_size)
        for name, value in (("activation", activation), ("inputs", inputs), ("initialisation", initialisation)):
            check_choice(CHOICES[name], **{name: value})
        self.inputs, self.hidden_size = inputs, hidden_size
        self.history_encoder = linear_layer(n_items, hidden_size)
        self.item_encoder = linear_layer(n_items, hidden_size)  # applied to one-hot items: one column each
        self.head = nn.Sequential(
            HIDDEN_ACTIVATIONS[activation](),
            linear_layer(2 * hidden_size, hidden_size),
            HIDDEN_ACTIVATIONS[activation](),
            linear_layer(hidden_size, n_items),
        )
        initialise(self, seed) if initialisation == "xavier" else initialise_uniformly(self, seed)

    def forward(self, history: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Mask logits (B, I) of histories (B, I) and target items (B,); their sigmoid is the mask m."""
        user = self.history_encoder(history)  # (B, h)
        item = self.item_encoder.weight.T[target] + self.item_encoder.bias  # (B, h)
        if self.inputs != "both":  # what is not looked at is constant
            user, item = (user, torch.zeros_like(item)) if self.inputs == "history" else (torch.zeros_like(user), item)
        return self.head(torch.cat([user, item], dim=1))


def initialise_uniformly(module: nn.Module, seed: int) -> None:
    """What PyTorch gives linear layers by default, uniform within ±1/√(inputs), drawn from a generator of its own."""
    generator = torch.Generator().manual_seed(check_seed(seed))
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            for parameter in (layer.weight, layer.bias):
                bound = layer.in_features**-0.5
                nn.init.uniform_(parameter, -bound, bound, generator=generator)


def lxr_loss(
    model: Recommender, history: torch.Tensor, target: torch.Tensor, mask: torch.Tensor, settings: LXRSettings
) -> torch.Tensor:
    """Loss of masks, mean over users.

    loss = λ_pos · (−log p(x⁺)) + λ_neg · log p(x⁻) + α · mean of m over the history items,
    with x⁺ = x ∘ m, x⁻ = x ∘ (1 − m) and p the probability of the target.

    Args:
        model: the explained recommender.
        history: (B, I) binary histories x.
        target: (B,) explained items.
        mask: (B, I) masks m in (0, 1).
        settings: the weights.

    Returns:
        A scalar, differentiable in the mask.

    Source: Barkan et al., WWW 2024, section 3.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> history, target, settings = torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3]), LXRSettings()
        >>> masks = {"item 0": [[0.9, 0.1, 0, 0]], "item 1": [[0.1, 0.9, 0, 0]], "both": [[0.9, 0.9, 0, 0]]}
        >>> {name: round(float(lxr_loss(model, history, target, torch.tensor(m), settings)), 2) for name, m in masks.items()}
        {'item 0': 2.19, 'item 1': 7.42, 'both': 2.59}
    """
    loss = settings.alpha * (mask * history).sum(dim=1) / history.sum(dim=1)  # (B,)
    if settings.lambda_pos:
        loss = loss - settings.lambda_pos * model.target_log_prob(model(history * mask), target)
    if settings.lambda_neg:
        loss = loss + settings.lambda_neg * model.target_log_prob(model(history * (1 - mask)), target)
    return loss.mean()


class LXR(LearnedExplainer):
    """The trained network as an explainer: the importance of an item is its mask logit.

    The sign of a logit says that the mask is above or below a half, not that an item speaks for or against the target.
    (The order is that of the mask, without the ties into which a float32 sigmoid would run.) :func:`train_lxr` makes it.

    Attributes:
        model: the explained recommender.
        network: the explainer network.
        settings: what it was trained with.
        training: one row per epoch: ``epoch``, ``loss``, the criterion of validation users (``POS@20``),
            ``learning_rate``.

    Source: Barkan et al., WWW 2024, section 3.

    Example: see :func:`train_lxr`.
    """

    settings_class = LXRSettings

    @torch.no_grad()
    def importance(self, history: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Mask logits."""
        return self.network(history, target)

    @classmethod
    def new_network(cls, model: Recommender, settings: LXRSettings, hidden_size: int) -> ExplainerNetwork:
        """An untrained explainer network."""
        return new_network(model.n_items, hidden_size, settings)


@with_gradients()
def train_lxr(
    model: Recommender,
    train_matrix: sp.csr_matrix,
    validation_matrix: sp.csr_matrix | None = None,
    seed: int = 0,
    settings: LXRSettings | None = None,
    report: Callable[[int, float], None] | None = None,
) -> LXR:
    """Train LXR on the top recommendation of every training user; keep the epoch that is best for the validation users.

    Args:
        model: the recommender to explain; it is left as it is.
        train_matrix: (n, I) CSR histories of the training users.
        validation_matrix: (m, I) CSR histories by which the epoch is chosen; None sets a tenth of the training users aside.
        seed: of the initial weights and of the order of users.
        settings: weights and hyperparameters; the published ones of MovieLens 1M by default.
        report: called after every epoch with its number and the validation criterion; whatever it raises ends the training.

    Returns:
        The explainer, with a record of its training.

    Raises:
        ValueError: an empty matrix, a loss that is not finite, a warm start from a recommender without encoders, or a
            recommender without a gradient.

    Warns:
        UserWarning: on the validation users it is not clearly better than a random order, by its criterion.

    Source: Barkan et al., WWW 2024, section 3.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> train = sp.csr_matrix([[1, 1, 0, 0]] * 64)
        >>> explainer = train_lxr(model, train, settings=LXRSettings(epochs=5, hidden_size=8, criterion="NDCG"))
        >>> scores = explainer.explain(torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3]))
        >>> bool(scores[0, 0] > scores[0, 1]), explainer.training.columns.tolist()
        (True, ['epoch', 'loss', 'NDCG', 'learning_rate'])
    """
    check_answers(model)
    check_differentiable(model)
    settings, seed = settings or default_settings(model), check_seed(seed)
    check_instance(LXRSettings, "lxr.LXRSettings", settings=settings)
    train_matrix, validation_matrix = with_validation(model.n_items, train_matrix, validation_matrix, seed)
    network = start_network(model, settings, seed).to(model.device)
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, settings.learning_rate_decay)
    shuffle = np.random.default_rng(seed)
    train_matrix, target = as_users(model, train_matrix, top_items(model, train_matrix))
    validation_target = top_items(model, validation_matrix)

    rates = []

    def loss_of(users: np.ndarray) -> torch.Tensor:
        history, explained = dense(train_matrix[users], model.device), torch.from_numpy(target[users]).to(model.device)
        return lxr_loss(model, history, explained, torch.sigmoid(network(history, explained)), settings)

    def train() -> float:
        loss = train_epoch(optimizer, loss_of, shuffle.permutation(len(target)), settings.batch_size)
        rates.append(schedule.get_last_lr()[0])
        schedule.step()
        return loss

    explainer = LXR(model, network, settings, pd.DataFrame())
    with frozen(model), evaluating(model):
        training = train_and_keep_best(
            network,
            settings.epochs,
            train,
            validate=lambda: mean_fidelity(explainer, validation_matrix, validation_target, settings.criterion),
            metric=settings.criterion,
            lower_is_better=direction(settings.criterion) == LOWER,
            learning_rate=settings.learning_rate,
            label="training LXR",
            report=report,
        )
    explainer.training = training.assign(learning_rate=rates)
    with uncounted(model):
        scores = explain_users(explainer, validation_matrix, validation_target, batch_size=512)
    report_unlearned(model, "LXR", scores, validation_target, settings.criterion, seed)
    return explainer


@contextlib.contextmanager
def frozen(model: Recommender) -> Iterator[None]:
    """Spare the gradients of a recommender's weights while something else learns."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    try:
        for parameter in parameters:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def default_settings(model: Recommender, variant: str = "combined") -> LXRSettings:
    """Published settings of MovieLens 1M for the recommender of the same kind of score."""
    return published_settings("ml-1m", "vae" if model.activation == "softmax" else "mf", variant)


def new_network(n_items: int, hidden_size: int, settings: LXRSettings, seed: int = 0) -> ExplainerNetwork:
    """An explainer network of these settings."""
    return ExplainerNetwork(n_items, hidden_size, settings.activation, settings.inputs, settings.initialisation, seed)


def start_network(model: Recommender, settings: LXRSettings, seed: int) -> ExplainerNetwork:
    """A new network, its encoders copied from the recommender's if a warm start is asked for."""
    if not settings.warm_start:
        return new_network(model.n_items, settings.hidden_size, settings, seed)
    history_encoder, item_encoder = model.encoders()
    network = new_network(model.n_items, history_encoder.shape[0], settings, seed)
    with torch.no_grad():
        network.history_encoder.weight.copy_(history_encoder)
        network.item_encoder.weight.copy_(item_encoder)
    return network


def search_space(variant: str) -> dict:
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
