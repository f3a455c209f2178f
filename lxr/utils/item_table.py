"""Linear layers whose inputs are items, and their optimizer: reading and learning a few items costs little."""

import torch
import torch.nn.functional as F
from torch import nn

from lxr.utils.weights import linear_layer


class ItemTable(nn.Module):
    """Linear layer whose inputs are items: one row of weights per item, so that reading a few items is fast.

    Its saved weights have the name and the shape (n_outputs, n_items) of those of ``nn.Linear``.

    Args:
        n_items: number of inputs.
        n_outputs: number of outputs.

    Attributes:
        table: (n_items, n_outputs) weights, not initialized.
        bias: (n_outputs,) biases.

    Example:
        >>> layer = ItemTable(n_items=5, n_outputs=2)
        >>> nn.init.normal_(layer.table).shape
        torch.Size([5, 2])
        >>> torch.equal(layer(torch.eye(5)[:1])[0], layer.table[0] + layer.bias)
        True
    """

    def __init__(self, n_items: int, n_outputs: int):
        super().__init__()
        layer = linear_layer(n_items, n_outputs)
        self.in_features, self.out_features = n_items, n_outputs
        self.table, self.bias = nn.Parameter(torch.empty(n_items, n_outputs)), layer.bias

    @property
    def weight(self) -> torch.Tensor:
        """(n_outputs, n_items), a view of the table."""
        return self.table.T

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, n_items) to (B, n_outputs)."""
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Sizes."""
        return f"n_items={self.in_features}, n_outputs={self.out_features}"

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        """Save the table as ``weight``."""
        super()._save_to_state_dict(destination, prefix, keep_vars)
        bias, table = destination.pop(f"{prefix}bias"), destination.pop(f"{prefix}table")
        destination |= {f"{prefix}weight": table.T, f"{prefix}bias": bias}

    def _load_from_state_dict(self, state_dict, prefix, *arguments):
        """Read ``weight`` into the table."""
        named = dict(state_dict)
        if f"{prefix}weight" in named:
            named[f"{prefix}table"] = named.pop(f"{prefix}weight").T.contiguous()
        super()._load_from_state_dict(named, prefix, *arguments)


class TableAdam(torch.optim.Adam):
    """Adam whose parameters may have sparse gradients (rows of tables): the same steps as with dense ones.

    A dense gradient of a large table is memory that every step would fill with zeros again. Here each such parameter keeps
    one dense gradient, of which only the touched rows are set and cleared.

    Example:
        >>> table = nn.Parameter(torch.zeros(4, 2))
        >>> optimizer = TableAdam([table], lr=0.1)
        >>> F.embedding(torch.tensor([1, 1]), table, sparse=True).sum().backward()
        >>> optimizer.step()
        >>> table[:, 0].tolist() == [0.0, table[1, 0].item(), 0.0, 0.0], round(table[1, 0].item(), 3)
        (True, -0.1)
    """

    def __init__(self, parameters, lr: float):
        super().__init__(parameters, lr=lr, fused=True)
        self.gradients: dict[torch.Tensor, torch.Tensor] = {}

    def step(self, closure=None):
        """Take a step; sparse gradients are used up."""
        touched = []
        for parameter in self.param_groups[0]["params"]:
            found = parameter.grad
            if found is None or not found.is_sparse:
                continue
            rows = found._indices()[0]
            if parameter not in self.gradients:
                self.gradients[parameter] = torch.zeros_like(parameter)
            parameter.grad = self.gradients[parameter]
            parameter.grad.index_add_(0, rows, found._values())
            touched.append((parameter, rows))
        loss = super().step(closure)
        for parameter, rows in touched:
            self.gradients[parameter].index_fill_(0, rows, 0)
            parameter.grad = None
        return loss
