"""Models of no particular library: PyTorch modules, and scorers in the style of scikit-learn."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from torch import nn

from lxr.recommenders.adapters.form import Form
from lxr.recommenders.adapters.scorers import BlackBox
from lxr.recommenders.base import Activation

METHODS: dict[str, Activation] = {"predict_proba": "probability", "decision_function": "sigmoid", "predict": "sigmoid"}


def form_of(model: Any, n_items: int) -> Form | None:
    """Form of a module or of an object with a method that scores rows; None for anything else."""
    if isinstance(model, nn.Module):
        return Form(model, n_items, None, takes="entries" if _takes_entries(model) else "rows")
    name = next((name for name in METHODS if callable(getattr(model, name, None))), None)
    if name is None:
        return None
    scorer = BlackBox(partial(_scores, getattr(model, name)))
    return Form(scorer, getattr(model, "n_features_in_", n_items), METHODS[name])


def _takes_entries(module: nn.Module) -> bool:
    """Whether ``forward`` needs two arguments: items and mask."""
    kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = inspect.signature(module.forward).parameters.values()
    return sum(each.kind in kinds and each.default is each.empty for each in parameters) == 2


def _scores(method: Callable[[np.ndarray], Any], history: np.ndarray) -> np.ndarray:
    """Scores (B, I) of histories (B, I); scikit-learn returns probabilities of several outputs as a list of (B, 2)."""
    found = method(history)
    return np.stack([each[:, 1] for each in found], axis=1) if isinstance(found, list) else np.asarray(found)
