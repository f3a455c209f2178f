"""One function on many independent shards: in this thread, or by the workers of an executor.

An executor is any ``concurrent.futures.Executor``: threads, processes, or a cluster (:func:`lxr.distributed.connect`). The
shards, their order and the number of threads of a shard do not depend on it, so neither do the results.
"""

import os
import pickle
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from lxr.utils.progress import progress_bar
from lxr.utils.storage import DataError, short
from lxr.utils.threads import torch_threads

AHEAD = 256  # shards that are sent before the oldest of them is finished


def map_shards(
    function: Callable[..., Any],
    shards: Sequence,
    *,
    shared: Sequence = (),
    executor: Executor | None = None,
    cut: Callable[[Any], Any] = lambda shard: shard,
    label: str | None = None,
    stage: str | None = None,
    ahead: int = AHEAD,
) -> Iterator:
    """Apply a function to independent shards: ``function(*shared, cut(shard))``.

    Args:
        function: a function at the top of a module, or a ``partial`` of one. A task runs with as many threads of PyTorch as
            the caller has, because sums depend on their number.
        shards: names of the shards for errors: rows (b,) of users, or numbers of files.
        shared: values that all shards need, such as recommenders and explainers. An executor with a method
            ``share(value)`` sends each one once to every worker. Threads copy nothing. Other executors pickle shared values
            with every shard.
        executor: computes the shards; None for this thread.
        cut: content of a shard, cut by the caller shortly before it is sent.
        label: label of a progress bar over the shards; None for no bar.
        stage: name of the work in errors; by default the label, or else the name of the function.
        ahead: number of shards that are sent before the oldest of them is finished; bounds the caller's memory. Twice the
            number of workers keeps them busy.

    Returns:
        Iterator of the results, in the order of the shards.

    Raises:
        DataError: with an executor: a shard failed, was lost with its worker, or cannot be pickled. Names the stage, the
            shard, the host and process if they are known, and the original error. The other shards are cancelled. Without
            an executor errors of the function are raised as they are.

    Example:
        >>> from concurrent.futures import ThreadPoolExecutor
        >>> with ThreadPoolExecutor(2) as threads:
        ...     list(map_shards(pow, [1, 2, 3], shared=[2], executor=threads))
        [2, 4, 8]
    """
    stage = stage or label or getattr(function, "func", function).__name__.strip("_").replace("_", " ")
    results = (
        (function(*shared, cut(shard)) for shard in shards)
        if executor is None
        else _results(function, shards, shared, executor, cut, stage, ahead)
    )
    return iter(progress_bar(results, total=len(shards), desc=label, unit="batch", disable=label is None))


def _results(
    function: Callable,
    shards: Sequence,
    shared: Sequence,
    executor: Executor,
    cut: Callable[[Any], Any],
    stage: str,
    ahead: int,
) -> Iterator:
    """:func:`map_shards` with an executor; the end of the iteration, for any reason, cancels shards that have not begun."""
    share = getattr(executor, "share", lambda value: value)
    n_threads, waiting = torch.get_num_threads(), deque[tuple[str, Future]]()

    def received() -> Any:
        about, future = waiting.popleft()
        with _one_error(about, function, shared):
            return future.result()

    try:
        with _one_error(stage, function, shared):
            handles = [share(value) for value in shared]
        for shard in shards:
            if len(waiting) == ahead:
                yield received()
            about, part = f"{stage}: {_name(shard)}", cut(shard)
            with _one_error(about, function, shared):
                waiting.append((about, executor.submit(_run, function, n_threads, about, part, *handles)))
        while waiting:
            yield received()
    finally:
        for _, future in waiting:
            future.cancel()


def _name(shard: Any) -> str:
    """Name of a shard in errors; users are rows of the call, from 0."""
    return f"users {shard[0]} to {shard[-1]}" if isinstance(shard, np.ndarray) else f"shard {shard}"


def _run(function: Callable, n_threads: int, about: str, part: Any, *shared: Any) -> Any:
    """Compute one shard on a worker.

    Raises:
        DataError: any error of the function but too little memory, which an executor may try again.
    """
    try:
        with torch_threads(n_threads):
            return function(*shared, part)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        worker = f"{socket.gethostname()}, process {os.getpid()}"
        raise DataError(f"{about}: failed on {worker}: {type(error).__name__}: {short(error)}") from error


@contextmanager
def _one_error(about: str, function: Callable, shared: Sequence) -> Iterator[None]:
    """Context in which any error of an executor becomes a DataError about one shard.

    An error of the shard itself is one already.
    """
    try:
        yield
    except DataError:
        raise
    except BrokenExecutor as error:
        raise DataError(f"{about}: a worker ended unexpectedly (out of memory?): {short(error)}") from error
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise DataError(f"{about}: cannot be sent to a worker: {_unpicklable(function, *shared) or short(error)}") from error
    except Exception as error:
        raise DataError(f"{about}: no result: {type(error).__name__}: {short(error)}") from error


def _unpicklable(*values: Any) -> str | None:
    """The first value that cannot be pickled, with the reason; None if all can."""
    for value in values:
        try:
            pickle.dumps(value)
        except Exception as error:
            return f"{getattr(value, '__name__', type(value).__name__)} cannot be pickled: {short(error)}"
    return None
