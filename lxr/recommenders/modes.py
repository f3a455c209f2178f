"""Contexts for calls of a recommender: evaluation or training mode, with gradients, without counting."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from lxr.recommenders.base import Recommender


@contextlib.contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put a module and its submodules into evaluation mode, and back into their former modes.

    It sets the flags directly, so a frozen submodule stays frozen.

    Example:
        >>> module = nn.Sequential(nn.Dropout(), nn.Dropout().eval())
        >>> with evaluating(module):
        ...     inside = [each.training for each in module.modules()]
        >>> inside, [each.training for each in module.modules()]
        ([False, False, False], [True, True, False])
    """
    training = [each for each in module.modules() if each.training]
    try:
        for each in training:
            each.training = False
        yield
    finally:
        for each in training:
            each.training = True


@contextlib.contextmanager
def learning(model: "Recommender") -> Iterator[None]:
    """Put a recommender into training mode for a step of training, and back into its former modes.

    Outside this context every call of a recommender is in evaluation mode.

    Example:
        >>> import lxr
        >>> model = lxr.MF(3).eval()
        >>> with learning(model):
        ...     inside = model.training
        >>> inside, model.training
        (True, False)
    """
    modes = [(each, each.training) for each in model.modules()]
    try:
        model.train()
        model.is_learning = True
        yield
    finally:
        model.is_learning = False
        for each, mode in modes:
            each.training = mode


@contextlib.contextmanager
def uncounted(model: "Recommender") -> Iterator[None]:
    """Call a recommender without its forward hooks: checks are not a cost of an explanation."""
    before, model.is_counted = model.is_counted, False
    try:
        yield
    finally:
        model.is_counted = before


@contextlib.contextmanager
def with_gradients() -> Iterator[None]:
    """Enable gradients, also within ``torch.no_grad()`` and ``torch.inference_mode()``."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


def ordinary(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor itself, or a copy that autograd can save if it was made in inference mode."""
    return tensor.clone() if tensor.is_inference() and not torch.is_inference_mode_enabled() else tensor
