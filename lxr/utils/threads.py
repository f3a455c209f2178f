"""Threads of numerical libraries."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lxr.utils.extras import extra


@contextmanager
def one_thread(user_api: str | None = None) -> Iterator[None]:
    """Context, or decorator, in which numerical libraries use one thread.

    Args:
        user_api: ``"blas"`` or ``"openmp"``, to limit the libraries of one kind; all by default.
    """
    with extra("explainers"):
        from threadpoolctl import threadpool_limits
    with threadpool_limits(1, user_api):
        yield


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
