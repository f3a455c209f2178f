"""MF: matrix factorisation with a linear history encoder, and the loss on whole rows."""

from typing import ClassVar

import torch
import torch.nn.functional as F

from lxr.data.histories import Rows
from lxr.recommenders.base import Recommender
from lxr.recommenders.first_layer import first_layer, score_candidates
from lxr.utils.checks import check_dropout, check_positive, check_positive_numbers
from lxr.utils.item_table import ItemTable
from lxr.utils.weights import initialize


class WholeRowLoss(Recommender):
    """Training loss shared by :class:`MF` and :class:`NCF`: whole rows, weighted positives, history dropout."""

    dropout: float
    positive_weight: float

    def weigh(self, dropout: float, positive_weight: float) -> None:
        """Check and keep the two options of the loss."""
        check_dropout(dropout=dropout)
        check_positive_numbers(positive_weight=positive_weight)
        self.dropout, self.positive_weight = dropout, positive_weight

    def loss(self, history: torch.Tensor, generator: torch.Generator, step: int) -> torch.Tensor:
        """Binary cross-entropy of whole rows (B, I), mean over users and items."""
        logits = self.of_items(self(drop(history, self.dropout, generator)))
        consumed = self.of_items(history)
        weight = 1 + (self.positive_weight - 1) * consumed
        return F.binary_cross_entropy_with_logits(logits, consumed, weight)


class MF(WholeRowLoss):
    """Matrix factorisation with a linear history encoder ("MLP" in the code of the LXR papers).

    logit(x, i) = (W x + a) · (v_i + b), trained on whole rows with a weighted binary cross-entropy. Part of the history is
    hidden from the input (history dropout), so the model learns to recommend unseen items.

    Args:
        n_items: number of items.
        n_factors: width of the encoders.
        dropout: share of a training history that is hidden from the input.
        positive_weight: weight of a consumed item in the loss, where each other item weighs 1. It sets the level of the
            probabilities and hardly changes the ranking; 60 brings a top recommendation to about 0.98.
        seed: seed of the initial weights.
        n_features: number of user features; their columns follow the items.

    The weight of positives is not in the search space: it sets the level of the probabilities, and thus changes the
    explained quantity.

    Source: Barkan et al., WWW 2024, appendix; He et al., WWW 2017 (GMF) with a history instead of a user id.

    Example:
        >>> model = MF(n_items=5, n_factors=2)
        >>> model(torch.eye(5)[:3]).shape, model.activation
        (torch.Size([3, 5]), 'sigmoid')
    """

    is_linear = True
    takes_rows = True
    search_space: ClassVar[dict] = {"n_factors": [32, 64, 128], "dropout": (0.1, 0.7)}

    def __init__(
        self,
        n_items: int,
        *,
        n_factors: int = 64,
        dropout: float = 0.3,
        positive_weight: float = 60.0,
        seed: int = 0,
        n_features: int = 0,
    ):
        super().__init__(n_items, n_features=n_features, seed=seed)
        check_positive(n_factors=n_factors)
        self.weigh(dropout, positive_weight)
        self.n_factors = n_factors
        self.history_encoder = ItemTable(self.n_columns, n_factors)
        self.item_encoder = ItemTable(self.n_columns, n_factors)  # applied to one-hot items: column i is v_i
        initialize(self, seed)

    def forward(self, history: torch.Tensor | Rows, candidates: torch.Tensor | None = None) -> torch.Tensor:
        """Map histories (B, I) to logits (B, I), or (B, C) of candidates (B, C)."""
        user, bias = first_layer(self.history_encoder, history), self.item_encoder.bias  # (B, n_factors)
        if candidates is None:
            return user @ (self.item_encoder.weight + bias[:, None])
        return score_candidates(user, self.item_encoder.table[candidates] + bias)

    def encoders(self) -> tuple[torch.Tensor, torch.Tensor]:
        """W and V, both (n_factors, I)."""
        return self.history_encoder.weight, self.item_encoder.weight


def drop(x: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """Inverted dropout of a tensor; the mask is drawn on the CPU and equal on every device."""
    keep = torch.rand(x.shape, generator=generator) >= share
    return x * keep.to(x.device) / (1 - share)
