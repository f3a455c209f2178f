"""Form of an adapted model: its scorer over its own items, and the library's own answers to compare with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import nn

from lxr.data.histories import Histories
from lxr.recommenders.base import Activation
from lxr.recommenders.modes import evaluating
from lxr.recommenders.wrapped import Takes
from lxr.utils.checks import first

TOLERANCE = 1e-3  # difference to the library's own scores, as a share of the largest
SIMILAR = 0.5  # mean rank correlation with the library's own scores, where a user vector is approximated


@dataclass(frozen=True, eq=False)
class Form:
    """A model of another library, as a scorer of the library's item numbers.

    Attributes:
        scorer: module that maps rows (B, n_items), or items (B, L) and their shares (B, L), to scores (B, n_items).
        n_items: number of items of the library, its padding included.
        activation: function from scores to probabilities; None if only the user knows it.
        takes: input of the scorer, as for :func:`lxr.wrap`.
        is_linear: whether the scores are linear in the history.
        item_ids: id of each item number; None if the model does not have them.
        histories: lists of item numbers whose own scores are known.
        own: (n, n_items) the library's own scores of these histories.
        own_probability: whether these are probabilities, after the activation.
        is_exact: whether the scores are equal to the library's own; otherwise only their ranks must be similar.
    """

    scorer: nn.Module
    n_items: int
    activation: Activation | None
    takes: Takes = "rows"
    is_linear: bool = False
    item_ids: Sequence | None = None
    histories: Sequence[Sequence[int]] = ()
    own: np.ndarray | None = None
    own_probability: bool = False
    is_exact: bool = True


Maker = Callable[[Any], Form]


def class_names(model: object) -> list[str]:
    """Names of the class of a model and its bases, the nearest first."""
    return [cls.__name__ for cls in type(model).__mro__]


def chosen(model: object, library: str, makers: Mapping[str, Maker], refused: Mapping[str, str]) -> Form:
    """Form of a model of a library, by the name of its class or of a base.

    Raises:
        ValueError: the class is refused, unknown, or has not been fitted.
    """
    name = type(model).__name__
    for base in class_names(model):
        if base in refused:
            raise ValueError(f"model: {name} of {library} cannot be explained: {refused[base]}")
        if base in makers:
            try:
                return makers[base](model)
            except (AttributeError, TypeError) as error:
                raise ValueError(
                    f"model: expected a fitted {name} of {library}, found one without its weights ({error})"
                ) from error
    raise ValueError(
        f"model: expected one of {', '.join(makers)} of {library}, found {name}: if it scores items from a history, "
        "lxr.wrap makes a recommender of a function that does so"
    )


def check_form(form: Form, name: str) -> None:
    """Compare the scorer with the library's own scores.

    Raises:
        ValueError: they differ.
    """
    if form.own is None:
        return
    histories = Histories.of_lists(form.histories, form.n_items)
    with torch.no_grad(), evaluating(form.scorer):
        given = (histories.items, histories.real.float()) if form.takes == "entries" else (histories.dense(),)
        found = form.scorer(*(each.to(device_of(form.scorer)) for each in given)).double().cpu()
    if form.own_probability:
        found = found.softmax(dim=1) if form.activation == "softmax" else found.sigmoid()
    expected = torch.as_tensor(np.asarray(form.own, dtype=float))
    (_check_equal if form.is_exact else _check_similar)(found, expected, f"model: expected the scores of {name} itself")


def _check_equal(found: torch.Tensor, expected: torch.Tensor, text: str) -> None:
    """Refuse scores (n, I) that differ from the library's own."""
    wrong = (found - expected).abs() > TOLERANCE * expected.abs().max()
    if wrong.any():
        row = first(wrong.any(dim=1))
        item = first(wrong[row])
        raise ValueError(
            f"{text}, {expected[row, item]:g} for item number {item} and example {row}, found {found[row, item]:g}: this "
            "version of the library, or a setting of the model, is not supported"
        )


def _check_similar(found: torch.Tensor, expected: torch.Tensor, text: str) -> None:
    """Refuse scores (n, I) whose ranks have little in common with the library's own."""
    similar = np.mean([spearmanr(*rows).statistic for rows in zip(found.numpy(), expected.numpy(), strict=True)])
    if not similar >= SIMILAR:
        raise ValueError(
            f"{text} in a similar order (mean rank correlation of {SIMILAR} or more), found {similar:.2f}: the history does "
            "not determine the user's vector well enough"
        )


def device_of(scorer: nn.Module) -> torch.device:
    """Device of a module; the CPU if it has no tensors."""
    return next((tensor.device for tensor in scorer.state_dict().values()), torch.device("cpu"))
