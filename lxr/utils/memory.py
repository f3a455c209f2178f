"""Size of the free memory, and checks that refuse a call before it starts if it needs more."""

import contextlib
import ctypes

import psutil

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # options of mallopt(3)
SHARE = 0.9  # share of the free memory that a call may need: the estimates are rough


def fits(n_bytes: float) -> bool:
    """Return whether so many bytes are free."""
    return n_bytes <= SHARE * psutil.virtual_memory().available


def readable(n_bytes: float) -> str:
    """Return a size as people read it.

    Example:
        >>> readable(7.5e12), readable(2048)
        ('7.5 TB', '2.0 kB')
    """
    for unit in ("bytes", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} bytes" if unit == "bytes" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} TB"


def free() -> str:
    """Return the size of the free memory, for messages."""
    return readable(psutil.virtual_memory().available)


def check_memory(n_bytes: float, argument: str) -> None:
    """Refuse a call that would need more memory than is free.

    Args:
        n_bytes: a rough estimate of what the call needs at its peak.
        argument: the argument to lower.

    Raises:
        ValueError: names the argument, and both sizes.

    Example:
        >>> check_memory(1e18, "n_users")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: n_users: expected a call that fits into memory (... free), found one that needs ...: lower n_users
    """
    if not fits(n_bytes):
        raise ValueError(
            f"{argument}: expected a call that fits into memory ({free()} free), found one that needs {readable(n_bytes)}: "
            f"lower {argument}"
        )


def keep_freed_memory() -> None:
    """Let this process keep freed memory for its next tensors, if the C library can do that (glibc).

    Workers of dask are started such that they return it at once: every large tensor then begins with new pages of memory,
    which takes longer than a gradient. :func:`give_back` still returns it.

    Example:
        >>> keep_freed_memory()
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
        set_option = ctypes.CDLL(None).mallopt
        for option in (_MMAP_THRESHOLD, _TRIM_THRESHOLD):
            set_option(option, 2**30)


def give_back() -> None:
    """Return unused memory of this process to the system, if the C library can do that (glibc).

    Otherwise a process that creates large tensors of many sizes keeps more and more memory, in pieces.

    Example:
        >>> give_back()
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
