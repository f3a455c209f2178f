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
        yield parameter.T if name == "table" else parameter


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
