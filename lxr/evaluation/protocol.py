"""Targets other than the top recommendation, to check the order of explainers."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lxr.data.inputs import as_entry_lists, check_model
from lxr.metrics.names import kind_of
from lxr.metrics.result import FidelityResult
from lxr.recommenders.base import Recommender
from lxr.recommenders.recommendations import best_items
from lxr.utils.checks import check_positive
from lxr.utils.sparse import USERS_PER_BATCH, batches

TARGET_METRICS = ("POS@5", "POS@10", "POS@20", "relative NDCG", "relative CDCG@Ke=5", "DEL", "INS")


def target_of_rank(model: Recommender, matrix: object, rank: int, *, users_per_batch: int = USERS_PER_BATCH) -> np.ndarray:
    """Item at one rank of every user's recommendations; rank 1 is the item of :func:`lxr.top_item`.

    Args:
        model: recommender of I items.
        matrix: :class:`lxr.EntryLists`, or (n, I) histories, CSR or dense.
        rank: rank among the items outside the history, from 1; ties go to the lowest item.
        users_per_batch: users at a time.

    Returns:
        (n,) item indices.

    Raises:
        ValueError: a user with fewer unseen items.

    Example:
        >>> import lxr
        >>> popular = lxr.Popularity([[1, 1, 1], [0, 1, 1], [0, 0, 1]])
        >>> target_of_rank(popular, [[1, 0, 0], [0, 0, 1]], rank=2)
        array([1, 0])
    """
    check_model(model)
    check_positive(rank=rank, users_per_batch=users_per_batch)
    lists = as_entry_lists(model.n_columns, matrix=matrix)
    found = []
    for users in batches(len(lists), users_per_batch):
        best = best_items(model, lists.batch(users, model.device), rank)
        best = best[best["rank"] == rank]
        if len(best) < len(users):
            raise ValueError(f"rank: expected at least {rank} items outside every history, found a user with fewer")
        found.append(best["item"].to_numpy())
    return np.concatenate(found)


def target_table(
    results: Mapping[int, Mapping[str, FidelityResult]], metrics: Sequence[str] = TARGET_METRICS
) -> pd.DataFrame:
    """Means of every explainer for targets of several ranks.

    A target of rank r is in the unperturbed top K only if K ≥ r: for smaller K there is no POS@K. Relative NDCG and CDCG
    are divided by the unperturbed gain of the same user, 1 / log2(1 + r): they start at 1 for every r, and exceed 1 if the
    target rises. DEL and INS are probabilities, as for the top recommendation.

    Args:
        results: rank of the targets → explainer → result.
        metrics: the metrics to show: ``"relative NDCG"``, ``"relative CDCG@Ke=5"``, or columns of
            :meth:`lxr.FidelityResult.per_user`.

    Returns:
        One row per rank and explainer: ``rank``, ``explainer``, and a column per metric; NaN if not measured.

    Example:
        >>> import lxr, torch  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> history, importance = [[1, 1, 0, 0]], [[1.0, 2, 0, 0]]
        >>> targets = {rank: target_of_rank(model, history, rank) for rank in (1, 2)}
        >>> found = {r: {"toy": lxr.evaluate_fidelity(model, history, y, importance, steps=2)} for r, y in targets.items()}
        >>> target_table(found, ["POS@1", "POS@5", "relative NDCG"]).round(2)
           rank explainer  POS@1  POS@5  relative NDCG
        0     1       toy    1.0    1.0           1.00
        1     2       toy    NaN    1.0           1.19
    """
    rows = []
    for rank, outcome in results.items():
        for name, result in outcome.items():
            means = {metric: _mean(result, metric, rank) for metric in metrics}
            rows.append({"rank": rank, "explainer": name} | means)
    return pd.DataFrame(rows)


def _mean(result: FidelityResult, metric: str, rank: int) -> float:
    """Mean over users of one metric, of targets of one rank."""
    kind, name = kind_of(metric), metric.removeprefix("relative ")
    if kind == "POS@K" and int(name.split(",")[0].removeprefix("POS@")) < rank:
        return np.nan
    values = result.per_user()[name].to_numpy()
    return float((values * np.log2(1 + result.rank) if name != metric else values).mean())
