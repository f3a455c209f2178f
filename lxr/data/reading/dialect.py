"""Dialect of a text with a header: separator, quotes, decimal comma, blanks, line ends; detected by rules."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from lxr.data.reading.quotes import Quotes, check_closed, find_quotes
from lxr.utils.storage import DataError

SEPARATORS = {".csv": ",", ".tsv": "\t", ".inter": "\t", ".item": "\t"}
CANDIDATES = (",", ";", "\t", "|")
UNQUOTED = (".inter", ".item")  # RecBole's atomic files, where quotes are plain characters
COMMA = r"[+-]?(\d+,\d*|,\d+)"  # a number with a decimal comma …
THOUSANDS = r"[+-]?[1-9]\d{0,2}(,\d{3})+"  # … or with separated thousands


@dataclass(frozen=True)
class Dialect:
    """Format of the values in a text file.

    Attributes:
        separator: between values.
        quote: character that may enclose values, or None.
        unusual: differences to the usual form of this kind of file, in words.
        blanks: whether blanks follow the separators.
    """

    separator: str
    quote: str | None
    unusual: tuple[str, ...] = ()
    blanks: bool = False

    def with_commas(self) -> "Dialect":
        """Return the same dialect, with decimal commas."""
        return replace(self, unusual=(*self.unusual, "decimal ','"))


def find_dialect(content: bytes, suffix: str, path: Path) -> tuple[Dialect, Quotes]:
    """Detect how the values of a text are written.

    The kind of file decides the separator, unless the header contains exactly one other candidate instead. Quotes of a
    ``.tsv`` enclose values if every quote at the start of a value does, and are plain characters if none does.

    Args:
        content: the text, with a header.
        suffix: kind of file, a key of ``SEPARATORS``.
        path: for messages.

    Returns:
        The dialect, and the values in quotes.

    Raises:
        DataError: quotes are not closed, or enclose values in some rows only.
    """
    header = re.split(rb"[\r\n]", content, maxsplit=1)[0].decode()
    separator = _separator_of(header, SEPARATORS[suffix])
    quotes = Quotes(False) if suffix in UNQUOTED else find_quotes(content, separator)
    if suffix == ".tsv" and not quotes.any:
        quotes = Quotes(False)
    check_closed(content, quotes, path)
    quote = '"' if quotes.any or suffix == ".csv" else None
    blanks = bool(re.search(re.escape(separator) + " ", header))
    unusual = {
        f"separator {separator!r}": separator != SEPARATORS[suffix],
        "values in quotes": suffix != ".csv" and quote,
        "blanks after separators": blanks,
        "line ends CR": b"\n" not in content,
    }
    return Dialect(separator, quote, tuple(words for words, holds in unusual.items() if holds), blanks), quotes


def _separator_of(header: str, usual: str) -> str:
    """Return the separator of a header: the usual one, unless there is exactly one other."""
    bare = re.sub(r'"[^"]*"', "", header)
    others = [candidate for candidate in CANDIDATES if candidate in bare]
    return others[0] if usual not in others and len(others) == 1 else usual


def decimal_points(values: pd.Series, column: str, path: Path) -> tuple[pd.Series, bool]:
    """Numbers with decimal points instead of decimal commas.

    Args:
        values: numbers as text.
        column: name of the column, for messages.
        path: for messages.

    Returns:
        The numbers, and whether they had decimal commas.

    Raises:
        DataError: commas and points are mixed, or all commas may separate thousands; names the row.
    """
    text = values.str.strip()
    commas = text.str.fullmatch(COMMA)
    if not commas.any():
        return values, False
    points = text.str.contains(".", regex=False)
    if points.any():
        row, other = points.idxmax(), commas.idxmax()
        raise DataError(f"{path}, row {row}: expected a decimal comma as {column}, as in row {other}, found {text[row]!r}")
    if text[commas].str.fullmatch(THOUSANDS).all():
        row = commas.idxmax()
        raise DataError(
            f"{path}, row {row}: expected a number as {column}, found {text[row]!r}, whose comma may be a decimal comma or "
            "separate thousands: write a decimal point, or no comma"
        )
    return text.where(~commas, text.str.replace(",", ".", regex=False)), True
