"""Ratings in files of one's own: CSV, TSV, Parquet, RecBole's atomic files; gzipped or not."""

import gzip
import io
from pathlib import Path

import numpy as np
import pandas as pd

from lxr.storage import DataError

SEPARATORS = {".csv": ",", ".tsv": "\t", ".inter": "\t", ".item": "\t"}


def read_ratings_file(
    path: str | Path,
    user_column: str = "user",
    item_column: str = "item",
    rating_column: str | None = "rating",
    items_path: str | Path | None = None,
    title_column: str = "title",
) -> pd.DataFrame:
    """Read a table of ratings, or of interactions without ratings.

    Ids may be numbers or strings. In RecBole's atomic files (``.inter``, ``.item``) columns are named with or without their
    types, ``user_id`` or ``user_id:token``.

    Args:
        path: a file with a header: ``.csv``, ``.tsv``, ``.inter`` (text may be gzipped, ``.csv.gz``) or ``.parquet``.
        user_column, item_column: its columns of ids.
        rating_column: its column of ratings; None for implicit data, in which every row counts as 1.
        items_path: another such file, with a row per item, that has titles.
        title_column: its column of titles; its column of ids is called as in ``path``.

    Returns:
        A ratings frame (:mod:`lxr.datasets`).

    Raises:
        DataError: a file is missing or of another kind, a column is missing, a value is missing or no number.
    """
    path = Path(path)
    raw = read_file(path)
    columns = {"user": user_column, "item": item_column} | ({"rating": rating_column} if rating_column else {})
    ratings = pd.DataFrame({name: column_of(raw, column, path) for name, column in columns.items()})
    for name in ("user", "item"):
        ratings[name] = ids(ratings[name], columns[name], path)
    ratings["rating"] = numbers(ratings["rating"], rating_column, path) if rating_column else 1.0
    ratings.attrs = {"source": [str(path)]}
    if items_path is not None:
        items_path = Path(items_path)
        items = read_file(items_path)
        keys = ids(column_of(items, item_column, items_path), item_column, items_path)
        if keys.dtype != ratings["item"].dtype:  # numbers in one file, strings in the other
            keys, ratings["item"] = keys.astype(str), ratings["item"].astype(str)
        titles = column_of(items, title_column, items_path).astype(str)
        ratings.attrs |= {"titles": dict(zip(keys, titles, strict=True)), "source": [str(path), str(items_path)]}
    return ratings


def read_file(path: Path) -> pd.DataFrame:
    """A table as it stands in a file, text as strings."""
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    suffix = suffixes[-1] if suffixes else ""
    if not path.is_file():
        raise DataError(f"{path} is missing")
    try:
        if suffix == ".parquet":
            return pd.read_parquet(path)
        if suffix not in SEPARATORS:
            raise DataError(f"{path}: expected one of {', '.join([*SEPARATORS, '.parquet'])}, found {suffix or 'no suffix'}")
        content = path.read_bytes()
        text = (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode("utf-8-sig")
        table = pd.read_csv(io.StringIO(text), sep=SEPARATORS[suffix], dtype=str, keep_default_na=False, na_values=[""])
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected UTF-8 text, found byte {error.object[error.start]:#x}") from error
    except (OSError, EOFError, ValueError, ImportError) as error:  # ParserError is a ValueError
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} cannot be read: {str(error).strip()}") from error
    if table.empty:
        raise DataError(f"{path}: expected at least one row, found none")
    return table


def column_of(table: pd.DataFrame, name: str, path: Path) -> pd.Series:
    """A column by its name, or by its name before RecBole's type (``rating:float``)."""
    for column in table.columns:
        if column == name or str(column).partition(":")[0] == name:
            return table[column]
    raise DataError(f"{path}: expected a column {name}, found {', '.join(map(str, table.columns))}")


def ids(values: pd.Series, name: str, path: Path) -> pd.Series:
    """Ids as integers if all are, else as strings."""
    missing = values.isna()
    if missing.any():
        raise DataError(f"{path}, row {missing.to_numpy().argmax() + 1}: {name} is missing")
    if pd.api.types.is_integer_dtype(values):
        return values.astype(np.int64)
    text = values.astype(str).str.strip()
    whole = text.str.fullmatch(r"-?(0|[1-9]\d{0,17})")  # as str() would write it: 007 stays a string
    return text.astype(np.int64) if whole.all() else text.astype(str)


def numbers(values: pd.Series, name: str, path: Path) -> pd.Series:
    """Finite numbers."""
    result = pd.to_numeric(values, errors="coerce")
    bad = ~np.isfinite(result.to_numpy(dtype=float))
    if bad.any():
        row = bad.argmax()
        raise DataError(f"{path}, row {row + 1}: expected a number as {name}, found {values.iloc[row]!r}")
    return result.astype(float)
