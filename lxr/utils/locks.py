"""One run at a time in a directory: a lock that ends with its process, and a file that names the process."""

import contextlib
import errno
import os
import platform
import sys
import time
import warnings
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TextIO

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK = "run.lock"
HELD = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)  # errors of a lock that another process holds
BEYOND = 2**30  # the locked byte on Windows, where a locked byte cannot be read: beyond the text
PAUSE = 0.2  # seconds between two attempts


class LockedError(OSError):
    """Another process holds the lock; the message names it."""


@contextlib.contextmanager
def only_run(root: Path, wait: bool = False) -> Iterator[None]:
    """Hold the lock of a directory, and name this process in its file ``run.lock``.

    The operating system releases the lock when the process ends, however it ends.

    Args:
        root: the directory; it is created if it is missing.
        wait: for another process to release the lock.

    Raises:
        LockedError: another process holds the lock, and ``wait`` is false.
        OSError: the directory cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     with only_run(Path(directory)):
        ...         holder = (Path(directory) / "run.lock").read_text()
        >>> holder.startswith(f"process {os.getpid()} on ")
        True
    """
    path = root / LOCK
    try:
        root.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise OSError(f"cannot write to {root}: {error}") from error
    with file:
        said = False
        while not taken(file):
            file.seek(0)
            holder = file.read().strip() or "another process"
            if not wait:
                raise LockedError(
                    f"{root} is in use by another run: {holder}. "
                    "Wait for it to end (--wait does), end it, or choose another directory"
                )
            if not said:
                print(f"{root} is in use by another run: {holder}. Waiting for it to end", file=sys.stderr)
                said = True
            time.sleep(PAUSE)
        write(file, f"process {os.getpid()} on {platform.node()}, since {datetime.now():%Y-%m-%d %H:%M:%S}\n")
        try:
            yield
        finally:
            write(file, "")


def taken(file: TextIO) -> bool:
    """Take the lock of an open file; false if another process holds it."""
    try:
        if sys.platform == "win32":
            file.seek(BEYOND)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in HELD:
            return False
        warnings.warn(f"{file.name} cannot be locked ({error}): start one run at a time", stacklevel=2)
    return True


def write(file: TextIO, text: str) -> None:
    """Replace the text of an open file."""
    file.seek(0)
    file.truncate()
    file.write(text)
    file.flush()
