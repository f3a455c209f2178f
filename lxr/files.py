"""Tables in files, checked line by line; ratings in files of one's own: CSV, TSV, Parquet, RecBole's atomic files."""

import csv
import gzip
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from lxr.storage import DataError

SEPARATORS = {".csv": ",", ".tsv": "\t", ".inter": "\t", ".item": "\t"}
QUOTED = (".csv",)  # where a value may stand in quotes, and contain separators and line ends
FIELD = "\x1f"  # what a longer separator is replaced with for parsing: no file has it
WHOLE = r"0|-?[1-9]\d{0,17}"  # an integer of 64 bits as str() writes it: 007 is none


def read_ratings_file(
    path: str | Path,
    user_column: str = "user",
    item_column: str = "item",
    rating_column: str | None = "rating",
    items_path: str | Path | None = None,
    title_column: str = "title",
) -> pd.DataFrame:
    """Read a table of ratings, or of interactions without ratings.

    Ids may be any text or numbers: they become integers if all of a column are (``007`` is none), else strings. In
    RecBole's atomic files columns are named with or without their types, ``user_id:token`` or ``user_id``.

    Args:
        path: a file with a header: ``.csv``, ``.tsv``, ``.inter`` (text in UTF-8; gzipped, ``.csv.gz``, or not), or
            ``.parquet``.
        user_column, item_column: its columns of ids.
        rating_column: its column of ratings; None for implicit data, in which every row counts as a rating of 1.
        items_path: another such file (also ``.item``) with titles of items, the last of an item counts. It may be ``path``.
        title_column: its column of titles; its column of ids is called as in ``path``.

    Returns:
        A ratings frame, see :mod:`lxr.datasets`.

    Raises:
        DataError: a file is missing or of another kind, a column or a value is missing, a rating is no finite number, or no
            title is of an item of the ratings. The message names the row as spreadsheets do, in which the header is row 1.

    Example:
        >>> read_ratings_file("plays.csv.gz", rating_column=None)  # doctest: +SKIP
    """
    path = Path(path)
    columns = {"user": user_column, "item": item_column, "rating": rating_column}
    raw = read_columns(path, {name: column for name, column in columns.items() if column is not None})
    ratings = pd.DataFrame({name: ids(raw, name, path) for name in ("user", "item")})
    ratings["rating"] = 1.0 if rating_column is None else numeric(raw, "rating", path)
    ratings = ratings.reset_index(drop=True)
    ratings.attrs = {"source": [str(path)]}
    if items_path is not None:
        titles = read_item_titles(Path(items_path), item_column, title_column)
        if titles.index.dtype != ratings["item"].dtype:  # numbers in one file, strings in the other
            titles.index, ratings["item"] = titles.index.astype("str"), ratings["item"].astype("str")
        if not titles.index.isin(ratings["item"]).any():
            raise DataError(
                f"{items_path}: expected titles of the items of {path}, {ratings['item'].iloc[:3].tolist()} and others, "
                f"found none but of {titles.index[:3].tolist()}"
            )
        ratings.attrs = {"titles": titles.to_dict(), "source": list(dict.fromkeys([str(path), str(items_path)]))}
    return ratings


def read_item_titles(path: Path, item_column: str, title_column: str) -> pd.Series:
    """Titles of a file of one's own, by the ids of their items."""
    raw = read_columns(path, {"item": item_column, "title": title_column})
    titles = raw["title"].astype("str").set_axis(ids(raw, "item", path))
    return titles[(titles != "") & raw["title"].notna().to_numpy()]


def read_columns(path: Path, names: dict[str, str]) -> pd.DataFrame:
    """Some columns of a file of one's own.

    Args:
        path: the file, of a known kind.
        names: what the columns are to be called → what they are called in the file.

    Returns:
        The columns, text as strings; the index is the number of the row.

    Raises:
        DataError: the file is missing, of another kind or malformed, or lacks a column.
    """
    suffix = Path(path.name.removesuffix(".gz")).suffix
    if suffix == ".parquet":
        table = read_parquet(path, names.values())
    elif suffix in SEPARATORS:
        table = read_own_text(path, names.values(), SEPARATORS[suffix], '"' if suffix in QUOTED else None)
    else:
        raise DataError(f"{path}: expected a file {', '.join(SEPARATORS)} or .parquet, found {suffix or 'no suffix'}")
    return table.set_axis(list(names), axis=1).rename_axis("row")


def read_parquet(path: Path, wanted: Iterable[str]) -> pd.DataFrame:
    """Columns of a Parquet file.

    Raises:
        DataError: the file is missing or no Parquet, has no rows, or lacks a column.
    """
    try:
        with pa.parquet.ParquetFile(path) as file:
            found = find_columns(wanted, file.schema_arrow.names, path)
            table = file.read(columns=found).to_pandas(ignore_metadata=True)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: expected a Parquet file, found none: {error}") from error
    if table.empty:
        raise DataError(f"{path}: expected at least one row, found none")
    table.index += 1
    return table[found]


def read_own_text(path: Path, wanted: Iterable[str], separator: str, quote: str | None) -> pd.DataFrame:
    """Columns of a text file with a header."""
    content = read_text(path, header=True)
    header = content.partition(b"\n")[0].decode().rstrip("\r")
    quoting = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
    columns = next(csv.reader([header], delimiter=separator, **quoting))
    found = find_columns(wanted, columns, path)
    return parse(content, separator, columns, path, skip=1, word="row", quote=quote, kept=found)[found]


