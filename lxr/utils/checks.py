"""Checks of options: one clear ValueError that names the option, the expected and the found value.

Histories, targets and scores pass :mod:`lxr.data.inputs`.
"""

import inspect
import math
import numbers
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, TypeGuard

import numpy as np
import torch

HIGHEST_SEED = 2**32 - 1  # NumPy's and scikit-learn's bound


def is_integer(value: object) -> TypeGuard[int]:
    """Whether a value is an integer of Python or NumPy; booleans and whole floats are not."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool | np.bool_)


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a finite real number of Python or NumPy; booleans are not."""
    if is_integer(value):
        return True
    return isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral | np.bool_) and math.isfinite(value)


def check_integers(expected: str, allowed: Callable[[int], bool], **values: object) -> None:
    """Refuse options that are not allowed integers; ``expected`` names the allowed ones.

    Example:
        >>> check_integers("an integer of at least 0", lambda value: value >= 0, singles=2.5)
        Traceback (most recent call last):
        ...
        ValueError: singles: expected an integer of at least 0, found 2.5
    """
    for name, value in values.items():
        if not (is_integer(value) and allowed(value)):
            raise ValueError(f"{name}: expected {expected}, found {value!r}")


def check_numbers(expected: str, allowed: Callable[[float], bool], **values: object) -> None:
    """Refuse options that are not allowed finite numbers; ``expected`` names the allowed ones."""
    for name, value in values.items():
        if not (is_number(value) and allowed(value)):
            raise ValueError(f"{name}: expected {expected}, found {value!r}")


def check_positive(**values: object) -> None:
    """Refuse options that are not positive integers."""
    check_integers("a positive integer", lambda value: value >= 1, **values)


def check_natural(**values: object) -> None:
    """Refuse options that are not integers of at least 0."""
    check_integers("an integer of at least 0", lambda value: value >= 0, **values)


def check_between(lowest: int, highest: int, **values: object) -> None:
    """Refuse options that are not integers from ``lowest`` to ``highest``."""
    check_integers(f"an integer from {lowest} to {highest}", lambda value: lowest <= value <= highest, **values)


def check_positive_numbers(**values: object) -> None:
    """Refuse options that are not positive numbers."""
    check_numbers("a positive number", lambda value: value > 0, **values)


def check_non_negative(**values: object) -> None:
    """Refuse options that are not numbers of at least 0."""
    check_numbers("a number of at least 0", lambda value: value >= 0, **values)


def check_dropout(**values: object) -> None:
    """Refuse shares that are not in [0, 1)."""
    check_numbers("a share from 0 to below 1", lambda value: 0 <= value < 1, **values)


def check_all_positive(**options: object) -> None:
    """Refuse options that are not one or more different positive integers; widths of layers may repeat in a tuple."""
    for name, values in options.items():
        if not _is_sequence(values) or not all(is_integer(value) and value >= 1 for value in values) or not len(values):
            raise ValueError(f"{name}: expected one or more positive integers, found {values!r}")


def check_different(**options: Collection) -> None:
    """Refuse options with repeated values."""
    for name, values in options.items():
        repeated = [value for value in values if list(values).count(value) > 1]
        if repeated:
            raise ValueError(f"{name}: expected different values, found {repeated[0]!r} more than once")


def _is_sequence(value: object) -> TypeGuard[Sequence]:
    """Whether a value is a list, a tuple, a range or a flat array."""
    return isinstance(value, list | tuple | range) or (isinstance(value, np.ndarray) and value.ndim == 1)


def check_seed(seed: Any) -> int:
    """A seed as an integer of Python, from 0 to 2³² − 1.

    Raises:
        ValueError: anything else.
    """
    check_between(0, HIGHEST_SEED, seed=seed)
    return int(seed)


def check_choice(known: Iterable, **values: object) -> None:
    """Refuse options that are not among the known values."""
    known = list(known)
    for name, value in values.items():
        if not any(value is choice or (isinstance(value, type(choice)) and value == choice) for choice in known):
            raise ValueError(f"{name}: expected one of {', '.join(map(str, known))}, found {value!r}")


def default_options(function: Callable) -> dict:
    """Arguments of a function or class that have a default, with their defaults."""
    parameters = inspect.signature(function).parameters.values()
    return {each.name: each.default for each in parameters if each.default is not each.empty}


def check_options(known: Iterable[str], **options: Mapping) -> None:
    """Refuse unknown options: ``check_options(("a", "b"), LIME={"c": 1})``."""
    known = list(known)
    for argument, values in options.items():
        unknown = [name for name in values if name not in known]
        if unknown:
            raise ValueError(f"{argument}: unknown option {unknown[0]!r}, expected some of {', '.join(known) or 'none'}")


def check_instance(kind: type, expected: str, **values: object) -> None:
    """Refuse arguments of another class; ``expected`` says how to make the right one."""
    for name, value in values.items():
        if not isinstance(value, kind):
            found = repr(value) if isinstance(value, str | int | float | None) else type(value).__name__
            raise ValueError(f"{name}: expected {expected}, found {found}")


def check_paths(**paths: object) -> None:
    """Refuse arguments that are not paths."""
    for name, path in paths.items():
        if not isinstance(path, str | PathLike) or not str(path):
            raise ValueError(f"{name}: expected a path, found {path!r}")


def check_texts(**texts: object) -> None:
    """Refuse arguments that are not text."""
    for name, text in texts.items():
        if not isinstance(text, str) or not text:
            raise ValueError(f"{name}: expected a name, found {text!r}")


def check_step(epoch: int, loss: float, module: torch.nn.Module, learning_rate: float) -> None:
    """Stop the training if a loss or a weight is not finite.

    A loss is computed before its step, so only the weights show the effect of the last step of an epoch.
    """
    if not (np.isfinite(loss) and all(weights.isfinite().all() for weights in module.parameters())):
        raise ValueError(f"training diverged in epoch {epoch}: try a smaller learning_rate than {learning_rate}")


def check_differentiable(model) -> None:
    """Refuse a recommender that has no gradient with respect to the history."""
    if not model.differentiable:
        raise ValueError(
            f"model: {type(model).__name__}({model.extra_repr()}) has no gradient with respect to the history: "
            "expected a differentiable function of tensors, or an explainer that needs none (leave-one-out, lime, shap, …)"
        )


def check_logits(logits: torch.Tensor, first_item: int = 0) -> None:
    """Refuse logits (B, I) of a recommender, for the items from ``first_item`` on, that are not numbers."""
    if logits.isnan().any():
        row, item = logits.isnan().nonzero()[0].tolist()
        raise ValueError(f"model: the logit of item {first_item + item} in row {row} is not a number")


def check_finite(row: np.ndarray, item: np.ndarray, scores: np.ndarray) -> None:
    """Refuse importance scores (N,) of the history items (row, item) that are NaN or infinite."""
    bad = ~np.isfinite(scores)
    if bad.any():
        at = first(bad)
        raise ValueError(f"importance, row {row[at]}, item {item[at]}: expected a finite score, found {scores[at]}")


def first(mask) -> int:
    """Index of the first true entry."""
    return int(mask.argmax() if isinstance(mask, np.ndarray) else mask.int().argmax())
