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

from lxr.datasets import load_ratings, rule_of
from lxr.markup import is_visible, plain
from lxr.storage import DataError, read_npz, save_npz

USER_FEATURES = "ratings.attrs['user_features']"


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
        n_duplicates: number of repeated (user, item) rows that were dropped.

    Example: see :func:`prepare`, which makes it.
    """

    matrix: sp.csr_matrix
    user_ids: np.ndarray
    item_ids: np.ndarray
    item_titles: np.ndarray | None = None
    item_groups: np.ndarray | None = None
    feature_kinds: np.ndarray | None = None
    n_duplicates: int = 0

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
        """Write everything to one ``.npz`` file, atomically."""
        arrays = {
            "indices": self.matrix.indices,
            "indptr": self.matrix.indptr,
            "user_ids": self.user_ids,
            "item_ids": self.item_ids,
            "n_duplicates": np.array(self.n_duplicates),
        }
        optional = {name: getattr(self, name) for name in ("item_titles", "item_groups", "feature_kinds")}
        arrays |= {name: array for name, array in optional.items() if array is not None}
        save_npz(path, **arrays)

    @classmethod
    def load(cls, path: str | Path) -> "Interactions":
        """Read what :meth:`save` wrote.

        Raises:
            DataError: the file is missing or corrupt.
        """
        arrays = read_npz(path, required=("indices", "indptr", "user_ids", "item_ids", "n_duplicates"))
        shape = (len(arrays["user_ids"]), len(arrays["item_ids"]) + len(arrays.get("feature_kinds", ())))
        try:
            matrix = binary_matrix(arrays["indices"], arrays["indptr"], shape)
        except ValueError as error:
            raise DataError(f"{path} is corrupt ({error}): delete it and run the stage that makes it") from error
        return cls(
            matrix=matrix,
            user_ids=arrays["user_ids"],
            item_ids=arrays["item_ids"],
            item_titles=arrays.get("item_titles"),
            item_groups=arrays.get("item_groups"),
            feature_kinds=arrays.get("feature_kinds"),
            n_duplicates=int(arrays["n_duplicates"]),
        )


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
    ratings: pd.DataFrame, min_rating: float = 4, min_items_per_user: int = 2, min_users_per_item: int = 2
) -> Interactions:
    """Turn ratings into binary histories.

    Keeps ratings ≥ ``min_rating``, then repeats the two minimum counts until nothing changes (an iterated k-core), then
    numbers users and items contiguously in the order of their sorted original ids. Of a repeated (user, item) pair the
    last row counts; the others are dropped, counted in ``n_duplicates`` and reported as a warning.

    User features that the ratings carry become further columns; thresholds look at items alone.

    Args:
        ratings: columns ``user``, ``item``, ``rating``; left as it is. ``attrs`` as :func:`lxr.load_ratings` gives them.
        min_rating: keep a rating as positive if it is at least this; ``-inf`` keeps all.
        min_items_per_user: users with fewer items are dropped; 1 keeps all.
        min_users_per_item: items with fewer users are dropped; 1 keeps all.

    Returns:
        The histories, with titles, groups and features where the ratings carry them.

    Raises:
        DataError: a column is missing, an id is missing, a rating is not a finite number, nothing is left, or user features
            are malformed or of none of the users that are left.

    Warns:
        UserWarning: there are repeated pairs.

    Example:
        >>> ratings = pd.DataFrame({"user": [7, 7, 9, 9, 9], "item": [1, 2, 1, 2, 3], "rating": [5, 4, 5, 4, 3]})
        >>> data = prepare(ratings, min_rating=4)
        >>> data.item_ids.tolist(), data.matrix.toarray().tolist()  # nobody likes item 3
        ([1, 2], [[1.0, 1.0], [1.0, 1.0]])
    """
    check_ratings(ratings)
    unique = ratings.drop_duplicates(["user", "item"], keep="last")
    n_duplicates = len(ratings) - len(unique)
    if n_duplicates:
        warnings.warn(f"{n_duplicates} duplicate (user, item) pairs: kept the last of each", stacklevel=2)
    kept = k_core(unique.loc[unique["rating"] >= min_rating, ["user", "item"]], min_items_per_user, min_users_per_item)
    if kept.empty:
        raise DataError(
            f"no interaction is left of {len(ratings)} ratings (from {ratings['rating'].min():g} to "
            f"{ratings['rating'].max():g}) with min_rating={min_rating}, min_items_per_user={min_items_per_user}, "
            f"min_users_per_item={min_users_per_item}"
        )
    user_ids, users = np.unique(id_array(kept["user"]), return_inverse=True)
    item_ids, items = np.unique(id_array(kept["item"]), return_inverse=True)
    ones = np.ones(len(kept), dtype=np.float32)
    matrix = sp.csr_matrix((ones, (users, items)), shape=(len(user_ids), len(item_ids)))
    matrix.sort_indices()
    data = Interactions(
        matrix=matrix,
        user_ids=user_ids,
        item_ids=item_ids,
        item_titles=item_attribute(ratings, "titles", item_ids),
        item_groups=item_attribute(ratings, "groups", item_ids),
        n_duplicates=n_duplicates,
    )
    return with_features(data, ratings.attrs["user_features"]) if "user_features" in ratings.attrs else data


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
    titles = data.item_ids.astype(str) if data.item_titles is None else data.item_titles
    return replace(
        data,
        matrix=matrix,
        item_titles=np.array([*titles, *(f"your {kind} ({value})" for kind, value in columns)]),
        item_groups=None if data.item_groups is None else np.append(data.item_groups, [-1] * len(columns)),
        feature_kinds=np.array([kind for kind, _ in columns]),
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


def check_ratings(ratings: pd.DataFrame) -> None:
    """Refuse a frame without the columns, with missing ids, or with ratings that are no finite numbers.

    Raises:
        DataError: names the column or the row.
    """
    missing = [column for column in ("user", "item", "rating") if column not in ratings.columns]
    if missing:
        raise DataError(f"ratings: expected the columns user, item, rating, found {list(ratings.columns)}")
    if ratings.empty:
        raise DataError("ratings: expected at least one row, found none")
    for column in ("user", "item"):
        if ratings[column].isna().any():
            raise DataError(f"ratings, row {int(ratings[column].isna().argmax())}: the {column} is missing")
        if pd.api.types.infer_dtype(ratings[column]).startswith("mixed"):
            raise DataError(f"ratings: expected all values of {column} to be of one kind, found several")
    values = pd.to_numeric(ratings["rating"], errors="coerce")
    bad = ~np.isfinite(values.to_numpy(dtype=float))
    if bad.any() or not pd.api.types.is_numeric_dtype(ratings["rating"]):
        row = int(bad.argmax())
        raise DataError(f"ratings, row {row}: expected a number as rating, found {ratings['rating'].tolist()[row]!r}")


def id_array(ids: pd.Series) -> np.ndarray:
    """Ids as an array of numbers or of strings."""
    array = ids.infer_objects().to_numpy()
    return array.astype(str) if array.dtype == object else array


def k_core(pairs: pd.DataFrame, min_items_per_user: int, min_users_per_item: int) -> pd.DataFrame:
    """Drop users and items with too few partners, again and again until nothing changes."""
    size = None
    while size != len(pairs):
        size = len(pairs)
        pairs = pairs[pairs["item"].map(pairs["item"].value_counts()) >= min_users_per_item]
        pairs = pairs[pairs["user"].map(pairs["user"].value_counts()) >= min_items_per_user]
    return pairs


def item_attribute(ratings: pd.DataFrame, name: str, item_ids: np.ndarray) -> np.ndarray | None:
    """Titles or groups in the order of ``item_ids``; an item that the source does not name is called by its id."""
    values = ratings.attrs.get(name)
    return None if values is None else np.array([values.get(item, str(item)) for item in item_ids.tolist()])


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
        ValueError: a share is outside (0, 1), or no training user is left.

    Example:
        >>> [len(part) for part in split_users(6037)]
        [4225, 604, 1208]
    """
    for name, share in (("validation", validation), ("test", test)):
        if not 0 < share < 1:
            raise ValueError(f"{name}: expected a share between 0 and 1, found {share}")
    n_validation, n_test = int(np.ceil(validation * n_users)), int(np.ceil(test * n_users))
    if n_validation + n_test >= n_users:
        raise ValueError(f"no training user is left of {n_users} with validation={validation}, test={test}")
    order = np.random.default_rng(seed).permutation(n_users)
    parts = np.split(order, [n_users - n_validation - n_test, n_users - n_test])
    return tuple(np.sort(part) for part in parts)


def with_validation(
    train_matrix: sp.csr_matrix, validation_matrix: sp.csr_matrix | None, seed: int
) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """Training and validation histories; a random tenth of the training users if there are no others to validate on."""
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

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     save_split(f"{directory}/split.npz", *split_users(10))
        ...     load_split(f"{directory}/split.npz")
        (array([0, 2, 3, 4, 5, 6, 7]), array([9]), array([1, 8]))
    """
    save_npz(path, train=train, validation=validation, test=test)


def load_split(path: str | Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read what :func:`save_split` wrote: (train, validation, test)."""
    arrays = read_npz(path, required=("train", "validation", "test"))
    return arrays["train"], arrays["validation"], arrays["test"]


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
