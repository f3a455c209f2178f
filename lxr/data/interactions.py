"""Histories of all users with their ids, titles and features; saved with a checksum, and checked when loaded."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from lxr.data.histories import EntryLists
from lxr.data.inputs import as_matrix
from lxr.data.order import has_order
from lxr.utils.checks import first
from lxr.utils.markup import is_visible, plain
from lxr.utils.sparse import binary_matrix
from lxr.utils.storage import REPAIR, DataError, pack_text, read_npz, save_npz, unpack_text


@dataclass(frozen=True)
class Interactions:
    """Histories of all users.

    Columns are items. If user features were requested, one column for each value of each feature follows, with ones where a
    user is known to have it. Features are entries of a history, but they are never recommended.

    Attributes:
        matrix: (n_users, n_columns) CSR, float32, ones; column indices sorted within each row.
        user_ids: (n_users,) original user ids, ascending.
        item_ids: (n_items,) original item ids, ascending.
        item_titles: (n_columns,) titles, or None where the source has none; ``"your age (25–34)"`` for features.
        item_groups: (n_columns,) planted taste group of each item (``synthetic`` only), or None; −1 for features.
        feature_kinds: (n_features,) feature of each of the last columns, ``"age"``; None without features.
        n_duplicates: number of repeated (user, item) rows that were dropped or added up.
        complete_users: ids of users who were dropped because they have all items; not saved.
        entries: entries of all histories, oldest first, with the items of ``matrix``; None for those of ``matrix`` by
            ascending item. User features have no time (NaN) and the weight 1; they come first.

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
    entries: EntryLists | None = None

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.item_ids)

    @property
    def n_features(self) -> int:
        """Number of columns of user features, which follow the items."""
        return 0 if self.feature_kinds is None else len(self.feature_kinds)

    @property
    def n_columns(self) -> int:
        """Width of histories: items and user features."""
        return self.n_items + self.n_features

    @property
    def item_matrix(self) -> sp.csr_matrix:
        """The matrix without the columns of features."""
        return self.matrix[:, : self.n_items]

    def rows_of(self, users: object) -> np.ndarray:
        """Rows (m,) of users in the matrix.

        Args:
            users: an id, or ids (m,).

        Raises:
            ValueError: no id, or unknown ones; names them.

        Example:
            >>> data = Interactions(sp.csr_matrix((2, 3)), np.array([4, 7]), np.array([1, 2, 3]))
            >>> data.rows_of([7, 4, 7])
            array([1, 0, 1])
        """
        return _places_of("users", "user", users, self._user_index)

    def columns_of(self, items: object) -> np.ndarray:
        """Columns (m,) of items in the matrix.

        Args:
            items: an id, or ids (m,).

        Raises:
            ValueError: no id, or unknown ones; names them.

        Example:
            >>> data = Interactions(sp.csr_matrix((2, 3)), np.array([4, 7]), np.array([1, 2, 3]))
            >>> data.columns_of(3)
            array([2])
        """
        return _places_of("items", "item", items, self._item_index)

    def histories(self, rows: object = None) -> EntryLists:
        """Histories as lists of entries, oldest first where the ratings had times.

        Args:
            rows: (m,) rows of the matrix; all by default.

        Returns:
            The entries of these users.

        Raises:
            ValueError: no row, or one outside the matrix.

        Example:
            >>> import lxr
            >>> data = lxr.load_dataset("synthetic")
            >>> batch = data.histories([0, 7]).batch()  # lxr.Histories, padded
            >>> batch.items.shape, batch.lengths.tolist()
            (torch.Size([2, 23]), [23, 9])
        """
        users = as_rows(len(self.user_ids), rows)
        if self.entries is None:
            return EntryLists.of_matrix(self.matrix[users].sorted_indices())
        entries = replace(self.entries, distinct=len(self.entries.items) == self.matrix.nnz)
        return entries if rows is None else entries[users]

    @cached_property
    def has_order(self) -> bool:
        """Whether entries are in an order of time: some user has entries of different times."""
        return has_order(self.histories(), self.n_features)

    @cached_property
    def _user_index(self) -> pd.Index:
        """Index of the user ids, for fast look-up."""
        return pd.Index(self.user_ids)

    @cached_property
    def _item_index(self) -> pd.Index:
        """Index of the item ids, for fast look-up."""
        return pd.Index(self.item_ids)

    @cached_property
    def names(self) -> np.ndarray:
        """(n_columns,) distinct names of all columns: :func:`lxr.data.interactions.names_of` of titles and ids."""
        titles = self.item_ids if self.item_titles is None else self.item_titles
        return names_of(titles, [*self.item_ids, *range(len(self.item_ids), len(titles))])

    def titles(self, items: np.ndarray) -> list[str]:
        """Titles of items, or ids of items without titles; the id follows a title that several items share.

        Args:
            items: (m,) indices.

        Example:
            >>> titles = np.array(["Twice", "Once", "Twice"])
            >>> data = Interactions(sp.csr_matrix((1, 3)), np.array([0]), np.array([7, 8, 9]), titles)
            >>> data.titles(np.array([0, 1]))
            ['Twice [7]', 'Once']
        """
        return self.names[items].tolist()

    def save(self, path: str | Path) -> None:
        """Write everything to one ``.npz`` file, atomically.

        Raises:
            ValueError: content that :meth:`load` would refuse; nothing is written.
        """
        matrix = as_matrix(matrix=self.matrix)
        names = ("user_ids", "item_ids", "item_titles", "item_groups", "feature_kinds")
        arrays = {name: np.asarray(getattr(self, name)) for name in names if getattr(self, name) is not None}
        arrays |= {"indices": matrix.indices, "indptr": matrix.indptr, "n_duplicates": np.array(self.n_duplicates)}
        if self.entries is not None:
            parts = {name: getattr(self.entries, name) for name in ENTRIES}
            arrays |= {f"entry_{name}": np.asarray(part) for name, part in parts.items() if part is not None}
        _check_arrays(arrays)
        _checked_entries(arrays)
        for name in TEXTS:
            if name in arrays and arrays[name].dtype.kind not in PLAIN_IDS:
                arrays |= pack_text(name, arrays[name])
        save_npz(path, **arrays)

    @classmethod
    def load(cls, path: str | Path) -> "Interactions":
        """Read a file of :meth:`save`.

        Raises:
            DataError: the file is missing or damaged, or :meth:`save` did not write its content.
        """
        arrays = read_npz(path, required=("indices", "indptr", "user_ids", "item_ids", "n_duplicates"))
        try:
            arrays |= {name: unpack_text(name, arrays) for name in TEXTS if f"{name}_ends" in arrays}
            _check_arrays(arrays)
            entries = _checked_entries(arrays)
        except ValueError as error:
            raise DataError(f"{path} is damaged: {error}: {REPAIR}") from error
        shape = (len(arrays["user_ids"]), len(arrays["item_ids"]) + len(arrays.get("feature_kinds", ())))
        return cls(
            matrix=binary_matrix(arrays["indices"], arrays["indptr"], shape),
            user_ids=arrays["user_ids"],
            item_ids=arrays["item_ids"],
            item_titles=arrays.get("item_titles"),
            item_groups=arrays.get("item_groups"),
            feature_kinds=arrays.get("feature_kinds"),
            n_duplicates=int(arrays["n_duplicates"]),
            entries=entries,
        )


