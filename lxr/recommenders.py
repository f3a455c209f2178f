"""Recommenders: anything that maps histories (B, I) to logits (B, I), as a rule differentiable in its input.

``forward`` is inference and deterministic; what is random in training (dropout, sampling) happens in ``loss`` and draws
from the generator that is passed in.
"""

import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import skip_init
from torch.utils.checkpoint import checkpoint

from lxr.checks import check_all_positive, check_between, check_logits, check_positive, check_shape, first
from lxr.registry import Registry
from lxr.storage import DataError, checked_archive, plain, read_checked, short

ACTIVATIONS = ("sigmoid", "softmax")
BRANCHES = ("both", "gmf", "mlp")


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

    Raises:
        ValueError: no item, or more features than items.

    Example:
        >>> class Neighbour(Recommender):  # after every item the next one
        ...     def forward(self, history):
        ...         return history.roll(1, dims=1)
        >>> Neighbour(3)(torch.tensor([[1.0, 0, 0]]))
        tensor([[0., 1., 0.]])
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

    @property
    def differentiable(self) -> bool:
        """Whether logits have a gradient with respect to the history, as one history shows."""
        with torch.enable_grad():
            x = torch.eye(1, self.n_items, device=self.device, requires_grad=True)
            total = self.forward(x).sum()  # without the hooks that count what explainers ask for
        return total.requires_grad and torch.autograd.grad(total, x, allow_unused=True)[0] is not None

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


class OfWholeRows(Recommender):
    """What :class:`MF` and :class:`NCF` have in common: training on whole rows, positives weighed, after history dropout."""

    dropout: float
    positive_weight: float

    def loss(self, history: torch.Tensor, generator: torch.Generator, step: int) -> torch.Tensor:
        """Binary cross-entropy of whole rows (B, I), mean over users and items."""
        logits = self.of_items(self(drop(history, self.dropout, generator)))
        consumed = self.of_items(history)
        weight = 1 + (self.positive_weight - 1) * consumed
        return F.binary_cross_entropy_with_logits(logits, consumed, weight)


class MF(OfWholeRows):
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

    Example:
        >>> model = MF(n_items=5, n_factors=2)
        >>> model(torch.eye(5)[:3]).shape, model.activation
        (torch.Size([3, 5]), 'sigmoid')
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

    def encoders(self) -> tuple[torch.Tensor, torch.Tensor]:
        """W and V, both (n_factors, I)."""
        return self.history_encoder.weight, self.item_encoder.weight


