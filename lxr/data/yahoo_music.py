"""Readers of the Yahoo! Music data."""

from pathlib import Path

import numpy as np
import pandas as pd

from lxr.data.reading.columns import integer_ids, numeric, refuse
from lxr.data.reading.download import read_first
from lxr.data.reading.files import FIELD, read_table
from lxr.utils.storage import DataError

WEBSCOPE = "https://webscope.sandbox.yahoo.com"
NEVER_PLAY = 255  # Yahoo! Music's "never play again"; other ratings are 0 to 100


def read_yahoo_music(data_dir: Path) -> pd.DataFrame:
    """Read Yahoo! Music: lines ``user,item,rating`` as in the published code, or a file of track 1 of KDD Cup 2011.

    Ratings are integers from 0 to 100; 255, "never play it again", becomes 0.

    Raises:
        DataError: the file is missing or malformed.
    """
    readers = {
        "yahoo-music.csv": _read_yahoo_table,
        "Yahoo_ratings.csv": _read_yahoo_table,  # name of the file there
        "trainIdx1.txt": _read_kdd_cup,
    }
    how = (
        "ask Yahoo! for dataset C15 of its Webscope programme (Yahoo! Music user ratings of musical tracks, albums, artists "
        f"and genres; the data of KDD Cup 2011; {WEBSCOPE}), which takes an agreement; take trainIdx1.txt of track 1, or a "
        "subset of it in the same form or, as yahoo-music.csv, in lines user,item,rating"
    )
    return read_first("yahoo-music", readers, how, data_dir)


def _read_yahoo_table(path: Path) -> pd.DataFrame:
    """Lines ``user,item,rating`` with the ratings of Yahoo! Music."""
    return _yahoo_ratings(read_table(path, ",", ["user", "item", "rating"]), path)


def _read_kdd_cup(path: Path) -> pd.DataFrame:
    """Blocks of track 1 of KDD Cup 2011: ``user|n``, then n tab-separated lines of item and score, perhaps date and time.

    Raises:
        DataError: names the file and the line.

    Source: Dror, Koenigstein, Koren & Weimer, The Yahoo! Music Dataset and KDD-Cup'11, JMLR W&CP 18, 2012.
    """
    lines = read_table(path, FIELD, ["line"])["line"]
    is_head = lines.str.contains("|", regex=False)
    is_head.iloc[0] = True  # other names are refused
    heads = _matched(lines[is_head], r"^(?P<user>\d+)\|(?P<count>\d+)$", "user|number of ratings", path)
    rows = _matched(
        lines[~is_head],
        r"^(?P<item>\d+)\t(?P<rating>\d+)(?:\t[^\t]+\t[^\t]+)?$",
        "item<tab>score or item<tab>score<tab>date<tab>time",
        path,
    )
    block = is_head.cumsum()[~is_head].to_numpy() - 1
    expected, found = heads["count"].astype(np.int64), np.bincount(block, minlength=len(heads))
    wrong = expected != found
    if wrong.any():
        line = wrong.idxmax()
        raise DataError(
            f"{path}, line {line}: expected {expected[line]} ratings of user {heads['user'][line]}, "
            f"found {found[wrong.to_numpy().argmax()]}"
        )
    ratings = _yahoo_ratings(rows.assign(user=heads["user"].to_numpy()[block]), path)
    moments = _moments(lines[~is_head])
    return ratings if moments is None else ratings.assign(timestamp=moments)


def _moments(lines: pd.Series) -> np.ndarray | None:
    """Seconds (n,) from the dates, which are numbers of days, and times of lines; None if some line has none."""
    found = lines.str.extract(r"\t(?P<day>\d+)\t(?P<time>\d\d:\d\d:\d\d)$")
    if found.isna().any(axis=None):
        return None
    seconds = pd.to_timedelta(found["time"]).dt.total_seconds()
    return (86_400 * found["day"].astype(np.int64) + seconds.astype(np.int64)).to_numpy()


def _matched(lines: pd.Series, pattern: str, expected: str, path: Path) -> pd.DataFrame:
    """The named groups of a pattern in every line, or a :class:`DataError` that names the first line without them."""
    groups = lines.str.extract(pattern)
    refuse(groups.isna().any(axis=1), path, lines.str[:80], expected)
    return groups


def _yahoo_ratings(raw: pd.DataFrame, path: Path) -> pd.DataFrame:
    """A ratings frame of strings, its ratings checked, and 0 for "never play again"."""
    ratings = pd.DataFrame({column: integer_ids(raw, column, path) for column in ("user", "item")})
    ratings["rating"] = numeric(raw, "rating", path, integer=True)
    wrong = ~ratings["rating"].between(0, 100) & (ratings["rating"] != NEVER_PLAY)
    refuse(wrong, path, raw["rating"], f"a rating from 0 to 100, or {NEVER_PLAY}")
    return ratings.replace({"rating": {NEVER_PLAY: 0}}).astype({"rating": float}).reset_index(drop=True)
