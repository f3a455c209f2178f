"""Reader of sequence files: one user a line, ``user item item …``, oldest first."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute

from lxr.data.reading.columns import refuse, text_ids
from lxr.data.reading.raw_text import read_text
from lxr.utils.checks import check_paths

NO_ID = r'[,;|"\[\]{}]|^-?\d*\.\d+$|^-|^\d+:'  # other separators, decimal numbers, negative numbers, pairs with a value
MOSTLY = 0.9  # if at least this share of the ids of a column are integers, all have to be


def read_sequences_file(path: str | Path) -> pd.DataFrame:
    """Read a sequence file, as the literature on sequential recommendation passes its data on.

    Every line is a user and the items of this user, oldest first, separated by blanks or tabs. There are no ratings and
    no titles. Ids are integers if all of a column are written like integers, else text.

    Args:
        path: the file: text in UTF-8, gzipped or not, without a header.

    Returns:
        A ratings frame, see :mod:`lxr.data.datasets`, with the columns ``user``, ``item`` and ``timestamp``, one row per
        entry. Files have no times: the place in the line, from 1, stands for the time. Without the column ``rating``,
        every row counts. An item that a line has twice is there twice: see ``repeats`` of :func:`lxr.prepare`.

    Raises:
        ValueError: an argument is not a path.
        DataError: the file is missing, not text in UTF-8 or too large; a line is empty or has no item; a user has two
            lines; or an id is none, such as ``3.5``, ``7,8`` or one word among integers. The message names the line.

    Example:
        >>> Path("visits.txt").write_text("7 30 10 20\\n9 20 30\\n")
        19
        >>> ratings = read_sequences_file("visits.txt")
        >>> ratings.values.tolist()  # user, item, place
        [[7, 30, 1], [7, 10, 2], [7, 20, 3], [9, 20, 1], [9, 30, 2]]
        >>> import lxr
        >>> lxr.prepare(ratings, min_users_per_item=1).histories([0]).items  # oldest first
        array([2, 0, 1])
        >>> Path("visits.txt").unlink()
    """
    check_paths(path=path)
    file = Path(path)
    lines = pa.array(read_text(file).splitlines(), pa.string())  # of bytes: no line ends beyond ASCII
    words = pa.compute.ascii_split_whitespace(pa.compute.ascii_trim_whitespace(lines))
    n_words = pa.compute.list_value_length(words).to_numpy()
    number = pd.RangeIndex(1, len(lines) + 1, name="line")
    text = lines.to_pandas().set_axis(number)
    refuse(pd.Series(n_words < 2, number), file, text, "a user and at least one item")
    first = np.append(0, n_words.cumsum()[:-1])
    is_user = np.zeros(n_words.sum(), dtype=bool)
    is_user[first] = True
    every = words.flatten().to_pandas()
    users = _ids(every[is_user].set_axis(number), "user", file)
    _refuse_repeated(users, file)
    n_items = n_words - 1
    items = _ids(every[~is_user].set_axis(number.repeat(n_items).rename("line")), "item", file)
    place = np.arange(1, len(items) + 1) - (n_items.cumsum() - n_items).repeat(n_items)
    ratings = pd.DataFrame({"user": users.repeat(n_items).to_numpy(), "item": items.to_numpy(), "timestamp": place})
    ratings.attrs = {"source": [str(path)]}
    return ratings


def _ids(text: pd.Series, column: str, path: Path) -> pd.Series:
    """Ids of a column of words, whose index is the number of the line.

    Raises:
        DataError: a word is not an id, or not an integer where nearly all are; names the line.
    """
    _refuse_first(text.str.contains(NO_ID), path, text, f"an id as {column}, and blanks or tabs between ids")
    whole = text.str.fullmatch("[0-9]+")
    if whole.mean() >= MOSTLY:
        _refuse_first(~whole, path, text, f"an integer as {column}, like most of this file")
    return text_ids(text, column, path)


def _refuse_first(bad: pd.Series, path: Path, text: pd.Series, expected: str) -> None:
    """:func:`refuse` for words, of which a line has several."""
    refuse(bad[bad][:1], path, text[bad][:1], expected)


def _refuse_repeated(users: pd.Series, path: Path) -> None:
    """Refuse a second line of a user.

    Raises:
        DataError: names both lines.
    """
    again = users.duplicated()
    if again.any():
        before = users[users == users[again.idxmax()]].index[0]
        refuse(again, path, users, f"one line for each user, with all items, and line {before} has this user")