class VAE(Recommender):
    """Mult-VAE: variational autoencoder with a multinomial likelihood.

    L2-normalised history → ``n_hidden`` → (μ, log σ²) of ``n_latent`` → ``n_hidden`` → logits. Training drops half of the
    history and weighs the KL term by β, which grows to ``beta`` over ``anneal_steps`` batches; inference decodes μ.

    Args:
        n_items: number of items.
        n_hidden: width of the hidden layers.
        n_latent: width of the latent code.
        dropout: share of a training history that is hidden from the input.
        beta: final weight β of the KL term.
        anneal_steps: batches over which it grows; 0 for β from the start.
        seed: of the initial weights.
        n_features: how many of the items, the last ones, are features of the user.

    Source: Liang et al., WWW 2018, eqs. 1-4 and section 2.3.

    Example:
        >>> model = VAE(n_items=5, n_hidden=4, n_latent=2)
        >>> model.log_prob(torch.eye(5)[:3]).exp().sum(dim=1).detach().round(decimals=3)  # softmax
        tensor([1., 1., 1.])
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


class NCF(OfWholeRows):
    """NeuMF with linear history encoders in the place of user ids: a GMF branch and an MLP branch, joined.

    With u = W x + a the user vector of a branch and v_i the vectors of items, the GMF branch is h · (u ∘ v_i), and the MLP
    branch a tower of ReLU layers on (u, v_i), whose first layer is split into a part of the user and a part of the item, so
    that it is computed once for each. The logit is the sum of both.

    The tower has features for every pair of user and item: it is scored in chunks of items, and its intermediate values are
    computed anew for the gradient, so that never more than ``max_pairs`` pairs are in memory.

    Args:
        n_items: number of items.
        n_factors: width of the vectors of both branches.
        layers: widths of the tower.
        dropout, positive_weight: as for :class:`MF`.
        branches: ``"both"``, or ``"gmf"`` or ``"mlp"`` alone, for training them one after the other
            (:meth:`start_from`).
        max_pairs: pairs of user and item that are scored at a time.
        seed: of the initial weights.
        n_features: how many of the items, the last ones, are features of the user.

    Raises:
        ValueError: unknown branches, or a size that is not positive.

    Source: He et al., Neural Collaborative Filtering, WWW 2017, eqs. 9-12.

    Example:
        >>> model = NCF(n_items=5, n_factors=4, layers=(4, 2))
        >>> model(torch.eye(5)[:3]).shape, model.activation
        (torch.Size([3, 5]), 'sigmoid')
    """

    search_space: ClassVar[dict] = {"n_factors": [16, 32, 64], "dropout": (0.1, 0.7)}

    def __init__(
        self,
        n_items: int,
        n_factors: int = 32,
        layers: Sequence[int] = (16, 8),
        dropout: float = 0.3,
        positive_weight: float = 60.0,
        branches: str = "both",
        max_pairs: int = 2**18,
        seed: int = 0,
        n_features: int = 0,
    ):
        super().__init__(n_items, n_features)
        if branches not in BRANCHES:
            raise ValueError(f"branches: expected one of {', '.join(BRANCHES)}, found {branches!r}")
        check_all_positive(layers=layers)
        check_positive(n_factors=n_factors, max_pairs=max_pairs)
        self.dropout, self.positive_weight, self.max_pairs = dropout, positive_weight, max_pairs
        if branches != "mlp":
            self.gmf_history = skip_init(nn.Linear, n_items, n_factors)
            self.gmf_item = skip_init(nn.Linear, n_items, n_factors)  # applied to one-hot items, as in MF
            self.gmf_output = skip_init(nn.Linear, n_factors, 1, bias=False)
        if branches != "gmf":
            self.mlp_history = skip_init(nn.Linear, n_items, n_factors)
            self.mlp_item = skip_init(nn.Linear, n_items, n_factors)
            self.first_of_user = skip_init(nn.Linear, n_factors, layers[0])
            self.first_of_item = skip_init(nn.Linear, n_factors, layers[0], bias=False)
            self.tower = nn.ModuleList(skip_init(nn.Linear, *widths) for widths in itertools.pairwise(layers))
            self.mlp_output = skip_init(nn.Linear, layers[-1], 1, bias=False)
        self.branches = branches
        initialise(self, seed)

    def forward(self, history: torch.Tensor) -> torch.Tensor:
        """Map histories (B, I) to logits (B, I)."""
        branches = {"both": (self.score_gmf, self.score_mlp), "gmf": (self.score_gmf,), "mlp": (self.score_mlp,)}
        return sum(score(history) for score in branches[self.branches])

    def score_gmf(self, history: torch.Tensor) -> torch.Tensor:
        """The GMF branch: histories (B, I) → (B, I)."""
        user = self.gmf_history(history) * self.gmf_output.weight  # (B, n_factors)
        return user @ (self.gmf_item.weight + self.gmf_item.bias[:, None])

    def score_mlp(self, history: torch.Tensor) -> torch.Tensor:
        """The MLP branch, in chunks of items: histories (B, I) → (B, I)."""
        user = self.first_of_user(self.mlp_history(history))  # (B, k)
        item = self.first_of_item((self.mlp_item.weight + self.mlp_item.bias[:, None]).T)  # (I, k)
        chunks = item.split(max(1, self.max_pairs // max(1, len(history))))
        return torch.cat([self.score_pairs(user, chunk) for chunk in chunks], dim=1)

    def score_pairs(self, user: torch.Tensor, item: torch.Tensor) -> torch.Tensor:
        """The MLP branch (B, c) of users (B, k) and c items (c, k) after their parts of the first layer."""
        if torch.is_grad_enabled() and user.requires_grad:
            return checkpoint(self.climb, user, item, use_reentrant=False)
        return self.climb(user, item)

    def climb(self, user: torch.Tensor, item: torch.Tensor) -> torch.Tensor:
        """:meth:`score_pairs`, once. Features come first: a few rows of many pairs multiply faster than many of few."""
        x = (user.T[:, :, None] + item.T[:, None, :]).flatten(1)  # (k, B · c)
        for layer in self.tower:
            x = layer.weight @ F.relu(x) + layer.bias[:, None]
        return (self.mlp_output.weight @ F.relu(x)).view(len(user), len(item))

    def encoders(self) -> tuple[torch.Tensor, torch.Tensor]:
        """History encoders and item tables of the branches below each other, both (width, I)."""
        history = [getattr(self, name).weight for name in ("gmf_history", "mlp_history") if hasattr(self, name)]
        item = [getattr(self, name).weight for name in ("gmf_item", "mlp_item") if hasattr(self, name)]
        return torch.cat(history), torch.cat(item)

    @torch.no_grad()
    def start_from(self, gmf: "NCF", mlp: "NCF", share: float = 0.5) -> "NCF":
        """Start both branches from models of one branch each, whose outputs are mixed; returns the model itself.

        Args:
            gmf, mlp: trained with ``branches="gmf"`` and ``"mlp"``, of the same widths.
            share: of the GMF branch in the logits (α of the paper).

        Source: He et al., WWW 2017, section 3.4.1.
        """
        weights = gmf.state_dict() | mlp.state_dict()
        weights["gmf_output.weight"] = share * gmf.gmf_output.weight
        weights["mlp_output.weight"] = (1 - share) * mlp.mlp_output.weight
        self.load_state_dict(weights)
        return self


class Popularity(Recommender):
    """Recommends by popularity among training users, whatever the history: the floor of every comparison.

    Args:
        train_matrix: (n_users, I) CSR histories of the training users.
        n_features: how many of the items, the last ones, are features of the user.

    Example:
        >>> Popularity(sp.csr_matrix([[1, 1, 0], [0, 1, 0]]))(torch.eye(3)[:1])
        tensor([[1., 2., 0.]])
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

    def __init__(self, scorer: Callable, n_items: int, activation: str, n_features: int = 0):
        super().__init__(n_items, n_features)
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation: expected one of {', '.join(ACTIVATIONS)}, found {activation!r}")
        self.scorer, self.activation = scorer, activation
        self.arrays = takes_arrays(scorer, torch.eye(1, n_items, device=self.device))

    def forward(self, history: torch.Tensor) -> torch.Tensor:
        """Map histories (B, I) to the scorer's logits (B, I), in the precision of the history."""
        if self.arrays:
            logits = torch.from_numpy(np.array(self.scorer(history.numpy(force=True).copy()), dtype=float))
        else:
            logits = self.scorer(history.clone())  # a scorer may work in place
        if logits.shape != history.shape:
            raise ValueError(f"scorer: expected logits of shape {tuple(history.shape)}, found {tuple(logits.shape)}")
        return logits.to(history)

    def extra_repr(self) -> str:
        """What is wrapped."""
        name = getattr(self.scorer, "__name__", type(self.scorer).__name__)
        return f"{name} of NumPy arrays" if self.arrays else name


