"""Shared reasons of explanations: of a whole list, of a group of users, of all users with the same recommendation.

Importance has a different unit in every explanation. So it is scaled within each explanation before averaging: by its
largest size, to −1 to 1, if its sign has a meaning; else to 0 (least important item) to 1 (most important).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lxr.data.interactions import Interactions
from lxr.utils.checks import check_positive

if TYPE_CHECKING:
    from lxr.delivery.explanations import Explanations


def entries_of(explanations: "Explanations", reasons: int) -> pd.DataFrame:
    """Every history item of every explanation.

    Args:
        explanations: the explanations.
        reasons: number of first reasons of an explanation.

    Returns:
        ``place`` of the explanation, ``column`` of the history item, its scaled ``importance``, and whether it is among the
        ``first`` reasons.

    Raises:
        ValueError: ``reasons`` is not positive.
    """
    check_positive(reasons=reasons)
    histories, place = explanations.histories, explanations.histories.users
    first = np.zeros(len(place), dtype=bool)
    first[explanations.order] = np.arange(len(place)) - histories.indptr[place] < reasons
    values, start = explanations.importance.astype(float), histories.indptr[:-1]
    if not len(values):
        return pd.DataFrame({"place": place, "column": histories.items, "importance": values, "first": first})
    low, high = (function.reduceat(values, start)[place] for function in (np.minimum, np.maximum))
    if explanations.by.explainer.is_signed:
        size = np.maximum(np.abs(low), np.abs(high))
        scaled = np.divide(values, size, out=np.zeros_like(values), where=size > 0)
    else:
        scaled = np.divide(values - low, high - low, out=np.ones_like(values), where=high > low)
    return pd.DataFrame({"place": place, "column": histories.items, "importance": scaled, "first": first})


def by_list(explanations: "Explanations", reasons: int) -> pd.DataFrame:
    """:meth:`lxr.Explanations.by_list`."""
    entries = entries_of(explanations, reasons)
    code, users = pd.factorize(explanations.users)
    shared = _shared(entries.assign(group=code[entries["place"]]))
    sizes = np.bincount(code, minlength=len(users))[shared["group"]]
    about = {"user": users[shared["group"]], "list": sizes}
    return _named(explanations.by.data, shared, about, sizes, "importance").drop(columns="histories")


def by_group(explanations: "Explanations", groups: object, reasons: int, count: int) -> pd.DataFrame:
    """:meth:`lxr.Explanations.by_group`."""
    check_positive(count=count)
    code, names = pd.factorize(_groups_of(explanations.users, groups), sort=True)
    shared = _shared(entries_of(explanations, reasons).assign(group=lambda each: code[each["place"]]))
    sizes = np.bincount(code, minlength=len(names))[shared["group"]]
    about = {"group": names[shared["group"]], "explanations": sizes}
    found = _named(explanations.by.data, shared, about, sizes, "share")
    return found.groupby("group", sort=False).head(count).reset_index(drop=True)


def by_item(explanations: "Explanations", reasons: int, count: int) -> pd.DataFrame:
    """:meth:`lxr.Explanations.by_item`."""
    data, columns = explanations.by.data, explanations.places["item"].to_numpy()
    found = by_group(explanations, columns, reasons, count)
    item = found.pop("group").to_numpy()
    found.insert(0, "item", data.item_ids[item])
    found.insert(1, "title", data.titles(item))
    return found


def _groups_of(users: np.ndarray, groups: object) -> np.ndarray:
    """Group (m,) of each explanation.

    Args:
        users: (m,) user ids.
        groups: a mapping or a series from user ids to groups, or (m,) groups.

    Raises:
        ValueError: a user is in no group, or there are more or fewer groups than explanations.
    """
    if isinstance(groups, Mapping | pd.Series):
        found = pd.Series(users).map(dict(groups))
        if found.isna().any():
            raise ValueError(f"groups: expected a group for every user, found none for user {users[found.isna()][0]}")
        return found.to_numpy()
    found = np.asarray(groups)
    if found.shape != users.shape:
        raise ValueError(f"groups: expected a mapping from user ids, or {len(users)} groups, found {found.shape}")
    return found


def _shared(entries: pd.DataFrame) -> pd.DataFrame:
    """Entries by ``group`` and ``column``: number of histories, mean importance, count among the first reasons."""
    found = entries.groupby(["group", "column"], sort=True)
    table = found.agg(histories=("place", "size"), importance=("importance", "mean"), firsts=("first", "sum"))
    return table.reset_index()


def _named(data: Interactions, shared: pd.DataFrame, about: dict, sizes: np.ndarray, by: str) -> pd.DataFrame:
    """Reasons with ids and titles, the highest ``by`` first within each group.

    Args:
        data: histories with ids and titles.
        shared: result of :func:`_shared`.
        about: first columns of the result.
        sizes: explanations in the group of each row.
        by: column that orders the reasons.
    """
    column = shared["column"].to_numpy()
    is_item = column < data.n_items
    ids = pd.Series(data.item_ids[np.where(is_item, column, 0)])
    table = pd.DataFrame(
        {
            **about,
            "reason": ids if is_item.all() else ids.astype(object).where(is_item, None),
            "reason_title": data.titles(column),
            "histories": shared["histories"],
            "importance": shared["importance"],
            "share": shared["firsts"] / sizes,
            "group number": shared["group"],
        }
    )
    order = ["group number", by, "importance", "share"]
    table = table.sort_values(order, ascending=[True, False, False, False], kind="stable", ignore_index=True)
    return table.drop(columns="group number")
