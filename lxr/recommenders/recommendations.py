"""Recommendations: the best items outside each history, by ids with titles and probabilities, or by column."""

from typing import Any, overload

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch

from lxr.data.histories import EntryLists, Histories
from lxr.data.inputs import as_entry_lists, as_histories, check_entries, check_model
from lxr.data.interactions import Interactions, as_rows
from lxr.data.order import warn_without_order
from lxr.recommenders.base import Recommender
from lxr.utils.checks import check_instance, check_logits, check_positive, first
from lxr.utils.memory import check_memory
from lxr.utils.sparse import batches, item_counts


def recommend(
    model: Recommender,
    data: Interactions,
    *,
    users: Any = None,
    rows: Any = None,
    n: int = 10,
    users_per_batch: int = 512,
) -> pd.DataFrame:
    """Recommend to each user the items with the highest scores that are not in the history.

    Args:
        model: the recommender.
        data: histories, ids and titles.
        users: user ids, in the order of the result; all users of ``data`` by default.
        rows: rows of ``data.matrix`` instead of user ids.
        n: items per user; a user with fewer unseen items gets fewer.
        users_per_batch: histories at a time; bounds the memory.

    Returns:
        One row per recommendation, the best first within each user: ``user`` and ``item`` (ids), ``title`` (or the id if
        there is none), ``score`` (logit), ``probability``, and ``rank`` from 1. Ties by ascending column.

    Raises:
        ValueError: an unknown user id, both ``users`` and ``rows``, data of another catalogue, or a logit that is not a
            number.

    Example:
        >>> import lxr
        >>> ratings = pd.DataFrame({"user": [7, 7, 9, 9, 9], "item": ["a", "b", "b", "c", "d"], "rating": 5})
        >>> data = lxr.prepare(ratings, min_users_per_item=1)
        >>> recommend(lxr.Popularity(data.matrix), data, users=[9, 7])[["user", "item", "score", "rank"]]
           user item  score  rank
        0     9    a    1.0     1
        1     7    c    1.0     1
        2     7    d    1.0     2
    """
    check_catalogue(model, data)
    check_positive(n=n, users_per_batch=users_per_batch)
    chosen = rows_of(data, users, rows)
    check_memory(3 * 4 * min(users_per_batch, len(chosen)) * model.n_columns, "users_per_batch")
    groups = [chosen[group] for group in batches(len(chosen), users_per_batch)]
    found_items = [best_items(model, histories_of(model, data, group).batch(device=model.device), n) for group in groups]
    best = pd.concat(
        [items.assign(user=data.user_ids[group[items["row"]]]) for group, items in zip(groups, found_items, strict=True)],
        ignore_index=True,
    )
    columns = best["item"].to_numpy()
    best = best.assign(item=data.item_ids[columns], title=data.titles(columns))
    return best[["user", "item", "title", "score", "probability", "rank"]]


def check_catalogue(model: Recommender, data: Interactions) -> None:
    """Refuse data whose numbers of items or user features differ from the recommender's."""
    check_model(model)
    check_instance(Interactions, "interactions, as lxr.prepare makes them", data=data)
    expected, found = ((each.n_items, each.n_features) for each in (model, data))
    if expected != found:
        raise ValueError(
            f"data: expected {expected[0]} items and {expected[1]} user features, as the model has them, "
            f"found {found[0]} and {found[1]}"
        )


def rows_of(data: Interactions, users: Any, rows: Any) -> np.ndarray:
    """Rows (m,) of the requested users: by id, by row, or all."""
    if users is not None and rows is not None:
        raise ValueError("users, rows: expected user ids or rows, found both")
    return as_rows(len(data.user_ids), rows) if users is None else data.rows_of(users)


def histories_of(model: Recommender, data: Interactions, rows: np.ndarray, *, ordered: bool = False) -> EntryLists:
    """Histories of some users (m,), by row, for a recommender.

    If it uses the order of entries, these are all entries, oldest first; else the rows of ``data.matrix``, with every item
    once.

    Args:
        model: the recommender.
        data: the histories.
        rows: (m,) rows.
        ordered: whether something else uses the order, such as an explainer.

    Raises:
        ValueError: ``ordered``, and the data has no order.

    Warns:
        UserWarning: the recommender uses the order, and the data has none.
    """
    if ordered and not data.has_order:
        raise ValueError(
            "data: expected entries with an order, as lxr.prepare makes them of a column timestamp, found no user with "
            "entries of different times"
        )
    if model.is_ordered and not data.has_order:
        warn_without_order("data", data.histories(), data.n_features)
    return data.histories(rows) if ordered or model.is_ordered else EntryLists.of_matrix(data.matrix[rows])