@torch.enable_grad()
def takes_arrays(scorer: Callable, history: torch.Tensor) -> bool:
    """Whether a scorer wants histories as NumPy arrays: it is asked about one history (1, I), as a tensor and as an array.

    Raises:
        ValueError: neither brings logits (1, I) of the same kind.
    """
    x = history.clone().requires_grad_().clone()  # NumPy would take it for an array if it asked for no gradient
    found = []
    for kind, asked in ((torch.Tensor, x), (np.ndarray, history.numpy(force=True))):
        try:
            logits = scorer(asked)
        except Exception as error:  # somebody else's code may raise anything
            found.append(f"{type(error).__name__}: {error}")
            continue
        if isinstance(logits, kind) and logits.shape == history.shape:
            return kind is np.ndarray
        shape = f" of shape {tuple(logits.shape)}" if hasattr(logits, "shape") else ""
        found.append(type(logits).__name__ + shape)
    raise ValueError(
        f"scorer: expected logits of shape {tuple(history.shape)} for a history as a tensor or as a NumPy array, "
        f"found for the tensor {found[0]}; for the array {found[1]}"
    )


def wrap(module_or_function: Callable, n_items: int, activation: str, n_features: int = 0) -> Recommender:
    """Make a recommender of any scorer of histories.

    A scorer of NumPy arrays is a black box: what asks for a gradient cannot explain it. So is one of tensors that is not
    differentiable. Of which kind a scorer is, is found out by asking it about one history.

    Args:
        module_or_function: maps (B, I) float histories to (B, I) logits of any precision, tensors to tensors or NumPy arrays
            to NumPy arrays. A module is put into evaluation mode, and gets histories on its device; a function, on the CPU.
        n_items: number of items I.
        activation: ``"sigmoid"`` or ``"softmax"``, how its logits become probabilities.
        n_features: how many of the items, the last ones, are features of the user.

    Returns:
        The recommender, in the state in which the scorer is.

    Raises:
        ValueError: unknown activation, or a scorer that does not return logits of the history's shape.

    Example:
        >>> model = wrap(lambda history: history @ torch.ones(3, 3), n_items=3, activation="sigmoid")
        >>> model(torch.eye(3)).shape
        torch.Size([3, 3])
        >>> black_box = wrap(lambda history: history @ np.ones((3, 3)), n_items=3, activation="sigmoid")
        >>> model.differentiable, black_box.differentiable
        (True, False)
    """
    if isinstance(module_or_function, nn.Module):
        module_or_function.eval()
    return Wrapped(module_or_function, n_items, activation, n_features)


