"""Lossless conversion of columns of ids, numbers, times and texts; an error names the row that cannot be converted.

The index of a column holds the numbers of its rows. The name of the index is the word for a row in messages.
"""

import re
from decimal import Decimal
from numbers import Integral, Real
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
from pandas.api import types

from lxr.utils.storage import DataError

WHOLE = r"0|-?[1-9][0-9]{0,17}"  # an integer of 64 bits as str() writes it, unlike 007
EXACT = 2**53  # floating-point numbers cannot represent every larger integer
DATE = r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?"  # ISO 8601, without …
ZONE = r"(Z|[+-]\d\d:?\d\d)"  # … or with a time zone


def refuse(bad: pd.Series, source: Path | str, found: pd.Series, expected: str) -> None:
    """Raise an error for the first bad row, if there is one.

    Args:
        bad: (n,) whether a row is bad.
        source: the file or other source of the rows.
        found: (n,) content of the rows.
        expected: description of valid content.

    Raises:
        DataError: names the source, the row, the expected and the found content.
    """
    if bad.any():
        row = bad.idxmax()
        value = found[row].item() if isinstance(found[row], np.generic) else found[row]
        raise DataError(f"{source}, {found.index.name} {row}: expected {expected}, found {repr(value)[:200]}")


# --- ids -------------------------------------------------------------------------------------------------------------


def text_ids(values: pd.Series, column: str, source: Path | str) -> pd.Series:
    """Ids of a file: integers if all are written like integers, else text without surrounding blanks.

    Args:
        values: text, or values of another type, which are used unchanged.
        column: its name, for messages.
        source: for messages.

    Raises:
        DataError: an id is missing, has no type of ids, or is written in two ways that differ in blanks; names the row.
    """
    found = exact_ids(values, column, source)
    if not _is_text(found):
        return found
    text = found.str.strip()
    if (text != found).any():
        first = found.groupby(text).transform("first")
        other = first[found != first].iloc[:1].tolist()
        refuse(found != first, source, found, f"every {column} to be written in one way, here {other[0]!r}" if other else "")
    return integers(text) if text.str.fullmatch(WHOLE).all() else text


