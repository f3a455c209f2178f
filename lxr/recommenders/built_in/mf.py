"""MF: matrix factorisation with a linear history encoder, and the loss on whole rows."""

from typing import ClassVar

import torch
import torch.nn.functional as F

from lxr.data.histories import Histories, Rows
from lxr.recommenders.base import Recommender
from lxr.recommenders.first_layer import first_layer
from lxr.recommenders.last_layer import Candidates, answer, inner_products
from lxr.utils.checks import check_dropout, check_positive, check_positive_numbers
from lxr.utils.item_table import ItemTable
from lxr.utils.weights import initialize


class WholeRowLoss(Recommender):
    """Training loss shared by :class:`MF` and :class:`NCF`: whole rows, weighted positives, history dropout.

    With ``negatives`` the sum over the unseen items of a row is estimated, without bias, from as many items drawn at random:
    a step then takes time for these and for the entries of the histories, not for the catalogue.
    """

    dropout: float
    positive_weight: float
    negatives: int | None

    def weigh(self, dropout: float, positive_weight: float, negatives: int | None) -> None:
        """Check and keep the options of the loss."""
        check_dropout(dropout=dropout)
        check_positive_numbers(positive_weight=positive_weight)
        if negatives is not None:
            check_positive(negatives=negatives)
        self.dropout, self.positive_weight, self.negatives = dropout, positive_weight, negatives

    def loss(self, histories: Histories, generator: torch.Generator, step: int) -> torch.Tensor:
        """Binary cross-entropy of whole rows (B, I), mean over users and items."""
        if self.negatives is not None:
            return self._estimated_loss(histories, self.negatives, generator)
        history = self.dense_rows(histories)
        logits = self.of_items(self(drop(history, self.dropout, generator)))
        consumed = self.of_items(history).clamp(max=1)  # repeats count once
        weight = 1 + (self.positive_weight - 1) * consumed
        return F.binary_cross_entropy_with_logits(logits, consumed, weight)

    def _estimated_loss(self, histories: Histories, negatives: int, generator: torch.Generator) -> torch.Tensor:
        """:meth:`loss`, estimated from the items of the histories and items drawn uniformly, each user's own."""
        keep = drop(histories.real.float(), self.dropout, generator)
        drawn = torch.randint(self.n_items, (len(histories), negatives), generator=generator).to(histories.device)
        items = histories.items.clamp(max=self.n_items - 1)  # user features count as nothing
        logits = self.logits(histories, keep, torch.cat([items, drawn], dim=1))
        consumed = (histories.real & (histories.items < self.n_items)).float() * self.positive_weight
        unseen = self.n_items / negatives * histories.unseen(self.n_columns).gather(1, drawn)
        weight = torch.cat([consumed, unseen], dim=1)
        label = torch.cat([torch.ones_like(consumed), torch.zeros_like(unseen)], dim=1)
        total = F.binary_cross_entropy_with_logits(logits, label.to(logits), weight.to(logits), reduction="sum")
        return total / (len(histories) * self.n_items)


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
        negatives: unseen items drawn for each user and step, from which the loss is estimated, for large catalogues; None
            for all.
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
    takes_slices = True
    search_space: ClassVar[dict] = {"n_factors": [32, 64, 128], "dropout": (0.1, 0.7)}

    def __init__(
        self,
        n_items: int,
        *,
        n_factors: int = 64,
        dropout: float = 0.3,
        positive_weight: float = 60.0,
        negatives: int | None = None,
        seed: int = 0,
        n_features: int = 0,
    ):
        super().__init__(n_items, n_features=n_features, seed=seed)
        check_positive(n_factors=n_factors)
        self.weigh(dropout, positive_weight, negatives)
        self.n_factors = n_factors
        self.history_encoder = ItemTable(self.n_columns, n_factors)
        self.item_encoder = ItemTable(self.n_columns, n_factors)  # applied to one-hot items: column i is v_i
        initialize(self, seed)

    def forward(self, history: torch.Tensor | Rows, candidates: Candidates = None) -> torch.Tensor:
        """Map histories (B, I) to logits (B, I), or (B, C) of candidates (B, C)."""
        user = first_layer(self.history_encoder, history)  # (B, n_factors)
        return answer(inner_products(user, self.item_encoder.table, shift=self.item_encoder.bias), candidates)

    def encoders(self) -> tuple[torch.Tensor, torch.Tensor]:
        """W and V, both (n_factors, I)."""
        return self.history_encoder.weight, self.item_encoder.weight


def drop(x: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """Inverted dropout of a tensor; the mask is drawn on the CPU and equal on every device."""
    keep = torch.rand(x.shape, generator=generator) >= share
    return x * keep.to(x.device) / (1 - share)
