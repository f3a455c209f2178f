"""Contexts in which a recommender is asked: evaluation or training mode, with gradients, uncounted."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from lxr.recommenders.base import Recommender


@contextlib.contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put a module and all of its submodules into evaluation mode, and back into the modes in which they were.

    The flags themselves are set, so that a submodule that somebody has frozen stays frozen.

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
    """Put a recommender into training mode for a step of training, and back into the modes in which it was.

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
    """Ask a recommender without its forward hooks: what checks it is no cost of an explanation."""
    before, model.is_counted = model.is_counted, False
    try:
        yield
    finally:
        model.is_counted = before


@contextlib.contextmanager
def with_gradients() -> Iterator[None]:
    """Take gradients whatever the caller's mode: ``torch.no_grad()`` and ``torch.inference_mode()`` are lifted."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


def ordinary(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor itself, or a copy that gradients may remember if it was made in inference mode."""
    return tensor.clone() if tensor.is_inference() and not torch.is_inference_mode_enabled() else tensor