def as_rows(n_users: int, rows: object) -> np.ndarray:
    """Rows (m,) of users as an array of integers; None for all.

    Raises:
        ValueError: no row, or one outside the matrix.
    """
    chosen = np.arange(n_users) if rows is None else np.atleast_1d(np.asarray(rows))
    if chosen.ndim != 1 or not len(chosen) or chosen.dtype.kind not in "iu":
        raise ValueError(f"rows: expected one or more integers, found {rows!r}")
    outside = (chosen < 0) | (chosen >= n_users)
    if outside.any():
        raise ValueError(f"rows: expected rows from 0 to {n_users - 1}, found {chosen[first(outside)]}")
    return chosen


def _places_of(argument: str, kind: str, wanted: object, known: pd.Index) -> np.ndarray:
    """Positions (m,) of ids among the known ids (n,).

    Args:
        argument: name of the argument, for messages.
        kind: kind of the ids, for messages.
        wanted: an id, or ids (m,).
        known: (n,) ids.

    Raises:
        ValueError: no id, or unknown ones; names them.
    """
    ids = [wanted] if pd.api.types.is_scalar(wanted) else list(wanted)  # type: ignore[call-overload]
    if not ids:
        raise ValueError(f"{argument}: expected one or more {kind} ids, found none")
    found = known.get_indexer(pd.Index(ids))
    unknown = list(dict.fromkeys(_written(each) for each, place in zip(ids, found, strict=True) if place < 0))
    if unknown:
        more = f" and {len(unknown) - 10} others" if len(unknown) > 10 else ""
        raise ValueError(f"{argument}: unknown {kind} ids {', '.join(unknown[:10])}{more}")
    return found


def _written(each: object) -> str:
    """An id as Python writes it."""
    return repr(each.item() if isinstance(each, np.generic) else each)


TEXTS = ("user_ids", "item_ids", "item_titles", "feature_kinds")  # arrays that may hold texts
PLAIN_IDS = "iufmM"  # kinds of arrays with ids of fixed width: numbers and dates
ENTRIES = ("items", "indptr", "times", "weights")  # arrays of entries, as entry_items and so on in a file
KINDS = {"UOT": "texts", "iu": "integers", "f": "floating-point numbers"}  # names of kinds, for messages


