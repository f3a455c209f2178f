"""LXR: an explainer network, trained for one recommender.

Source: Barkan, Bogina, Gurevitch, Asher, Koenigstein: A Counterfactual Framework for Learning and Evaluating Explanations
for Recommender Systems. WWW 2024. doi:10.1145/3589334.3645560
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import cast

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import nn

from lxr.data.histories import EntryLists, Histories, Rows
from lxr.data.inputs import as_lists
from lxr.explainers.batch import mean_fidelity
from lxr.explainers.learned.base import HiddenNetwork, LearnedExplainer, ages, learning_lists, report_unlearned
from lxr.explainers.learned.lxr_settings import (
    CHOICES,
    HIDDEN_ACTIVATIONS,
    HiddenActivation,
    Initialization,
    Inputs,
    LXRSettings,
    asked_users,
    default_settings,
)
from lxr.metrics.names import LOWER, direction
from lxr.recommenders.base import Recommender
from lxr.recommenders.first_layer import first_layer
from lxr.recommenders.modes import evaluating, uncounted, with_gradients
from lxr.recommenders.probes import check_answers
from lxr.recommenders.recommendations import top_item
from lxr.utils.checks import (
    check_choice,
    check_differentiable,
    check_instance,
    check_positive,
    check_seed,
)
from lxr.utils.item_table import ItemTable, TableAdam
from lxr.utils.sparse import batches, dense
from lxr.utils.training_loop import train_and_keep_best, train_epoch
from lxr.utils.weights import initialize, linear_layer

AGES = 20  # classes of ages: √2 times as many newer entries make another class
RIDGE = 0.1  # penalty of a warm start's regression, as a share of the mean squared length of a history
NEARLY_LINEAR = 0.5  # root mean square of the inputs of a tanh


class ExplainerNetwork(HiddenNetwork):
    """E(x, y): linear encoders of history and item, then tanh → linear → tanh → linear → sigmoid.

    If the recommender uses the order of entries, the row of the last layer for an entry is the sum of two: one of its item,
    one of its age. The age is the number of newer entries, in classes of a logarithmic scale. (The encoder of the history
    has no order.)

    Args:
        n_items: number of items I.
        hidden_size: width h of the encoders.
        activation, inputs, initialisation: as for :class:`LXRSettings`.
        is_ordered: whether the age of an entry is an input.
        seed: seed of the initial weights.

    Source: Barkan et al., WWW 2024, section 3. Their code starts from PyTorch's own initialisation, here ``"torch"``; the
    default here is Xavier's.

    Example:
        >>> import lxr
        >>> network = ExplainerNetwork(n_items=5, hidden_size=3)
        >>> network(lxr.Histories.of_lists([[1, 2, 4], [0, 3]]), torch.tensor([0, 4])).shape  # mask logits of two users
        torch.Size([2, 3])
    """

    def __init__(
        self,
        n_items: int,
        hidden_size: int,
        *,
        activation: HiddenActivation = "tanh",
        inputs: Inputs = "both",
        initialisation: Initialization = "xavier",
        is_ordered: bool = False,
        seed: int = 0,
    ):
        super().__init__()
        check_positive(n_items=n_items, hidden_size=hidden_size)
        for name, value in (("activation", activation), ("inputs", inputs), ("initialisation", initialisation)):
            check_choice(CHOICES[name], **{name: value})
        self.inputs, self.hidden_size = inputs, hidden_size
        self.history_encoder = ItemTable(n_items, hidden_size)
        self.item_encoder = ItemTable(n_items, hidden_size)  # applied to one-hot items: one column each
        self.head = nn.Sequential(
            HIDDEN_ACTIVATIONS[activation](),
            linear_layer(2 * hidden_size, hidden_size),
            HIDDEN_ACTIVATIONS[activation](),
            linear_layer(hidden_size, n_items),
        )
        initialize(self, seed) if initialisation == "xavier" else _initialize_uniformly(self, seed)
        self.ages = nn.Parameter(torch.zeros(AGES, hidden_size + 1)) if is_ordered else None  # rows, and their biases

    def forward(self, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """Mask logits (B, L) of the entries of histories for target items (B,); their sigmoid is the mask m.

        Only the rows of the last layer that belong to entries are read.
        """
        hidden = self.encode(histories.rows(self.history_encoder.in_features), target)  # (B, h)
        of_user = hidden.index_select(0, histories.users)  # (N, h)
        of_item = F.embedding(histories.entries, self.output.weight, sparse=True)
        bias = self.output.bias.index_select(0, histories.entries)
        if self.ages is not None:
            of_age = self.ages[age_classes(histories.lengths)]  # (N, h + 1)
            of_item, bias = of_item + of_age[:, :-1], bias + of_age[:, -1]
        return histories.padded((of_user * of_item).sum(dim=1) + bias)

    def encode(self, history: torch.Tensor | Rows, target: torch.Tensor) -> torch.Tensor:
        """Inputs (B, h) of the last layer, of histories (B, I) and target items (B,)."""
        user = first_layer(self.history_encoder, history, sparse=True)  # (B, h)
        item = F.embedding(target, self.item_encoder.table, sparse=True) + self.item_encoder.bias  # (B, h)
        if self.inputs != "both":  # an unused input is constant
            user, item = (user, torch.zeros_like(item)) if self.inputs == "history" else (torch.zeros_like(user), item)
        return self.head[:-1](torch.cat([user, item], dim=1))

    @property
    def output(self) -> nn.Linear:
        """The last layer (h → I)."""
        return cast(nn.Linear, self.head[-1])


def age_classes(lengths: torch.Tensor) -> torch.Tensor:
    """Class (N,) of the age of each entry of histories of lengths (B,), user after user: 0 for the newest.

    Example:
        >>> age_classes(torch.tensor([5, 1]))
        tensor([4, 4, 3, 2, 0, 0])
    """
    return (2 * (1 + ages(lengths)).log2()).long().clamp(max=AGES - 1)


def _initialize_uniformly(module: nn.Module, seed: int) -> None:
    """Draw PyTorch's default weights of linear layers, uniform within ±1/√(inputs), from a given seed."""
    generator = torch.Generator().manual_seed(check_seed(seed))
    for layer in module.modules():
        if isinstance(layer, nn.Linear | ItemTable):
            for parameter in (layer.weight, layer.bias):
                bound = layer.in_features**-0.5
                parameter.data.copy_(torch.empty(parameter.shape).uniform_(-bound, bound, generator=generator))


