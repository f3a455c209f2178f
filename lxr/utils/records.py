"""Records: JSON objects that carry the checksum of their content."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from lxr.utils.storage import atomic_path

# --- plain values ----------------------------------------------------------------------------------------------------


def plain(value: Any, name: str) -> Any:
    """Convert NumPy's numbers and texts within a value to Python's, which every reader knows.

    Args:
        value: numbers, texts, or lists, tuples and dictionaries of them.
        name: name of the value, for messages.

    Raises:
        ValueError: the value is or contains something else.

    Example:
        >>> plain({"n_factors": np.int64(8), "layers": (np.int64(16), 8)}, "options")
        {'n_factors': 8, 'layers': (16, 8)}
    """
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        value = value.item()
    if value is None or isinstance(value, bool):
        return value
    for kind in (int, float, str):  # also their subclasses: enumerations, NumPy's texts
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    if isinstance(value, np.ndarray):
        return plain(value.tolist(), name)
    if isinstance(value, (list, tuple)):
        parts = [plain(part, f"{name}[{place}]") for place, part in enumerate(value)]
        return tuple(parts) if isinstance(value, tuple) else parts
    if isinstance(value, dict):
        named = {plain(key, f"a name in {name}"): part for key, part in value.items()}
        return {key: plain(part, f"{name}[{key!r}]") for key, part in named.items()}
    found = f"{value!r} ({type(value).__name__})"
    raise ValueError(f"{name}: expected numbers, texts, or lists, tuples and dictionaries of them, found {found}")


# --- records ---------------------------------------------------------------------------------------------------------


def _with_checksum(record: dict) -> dict:
    """JSON object with the checksum of its content as last entry, ``sha256``; converts NumPy's numbers and paths.

    Raises:
        ValueError: it contains something that JSON cannot hold.
    """
    content = json.loads(json.dumps(plain(record, "record")))
    content.pop("sha256", None)
    return content | {"sha256": _checksum_of(content)}


def _without_checksum(record: dict) -> dict:
    """Content of a JSON object of :func:`_with_checksum`; an object without a checksum is returned unchanged.

    Raises:
        ValueError: the content does not match the checksum.

    Example:
        >>> _without_checksum(_with_checksum({"seconds": np.float64(0.5)}))
        {'seconds': 0.5}
    """
    content = dict(record)
    name, expected = content.popitem() if content else ("", "")
    matches = expected == _checksum_of(content)
    if matches != (name == "sha256"):
        raise ValueError(f"expected the SHA-256 of its content as last entry, sha256, found {name}: {expected}")
    return content if matches else record


def _checksum_of(content: dict) -> str:
    """SHA-256 of a JSON object, whatever its layout."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_json(value: dict, path: Path) -> None:
    """Write JSON with a checksum, atomically, in a form that diffs well.

    Raises:
        ValueError: something that JSON cannot hold; nothing is written.
    """
    text = json.dumps(_with_checksum(value), indent=2, ensure_ascii=False) + "\n"
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")  # bytes of file names that are not UTF-8


def read_json(path: Path) -> dict | None:
    """A JSON object, or None if the file is missing or damaged."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return _without_checksum(value) if isinstance(value, dict) else None
    except (OSError, ValueError, RecursionError):
        return None
