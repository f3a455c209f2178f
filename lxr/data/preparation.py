"""Preparation of histories from a ratings frame: thresholds, the k-core, user features."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from lxr.data.datasets import load_ratings, preparation_rule
from lxr.data.histories import EntryLists
from lxr.data.interactions import Interactions
from lxr.data.ratings import REPEATS, Repeats, check_attributes, checked_ratings, seconds, without_repeats
from lxr.utils.checks import (
    check_choice,
    check_positive,
    is_integer,
    is_number,
)
from lxr.utils.sparse import rows
from lxr.utils.storage import DataError, text_array

USER_FEATURES = "ratings.attrs['user_features']"


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
    liked = counted[counted["rating"] >= min_rating] if "rating" in counted else counted
    core = {"min_items_per_user": min_items_per_user, "min_users_per_item": min_users_per_item}
    pairs = liked[["user", "item"]]
    kept = k_core(pairs.drop_duplicates() if repeats == "keep" else pairs, **core)
    if kept.empty:
        raise _nothing_left(checked, {"min_rating": min_rating} | core)
    kept, complete_users = _without_complete_users(kept, **core)
    entries = liked[liked["user"].isin(kept["user"]) & liked["item"].isin(kept["item"])]
    data = replace(_numbered(entries, ratings), n_duplicates=len(ratings) - len(counted), complete_users=complete_users)
    return _with_features(data, ratings.attrs["user_features"]) if "user_features" in ratings.attrs else data


def _nothing_left(checked: pd.DataFrame, thresholds: Mapping[str, float]) -> DataError:
    """Error for thresholds that leave no interaction."""
    scale = f" (from {checked['rating'].min():g} to {checked['rating'].max():g})" if "rating" in checked else ""
    rule = ", ".join(f"{name}={value}" for name, value in thresholds.items())
    too_high = "rating" in checked and checked["rating"].max() < thresholds["min_rating"]
    advice = ": lower min_rating, or leave out the column rating if every row counts" if too_high else ""
    return DataError(f"no interaction is left of {len(checked)} ratings{scale} with {rule}{advice}")


def _numbered(kept: pd.DataFrame, ratings: pd.DataFrame) -> Interactions:
    """Histories from one row per entry, with titles and groups if the ratings have them."""
    user_ids, users = np.unique(_id_array(kept["user"]), return_inverse=True)
    item_ids, items = np.unique(_id_array(kept["item"]), return_inverse=True)
    keys = (kept["timestamp"].to_numpy(),) if "timestamp" in kept else ()
    order = np.lexsort((items, *keys, users))  # stable: the order of rows is last
    entries = EntryLists(
        items[order],
        np.append(0, np.bincount(users).cumsum()),
        len(item_ids),
        times=seconds(kept["timestamp"])[order] if "timestamp" in kept else None,
        weights=kept["rating"].to_numpy()[order] if "rating" in kept else None,
    )
    return Interactions(
        matrix=entries.matrix(),
        user_ids=user_ids,
        item_ids=item_ids,
        item_titles=item_titles(ratings, item_ids),
        item_groups=item_groups(ratings, item_ids),
        entries=entries,
    )


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


def _id_array(ids: pd.Series) -> np.ndarray:
    """Ids as an array of numbers or of Python strings."""
    array = ids.infer_objects().to_numpy()
    return text_array([str(value) for value in array]) if array.dtype == object else array


def k_core(pairs: pd.DataFrame, min_items_per_user: int, min_users_per_item: int) -> pd.DataFrame:
    """Drop users and items with too few partners, until nothing changes."""
    size = None
    while size != len(pairs):
        size = len(pairs)
        pairs = pairs[pairs["item"].map(pairs["item"].value_counts()) >= min_users_per_item]
        pairs = pairs[pairs["user"].map(pairs["user"].value_counts()) >= min_items_per_user]
    return pairs


def _without_complete_users(
    pairs: pd.DataFrame, min_items_per_user: int, min_users_per_item: int
) -> tuple[pd.DataFrame, tuple[int | str, ...]]:
    """Drop users who have all items and repeat the k-core, unless no user would remain.

    Returns:
        The remaining pairs, and the sorted ids of the dropped users.

    Warns:
        UserWarning: names the users.
    """
    rest, dropped = pairs, []
    while len(complete := _complete_users_of(rest)):
        dropped += complete.tolist()
        rest = k_core(rest[~rest["user"].isin(complete)], min_items_per_user, min_users_per_item)
    if not dropped or rest.empty:
        return pairs, ()
    message = f"left out because they have all items, so nothing can be recommended to them: {named(dropped)}"
    warnings.warn(message, stacklevel=3)
    return rest, tuple(sorted(dropped))


def named(users: list[int | str]) -> str:
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


def _complete_users_of(pairs: pd.DataFrame) -> pd.Index:
    """Users who have all items."""
    sizes = pairs["user"].value_counts()
    return sizes.index[sizes == pairs["item"].nunique()]


def item_titles(ratings: pd.DataFrame, item_ids: np.ndarray) -> np.ndarray | None:
    """Titles in the order of ``item_ids``; the id replaces a missing title."""
    titles = ratings.attrs.get("titles")
    return None if titles is None else text_array([_title_of(item, titles.get(item)) for item in item_ids.tolist()])


def _title_of(item: object, title: object) -> str:
    """Title of an item as valid UTF-8, or its id if there is none."""
    return str(item if pd.isna(title) else title).encode(errors="replace").decode()


def item_groups(ratings: pd.DataFrame, item_ids: np.ndarray) -> np.ndarray | None:
    """Planted groups in the order of ``item_ids``.

    Raises:
        DataError: an item without a group.
    """
    groups = ratings.attrs.get("groups")
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
