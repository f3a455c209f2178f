"""Recommendations: the top items of dense or sparse histories, with titles and probabilities."""

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch

from lxr.data.inputs import as_histories, as_matrix, check_model
from lxr.data.interactions import Interactions
from lxr.recommenders.base import Recommender
from lxr.utils.checks import (
    check_logits,
    check_positive,
    first,
)
from lxr.utils.memory import check_memory
from lxr.utils.sparse import batches, dense, item_counts


def recommendation_table(model: Recommender, data: Interactions, user: int, count: int = 10) -> pd.DataFrame:
    """The first ``count`` recommendations of a user by title, or as many as there are, with their logits."""
    first = first_recommendations(model, data, dense(data.matrix[[user]], model.device), count)
    return first[["title", "logit"]].rename(columns={"title": "recommendation"})


def first_recommendations(
    model: Recommender, data: Interactions, history: torch.Tensor, count: int = 10, seen: torch.Tensor | None = None
) -> pd.DataFrame:
    """The first ``count`` recommendations for one history (1, I), or as many as there are, of items that are not ``seen``.

    Args:
        model: the recommender.
        data: for the titles.
        history: (1, I).
        count: how many.
        seen: (1, I), what is not recommended; the history by default.

    Returns:
        One row per item, indexed by its rank: ``item``, ``title``, ``logit`` and ``probability``.
    """
    with torch.no_grad():
        logits = model(history)  # (1, I)
    probability = model.log_activation(logits).exp()[0]
    seen = history if seen is None else seen
    left = int((model.of_items(seen) == 0).sum())
    top = logits.masked_fill(seen > 0, -torch.inf)[0].topk(min(count, left))
    items = top.indices.cpu().numpy()
    columns = {"logit": top.values.cpu().numpy(), "probability": probability[top.indices].cpu().numpy()}
    return pd.DataFrame({"item": items, "title": data.titles(items)} | columns, index=range(1, len(items) + 1))


def top_item(model: Recommender, history: torch.Tensor) -> torch.Tensor:
    """The explained item: the unseen item with the highest logit, for each user.

    Args:
        model: recommender of I items.
        history: (B, I) binary histories: tensor, array, frame, lists or SciPy matrix.

    Returns:
        (B,) long item indices; of equal logits, the lowest index.

    Raises:
        ValueError: a wrong shape, a user who has consumed every item, or a logit that is not a number.

    Example:
        >>> import lxr
        >>> popular = lxr.Popularity(sp.csr_matrix([[1, 1, 1], [0, 1, 1], [0, 0, 1]]))
        >>> top_item(popular, torch.tensor([[1.0, 0, 0], [0, 0, 1]]))
        tensor([2, 1])
    """
    check_model(model)
    history = as_histories(model.n_items, history, model.device)
    full = (model.of_items(history) > 0).all(dim=1)
    if full.any():
        raise ValueError(f"history, row {first(full)}: nothing is left to recommend, every item is consumed")
    with torch.no_grad():
        logits = model(history)  # (B, I)
    check_logits(logits)
    return logits.masked_fill(history > 0, -torch.inf).argmax(dim=1)


def top_items(model: Recommender, matrix: sp.csr_matrix, batch_size: int = 512) -> np.ndarray:
    """:func:`lxr.top_item` of sparse histories, dense one batch at a time.

    Args:
        model: recommender of I items.
        matrix: (n, I) histories: CSR, or any other form that :func:`lxr.data.inputs.as_matrix` takes.
        batch_size: users that are dense at a time.

    Returns:
        (n,) items; of equal logits, the lowest.

    Raises:
        ValueError: no binary CSR matrix of this catalogue, a user who has consumed every item, or a logit that is not a
            number.

    Example:
        >>> import lxr
        >>> popular = lxr.Popularity(sp.csr_matrix([[1, 1, 1], [0, 1, 1], [0, 0, 1]]))
        >>> top_items(popular, sp.csr_matrix([[1, 0, 0], [0, 0, 1]]))
        array([2, 1])
    """
    check_model(model)
    matrix = as_matrix(model.n_items, matrix=matrix)
    check_positive(batch_size=batch_size)
    check_memory(3 * 4 * min(batch_size, matrix.shape[0]) * model.n_items, "batch_size")
    full = item_counts(matrix, model.n_features) == model.n_targets
    if full.any():
        raise ValueError(f"matrix, row {first(full)}: nothing is left to recommend, every item is consumed")
    groups = batches(matrix.shape[0], batch_size)
    return np.concatenate([top_item(model, dense(matrix[users], model.device)).cpu().numpy() for users in groups])
