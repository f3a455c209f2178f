"""Scorers of histories as rows (B, I), from the weights of other libraries."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from lxr.utils.memory import check_memory


class ItemToItem(nn.Module):
    """x W: every history item adds its row of the weights (I, I)."""

    weights: torch.Tensor

    def __init__(self, weights: np.ndarray):
        super().__init__()
        self.register_buffer("weights", single(weights))

    def forward(self, history: torch.Tensor) -> torch.Tensor:
        """Map histories (B, I) to scores (B, I)."""
        return history @ self.weights


class FoldIn(nn.Module):
    """V u, where u is the least-squares user of a history x, given the item factors V (I, f).

    u minimizes Σ_i c_i (x_i − v_i · u)² + λ ‖u‖² with c_i = ``consumed`` for history items and ``others`` for the rest.

    Source: Hu, Koren, Volinsky, ICDM 2008, eq. 4.
    """

    items: torch.Tensor
    gram: torch.Tensor
    squares: torch.Tensor

    def __init__(self, factors: np.ndarray, *, consumed: float, others: float, penalty: float):
        super().__init__()
        n_items, width = factors.shape
        check_memory(4 * n_items * width**2, "model (squares of its item factors)")
        items = single(factors)  # (I, f)
        self.consumed = consumed
        self.register_buffer("items", items)
        self.register_buffer("gram", others * items.T @ items + penalty * torch.eye(width))
        self.register_buffer("squares", ((consumed - others) * items[:, :, None] * items[:, None, :]).flatten(1))  # (I, f²)

    def forward(self, history: torch.Tensor) -> torch.Tensor:
        """Map histories (B, I) to scores (B, I)."""
        gram = self.gram + (history @ self.squares).unflatten(1, self.gram.shape)  # (B, f, f)
        return torch.linalg.solve(gram, self.consumed * history @ self.items) @ self.items.T


class SumOfItems(nn.Module):
    """V u, where u is the sum of the history's rows of a table (I, f), divided by the root of their number.

    Source: He et al., SIGIR 2020, eq. 3 (LightGCN), for a user outside the graph.
    """

    table: torch.Tensor
    items: torch.Tensor

    def __init__(self, table: torch.Tensor, items: torch.Tensor):
        super().__init__()
        self.register_buffer("table", table)
        self.register_buffer("items", items)

    def forward(self, history: torch.Tensor) -> torch.Tensor:
        """Map histories (B, I) to scores (B, I)."""
        length = history.sum(dim=1, keepdim=True).clamp(min=1)
        return (history @ self.table / length.sqrt()) @ self.items.T


class BlackBox(nn.Module):
    """A function of NumPy arrays, as a scorer of tensors without gradient."""

    def __init__(self, function: Callable):
        super().__init__()
        self.function = function

    def forward(self, history: torch.Tensor) -> torch.Tensor:
        """Map histories (B, I) to scores (B, I)."""
        return torch.as_tensor(np.array(self.function(history.numpy(force=True).copy()), dtype=float))


class Rearranged(nn.Module):
    """A scorer of a library's item numbers, for the items of the data in their order."""

    numbers: torch.Tensor

    def __init__(self, scorer: nn.Module, numbers: np.ndarray, n_items: int):
        super().__init__()
        self.scorer, self.width = scorer, n_items
        self.register_buffer("numbers", torch.from_numpy(numbers))  # (I,) the library's number of each item

    def forward(self, history: torch.Tensor, *keep: torch.Tensor) -> torch.Tensor:
        """Map histories (B, I), or items (B, L) and shares (B, L), to scores (B, I)."""
        if keep:
            return self.scorer(self.numbers[history], *keep)[:, self.numbers]
        rows = history.new_zeros(history.shape[0], self.width).index_copy(1, self.numbers, history)
        return self.scorer(rows)[:, self.numbers]


def single(values: np.ndarray) -> torch.Tensor:
    """An array as a new tensor of single precision."""
    return torch.from_numpy(np.array(values, dtype=np.float32))