RECOMMENDERS: dict[str, type[Recommender]] = Registry("recommender", {"mf": MF, "vae": VAE, "ncf": NCF})
"""Name → class of the recommenders that are trained here."""


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

    Example:
        >>> popular = Popularity(sp.csr_matrix([[1, 1, 1], [0, 1, 1], [0, 0, 1]]))
        >>> top_item(popular, torch.tensor([[1.0, 0, 0], [0, 0, 1]]))
        tensor([2, 1])
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
    """Write a registered recommender's name, constructor options and weights to one file, atomically.

    Args:
        model: the recommender.
        name: its key in :data:`RECOMMENDERS`.
        options: what it was made with, beside the number of items.
        path: the file.

    Raises:
        ValueError: options or weights with which the recommender could not be loaded again; nothing is written.

    Example: see :func:`load_recommender`.
    """
    if not (isinstance(name, str) and name in RECOMMENDERS):
        raise ValueError(f"name: expected one of {', '.join(RECOMMENDERS)}, found {name!r}")
    if type(model) is not RECOMMENDERS[name]:
        raise ValueError(
            f"model: expected a {RECOMMENDERS[name].__name__}, the class of {name!r}, found {type(model).__name__}"
        )
    if not isinstance(options, Mapping):
        raise ValueError(f"options: expected a dictionary of options, found {options!r}")
    options = plain(dict(options), "options")
    if model.n_features:
        options["n_features"] = int(model.n_features)
    try:
        with torch.random.fork_rng(devices=[]):
            again = RECOMMENDERS[name](model.n_items, **options)
    except (TypeError, ValueError) as error:
        raise ValueError(f"options: expected those of {name!r}, found {options}: {short(error)}") from error
    check_weights(again, model.state_dict())
    save_weights({"name": name, "n_items": int(model.n_items), "options": options, "weights": model.state_dict()}, path)


