"""Recommenders: anything that maps histories (B, I) to logits (B, I) and is differentiable in its input.

``forward`` is inference and deterministic; what is random in training (dropout, sampling) happens in ``loss`` and draws
from the generator that is passed in.
"""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import skip_init

from lxr.checks import check_between, check_logits, check_shape, first
from lxr.registry import Registry
from lxr.storage import DataError, atomic_path

ACTIVATIONS = ("sigmoid", "softmax")


class Recommender(nn.Module):
    """Base class. A subclass defines ``forward`` and, if :func:`lxr.fit` is to train it, ``loss``.

    A history may have features of the user after its items (:class:`lxr.Interactions`): further inputs that are explained
    like items, but no one is recommended. Whatever ``forward`` says of them, calling the recommender gives −∞: no rank, no
    probability, and no share of a softmax.

    Attributes:
        n_items: number of items I, features included.
        n_features: how many of them, the last ones, are features of the user.
        activation: how a logit becomes a probability, ``"sigmoid"`` (each item by itself) or ``"softmax"`` (over all).
        search_space: what :mod:`lxr.tuning` may choose its options from.
    """

    activation = "sigmoid"
    search_space: ClassVar[dict] = {}

    def __init__(self, n_items: int, n_features: int = 0):
        super().__init__()
        if n_items < 1:
            raise ValueError(f"n_items: expected at least 1, found {n_items}")
        check_between(0, n_items - 1, n_features=n_features)
        self.n_items, self.n_features = n_items, n_features

    def forward(self, history: torch.Tensor) -> torch.Tensor:
        """Map histories (B, I) to logits (B, I)."""
        raise NotImplementedError

    def __call__(self, history: torch.Tensor) -> torch.Tensor:
        """Map histories (B, I) to logits (B, I), −∞ for features."""
        logits = super().__call__(history)
        return F.pad(self.of_items(logits), (0, self.n_features), value=-torch.inf) if self.n_features else logits

    @property
    def n_targets(self) -> int:
        """Number of items that can be recommended: all but the features."""
        return self.n_items - self.n_features

    def of_items(self, x: torch.Tensor) -> torch.Tensor:
        """The columns of (B, I) that can be recommended: (B, n_targets)."""
        return x[:, : self.n_targets]

    @property
    def device(self) -> torch.device:
        """Where the weights are; the CPU if there are none."""
        return next((tensor.device for tensor in self.state_dict().values()), torch.device("cpu"))

    def log_activation(self, logits: torch.Tensor) -> torch.Tensor:
        """Log-probabilities (B, I) of logits (B, I), never by way of a float32 probability."""
        return F.logsigmoid(logits) if self.activation == "sigmoid" else F.log_softmax(logits, dim=1)

    def log_odds(self, logits: torch.Tensor) -> torch.Tensor:
        """Log-odds log p / (1 − p) (B, I) of logits (B, I): they themselves if each item is by itself."""
        if self.activation == "sigmoid":
            return logits
        log_prob = F.log_softmax(logits.double(), dim=1)  # 1 − p has no digits left in single precision where p is near 1
        return (log_prob - log_prob.clamp(max=-1e-15).expm1().neg().log()).to(logits.dtype)

    def log_prob(self, history: torch.Tensor) -> torch.Tensor:
        """Log-probability of every item: histories (B, I) → (B, I)."""
        return self.log_activation(self(history))

    def target_log_prob(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Log-probability of one item per row: logits (B, I), items (B,) → (B,), without the other items' where possible."""
        chosen = logits.gather(1, target[:, None]).squeeze(1)  # (B,)
        return F.logsigmoid(chosen) if self.activation == "sigmoid" else chosen - logits.logsumexp(dim=1)

    def target_log_odds(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Log-odds of one item per row: logits (B, I), items (B,) → (B,), without the other items' where possible."""
        chosen = logits.gather(1, target[:, None])
        if self.activation == "sigmoid":
            return chosen.squeeze(1)
        others = logits.scatter(1, target[:, None], -torch.inf)
        return chosen.squeeze(1) - others.logsumexp(dim=1)

    def loss(self, history: torch.Tensor, generator: torch.Generator, step: int) -> torch.Tensor:
        """Training loss of a batch of histories (B, I); ``step`` counts the batches since the start."""
        raise NotImplementedError(f"{type(self).__name__} has no training loss: train it where it comes from")

    def encoders(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Linear encoders (width, I) of history and item, with which LXR may start; not every recommender has them."""
        raise ValueError(f"warm_start: {type(self).__name__} has no linear encoders to start from")


class MF(Recommender):
    """Matrix factorisation with a linear history encoder ("MLP" in the code of the LXR papers).

    logit(x, i) = (W x + a) · (v_i + b), trained on whole rows with a weighted binary cross-entropy, the known positives
    in part hidden from the input (history dropout), so that the model learns to recommend what it has not seen.

    Args:
        n_items: number of items.
        n_factors: width of the encoders.
        dropout: share of a training history that is hidden from the input.
        positive_weight: weight of a consumed item in the loss, where every other item weighs 1. It sets the level of the
            probabilities and hardly changes the ranking; 60 brings a top recommendation to about 0.98.
        seed: of the initial weights.
        n_features: how many of the items, the last ones, are features of the user.

    The weight of positives is not in the search space: it says on which level probabilities lie, and so what is explained.

    Source: Barkan et al., WWW 2024, appendix; He et al., WWW 2017 (GMF) with a history in the place of a user id.
    """

    search_space: ClassVar[dict] = {"n_factors": [32, 64, 128], "dropout": (0.1, 0.7)}

    def __init__(
        self,
        n_items: int,
        n_factors: int = 64,
        dropout: float = 0.3,
        positive_weight: float = 60.0,
        seed: int = 0,
        n_features: int = 0,
    ):
        super().__init__(n_items, n_features)
        self.dropout, self.positive_weight = dropout, positive_weight
        self.history_encoder = skip_init(nn.Linear, n_items, n_factors)
        self.item_encoder = skip_init(nn.Linear, n_items, n_factors)  # applied to one-hot items: column i is v_i
        initialise(self, seed)

    def forward(self, history: torch.Tensor) -> torch.Tensor:
        """Map histories (B, I) to logits (B, I)."""
        items = self.item_encoder.weight + self.item_encoder.bias[:, None]  # (n_factors, I)
        return self.history_encoder(history) @ items  # (B, I)

    def loss(self, history: torch.Tensor, generator: torch.Generator, step: int) -> torch.Tensor:
        """Binary cross-entropy of whole rows, mean over users and items."""
        logits = self.of_items(self(drop(history, self.dropout, generator)))
        consumed = self.of_items(history)
        weight = 1 + (self.positive_weight - 1) * consumed
        return F.binary_cross_entropy_with_logits(logits, consumed, weight)

    def encoders(self) -> tuple[torch.Tensor, torch.Tensor]:
        """W and V, both (n_factors, I)."""
        return self.history_encoder.weight, self.item_encoder.weight


class VAE(Recommender):
    """Mult-VAE: variational autoencoder with a multinomial likelihood.

    L2-normalised history → ``n_hidden`` → (μ, log σ²) of ``n_latent`` → ``n_hidden`` → logits. Training drops half of the
    history and weighs the KL term by β, which grows to ``beta`` over ``anneal_steps`` batches; inference decodes μ.

    Source: Liang et al., WWW 2018, eqs. 1-4 and section 2.3.
    """

    activation = "softmax"
    search_space: ClassVar[dict] = {
        "n_hidden": [256, 512],
        "n_latent": [64, 128, 256],
        "dropout": (0.2, 0.7),
        "beta": (0.05, 0.5),
    }

    def __init__(
        self,
        n_items: int,
        n_hidden: int = 512,
        n_latent: int = 128,
        dropout: float = 0.5,
        beta: float = 0.2,
        anneal_steps: int = 500,
        seed: int = 0,
        n_features: int = 0,
    ):
        super().__init__(n_items, n_features)
        self.n_latent, self.dropout, self.beta, self.anneal_steps = n_latent, dropout, beta, anneal_steps
        self.encoder = skip_init(nn.Linear, n_items, n_hidden)
        self.latent = skip_init(nn.Linear, n_hidden, 2 * n_latent)
        self.decoder = skip_init(nn.Linear, n_latent, n_hidden)
        self.output = skip_init(nn.Linear, n_hidden, n_items)
        initialise(self, seed)

    def encode(self, history: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log-variance of the latent code, (B, n_latent) each, of normalised histories (B, I)."""
        mu, log_variance = self.latent(torch.tanh(self.encoder(history))).split(self.n_latent, dim=1)
        return mu, log_variance

    def decode(self, code: torch.Tensor) -> torch.Tensor:
        """Map latent codes (B, n_latent) to logits (B, I)."""
        return self.output(torch.tanh(self.decoder(code)))

    def forward(self, history: torch.Tensor) -> torch.Tensor:
        """Map histories (B, I) to logits (B, I), decoding the mean code."""
        mu, _ = self.encode(F.normalize(history, dim=1))
        return self.decode(mu)

    def loss(self, history: torch.Tensor, generator: torch.Generator, step: int) -> torch.Tensor:
        """Negative evidence lower bound with an annealed KL term, mean over users."""
        mu, log_variance = self.encode(drop(F.normalize(history, dim=1), self.dropout, generator))
        noise = torch.randn(mu.shape, generator=generator).to(mu.device)
        log_p = F.log_softmax(self.of_items(self.decode(mu + noise * (log_variance / 2).exp())), dim=1)
        reconstruction = -(log_p * self.of_items(history)).sum(dim=1)  # (B,)
        divergence = 0.5 * (log_variance.exp() + mu**2 - 1 - log_variance).sum(dim=1)  # (B,)
        beta = self.beta * min(1.0, step / self.anneal_steps) if self.anneal_steps else self.beta
        return (reconstruction + beta * divergence).mean()

    def encoders(self) -> tuple[torch.Tensor, torch.Tensor]:
        """First layer of the encoder and last of the decoder, both (n_hidden, I)."""
        return self.encoder.weight, self.output.weight.T


class Popularity(Recommender):
    """Recommends by popularity among training users, whatever the history: the floor of every comparison.

    Args:
        train_matrix: (n_users, I) CSR histories of the training users.
        n_features: how many of the items, the last ones, are features of the user.
    """

    def __init__(self, train_matrix: sp.csr_matrix, n_features: int = 0):
        super().__init__(train_matrix.shape[1], n_features)
        counts = np.asarray(train_matrix.sum(axis=0), dtype=np.float32).ravel()
        self.register_buffer("counts", torch.from_numpy(counts))

    def forward(self, history: torch.Tensor) -> torch.Tensor:
        """Map histories (B, I) to the same counts (B, I) for everyone."""
        return self.counts.expand(len(history), -1)


class Wrapped(Recommender):
    """See :func:`wrap`."""

    def __init__(self, scorer: Callable[[torch.Tensor], torch.Tensor], n_items: int, activation: str, n_features: int):
        super().__init__(n_items, n_features)
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation: expected one of {', '.join(ACTIVATIONS)}, found {activation!r}")
        self.scorer, self.activation = scorer, activation

    def forward(self, history: torch.Tensor) -> torch.Tensor:
        """Map histories (B, I) to the scorer's logits (B, I)."""
        logits = self.scorer(history.clone())  # a scorer may work in place
        if logits.shape != history.shape:
            raise ValueError(f"scorer: expected logits of shape {tuple(history.shape)}, found {tuple(logits.shape)}")
        return logits


def wrap(
    module_or_function: Callable[[torch.Tensor], torch.Tensor], n_items: int, activation: str, n_features: int = 0
) -> Recommender:
    """Make a recommender of any differentiable scorer of histories.

    Args:
        module_or_function: maps (B, I) float histories to (B, I) logits. A module is put into evaluation mode.
        n_items: number of items I.
        activation: ``"sigmoid"`` or ``"softmax"``, how its logits become probabilities.
        n_features: how many of the items, the last ones, are features of the user.

    Raises:
        ValueError: unknown activation; later, logits of another shape than the history.

    Example:
        >>> model = wrap(lambda history: history @ torch.ones(3, 3), n_items=3, activation="sigmoid")
        >>> model(torch.eye(3)).shape
        torch.Size([3, 3])
    """
    if isinstance(module_or_function, nn.Module):
        module_or_function.eval()
    return Wrapped(module_or_function, n_items, activation, n_features)


RECOMMENDERS: dict[str, type[Recommender]] = Registry("recommender", {"mf": MF, "vae": VAE})


def initialise(module: nn.Module, seed: int) -> None:
    """Xavier-uniform weights, zero biases, drawn from a generator of their own."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        if parameter.ndim > 1:
            nn.init.xavier_uniform_(parameter, generator=generator)
        else:
            nn.init.zeros_(parameter)


def drop(x: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """Inverted dropout of a tensor, drawn on the CPU so that every device sees the same mask."""
    keep = torch.rand(x.shape, generator=generator) >= share
    return x * keep.to(x.device) / (1 - share)


def top_item(model: Recommender, history: torch.Tensor) -> torch.Tensor:
    """The explained item: the unseen item with the highest logit, for each user.

    Args:
        model: recommender of I items.
        history: (B, I) binary histories.

    Returns:
        (B,) long item indices; of equal logits, the lowest index.

    Raises:
        ValueError: a wrong shape, a user who has consumed every item, or a logit that is not a number.
    """
    check_shape(model.n_items, history)
    full = (model.of_items(history) > 0).all(dim=1)
    if full.any():
        raise ValueError(f"history, row {first(full)}: nothing is left to recommend, every item is consumed")
    with torch.no_grad():
        logits = model(history.float())  # (B, I)
    check_logits(logits)
    return logits.masked_fill(history > 0, -torch.inf).argmax(dim=1)


def save_recommender(model: Recommender, name: str, options: dict, path: str | Path) -> None:
    """Write a registered recommender's name, constructor options and weights to one file, atomically."""
    if model.n_features:
        options = options | {"n_features": model.n_features}
    state = {"name": name, "n_items": model.n_items, "options": options, "weights": model.state_dict()}
    save_weights(state, path)


def load_recommender(path: str | Path, device: torch.device | str = "cpu") -> Recommender:
    """Read what :func:`save_recommender` wrote; a :class:`lxr.DataError` names a file that is missing or corrupt."""
    state = read_weights(path, required=("name", "n_items", "options", "weights"))
    model = RECOMMENDERS[state["name"]](state["n_items"], **state["options"])
    restore_weights(model, state["weights"], path)
    return model.to(device).eval()


def save_weights(state: dict, path: str | Path) -> None:
    """Write a dictionary of tensors and plain values, atomically; the same content is the same file."""
    # Given a path, torch.save would write the temporary name into the file.
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        torch.save(state, file)


def read_weights(path: str | Path, required: tuple[str, ...]) -> dict:
    """What :func:`save_weights` wrote; a :class:`lxr.DataError` names a file that is missing, corrupt or something else."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing: run the stage that makes it") from error
    except Exception as error:  # torch.load raises many kinds on a damaged file
        raise DataError(f"{path} is corrupt ({error}): delete it and run the stage that makes it") from error
    if not isinstance(state, dict) or not state.keys() >= set(required):
        raise DataError(f"{path}: expected a dictionary with {', '.join(required)}, found something else")
    return state


def restore_weights(module: nn.Module, weights: dict, path: str | Path) -> None:
    """Put weights read from ``path`` into a module; a :class:`lxr.DataError` if they are those of another module."""
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise DataError(f"{path}: its weights do not fit: {' '.join(str(error).split())[:300]}") from error
