"""Checks of ratings frames, and the rows that count if a pair of user and item has several."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pandas.api import types

from lxr.data.reading.columns import exact_ids, numeric, refuse, times
from lxr.utils.checks import is_number
from lxr.utils.storage import DataError

NAMES = ("user", "item", "rating")
Repeats = Literal["last", "first", "sum", "keep"]
REPEATS: dict[Repeats, str] = {
    "last": "kept the last of each",
    "first": "kept the first of each",
    "sum": "added their ratings",
    "keep": "kept all of them",
}


@dataclass(frozen=True)
class CheckedRatings:
    """Checked rows of ratings, with users and items as numbers.

    Attributes:
        rows: columns ``user`` and ``item``, int32 places in the ids, and, if present, ``rating`` and ``timestamp``, without
            time zones; the index counts the rows from 0.
        user_ids: (n_users,) original ids, ascending.
        item_ids: (n_items,) original ids, ascending.
    """

    rows: pd.DataFrame
    user_ids: np.ndarray
    item_ids: np.ndarray


def checked_ratings(ratings: pd.DataFrame) -> CheckedRatings:
    """Check a ratings frame: every row needs ids and, if there are ratings, a number.

    Args:
        ratings: as for :func:`lxr.prepare`.

    Returns:
        Its rows, with users and items as numbers.

    Raises:
        DataError: it is not a frame, has no rows, lacks or repeats a column, or a row has no id, no
            number or no time.
    """
    if not isinstance(ratings, pd.DataFrame):
        raise DataError(f"ratings: expected a frame with the columns {', '.join(NAMES)}, found {type(ratings).__name__}")
    _check_names(list(ratings.columns))
    if ratings.empty:
        raise DataError("ratings: expected at least one row, found none")
    frame = ratings.reset_index(drop=True).rename_axis("row")
    frame.attrs = {}  # pandas would copy attrs deeply at every step
    users, user_ids = _numbers_of(exact_ids(frame["user"], "user", "ratings"))
    items, item_ids = _numbers_of(exact_ids(frame["item"], "item", "ratings"))
    checked: dict[str, np.ndarray | pd.Series] = {"user": users, "item": items}
    if "rating" in frame:
        text = frame["rating"].map(lambda value: isinstance(value, str)) if _not_numeric(frame["rating"]) else None
        if text is not None:
            refuse(text, "ratings", frame["rating"], "a number as rating")
        checked["rating"] = numeric(frame, "rating", "ratings")
    if "timestamp" in frame:
        checked["timestamp"] = _without_zone(times(frame, "timestamp", "ratings"))
    return CheckedRatings(pd.DataFrame(checked, copy=False), user_ids, item_ids)


def _numbers_of(ids: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Places (n,) int32 of ids among the distinct ids, and these, ascending: numbers or Python strings."""
    place, distinct = pd.factorize(ids)
    ascending, places = np.unique(distinct.to_numpy(), return_inverse=True)
    return places.astype(np.int32)[place], ascending


def _not_numeric(values: pd.Series) -> bool:
    """Return whether a column has no type of numbers."""
    return not types.is_numeric_dtype(values.dtype)


def _check_names(names: list) -> None:
    """Refuse repeated or missing columns.

    A frame without ratings is implicit data only if no other column may hold ratings.
    """
    twice = [name for name in (*NAMES, "timestamp") if names.count(name) > 1]
    if twice:
        raise DataError(f"ratings: expected one column {twice[0]}, found {names.count(twice[0])}: {names}")
    if not {"user", "item"} <= set(names) or ("rating" not in names and set(names) - {"user", "item", "timestamp"}):
        raise DataError(
            f"ratings: expected the columns user, item, rating, found {names} "
            "(user and item alone, perhaps with timestamp, if every row counts)"
        )


def check_attributes(attributes: Mapping) -> None:
    """Refuse titles or groups that are not dictionaries of items, and titles that are not text, numbers or missing.

    Raises:
        DataError: names the attribute and the item.
    """
    for name in ("titles", "groups"):
        values = attributes.get(name)
        if values is not None and not isinstance(values, Mapping):
            raise DataError(f"ratings.attrs[{name!r}]: expected a dictionary of item ids, found {type(values).__name__}")
    for item, title in (attributes.get("titles") or {}).items():
        if (isinstance(title, str) and "\0" not in title) or is_number(title):
            continue
        if not (types.is_scalar(title) and pd.isna(title)):
            raise DataError(f"ratings.attrs['titles'], item {item!r}: expected text without NUL, found {title!r}")


