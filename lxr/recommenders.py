"""Recommenders: anything that maps histories (B, I) to logits (B, I), as a rule differentiable in its input.

``forward`` is inference and deterministic; what is random in training (dropout, sampling) happens in ``loss`` and draws
from the generator that is passed in.
"""

import contextlib
import inspect
import itertools
import math
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

from lxr.checks import (
    check_all_positive,
    check_between,
    check_choice,
    check_dropout,
    check_logits,
    check_natural,
    check_non_negative,
    check_positive,
    check_positive_numbers,
    check_seed,
    first,
)
from lxr.inputs import as_histories, as_matrix, check_model, check_width
from lxr.memory import check_memory
from lxr.modes import evaluating, ordinary, uncounted, with_gradients
from lxr.probes import AnswerError, check_answers, explained
from lxr.registry import Registry
from lxr.storage import DataError, checked_archive, plain, read_checked, short

ACTIVATIONS = ("sigmoid", "softmax", "probability")
WITHOUT_RIVALS = -math.log(1e-15)  # log-odds of an item that is the only one
BRANCHES = ("both", "gmf", "mlp")


class Recommender(nn.Module):
    """Base class. A subclass defines ``forward`` and, if :func:`lxr.fit` is to train it, ``loss``.

    Calling a recommender is the one way to its answers. Its ``forward`` gets histories in the precision of its weights and
    may work on them in place. It runs in evaluation mode, except in a step of training (:func:`lxr.modes.learning`, as
    :func:`lxr.fit` takes them). What it returns is checked, and has the precision of the history.

    A history may have features of the user after its items (:class:`lxr.Interactions`): further inputs that are explained
    like items, but no one is recommended. Whatever ``forward`` says of them, calling the recommender gives −∞: no rank, no
    probability, and no share of a softmax.

    Attributes:
        n_items: number of items I, features included.
        n_features: how many of them, the last ones, are features of the user.
        activation: how a logit becomes a probability, ``"sigmoid"`` (each item by itself) or ``"softmax"`` (over all); or
            ``"probability"``, if ``forward`` returns probabilities: calling the recommender gives their log-odds.
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
    is_learning = False  # see lxr.modes.learning
    is_counted = True  # see lxr.modes.uncounted
    works_in_place: bool | None = None  # found out at the first call
    doubts: tuple[str, ...] = ()  # see lxr.probes.report_doubts

    def __init__(self, n_items: int, n_features: int = 0):
        super().__init__()
        check_positive(n_items=n_items)
        check_between(0, n_items - 1, n_features=n_features)
        self.n_items, self.n_features = n_items, n_features

    def forward(self, history: torch.Tensor) -> torch.Tensor:
        """Map histories (B, I) to logits (B, I)."""
        raise NotImplementedError

    def __call__(self, history: torch.Tensor) -> torch.Tensor:
        """Map histories (B, I) to logits (B, I), −∞ for features.

        Raises:
            ValueError: an unknown activation, or ``forward`` returns something else than one number per item.
        """
        logits = self.answer(history)
        return F.pad(self.of_items(logits), (0, self.n_features), value=-torch.inf) if self.n_features else logits

    def answer(self, history: torch.Tensor) -> torch.Tensor:
        """Map histories (B, I) to checked logits (B, I), those of features included."""
        check_choice(ACTIVATIONS, activation=self.activation)
        check_width(self.n_items, history)
        history = ordinary(history if history.is_floating_point() else history.float())
        x = self.handed(history)
        version = None if x.is_inference() else x._version
        with contextlib.nullcontext() if self.is_learning else evaluating(self):
            try:
                logits = super().__call__(x) if self.is_counted else self.forward(x)
            except RuntimeError as error:
                raise explained(error, self.asked) from error
        self.watch(history, x, version)
        return self.checked(logits, history)

    def handed(self, history: torch.Tensor) -> torch.Tensor:
        """Histories (B, I) as ``forward`` gets them: in its precision, and a copy unless it is known to leave them alone."""
        x = history.to(self.precision or history.dtype)
        return x.clone() if x is history and (self.works_in_place is not False or x.is_inference()) else x

    def watch(self, history: torch.Tensor, x: torch.Tensor, version: int | None) -> None:
        """Find out whether ``forward``, which got histories x (B, I) for ``history`` (B, I), works in place.

        Raises:
            ValueError: it did so this time, but not before.
        """
        changed = version is not None and x._version != version
        if x is history and changed:
            self.works_in_place = True
            raise AnswerError(
                f"{self.asked}: it has changed the history in place, not at its first call: let it work on a copy"
            )
        if self.works_in_place is None:  # NumPy's view of a tensor does not count its versions
            self.works_in_place = changed or not torch.equal(x, history.to(x.dtype))

    def checked(self, logits: torch.Tensor, history: torch.Tensor) -> torch.Tensor:
        """What ``forward`` has returned for histories (B, I), as logits (B, I) of their precision."""
        is_dense = isinstance(logits, torch.Tensor) and logits.layout is torch.strided and not logits.is_complex()
        if not is_dense or logits.shape != history.shape:
            expected = f"expected logits of shape {tuple(history.shape)}"
            raise AnswerError(f"{self.asked}: {expected}, found {in_words(logits, is_dense)}")
        logits = logits.to(device=history.device, dtype=history.dtype)
        if self.activation == "probability":
            return logits_of(logits, self.asked)
        # A view of the history would change with it.
        return logits.clone() if logits.untyped_storage().data_ptr() == history.untyped_storage().data_ptr() else logits

    @property
    def asked(self) -> str:
        """What errors call the source of the logits."""
        return f"{type(self).__name__}.forward"

    @property
    def precision(self) -> torch.dtype | None:
        """Precision of the weights, else of the buffers; None if there are none."""
        tensors = itertools.chain(self.parameters(), self.buffers())
        return next((tensor.dtype for tensor in tensors if tensor.is_floating_point()), None)

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
        with with_gradients(), uncounted(self):
            x = torch.eye(1, self.n_items, device=self.device, requires_grad=True)
            total = self.answer(x).sum()
            return total.requires_grad and torch.autograd.grad(total, x, allow_unused=True)[0] is not None

    def log_activation(self, logits: torch.Tensor) -> torch.Tensor:
        """Log-probabilities (B, I) of logits (B, I), never by way of a float32 probability."""
        return F.log_softmax(logits, dim=1) if self.activation == "softmax" else F.logsigmoid(logits)

    def log_odds(self, logits: torch.Tensor) -> torch.Tensor:
        """Log-odds log p / (1 − p) (B, I) of logits (B, I): they themselves if each item is by itself."""
        if self.activation != "softmax":
            return logits
        log_prob = F.log_softmax(logits.double(), dim=1)  # 1 − p has no digits left in single precision where p is near 1
        odds = log_prob - log_prob.clamp(max=-1e-15).expm1().neg().log()
        best, first = log_prob.max(dim=1)
        near = (best > -1e-8).nonzero().ravel()  # nor in double precision; of one item at most
        if near.numel():
            odds[near, first[near]] = self.target_log_odds(logits[near].double(), first[near])
        return odds.to(logits.dtype)

    def log_prob(self, history: torch.Tensor) -> torch.Tensor:
        """Log-probability of every item: histories (B, I) → (B, I)."""
        return self.log_activation(self(history))

    def target_log_prob(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Log-probability of one item per row: logits (B, I), items (B,) → (B,), without the other items' where possible."""
        chosen = logits.gather(1, target[:, None]).squeeze(1)  # (B,)
        return chosen - logits.logsumexp(dim=1) if self.activation == "softmax" else F.logsigmoid(chosen)

    def target_log_odds(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Log-odds of one item per row: logits (B, I), items (B,) → (B,), without the other items' where possible."""
        chosen = logits.gather(1, target[:, None])
        if self.activation != "softmax":
            return chosen.squeeze(1)
        others = logits.scatter(1, target[:, None], -torch.inf)
        rest = others.logsumexp(dim=1)
        alone = rest == -torch.inf
        if alone.any():  # anew, since the gradient of no number at all is none
            rest = others.masked_fill(alone[:, None], 0).logsumexp(dim=1)
        return torch.where(alone, WITHOUT_RIVALS, chosen.squeeze(1) - rest)

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

    def weigh(self, dropout: float, positive_weight: float) -> None:
        """Keep the two options of the loss, if they are possible."""
        check_dropout(dropout=dropout)
        check_positive_numbers(positive_weight=positive_weight)
        self.dropout, self.positive_weight = dropout, positive_weight

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
        check_positive(n_factors=n_factors)
        self.weigh(dropout, positive_weight)
        self.history_encoder = linear_layer(n_items, n_factors)
        self.item_encoder = linear_layer(n_items, n_factors)  # applied to one-hot items: column i is v_i
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
        check_positive(n_hidden=n_hidden, n_latent=n_latent)
        check_dropout(dropout=dropout)
        check_non_negative(beta=beta)
        check_natural(anneal_steps=anneal_steps)
        self.n_latent, self.dropout, self.beta, self.anneal_steps = n_latent, dropout, beta, anneal_steps
        self.encoder = linear_layer(n_items, n_hidden)
        self.latent = linear_layer(n_hidden, 2 * n_latent)
        self.decoder = linear_layer(n_latent, n_hidden)
        self.output = linear_layer(n_hidden, n_items)
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
        check_choice(BRANCHES, branches=branches)
        check_all_positive(layers=layers)
        check_positive(n_factors=n_factors, max_pairs=max_pairs)
        self.weigh(dropout, positive_weight)
        self.max_pairs = max_pairs
        if branches != "mlp":
            self.gmf_history = linear_layer(n_items, n_factors)
            self.gmf_item = linear_layer(n_items, n_factors)  # applied to one-hot items, as in MF
            self.gmf_output = linear_layer(n_factors, 1, bias=False)
        if branches != "gmf":
            self.mlp_history = linear_layer(n_items, n_factors)
            self.mlp_item = linear_layer(n_items, n_factors)
            self.first_of_user = linear_layer(n_factors, layers[0])
            self.first_of_item = linear_layer(n_factors, layers[0], bias=False)
            self.tower = nn.ModuleList(linear_layer(*widths) for widths in itertools.pairwise(layers))
            self.mlp_output = linear_layer(layers[-1], 1, bias=False)
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
        train_matrix = as_matrix(train_matrix=train_matrix)
        super().__init__(train_matrix.shape[1], n_features)
        counts = np.asarray(train_matrix.sum(axis=0), dtype=np.float32).ravel()
        self.register_buffer("counts", torch.from_numpy(counts))

    def forward(self, history: torch.Tensor) -> torch.Tensor:
        """Map histories (B, I) to the same counts (B, I) for everyone."""
        return self.counts.expand(len(history), -1)


def in_words(found: object, is_dense: bool) -> str:
    """Something that was returned in the place of logits, for an error."""
    if is_dense:
        return str(tuple(found.shape))
    if isinstance(found, torch.Tensor):
        return f"{found.dtype} ({found.layout})"
    return f"{type(found).__name__} of {len(found)}" if isinstance(found, tuple | list) else type(found).__name__


def logits_of(probability: torch.Tensor, asked: str) -> torch.Tensor:
    """Log-odds (B, I) of probabilities (B, I), finite at 0 and 1; −∞ stays.

    Raises:
        ValueError: a number below 0 or above 1.
    """
    p, limits = probability.double(), torch.finfo(probability.dtype)
    refused = p == -torch.inf
    outside = ((p < -1e-6) & ~refused) | (p > 1 + 1e-6)
    if outside.any():
        raise AnswerError(f"{asked}: expected probabilities from 0 to 1, found {p[outside][0]:g}")
    odds = p.clamp(limits.tiny, 1 - limits.eps / 4).logit()
    return odds.masked_fill(refused, -torch.inf).to(probability.dtype)


class Wrapped(Recommender):
    """See :func:`wrap`."""

    asked = "scorer"

    def __init__(self, scorer: Callable, n_items: int, activation: str, n_features: int = 0):
        super().__init__(n_items, n_features)
        check_choice(ACTIVATIONS, activation=activation)
        self.scorer, self.activation, self.function_precision = scorer, activation, None
        with evaluating(self), with_gradients():
            history = torch.eye(1, n_items, device=self.device, dtype=self.precision)
            self.arrays, self.function_precision = kind_of(scorer, history)
        check_answers(self, explaining=False)

    @property
    def precision(self) -> torch.dtype | None:
        """Precision of the weights or, of a function, the one that it turned out to want; None if it takes any."""
        return super().precision or self.function_precision

    def forward(self, history: torch.Tensor) -> torch.Tensor:
        """Map histories (B, I) to what the scorer returns, as a tensor."""
        if not self.arrays:
            return self.scorer(history)
        scores = self.scorer(history.numpy(force=True).copy())  # a scorer may work in place
        try:
            return torch.from_numpy(np.array(scores, dtype=float))
        except (TypeError, ValueError) as error:
            raise AnswerError(f"scorer: expected an array of numbers, found {type(scores).__name__} ({error})") from error

    def extra_repr(self) -> str:
        """What is wrapped."""
        name = getattr(self.scorer, "__name__", type(self.scorer).__name__)
        return f"{name} of NumPy arrays" if self.arrays else name


def kind_of(scorer: Callable, history: torch.Tensor) -> tuple[bool, torch.dtype | None]:
    """Find out what a scorer wants by asking it about one history (1, I): as a tensor, as an array, in double precision.

    Returns:
        Whether it wants NumPy arrays; and the precision of tensors if it takes no other, else None.

    Raises:
        ValueError: nothing brings logits (1, I) of the same kind.
    """
    found = []
    for kind, precision in ((torch.Tensor, None), (np.ndarray, None), (torch.Tensor, torch.float64)):
        x = history.to(precision or history.dtype)
        # NumPy would take a tensor for an array if it asked for no gradient.
        asked = x.clone().requires_grad_().clone() if kind is torch.Tensor else x.numpy(force=True).copy()
        try:
            logits = scorer(asked)
        except Exception as error:  # somebody else's code may raise anything
            if isinstance(explained(error, "scorer"), AnswerError):
                raise explained(error, "scorer") from error
            found.append(f"{type(error).__name__}: {error}")
            continue
        if isinstance(logits, kind) and logits.shape == history.shape:
            return kind is np.ndarray, precision or (None if kind is np.ndarray else only_precision(scorer, asked))
        shape = f" of shape {tuple(logits.shape)}" if hasattr(logits, "shape") else ""
        found.append(type(logits).__name__ + shape)
    raise AnswerError(
        f"scorer: expected logits of shape {tuple(history.shape)} for a history as a tensor or as a NumPy array, "
        f"found for the tensor {found[0]}; for the array {found[1]}"
    )


def only_precision(scorer: Callable, history: torch.Tensor) -> torch.dtype | None:
    """The precision of a history (1, I) that a scorer takes, if it does not take double precision as well."""
    try:
        scorer(history.detach().double())
    except Exception:  # somebody else's code may raise anything
        return history.dtype
    return None


def wrap(module_or_function: Callable, n_items: int, activation: str, n_features: int = 0) -> Recommender:
    """Make a recommender of any scorer of histories.

    A scorer of NumPy arrays is a black box: what asks for a gradient cannot explain it. So is one of tensors that is not
    differentiable. The kind of a scorer is found out by asking it about one history. Its answers to the empty, a short and
    two long histories are checked (:func:`lxr.probes.check_answers`).

    Args:
        module_or_function: maps (B, I) float histories to (B, I) logits of any precision, tensors to tensors or NumPy arrays
            to NumPy arrays; it may set items of the history to −∞, and may work in place. A module is asked in evaluation
            mode, in its own precision and on its device; a function, on the CPU.
        n_items: number of items I.
        activation: ``"sigmoid"`` or ``"softmax"``, how its logits become probabilities; ``"probability"`` if it returns
            probabilities.
        n_features: how many of the items, the last ones, are features of the user.

    Returns:
        The recommender; the scorer is left as it is.

    Raises:
        ValueError: unknown activation, or a scorer that does not return finite logits of the history's shape, answers the
            same history differently, or fails for batches of some size.

    Warns:
        UserWarning: it has no finite answer to the empty history, which explaining takes; its answers do not depend on the
            history, or look like probabilities where logits are expected.

    Example:
        >>> model = wrap(lambda history: history @ torch.ones(3, 3), n_items=3, activation="sigmoid")
        >>> model(torch.eye(3)).shape
        torch.Size([3, 3])
        >>> black_box = wrap(lambda history: history @ np.ones((3, 3)), n_items=3, activation="sigmoid")
        >>> model.differentiable, black_box.differentiable
        (True, False)
    """
    return Wrapped(module_or_function, n_items, activation, n_features)


RECOMMENDERS: dict[str, type[Recommender]] = Registry("recommender", {"mf": MF, "vae": VAE, "ncf": NCF})
"""Name → class of the recommenders that are trained here."""


def linear_layer(n_inputs: int, n_outputs: int, bias: bool = True) -> nn.Linear:
    """A linear layer whose weights are not drawn yet.

    Raises:
        ValueError: training it would take more memory than is free.
    """
    copies = 4  # the weights, their gradients, and two moments of Adam
    check_memory(copies * 4 * n_inputs * n_outputs, f"n_items or width ({n_inputs} x {n_outputs} weights)")
    return skip_init(nn.Linear, n_inputs, n_outputs, bias=bias)


def initialise(module: nn.Module, seed: int) -> None:
    """Xavier-uniform weights, zero biases, drawn from a generator of their own."""
    generator = torch.Generator().manual_seed(check_seed(seed))
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
        history: (B, I) binary histories: tensor, array, frame, lists or SciPy matrix.

    Returns:
        (B,) long item indices; of equal logits, the lowest index.

    Raises:
        ValueError: a wrong shape, a user who has consumed every item, or a logit that is not a number.

    Example:
        >>> popular = Popularity(sp.csr_matrix([[1, 1, 1], [0, 1, 1], [0, 0, 1]]))
        >>> top_item(popular, torch.tensor([[1.0, 0, 0], [0, 0, 1]]))
        tensor([2, 1])
    """
    check_model(model)
    history = as_histories(model.n_items, history, model.device)
    full = (model.of_items(history) > 0).all(dim=1)
    if full.any():
        raise ValueError(f"history, row {first(full)}: nothing is left to recommend, every item is consumed")
    with torch.no_grad():
        logits = model(history)  # (B, I)
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
    check_choice(RECOMMENDERS, name=name)
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
