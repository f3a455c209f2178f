"""Files with checksums: written completely or not at all, and checked when they are read.

Every file that the project writes for itself carries the SHA-256 of its content: in the comment of an ``.npz`` or ``.pt``
archive, in the metadata of a Parquet file, in the last entry of a JSON object. NumPy, PyTorch and pandas read such files
like any other. The functions of this module read nothing that does not match its checksum.
"""

import contextlib
import hashlib
import io
import itertools
import os
import platform
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

SEAL = b"lxr-sha256:"
BLANK = b"0" * 64  # placeholder while the checksum is computed
REPAIR = "delete it and run the stage that makes it, or save it again"
Content = TypeVar("Content")


class DataError(ValueError):
    """A file or its content is unusable; the message names the file or row, the expected and the found content.

    Example:
        >>> import lxr
        >>> lxr.prepare(pd.DataFrame({"user": [1], "item": [2], "rating": ["good"]}))
        Traceback (most recent call last):
        ...
        lxr.utils.storage.DataError: ratings, row 0: expected a number as rating, found 'good'
    """


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- atomic writing --------------------------------------------------------------------------------------------------


def _host() -> str:
    """Eight hexadecimal digits for the machine or container to which process ids belong."""
    namespace = Path("/proc/self/ns/pid")
    counted = str(namespace.readlink()) if namespace.is_symlink() else ""
    return hashlib.sha256(f"{platform.node()} {counted}".encode(errors="replace")).hexdigest()[:8]


HOST = _host()
TEMPORARY = re.compile(r"\..*\.(?P<host>[0-9a-f]{8})-(?P<process>\d+)-[0-9a-f]{8}\.tmp(\..*)?", re.DOTALL)


def temporary_name(path: Path) -> Path:
    """A new hidden name next to ``path``, with the same suffix and the id of the writing process."""
    writer = f"{HOST}-{os.getpid()}-{secrets.token_hex(4)}"
    return path.with_name(f".{path.stem[:40]}.{writer}.tmp{path.suffix[:20]}")


def as_path(path: str | Path) -> Path:
    """A path from a text or a path.

    Raises:
        ValueError: any other type.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise ValueError(f"path: expected the path of a file, found {path!r}")
    return Path(path)


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Context with a temporary path next to ``path``: it is renamed to ``path`` on success and removed on failure.

    The file has the permissions of any new file (the umask). Temporary files of processes that no longer run are removed.

    Raises:
        ValueError: ``path`` is not a path.
        DataError: ``path`` is a directory.

    Example:
        >>> with atomic_path("table.csv") as temporary:  # doctest: +SKIP
        ...     frame.to_csv(temporary)
    """
    path = as_path(path)
    if path.is_dir():
        raise DataError(f"{path}: expected a file to write, found a directory")
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent, recursive=False)
    temporary = temporary_name(path)
    temporary.touch(exist_ok=False)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sweep(directory: str | Path, recursive: bool = True) -> list[Path]:
    """Remove the temporary files that killed processes left in a directory; those of running processes stay.

    Args:
        directory: the directory; it may be missing.
        recursive: whether to look into its folders too.

    Returns:
        The removed paths.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     Path(directory, f".a.{HOST}-{2**22 + 1}-00000000.tmp.csv").touch()  # no process has this number
        ...     len(sweep(directory))
        1
    """
    removed = []
    for path in Path(directory).glob("**/.*" if recursive else ".*"):
        found = TEMPORARY.fullmatch(path.name)
        if found and found["host"] == HOST and not _is_writing(int(found["process"]), path):
            with contextlib.suppress(OSError):  # another process may remove it first
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                removed.append(path)
    return removed


def _is_writing(process: int, path: Path) -> bool:
    """Whether a process still runs, and is not a later process with the same id."""
    try:
        found, written = psutil.Process(process), path.stat().st_mtime
        return found.status() != psutil.STATUS_ZOMBIE and found.create_time() < written + 60
    except (psutil.NoSuchProcess, FileNotFoundError):
        return False
    except psutil.AccessDenied:
        return True


# --- checksums -------------------------------------------------------------------------------------------------------


def _write_checksum(path: Path) -> None:
    """Replace the placeholder in a file (``SEAL + BLANK``) by the checksum of its content."""
    content = path.read_bytes()
    start = content.rindex(SEAL + BLANK) + len(SEAL)
    with path.open("r+b") as file:
        file.seek(start)
        file.write(hashlib.sha256(content).hexdigest().encode())


@contextlib.contextmanager
def checked_archive(path: str | Path) -> Iterator[io.BufferedRandom]:
    """Context with a file for a zip archive (``.npz``, ``.pt``), which gets its checksum and is written atomically."""
    with atomic_path(path) as temporary:
        with temporary.open("w+b") as file:
            yield file
            file.seek(-2, io.SEEK_END)  # the length of the comment, which ends every zip archive
            comment = SEAL + BLANK
            file.write(len(comment).to_bytes(2, "little") + comment)
        _write_checksum(temporary)


def read_checked(path: str | Path, parse: Callable[[io.BytesIO], Content]) -> Content:
    """Read a file that carries the checksum of its content.

    Args:
        path: the file.
        parse: function of its content.

    Returns:
        The result of ``parse``.

    Raises:
        ValueError: ``path`` is not a path.
        DataError: the file is missing, its checksum is absent or wrong, or ``parse`` fails.
    """
    try:
        content = as_path(path).read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing: save it first, or run the stage that makes it") from error
    except OSError as error:
        raise DataError(f"{path}: cannot read the file: {error.strerror or error}") from error
    start = content.rfind(SEAL) + len(SEAL)
    if start < len(SEAL):
        raise DataError(f"{path} is damaged or of another version: it has no SHA-256 of its content: {REPAIR}")
    digest = hashlib.sha256(content[:start])
    digest.update(BLANK)
    digest.update(content[start + len(BLANK) :])
    expected, found = content[start : start + len(BLANK)].decode("ascii", "replace"), digest.hexdigest()
    if expected != found:
        raise DataError(f"{path} is damaged: expected SHA-256 {expected}, found {found}: {REPAIR}")
    try:
        return parse(io.BytesIO(content))
    except Exception as error:  # files made by hand: parsers of other libraries raise many kinds
        raise DataError(f"{path} is damaged: cannot read its content: {short(error)}: {REPAIR}") from error