def _check_arrays(arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse invalid fields of :class:`Interactions`; ``indices`` and ``indptr`` are the matrix.

    Raises:
        ValueError: names the array.
    """
    for name in ("user_ids", "item_ids"):
        ids = arrays[name]
        check_kind(name, ids, PLAIN_IDS + "UOT")
        if len(np.unique(ids)) < len(ids) or (ids != ids).any():  # NaN differs from itself
            raise ValueError(f"{name}: expected distinct ids, found repeated or missing ones")
    n_columns = len(arrays["item_ids"]) + len(arrays.get("feature_kinds", ()))
    lengths = {"item_titles": n_columns, "item_groups": n_columns, "indptr": len(arrays["user_ids"]) + 1}
    for name, kinds in (("item_titles", "UOT"), ("feature_kinds", "UOT"), ("item_groups", "iu"), ("indptr", "iu")):
        if name in arrays:
            check_kind(name, arrays[name], kinds, lengths.get(name))
    if arrays["n_duplicates"].ndim or arrays["n_duplicates"].dtype.kind not in "iu" or arrays["n_duplicates"] < 0:
        raise ValueError(f"n_duplicates: expected an integer of at least 0, found {arrays['n_duplicates']!r}")
    check_kind("indices", arrays["indices"], "iu")
    _check_entries(arrays["indices"], arrays["indptr"], n_columns)


def check_kind(name: str, array: np.ndarray, kinds: str, length: int | None = None) -> None:
    """Refuse an array that is not (n,), or whose kind or length is not the expected one."""
    if array.ndim != 1 or array.dtype.kind not in kinds or length not in (None, len(array)):
        numbers = KINDS.get(kinds, "numbers or texts")
        wanted = numbers if length is None else f"{length} {numbers}"
        raise ValueError(f"{name}: expected {wanted} in one dimension, found {array.dtype} of shape {array.shape}")
    if array.dtype == object and not all(isinstance(text, str) for text in array):
        strange = next(text for text in array if not isinstance(text, str))
        raise ValueError(f"{name}: expected texts, found {strange!r}")


def _check_entries(indices: np.ndarray, indptr: np.ndarray, n_columns: int) -> None:
    """Refuse column indices (nnz,) and row pointers (n_users + 1,) of anything but a CSR matrix in canonical form."""
    if indptr[0] != 0 or (indptr[1:] < indptr[:-1]).any() or indptr[-1] != len(indices):
        raise ValueError(f"indptr: expected ascending numbers from 0 to {len(indices)}")
    outside = (indices < 0) | (indices >= n_columns)
    if outside.any():
        raise ValueError(f"indices: expected columns from 0 to {n_columns - 1}, found {indices[first(outside)]}")
    starts = np.zeros(len(indices) + 1, dtype=bool)
    starts[indptr] = True
    repeated = (indices[1:] <= indices[:-1]) & ~starts[1:-1]
    if repeated.any():
        entry = first(repeated) + 1
        row = int(np.searchsorted(indptr, entry, side="right")) - 1
        raise ValueError(f"indices, row {row}: expected ascending columns, each once, found {indices[entry]} again or late")


def _checked_entries(arrays: Mapping[str, np.ndarray]) -> EntryLists | None:
    """Entries from checked arrays of a matrix and arrays ``entry_…``; None without the latter.

    Raises:
        ValueError: they are not entries of the matrix, oldest first; names the array and the row.
    """
    found = {name: arrays[f"entry_{name}"] for name in ENTRIES if f"entry_{name}" in arrays}
    if not found:
        return None
    for name, kinds in zip(ENTRIES, ("iu", "iu", "f", "f"), strict=True):
        if name in found or name in ("items", "indptr"):
            length = len(arrays["indptr"]) if name == "indptr" else None
            check_kind(f"entry_{name}", found.get(name, np.empty(0)), kinds, length)
    n_items = len(arrays["item_ids"])
    n_columns = n_items + len(arrays.get("feature_kinds", ()))
    found |= {name: found[name].astype(np.int64) for name in ("items", "indptr")}
    try:
        entries = EntryLists(found["items"], found["indptr"], n_columns, found.get("times"), found.get("weights"))
    except ValueError as error:
        raise ValueError(f"entry_{error}") from error
    matrix = entries.matrix()
    if not all(np.array_equal(getattr(matrix, name), arrays[name]) for name in ("indices", "indptr")):
        raise ValueError("entry_items: expected the items of the matrix in every row, found others")
    _check_order(entries, n_items)
    return entries


def _check_order(entries: EntryLists, n_items: int) -> None:
    """Refuse entries that are not features first and then items of ascending times, and weights that are not finite."""
    row = entries.users
    is_item = entries.items < n_items
    again = row[1:] == row[:-1]
    bad = {"entry_items": ("features before items", np.append(False, again & is_item[:-1] & ~is_item[1:]))}
    if (times := entries.times) is not None:
        late = np.append(False, again & (times[1:] < times[:-1]))
        bad["entry_times"] = ("finite, ascending times of items", late | (np.isfinite(times) != is_item))
    if entries.weights is not None:
        bad["entry_weights"] = ("finite weights", ~np.isfinite(entries.weights))
    for name, (expected, wrong) in bad.items():
        if wrong.any():
            raise ValueError(f"{name}, row {row[first(wrong)]}: expected {expected}, found others")


def names_of(titles: Sequence | np.ndarray, ids: Sequence) -> np.ndarray:
    """One line of plain text per title; the id follows shared titles and replaces empty ones.

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
        suffixes = range(len(names))  # if ids look alike, or a title looks like one with an id
    return np.array(names, dtype=object)
