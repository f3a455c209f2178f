"""First layers of order-free recommenders: they multiply dense histories, or sum the rows of a table for their entries."""

import torch
import torch.nn.functional as F
from torch import nn

from lxr.data.histories import Rows


def first_layer(layer: nn.Linear, history: torch.Tensor | Rows) -> torch.Tensor:
    """Apply a linear layer of I inputs to histories.

    For entries this takes one row of the layer's table for each, instead of I columns. The table is contiguous if
    :func:`lxr.utils.weights.item_layer` made the layer.

    Args:
        layer: linear layer (I → h).
        history: histories (B, I), dense or as entries.

    Returns:
        (B, h).

    Example:
        >>> from lxr.data.histories import Histories
        >>> layer, histories = nn.Linear(4, 2), Histories.of_lists([[0, 3], [1]], n_columns=4)
        >>> torch.allclose(first_layer(layer, histories.rows(4)), first_layer(layer, histories.dense()))
        True
    """
    if not isinstance(history, Rows):
        return layer(history)
    table, weights = layer.weight.T, history.weights
    weights = None if weights is None else weights.to(table.dtype)
    sums = F.embedding_bag(history.items, table, history.start, mode="sum", per_sample_weights=weights)
    return sums if layer.bias is None else sums + layer.bias


def normalized(history: torch.Tensor | Rows) -> torch.Tensor | Rows:
    """Histories (B, I), each divided by its Euclidean norm."""
    return history.normalized() if isinstance(history, Rows) else F.normalize(history, dim=1)


def score_candidates(user: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
    """Inner products (B, C) of users (B, h) with their candidates (B, C, h)."""
    return torch.einsum("bh,bch->bc", user, items)
