"""Readers of tables, checked line by line, and of the user's own ratings: CSV, TSV, Parquet, RecBole's atomic files."""

import csv
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from lxr.data.reading.columns import integer_ids, numeric, text_ids, texts, times
from lxr.data.reading.dialect import SEPARATORS, Dialect, decimal_points, find_dialect
from lxr.data.reading.quotes import check_rows
from lxr.data.reading.raw_text import line_of, read_text
from lxr.utils.checks import check_paths, check_texts
from lxr.utils.memory import fits, free
from lxr.utils.storage import DataError

FIELD = "\x1f"  # replaces a longer separator for parsing
TIMESTAMP = "timestamp"  # an optional column
PARQUET_VALUE = 32  # rough number of bytes per value while reading


def read_ratings_file(
    path: str | Path,
    *,
    user_column: str = "user",
    item_column: str = "item",
    rating_column: str | None = "rating",
    items_path: str | Path | None = None,
    title_column: str = "title",
    timestamp_column: str | None = TIMESTAMP,
) -> pd.DataFrame:
    """Read a table of ratings, or of interactions without ratings.

    Every value is converted without loss, or refused with its row. Ids are integers if all of a column are written like
    integers (``007`` is not), else text; surrounding blanks are ignored. Integers beyond 64 bits are text. Floating-point
    ids have to be integers below 2⁵³. In RecBole's atomic files columns are named with or without their types,
    ``user_id:token`` or ``user_id``.

    The kind of file decides the separator, unless the header has exactly one other (``,``, ``;``, tab, ``|``). Where it is
    ``;``, numbers may have decimal commas. ``attrs["dialect"]`` records such a dialect.

    Args:
        path: a file with a header: ``.csv``, ``.tsv``, ``.inter`` (text in UTF-8; gzipped, ``.csv.gz``, or not), or
            ``.parquet``.
        user_column, item_column: columns of ids.
        rating_column: column of ratings; None for implicit data, where every row counts as a rating of 1.
        items_path: another such file (also ``.item``) with titles of items; the last title of an item counts. It may be
            ``path``.
        title_column: column of titles in ``items_path``, whose column of ids is ``item_column``.
        timestamp_column: column of times, numbers or dates like ``2026-01-31 12:00:00``; a file may lack ``timestamp``.
            None ignores times.

    Returns:
        A ratings frame, see :mod:`lxr.data.datasets`.

    Raises:
        ValueError: an argument is not a path or not the name of a column.
        DataError: a file is missing, of another kind or too large; a column or a value is missing; a value cannot be
            converted without loss; a quote is not closed; or no title belongs to an item of the ratings. The message names
            the row as spreadsheets count it: the header is row 1.

    Example:
        >>> read_ratings_file("plays.csv.gz", rating_column=None)  # doctest: +SKIP
    """
    check_paths(path=path, **({} if items_path is None else {"items_path": items_path}))
    check_texts(user_column=user_column, item_column=item_column, title_column=title_column)
    optional_columns = {"rating_column": rating_column, "timestamp_column": timestamp_column}
    check_texts(**{name: column for name, column in optional_columns.items() if column is not None})
    columns = {"user": user_column, "item": item_column, "rating": rating_column, TIMESTAMP: timestamp_column}
    ratings, dialect = _read_ratings(Path(path), {name: column for name, column in columns.items() if column is not None})
    dialects = {str(path): dialect}
    attrs: dict[str, Any] = {"source": [str(path)]}
    if items_path is not None:
        titles, dialects[str(items_path)] = _read_item_titles(Path(items_path), item_column, title_column)
        attrs = {"titles": _of_items(titles, ratings, path, items_path), "source": list(dialects)}
    unusual = [f"{name}: {', '.join(found.unusual)}" for name, found in dialects.items() if found.unusual]
    ratings.attrs = attrs | ({"dialect": unusual} if unusual else {})
    return ratings


def _read_ratings(path: Path, columns: dict[str, str]) -> tuple[pd.DataFrame, Dialect]:
    """Users, items, ratings and times of a user-provided file, and the dialect of the file.

    Args:
        path: the file.
        columns: name → column of the file; without ``rating``, every row counts as a rating of 1.
    """
    raw, dialect = _read_columns(path, columns, {TIMESTAMP} if columns.get(TIMESTAMP) == TIMESTAMP else set())
    ratings = pd.DataFrame({name: text_ids(raw[name], name, path) for name in ("user", "item")})
    ratings["rating"] = 1.0
    if "rating" in columns:
        raw["rating"], has_commas = decimals(raw["rating"], dialect, path)
        ratings["rating"] = numeric(raw, "rating", path)
        dialect = dialect.with_commas() if has_commas else dialect
    if TIMESTAMP in raw:
        raw[TIMESTAMP], _ = decimals(raw[TIMESTAMP], dialect, path)
        ratings[TIMESTAMP] = times(raw, TIMESTAMP, path)
    return ratings.reset_index(drop=True), dialect


