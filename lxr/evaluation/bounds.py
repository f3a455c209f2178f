"""Bounds of fidelity: random orders below, a greedy search above, and the optimum for very short explanations.

A metric alone does not show whether an explanation is good: a history of three items leaves little choice. So every user
gets a floor, the mean over random orders, and a ceiling, the best of greedy searches that score every step with the
recommender. The *fidelity gain* of an explainer is its position between the two.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch

from lxr.data.histories import EntryLists, Histories
from lxr.data.inputs import as_entries, as_lists
from lxr.distributed.shards import map_shards
from lxr.explainers.base import Explainer, in_batches
from lxr.explainers.greedy import CRITERIA, GreedySearch
from lxr.explainers.paths import RankMarginPath
from lxr.explainers.similarity import RandomOrder
from lxr.metrics.fidelity import evaluate_fidelity
from lxr.metrics.names import CUTOFFS
from lxr.metrics.result import DESCRIPTION, FidelityResult
from lxr.metrics.trajectory import target_rank
from lxr.recommenders.base import Recommender
from lxr.recommenders.modes import evaluating
from lxr.utils.checks import check_all_positive, check_different, check_integers, check_positive, check_seed
from lxr.utils.sparse import USERS_PER_BATCH, batches


def greedy_bound(
    model: Recommender,
    matrix: object,
    target: object,
    *,
    singles: int = 5,
    share: float = 0.1,
    batch_size: int = 512,
    users_per_batch: int = USERS_PER_BATCH,
    label: str | None = None,
    executor: Executor | None = None,
    **options,
) -> FidelityResult:
    """Upper bound on fidelity: for every user and metric, the best of several greedy orders.

    The orders come from all criteria of :class:`GreedySearch` and, if the recommender is differentiable, from
    :class:`lxr.explainers.paths.RankMarginPath`, which is sometimes better for whole curves. The best is chosen for each
    metric, so no single order need reach all values. An optimum may be better still.

    Args:
        model: recommender of I items, on the device to compute on.
        matrix: :class:`lxr.EntryLists`, or (n, I) histories, CSR or dense; read one batch of users at a time.
        target: (n,) explained items.
        singles: steps of a single item from the most important one on. (There are none from the least important one on,
            where metrics of fixed length have no use for them.)
        share: share of the history that each later step takes.
        batch_size: histories per forward pass; bounds the memory.
        users_per_batch: users at a time.
        label: label of a progress bar over these batches; None for no bar.
        executor: computes these batches, see :func:`lxr.distributed.map_shards`; None for this thread. The result is the
            same.
        options: further arguments of :func:`lxr.evaluate_fidelity`: ``steps``, ``cutoffs``, ``lengths``.

    Returns:
        Per-user metrics, each the best value of any order by this metric.

    Raises:
        ValueError: as :func:`lxr.evaluate_fidelity`.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> matrix, target = [[1, 1, 0, 0]], [3]
        >>> greedy, random = greedy_bound(model, matrix, target), random_bound(model, matrix, target, n_orders=20)
        >>> greedy.fixed["POS@1"][:, 0], random.fixed["POS@1"][:, 0]  # is item 3 still first after one removal?
        (array([0.]), array([0.5]))
    """
    lists, target = as_lists(model, matrix, target)
    check_positive(batch_size=batch_size, users_per_batch=users_per_batch)
    explainers: list[Explainer] = []
    if model.differentiable:
        explainers.append(RankMarginPath(model, singles=singles, share=share, batch_size=batch_size))
    for name, criterion in CRITERIA.items():
        first = 0 if criterion.least_first else singles
        explainers.append(GreedySearch(model, name, singles=first, share=share, batch_size=batch_size))
    options |= {"batch_size": batch_size}
    return _of_orders(FidelityResult.best_of, explainers, lists, target, users_per_batch, label, executor, **options)


def random_bound(
    model: Recommender,
    matrix: object,
    target: object,
    *,
    n_orders: int = 5,
    seed: int = 0,
    batch_size: int = 512,
    users_per_batch: int = USERS_PER_BATCH,
    label: str | None = None,
    executor: Executor | None = None,
    **options,
) -> FidelityResult:
    """Lower bound on fidelity: for every user and metric, the mean over random orders.

    Args:
        n_orders: random orders of each history.
        seed: seed of the orders, which differ from the orders of the explainer ``random`` with the same seed.
        model, matrix, target, batch_size, users_per_batch, label, executor, options: as for :func:`greedy_bound`.

    Returns:
        Per-user metrics, each the mean over the orders.

    Raises:
        ValueError: as :func:`lxr.evaluate_fidelity`, or ``n_orders`` is not positive.

    Example: see :func:`greedy_bound`.
    """
    check_positive(n_orders=n_orders, batch_size=batch_size, users_per_batch=users_per_batch)
    lists, target = as_lists(model, matrix, target)
    seeds = np.random.SeedSequence(check_seed(seed)).generate_state(n_orders).tolist()
    explainers = [RandomOrder(model, seed=seed) for seed in seeds]
    options |= {"batch_size": batch_size}
    return _of_orders(FidelityResult.mean_of, explainers, lists, target, users_per_batch, label, executor, **options)


def _of_orders(
    joined: Callable[[list[FidelityResult]], FidelityResult],
    explainers: Sequence[Explainer],
    lists: EntryLists,
    target: np.ndarray,
    users_per_batch: int,
    label: str | None,
    executor: Executor | None,
    **options,
) -> FidelityResult:
    """Results of several explainers for the same users, joined user by user."""
    with evaluating(explainers[0].model):
        parts = map_shards(
            partial(_judge_orders, joined, options),
            list(batches(len(lists), users_per_batch)),
            shared=(explainers,),
            cut=lambda users: (lists[users], target[users]),
            executor=executor,
            label=label,
        )
        return FidelityResult.concatenate(list(parts))


def _judge_orders(
    joined: Callable, options: dict[str, Any], explainers: Sequence[Explainer], part: tuple[EntryLists, np.ndarray]
) -> FidelityResult:
    """Explain some users by all explainers, evaluate the explanations, and join the results."""
    batch = options | {"users_per_batch": len(part[1])}
    return joined(
        [
            evaluate_fidelity(each.model, *part, each.explain(*part, users_per_batch=len(part[1])), **batch)
            for each in explainers
        ]
    )


def fidelity_gain(
    results: Mapping[str, FidelityResult], random: FidelityResult, greedy: FidelityResult, metrics: Sequence[str]
) -> pd.DataFrame:
    """Position of explainers between random (0) and greedy (1), by means over users.

    Args:
        results: explainer → result.
        random: result of :func:`random_bound` for the same users.
        greedy: result of :func:`greedy_bound` for the same users.
        metrics: names as in :meth:`lxr.FidelityResult.summary`: ``"POS@20"``, ``"CDCG@Ke=5"``.

    Returns:
        Explainers × ``"<metric> gain"``, higher is better for every metric; NaN if random and greedy do not differ.
        Explainers worse than random are below 0; explainers better than greedy, which need not be optimal, are above 1.

    Raises:
        ValueError: results of other users, or an unknown metric.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> matrix, target = [[1, 1, 0, 0]], [3]
        >>> scores = {"good": [[2.0, 1, 0, 0]], "bad": [[1.0, 2, 0, 0]]}
        >>> results = {name: lxr.evaluate_fidelity(model, matrix, target, each) for name, each in scores.items()}
        >>> bounds = random_bound(model, matrix, target, n_orders=20), greedy_bound(model, matrix, target)
        >>> fidelity_gain(results, *bounds, metrics=["NDCG", "INS"]).round(2).to_dict("index")
        {'good': {'NDCG gain': 1.0, 'INS gain': 1.0}, 'bad': {'NDCG gain': -1.0, 'INS gain': -1.0}}
    """
    metrics = list(metrics)
    known = random.per_user().columns.drop(list(DESCRIPTION))
    unknown = [metric for metric in metrics if metric not in known]
    if unknown:
        raise ValueError(f"metrics: expected some of {', '.join(known)}, found {unknown[0]!r}")
    for name, result in {"greedy": greedy, **{f"results, {name}": result for name, result in results.items()}}.items():
        if any(not np.array_equal(getattr(result, of), getattr(random, of)) for of in ("target", "history_length")):
            raise ValueError(f"{name}: expected the users and targets of random, found different ones")
    floor, ceiling = _mean_metrics(random, metrics), _mean_metrics(greedy, metrics)
    way = (floor - ceiling).where(lambda difference: difference.abs() > 1e-12)
    means = pd.DataFrame({name: _mean_metrics(result, metrics) for name, result in results.items()}).T
    return ((floor - means) / way).rename_axis("explainer").add_suffix(" gain", axis=1)


def _mean_metrics(result: FidelityResult, metrics: list[str]) -> pd.Series:
    """Means over users of some metrics."""
    return result.per_user()[metrics].mean()


def exhaustive_optimum(
    model: Recommender,
    history: object,
    target: object,
    length: int,
    *,
    cutoffs: Sequence[int] = CUTOFFS,
    batch_size: int = 512,
    users_per_batch: int = USERS_PER_BATCH,
    executor: Executor | None = None,
) -> dict[str, np.ndarray]:
    """Optimal values of explanations of one or two items, by trying all of them.

    Args:
        model: recommender of I items.
        history: :class:`lxr.Histories`, or (B, I) binary histories, at least one item each.
        target: (B,) explained items, outside the histories.
        length: items of an explanation, 1 or 2: there are n (n − 1) / 2 pairs of n items. A shorter history counts with all
            its items.
        cutoffs: the K of POS@K.
        batch_size: histories per forward pass; bounds the memory.
        users_per_batch: users at a time; bounds the memory.
        executor: computes these batches, as for :func:`greedy_bound`.

    Returns:
        Metric → (B,) best values of POS@K, CDCG, DEL and INS, each from the explanation that is best by this metric;
        comparable with ``FidelityResult.fixed``.

    Raises:
        ValueError: ``length`` is neither 1 nor 2, a non-positive option, histories or targets that cannot be explained.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> best = exhaustive_optimum(model, torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3]), length=1)
        >>> best["POS@1"], best["INS"]  # without item 0 item 2 comes first; with it alone item 3 is as probable as before
        (array([0.]), array([1.]))
    """
    histories, target = as_entries(model, history, target)
    check_integers("1 or 2, since all subsets are tried", lambda value: 1 <= value <= 2, length=length)
    check_all_positive(cutoffs=cutoffs)
    check_different(cutoffs=cutoffs)
    check_positive(batch_size=batch_size, users_per_batch=users_per_batch)
    with evaluating(model):
        parts = map_shards(
            partial(_optimum_of_users, length, tuple(cutoffs), batch_size),
            list(batches(len(histories), users_per_batch)),
            shared=(model,),
            cut=lambda users: (histories[users], target[users]),
            executor=executor,
        )
        found = list(parts)
    return {name: np.concatenate([part[name] for part in found]) for name in found[0]}


@torch.no_grad()
def _optimum_of_users(
    length: int, cutoffs: tuple[int, ...], batch_size: int, model: Recommender, shard: tuple[Histories, torch.Tensor]
) -> dict[str, np.ndarray]:
    """:func:`exhaustive_optimum` of checked entries of some users."""
    histories, target = shard

    def log_prob(part: Histories, stays: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        return model.target_log_prob(model.logits_after_deletion(part, stays), items)

    def scores(user: torch.Tensor, entries: torch.Tensor) -> torch.Tensor:  # the higher, the better
        part, items = histories[user], target[user]
        only = torch.zeros_like(part.real).scatter_(1, entries, True)
        logits = model.logits_after_deletion(part, part.real & ~only)
        rank, without = target_rank(logits, items, part), model.target_log_prob(logits, items)
        return torch.stack([rank, -without, log_prob(part, only, items)], dim=1).double()

    user, entries = _subsets(histories, length)
    values = in_batches(scores, batch_size, user, entries)  # (N, 3)
    best = values.new_full((len(histories), 3), -torch.inf).scatter_reduce(0, user[:, None].expand(-1, 3), values, "amax")
    rank, without, only = best.T.cpu().numpy()
    whole = in_batches(log_prob, batch_size, histories, histories.real, target).double().cpu().numpy()
    return {f"POS@{k}": (rank <= k).astype(float) for k in cutoffs} | {
        "CDCG": 1 / np.log2(1 + rank),
        "DEL": np.exp(-without - whole),
        "INS": np.exp(only - whole),
    }


def _subsets(histories: Histories, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """All subsets of ``length`` entries of every history: users (N,), ascending, and entries (N, length).

    A shorter history has one subset, which repeats its last entry.
    """
    found = []
    for real in histories.real:
        chosen = torch.combinations(real.nonzero().ravel(), min(length, int(real.sum())))
        found.append(chosen[:, [min(place, chosen.shape[1] - 1) for place in range(length)]])
    counts = torch.tensor([len(chosen) for chosen in found], device=histories.device)
    return torch.arange(len(histories), device=histories.device).repeat_interleave(counts), torch.cat(found)