def lxr_loss(
    model: Recommender, histories: Histories, target: torch.Tensor, mask: torch.Tensor, settings: LXRSettings
) -> torch.Tensor:
    """Loss of masks, mean over users.

    loss = λ_pos · (−log p(x⁺)) + λ_neg · log p(x⁻) + α · mean of m over the entries,
    with x⁺ = x ∘ m, x⁻ = x ∘ (1 − m) and p the probability of the target.

    Args:
        model: the explained recommender.
        histories: histories x of B users.
        target: (B,) explained items.
        mask: (B, L) masks m in (0, 1) of their entries.
        settings: the weights.

    Returns:
        A scalar, differentiable in the mask.

    Source: Barkan et al., WWW 2024, section 3. Their code takes the mean of m over all history items of a batch, in which
    long histories weigh more. Here it is a mean per user, and every user weighs the same.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> histories, target, settings = lxr.Histories.of_lists([[0, 1]], n_columns=4), torch.tensor([3]), LXRSettings()
        >>> masks = {"item 0": [[0.9, 0.1]], "item 1": [[0.1, 0.9]], "both": [[0.9, 0.9]]}
        >>> losses = {name: lxr_loss(model, histories, target, torch.tensor(m), settings) for name, m in masks.items()}
        >>> {name: round(float(loss), 2) for name, loss in losses.items()}
        {'item 0': 2.19, 'item 1': 7.42, 'both': 2.59}
    """
    size = settings.alpha * (mask * histories.real).sum(dim=1) / histories.lengths  # (B,)
    terms = [(weight, kept) for weight, kept in ((-settings.lambda_pos, mask), (settings.lambda_neg, 1 - mask)) if weight]
    if not terms:
        return size.mean()
    weights, masks = zip(*terms, strict=True)
    times = len(masks)
    log_prob = model.log_prob_of(histories.repeat(times), target.repeat(times), torch.cat(masks)).view(times, -1)  # one pass
    return (size + (log_prob * log_prob.new_tensor(weights)[:, None]).sum(dim=0)).mean()