def _of_items(titles: pd.Series, ratings: pd.DataFrame, path: str | Path, items_path: str | Path) -> dict:
    """Item → title. If ids are numbers in one file and text in the other, they become text in both.

    Raises:
        DataError: no title belongs to an item of the ratings.
    """
    if titles.index.dtype != ratings["item"].dtype:
        titles.index, ratings["item"] = titles.index.astype("str"), ratings["item"].astype("str")
    if not titles.index.isin(ratings["item"]).any():
        raise DataError(
            f"{items_path}: expected titles of the items of {path}, {ratings['item'].iloc[:3].tolist()} and others, "
            f"found none but of {titles.index[:3].tolist()}"
        )
    return titles.to_dict()


def decimals(values: pd.Series, dialect: Dialect, path: Path) -> tuple[pd.Series, bool]:
    """Numbers with decimal points, and whether they had commas (only in files separated by ``;``)."""
    return decimal_points(values, str(values.name), path) if dialect.separator == ";" else (values, False)


def _read_item_titles(path: Path, item_column: str, title_column: str) -> tuple[pd.Series, Dialect]:
    """Titles of a user-provided file, keyed by item id, and the dialect of the file."""
    raw, dialect = _read_columns(path, {"item": item_column, "title": title_column})
    titles = texts(raw, "title", path)
    titles = (titles.str.strip() if dialect.blanks else titles).set_axis(text_ids(raw["item"], "item", path))
    return titles[titles.fillna("") != ""], dialect


def _read_columns(path: Path, names: dict[str, str], optional: Iterable[str] = ()) -> tuple[pd.DataFrame, Dialect]:
    """Some columns of a user-provided file.

    Args:
        path: the file, of a known kind.
        names: name in the result → name in the file.
        optional: columns that the file may lack.

    Returns:
        The columns, text as strings, and the dialect of the file; the index is the number of the row.

    Raises:
        DataError: the file is missing, of another kind or malformed, or lacks a column.
    """
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if suffix == ".parquet":
        table, found, dialect = *read_parquet(path, names, optional), Dialect("", None)
    elif suffix in SEPARATORS:
        table, found, dialect = _read_own_text(path, names, optional, suffix)
    else:
        raise DataError(f"{path}: expected a file {', '.join(SEPARATORS)} or .parquet, found {suffix or 'no suffix'}")
    return table[list(found.values())].set_axis(list(found), axis=1).rename_axis("row"), dialect


def read_parquet(path: Path, names: dict[str, str], optional: Iterable[str]) -> tuple[pd.DataFrame, dict[str, str]]:
    """Columns of a Parquet file, and their names in it.

    Raises:
        DataError: the file is missing, not Parquet, has no rows, does not fit into memory, or lacks a column.
    """
    try:
        with pa.parquet.ParquetFile(path) as file:
            found = _find_columns(names, optional, file.schema_arrow.names, path)
            n_rows = file.metadata.num_rows
            if not fits(n_rows * len(found) * PARQUET_VALUE):
                raise DataError(f"{path}: expected a file that fits into memory ({free()} free), found {n_rows} rows")
            table = file.read(columns=list(found.values())).to_pandas(ignore_metadata=True)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: not a readable Parquet file: {error}") from error
    if table.empty:
        raise DataError(f"{path}: expected at least one row, found none")
    table.index += 1
    return table, found


def _read_own_text(
    path: Path, names: dict[str, str], optional: Iterable[str], suffix: str
) -> tuple[pd.DataFrame, dict[str, str], Dialect]:
    """Columns of a text file with a header, their names in it, and its dialect."""
    content = read_text(path, header=True)
    dialect, quotes = find_dialect(content, suffix, path)
    header, end = _first_row(content, quotes.long)
    quoting = {"quotechar": dialect.quote} if dialect.quote else {"quoting": csv.QUOTE_NONE}
    columns = [name.strip() for name in next(csv.reader([header], delimiter=dialect.separator, **quoting))]
    found = _find_columns(names, optional, columns, path)
    if not content[end:]:
        raise DataError(f"{path}: expected at least one line of data, found none")
    table = parse(
        content[end:], dialect.separator, columns, path, above=1, word="row", quote=dialect.quote, kept=list(found.values())
    )
    shaped = [column for name, column in found.items() if name != "title"]
    check_rows(content, quotes, dialect.separator, columns, table, shaped, path)
    return table, found, dialect


def _first_row(content: bytes, long: Iterable[tuple[int, int]] = ()) -> tuple[str, int]:
    """The first row of a text, and the start of the second; ``long`` are the places of values with line ends."""
    for match in re.finditer(rb"\r\n|\r|\n", content):
        if not any(start < match.start() < end for start, end in long):
            return content[: match.start()].decode(), match.end()
    return content.decode(), len(content)


