"""Ratings → binary interactions: threshold, k-core, contiguous ids, user split; saving and loading."""

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch

from lxr.checks import check_choice, check_natural, check_numbers, check_positive, check_seed, first, is_integer, is_number
from lxr.datasets import load_ratings, rule_of
from lxr.inputs import as_matrix
from lxr.markup import is_visible, plain
from lxr.memory import check_memory
from lxr.ratings import REPEATS, check_attributes, checked_ratings, without_repeats
from lxr.storage import ANEW, DataError, pack_text, read_npz, save_npz, text_array, unpack_text

USER_FEATURES = "ratings.attrs['user_features']"
BYTES_PER_USER = 24  # of a split: its permutation, the three parts, and one of them sorted


@dataclass(frozen=True)
class Interactions:
    """Binary histories of all users.

    Columns are items; after them, if user features were asked for, one for each value of each feature, with ones where a
    user is known to have it. They are entries of a history like any other, but they are never recommended.

    Attributes:
        matrix: (n_users, I) CSR, float32, ones; column indices sorted within each row.
        user_ids: (n_users,) original user ids, ascending.
        item_ids: (I − n_features,) original item ids, ascending.
        item_titles: (I,) titles, or None where the source has none; ``"your age (25–34)"`` for features.
        item_groups: (I,) planted taste group of each item (``synthetic`` only), or None; −1 for features.
        feature_kinds: (n_features,) which feature each of the last columns is of, ``"age"``; None if there are none.
        n_duplicates: number of repeated (user, item) rows that were dropped, or added to others.
        complete_users: ids of users who were dropped because they have every item; not saved.

    Example: see :func:`prepare`, which makes it.
    """

    matrix: sp.csr_matrix
    user_ids: np.ndarray
    item_ids: np.ndarray
    item_titles: np.ndarray | None = None
    item_groups: np.ndarray | None = None
    feature_kinds: np.ndarray | None = None
    n_duplicates: int = 0
    complete_users: tuple[int | str, ...] = ()

    @property
    def n_features(self) -> int:
        """How many of the columns, the last ones, are features of the users."""
        return 0 if self.feature_kinds is None else len(self.feature_kinds)

    @property
    def item_matrix(self) -> sp.csr_matrix:
        """The matrix without the columns of features."""
        return self.matrix[:, : len(self.item_ids)]

    @cached_property
    def names(self) -> np.ndarray:
        """(I,) names of all columns as people read them, no two alike: :func:`names_of` of titles and ids."""
        titles = self.item_ids if self.item_titles is None else self.item_titles
        return names_of(titles, [*self.item_ids, *range(len(self.item_ids), len(titles))])

    def save(self, path: str | Path) -> None:
        """Write everything to one ``.npz`` file, atomically.

        Raises:
            ValueError: something that :meth:`load` would refuse; nothing is written.
        """
        matrix = as_matrix(matrix=self.matrix)
        names = ("user_ids", "item_ids", "item_titles", "item_groups", "feature_kinds")
        arrays = {name: np.asarray(getattr(self, name)) for name in names if getattr(self, name) is not None}
        arrays |= {"indices": matrix.indices, "indptr": matrix.indptr, "n_duplicates": np.array(self.n_duplicates)}
        check_arrays(arrays)
        for name in TEXTS:
            if name in arrays and arrays[name].dtype.kind not in PLAIN_IDS:
                arrays |= pack_text(name, arrays[name])
        save_npz(path, **arrays)

    @classmethod
    def load(cls, path: str | Path) -> "Interactions":
        """Read what :meth:`save` wrote.

        Raises:
            DataError: the file is missing or damaged, or its content is not what :meth:`save` writes.
        """
        arrays = read_npz(path, required=("indices", "indptr", "user_ids", "item_ids", "n_duplicates"))
        try:
            arrays |= {name: unpack_text(name, arrays) for name in TEXTS if f"{name}_ends" in arrays}
            check_arrays(arrays)
        except ValueError as error:
            raise DataError(f"{path} is damaged: {error}: {ANEW}") from error
        shape = (len(arrays["user_ids"]), len(arrays["item_ids"]) + len(arrays.get("feature_kinds", ())))
        return cls(
            matrix=binary_matrix(arrays["indices"], arrays["indptr"], shape),
            user_ids=arrays["user_ids"],
            item_ids=arrays["item_ids"],
            item_titles=arrays.get("item_titles"),
            item_groups=arrays.get("item_groups"),
            feature_kinds=arrays.get("feature_kinds"),
            n_duplicates=int(arrays["n_duplicates"]),
        )


