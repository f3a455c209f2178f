"""Threads of numerical libraries."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lxr.utils.extras import extra

_LOCK = threading.Lock()
_LIMITS: dict[str | None, list] = {}  # kind of libraries → the limit, and the number of contexts that need it


@contextmanager
def one_thread(user_api: str | None = None) -> Iterator[None]:
    """Context, or decorator, in which numerical libraries use one thread. The limit holds for the whole process.

    Args:
        user_api: ``"blas"`` or ``"openmp"``, to limit the libraries of one kind; all by default.
    """
    with extra("explainers"):
        from threadpoolctl import threadpool_limits
    with _LOCK:
        held = _LIMITS.get(user_api) or _LIMITS.setdefault(user_api, [threadpool_limits(1, user_api), 0])
        held[1] += 1
    try:
        yield
    finally:
        with _LOCK:
            held[1] -= 1
            if not held[1]:  # the last of several threads
                _LIMITS.pop(user_api)[0].restore_original_limits()


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Context in which PyTorch computes with so many threads: the last digits of its sums depend on their number.

    Example:
        >>> before = torch.get_num_threads()
        >>> with torch_threads(3):
        ...     torch.get_num_threads()
        3
        >>> torch.get_num_threads() == before
        True
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
