"""Whether entries are in an order of time."""

import warnings

import numpy as np

from lxr.data.histories import EntryLists


def has_order(entries: EntryLists, n_features: int = 0) -> bool:
    """Return whether entries have an order other than that of the item numbers.

    That holds if two entries of some user have different times, or if the items of some user do not ascend, or if no user
    has two entries. Ratings without times, or with one time for all, have none: :func:`lxr.prepare` puts their entries in
    the order of the items.

    Args:
        entries: histories of n users.
        n_features: number of last columns that are user features, which have no place in the order.

    Example:
        >>> items, ends = np.array([0, 2, 1, 2]), np.array([0, 2, 4])
        >>> has_order(EntryLists(items, ends, 3)), has_order(EntryLists(items, ends, 3, times=np.array([5.0, 5, 5, 6])))
        (False, True)
    """
    is_item = entries.items < entries.n_columns - n_features
    later = np.diff(entries.items[is_item]) < 0
    if entries.times is not None:
        later |= np.diff(entries.times[is_item]) > 0
    follows = np.diff(entries.users[is_item]) == 0
    return bool((later & follows).any() or not follows.any())


def warn_without_order(name: str, entries: EntryLists, n_features: int = 0, *, stacklevel: int = 3) -> None:
    """Warn if a recommender that uses the order gets entries that have none.

    Args:
        name: name of the argument with the entries, for the message.
        entries, n_features: as for :func:`has_order`.
        stacklevel: of :func:`warnings.warn`.

    Warns:
        UserWarning: the entries have no order.
    """
    if not has_order(entries, n_features):
        found = "no times" if entries.times is None else "the same time for all entries of each user"
        warnings.warn(
            f"{name}: {len(entries)} users with {found}: a recommender that uses the order gets entries by ascending item, "
            "which means nothing",
            stacklevel=stacklevel,
        )
