"""Weights of modules: initialization, saving with a checksum, reading and restoring."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils import skip_init

from lxr.utils.checks import check_seed
from lxr.utils.memory import check_memory
from lxr.utils.storage import DataError, checked_archive, read_checked


def linear_layer(n_inputs: int, n_outputs: int, bias: bool = True) -> nn.Linear:
    """Linear layer with uninitialized weights.

    Raises:
        ValueError: training it would take more memory than is free.
    """
    copies = 4  # the weights, their gradients, and two moments of Adam
    check_memory(copies * 4 * n_inputs * n_outputs, f"n_items or width ({n_inputs} x {n_outputs} weights)")
    return skip_init(nn.Linear, n_inputs, n_outputs, bias=bias)


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
        >>> initialize(layer, seed=0)
        >>> torch.equal(layer(torch.eye(5)[:1])[0], layer.table[0])
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
        return torch.nn.functional.linear(x, self.weight, self.bias)

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


def initialize(module: nn.Module, seed: int) -> None:
    """Draw Xavier-uniform weights and zero biases from a separate generator.

    Args:
        module: the module to initialize.
        seed: seed of the generator.

    Example:
        >>> layer = nn.Linear(3, 2)
        >>> initialize(layer, seed=0)
        >>> layer.bias.tolist()
        [0.0, 0.0]
    """
    generator = torch.Generator().manual_seed(check_seed(seed))
    for layer in module.modules():
        for weight in own_weights(layer):
            drawn = torch.zeros(weight.shape, dtype=weight.dtype)
            weight.data.copy_(nn.init.xavier_uniform_(drawn, generator=generator) if weight.ndim > 1 else drawn)


def own_weights(layer: nn.Module) -> Iterator[torch.Tensor]:
    """Parameters of a layer without its sublayers; a table counts as the weights (n_outputs, n_items) of a linear layer."""
    for name, parameter in layer.named_parameters(recurse=False):
        yield layer.weight if isinstance(layer, ItemTable) and name == "table" else parameter


def save_weights(state: dict, path: str | Path) -> None:
    """Write a dictionary of tensors and plain values with a checksum, atomically; equal content gives equal files."""
    with checked_archive(path) as file:  # given a path, torch.save would write the temporary name into the file
        torch.save(state, file)


def read_weights(path: str | Path, required: tuple[str, ...]) -> dict:
    """Read a file of :func:`save_weights`.

    Raises:
        DataError: the file is missing, damaged, or lacks some of ``required``.
    """
    state = read_checked(path, lambda file: torch.load(file, map_location="cpu", weights_only=True))
    if not isinstance(state, dict) or not state.keys() >= set(required):
        raise DataError(f"{path}: expected a dictionary with {', '.join(required)}, found something else")
    return state


def check_weights(module: nn.Module, weights: dict) -> None:
    """Refuse weights that do not fit the module or are not finite.

    Raises:
        ValueError: names the first such weight.
    """
    own = module.state_dict()
    if not isinstance(weights, dict) or weights.keys() != own.keys():
        names = list(weights) if isinstance(weights, dict) else type(weights).__name__
        raise ValueError(f"weights: expected {', '.join(own)}, found {names}")
    for name, value in weights.items():
        if not isinstance(value, torch.Tensor) or value.shape != own[name].shape:
            found = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
            raise ValueError(f"weights, {name}: expected the shape {tuple(own[name].shape)}, found {found}")
        if value.is_floating_point() != own[name].is_floating_point() or value.is_complex():
            raise ValueError(f"weights, {name}: expected numbers like {own[name].dtype}, found {value.dtype}")
        if not value.isfinite().all():
            raise ValueError(f"weights, {name}: expected finite numbers, found NaN or infinity")


def restore_weights(module: nn.Module, weights: dict, path: str | Path) -> None:
    """Put weights read from ``path`` into a module, in their saved precision.

    Raises:
        DataError: the weights do not fit the module or are not finite.
    """
    try:
        check_weights(module, weights)
    except ValueError as error:
        raise DataError(f"{path}: its weights do not fit: {error}") from error
    module.load_state_dict(weights, assign=True)
