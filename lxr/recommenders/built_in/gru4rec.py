"""GRU4Rec: a recurrent network over the history."""

from typing import ClassVar

import torch
from torch import nn

from lxr.recommenders.built_in.next_item import Dropout, NextItem
from lxr.utils.weights import initialize


class GRU4Rec(NextItem):
    """GRU4Rec: a gated recurrent unit (GRU) reads the history, oldest entry first.

    A soft mask mixes the state before an entry and after it: h ← k · GRU(e, h) + (1 − k) · h. An entry with the share k = 0
    leaves the state as it is, so leaving out entries equals deleting them.

    Args:
        n_items: number of items.
        n_factors: width of the embeddings and states.
        dropout: share of the embeddings and of the states that is hidden in training.
        max_length: number of the newest entries that count; older ones have no influence.
        negatives: items drawn at each step, the same for all entries of the batch, from which the loss is estimated; None
            for the whole catalogue.
        seed: seed of the initial weights.
        n_features: 0; user features are refused, because they have no place in an order.

    Raises:
        ValueError: user features, or an option outside its range.

    Source: Hidasi et al., ICLR 2016; Hidasi & Karatzoglou, CIKM 2018 (shared embeddings). The loss is the cross-entropy over
    the catalogue.

    Example:
        >>> import lxr
        >>> model = GRU4Rec(n_items=5, n_factors=4)
        >>> histories = lxr.Histories.of_lists([[2, 0], [4]], n_columns=5)
        >>> model.logits(histories).shape, model.logits_after_deletion(histories, histories.items == 2).shape
        (torch.Size([2, 5]), torch.Size([2, 5]))
    """

    search_space: ClassVar[dict] = {"n_factors": [32, 64, 128], "dropout": (0.1, 0.7)}

    def __init__(
        self,
        n_items: int,
        *,
        n_factors: int = 64,
        dropout: float = 0.3,
        max_length: int = 200,
        negatives: int | None = None,
        seed: int = 0,
        n_features: int = 0,
    ):
        super().__init__(
            n_items,
            n_factors=n_factors,
            dropout=dropout,
            max_length=max_length,
            negatives=negatives,
            seed=seed,
            n_features=n_features,
        )
        self.start = nn.Parameter(torch.empty(1, n_factors))
        self.gru = nn.GRU(n_factors, n_factors, batch_first=True, device="meta").to_empty(device="cpu")
        initialize(self, seed)

    def states(self, items: torch.Tensor, lengths: torch.Tensor, dropped: Dropout) -> torch.Tensor:
        """States (B, L + 1, n_factors) before the first and after every item (B, L)."""
        start = self.start.expand(len(items), 1, -1)
        if not items.shape[1]:
            return dropped(start)
        after, _ = self.gru(dropped(self.embedded(items)), start.transpose(0, 1).contiguous())
        return dropped(torch.cat([start, after], dim=1))

    def soft_state(self, items: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
        """State (B, n_factors) after items (B, L), of which shares (B, L) are kept."""
        state = self.start.expand(len(items), -1)
        for given, share in zip(self.embedded(items).unbind(dim=1), keep.unbind(dim=1), strict=True):
            state = torch.lerp(state, torch.gru_cell(given, state, *self.gru.all_weights[0]), share[:, None])
        return state