def without_repeats(checked: CheckedRatings, min_rating: float, repeats: Repeats | None) -> pd.DataFrame:
    """One row for every pair of user and item, or all rows if ``repeats`` is ``"keep"``.

    Args:
        checked: from :func:`checked_ratings`.
        min_rating: smallest rating that counts.
        repeats: as for :func:`lxr.prepare`.

    Raises:
        DataError: ``repeats`` is None, and a pair reaches ``min_rating`` only as a sum.

    Warns:
        UserWarning: ``repeats`` is None, and there are repeated pairs.
    """
    ratings = checked.rows
    if repeats == "keep" or not _has_repeats(checked):
        return ratings
    chosen = repeats or _usual(checked, min_rating)
    unique = _in_time(ratings).drop_duplicates(["user", "item"], keep="first" if chosen == "first" else "last")
    if chosen == "sum" and "rating" in ratings:
        unique = unique.assign(rating=ratings.groupby(["user", "item"])["rating"].transform("sum"))
    if repeats is None:
        how = REPEATS[chosen].replace("last", "newest" if "timestamp" in ratings else "last")
        warnings.warn(f"{len(ratings) - len(unique)} duplicate (user, item) pairs: {how}", stacklevel=3)
    return unique


def _has_repeats(checked: CheckedRatings) -> bool:
    """Return whether a pair of user and item has several rows."""
    pairs = checked.rows["user"].to_numpy(dtype=np.int64, copy=True)
    pairs *= len(checked.item_ids)
    pairs += checked.rows["item"].to_numpy()
    pairs.sort()  # several times faster than a table of pairs
    return bool((pairs[1:] == pairs[:-1]).any())


def _usual(checked: CheckedRatings, min_rating: float) -> Repeats:
    """Default treatment of repeated pairs.

    Re-ratings replace each other, plays add up, and a frame does not say which of the two it holds. The newest counts,
    unless only the sum of a pair's ratings reaches ``min_rating``. Then they are added if every repeated row has a rating
    of 1, as in a log; otherwise the frame is ambiguous.

    Args:
        checked: all rows.
        min_rating: smallest rating that counts.

    Raises:
        DataError: the frame is ambiguous; names the first row of such a pair.
    """
    if "rating" not in checked.rows:
        return "last"
    repeated = checked.rows[checked.rows.duplicated(["user", "item"], keep=False)]
    pairs = repeated.groupby(["user", "item"], sort=False)["rating"]
    together = (pairs.transform("max") < min_rating) & (pairs.transform("sum") >= min_rating)
    if not together.any():
        return "last"
    if (repeated["rating"] == 1).all():
        return "sum"
    row = together.idxmax()
    user, item = repeated.loc[row, "user"], repeated.loc[row, "item"]
    own = repeated.loc[(repeated["user"] == user) & (repeated["item"] == item), "rating"].tolist()
    raise DataError(
        f"ratings, row {row}: user {checked.user_ids[user]} and item {checked.item_ids[item]} are there {len(own)} times, "
        f"with the ratings {', '.join(f'{rating:g}' for rating in own[:5])}{', …' if len(own) > 5 else ''}, which reach "
        f"min_rating={min_rating:g} only together: expected repeats='sum' for plays that add up, or repeats='last' for "
        "ratings of which the newest counts"
    )


def _in_time(ratings: pd.DataFrame) -> pd.DataFrame:
    """Ratings from the oldest to the newest, or in the order of their rows if there are no times."""
    if "timestamp" not in ratings:
        return ratings
    return ratings.iloc[np.argsort(ratings["timestamp"].to_numpy(), kind="stable")]


def _without_zone(moments: pd.Series) -> pd.Series:
    """Sortable times: dates with a time zone become dates of UTC."""
    is_zoned = isinstance(moments.dtype, pd.DatetimeTZDtype)
    return moments.dt.tz_convert("UTC").dt.tz_localize(None) if is_zoned else moments


def seconds(moments: pd.Series) -> np.ndarray:
    """Times (n,) of :func:`checked_ratings` as float64: dates as seconds since 1970, numbers as they are."""
    is_date = types.is_datetime64_any_dtype(moments.dtype)
    numbers = (moments - pd.Timestamp(0)) / pd.Timedelta(seconds=1) if is_date else moments
    return numbers.to_numpy(dtype=np.float64)
