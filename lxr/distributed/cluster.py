"""Executor over the workers of a dask.distributed cluster, which are checked before they get work.

Workers must have the client's Python, sources of this library, and packages: then a task gives the same result wherever it
runs. They are processes of dask's own commands, of dask-jobqueue, of Kubernetes, or of a ``LocalCluster``. Give each worker
process one thread (``--nthreads 1``): models are not made for use by several threads at once.
"""

import contextlib
import functools
import json
import logging
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, InvalidStateError
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lxr.distributed.requirements import Requirements, answer, prepare_worker, versions, write_token
from lxr.utils.checks import check_natural, check_positive_numbers
from lxr.utils.extras import extra

if TYPE_CHECKING:
    import distributed

LOST = "scheduler-connection-lost"  # dask's word


class ClusterError(ConnectionError):
    """The scheduler was lost, or all tries of a task were lost with their workers or had too little memory.

    Example:
        >>> str(ClusterError("the scheduler at tcp://host:8786 was lost"))
        'the scheduler at tcp://host:8786 was lost'
    """


class SchedulerLostError(ClusterError):
    """The scheduler ended, restarted, or cannot be reached any more: all tasks are lost."""


class _NoMemoryError(Exception):
    """A task ran out of memory on the worker that the message names."""


@dataclass(frozen=True)
class Shared:
    """Handle of a value that a cluster holds; see :meth:`ClusterExecutor.share`.

    Attributes:
        value: the value, at the client.
        held: the future of the scattered value, alone in a list: it is replaced if its workers are lost.
    """

    value: Any
    held: list


@dataclass
class _Task:
    """A submitted task.

    Attributes:
        outer: the future that the caller has.
        function, args: its call.
        tries: further tries.
    """

    outer: Future
    function: Callable[..., Any]
    args: tuple
    tries: int


@dataclass(frozen=True)
class _Parcel:
    """A value on its way to a worker: pickle sends it as a whole, whatever dask does with its class."""

    value: Any


def connect(
    address: str | Path,
    *,
    directory: str | Path | None = None,
    retries: int = 2,
    timeout: float = 30.0,
    resources: Mapping[str, float] | None = None,
) -> "ClusterExecutor":
    """Connect to a scheduler of dask.distributed, and check all its workers.

    A worker that joins later is checked by its first task.

    Args:
        address: ``"tcp://host:8786"``, or the file of ``dask scheduler --scheduler-file``.
        directory: a directory that must be the same for the client and all workers, at the same path.
        retries: further tries of a task that was lost with its worker or ran out of memory. The scheduler counts the lost
            workers: its ``allowed-failures`` is set to this number.
        timeout: seconds to wait for the scheduler and for a first worker.
        resources: resources that a worker must have for each task, as in ``dask worker --resources GPU=1``.

    Returns:
        The executor. End it with ``shutdown()`` or ``with``; scheduler and workers go on.

    Raises:
        ValueError: no scheduler, no worker, a worker with other versions, or one that does not share the directory. The
            message lists all differences of all workers.
        ImportError: the extra is not installed.

    Example:
        >>> with connect("tcp://host:8786", directory="results") as executor:  # doctest: +SKIP
        ...     executor.submit(pow, 2, 5).result()
        32
    """
    check_natural(retries=retries)
    check_positive_numbers(timeout=timeout)
    with extra("distributed"):
        import distributed

    address = _address(address)
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # its errors arrive as exceptions
    try:
        client = distributed.Client(address, timeout=timeout, set_as_default=False, name="lxr")
    except (OSError, ValueError) as error:  # TimeoutError is an OSError
        raise ValueError(f"address: expected a scheduler at {address} within {timeout:g} s, found none ({error})") from error
    executor = ClusterExecutor(client, Requirements(tuple(versions().items())), retries, timeout, resources)
    try:
        client.wait_for_workers(1, timeout=timeout)
        executor.check(Path(directory).expanduser().resolve() if directory else None)
        client.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", retries))
    except TimeoutError as error:
        executor.shutdown()
        raise ValueError(
            f"address: expected at least one worker at {address} within {timeout:g} s, found none: "
            f"start one by `dask worker {address} --nthreads 1`"
        ) from error
    except BaseException:
        executor.shutdown()
        raise
    return executor


