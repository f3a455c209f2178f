"""Cost of explaining: wall time, and forward passes of the recommender."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, InvalidStateError
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
from torch.nn.modules.module import register_module_forward_hook

from lxr.recommenders.base import Recommender


@dataclass
class Cost:
    """Cost of a piece of work, filled in when it ends.

    Attributes:
        seconds: wall time. Tasks of an executor count with their own times, instead of the wait for them.
        n_scored: histories that went through the recommender.
        n_gradients: number of these with gradients, which cost about two more forward passes.
        executor: the executor whose tasks are measured too; None if there is none.

    Example: see :func:`measure_cost`.
    """

    seconds: float = 0.0
    n_scored: int = 0
    n_gradients: int = 0
    executor: Executor | None = None

    def count(self, module, inputs, logits) -> None:
        """Count a call of a recommender: a forward hook."""
        self.n_scored += len(logits)
        self.n_gradients += len(logits) * any(getattr(each, "requires_grad", False) for each in inputs)


@contextlib.contextmanager
def measure_cost(model: Recommender, executor: Executor | None = None) -> Iterator[Cost]:
    """Measure the calls of a recommender in a ``with`` block, and its time.

    Args:
        model: the recommender.
        executor: runs parts of the work in other processes; give the work the ``executor`` of the cost instead of it.

    Returns:
        Context with a :class:`Cost`, complete at the end of the block.

    Example:
        >>> import lxr, torch
        >>> model = lxr.MF(3)
        >>> with measure_cost(model) as cost:
        ...     scores = model(torch.ones(2, 3))
        >>> cost.n_scored
        2
    """
    measured, here = _Measured(executor, type(model)) if executor else None, Cost()
    cost = Cost(executor=measured)
    hook = model.register_forward_hook(here.count)  # it can be pickled with the recommender
    started = time.perf_counter()
    try:
        yield cost
    finally:
        here.seconds = time.perf_counter() - started
        hook.remove()
        for part in [here, *(measured.parts if measured else ())]:
            cost.seconds += part.seconds
            cost.n_scored += part.n_scored
            cost.n_gradients += part.n_gradients


class _Measured(Executor):
    """Executor that passes tasks to another one, and collects their costs.

    Args:
        executor: the other one.
        kind: class of the recommender.

    Attributes:
        parts: costs of the finished tasks, and, as negative seconds, the times of waiting for any task.
    """

    def __init__(self, executor: Executor, kind: type[Recommender]):
        self.executor, self.kind = executor, kind
        self.parts: list[Cost] = []
        self.running, self.since, self.lock = 0, 0.0, threading.Lock()

    def submit(self, function: Callable[..., Any], /, *args: Any, **options: Any) -> Future:
        """Submit a task to the other executor."""
        outer: Future = Future()
        with self.lock:
            self.since = self.since if self.running else time.perf_counter()
            self.running += 1
        inner = self.executor.submit(_measured, self.kind, os.getpid(), partial(function, **options), *args)
        outer.add_done_callback(lambda future: future.cancelled() and inner.cancel())
        inner.add_done_callback(partial(self._settle, outer))
        return outer

    def share(self, value: Any) -> Any:
        """Handle of a value, if the other executor shares values."""
        share = getattr(self.executor, "share", None)
        return share(value) if share else value

    def _settle(self, outer: Future, inner: Future) -> None:
        """Hand over the outcome of a task, and keep its cost."""
        with self.lock:
            self.running -= 1
            if not self.running:
                self.parts.append(Cost(self.since - time.perf_counter()))
        with contextlib.suppress(InvalidStateError):  # cancelled meanwhile
            if inner.cancelled():
                outer.cancel()
            elif error := inner.exception():
                outer.set_exception(error)
            else:
                result, cost = inner.result()
                self.parts.append(cost)
                outer.set_result(result)


def _measured(kind: type[Recommender], caller: int, function: Callable[..., Any], *args: Any) -> tuple[Any, Cost]:
    """Result of a task and its cost; the process of the caller counts the calls of its recommender itself."""
    cost = Cost()

    def count(module, inputs, logits):
        if type(module) is kind:
            cost.count(module, inputs, logits)

    with contextlib.ExitStack() as stack:
        if os.getpid() != caller:
            stack.callback(register_module_forward_hook(count).remove)
        started = time.perf_counter()
        result = function(*args)
        cost.seconds = time.perf_counter() - started
    return result, cost


def cost_table(costs: Mapping[str, tuple[Cost, Cost]], n_users: int) -> pd.DataFrame:
    """Costs of explainers, one row each.

    Args:
        costs: explainer → (cost of making it, cost of explaining with it).
        n_users: explained users.

    Returns:
        Seconds and forward passes for making it once (training, clustering); seconds per 1,000 explained users, forward
        passes per user, and number of these with gradients.

    Example:
        >>> costs = {"lxr": (Cost(seconds=20, n_scored=9000), Cost(seconds=0.1)), "gradient": (Cost(), Cost(1, 200, 200))}
        >>> cost_table(costs, n_users=200).set_index("explainer").T
        explainer                         lxr  gradient
        making it [s]                    20.0       0.0
        making it [passes]             9000.0       0.0
        explaining [s / 1,000 users]      0.5       5.0
        explaining [passes / user]        0.0       1.0
        with gradient [passes / user]     0.0       1.0
    """
    rows = [
        {
            "explainer": name,
            "making it [s]": making.seconds,
            "making it [passes]": making.n_scored,
            "explaining [s / 1,000 users]": explaining.seconds * 1000 / n_users,
            "explaining [passes / user]": explaining.n_scored / n_users,
            "with gradient [passes / user]": explaining.n_gradients / n_users,
        }
        for name, (making, explaining) in costs.items()
    ]
    return pd.DataFrame(rows)
