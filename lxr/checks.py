"""Checks of arguments: one clear ValueError that names the argument and the row, what was expected and what was found."""

import numpy as np
import scipy.sparse as sp
import torch


def check_positive(**values: int) -> None:
    """Refuse options that are no positive integers."""
    for name, value in values.items():
        if not (value >= 1 and value == int(value)):
            raise ValueError(f"{name}: expected a positive integer, found {value}")


def check_all_positive(**options: tuple[int, ...]) -> None:
    """Refuse options that are no or not only positive integers."""
    for name, values in options.items():
        if not values or min(values) < 1:
            raise ValueError(f"{name}: expected one or more positive integers, found {values}")


def check_between(lowest: int, highest: int, **values: int) -> None:
    """Refuse options that are no integers from ``lowest`` to ``highest``."""
    for name, value in values.items():
        if not (lowest <= value <= highest and value == int(value)):
            raise ValueError(f"{name}: expected an integer from {lowest} to {highest}, found {value}")


def check_matrix(n_items: int, **matrices: sp.csr_matrix) -> None:
    """Refuse matrices that are no binary CSR, without users or of another catalogue."""
    for name, matrix in matrices.items():
        if not (sp.issparse(matrix) and matrix.format == "csr"):
            raise ValueError(f"{name}: expected a CSR matrix, found {getattr(matrix, 'format', type(matrix).__name__)}")
        if matrix.shape[0] == 0 or matrix.shape[1] != n_items:
            raise ValueError(f"{name}: expected (users, {n_items}) with at least one user, found {matrix.shape}")
        if (matrix.data != 1).any():
            raise ValueError(f"{name}: expected only ones as entries, found {matrix.data[matrix.data != 1][0]}")


def check_step(epoch: int, loss: float, module: torch.nn.Module, learning_rate: float) -> None:
    """Refuse to go on once a loss or a weight is no finite number.

    (A loss is taken before its step: the last step of an epoch shows in the weights alone.)
    """
    if not (np.isfinite(loss) and all(weights.isfinite().all() for weights in module.parameters())):
        raise ValueError(f"training diverged in epoch {epoch}: try a smaller learning_rate than {learning_rate}")


def check_shape(n_items: int, history: torch.Tensor) -> None:
    """Refuse histories that are not (B, n_items)."""
    if history.ndim != 2 or history.shape[1] != n_items:
        raise ValueError(f"history: expected shape (B, {n_items}), found {tuple(history.shape)}")


def check_histories(model, history: torch.Tensor, target: torch.Tensor) -> None:
    """Refuse dense histories (B, I) and targets (B,) that cannot be explained for a recommender."""
    check_shape(model.n_items, history)
    if target.shape != history.shape[:1]:
        raise ValueError(f"target: expected shape ({history.shape[0]},), found {tuple(target.shape)}")
    if target.is_floating_point() or target.is_complex() or target.dtype == torch.bool:
        raise ValueError(f"target: expected integer item indices, found {target.dtype}")
    if history.shape[0] == 0:
        raise ValueError("history: expected at least one user, found none")
    not_binary = ((history != 0) & (history != 1)).any(dim=1)
    if not_binary.any():
        raise ValueError(f"history, row {first(not_binary)}: expected only 0 and 1")
    lengths = history.detach().sum(dim=1)
    inside = target.to(history.device).long().clamp(0, model.n_items - 1)
    consumed = history.gather(1, inside[:, None]).squeeze(1) > 0
    check_rows(model.n_targets, lengths.cpu().numpy(), target.cpu().numpy(), consumed.cpu().numpy())


def check_users(model, matrix: sp.csr_matrix, target: np.ndarray) -> None:
    """Refuse sparse histories (n, I) and targets (n,) that cannot be explained for a recommender."""
    check_matrix(model.n_items, matrix=matrix)
    if target.shape != matrix.shape[:1] or not np.issubdtype(target.dtype, np.integer):
        raise ValueError(f"target: expected {matrix.shape[0]} integers, found {target.dtype} of shape {target.shape}")
    inside = np.clip(target, 0, model.n_items - 1)
    consumed = np.asarray(matrix[np.arange(len(target)), inside]).ravel() > 0
    check_rows(model.n_targets, np.diff(matrix.indptr), target, consumed)


def check_rows(n_targets: int, lengths: np.ndarray, target: np.ndarray, consumed: np.ndarray) -> None:
    """Refuse an empty history, a target outside the catalogue, and a target inside its history; all arguments (B,)."""
    if (lengths == 0).any():
        row = first(lengths == 0)
        raise ValueError(f"history, row {row}: expected at least one item, found none: there is nothing to explain by")
    outside = (target < 0) | (target >= n_targets)
    if outside.any():
        row = first(outside)
        raise ValueError(f"target, row {row}: expected an item from 0 to {n_targets - 1}, found {target[row]}")
    if consumed.any():
        row = first(consumed)
        raise ValueError(f"target, row {row}: expected an item outside the history, found {target[row]} inside it")


def check_differentiable(model) -> None:
    """Refuse a recommender that has no gradient with respect to the history."""
    if not model.differentiable:
        raise ValueError(
            f"model: {type(model).__name__}({model.extra_repr()}) has no gradient with respect to the history: "
            "expected a differentiable function of tensors, or an explainer that needs none (leave-one-out, lime, shap, …)"
        )


def check_logits(logits: torch.Tensor) -> None:
    """Refuse logits (B, I) of a recommender that are not numbers."""
    if logits.isnan().any():
        row, item = logits.isnan().nonzero()[0].tolist()
        raise ValueError(f"model: the logit of item {item} in row {row} is not a number")


def check_finite(row: np.ndarray, item: np.ndarray, scores: np.ndarray) -> None:
    """Refuse importance scores (N,) of the history items (row, item) that are NaN or infinite."""
    bad = ~np.isfinite(scores)
    if bad.any():
        at = first(bad)
        raise ValueError(f"importance, row {row[at]}, item {item[at]}: expected a finite score, found {scores[at]}")


def first(mask) -> int:
    """Index of the first true entry."""
    return int(mask.argmax() if isinstance(mask, np.ndarray) else mask.int().argmax())