def _address(address: str | Path) -> str:
    """Address of a scheduler, which may be in a scheduler file.

    Raises:
        ValueError: neither an address nor such a file.
    """
    if "://" in str(address):
        return str(address)
    try:
        return json.loads(Path(address).expanduser().read_text(encoding="utf-8"))["address"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"address: expected tcp://host:port or a scheduler file, found {str(address)!r} ({error})"
        ) from error


class ClusterExecutor(Executor):
    """Executor of ``concurrent.futures`` over the workers of a cluster; made by :func:`connect`.

    Args:
        client: client of the scheduler.
        requirements: state that workers must have.
        retries: further tries of a task that was lost with its worker or ran out of memory.
        timeout: seconds to wait for a worker when shared values are sent.
        resources: resources of a worker that each task takes.

    Attributes:
        address: address of the scheduler.

    Example: see :func:`connect`.
    """

    def __init__(
        self,
        client: "distributed.Client",
        requirements: Requirements,
        retries: int = 2,
        timeout: float = 30.0,
        resources: Mapping[str, float] | None = None,
    ):
        self.client, self.requirements, self.retries, self.timeout = client, requirements, retries, timeout
        self.resources = dict(resources or {})
        self.address = client.scheduler.address if client.scheduler else "?"
        self._running: dict[Future, distributed.Future] = {}
        self._ended: str | None = None  # reason why there are no further tasks

    def submit(self, function: Callable[..., Any], /, *args: Any, **options: Any) -> Future:
        """Run a function on a worker.

        Args:
            function: a function that workers can import, or any that cloudpickle can send.
            *args: its arguments; each handle of :meth:`share` becomes its value.
            **options: its keyword arguments.

        Returns:
            The future. Its exception is that of the function; or a :class:`ClusterError` that names the last worker, if all
            tries were lost with their workers or ran out of memory, or if the scheduler was lost.

        Raises:
            ClusterError: the scheduler has been lost, or the executor was shut down.
        """
        if options:
            function = functools.partial(function, **options)
        task = _Task(Future(), function, args, self.retries)
        self._launch(task)
        task.outer.add_done_callback(self._forget)
        return task.outer

    def share(self, value: Any) -> Shared:
        """Send a value to each worker, once; workers that join later get it from another one.

        Args:
            value: anything that pickle can send, such as a recommender or a matrix.

        Returns:
            A handle for the arguments of :meth:`submit`. The value stays on the workers as long as the handle lives.
        """
        return Shared(value, [self._scatter(value)])

    def check(self, directory: Path | None = None) -> None:
        """Check all present workers, and the shared directory if one is given.

        Raises:
            ValueError: lists the differences of all workers.
        """
        if directory:
            self.requirements = replace(self.requirements, token=write_token(directory))
        said = []
        for worker, found in self.client.run(answer, self.requirements, on_error="return").items():
            if isinstance(found, BaseException):
                said.append(f"worker {worker}: expected an answer, found {type(found).__name__}: {found}")
                continue
            complaints, written = found
            if written and not written.is_file():
                complaints.append(f"expected {written}, which the worker has written, found no such file here")
            elif written:
                written.unlink()
            said += [f"worker {worker}: {complaint}" for complaint in complaints]
        if said:
            raise ValueError("workers differ from this client:\n  " + "\n  ".join(said))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the connection; scheduler and workers go on.

        Args:
            wait: wait for all tasks; else they are cancelled.
            cancel_futures: cancel all tasks first.
        """
        self._ended = self._ended or "the executor was shut down"
        if cancel_futures or not wait:
            for outer in list(self._running):
                outer.cancel()
        wait_for(list(self._running))
        self.client.close()
        if self.requirements.token:
            self.requirements.token.unlink(missing_ok=True)

    def _scatter(self, value: Any) -> "distributed.Future":
        """Send a value to all workers.

        Raises:
            ClusterError: there is no worker, and none comes in time.
        """
        end = time.monotonic() + self.timeout
        while True:
            try:
                self.client.wait_for_workers(1, timeout=self.timeout)
                return self.client.scatter(_Parcel(value), broadcast=True, hash=False)
            except OSError as error:  # TimeoutError too: no worker, or one that has just ended
                if time.monotonic() > end:
                    raise ClusterError(f"{self.address}: no worker took a shared value within {self.timeout:g} s") from error
                time.sleep(0.5)

    def _launch(self, task: "_Task") -> None:
        """Send a task to the scheduler; its outcome settles the task, or launches it again."""
        if self._ended:
            raise ClusterError(self._ended)
        future = self.client.submit(
            _run,
            self.requirements,
            task.function,
            *(arg.held[0] if isinstance(arg, Shared) else arg for arg in task.args),
            key=f"{getattr(task.function, '__name__', 'task').strip('_')}-{secrets.token_hex(8)}",
            pure=False,
            resources=self.resources or None,
        )
        self._running[task.outer] = future
        future.add_done_callback(functools.partial(self._settle, task))

    def _settle(self, task: "_Task", ended: "distributed.Future") -> None:
        """Hand the outcome of a task to its future, or launch it again."""
        with contextlib.suppress(InvalidStateError):  # cancelled by the client
            try:
                task.outer.set_result(ended.result())
            except InvalidStateError:
                raise
            except BaseException as error:
                try:
                    self._launch_again(task, error, str(ended.key).rpartition("-")[0])
                except BaseException as failure:
                    task.outer.set_exception(failure)

    def _launch_again(self, task: "_Task", error: BaseException, name: str) -> None:
        """Launch a failed task again if its failure was that of a worker.

        Raises:
            BaseException: the failure, if the task failed by itself, there are no tries left, or the scheduler was lost.
        """
        with extra("distributed"):
            from distributed import KilledWorker
            from distributed.client import FutureCancelledError

        if isinstance(error, KilledWorker):  # the scheduler has tried it again
            raise ClusterError(
                f"{name}: all {error.allowed_failures + 1} tries were lost with their workers; the last worker was "
                f"{error.last_worker.address}, which was killed or had too little memory"
            )
        if not isinstance(error, FutureCancelledError | _NoMemoryError) or task.outer.done():
            raise error
        if getattr(error, "reason", None) == LOST or self.client.status != "running":
            self._ended = f"the scheduler at {self.address} was lost: start it, and run again"
            raise SchedulerLostError(self._ended)
        if not task.tries:
            raise ClusterError(f"{name}: all {self.retries + 1} tries failed: {error}")
        task.tries -= 1
        for arg in task.args:
            if isinstance(arg, Shared) and arg.held[0].status != "finished":  # all workers that held it were lost
                arg.held[0] = self._scatter(arg.value)
        self._launch(task)

    def _forget(self, outer: Future) -> None:
        """Drop a settled task; a cancelled one is also cancelled on the cluster."""
        future = self._running.pop(outer, None)
        if future and outer.cancelled():
            future.cancel()


def leave_slot() -> int:
    """In a task that only waits: let the worker begin another task meanwhile.

    Returns:
        Number of threads of the worker.
    """
    with extra("distributed"):
        import distributed

    distributed.secede()
    return distributed.get_worker().state.nthreads


def is_wanted() -> bool:
    """True if a client still waits for the task that calls this; outside a cluster it is always true.

    A cancelled task has to end itself: nothing interrupts its thread.
    """
    if "distributed" not in sys.modules:
        return True
    with extra("distributed"):
        from distributed.worker import thread_state

    if not hasattr(thread_state, "key"):
        return True
    task = thread_state.execution_state["worker"].state.tasks.get(thread_state.key)
    return task is not None and task.state in ("executing", "long-running")


def _run(requirements: Requirements, function: Callable[..., Any], *args: Any) -> Any:
    """On a worker: run a task."""
    with extra("distributed"):
        from distributed import get_worker

    prepare_worker(requirements)
    try:
        return function(*(arg.value if isinstance(arg, _Parcel) else arg for arg in args))
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise _NoMemoryError(f"worker {get_worker().address} ran out of memory ({error})") from None