def short(error: Exception) -> str:
    """Message of an error in one line, or its class."""
    return " ".join(str(error).split())[:300] or type(error).__name__


# --- arrays ----------------------------------------------------------------------------------------------------------


def save_npz(path: str | Path, **arrays: np.ndarray) -> None:
    """Write named arrays to one ``.npz`` file with a checksum, atomically."""
    with checked_archive(path) as file:
        np.savez_compressed(file, allow_pickle=True, **arrays)


def read_npz(path: str | Path, required: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Read all arrays of an ``.npz`` file of :func:`save_npz`.

    Raises:
        DataError: the file is missing, damaged or lacks a required array.
    """
    arrays = read_checked(path, lambda file: dict(np.load(file, allow_pickle=False)))
    absent = [name for name in required if name not in arrays]
    if absent:
        raise DataError(f"{path}: expected the arrays {', '.join(required)}, but {', '.join(absent)} is missing")
    return arrays


def text_array(texts: Sequence[str]) -> np.ndarray:
    """Texts as an array of Python strings of any length.

    Example:
        >>> text_array(["Alien", "Heat"]).dtype
        dtype('O')
    """
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array


def pack_text(name: str, texts: np.ndarray) -> dict[str, np.ndarray]:
    """Two arrays for :func:`save_npz`: ``name`` with the UTF-8 bytes of all texts, ``name_ends`` with the end of each.

    Raises:
        ValueError: an entry is not a text, or a text cannot be encoded as UTF-8.
    """
    encoded = []
    for place, text in enumerate(texts.tolist()):
        if not isinstance(text, str):
            raise ValueError(f"{name}, place {place}: expected a text, found {text!r}")
        try:
            encoded.append(text.encode())
        except UnicodeEncodeError as error:
            raise ValueError(f"{name}, place {place}: expected a text of Unicode characters, found {text!r}") from error
    lengths = np.array([len(text) for text in encoded], dtype=np.int64)
    return {name: np.frombuffer(b"".join(encoded), dtype=np.uint8), f"{name}_ends": lengths.cumsum()}


def unpack_text(name: str, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Texts (n,) from the two arrays of :func:`pack_text`.

    Raises:
        ValueError: the arrays are not of this form.
    """
    content, ends = arrays[name], arrays[f"{name}_ends"]
    if content.dtype != np.uint8 or content.ndim != 1 or not np.issubdtype(ends.dtype, np.integer) or ends.ndim != 1:
        raise ValueError(f"{name}: expected bytes and integers, found {content.dtype} and {ends.dtype}")
    bounds = np.concatenate([[0], ends])
    if (np.diff(bounds) < 0).any() or bounds[-1] != len(content):
        raise ValueError(f"{name}: expected ends that ascend to {len(content)}, the number of bytes")
    whole = content.tobytes()
    try:
        return text_array([whole[start:end].decode() for start, end in itertools.pairwise(bounds)])
    except UnicodeDecodeError as error:
        raise ValueError(f"{name}: expected texts in UTF-8, found {error.object[:20]!r}") from error


# --- frames ----------------------------------------------------------------------------------------------------------


def save_frame(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a frame as Parquet with a checksum, without its index, atomically.

    Args:
        frame: the frame.
        path: the file.

    Raises:
        ValueError: not a frame, or one that Parquet cannot hold; nothing is written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     save_frame(pd.DataFrame({"seconds": [0.5]}), f"{directory}/cost.parquet")
        ...     read_frame(f"{directory}/cost.parquet").to_dict("list")
        {'seconds': [0.5]}
    """
    if not isinstance(frame, pd.DataFrame):
        raise ValueError(f"frame: expected a DataFrame, found {type(frame).__name__}")
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise ValueError(f"frame: each column needs values of one kind: {short(error)}") from error
    save_table(table, path)


def save_table(table: pa.Table, path: str | Path) -> None:
    """Write a table of Arrow as Parquet with a checksum, atomically.

    Args:
        table: the table.
        path: the file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     save_table(pa.table({"reasons": [[1, 2], []]}), f"{directory}/reasons.parquet")
        ...     read_checked(f"{directory}/reasons.parquet", pq.read_table).to_pylist()
        [{'reasons': [1, 2]}, {'reasons': []}]
    """
    with atomic_path(path) as temporary:
        with pq.ParquetWriter(temporary, table.schema) as writer:
            writer.write_table(table)
            writer.add_key_value_metadata({"checksum": (SEAL + BLANK).decode()})
        _write_checksum(temporary)


def read_frame(path: str | Path, required: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read a frame of :func:`save_frame`.

    Args:
        path: the file.
        required: columns that it must have.

    Returns:
        The frame.

    Raises:
        DataError: the file is missing, damaged or lacks a required column.

    Example: see :func:`save_frame`.
    """
    frame = read_checked(path, pd.read_parquet)
    absent = [name for name in required if name not in frame]
    if absent:
        raise DataError(f"{path}: expected the columns {', '.join(required)}, but {', '.join(absent)} is missing")
    return frame
