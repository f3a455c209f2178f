"""Files that are either whole or absent: atomic writing, checked reading."""

import contextlib
import hashlib
import os
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd


class DataError(ValueError):
    """A file or its content is unusable; the message names the file or row, what was expected and what was found.

    Example:
        >>> import lxr
        >>> lxr.prepare(pd.DataFrame({"user": [1], "item": [2], "rating": ["good"]}))
        Traceback (most recent call last):
        ...
        lxr.storage.DataError: ratings, row 0: expected a number as rating, found 'good'
    """


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on success it is renamed to ``path``, on failure it is removed.

    Example:
        >>> with atomic_path("table.csv") as temporary:  # doctest: +SKIP
        ...     frame.to_csv(temporary)
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def save_npz(path: str | Path, **arrays: np.ndarray) -> None:
    """Write named arrays to one ``.npz`` file, atomically."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def read_npz(path: str | Path, required: tuple[str, ...]) -> dict[str, np.ndarray]:
    """All arrays of an ``.npz`` file.

    Raises:
        DataError: the file is missing, corrupt or lacks a required array.
    """
    try:
        with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing: run the stage that makes it") from error
    except Exception as error:  # a damaged archive raises many kinds
        raise DataError(f"{path} is corrupt ({error}): delete it and run the stage that makes it") from error
    absent = [name for name in required if name not in arrays]
    if absent:
        raise DataError(f"{path}: expected the arrays {', '.join(required)}, but {', '.join(absent)} is absent")
    return arrays


def save_frame(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a frame as Parquet, without its index, atomically.

    Args:
        frame: the frame.
        path: the file.

    Example:
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     save_frame(pd.DataFrame({"seconds": [0.5]}), f"{directory}/cost.parquet")
        ...     pd.read_parquet(f"{directory}/cost.parquet").to_dict("list")
        {'seconds': [0.5]}
    """
    with atomic_path(path) as temporary:
        frame.to_parquet(temporary, index=False)
