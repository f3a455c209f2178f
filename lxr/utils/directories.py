"""Directories that are written completely or not at all, like files of :mod:`lxr.utils.storage`."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from lxr.utils.storage import DataError, as_path, sweep, temporary_name


@contextlib.contextmanager
def atomic_directory(path: str | Path, *, marker: str) -> Iterator[Path]:
    """Context with a temporary directory next to ``path``: it replaces ``path`` on success and is removed on failure.

    An existing directory is replaced only after the new one is complete. If a process is killed between the two renames,
    the old directory is still there under a hidden name, and :func:`whole_directory` finds it.

    Args:
        path: the directory to write.
        marker: name of a file that every directory of this kind has. A directory without it is not replaced.

    Raises:
        ValueError: ``path`` is not a path.
        DataError: ``path`` is a file, or a directory with other content.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     with atomic_directory(f"{parent}/pair", marker="a") as temporary:
        ...         for name in ("a", "b"):
        ...             _ = (temporary / name).write_text(name, encoding="utf-8")
        ...     sorted(path.name for path in Path(parent, "pair").iterdir())
        ['a', 'b']
    """
    path = as_path(path)
    previous = _previous(path)
    if path.exists() and not (path / marker).is_file() and not (path.is_dir() and not any(path.iterdir())):
        raise DataError(f"{path}: expected a new directory or one with {marker}, found other content, which is not replaced")
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent, recursive=False)
    temporary = temporary_name(path)
    temporary.mkdir()
    try:
        yield temporary
        if path.exists():
            shutil.rmtree(previous, ignore_errors=True)
            path.rename(previous)
        temporary.rename(path)
        shutil.rmtree(previous, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _previous(path: Path) -> Path:
    """Hidden name of a directory while another one replaces it."""
    return path.with_name(f".{path.name}.previous")


def whole_directory(path: str | Path) -> Path:
    """``path``, or its hidden name if a process was killed while it replaced the directory."""
    path = as_path(path)
    return _previous(path) if not path.exists() and _previous(path).is_dir() else path