def exact_ids(values: pd.Series, column: str, source: Path | str) -> pd.Series:
    """Ids as integers of 64 bits, or as text for text and larger integers.

    Args:
        values: integers, text, or floating-point numbers that are integers below 2⁵³.
        column: its name, for messages.
        source: for messages.

    Raises:
        DataError: an id is missing or of another type; names the row.
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(object)
    _refuse_missing(values, column, source)
    if types.is_integer_dtype(values.dtype):
        return values.astype(np.int64 if values.max() <= np.iinfo(np.int64).max else "str")
    if types.is_float_dtype(values.dtype):
        return _float_ids(values, column, source)
    if _is_text(values):
        return _checked_text(values, column, source)
    return _object_ids(values, column, source)


def _is_text(values: pd.Series) -> bool:
    """Return whether the type of a column holds text only."""
    return isinstance(values.dtype, pd.StringDtype) or (
        isinstance(values.dtype, pd.ArrowDtype) and types.is_string_dtype(values.dtype)
    )


def _refuse_missing(values: pd.Series, column: str, source: Path | str) -> None:
    """Refuse missing ids and blank text."""
    missing = values.isna()
    if _is_text(values):
        missing |= values.fillna("").str.strip() == ""
    if missing.any():
        raise DataError(f"{source}, {values.index.name} {missing.idxmax()}: expected an id of the {column}, found none")


def _checked_text(values: pd.Series, column: str, source: Path | str) -> pd.Series:
    """Text ids, unchanged; refuses NUL characters, which arrays of text would lose."""
    refuse(values.str.contains("\0", regex=False), source, values, f"an id of the {column} without NUL")
    return values if values.dtype == "str" else values.astype("str")


def _float_ids(values: pd.Series, column: str, source: Path | str) -> pd.Series:
    """Floating-point numbers as integers, in the range where each integer has its own number."""
    numbers = values.to_numpy(dtype=float)
    digits = {"float16": 11, "float32": 24, "float": 24, "halffloat": 11}.get(str(values.dtype).lower().split("[")[0], 53)
    bad = ~((np.trunc(numbers) == numbers) & (np.abs(numbers) < 2.0**digits))  # False for inf and NaN
    refuse(
        pd.Series(bad, values.index),
        source,
        values,
        f"an integer below 2**{digits} as {column}, beyond which such numbers are not exact (write ids as text or integers)",
    )
    return values.astype(np.int64)


def _object_ids(values: pd.Series, column: str, source: Path | str) -> pd.Series:
    """Python objects as ids: all text, or all integers of any type."""
    if types.is_object_dtype(values.dtype) and isinstance(values.iloc[0], str):
        refuse(~values.map(lambda value: isinstance(value, str)), source, values, f"text as {column}, as in the first row")
        text = values.astype("str")
        _refuse_missing(text, column, source)
        return _checked_text(text, column, source)
    whole = values.map(_whole_number)
    refuse(whole.isna(), source, values, f"an integer or text as {column}, of one kind in all rows")
    inside = whole.map(lambda value: -(2**63) <= value < 2**63).all()
    return whole.astype(np.int64 if inside else "str")


def _whole_number(value: object) -> int | None:
    """A Python object as an integer, or None if it is not clearly an integer."""
    if isinstance(value, (bool, np.bool_)):
        return None
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        return int(value)
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < EXACT else None


# --- numbers ---------------------------------------------------------------------------------------------------------


def numeric(frame: pd.DataFrame, column: str, source: Path | str, integer: bool = False) -> pd.Series:
    """A column as finite numbers below 2⁵³, or as integers from 0.

    Raises:
        DataError: names the first row without one.
    """
    found = frame[column]
    values = numbers(found)
    bad = ~np.isfinite(values)
    if integer:
        bad |= ~bad & ((values % 1 != 0) | (values < 0))
    refuse(bad, source, found, f"{'a non-negative integer' if integer else 'a number'} as {column}")
    refuse(values.abs() >= EXACT, source, found, f"a number below 2**53 as {column}")
    return values.astype(np.int64 if integer else np.float64)


def integer_ids(frame: pd.DataFrame, column: str, source: Path | str) -> pd.Series:
    """A column of text as integers from 0, each written in one way only.

    Raises:
        DataError: names the first row without one, or with another spelling.
    """
    found, values = frame[column], numeric(frame, column, source, integer=True)
    written = pa.compute.cast(pa.array(values), pa.string())
    if not pa.compute.all(pa.compute.equal(written, pa.array(found, pa.string()))).as_py():
        refuse(found != found.groupby(values).transform("first"), source, found, f"one way of writing each {column}")
    return values


def numbers(found: pd.Series) -> pd.Series:
    """A column as floating-point numbers, NaN where there is no number."""
    if isinstance(found.dtype, pd.CategoricalDtype):
        found = found.astype(object)
    if _is_text(found):
        return _parsed(found)
    if types.is_numeric_dtype(found.dtype) and not types.is_complex_dtype(found.dtype):  # NumPy counts bool as a number
        return pd.Series(found.to_numpy(dtype=float, na_value=np.nan), found.index)
    if not types.is_object_dtype(found.dtype):
        return pd.Series(np.nan, found.index)
    if found.map(lambda value: isinstance(value, str)).all():
        return _parsed(found.astype("str"))
    return found.map(lambda value: float(value) if isinstance(value, (Real, Decimal, np.bool_)) else np.nan).astype(float)


def integers(text: pd.Series) -> pd.Series:
    """Text of integers as integers of 64 bits."""
    return pd.Series(pa.compute.cast(pa.array(text), pa.int64()).to_numpy(), text.index)


def _parsed(text: pd.Series) -> pd.Series:
    """Text as floating-point numbers, NaN where there is no number."""
    try:
        values = pa.compute.cast(pa.array(text), pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:  # surrounding blanks, or no number
        values = pd.to_numeric(text, errors="coerce").to_numpy(dtype=float)
    return pd.Series(values, text.index)


# --- times and texts -------------------------------------------------------------------------------------------------


def times(frame: pd.DataFrame, column: str, source: Path | str) -> pd.Series:
    """A column of sortable times: integers, other numbers, or dates (text in ISO 8601).

    Raises:
        DataError: names the first row without one.
    """
    found = frame[column]
    expected = f"a number or a date like 2026-01-31 12:00:00 as {column}, and of one kind in all rows"
    if types.is_datetime64_any_dtype(found.dtype):
        refuse(found.isna(), source, found, expected)
        return found
    if types.is_integer_dtype(found.dtype) and not found.isna().any():
        return found.astype(np.int64)
    text = found.astype("str").str.strip() if _is_text(found) else None
    if text is not None and text.str.fullmatch(r"-?[0-9]{1,18}|[1-8][0-9]{18}").all():  # nanoseconds have 19 digits
        return integers(text)
    values = numbers(found)
    if text is not None and not np.isfinite(values.iloc[0]):
        return _dates(text, found, source, expected)
    bad = ~np.isfinite(values)
    if types.is_bool_dtype(found.dtype):
        bad[:] = True
    refuse(bad, source, found, expected)
    return values


def _dates(text: pd.Series, found: pd.Series, source: Path | str, expected: str) -> pd.Series:
    """Dates from text: all with a time zone, or all without."""
    pattern = DATE + (ZONE if re.fullmatch(DATE + ZONE, str(text.iloc[0])) else "")
    values = pd.to_datetime(text.where(text.str.fullmatch(pattern)), format="ISO8601", errors="coerce", utc=True)
    refuse(values.isna(), source, found, expected)
    return values


def texts(frame: pd.DataFrame, column: str, source: Path | str) -> pd.Series:
    """A column of texts, some of which may be missing; writes integers as text, refuses other types.

    Raises:
        DataError: names the first row of another type.
    """
    found = frame[column]
    bad = found.map(lambda value: not isinstance(value, (str, Integral))) & found.notna()
    refuse(bad, source, found, f"text as {column}")
    text = found.map(str, na_action="ignore").astype("str")
    refuse(text.fillna("").str.contains("\0", regex=False), source, found, f"text without NUL as {column}")
    return text
