"""Threads of numerical libraries."""

from collections.abc import Iterator
from contextlib import contextmanager

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