class LXR(LearnedExplainer):
    """The trained network as an explainer: the importance of an item is its mask logit.

    The sign of a logit shows whether the mask is above a half, not whether an item speaks for or against the target. (The
    order equals the mask's order, without the ties of a float32 sigmoid.) :func:`train_lxr` makes it.

    Attributes:
        model: the explained recommender.
        network: the explainer network.
        settings: settings of the training.
        training: one row per epoch: ``epoch``, ``loss``, the criterion of validation users (``POS@20``),
            ``learning_rate``.

    Source: Barkan et al., WWW 2024, section 3.

    Example: see :func:`train_lxr`.
    """

    settings_class = LXRSettings
    network: ExplainerNetwork

    @torch.no_grad()
    def importance(self, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """Mask logits."""
        return self.network(histories, target)

    @classmethod
    def new_network(cls, model: Recommender, settings: LXRSettings, hidden_size: int) -> ExplainerNetwork:
        """An untrained explainer network."""
        return new_network(model, hidden_size, settings)


@with_gradients()
def train_lxr(
    model: Recommender,
    train_matrix: EntryLists | sp.csr_matrix,
    validation_matrix: EntryLists | sp.csr_matrix | None = None,
    seed: int = 0,
    *,
    settings: LXRSettings | None = None,
    report: Callable[[int, float], None] | None = None,
) -> LXR:
    """Train LXR on the top recommendation of every training user; keep the epoch that is best for the validation users.

    Args:
        model: the recommender to explain; it is not changed.
        train_matrix: histories of the training users: :class:`lxr.EntryLists`, or (n, I) CSR if their order has no effect.
        validation_matrix: histories for the choice of the epoch; None sets a tenth of the training users aside.
        seed: seed of the initial weights and of the order of users.
        settings: weights and hyperparameters; by default :func:`lxr.explainers.default_settings` of the training users.
        report: called after every epoch with its number and the validation criterion; an exception in it stops training.

    Returns:
        The explainer, with a record of its training.

    Raises:
        ValueError: no users, a matrix for a recommender that uses the order of entries, a loss that is not finite, a warm
            start from a recommender without encoders, or a recommender without a gradient.

    Warns:
        UserWarning: by its criterion, the explainer is not clearly better than a random order on the validation users.

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
    seed = check_seed(seed)
    train_lists, validation = learning_lists(model, train_matrix, validation_matrix, seed)
    settings = settings or default_settings(model, train_lists)
    check_instance(LXRSettings, "lxr.LXRSettings", settings=settings)
    network = start_network(model, settings, seed, train_lists).to(model.device)
    optimizer = TableAdam(network.parameters(), settings.learning_rate)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, settings.learning_rate_decay)
    shuffle = np.random.default_rng(seed)
    _, target = as_lists(model, train_lists, top_item(model, train_lists))
    validation_target = top_item(model, validation)

    rates = []

    def loss_of(users: np.ndarray) -> torch.Tensor:
        histories = train_lists.batch(users, model.device)
        explained = torch.from_numpy(target[users]).to(model.device)
        return lxr_loss(model, histories, explained, torch.sigmoid(network(histories, explained)), settings)

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
            validate=lambda: mean_fidelity(explainer, validation, validation_target, metric=settings.criterion),
            metric=settings.criterion,
            lower_is_better=direction(settings.criterion) == LOWER,
            learning_rate=settings.learning_rate,
            label="training LXR",
            report=report,
        )
    explainer.training = training.assign(learning_rate=rates)
    with uncounted(model):
        scores = explainer.explain(validation, validation_target, users_per_batch=512)
    report_unlearned(model, "LXR", validation, validation_target, scores, settings.criterion, seed=seed)
    return explainer


@contextlib.contextmanager
def frozen(model: Recommender) -> Iterator[None]:
    """Context without gradients of a recommender's weights, while another network learns."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    try:
        for parameter in parameters:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def new_network(model: Recommender, hidden_size: int, settings: LXRSettings, seed: int = 0) -> ExplainerNetwork:
    """An untrained explainer network for a recommender, with these settings."""
    return ExplainerNetwork(
        model.n_columns,
        hidden_size,
        activation=settings.activation,
        inputs=settings.inputs,
        initialisation=settings.initialisation,
        is_ordered=model.is_ordered,
        seed=seed,
    )


def start_network(model: Recommender, settings: LXRSettings, seed: int, train: EntryLists) -> ExplainerNetwork:
    """A new network, perhaps with a warm start: from the recommender's encoders or its answers to training users."""
    if settings.warm_start is True:
        history_encoder, item_encoder = model.encoders()
        network = new_network(model, history_encoder.shape[0], settings, seed)
        with torch.no_grad():
            network.history_encoder.weight.copy_(history_encoder)
            network.item_encoder.weight.copy_(item_encoder)
        return network
    network = new_network(model, settings.hidden_size, settings, seed)
    if settings.warm_start == "answers":
        start_from_answers(network, model, asked_users(train))
    return network


@torch.no_grad()
def start_from_answers(network: ExplainerNetwork, model: Recommender, lists: EntryLists) -> None:
    """Warm start from a recommender's answers: a mask logit then measures how well an item goes with the target.

    The answers are logits of items outside the history, minus the mean over users. U Vᵀ is their best approximation of rank
    h (leading singular vectors). Let X W ≈ U for the histories X (ridge regression): w_i · v_y is then about the
    contribution of item i to the logit of y. If the recommender is a product of two linear encoders, these are W and V, up
    to the rank. W becomes the history encoder and the output layer, V the item encoder. The hidden layer passes the encoded
    item on, in addition to its random weights. All is scaled to the range where tanh is nearly linear.

    Args:
        network: from :func:`new_network`; its weights are changed in place.
        model: the recommender to explain.
        lists: histories of n users; all answers are in memory at once.
    """
    x = dense(lists.matrix()).double()  # (n, I)
    groups = (lists.batch(users, model.device) for users in batches(len(x), 512))
    answers = torch.cat([model.logits(histories).cpu() for histories in groups]).double()
    known = answers.isfinite() & (x == 0)
    answers = answers.masked_fill(~known, 0)
    answers -= answers.sum(dim=0) / known.sum(dim=0).clamp(min=1) * known
    strength, user = torch.linalg.eigh(answers @ answers.T)
    rank = min(network.hidden_size, int((strength > 1e-9 * len(x) * strength.max().clamp(min=1e-9)).sum()))
    if not rank:  # equal answers to all users: nothing to start from
        return
    user, strength = user[:, -rank:].flip(1), strength[-rank:].flip(0).sqrt()  # (n, r), (r,) singular values
    item = user.T @ answers / strength.sqrt()[:, None]  # Vᵀ (r, I)
    gram = x @ x.T
    ridge = RIDGE * gram.diagonal().mean() * torch.eye(len(x))
    history = (x.T @ torch.linalg.solve(gram + ridge, user * strength.sqrt())).T  # Wᵀ (r, I)

    hidden, output = cast(nn.Linear, network.head[1]), network.output

    def scaled(weights: torch.Tensor, values: torch.Tensor, to: float) -> torch.Tensor:
        return (weights * to / values.square().mean().sqrt()).to(hidden.weight)

    network.history_encoder.weight[:rank] = scaled(history, x @ history.T, NEARLY_LINEAR)
    network.item_encoder.weight[:rank] = scaled(item, item, NEARLY_LINEAR)
    hidden.weight[:rank, network.hidden_size :][:, :rank] += torch.eye(rank)
    output.weight[:, :rank] = scaled(history, history, network.hidden_size**-0.5).T