def _find_columns(names: dict[str, str], optional: Iterable[str], known: list[str], path: Path) -> dict[str, str]:
    """Find the names of columns in a file, where RecBole may add a type, as in ``rating:float``.

    Args:
        names: name in the result → name in the file, perhaps without its type.
        optional: columns that may be absent.
        known: names of all columns of the file.
        path: for messages.

    Returns:
        Name in the result → name in the file.

    Raises:
        DataError: a column is missing or repeated.
    """
    found = {}
    for wanted, name in names.items():
        columns = [column for column in known if name in (column, column.partition(":")[0])]
        if len(columns) > 1 or (not columns and wanted not in optional):
            number = "one column" if columns else "a column"
            raise DataError(f"{path}: expected {number} {name}, found {', '.join(known)}")
        if columns:
            found[wanted] = columns[0]
    if len(set(found.values())) < len(found):
        raise DataError(f"{path}: expected different columns, found {', '.join(found.values())}")
    return found


def read_table(
    path: Path,
    separator: str,
    columns: list[str],
    encoding: str = "utf-8",
    header: bool = False,
    optional: int = 0,
) -> pd.DataFrame:
    """Read a plain separated text file as strings, one column per name, and check every line.

    Args:
        path: the file, gzipped or not.
        separator: one character or more between values.
        columns: their names.
        encoding: encoding of the text.
        header: whether the first line is a header.
        optional: number of last columns that the file may lack.

    Returns:
        The columns that the file has; the index is the number of the line.

    Raises:
        DataError: the file cannot be decoded or a line has another number of fields; names the file and the line.
    """
    content = read_text(path, encoding, header)
    first, end = _first_row(content)
    columns = columns[: max(first.count(separator) + 1, len(columns) - optional)]
    return parse(content[end:] if header else content, separator, columns, path, above=int(header))


def parse(
    content: bytes,
    separator: str,
    columns: list[str],
    path: Path,
    above: int = 0,
    word: str = "line",
    quote: str | None = None,
    kept: list[str] | None = None,
) -> pd.DataFrame:
    """Parse lines of separated values as strings, or refuse the first line that has too many or too few.

    Args:
        content: the text.
        separator: between values.
        columns: names, one for each value of a line.
        path: for messages.
        above: number of lines above these.
        word: word for a line in messages.
        quote: character that may enclose values.
        kept: columns to keep; all by default.

    Returns:
        The kept columns; the index is the number of the line.

    Raises:
        DataError: names the file, the line, the expected and the found content.
    """
    delimiter = separator if len(separator) == 1 else FIELD
    if delimiter != separator and FIELD.encode() in content:
        line = line_of(content, content.find(FIELD.encode())) + above
        raise DataError(f"{path}, {word} {line}: expected text, found the control character {FIELD!r}")
    content, bad = content.replace(separator.encode(), delimiter.encode()), []

    def note(row) -> str:
        bad.append(row)
        return "error"

    try:
        table = pa.csv.read_csv(
            pa.BufferReader(content),
            pa.csv.ReadOptions(column_names=columns, use_threads=False, block_size=1 << 24),
            pa.csv.ParseOptions(
                delimiter=delimiter,
                quote_char=quote or False,
                newlines_in_values=quote is not None,
                ignore_empty_lines=False,
                invalid_row_handler=note,
            ),
            pa.csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.string()), include_columns=kept or columns),
        )
    except pa.ArrowInvalid as error:
        if not bad:
            raise DataError(f"{path}: expected lines of {separator.join(columns)}, found {error}") from error
        expected = separator.join(columns).replace("\t", "<tab>")
        found = bad[0].text.replace(delimiter, separator)[:80]
        raise DataError(f"{path}, {word} {bad[0].number + above}: expected {expected}, found {found!r}") from error
    frame = table.to_pandas()
    frame.index += above + 1
    return frame.rename_axis(word)


def read_ratings(path: Path, separator: str, header: bool = False, n_columns: int = 4, optional: int = 0) -> pd.DataFrame:
    """Read a file of lines ``user, item, rating, timestamp``, or of the first of them.

    Args:
        path: the file.
        separator: between values.
        header: whether the first line has names.
        n_columns: number of these four columns in a line.
        optional: number of last columns that the file may lack.
    """
    columns = ["user", "item", "rating", "timestamp"][:n_columns]
    raw = read_table(path, separator, columns, header=header, optional=optional)
    ratings = {column: integer_ids(raw, column, path) for column in ("user", "item")}
    ratings |= {column: numeric(raw, column, path, integer=column != "rating") for column in raw.columns[2:]}
    return pd.DataFrame(ratings).reset_index(drop=True)
