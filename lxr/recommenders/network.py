"""Layers of a recommender, for bounds on its logits that hold for every set of removed items."""

from dataclasses import dataclass
from typing import Literal

import torch


@dataclass(frozen=True, eq=False)
class Network:
    """logit_i(x) = constant_i + skip_i · x + last_i · σ(… σ(first · x + bias_i)), the same widths for all items.

    Tensors are of double precision and on the CPU. A row that all items share is stored once instead of I times.

    Attributes:
        first: (h, I) weights of the first layer.
        bias: (I or 1, h) its biases.
        deeper: weights (h', h) and biases (h',) of each further hidden layer.
        last: (I or 1, h') weights of the output.
        constant: (I,) bias of the output.
        skip: (f, I) twice, U and V with skip_i = V_i · U: the linear part; None without one.
        activation: σ of every layer.
        is_normalized: whether x is divided by its Euclidean norm.

    Example:
        >>> import lxr
        >>> network = lxr.VAE(n_items=5, n_hidden=4, n_latent=2).network()
        >>> network.first.shape, network.activation, network.is_normalized
        (torch.Size([4, 5]), 'tanh', True)
    """

    first: torch.Tensor
    bias: torch.Tensor
    deeper: tuple[tuple[torch.Tensor, torch.Tensor], ...]
    last: torch.Tensor
    constant: torch.Tensor
    skip: tuple[torch.Tensor, torch.Tensor] | None
    activation: Literal["relu", "tanh"]
    is_normalized: bool = False

    def logits(self, history: torch.Tensor, entries: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """Logits of a few items, for short histories.

        Args:
            history: (R, n) binary histories, restricted to ``entries``.
            entries: (n,) items; histories have no others.
            items: (m,) items.

        Returns:
            (R, m) logits of double precision.
        """
        x = history.double()
        x = torch.nn.functional.normalize(x, dim=1) if self.is_normalized else x
        activation = torch.relu if self.activation == "relu" else torch.tanh
        is_shared = len(self.bias) == 1
        hidden = activation((x @ self.first[:, entries].T)[:, None] + (self.bias if is_shared else self.bias[items]))
        for weights, bias in self.deeper:
            hidden = activation(hidden @ weights.T + bias)  # (R, 1 or m, h)
        last = self.last if len(self.last) == 1 else self.last[items]
        answers = hidden[:, 0] @ last.T if is_shared else (hidden * last).sum(dim=2)
        answers = answers + self.constant[items]
        if self.skip is not None:
            answers = answers + (x @ self.skip[0][:, entries].T) @ self.skip[1][:, items]
        return answers
