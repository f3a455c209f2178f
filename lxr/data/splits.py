"""Splits of users into training, validation and test, and of histories in time."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lxr.data.histories import EntryLists
from lxr.data.interactions import check_kind
from lxr.utils.checks import check_instance, check_natural, check_numbers, check_seed, first
from lxr.utils.memory import check_memory
from lxr.utils.storage import REPAIR, DataError, read_npz, save_npz

BYTES_PER_USER = 24  # arrays of a split: its permutation, the three parts, and one of them sorted


def split_users(
    n_users: int, *, validation: float = 0.1, test: float = 0.2, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split users (not interactions) at random into training, validation and test.

    Args:
        n_users: number of users, at least three.
        validation: share of validation users, rounded up.
        test: share of test users, rounded up.
        seed: seed of the permutation.

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
    train, rest, held_out = np.split(order, [n_users - n_validation - n_test, n_users - n_test])
    return np.sort(train), np.sort(rest), np.sort(held_out)


def split_last(entries: EntryLists) -> tuple[EntryLists, np.ndarray]:
    """Hold out the last entry of every user: the newest item, where the data has times.

    Args:
        entries: histories of n users, as :meth:`lxr.Interactions.histories` returns them; at least two entries each.

    Returns:
        The histories without their last entries, and the items (n,) of these entries.

    Raises:
        ValueError: not entries, or a user with fewer than two; names the row.

    Example:
        >>> rest, last = split_last(EntryLists(np.array([2, 0, 1, 0, 1]), np.array([0, 3, 5]), n_columns=3))
        >>> [rest[[user]].items.tolist() for user in range(2)], last.tolist()
        ([[2, 0], [0]], [1, 1])
        >>> rest, last = split_last(EntryLists(np.array([2, 0, 2]), np.array([0, 3]), n_columns=3))
        >>> rest.items.tolist(), last.tolist()  # with repeats, the item may also be in the rest
        ([2, 0], [2])
    """
    check_instance(EntryLists, "entries, as data.histories() returns them", entries=entries)
    if (short := entries.lengths < 2).any():
        row = first(short)
        raise ValueError(f"entries, row {row}: expected at least two entries, found {entries.lengths[row]}")
    is_last = np.zeros(len(entries.items), dtype=bool)
    is_last[entries.indptr[1:] - 1] = True
    return entries.taken(~is_last, entries.indptr - np.arange(len(entries.indptr))), entries.items[is_last]


def save_split(train: np.ndarray, validation: np.ndarray, test: np.ndarray, path: str | Path) -> None:
    """Write the index arrays of :func:`split_users` to one ``.npz`` file, atomically.

    Args:
        train, validation, test: the arrays.
        path: the file.

    Raises:
        ValueError: arrays that :func:`load_split` would refuse; nothing is written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     save_split(*split_users(10), f"{directory}/split.npz")
        ...     load_split(f"{directory}/split.npz")
        (array([2, 3, 4, 5, 6, 7, 9]), array([0]), array([1, 8]))
    """
    parts = {"train": train, "validation": validation, "test": test}
    _check_split({name: np.asarray(users) for name, users in parts.items()})
    save_npz(path, **parts)


def load_split(path: str | Path, *, n_users: int | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read a file of :func:`save_split`: (train, validation, test).

    Args:
        path: the file.
        n_users: number of users of the data, if known.

    Returns:
        Three ascending index arrays, as :func:`split_users` gives them.

    Raises:
        DataError: the file is missing or damaged, its arrays are not a split, or it is a split of other data.

    Example: see :func:`save_split`.
    """
    arrays = read_npz(path, required=("train", "validation", "test"))
    parts = {name: arrays[name] for name in ("train", "validation", "test")}
    try:
        _check_split(parts, n_users)
    except ValueError as error:
        raise DataError(f"{path} is damaged or a split of other data: {error}: {REPAIR}") from error
    return parts["train"], parts["validation"], parts["test"]


def _check_split(parts: Mapping[str, np.ndarray], n_users: int | None = None) -> None:
    """Refuse parts that share a user, or that are not ascending rows of ``n_users`` users.

    (The test users may be a sample, so some users may be in no part.)
    """
    for name, users in parts.items():
        check_kind(name, users, "iu")
        if (users[1:] <= users[:-1]).any() or (users < 0).any() or not len(users):
            raise ValueError(f"{name}: expected one or more ascending rows of users")
        if n_users is not None and users[-1] >= n_users:
            raise ValueError(f"{name}: expected rows of users from 0 to {n_users - 1}, found {users[-1]}")
    rows, counts = np.unique(np.concatenate(list(parts.values())), return_counts=True)
    if (counts > 1).any():
        raise ValueError(f"expected disjoint parts, found user {rows[first(counts > 1)]} in two of them")
