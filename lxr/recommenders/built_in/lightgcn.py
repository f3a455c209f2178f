"""LightGCN: item vectors that are propagated over the graph of users and items, for users given by their history."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from lxr.data.histories import EntryLists, Histories, Rows
from lxr.recommenders.base import Activation, Recommender
from lxr.recommenders.first_layer import normalized, table_sums
from lxr.recommenders.last_layer import Candidates, answer, inner_products
from lxr.recommenders.network import Network
from lxr.utils.checks import check_dropout, check_natural, check_positive
from lxr.utils.weights import initialize


class LightGCN(Recommender):
    """LightGCN for users who are given by their history: a graph convolution without weights and activations.

    R are the training histories, d their row sums for users and column sums for items, and R̃ = D_u^(-1/2) R D_i^(-1/2). The
    item vectors are the mean of the layers of propagation, V = (E + G E + … + G^K E) / (K + 1), where G = R̃ᵀ R̃ goes from
    items to their users and back: two layers of the paper. The vector of a user is one more layer, from the items of the
    history h. It exists for any history, also of a user outside the training. With the number n of items in h, the share p_y
    of training users who consumed y, and the mean d̄ of d over items,

        logit(h, y) = log p_y + n^(-1/2) Σ_{i ∈ h} (d̄ / d_i)^(1/2) v_i · v_y.

    The order of a history has no influence. Because of n^(1/2) the logits are not linear in the history. The empty history
    has the recommendations of :class:`lxr.Popularity`.

    The paper learns a vector per user, and ranks an item above a random one (BPR). Here no user has a vector of its own, and
    the loss is the multinomial likelihood of hidden items (history dropout). Its softmax over the catalogue is the
    probability that explainers explain.

    After the training, the graph is not needed: the weights are V. The learning rate matters: on MovieLens 100K, 0.01 finds
    more hidden items of validation users than the default of :func:`lxr.fit`.

    Args:
        n_items: number of items.
        n_factors: width of the vectors.
        n_layers: K, propagations from items to items; 0 for none.
        dropout: share of a training history that is hidden from the input.
        seed: seed of the initial weights.
        n_features: number of user features; their columns follow the items.

    Attributes:
        vectors: (I, n_factors) E in training, V afterwards.
        scale: (I,) (d̄ / d_i)^(1/2), where an item without training users counts as if it had one; 1 before training.
        log_share: (I,) log p, with one more user who consumed everything; 0 before training.

    Source: He et al., SIGIR 2020, eqs. 3-8; Liang et al., WWW 2018, eq. 2 (the likelihood).

    Example:
        >>> import lxr
        >>> matrix = lxr.load_dataset("synthetic").matrix
        >>> model = LightGCN(matrix.shape[1], n_factors=8)
        >>> training = lxr.fit(model, matrix[:400], matrix[400:500], epochs=2)
        >>> popular = lxr.Popularity(matrix[:400])
        >>> lxr.top_item(model, torch.zeros(1, 160)) == lxr.top_item(popular, torch.zeros(1, 160))
        tensor([True])
    """

    activation: Activation = "softmax"
    takes_rows = True
    takes_slices = True
    search_space: ClassVar[dict] = {"n_factors": [32, 64, 128], "n_layers": [1, 2, 3], "dropout": (0.2, 0.8)}
    scale: torch.Tensor
    log_share: torch.Tensor
    graph: torch.Tensor | None

    def __init__(
        self,
        n_items: int,
        *,
        n_factors: int = 64,
        n_layers: int = 1,
        dropout: float = 0.5,
        seed: int = 0,
        n_features: int = 0,
    ):
        super().__init__(n_items, n_features=n_features, seed=seed)
        check_positive(n_factors=n_factors)
        check_natural(n_layers=n_layers)
        check_dropout(dropout=dropout)
        self.n_factors, self.n_layers, self.dropout = n_factors, n_layers, dropout
        self.vectors = nn.Parameter(torch.empty(self.n_columns, n_factors))
        self.register_buffer("scale", torch.ones(self.n_columns))
        self.register_buffer("log_share", torch.zeros(self.n_columns))
        self.register_buffer("graph", None, persistent=False)
        initialize(self, seed)

    def forward(self, history: torch.Tensor | Rows, candidates: Candidates = None) -> torch.Tensor:
        """Map histories (B, I) to logits (B, I), or (B, C) of candidates (B, C)."""
        vectors = self.propagated()
        user = table_sums(vectors, self._scaled(normalized(history)))  # (B, n_factors)
        return answer(inner_products(user, vectors, bias=self.log_share), candidates)

    def _scaled(self, history: torch.Tensor | Rows) -> torch.Tensor | Rows:
        """Normalized histories (B, I) with the weight of each item."""
        if isinstance(history, torch.Tensor):
            return history * self.scale
        own = self.scale[history.items]
        return replace(history, weights=own if history.weights is None else own * history.weights)

    def propagated(self) -> torch.Tensor:
        """V (I, n_factors)."""
        layer = total = self.vectors
        if self.graph is None:
            return total
        for _ in range(self.n_layers):
            layer = torch.sparse.mm(self.graph.t(), torch.sparse.mm(self.graph, layer))
            total = total + layer
        return total / (1 + self.n_layers)

    @contextlib.contextmanager
    def training_on(self, histories: EntryLists) -> Iterator[None]:
        """Context with the graph of the training histories; at its end the weights become V."""
        self._learn_graph(histories)
        try:
            yield
        finally:
            with torch.no_grad():
                self.vectors.copy_(self.propagated())
            self.graph = None

    @torch.no_grad()
    def _learn_graph(self, histories: EntryLists) -> None:
        """Set R̃, and the numbers that come from the numbers of users of the items."""
        matrix = histories.matrix()
        user, item = (torch.from_numpy(each.astype(np.int64)) for each in matrix.nonzero())
        of_user, of_item = (
            torch.bincount(each, minlength=n).to(self.vectors.dtype)
            for each, n in zip((user, item), matrix.shape, strict=True)
        )
        values = (of_user[user] * of_item[item]).rsqrt()
        graph = torch.sparse_coo_tensor(torch.stack([user, item]), values, matrix.shape, check_invariants=True)
        self.graph = graph.coalesce().to(self.device)
        self.scale.copy_((of_item.mean() / of_item.clamp(min=1)).sqrt())
        self.log_share.copy_(((of_item + 1) / (len(of_user) + 1)).log())

    def loss(self, histories: Histories, generator: torch.Generator, step: int) -> torch.Tensor:
        """Negative log-likelihood of the hidden items, mean over these items.

        Raises:
            ValueError: outside of :meth:`training_on`.
        """
        if self.graph is None:
            raise ValueError("model: LightGCN learns within model.training_on(histories), which sets its graph")
        history = self.dense_rows(histories).clamp(max=1)  # repeats count once
        visible = (torch.rand(history.shape, generator=generator) >= self.dropout).to(history)
        hidden = self.of_items(history * (1 - visible))
        log_prob = F.log_softmax(self.of_items(self(history * visible)), dim=1)
        return -(log_prob * hidden).sum() / hidden.sum().clamp(min=1)

    @torch.no_grad()
    def network(self) -> Network:
        """No hidden layers: the logits are linear in the history divided by its norm."""
        vectors, scale = self.vectors.double().cpu(), self.scale.double().cpu()
        nothing = torch.zeros(1, 0, dtype=torch.float64)
        return Network(
            first=torch.zeros(0, self.n_columns, dtype=torch.float64),
            bias=nothing,
            deeper=(),
            last=nothing,
            constant=self.log_share.double().cpu(),
            skip=((vectors * scale[:, None]).T, vectors.T),
            activation="tanh",
            is_normalized=True,
        )

    def encoders(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Vectors of the items in a history and as candidates, both (n_factors, I)."""
        return self.vectors.T * self.scale, self.vectors.T
