"""Quotes in separated text: quoted values, unclosed quotes, and quoted values that swallow rows."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lxr.data.reading.raw_text import breaks
from lxr.utils.storage import DataError

QUOTE, LINE_ENDS = ord('"'), (ord("\n"), ord("\r"))


@dataclass(frozen=True)
class Quotes:
    """Quoted values of a text.

    Attributes:
        any: whether there are quoted values.
        long: (start, end) of quoted values with line ends.
        stray: position of the first quote that begins a value but does not enclose it; None without such a quote.
    """

    any: bool
    long: tuple[tuple[int, int], ...] = ()
    stray: int | None = None


def find_quotes(content: bytes, separator: str) -> Quotes:
    """Find the quoted values: from a quote that begins a value to one that ends it, with doubled quotes between.

    Args:
        content: the text.
        separator: one character between values.
    """
    places = np.flatnonzero(np.frombuffer(content, np.uint8) == QUOTE)
    if not len(places):
        return Quotes(False)
    if _are_plain(content, separator, places):
        return Quotes(True)
    ends = re.escape(separator.encode()) + rb"\r\n"
    pattern = rb'(?:\A|(?<=[%b]))(?:("[^"]*+(?:""[^"]*+)*+")(?=[%b]|\Z)| *")' % (ends, ends)
    found, long, stray = False, [], None
    for match in re.finditer(pattern, content):
        if match[1] is None:
            stray = match.start() if stray is None else stray
        else:
            found = True
            if breaks(match[1]):
                long.append(match.span())
    return Quotes(found, tuple(long), stray)


def _are_plain(content: bytes, separator: str, places: np.ndarray) -> bool:
    """Return whether all quotes enclose values of one line or are doubled in them (a fast check of the usual case)."""
    if len(places) % 2:
        return False
    text, ends = np.frombuffer(b"\n" + content + b"\n", np.uint8), (ord(separator), *LINE_ENDS)
    opening, closing = places[::2] + 1, places[1::2] + 1
    doubled = opening[1:] == closing[:-1] + 1
    begins = np.isin(text[opening - 1], ends) | np.append(False, doubled)
    finishes = np.isin(text[closing + 1], ends) | np.append(doubled, False)
    line_ends = np.flatnonzero(np.isin(text, LINE_ENDS))
    in_line = np.searchsorted(line_ends, opening) == np.searchsorted(line_ends, closing)
    return bool((begins & finishes & in_line).all())


def _row_of(content: bytes, place: int, long: Iterable[tuple[int, int]]) -> int:
    """Return the row of a position, from 1: line ends within values do not count."""
    return breaks(content[:place]) + 1 - sum(breaks(content[start:end]) for start, end in long if end <= place)


def check_closed(content: bytes, quotes: Quotes, path: Path) -> None:
    """Refuse a quote that begins a value and is not closed at its end.

    Raises:
        DataError: names the row in which the quote opens.
    """
    if quotes.stray is not None:
        line = re.split(rb"[\r\n]", content[quotes.stray : quotes.stray + 80], maxsplit=1)[0].decode(errors="ignore")
        row = _row_of(content, quotes.stray, quotes.long)
        raise DataError(
            f"{path}, row {row}: expected a quote that opens a value to be closed at the end of the value, with quotes "
            f"inside it doubled, found {line!r}"
        )


def check_rows(
    content: bytes, quotes: Quotes, separator: str, columns: list[str], table: pd.DataFrame, shaped: list[str], path: Path
) -> None:
    """Refuse a quoted value whose lines look like rows: two stray quotes would swallow all rows between them.

    Args:
        content: the text, header included.
        quotes: its quoted values.
        separator: between values.
        columns: all columns of the file.
        table: some of these columns, as read.
        shaped: columns of ids and numbers; a line looks like a row if its values there look like other rows'.
        path: for the message.

    Raises:
        DataError: names the row in which the quote opens.
    """
    if not quotes.long:
        return
    shapes = {columns.index(name): set(map(shape, table[name].unique())) for name in shaped}
    for start, end in quotes.long:
        if _swallows(content, start, end, separator, len(columns), shapes):
            row = _row_of(content, start, quotes.long)
            raise DataError(
                f"{path}, row {row}: expected a quoted value, found one that seems to swallow rows, "
                f"{content[start : start + 60].decode(errors='ignore')!r}: remove or double the stray quote"
            )


def _swallows(content: bytes, start: int, end: int, separator: str, n_columns: int, shapes: dict[int, set[str]]) -> bool:
    """Return whether lines of one quoted value look like rows.

    That holds if any inner line looks like a row, or if the first line (from the start of the row) and the last line both
    do and the value is in the same column of both.
    """
    first = max(content.rfind(b"\n", 0, start), content.rfind(b"\r", 0, start)) + 1
    before, value = content[first:start].decode(), content[start:end].decode()
    opening, *within, closing = re.split(r"\r\n|\r|\n", value)
    column = re.sub(r'"(?:[^"]|"")*"', "", before).count(separator)
    if any(_looks_like_row(line.split(separator), n_columns, shapes) for line in within):
        return True
    upper, lower = [*[""] * column, *opening.split(separator)], [*closing.split(separator), *[""] * (n_columns - column - 1)]
    after = {place: known for place, known in shapes.items() if place > column}
    until = {place: known for place, known in shapes.items() if place <= column}
    return _looks_like_row(upper, n_columns, after) and _looks_like_row(lower, n_columns, until)


def _looks_like_row(values: list[str], n_columns: int, shapes: dict[int, set[str]]) -> bool:
    """Return whether a line has as many values as a row, with ids and numbers of the same shapes."""
    return len(values) == n_columns and all(shape(values[column]) in known for column, known in shapes.items())


def shape(text: str) -> str:
    """Return the sequence of kinds of characters in a text.

    Example:
        >>> shape("B0042"), shape(" 3.5"), shape("and so on")
        ('a9', '9.9', 'a a a')
    """
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", str(text).strip().strip('"')))
