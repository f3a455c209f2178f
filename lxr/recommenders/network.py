"""The layers of a recommender, for bounds of its answers that hold for every set of removed items."""

from dataclasses import dataclass
from typing import Literal

import torch


@dataclass(frozen=True, eq=False)
class Network:
    """logit_i(x) = constant_i + skip_i · x + last_i · σ(… σ(first · x + bias_i)), the same widths for all items.

    Tensors are of double precision and on the CPU. Where a row is shared by all items, there is one row in the place of I.

    Attributes:
        first: (h, I) weights of the first layer.
        bias: (I or 1, h) its biases.
        deeper: weights (h', h) and biases (h',) of each further hidden layer.
        last: (I or 1, h') weights of the output.
        constant: (I,) bias of the output.
        skip: (f, I) twice, U and V with skip_i = V_i · U: what is linear beside the layers; None if nothing is.
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
