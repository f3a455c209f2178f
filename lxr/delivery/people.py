"""Histories of people outside the data, read from a file of JSON lines or CSV."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from lxr.data.histories import EntryLists
from lxr.data.interactions import Interactions
from lxr.utils.checks import first
from lxr.utils.storage import DataError, short


def read_people(path: str | Path, data: Interactions) -> Interactions:
    """Read histories of people outside the data.

    Args:
        path: ``.jsonl`` with an object ``{"user": id, "items": [ids]}`` on each line, or ``.csv`` with the columns ``user``
            and ``item`` and a row for each pair. Item ids are those of ``data``; user ids are of the same kind as in
            ``data``: integers or texts. Items are oldest first, for recommenders that use the order; for others, a
            repeated pair counts once.
        data: items, titles and user features; these people have no features.

    Returns:
        Their histories, users in the order of the file.

    Raises:
        DataError: the file cannot be read or has no people, an unknown item or an id of another kind; names the place.

    Example:
        >>> import lxr, tempfile
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     path = Path(directory, "people.csv")
        ...     _ = path.write_text("user,item\\n9001,3\\n9001,5\\n9000,3\\n")
        ...     people = read_people(path, lxr.load_dataset("synthetic"))
        >>> people.user_ids, people.matrix.nnz
        (array([9001, 9000]), 3)
    """
    path = Path(path)
    if path.suffix not in (".jsonl", ".csv"):
        raise DataError(f"{path}: expected a file of histories, .jsonl or .csv, found {path.suffix!r}")
    pairs = _json_pairs(path) if path.suffix == ".jsonl" else _csv_pairs(path)
    if not len(pairs):
        raise DataError(f"{path}: expected histories, found none")
    user, item = (_like(known, path, pairs, name) for name, known in (("user", data.user_ids), ("item", data.item_ids)))
    column = pd.Index(data.item_ids).get_indexer(pd.Index(item))
    if (column < 0).any():
        bad = first(column < 0)
        raise DataError(f"{path}, {pairs.index[bad]}: expected an item of the data, found {item.tolist()[bad]!r}")
    row, users = pd.factorize(user)
    indptr = np.append(0, np.bincount(row).cumsum())
    place = np.argsort(row, kind="stable")
    entries = EntryLists(
        column[place], indptr, data.n_columns, times=place.astype(np.float64)
    )  # the place stands for the time
    about = np.asarray(users), data.item_ids, data.item_titles
    return Interactions(entries.matrix(), *about, feature_kinds=data.feature_kinds, entries=entries)


def _csv_pairs(path: Path) -> pd.DataFrame:
    """Columns ``user`` and ``item`` of a CSV file as texts; the index is the place of each row."""
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: expected a CSV file, found: {short(error)}") from error
    absent = [name for name in ("user", "item") if name not in frame]
    if absent:
        raise DataError(f"{path}: expected the columns user and item, found {', '.join(map(str, frame.columns))}")
    return frame[["user", "item"]].set_axis([f"row {number}" for number in range(1, len(frame) + 1)])


def _json_pairs(path: Path) -> pd.DataFrame:
    """Users and items of a file of JSON lines; the index is the place of each pair."""
    users: list = []
    items: list = []
    places: list[str] = []
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                user, history = _person(line)
                users += [user] * len(history)
                items += history
                places += [f"line {number}"] * len(history)
    except OSError as error:
        raise DataError(f"{path}: expected a file of JSON lines, found: {short(error)}") from error
    except ValueError as error:
        raise DataError(f'{path}, line {number}: expected {{"user": id, "items": [ids]}}, found {short(error)}') from error
    return pd.DataFrame({"user": pd.Series(users, dtype=object), "item": pd.Series(items, dtype=object)}).set_axis(places)


def _person(line: str) -> tuple[object, list]:
    """User and items of a line.

    Raises:
        ValueError: it has no user, or no list of at least one item.
    """
    found = json.loads(line)
    if not isinstance(found, dict) or "user" not in found or not isinstance(found.get("items"), list) or not found["items"]:
        raise ValueError(line.strip()[:80])
    return found["user"], found["items"]


def _like(known: np.ndarray, path: Path, pairs: pd.DataFrame, name: str) -> np.ndarray:
    """Ids (n,) of a column as integers or texts, like the known ids.

    Raises:
        DataError: an id is neither an integer nor a text, or is not an integer like the known ids.
    """
    values = pairs[name].to_numpy()
    whole = known.dtype.kind in "iu"
    converted: list = []
    for place, value in zip(pairs.index, values.tolist(), strict=True):
        try:
            if isinstance(value, bool) or not isinstance(value, int | str):
                raise ValueError
            converted.append(int(value) if whole else str(value))
        except ValueError as error:
            expected = "an integer" if whole else "a text"
            raise DataError(f"{path}, {place}: expected {expected} as {name}, found {value!r}") from error
    return np.array(converted, dtype=np.int64 if whole else object)
