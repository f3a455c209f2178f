"""Cost of explaining: wall time, and forward passes of the recommender."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from lxr.recommenders.base import Recommender


@dataclass
class Cost:
    """Cost of a piece of work, filled in when it ends.

    Attributes:
        seconds: wall time.
        n_scored: histories that went through the recommender.
        n_gradients: number of these with gradients, which cost about two more forward passes.

    Example: see :func:`measure_cost`.
    """

    seconds: float = 0.0
    n_scored: int = 0
    n_gradients: int = 0


@contextlib.contextmanager
def measure_cost(model: Recommender) -> Iterator[Cost]:
    """Measure the calls of a recommender in a ``with`` block, and its time.

    Args:
        model: the recommender.

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
    cost = Cost()

    def count(module, inputs, logits):
        cost.n_scored += len(logits)
        cost.n_gradients += len(logits) * any(getattr(each, "requires_grad", False) for each in inputs)

    hook = model.register_forward_hook(count)
    started = time.perf_counter()
    try:
        yield cost
    finally:
        cost.seconds = time.perf_counter() - started
        hook.remove()


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
