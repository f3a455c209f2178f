"""Recommenders made from any scorer of histories."""

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import torch

from lxr.recommenders.base import ACTIVATIONS, Activation, Recommender
from lxr.recommenders.modes import evaluating, with_gradients
from lxr.recommenders.probes import AnswerError, check_answers, check_linear, explained
from lxr.recommenders.sequential import SequentialRecommender
from lxr.utils.checks import check_choice

Takes = Literal["rows", "entries"]


class Wrapped(Recommender):
    """See :func:`wrap`."""

    asked = "scorer"

    def __init__(
        self, scorer: Callable, n_items: int, activation: Activation, *, n_features: int = 0, is_linear: bool = False
    ):
        super().__init__(n_items, n_features=n_features)
        check_choice(ACTIVATIONS, activation=activation)
        self.scorer, self.activation, self.function_precision = scorer, activation, None
        with evaluating(self), with_gradients():
            history = torch.eye(1, self.n_columns, device=self.device, dtype=self.precision)
            self.arrays, self.function_precision = _kind_of(scorer, history)
        check_answers(self, explaining=False)
        self.is_linear = is_linear
        if is_linear:
            check_linear(self)

    @property
    def precision(self) -> torch.dtype | None:
        """Precision of the weights, or the only precision that a function takes; None if it takes any."""
        return super().precision or self.function_precision

    def forward(self, history: torch.Tensor) -> torch.Tensor:
        """Map histories (B, I) to the scorer's result, as a tensor."""
        if not self.arrays:
            return self.scorer(history)
        scores = self.scorer(history.numpy(force=True).copy())  # a scorer may change the history in place
        try:
            return torch.from_numpy(np.array(scores, dtype=float))
        except (TypeError, ValueError) as error:
            raise AnswerError(f"scorer: expected an array of numbers, found {type(scores).__name__} ({error})") from error

    def extra_repr(self) -> str:
        """Name of the wrapped scorer."""
        name = getattr(self.scorer, "__name__", type(self.scorer).__name__)
        return f"{name} of NumPy arrays" if self.arrays else name


class WrappedSequence(SequentialRecommender):
    """See :func:`wrap`."""

    asked = "scorer"

    def __init__(self, scorer: Callable, n_items: int, activation: Activation):
        super().__init__(n_items)
        check_choice(ACTIVATIONS, activation=activation)
        self.scorer, self.activation = scorer, activation
        check_answers(self, explaining=False)

    def forward(self, items: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Map items (B, L) and their kept shares (B, L) to the scorer's result."""
        return self.scorer(items, keep)

    def extra_repr(self) -> str:
        """Name of the wrapped scorer."""
        return getattr(self.scorer, "__name__", type(self.scorer).__name__)


def _kind_of(scorer: Callable, history: torch.Tensor) -> tuple[bool, torch.dtype | None]:
    """Detect the input type of a scorer by trial calls: a history (1, I) as a tensor, as an array, in double precision.

    Returns:
        Whether it takes NumPy arrays; and the precision of tensors if it takes only one, else None.

    Raises:
        ValueError: no input type gives logits (1, I) of the same type.
    """
    found = []
    for kind, precision in ((torch.Tensor, None), (np.ndarray, None), (torch.Tensor, torch.float64)):
        x = history.to(precision or history.dtype)
        # NumPy accepts a tensor without a gradient as an array.
        asked = x.clone().requires_grad_().clone() if kind is torch.Tensor else x.numpy(force=True).copy()
        try:
            logits = scorer(asked)
        except Exception as error:  # foreign code may raise anything
            if isinstance(explained(error, "scorer"), AnswerError):
                raise explained(error, "scorer") from error
            found.append(f"{type(error).__name__}: {error}")
            continue
        if isinstance(logits, kind) and logits.shape == history.shape:
            return kind is np.ndarray, precision or (_only_precision(scorer, asked) if torch.is_tensor(asked) else None)
        shape = f" of shape {tuple(logits.shape)}" if hasattr(logits, "shape") else ""
        found.append(type(logits).__name__ + shape)
    raise AnswerError(
        f"scorer: expected logits of shape {tuple(history.shape)} for a history as a tensor or as a NumPy array, "
        f"found for the tensor {found[0]}; for the array {found[1]}"
    )


def _only_precision(scorer: Callable, history: torch.Tensor) -> torch.dtype | None:
    """Precision of a history (1, I) that a scorer takes, or None if it also takes double precision."""
    try:
        scorer(history.detach().double())
    except Exception:  # foreign code may raise anything
        return history.dtype
    return None


def wrap(
    module_or_function: Callable,
    n_items: int,
    activation: Activation,
    *,
    n_features: int = 0,
    is_linear: bool = False,
    takes: Takes = "rows",
) -> Recommender:
    """Make a recommender from any scorer of histories.

    A scorer of NumPy arrays is a black box: explainers that need a gradient cannot explain it. The same holds for a scorer
    of tensors that is not differentiable. The input type is detected by a trial call. The answers to the empty, a short and
    two long histories are checked (:func:`lxr.recommenders.probes.check_answers`).

    Args:
        module_or_function: maps (B, I) float histories to (B, I) logits of any precision, tensors to tensors or NumPy
            arrays to NumPy arrays; it may set items of the history to −∞, and may work in place. A module runs in
            evaluation mode, in its own precision and on its device; a function runs on the CPU.
        n_items: number of items.
        activation: function from logits to probabilities, ``"sigmoid"`` or ``"softmax"``; ``"probability"`` if the scorer
            returns probabilities.
        n_features: number of user features; their columns follow the items.
        is_linear: whether its logits are a bias plus a sum over the items of the history, as in EASE and other item-item
            models. Smallest counterfactual sets are then exact (:func:`lxr.counterfactuals.smallest_set`).
        takes: ``"rows"``, or ``"entries"`` for a scorer that uses the order of a history: it gets items (B, L), oldest
            first, and the kept share (B, L) of each, 0 at the padding, and returns logits (B, n_items), as
            :class:`lxr.SequentialRecommender` states.

    Returns:
        The recommender; the scorer is not changed.

    Raises:
        ValueError: unknown activation, or a scorer that does not return finite logits of the history's shape, answers the
            same history differently, or fails for some batch size; or ``is_linear`` for a scorer that is not linear.

    Warns:
        UserWarning: it has no finite answer to the empty history, which explanations need; its answers do not depend on the
            history, or look like probabilities instead of logits.

    Example:
        >>> model = wrap(lambda history: history @ torch.ones(3, 3), n_items=3, activation="sigmoid")
        >>> model(torch.eye(3)).shape
        torch.Size([3, 3])
        >>> black_box = wrap(lambda history: history @ np.ones((3, 3)), n_items=3, activation="sigmoid")
        >>> model.differentiable, black_box.differentiable
        (True, False)
    """
    check_choice(get_args(Takes), takes=takes)
    if takes == "rows":
        return Wrapped(module_or_function, n_items, activation, n_features=n_features, is_linear=is_linear)
    if n_features or is_linear:
        raise ValueError(
            "takes: expected 'rows' for a recommender with user features or with linear logits, found 'entries'"
        )
    return WrappedSequence(module_or_function, n_items, activation)