def load_recommender(path: str | Path, device: torch.device | str = "cpu") -> Recommender:
    """Read what :func:`save_recommender` wrote.

    Args:
        path: the file.
        device: where the recommender is to be.

    Returns:
        The recommender, ready for inference.

    Raises:
        DataError: the file is missing, damaged or something else.

    Example:
        >>> import tempfile
        >>> model, x = MF(5, n_factors=2), torch.eye(5)
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     save_recommender(model, "mf", {"n_factors": 2}, f"{directory}/mf.pt")
        ...     torch.equal(load_recommender(f"{directory}/mf.pt")(x), model(x))
        True
    """
    state = read_weights(path, required=("name", "n_items", "options", "weights"))
    name, options = state["name"], state["options"]
    if not (isinstance(name, str) and name in RECOMMENDERS):
        raise DataError(f"{path}: expected one of the recommenders {', '.join(RECOMMENDERS)}, found {name!r}")
    if not (isinstance(options, dict) and all(isinstance(option, str) for option in options)):
        raise DataError(f"{path}: expected the options of {name} by name, found {options!r}")
    unknown = [option for option in options if option not in inspect.signature(RECOMMENDERS[name]).parameters]
    if unknown:
        raise DataError(f"{path}: expected options of {name}, found {unknown[0]!r}, which it does not have")
    try:
        model = RECOMMENDERS[name](state["n_items"], **options)
    except Exception as error:  # a file made by hand may hold anything
        found = f"{state['n_items']!r} items and the options {options}"
        raise DataError(
            f"{path}: expected a number of items and options of {name}, found {found}: {short(error)}"
        ) from error
    restore_weights(model, state["weights"], path)
    return model.to(device).eval()


def save_weights(state: dict, path: str | Path) -> None:
    """Write a dictionary of tensors and plain values with a checksum, atomically; the same content is the same file."""
    with checked_archive(path) as file:  # given a path, torch.save would write the temporary name into the file
        torch.save(state, file)


def read_weights(path: str | Path, required: tuple[str, ...]) -> dict:
    """Read what :func:`save_weights` wrote.

    Raises:
        DataError: the file is missing, damaged, or has not all of ``required``.
    """
    state = read_checked(path, lambda file: torch.load(file, map_location="cpu", weights_only=True))
    if not isinstance(state, dict) or not state.keys() >= set(required):
        raise DataError(f"{path}: expected a dictionary with {', '.join(required)}, found something else")
    return state


def check_weights(module: nn.Module, weights: dict) -> None:
    """Refuse weights that are not those of such a module, or no finite numbers.

    Raises:
        ValueError: names the first of them.
    """
    own = module.state_dict()
    if not isinstance(weights, dict) or weights.keys() != own.keys():
        names = list(weights) if isinstance(weights, dict) else type(weights).__name__
        raise ValueError(f"weights: expected {', '.join(own)}, found {names}")
    for name, value in weights.items():
        if not isinstance(value, torch.Tensor) or value.shape != own[name].shape:
            found = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
            raise ValueError(f"weights, {name}: expected the shape {tuple(own[name].shape)}, found {found}")
        if value.is_floating_point() != own[name].is_floating_point() or value.is_complex():
            raise ValueError(f"weights, {name}: expected numbers like {own[name].dtype}, found {value.dtype}")
        if not value.isfinite().all():
            raise ValueError(f"weights, {name}: expected finite numbers, found others")


def restore_weights(module: nn.Module, weights: dict, path: str | Path) -> None:
    """Put weights read from ``path`` into a module, in the precision in which they were saved.

    Raises:
        DataError: they are those of another module, or no finite numbers.
    """
    try:
        check_weights(module, weights)
    except ValueError as error:
        raise DataError(f"{path}: its weights do not fit: {error}") from error
    module.load_state_dict(weights, assign=True)
