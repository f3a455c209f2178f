"""Text of raw files: unpacked within the free memory, decoded exactly."""

import codecs
import gzip
import zlib
from pathlib import Path

from lxr.utils.memory import fits, free, readable
from lxr.utils.storage import DataError

CHUNK = 1 << 24  # bytes to unpack at a time
COPIES = 5  # copies of a text in memory while it is read and parsed
GZIP = b"\x1f\x8b"
NO_TEXT = {  # first bytes → kind of file
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
    b"PK\x03\x04": "a zip archive",
    b"PAR1": "a Parquet file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"\x28\xb5\x2f\xfd": "a zstd file",
}


def read_text(path: Path, encoding: str = "utf-8", header: bool = False) -> bytes:
    """Read a text, gzipped or not.

    Args:
        path: the file.
        encoding: encoding of a text that is not UTF-8.
        header: whether the first line has names.

    Returns:
        The text in UTF-8, without a byte order mark and without empty lines at its end.

    Raises:
        DataError: the file is missing, too large, cannot be decoded, or has no line of data.
    """
    lines = _as_utf8(read_bytes(path), encoding, path).removeprefix(codecs.BOM_UTF8).rstrip(b"\r\n")
    if not lines or (header and b"\n" not in lines and b"\r" not in lines):
        raise DataError(f"{path}: expected at least one line of data, found none")
    return lines


def read_bytes(path: Path) -> bytes:
    """Read a file, unpacked if it is gzipped.

    Raises:
        DataError: the file cannot be read, is damaged, or does not fit into memory.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(GZIP))
        _check_size(path.stat().st_size, path)
        return _unpack(path) if start == GZIP else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot read the file: {reason}") from error


def _unpack(path: Path) -> bytes:
    """Unpack a gzipped file piece by piece, as long as the pieces fit into memory."""
    pieces, size = [], 0
    with gzip.open(path, "rb") as file:
        while piece := file.read(CHUNK):
            pieces.append(piece)
            size += len(piece)
            _check_size(size, path, held=size)
    return b"".join(pieces)


def _check_size(size: int, path: Path, held: int = 0) -> None:
    """Refuse a file whose text does not fit into memory.

    Args:
        size: size of the text, as far as known.
        path: for the message.
        held: bytes of the text already in memory.

    Raises:
        DataError: names the file and the size.
    """
    if not fits(COPIES * size - held):
        raise DataError(
            f"{path}: expected a file that fits into memory ({free()} free), found at least {readable(size)} of text, "
            f"which takes {COPIES} times as much to read: split it, or write it as Parquet"
        )


def _as_utf8(content: bytes, encoding: str, path: Path) -> bytes:
    """Text in UTF-8: unchanged, or recoded from the encoding if it is not UTF-8.

    A text in latin-1 with letters beyond ASCII is never valid UTF-8 by accident, so both are read exactly.

    Raises:
        DataError: names the file, the line and the byte.
    """
    for start, kind in NO_TEXT.items():
        if content.startswith(start):
            raise DataError(f"{path}: expected {encoding} text, found {kind}")
    place = content.find(b"\0")
    if place >= 0:
        raise DataError(f"{path}, line {line_of(content, place)}: expected text, found a NUL byte")
    try:
        content.decode()
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            return content.decode(encoding).encode()
        line, byte = line_of(content, error.start), content[error.start]
        raise DataError(f"{path}, line {line}: expected utf-8 text, found byte {byte:#x}") from error
    return content


def line_of(content: bytes, place: int) -> int:
    """Return the number of the line of a byte, from 1."""
    return breaks(content[:place]) + 1


def breaks(content: bytes) -> int:
    """Return the number of line ends in a text, of any system."""
    return content.count(b"\n") + content.count(b"\r") - content.count(b"\r\n")
