"""First layers of order-free recommenders: they multiply dense histories, or sum the rows of a table for their entries."""

import torch
import torch.nn.functional as F

from lxr.data.histories import Rows
from lxr.utils.item_table import ItemTable


def first_layer(layer: ItemTable, history: torch.Tensor | Rows, *, sparse: bool = False) -> torch.Tensor:
    """Apply a linear layer of I inputs to histories; for entries this takes one row of its table for each.

    Args:
        layer: the layer (I → h).
        history: histories (B, I), dense or as entries.
        sparse: whether entries give the table a sparse gradient, for :class:`lxr.utils.item_table.TableAdam`.

    Returns:
        (B, h).

    Example:
        >>> from lxr.data.histories import Histories
        >>> from lxr.utils.weights import initialize
        >>> layer, histories = ItemTable(4, 2), Histories.of_lists([[0, 3], [1]], n_columns=4)
        >>> initialize(layer, seed=0)
        >>> torch.allclose(first_layer(layer, histories.rows(4)), first_layer(layer, histories.dense()))
        True
    """
    if not isinstance(history, Rows):
        return layer(history)
    return table_sums(layer.table, history, sparse=sparse) + layer.bias


def table_sums(table: torch.Tensor, history: torch.Tensor | Rows, *, sparse: bool = False) -> torch.Tensor:
    """Sums (B, h) of the rows of a table (I, h) that belong to the entries of histories (B, I), weighted."""
    if not isinstance(history, Rows):
        return history @ table
    weights = None if history.weights is None else history.weights.to(table.dtype)
    return F.embedding_bag(history.items, table, history.start, mode="sum", per_sample_weights=weights, sparse=sparse)


def normalized(history: torch.Tensor | Rows) -> torch.Tensor | Rows:
    """Histories (B, I), each divided by its Euclidean norm."""
    return history.normalized() if isinstance(history, Rows) else F.normalize(history, dim=1)
