"""Raw files of datasets, as tests write them."""

from pathlib import Path

import pytest

import lxr


def write(directory: Path, files: dict[str, str | bytes | None], encoding: str = "latin-1") -> Path:
    """Write files into a directory; a text of None is no file."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if content is not None:
            (directory / name).write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return directory


def contents(directory: Path) -> list[str]:
    """Everything below a directory, hidden files included."""
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*"))


def message_of(name: str, data_dir: Path) -> str:
    """Message of the error when a dataset cannot be loaded."""
    with pytest.raises(lxr.DataError) as caught:
        lxr.load_ratings(name, data_dir)
    return str(caught.value)