def find_columns(wanted: Iterable[str], known: list[str], path: Path) -> list[str]:
    """Names of columns as they stand in a file, where RecBole adds a type to them, as in ``rating:float``.

    Raises:
        DataError: a column is absent or there more than once.
    """
    found = []
    for name in wanted:
        columns = [column for column in known if name in (column, column.partition(":")[0])]
        if len(columns) != 1:
            number = "one column" if columns else "a column"
            raise DataError(f"{path}: expected {number} {name}, found {', '.join(known)}")
        found += columns
    if len(set(found)) < len(found):
        raise DataError(f"{path}: expected different columns, found {', '.join(found)}")
    return found


def read_table(
    path: Path,
    separator: str,
    columns: list[str],
    encoding: str = "utf-8",
    header: bool = False,
    optional: int = 0,
) -> pd.DataFrame:
    """Read a plain separated text file as strings, one column per name, with an exact check of every line.

    Args:
        path: the file, gzipped or not.
        separator: of values, one character or more.
        columns: their names.
        encoding: of the text.
        header: whether the first line is none of data.
        optional: how many of the last columns the file may lack.

    Returns:
        The columns that the file has; the index is the number of the line.

    Raises:
        DataError: the file cannot be decoded or a line has another number of fields; names the file and the line.
    """
    content = read_text(path, encoding, header)
    found = content.partition(b"\n")[0].count(separator.encode()) + 1
    columns = columns[: max(found, len(columns) - optional)]
    return parse(content, separator, columns, path, skip=int(header))


def read_text(path: Path, encoding: str = "utf-8", header: bool = False) -> bytes:
    """A text, gzipped or not, as UTF-8: lines of data, perhaps below a header, with no byte order mark before them.

    Raises:
        DataError: the file is missing, cannot be decoded, or has no line of data.
    """
    try:
        content = path.read_bytes()
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line, byte = content.count(b"\n", 0, error.start) + 1, content[error.start]
        raise DataError(f"{path}, line {line}: expected {encoding} text, found byte {byte:#x}") from error
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: expected a file to read, found none: {reason}") from error
    lines = text.removeprefix("\ufeff").rstrip("\r\n")  # nor empty lines at the end
    if not lines or (header and "\n" not in lines):
        raise DataError(f"{path}: expected at least one line of data, found none")
    return lines.encode()


def parse(
    content: bytes,
    separator: str,
    columns: list[str],
    path: Path,
    skip: int = 0,
    word: str = "line",
    quote: str | None = None,
    kept: list[str] | None = None,
) -> pd.DataFrame:
    """Parse lines of separated values as strings, or refuse the first line that has too many or too few.

    Args:
        content: the text.
        separator: of values.
        columns: names, one for each value of a line.
        path: for messages.
        skip: number of lines before the first.
        word: what a line is called.
        quote: what values may be enclosed in.
        kept: the columns that are kept, all unless given.

    Returns:
        The kept columns; the index is the number of the line.

    Raises:
        DataError: names the file, the line, what was expected and what was found.
    """
    delimiter = separator if len(separator) == 1 else FIELD
    content = content.replace(separator.encode(), delimiter.encode())
    bad = []

    def note(row) -> str:
        bad.append(row)
        return "error"

    try:
        table = pa.csv.read_csv(
            pa.BufferReader(content),
            pa.csv.ReadOptions(column_names=columns, skip_rows=skip, use_threads=False, block_size=1 << 24),
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
        raise DataError(f"{path}, {word} {bad[0].number}: expected {expected}, found {found!r}") from error
    frame = table.to_pandas()
    frame.index += skip + 1
    return frame.rename_axis(word)


def numeric(frame: pd.DataFrame, column: str, path: Path, integer: bool = False) -> pd.Series:
    """A column as finite numbers, or as integers from 0; a :class:`DataError` names the first row that is none."""
    values = pd.to_numeric(frame[column], errors="coerce")
    bad = ~np.isfinite(values)
    if integer:
        bad |= (values % 1 != 0) | ~values.between(0, 2**53)
    refuse(bad, path, frame[column], f"{'a non-negative integer' if integer else 'a number'} as {column}")
    return values.astype(np.int64 if integer else np.float64)


def refuse(bad: pd.Series, path: Path, found: pd.Series, expected: str) -> None:
    """Name the first bad line of a file, if there is one, and what was found in it.

    Raises:
        DataError: names the file, the line, what was expected and what was found.
    """
    if bad.any():
        row = bad.idxmax()
        raise DataError(f"{path}, {found.index.name} {row}: expected {expected}, found {found[row]!r}")


def ids(frame: pd.DataFrame, column: str, path: Path) -> pd.Series:
    """A column as ids: integers if all of them are, else strings.

    Raises:
        DataError: an id is missing; names the first such row.
    """
    values = frame[column]
    text = values.astype("str").str.strip()
    missing = values.isna() | (text == "")
    if missing.any():
        raise DataError(f"{path}, {frame.index.name} {missing.idxmax()}: expected an id of the {column}, found none")
    if pd.api.types.is_float_dtype(values) and (values % 1 == 0).all():  # integers, of which other rows had none
        return values.astype(np.int64)
    return text.astype(np.int64) if text.str.fullmatch(WHOLE).all() else text


def read_ratings(path: Path, separator: str, header: bool = False, n_columns: int = 4, optional: int = 0) -> pd.DataFrame:
    """Read a file of lines ``user, item, rating, timestamp``, or of the first of them.

    Args:
        path: the file.
        separator: of values.
        header: whether its first line has names.
        n_columns: how many of the four a line has.
        optional: how many of these the file may lack.
    """
    columns = ["user", "item", "rating", "timestamp"][:n_columns]
    raw = read_table(path, separator, columns, header=header, optional=optional)
    return pd.DataFrame(
        {column: numeric(raw, column, path, integer=column != "rating") for column in raw.columns}
    ).reset_index(drop=True)
