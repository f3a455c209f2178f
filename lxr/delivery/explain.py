"""Explanations of recommendations by ids, for users of the data or for custom histories."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lxr.data.histories import EntryLists
from lxr.data.interactions import Interactions
from lxr.delivery.explainers import as_explainer
from lxr.delivery.explanations import Delivery, Explanations
from lxr.distributed.shards import map_shards
from lxr.explainers.base import Explainer
from lxr.recommenders.base import Recommender
from lxr.recommenders.modes import evaluating
from lxr.recommenders.recommendations import best_items, check_catalogue, histories_of, places_of, rows_of
from lxr.utils.checks import check_positive, first
from lxr.utils.memory import check_memory
from lxr.utils.sparse import batches


def explain(
    model: Recommender,
    data: Interactions,
    *,
    users: Any = None,
    rows: Any = None,
    histories: Sequence[Sequence] | Mapping[Any, Sequence] | None = None,
    items: Any = None,
    n_recommendations: int = 1,
    explainer: str | Explainer | None = None,
    seed: int = 0,
    users_per_batch: int = 256,
    executor: Executor | None = None,
    **options,
) -> Explanations:
    """Explain recommendations of one or many users.

    Args:
        model: any recommender of these items.
        data: histories, ids and titles.
        users: user ids, in the order of the result; all users of ``data`` by default.
        rows: rows of ``data.matrix`` instead of user ids.
        histories: lists of item ids instead of users, for example shopping carts. Their ``user`` is the position of the
            list; give a mapping to name them. A recommender that uses the order gets them as they are, oldest first; for
            others, a repeated item counts once.
        items: id or ids of the items to explain to every user; the best items by default.
        n_recommendations: number of best items to explain to every user, without ``items``; a user with fewer unseen items
            gets fewer.
        explainer: an explainer of this model; or a name in :data:`lxr.EXPLAINERS`, to make (and perhaps train) one with the
            training and validation users of :func:`lxr.split_users`. The default needs no training:
            :func:`lxr.delivery.default_explainer`.
        seed: seed of the split and of an explainer given by name.
        users_per_batch: histories at a time; bounds the memory.
        executor: recommends and explains these batches, see :func:`lxr.distributed.map_shards`; None for this thread. The
            explanations are the same.
        options: options of an explainer given by name.

    Returns:
        A sequence of :class:`lxr.UserExplanation`, user after user, the best item first, with methods for frames, records
        and files.

    Raises:
        ValueError: unknown ids, more than one of ``users``, ``rows`` and ``histories``, an empty history, an item inside a
            history, data of another catalogue, or an unknown explainer or one of another model.
        DataError: a batch of the executor failed; names its users and the worker.

    Warns:
        UserWarning: histories are too long for the explainer's budget, or all items of a history have the same score.

    Example:
        >>> import lxr
        >>> data = lxr.load_dataset("synthetic")
        >>> model = lxr.MF(data.n_items, n_factors=8)
        >>> explanations = lxr.explain(model, data, users=[0, 7])
        >>> explanations.to_frame(reasons=1)[["user", "item", "rank", "reason", "reason_title"]]
           user  item  rank  reason     reason_title
        0     0    95     1       5  Group F, item 1
        1     7    25     1      17  Group B, item 3
        >>> lxr.explain(model, data, histories=[[3, 5, 8]], items=61)[0].title
        'Group F, item 8'
    """
    check_catalogue(model, data)
    asked = {"users": users, "rows": rows, "histories": histories, "items": items}
    made, name = as_explainer(explainer, model, data, seed=seed, **options)
    by = Delivery(model, data, made, name)
    return explain_with(by, **asked, n_recommendations=n_recommendations, users_per_batch=users_per_batch, executor=executor)


def explain_with(
    by: Delivery,
    *,
    users: Any = None,
    rows: Any = None,
    histories: Sequence[Sequence] | Mapping[Any, Sequence] | None = None,
    items: Any = None,
    n_recommendations: int = 1,
    users_per_batch: int = 256,
    progress: bool = True,
    executor: Executor | None = None,
) -> Explanations:
    """Explain recommendations with a prepared recommender, data and explainer, for repeated calls of :func:`lxr.explain`.

    Args:
        by: recommender, data and explainer; their fingerprints are computed once.
        users, rows, histories, items, n_recommendations, users_per_batch, executor: as in :func:`lxr.explain`.
        progress: show progress bars if there are several batches.

    Returns:
        The explanations.

    Example:
        >>> import lxr
        >>> data = lxr.load_dataset("synthetic")
        >>> model = lxr.MF(data.n_items, n_factors=8)
        >>> by = Delivery(model, data, lxr.explainers.LeaveOneOut(model), "leave-one-out")
        >>> [explain_with(by, users=user)[0].title for user in (0, 7)]
        ['Group H, item 12', 'Group B, item 4']
    """
    check_positive(n_recommendations=n_recommendations, users_per_batch=users_per_batch)
    asked = _asked(by, users, rows, histories)
    check_memory(3 * 4 * min(users_per_batch, len(asked.users)) * by.model.n_columns, "users_per_batch")
    columns = None if items is None else by.data.columns_of(items)
    if columns is not None:
        _check_unseen(by.data, asked, columns)
    progress = progress and len(asked.users) > users_per_batch
    places = _places(by.model, asked.histories, columns, n_recommendations, users_per_batch, progress, executor)
    row = places.pop("row").to_numpy()
    lists, label = asked.histories[row], f"{by.name} explains" if progress else None
    importance = np.empty(0, dtype=np.float32)
    if len(row):
        importance = by.explainer.explain(
            lists, places["item"].to_numpy(), users_per_batch=users_per_batch, label=label, executor=executor
        )
    return Explanations(by, lists, importance, asked.users[row], asked.rows[row], places)


class Asked(NamedTuple):
    """Histories of n users to explain, with ids (n,) and rows (n,) of the users."""

    histories: EntryLists
    users: np.ndarray
    rows: np.ndarray


def _asked(by: Delivery, users: Any, rows: Any, histories: Any) -> Asked:
    """Non-empty histories of a call of :func:`explain_with`."""
    given = [name for name, value in {"users": users, "rows": rows, "histories": histories}.items() if value is not None]
    if len(given) > 1:
        raise ValueError(f"{', '.join(given)}: expected only one of users, rows and histories, found {len(given)} of them")
    if histories is not None:
        return _of_lists(by, histories)
    data = by.data
    chosen = rows_of(data, users, rows)
    lists = histories_of(by.model, data, chosen, ordered=by.explainer.is_ordered)
    empty = lists.lengths == 0
    if empty.any():
        raise ValueError(f"users: user {data.user_ids[chosen[first(empty)]]} has an empty history: expected an item")
    return Asked(lists, data.user_ids[chosen], chosen)


def _of_lists(by: Delivery, histories: Any) -> Asked:
    """Histories from lists of item ids, or from a mapping of them."""
    named = histories if isinstance(histories, Mapping) else dict(enumerate(histories))
    if not named:
        raise ValueError("histories: expected one or more lists of item ids, found none")
    columns = []
    for name, ids in named.items():
        if isinstance(ids, str) or pd.api.types.is_scalar(ids) or not len(ids):
            raise ValueError(f"histories, {name!r}: expected a list of one or more item ids, found {ids!r}")
        try:
            found = by.data.columns_of(ids)
        except ValueError as error:
            raise ValueError(f"histories, {name!r}: {str(error).removeprefix('items: ')}") from error
        distinct = pd.unique(found) if by.explainer.is_ordered else np.unique(found)
        columns.append(found if by.model.is_ordered else distinct)
    names = np.array(list(named))
    if len({type(name) for name in named}) > 1 or names.dtype.kind not in "iuU":
        raise ValueError("histories: expected names of one kind, integers or texts")
    indptr = np.cumsum([0, *map(len, columns)])
    lists = EntryLists(np.concatenate(columns), indptr, by.data.n_columns, distinct=not by.model.is_ordered)
    return Asked(lists, names, np.full(len(columns), -1))


def _check_unseen(data: Interactions, asked: Asked, columns: np.ndarray) -> None:
    """Refuse items (k,) that are in one of the histories."""
    consumed = np.flatnonzero(np.isin(asked.histories.items, columns))
    if len(consumed):
        item, user = data.item_ids[asked.histories.items[consumed[0]]], asked.users[asked.histories.users[consumed[0]]]
        raise ValueError(f"items: expected items outside the history, found item {item} in the history of user {user}")


def _places(
    model: Recommender,
    lists: EntryLists,
    columns: np.ndarray | None,
    n_best: int,
    users_per_batch: int,
    progress: bool,
    executor: Executor | None,
) -> pd.DataFrame:
    """Explained items, one row each: ``row`` of the user, ``item`` (column) and its score and rank."""
    groups = list(batches(len(lists), users_per_batch))
    with evaluating(model):
        parts = map_shards(
            partial(_places_of_users, columns, n_best),
            groups,
            shared=(model,),
            cut=lists.__getitem__,
            executor=executor,
            label="recommending" if progress else None,
        )
        found = [part.assign(row=group[part["row"].to_numpy()]) for group, part in zip(groups, parts, strict=True)]
    return pd.concat(found, ignore_index=True)


def _places_of_users(columns: np.ndarray | None, n_best: int, model: Recommender, lists: EntryLists) -> pd.DataFrame:
    """Explained items of some users: ``row`` among them, ``item`` and its score and rank."""
    histories = lists.batch(device=model.device)
    return best_items(model, histories, n_best) if columns is None else places_of(model, histories, columns)