TEXTS = ("user_ids", "item_ids", "item_titles", "feature_kinds")  # arrays that may hold texts
PLAIN_IDS = "iufmM"  # kinds of arrays that hold ids of a fixed width: numbers and dates


def check_arrays(arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse arrays that are no histories: fields of :class:`Interactions`, the matrix as ``indices`` and ``indptr``.

    Raises:
        ValueError: names the array.
    """
    for name in ("user_ids", "item_ids"):
        ids = arrays[name]
        check_kind(name, ids, PLAIN_IDS + "UOT")
        if len(np.unique(ids)) < len(ids) or (ids != ids).any():  # NaN differs from itself
            raise ValueError(f"{name}: expected ids that differ from each other, found some twice, or missing ones")
    n_items = len(arrays["item_ids"]) + len(arrays.get("feature_kinds", ()))
    lengths = {"item_titles": n_items, "item_groups": n_items, "indptr": len(arrays["user_ids"]) + 1}
    for name, kinds in (("item_titles", "UOT"), ("feature_kinds", "UOT"), ("item_groups", "iu"), ("indptr", "iu")):
        if name in arrays:
            check_kind(name, arrays[name], kinds, lengths.get(name))
    if arrays["n_duplicates"].ndim or arrays["n_duplicates"].dtype.kind not in "iu" or arrays["n_duplicates"] < 0:
        raise ValueError(f"n_duplicates: expected an integer of at least 0, found {arrays['n_duplicates']!r}")
    check_kind("indices", arrays["indices"], "iu")
    check_entries(arrays["indices"], arrays["indptr"], n_items)


def check_kind(name: str, array: np.ndarray, kinds: str, length: int | None = None) -> None:
    """Refuse an array that is not (n,), not of one of some kinds of numbers or texts, or not of a length."""
    if array.ndim != 1 or array.dtype.kind not in kinds or length not in (None, len(array)):
        numbers = "texts" if kinds == "UOT" else "integers" if kinds == "iu" else "numbers or texts"
        wanted = numbers if length is None else f"{length} {numbers}"
        raise ValueError(f"{name}: expected {wanted} in one dimension, found {array.dtype} of shape {array.shape}")
    if array.dtype == object and not all(isinstance(text, str) for text in array):
        strange = next(text for text in array if not isinstance(text, str))
        raise ValueError(f"{name}: expected texts, found {strange!r}")


def check_entries(indices: np.ndarray, indptr: np.ndarray, n_items: int) -> None:
    """Refuse column indices (nnz,) and row pointers (n_users + 1,) that are not those of a CSR matrix in canonical form."""
    if indptr[0] != 0 or (indptr[1:] < indptr[:-1]).any() or indptr[-1] != len(indices):
        raise ValueError(f"indptr: expected ascending numbers from 0 to {len(indices)}")
    outside = (indices < 0) | (indices >= n_items)
    if outside.any():
        raise ValueError(f"indices: expected columns from 0 to {n_items - 1}, found {indices[first(outside)]}")
    starts = np.zeros(len(indices) + 1, dtype=bool)
    starts[indptr] = True
    repeated = (indices[1:] <= indices[:-1]) & ~starts[1:-1]
    if repeated.any():
        entry = first(repeated) + 1
        row = int(np.searchsorted(indptr, entry, side="right")) - 1
        raise ValueError(f"indices, row {row}: expected ascending columns, each once, found {indices[entry]} again or late")


def names_of(titles: Sequence, ids: Sequence) -> np.ndarray:
    """One line of plain text per title, the id after those that several items share, or in the place of an empty one.

    Args:
        titles: (I,) titles.
        ids: (I,) ids.

    Returns:
        (I,) distinct texts.

    Example:
        >>> names_of(["Twice", "Once", "Twice", " "], [3, 4, 5, 6]).tolist()
        ['Twice [3]', 'Once', 'Twice [5]', '6']
    """
    names = [plain(title) for title in titles]
    names = [name if is_visible(name) else plain(number) for name, number in zip(names, ids, strict=True)]
    suffixes: Sequence = ids
    while repeated := {name for name, count in Counter(names).items() if count > 1}:
        pairs = zip(names, suffixes, strict=True)
        names = [f"{name} [{plain(suffix)}]" if name in repeated else name for name, suffix in pairs]
        suffixes = range(len(names))  # for ids that look alike, and titles that look like one with an id
    return np.array(names, dtype=object)


def binary_matrix(indices: np.ndarray, indptr: np.ndarray, shape: tuple[int, int]) -> sp.csr_matrix:
    """A CSR matrix of float32 ones."""
    return sp.csr_matrix((np.ones(len(indices), dtype=np.float32), indices, indptr), shape=shape)


def prepare(
    ratings: pd.DataFrame,
    min_rating: float = 4,
    min_items_per_user: int = 2,
    min_users_per_item: int = 2,
    repeats: str | None = None,
) -> Interactions:
    """Turn ratings into binary histories.

    Keeps ratings ≥ ``min_rating``, then repeats the two minimum counts until nothing changes (an iterated k-core), then
    numbers users and items contiguously in the order of their sorted original ids. A frame of users and items alone is
    implicit data: every row counts, and ``min_rating`` does not apply.

    Users who have every item that is left are dropped, since nothing is left to recommend to them, and the minimum counts
    are repeated. Only if nobody would be left, they stay. ``complete_users`` has their ids.

    User features that the ratings carry become further columns; thresholds look at items alone.

    Args:
        ratings: columns ``user``, ``item``, ``rating``; left as it is. ``attrs`` as :func:`lxr.load_ratings` gives them. Ids
            are integers or text. A column ``timestamp``, numbers or dates, says which of several ratings is the newest.
        min_rating: keep a rating as positive if it is at least this; ``-inf`` keeps all.
        min_items_per_user: users with fewer items are dropped; 1 keeps all.
        min_users_per_item: items with fewer users are dropped; 1 keeps all.
        repeats: which rating a pair of user and item has that is in several rows: ``"sum"`` adds them, as for plays;
            ``"last"`` and ``"first"`` take the newest and the oldest by time, or by row where there are no times. None
            takes the last, or the sum where it has to be a log of single plays: all these ratings are 1, and some pairs
            reach ``min_rating`` only together.

    Returns:
        The histories, with titles, groups and features where the ratings carry them. Repeated rows are counted in
        ``n_duplicates``.

    Raises:
        ValueError: a threshold or ``repeats`` is of another type or value.
        DataError: a column is missing or there twice, an id is missing or of no type for ids, a rating is not a finite
            number, ``repeats`` is None and some pairs reach ``min_rating`` only together, nothing is left, or user features
            are malformed or of none of the users that are left.

    Warns:
        UserWarning: there are repeated pairs and ``repeats`` is None, or users who have every item.

    Example:
        >>> ratings = pd.DataFrame({"user": [7, 7, 9, 9, 9], "item": [1, 2, 2, 3, 1], "rating": [5, 4, 5, 4, 3]})
        >>> data = prepare(ratings, min_rating=4, min_users_per_item=1)
        >>> data.item_ids.tolist(), data.matrix.toarray().tolist()  # user 9 does not like item 1
        ([1, 2, 3], [[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
    """
    check_rule(min_rating, min_items_per_user, min_users_per_item, repeats)
    checked = checked_ratings(ratings)
    check_attributes(ratings.attrs)
    unique = without_repeats(checked, min_rating, repeats)
    liked = unique[unique["rating"] >= min_rating] if "rating" in unique else unique
    kept = k_core(liked[["user", "item"]], min_items_per_user, min_users_per_item)
    if kept.empty:
        scale = f" (from {checked['rating'].min():g} to {checked['rating'].max():g})" if "rating" in checked else ""
        raise DataError(
            f"no interaction is left of {len(ratings)} ratings{scale} with min_rating={min_rating}, "
            f"min_items_per_user={min_items_per_user}, min_users_per_item={min_users_per_item}"
        )
    kept, complete_users = without_complete_users(kept, min_items_per_user, min_users_per_item)
    user_ids, users = np.unique(id_array(kept["user"]), return_inverse=True)
    item_ids, items = np.unique(id_array(kept["item"]), return_inverse=True)
    ones = np.ones(len(kept), dtype=np.float32)
    matrix = sp.csr_matrix((ones, (users, items)), shape=(len(user_ids), len(item_ids)))
    matrix.sort_indices()
    data = Interactions(
        matrix=matrix,
        user_ids=user_ids,
        item_ids=item_ids,
        item_titles=item_titles(ratings, item_ids),
        item_groups=item_groups(ratings, item_ids),
        n_duplicates=len(ratings) - len(unique),
        complete_users=complete_users,
    )
    return with_features(data, ratings.attrs["user_features"]) if "user_features" in ratings.attrs else data


def check_rule(min_rating: float, min_items_per_user: int, min_users_per_item: int, repeats: str | None) -> None:
    """Refuse thresholds of another type or value.

    Raises:
        ValueError: names the argument.
    """
    if not (is_number(min_rating) or min_rating == -np.inf):
        raise ValueError(f"min_rating: expected a number, found {min_rating!r}")
    check_positive(min_items_per_user=min_items_per_user, min_users_per_item=min_users_per_item)
    check_choice((*REPEATS, None), repeats=repeats)


def with_features(data: Interactions, features: Mapping) -> Interactions:
    """Append columns for what is known of the users: features in the order in which they come, their values sorted.

    Args:
        data: without features.
        features: user id → feature → value. Unknown users and values (None, NaN) leave no entry; other users do not matter.

    Returns:
        The same users with further columns; where there were no titles, ids are.

    Raises:
        DataError: something else than that, or nothing known of any of the users.
    """
    users, known = feature_entries(features, data.user_ids)
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
        item_titles=text_array([*titles, *(f"your {kind} ({value})" for kind, value in columns)]),
        item_groups=None if data.item_groups is None else np.append(data.item_groups, [-1] * len(columns)),
        feature_kinds=text_array([kind for kind, _ in columns]),
    )


def feature_entries(features: Mapping, user_ids: np.ndarray) -> tuple[list[int], list[tuple[str, str]]]:
    """What is known of the users, one entry for each feature of each: rows of the users, and (feature, value) as texts.

    Raises:
        DataError: something else than one value of each feature; names the user.
    """
    if not isinstance(features, Mapping):
        raise DataError(f"{USER_FEATURES}: expected a dictionary of user ids, found {type(features).__name__}")
    users, known = [], []
    for row, user in enumerate(user_ids.tolist()):
        own = features.get(user, {})
        if not (isinstance(own, Mapping) and all(pd.api.types.is_scalar(value) for value in own.values())):
            raise DataError(f"{USER_FEATURES}, user {user}: expected one value of each feature, found {own!r}")
        known += [(str(kind), str(value)) for kind, value in own.items() if pd.notna(value)]
        users += [row] * (len(known) - len(users))
    return users, known


def id_array(ids: pd.Series) -> np.ndarray:
    """Ids as an array of numbers or of Python strings."""
    array = ids.infer_objects().to_numpy()
    return text_array([str(value) for value in array]) if array.dtype == object else array


def k_core(pairs: pd.DataFrame, min_items_per_user: int, min_users_per_item: int) -> pd.DataFrame:
    """Drop users and items with too few partners, again and again until nothing changes."""
    size = None
    while size != len(pairs):
        size = len(pairs)
        pairs = pairs[pairs["item"].map(pairs["item"].value_counts()) >= min_users_per_item]
        pairs = pairs[pairs["user"].map(pairs["user"].value_counts()) >= min_items_per_user]
    return pairs


def without_complete_users(
    pairs: pd.DataFrame, min_items_per_user: int, min_users_per_item: int
) -> tuple[pd.DataFrame, tuple[int | str, ...]]:
    """Drop users who have every item, again and again with the k-core, unless nobody would be left.

    Returns:
        The pairs of the others, and the ids of the users who have been dropped, sorted.

    Warns:
        UserWarning: names the users.
    """
    rest, dropped = pairs, []
    while len(complete := complete_users_of(rest)):
        dropped += complete.tolist()
        rest = k_core(rest[~rest["user"].isin(complete)], min_items_per_user, min_users_per_item)
    if not dropped or rest.empty:
        return pairs, ()
    message = f"left out, since they have every item, and nothing is left to recommend to them: {named(dropped)}"
    warnings.warn(message, stacklevel=3)
    return rest, tuple(sorted(dropped))


def named(users: list[int | str]) -> str:
    """Return how many users there are, and the ids of ten of them."""
    more = f" and {len(users) - 10} others" if len(users) > 10 else ""
    return f"{len(users)} user{'s' * (len(users) > 1)} ({', '.join(map(repr, sorted(users)[:10]))}{more})"


def check_candidates(data: Interactions) -> None:
    """Refuse histories of which some hold every item, as :func:`prepare` keeps them if nobody would be left without them.

    Args:
        data: the histories.

    Raises:
        DataError: names the users.
    """
    full = np.diff(data.item_matrix.indptr) == len(data.item_ids)
    if full.any():
        raise DataError(
            f"nothing is left to recommend to {named(data.user_ids[full].tolist())} of {len(full)}, who have every item: "
            "expected more items, or a higher min_rating"
        )


def complete_users_of(pairs: pd.DataFrame) -> pd.Index:
    """Users who have every item of the pairs."""
    sizes = pairs["user"].value_counts()
    return sizes.index[sizes == pairs["item"].nunique()]


def item_titles(ratings: pd.DataFrame, item_ids: np.ndarray) -> np.ndarray | None:
    """Titles in the order of ``item_ids``; an item without one is called by its id."""
    titles = ratings.attrs.get("titles")
    return None if titles is None else text_array([title_of(item, titles.get(item)) for item in item_ids.tolist()])


def title_of(item: object, title: object) -> str:
    """The title of an item as a text that has a UTF-8; the id where there is none."""
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


def load_dataset(name: str, data_dir: str | Path | None = None, user_features: bool = False) -> Interactions:
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
    return prepare(load_ratings(name, data_dir, user_features), **rule_of(name))


def split_users(
    n_users: int, validation: float = 0.1, test: float = 0.2, seed: int = 42
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split users (not interactions) at random into training, validation and test.

    Args:
        n_users: number of users, at least three.
        validation: share of validation users, rounded up.
        test: share of test users, rounded up.
        seed: of the permutation.

    Returns:
        Three ascending index arrays, disjoint, together ``0 … n_users − 1``.

    Raises:
        ValueError: an argument is of another type, a share is outside (0, 1), no training user is left, or the arrays do
            not fit into memory.

    Example:
        >>> [len(part) for part in split_users(6037)]
        [4225, 604, 1208]
    """
    check_natural(n_users=n_users)
    check_numbers("a share between 0 and 1", lambda share: 0 < share < 1, validation=validation, test=test)
    seed = check_seed(seed)
    n_validation, n_test = int(np.ceil(validation * n_users)), int(np.ceil(test * n_users))
    if n_validation + n_test >= n_users:
        raise ValueError(f"no training user is left of {n_users} with validation={validation}, test={test}")
    check_memory(BYTES_PER_USER * n_users, "n_users")
    order = np.random.default_rng(seed).permutation(n_users)
    parts = np.split(order, [n_users - n_validation - n_test, n_users - n_test])
    return tuple(np.sort(part) for part in parts)


def with_validation(
    n_items: int, train_matrix: sp.csr_matrix, validation_matrix: sp.csr_matrix | None, seed: int
) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """Training and validation histories in canonical form.

    Args:
        n_items: number of items I.
        train_matrix: (n, I) histories of the training users.
        validation_matrix: (m, I) histories to validate on; None takes a random tenth of the training users.
        seed: of that choice.

    Raises:
        ValueError: no binary matrices of this catalogue, or a single training user to take the others from.
    """
    train_matrix = as_matrix(n_items, train_matrix=train_matrix)
    if validation_matrix is not None:
        validation_matrix = as_matrix(n_items, validation_matrix=validation_matrix)
    elif train_matrix.shape[0] < 2:
        raise ValueError("train_matrix: expected at least two users without a validation_matrix, found one")
    if validation_matrix is not None:
        return train_matrix, validation_matrix
    order = np.random.default_rng(seed).permutation(train_matrix.shape[0])
    cut = max(1, len(order) // 10)
    return train_matrix[np.sort(order[cut:])], train_matrix[np.sort(order[:cut])]


def save_split(path: str | Path, train: np.ndarray, validation: np.ndarray, test: np.ndarray) -> None:
    """Write the index arrays of :func:`split_users` to one ``.npz`` file, atomically.

    Args:
        path: the file.
        train, validation, test: the arrays.

    Raises:
        ValueError: something that cannot be loaded again; nothing is written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     save_split(f"{directory}/split.npz", *split_users(10))
        ...     load_split(f"{directory}/split.npz")
        (array([0, 2, 3, 4, 5, 6, 7]), array([9]), array([1, 8]))
    """
    parts = {"train": train, "validation": validation, "test": test}
    check_split({name: np.asarray(users) for name, users in parts.items()})
    save_npz(path, **parts)


def load_split(path: str | Path, n_users: int | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read what :func:`save_split` wrote: (train, validation, test).

    Args:
        path: the file.
        n_users: number of users of the data that are split, if it is known.

    Raises:
        DataError: the file is missing or damaged, its arrays are no split, or it is a split of other data.
    """
    arrays = read_npz(path, required=("train", "validation", "test"))
    parts = {name: arrays[name] for name in ("train", "validation", "test")}
    try:
        check_split(parts, n_users)
    except ValueError as error:
        raise DataError(f"{path} is damaged, or the split of other data: {error}: {ANEW}") from error
    return tuple(parts.values())


def check_split(parts: Mapping[str, np.ndarray], n_users: int | None = None) -> None:
    """Refuse parts that share a user, or that are not ascending rows of ``n_users`` users.

    (The test users may be a sample, so that not every user is in a part.)
    """
    for name, users in parts.items():
        check_kind(name, users, "iu")
        if (users[1:] <= users[:-1]).any() or (users < 0).any() or not len(users):
            raise ValueError(f"{name}: expected one or more ascending rows of users")
        if n_users is not None and users[-1] >= n_users:
            raise ValueError(f"{name}: expected rows of users from 0 to {n_users - 1}, found {users[-1]}")
    rows, counts = np.unique(np.concatenate(list(parts.values())), return_counts=True)
    if (counts > 1).any():
        raise ValueError(f"expected disjoint parts, found user {rows[first(counts > 1)]} in two")


def item_counts(matrix: sp.csr_matrix, n_features: int) -> np.ndarray:
    """Number of items (n,) in each history (n, I), the last columns of which are features."""
    return np.diff(matrix[:, : matrix.shape[1] - n_features].indptr)


def dense(matrix: sp.csr_matrix, device: torch.device | str = "cpu") -> torch.Tensor:
    """Histories of a few users as a dense tensor.

    Args:
        matrix: (B, I) CSR, of any type.
        device: where to.

    Returns:
        (B, I) float32.

    Example:
        >>> dense(sp.csr_matrix([[0, 1, 1]]))
        tensor([[0., 1., 1.]])
    """
    return torch.from_numpy(matrix.toarray().astype(np.float32, copy=False)).to(device)


def batches(n_users: int, batch_size: int, order: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """Index arrays of at most ``batch_size`` users, in the given order or ascending."""
    order = np.arange(n_users) if order is None else order
    for start in range(0, n_users, batch_size):
        yield order[start : start + batch_size]