def best_items(model: Recommender, histories: Histories, n: int, seen: Histories | None = None) -> pd.DataFrame:
    """The n best items of each history, by column.

    Args:
        model: the recommender.
        histories: histories of B users.
        n: items per history, or fewer if fewer are left.
        seen: histories of B users with the items that are not recommended; the same by default.

    Returns:
        One row per recommendation: ``row`` of the history, ``item`` (its column), ``score``, ``probability``, ``rank``.

    Raises:
        ValueError: a logit that is not a number.
    """
    with torch.no_grad():
        logits = model.logits(histories)  # (B, I)
    check_logits(logits)
    candidates = logits.masked_fill(~(histories if seen is None else seen).unseen(model.n_columns), -torch.inf)
    worst = candidates.topk(min(max(n, 1), model.n_columns), dim=1).values[:, -1:]  # (B, 1)
    row, item = ((candidates >= worst) & (candidates > -torch.inf)).nonzero(as_tuple=True)  # all items of equal scores
    columns = {
        "row": row,
        "item": item,
        "score": candidates[row, item],
        "probability": model.log_activation(logits)[row, item].exp(),
    }
    found = {name: values.cpu().numpy() for name, values in columns.items()}
    order = np.lexsort((found["item"], -found["score"], found["row"]))
    ascending = found["row"][order]
    rank = 1 + np.arange(len(order)) - np.searchsorted(ascending, ascending)
    kept = rank <= n
    return pd.DataFrame({name: values[order[kept]] for name, values in found.items()} | {"rank": rank[kept]})


def places_of(model: Recommender, histories: Histories, items: np.ndarray) -> pd.DataFrame:
    """Scores and ranks of given items for each history, by column.

    Args:
        model: the recommender.
        histories: histories of B users without these items.
        items: (k,) columns.

    Returns:
        One row per history and item, in this order, with the columns of :func:`best_items`: ``row``, ``item``, ``score``,
        ``probability``, ``rank``.

    Raises:
        ValueError: a logit that is not a number.

    Example:
        >>> import lxr
        >>> popular = lxr.Popularity(sp.csr_matrix([[1, 1, 1], [0, 1, 1], [0, 1, 1]]))
        >>> places_of(popular, Histories.of_lists([[], [1]]), np.array([2]))[["row", "item", "rank"]]
           row  item  rank
        0    0     2     2
        1    1     2     1
    """
    with torch.no_grad():
        logits = model.logits(histories)  # (B, I)
    check_logits(logits)
    candidates = logits.masked_fill(~histories.unseen(model.n_columns), -torch.inf)
    column = torch.arange(model.n_columns, device=histories.device)
    probability = model.log_activation(logits).exp()
    frames = []
    for item in items.tolist():
        score = candidates[:, item]  # (B,)
        before = (candidates > score[:, None]) | ((candidates == score[:, None]) & (column < item))
        values = {"score": score, "probability": probability[:, item], "rank": 1 + before.sum(dim=1)}
        found = pd.DataFrame({name: each.cpu().numpy() for name, each in values.items()})
        frames.append(found.assign(row=np.arange(len(found)), item=item))
    joined = pd.concat(frames).sort_values("row", kind="stable", ignore_index=True)
    return joined[["row", "item", "score", "probability", "rank"]]


@overload
def top_item(model: Recommender, history: torch.Tensor | Histories, *, batch_size: int = 512) -> torch.Tensor: ...


@overload
def top_item(model: Recommender, history: sp.csr_matrix | EntryLists, *, batch_size: int = 512) -> np.ndarray: ...


def top_item(model: Recommender, history: Any, *, batch_size: int = 512) -> Any:
    """The explained item: the unseen item with the highest logit, for each user.

    Args:
        model: recommender of I items.
        history: :class:`lxr.Histories`, or (B, I) binary histories: tensor, array, frame or lists, used as a whole; or
            :class:`lxr.EntryLists` or a SciPy matrix, read one batch at a time.
        batch_size: histories per forward pass of the latter.

    Returns:
        (B,) item indices: a long tensor, or a NumPy array for entry lists and SciPy matrices. Ties by lowest index.

    Raises:
        ValueError: a wrong shape, a user who has consumed all items, or a logit that is not a number.

    Example:
        >>> import lxr
        >>> popular = lxr.Popularity(sp.csr_matrix([[1, 1, 1], [0, 1, 1], [0, 0, 1]]))
        >>> top_item(popular, torch.tensor([[1.0, 0, 0], [0, 0, 1]]))
        tensor([2, 1])
        >>> top_item(popular, sp.csr_matrix([[1, 0, 0], [0, 0, 1]]))
        array([2, 1])
    """
    check_model(model)
    check_positive(batch_size=batch_size)
    if isinstance(history, Histories):
        return _best_of(model, check_entries(model.n_columns, history))
    if not sp.issparse(history) and not isinstance(history, EntryLists):
        return _best_of(model, Histories.of_dense(as_histories(model.n_columns, history, model.device)))
    lists = as_entry_lists(model.n_columns, history=history)
    check_memory(3 * 4 * min(batch_size, len(lists)) * model.n_columns, "batch_size")
    _check_candidates(item_counts(lists.matrix(), model.n_features) == model.n_items)
    groups = batches(len(lists), batch_size)
    return np.concatenate([_best_of(model, lists.batch(users, model.device)).cpu().numpy() for users in groups])


def _best_of(model: Recommender, histories: Histories) -> torch.Tensor:
    """The best unseen item (B,) of checked histories."""
    unseen = histories.unseen(model.n_columns)  # (B, I)
    _check_candidates(~model.of_items(unseen).any(dim=1))
    with torch.no_grad():
        logits = model.logits(histories)  # (B, I)
    check_logits(logits)
    return logits.masked_fill(~unseen, -torch.inf).argmax(dim=1)


def _check_candidates(full: Any) -> None:
    """Refuse users (B,) who have consumed all items."""
    if full.any():
        raise ValueError(f"history, row {first(full)}: nothing is left to recommend: the user has consumed all items")
