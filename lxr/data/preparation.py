"""Preparation of histories from a ratings frame: thresholds, the k-core, user features."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from lxr.data.datasets import load_ratings, preparation_rule
from lxr.data.histories import EntryLists
from lxr.data.interactions import Interactions
from lxr.data.ratings import REPEATS, CheckedRatings, Repeats, check_attributes, checked_ratings, seconds, without_repeats
from lxr.utils.checks import (
    check_choice,
    check_positive,
    is_integer,
    is_number,
)
from lxr.utils.sparse import rows
from lxr.utils.storage import DataError, text_array

USER_FEATURES = "ratings.attrs['user_features']"
Stay = tuple[np.ndarray, np.ndarray]  # which users and which items stay, as bool


def prepare(
    ratings: pd.DataFrame,
    *,
    min_rating: float = 4,
    min_items_per_user: int = 2,
    min_users_per_item: int = 2,
    repeats: Repeats | None = None,
) -> Interactions:
    """Turn ratings into histories.

    Keeps ratings ≥ ``min_rating``, then repeats the two minimum counts until nothing changes (an iterated k-core), then
    numbers users and items contiguously in the order of their sorted original ids. A frame of users and items alone is
    implicit data: every row counts, and ``min_rating`` is ignored.

    Users who have all remaining items are dropped, because nothing can be recommended to them, and the minimum counts are
    repeated. They stay if no other user remains. ``complete_users`` has their ids.

    The entries of a history are in the order of ``timestamp``. Entries of the same time, and all entries of ratings without
    times, are in the order of their items. So the order of the rows matters only among repeated rows of the same time.

    User features in the ratings become further columns; thresholds count items only.

    Args:
        ratings: columns ``user``, ``item``, ``rating``; not changed. ``attrs`` as in :func:`lxr.load_ratings`. Ids are
            integers or text. ``timestamp``, numbers or dates, may be a further column.
        min_rating: keep a rating as positive if it is at least this; ``-inf`` keeps all.
        min_items_per_user: users with fewer items are dropped; 1 keeps all.
        min_users_per_item: items with fewer users are dropped; 1 keeps all.
        repeats: treatment of a pair of user and item in several rows. ``"sum"`` adds the ratings, as for plays, and takes
            the newest time. ``"last"`` and ``"first"`` take the newest and the oldest row by time, or by row without times.
            ``"keep"`` makes an entry of every row that reaches ``min_rating``, for items that are consumed again, such as
            music; the minimum counts are of different items and users, and the matrix has the pair once. None takes the
            last, or the sum for a log of single plays: all these ratings are 1, and some pairs reach ``min_rating`` only as
            a sum.

    Returns:
        The histories, with titles, groups and features if the ratings have them. The weight of an entry is its rating, or
        the sum of its ratings. ``n_duplicates`` counts rows that were dropped or added up.

    Raises:
        ValueError: a threshold or ``repeats`` is of another type or value.
        DataError: a column is missing or repeated, an id is missing or has no type of ids, a rating is not a finite number,
            a time is not a number or a date, ``repeats`` is None and some pairs reach ``min_rating`` only as a sum, nothing
            is left, or user features are malformed or belong to none of the remaining users.

    Warns:
        UserWarning: there are repeated pairs and ``repeats`` is None, or users who have all items.

    Example:
        >>> ratings = pd.DataFrame({"user": [7, 7, 9, 9, 9], "item": [1, 2, 2, 3, 1], "rating": [5, 4, 5, 4, 3]})
        >>> data = prepare(ratings, min_rating=4, min_users_per_item=1)
        >>> data.item_ids.tolist(), data.matrix.toarray().tolist()  # user 9 does not like item 1
        ([1, 2, 3], [[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
        >>> timed = prepare(ratings.assign(timestamp=[20, 10, 40, 30, 50]), min_users_per_item=1).histories()
        >>> timed.items.tolist(), timed.lengths.tolist(), timed.times.tolist()  # oldest first
        ([1, 0, 2, 1], [2, 2], [10.0, 20.0, 30.0, 40.0])
    """
    _check_rule(min_rating, min_items_per_user, min_users_per_item, repeats)
    checked = checked_ratings(ratings)
    check_attributes(ratings.attrs)
    counted = without_repeats(checked, min_rating, repeats)
    liked = counted["rating"].to_numpy() >= min_rating if "rating" in counted else np.ones(len(counted), dtype=bool)
    core = {"min_items_per_user": min_items_per_user, "min_users_per_item": min_users_per_item}
    pairs = _first_of_pairs(counted, liked) if repeats == "keep" else liked
    users, items = counted["user"].to_numpy(), counted["item"].to_numpy()

    def find_core(pairs: np.ndarray) -> Stay:
        return k_core(users, items, (len(checked.user_ids), len(checked.item_ids)), pairs, **core)

    stay, complete = _without_complete_users(users, items, pairs, find_core)
    if not stay[0].any():
        raise _nothing_left(checked.rows, {"min_rating": min_rating} | core)
    complete_users = tuple(checked.user_ids[complete].tolist())
    if complete_users:
        message = "left out because they have all items, so nothing can be recommended to them"
        warnings.warn(f"{message}: {named(complete_users)}", stacklevel=2)
    data = replace(
        _numbered(counted, liked, checked, stay, ratings.attrs),
        n_duplicates=len(ratings) - len(counted),
        complete_users=complete_users,
    )
    return _with_features(data, ratings.attrs["user_features"]) if "user_features" in ratings.attrs else data


def _nothing_left(checked: pd.DataFrame, thresholds: Mapping[str, float]) -> DataError:
    """Error for thresholds that leave no interaction."""
    scale = f" (from {checked['rating'].min():g} to {checked['rating'].max():g})" if "rating" in checked else ""
    rule = ", ".join(f"{name}={value}" for name, value in thresholds.items())
    too_high = "rating" in checked and checked["rating"].max() < thresholds["min_rating"]
    advice = ": lower min_rating, or leave out the column rating if every row counts" if too_high else ""
    return DataError(f"no interaction is left of {len(checked)} ratings{scale} with {rule}{advice}")


def _first_of_pairs(counted: pd.DataFrame, liked: np.ndarray) -> np.ndarray:
    """(n,) bool, the first of the liked rows of every pair of user and item."""
    first = liked.copy()
    first[liked] = ~counted.loc[liked, ["user", "item"]].duplicated().to_numpy()
    return first


def _numbered(
    counted: pd.DataFrame, liked: np.ndarray, checked: CheckedRatings, stay: Stay, attributes: Mapping
) -> Interactions:
    """Histories from the liked rows of the users and items that stay, with titles and groups if the ratings have them."""
    users, items = counted["user"].to_numpy(), counted["item"].to_numpy()
    user_ids, item_ids = checked.user_ids[stay[0]], checked.item_ids[stay[1]]
    order = np.flatnonzero(liked & _both(users, items, stay)).astype(np.int32)
    order = order[stable_order(items[order], len(stay[1]))]
    if "timestamp" in counted:
        order = order[np.argsort(counted["timestamp"].to_numpy()[order], kind="stable")]
    order = order[stable_order(users[order], len(stay[0]))]
    entries = EntryLists(
        (stay[1].cumsum() - 1)[items[order]],
        np.append(0, np.bincount(users[order], minlength=len(stay[0]))[stay[0]].cumsum()),
        len(item_ids),
        times=seconds(counted["timestamp"].iloc[order]) if "timestamp" in counted else None,
        weights=counted["rating"].to_numpy()[order] if "rating" in counted else None,
    )
    return Interactions(
        matrix=entries.matrix(),
        user_ids=user_ids,
        item_ids=item_ids,
        item_titles=item_titles(attributes, item_ids),
        item_groups=item_groups(attributes, item_ids),
        entries=entries,
    )


def stable_order(codes: np.ndarray, n_codes: int) -> np.ndarray:
    """Places (n,) int32 that sort codes (n,) from 0 to n_codes − 1; equal codes stay in their order.

    Transposing a sparse row is a counting sort: several times faster than ``np.argsort``.

    Example:
        >>> stable_order(np.array([2, 0, 2, 0], dtype=np.int32), n_codes=3)
        array([1, 3, 0, 2], dtype=int32)
    """
    places = np.arange(len(codes), dtype=np.int32)
    return sp.csr_matrix((places, codes, np.array([0, len(codes)])), shape=(1, n_codes)).tocsc().data


def _check_rule(min_rating: float, min_items_per_user: int, min_users_per_item: int, repeats: Repeats | None) -> None:
    """Refuse thresholds of another type or value.

    Raises:
        ValueError: names the argument.
    """
    if not (is_number(min_rating) or min_rating == -np.inf):
        raise ValueError(f"min_rating: expected a number, found {min_rating!r}")
    check_positive(min_items_per_user=min_items_per_user, min_users_per_item=min_users_per_item)
    check_choice((*REPEATS, None), repeats=repeats)


def _with_features(data: Interactions, features: Mapping) -> Interactions:
    """Append columns of user features: features in their order in the input, values sorted.

    Args:
        data: histories without features.
        features: user id → feature → value. Unknown users and values (None, NaN) get no entry; other users are ignored.

    Returns:
        The same users with further columns; ids replace missing titles.

    Raises:
        DataError: malformed features, or no feature of any user.
    """
    users, known = _feature_entries(features, data.user_ids)
    if not users:
        raise DataError(f"{USER_FEATURES}: expected features of some of the {len(data.user_ids)} users, found none")
    kinds = list(dict.fromkeys(kind for kind, _ in known))
    columns = sorted(set(known), key=lambda feature: (kinds.index(feature[0]), feature[1]))
    place = {feature: number for number, feature in enumerate(columns)}
    ones, places = np.ones(len(users), dtype=np.float32), [place[feature] for feature in known]
    added = sp.csr_matrix((ones, (users, places)), shape=(len(data.user_ids), len(columns)))
    matrix = sp.hstack([data.matrix, added], format="csr")
    matrix.sort_indices()
    titles = [str(item) for item in data.item_ids] if data.item_titles is None else data.item_titles
    return replace(
        data,
        matrix=matrix,
        entries=_after_features(added, data.histories()),
        item_titles=text_array([*titles, *(f"your {kind} ({value})" for kind, value in columns)]),
        item_groups=None if data.item_groups is None else np.append(data.item_groups, [-1] * len(columns)),
        feature_kinds=text_array([kind for kind, _ in columns]),
    )


def _after_features(features: sp.csr_matrix, entries: EntryLists) -> EntryLists:
    """Entries of every user: the features (n_users, n_features), which have no time, and then the items."""
    features.sort_indices()
    order = np.argsort(np.append(rows(features), entries.users), kind="stable")
    times, weights = (
        None if values is None else np.append(np.full(features.nnz, of_feature), values)[order]
        for values, of_feature in ((entries.times, np.nan), (entries.weights, 1.0))
    )
    items = np.append(features.indices + entries.n_columns, entries.items)[order]
    indptr = features.indptr.astype(np.int64) + entries.indptr
    return EntryLists(items, indptr, entries.n_columns + features.shape[1], times, weights)


def _feature_entries(features: Mapping, user_ids: np.ndarray) -> tuple[list[int], list[tuple[str, str]]]:
    """Known features of the users, one entry per user and feature: rows of the users, and (feature, value) as texts.

    Raises:
        DataError: a user does not have one value of each feature; names the user.
    """
    if not isinstance(features, Mapping):
        raise DataError(f"{USER_FEATURES}: expected a dictionary of user ids, found {type(features).__name__}")
    users: list[int] = []
    known: list[tuple[str, str]] = []
    for row, user in enumerate(user_ids.tolist()):
        own = features.get(user, {})
        if not (isinstance(own, Mapping) and all(pd.api.types.is_scalar(value) for value in own.values())):
            raise DataError(f"{USER_FEATURES}, user {user}: expected one value of each feature, found {own!r}")
        known += [(str(kind), str(value)) for kind, value in own.items() if pd.notna(value)]
        users += [row] * (len(known) - len(users))
    return users, known


def k_core(
    users: np.ndarray,
    items: np.ndarray,
    shape: tuple[int, int],
    pairs: np.ndarray,
    min_items_per_user: int,
    min_users_per_item: int,
) -> Stay:
    """Drop users and items with too few partners, until nothing changes.

    Args:
        users, items: (n,) numbers from 0.
        shape: number of users, number of items.
        pairs: (n,) bool, the rows that count; each pair of user and item counts once.
        min_items_per_user, min_users_per_item: minimum counts of at least 1.

    Returns:
        Which users (n_users,) and which items (n_items,) stay, as bool.

    Example:
        >>> users, items = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, 1, 2])
        >>> user_stays, item_stays = k_core(users, items, (3, 3), np.ones(5, dtype=bool), 2, 2)
        >>> user_stays.tolist(), item_stays.tolist()
        ([True, True, False], [True, True, False])
    """
    of_user, of_item = np.bincount(users[pairs], minlength=shape[0]), np.bincount(items[pairs], minlength=shape[1])
    left = pairs
    while True:
        stay = of_user >= min_items_per_user, of_item >= min_users_per_item
        gone = left & ~_both(users, items, stay)
        if not gone.any():
            return stay
        left = left & ~gone
        of_user -= np.bincount(users[gone], minlength=shape[0])
        of_item -= np.bincount(items[gone], minlength=shape[1])


def _both(users: np.ndarray, items: np.ndarray, stay: Stay) -> np.ndarray:
    """(n,) bool, rows of a user and an item that both stay."""
    return stay[0][users] & stay[1][items]


def _without_complete_users(
    users: np.ndarray, items: np.ndarray, pairs: np.ndarray, find_core: Callable[[np.ndarray], Stay]
) -> tuple[Stay, np.ndarray]:
    """Find the k-core without users who have all its items, unless no user would remain.

    Args:
        users, items: (n,) numbers from 0.
        pairs: (n,) bool, the rows that count.
        find_core: rows that count → which users and items stay.

    Returns:
        Which users and items stay, and the numbers of the dropped users, ascending.
    """
    first = stay = find_core(pairs)
    dropped = np.zeros(len(stay[0]), dtype=bool)
    while stay[0].any():
        pairs = pairs & _both(users, items, stay)
        complete = np.bincount(users[pairs], minlength=len(dropped)) == stay[1].sum()
        if not complete.any():
            return stay, dropped.nonzero()[0]
        dropped |= complete
        pairs = pairs & ~complete[users]
        stay = find_core(pairs)
    return first, np.empty(0, dtype=np.int64)


def named(users: Sequence[int | str]) -> str:
    """Return how many users there are, and the ids of ten of them."""
    more = f" and {len(users) - 10} others" if len(users) > 10 else ""
    return f"{len(users)} user{'s' * (len(users) > 1)} ({', '.join(map(repr, sorted(users)[:10]))}{more})"


def check_candidates(data: Interactions) -> None:
    """Refuse histories with all items, which :func:`prepare` keeps if no other user remains.

    Args:
        data: the histories.

    Raises:
        DataError: names the users.

    Example:
        >>> ratings = pd.DataFrame({"user": [7, 7, 9, 9], "item": [1, 2, 1, 3], "rating": 5})
        >>> check_candidates(prepare(ratings, min_users_per_item=1))  # something is left to recommend
    """
    full = np.diff(data.item_matrix.indptr) == len(data.item_ids)
    if full.any():
        raise DataError(
            f"nothing is left to recommend to {named(data.user_ids[full].tolist())} of {len(full)}, who have every item: "
            "expected more items, or a higher min_rating"
        )


def item_titles(attributes: Mapping, item_ids: np.ndarray) -> np.ndarray | None:
    """Titles in the order of ``item_ids``; the id replaces a missing title."""
    titles = attributes.get("titles")
    return None if titles is None else text_array([_title_of(item, titles.get(item)) for item in item_ids.tolist()])


def _title_of(item: object, title: object) -> str:
    """Title of an item as valid UTF-8, or its id if there is none."""
    return str(item if pd.isna(title) else title).encode(errors="replace").decode()


def item_groups(attributes: Mapping, item_ids: np.ndarray) -> np.ndarray | None:
    """Planted groups in the order of ``item_ids``.

    Raises:
        DataError: an item without a group.
    """
    groups = attributes.get("groups")
    if groups is None:
        return None
    ungrouped = [item for item in item_ids.tolist() if not is_integer(groups.get(item))]
    if ungrouped:
        raise DataError(
            f"ratings.attrs['groups'], item {ungrouped[0]}: expected an integer, found {groups.get(ungrouped[0])!r}"
        )
    return np.array([groups[item] for item in item_ids.tolist()])


def load_dataset(name: str, data_dir: str | Path | None = None, *, user_features: bool = False) -> Interactions:
    """Load a registered dataset and prepare it by its registered rule.

    Args:
        name, data_dir, user_features: as for :func:`lxr.load_ratings`.

    Returns:
        The histories.

    Raises:
        ValueError: the name is unknown.
        DataError: see :func:`lxr.load_ratings` and :func:`prepare`.

    Example:
        >>> load_dataset("synthetic").matrix.shape
        (600, 160)
    """
    return prepare(load_ratings(name, data_dir, user_features=user_features), **preparation_rule(name))
