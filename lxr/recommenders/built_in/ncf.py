"""NCF: NeuMF with linear history encoders."""

import itertools
from collections.abc import Iterable, Sequence
from typing import ClassVar, Literal, cast, get_args

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from lxr.data.histories import Rows
from lxr.recommenders.built_in.mf import WholeRowLoss
from lxr.recommenders.first_layer import first_layer
from lxr.recommenders.last_layer import Candidates, Score, answer, inner_products
from lxr.recommenders.network import Network
from lxr.utils.checks import check_all_positive, check_choice, check_positive
from lxr.utils.item_table import ItemTable
from lxr.utils.weights import initialize, linear_layer

Branches = Literal["both", "gmf", "mlp"]


class NCF(WholeRowLoss):
    """NeuMF with linear history encoders instead of user ids: the sum of a GMF branch and an MLP branch.

    With u = W x + a the user vector of a branch and v_i the vectors of items, the GMF branch is h · (u ∘ v_i), and the MLP
    branch a tower of ReLU layers on (u, v_i). The first layer is split into a part of the user and a part of the item, each
    computed once. The logit is the sum of both.

    The tower has features for every pair of user and item: it is scored in chunks of items, and its intermediate values are
    computed again for the gradient, so at most ``max_pairs`` pairs are in memory.

    Args:
        n_items: number of items.
        n_factors: width of the vectors of both branches.
        layers: widths of the tower.
        dropout, positive_weight, negatives: as for :class:`MF`.
        branches: ``"both"``, or ``"gmf"`` or ``"mlp"`` alone, for training them one after the other
            (:meth:`start_from`).
        max_pairs: pairs of user and item to score at a time.
        seed: seed of the initial weights.
        n_features: number of user features; their columns follow the items.

    Raises:
        ValueError: unknown branches, or a size that is not positive.

    Source: He et al., Neural Collaborative Filtering, WWW 2017, eqs. 9-12.

    Example:
        >>> model = NCF(n_items=5, n_factors=4, layers=(4, 2))
        >>> model(torch.eye(5)[:3]).shape, model.activation
        (torch.Size([3, 5]), 'sigmoid')
    """

    takes_rows = True
    takes_slices = True
    search_space: ClassVar[dict] = {"n_factors": [16, 32, 64], "dropout": (0.1, 0.7)}

    def __init__(
        self,
        n_items: int,
        *,
        n_factors: int = 32,
        layers: Sequence[int] = (16, 8),
        dropout: float = 0.3,
        positive_weight: float = 60.0,
        negatives: int | None = None,
        branches: Branches = "both",
        max_pairs: int = 2**18,
        seed: int = 0,
        n_features: int = 0,
    ):
        super().__init__(n_items, n_features=n_features, seed=seed)
        check_choice(get_args(Branches), branches=branches)
        check_all_positive(layers=layers)
        check_positive(n_factors=n_factors, max_pairs=max_pairs)
        self.weigh(dropout, positive_weight, negatives)
        self.n_factors, self.layers, self.branches, self.max_pairs = n_factors, layers, branches, max_pairs
        self.is_linear = branches == "gmf"
        if branches != "mlp":
            self.gmf_history = ItemTable(self.n_columns, n_factors)
            self.gmf_item = ItemTable(self.n_columns, n_factors)  # applied to one-hot items, as in MF
            self.gmf_output = linear_layer(n_factors, 1, bias=False)
        if branches != "gmf":
            self.mlp_history = ItemTable(self.n_columns, n_factors)
            self.mlp_item = ItemTable(self.n_columns, n_factors)
            self.first_of_user = linear_layer(n_factors, layers[0])
            self.first_of_item = linear_layer(n_factors, layers[0], bias=False)
            self.tower = nn.ModuleList(linear_layer(*widths) for widths in itertools.pairwise(layers))
            self.mlp_output = linear_layer(layers[-1], 1, bias=False)
        initialize(self, seed)

    def forward(self, history: torch.Tensor | Rows, candidates: Candidates = None) -> torch.Tensor:
        """Map histories (B, I) to logits (B, I), or (B, C) of candidates (B, C)."""
        if self.branches == "gmf":
            return answer(self._gmf(history), candidates)
        if self.branches == "mlp":
            return answer(self._mlp(history), candidates)
        gmf, mlp = self._gmf(history), self._mlp(history)
        return answer(lambda items: gmf(items) + mlp(items), candidates)

    def _gmf(self, history: torch.Tensor | Rows) -> Score:
        """Scores of the GMF branch for histories (B, I)."""
        user = first_layer(self.gmf_history, history) * self.gmf_output.weight  # (B, n_factors)
        return inner_products(user, self.gmf_item.table, shift=self.gmf_item.bias)

    def _mlp(self, history: torch.Tensor | Rows) -> Score:
        """Scores of the MLP branch for histories (B, I), computed in chunks of items."""
        user = self.first_of_user(first_layer(self.mlp_history, history))  # (B, k)

        def score(items: torch.Tensor | slice) -> torch.Tensor:
            item = self.first_of_item(self.mlp_item.table[items] + self.mlp_item.bias)  # (C, k), or (B, C, k) of candidates
            if item.ndim == 3:
                return self._tower_of((user[:, None] + item).flatten(0, 1).T).view(item.shape[:2])
            chunks = item.split(max(1, self.max_pairs // max(1, len(user))))
            return torch.cat([self._score_pairs(user, chunk) for chunk in chunks], dim=1)

        return score

    def _score_pairs(self, user: torch.Tensor, item: torch.Tensor) -> torch.Tensor:
        """The MLP branch (B, c) of users (B, k) and c items (c, k) after their parts of the first layer."""
        if torch.is_grad_enabled() and user.requires_grad:
            return checkpoint(self._score_pairs_once, user, item, use_reentrant=False)
        return self._score_pairs_once(user, item)

    def _score_pairs_once(self, user: torch.Tensor, item: torch.Tensor) -> torch.Tensor:
        """:meth:`_score_pairs`, once."""
        pairs = (user.T[:, :, None] + item.T[:, None, :]).flatten(1)  # (k, B · c)
        return self._tower_of(pairs).view(len(user), len(item))

    def _tower_of(self, x: torch.Tensor) -> torch.Tensor:
        """Outputs (1, P) of the tower for P pairs (k, P): few long rows multiply faster than many short ones."""
        for layer in cast(Iterable[nn.Linear], self.tower):
            x = layer.weight @ F.relu(x) + layer.bias[:, None]
        return self.mlp_output.weight @ F.relu(x)

    @torch.no_grad()
    def network(self) -> Network | None:
        """The tower, with the items' part of its first layer as biases, plus the linear GMF branch; None without a tower."""
        if self.branches == "gmf":
            return None
        weights = {name: value.double().cpu() for name, value in self.state_dict().items()}
        into, items = weights["first_of_user.weight"], weights["mlp_item.weight"] + weights["mlp_item.bias"][:, None]
        shift = into @ weights["mlp_history.bias"] + weights["first_of_user.bias"]  # (k,)
        skip, constant = None, torch.zeros(self.n_columns, dtype=torch.float64)
        if self.branches == "both":
            table = (weights["gmf_item.weight"] + weights["gmf_item.bias"][:, None]) * weights["gmf_output.weight"].T
            skip, constant = (weights["gmf_history.weight"], table), weights["gmf_history.bias"] @ table
        return Network(
            first=into @ weights["mlp_history.weight"],
            bias=shift + items.T @ weights["first_of_item.weight"].T,
            deeper=tuple((weights[f"tower.{i}.weight"], weights[f"tower.{i}.bias"]) for i in range(len(self.tower))),
            last=weights["mlp_output.weight"],
            constant=constant,
            skip=skip,
            activation="relu",
        )

    def encoders(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Stacked history encoders and item tables of the branches, both (width, I)."""
        history = [getattr(self, name).weight for name in ("gmf_history", "mlp_history") if hasattr(self, name)]
        item = [getattr(self, name).weight for name in ("gmf_item", "mlp_item") if hasattr(self, name)]
        return torch.cat(history), torch.cat(item)

    @torch.no_grad()
    def start_from(self, gmf: "NCF", mlp: "NCF", share: float = 0.5) -> "NCF":
        """Start both branches from models of one branch each and mix their outputs; returns the model itself.

        Args:
            gmf, mlp: trained with ``branches="gmf"`` and ``"mlp"``, of the same widths.
            share: share of the GMF branch in the logits (α of the paper).

        Source: He et al., WWW 2017, section 3.4.1.
        """
        weights = gmf.state_dict() | mlp.state_dict()
        weights["gmf_output.weight"] = share * gmf.gmf_output.weight
        weights["mlp_output.weight"] = (1 - share) * mlp.mlp_output.weight
        self.load_state_dict(weights)
        return self
