"""Fidelity of explanations: one perturbation trajectory per user, and the metrics over it.

Order a user's history by importance (descending, ties by ascending item id). Every masked history that any metric needs
keeps a contiguous stretch [start, stop) of that order: without the k most explaining items it is [k, n), without the k
least explaining [0, n − k), only the k most explaining [0, k). So the stretches that all metrics together need are
collected, each distinct one goes through the recommender once, and each metric picks its own out of the results.

Sources: Barkan et al., WWW 2024 (perturbation curves: POS, NEG, DEL, INS, NDCG); Baklanov et al., SIGIR 2025
(fixed-length metrics: POS@K,Ke, CDCG, DEL, INS).
"""

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.sparse as sp
import torch

from lxr.data.inputs import as_explained, as_importance, as_scores, as_users
from lxr.metrics.result import CUTOFFS, LENGTHS, FidelityResult
from lxr.metrics.trajectory import ItemOrder, only_most, part_sizes, score_stretches, without_most
from lxr.recommenders.base import Recommender
from lxr.utils.checks import (
    check_all_positive,
    check_different,
    check_positive,
)
from lxr.utils.memory import check_memory
from lxr.utils.progress import progress_bar
from lxr.utils.sparse import batches, dense


def evaluate_fidelity(
    model: Recommender,
    history: torch.Tensor,
    target: torch.Tensor,
    importance: torch.Tensor,
    steps: int = 10,
    cutoffs: Sequence[int] = CUTOFFS,
    lengths: Sequence[int] = LENGTHS,
    batch_size: int = 512,
) -> FidelityResult:
    """Evaluate one explainer's importance scores for a group of users.

    Args:
        model: recommender of I items.
        history: (B, I) binary histories, at least one item each: tensor, array, frame, lists or SciPy matrix.
        target: (B,) explained items, outside the histories.
        importance: (B, I) scores, read where the history is 1, in any of these forms.
        steps: parts into which each history is cut for the curves (sizes as ``np.array_split`` makes them).
        cutoffs: the K of POS@K and NEG@K.
        lengths: the explanation lengths Ke of the fixed-length metrics.
        batch_size: masked histories per forward pass; bounds the memory, does not change the result.

    Returns:
        Per-user metrics. DEL and INS of ``curves`` are probabilities, those of ``fixed`` are divided by the unperturbed
        probability. Ranks are taken on logits among the items outside the *original* history.

    Raises:
        ValueError: a wrong shape, a history that is empty or not binary, a target inside the history or outside the
            catalogue, an importance that is NaN or infinite at a history item, an empty or non-positive option.

    Example:
        >>> import lxr  # item 0 speaks for item 2, item 1 for item 3
        >>> weights = torch.tensor([[0.0, 0, 2, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]])
        >>> model = lxr.wrap(lambda history: history @ weights, n_items=4, activation="sigmoid")
        >>> history, target = torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([2])
        >>> result = evaluate_fidelity(model, history, target, importance=torch.tensor([[1.0, 0, 0, 0]]))
        >>> result.curves["POS@1"][0, [0, 1, 10]]  # removing item 0 brings item 3 to the top
        array([1., 0., 1.])
    """
    history, target = as_explained(model, history, target)
    importance = as_importance(importance, history)
    check_all_positive(cutoffs=cutoffs, lengths=lengths)
    check_different(cutoffs=cutoffs, lengths=lengths)
    check_positive(steps=steps, batch_size=batch_size)
    cutoffs, lengths = tuple(cutoffs), tuple(lengths)
    n_masked = len(history) * (3 * (steps + 1) + 2 * len(lengths))
    check_memory(8 * n_masked * (8 + len(cutoffs)), "steps")  # their places, ranks, and metrics
    check_memory(3 * 4 * min(batch_size, n_masked) * model.n_columns, "batch_size")
    order = ItemOrder.by_importance(history, importance)
    n = order.length  # (B,)

    removed = part_sizes(n, steps)  # (B, steps + 1)
    few = np.minimum(lengths, n[:, None])  # (B, len(lengths))
    stretches = {
        "full": only_most(n[:, None]),
        "curve without most": without_most(n, removed),
        "curve without least": only_most(n[:, None] - removed),
        "curve only most": only_most(removed),
        "fixed without": without_most(n, few),
        "fixed only": only_most(few),
    }
    rank, log_prob = score_stretches(model, history, target, order, stretches, batch_size)

    without = rank["curve without most"]
    curves = {f"POS@{k}": (without <= k).astype(float) for k in cutoffs}
    curves |= {f"NEG@{k}": (rank["curve without least"] <= k).astype(float) for k in cutoffs}
    curves["DEL"] = np.exp(log_prob["curve without most"])
    curves["INS"] = np.exp(log_prob["curve only most"])
    curves["NDCG"] = 1 / np.log2(1 + without)
    fixed = {f"POS@{k}": (rank["fixed without"] <= k).astype(float) for k in cutoffs}
    fixed["CDCG"] = 1 / np.log2(1 + rank["fixed without"])
    fixed["DEL"] = np.exp(log_prob["fixed without"] - log_prob["full"])
    fixed["INS"] = np.exp(log_prob["fixed only"] - log_prob["full"])
    return FidelityResult(
        curves,
        fixed,
        lengths,
        history_length=n,
        target=target.cpu().numpy(),
        rank=rank["full"][:, 0].astype(np.int64),
        prob=np.exp(log_prob["full"][:, 0]),
    )


def ranks_without_most(
    model: Recommender,
    history: torch.Tensor,
    target: torch.Tensor,
    importance: torch.Tensor,
    steps: int = 10,
    batch_size: int = 512,
) -> np.ndarray:
    """Rank of the target at each step of removing the most important items: the part of :func:`evaluate_fidelity` that
    choosing an epoch needs.

    Args:
        model, history, target, importance, steps, batch_size: as for :func:`evaluate_fidelity`.

    Returns:
        (B, steps + 1) ranks, 1 the best.

    Raises:
        ValueError: as :func:`evaluate_fidelity`.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> history, target = torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3])
        >>> ranks_without_most(model, history, target, importance=torch.tensor([[2.0, 1, 0, 0]]), steps=2)
        array([[1., 2., 1.]])
    """
    history, target = as_explained(model, history, target)
    importance = as_importance(importance, history)
    check_positive(steps=steps, batch_size=batch_size)
    order = ItemOrder.by_importance(history, importance)
    stretches = {"curve": without_most(order.length, part_sizes(order.length, steps))}
    rank, _ = score_stretches(model, history, target, order, stretches, batch_size)
    return rank["curve"]


def evaluate_users(
    model: Recommender,
    matrix: sp.csr_matrix,
    target: np.ndarray,
    importance: sp.csr_matrix,
    users_per_batch: int = 512,
    label: str | None = None,
    **options,
) -> FidelityResult:
    """:func:`evaluate_fidelity` for sparse histories: users become dense one batch at a time.

    Args:
        model: recommender of I items, on the device to compute on.
        matrix: (n, I) histories: CSR, or any other form that :func:`lxr.data.inputs.as_matrix` takes.
        target: (n,) explained items.
        importance: (n, I) CSR scores of exactly these history items, as explainers return them for CSR histories; or dense.
        users_per_batch: users that are dense at a time.
        label: of a progress bar, or None for none.
        options: further arguments of :func:`evaluate_fidelity`.

    Returns:
        Per-user metrics, in the order of the rows.

    Raises:
        ValueError: as :func:`evaluate_fidelity`; rows are those of ``matrix``.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> matrix, target = sp.csr_matrix([[1, 1, 0, 0]]), np.array([3])
        >>> result = evaluate_users(model, matrix, target, importance=sp.csr_matrix([[2.0, 1, 0, 0]]), steps=2)
        >>> result.curves["DEL"].round(2)  # probability of item 3 with all, without item 0, without both
        array([[0.88, 0.5 , 0.5 ]])
    """
    matrix, target = as_users(model, matrix, target)
    importance = as_scores(matrix, importance=importance)
    check_positive(users_per_batch=users_per_batch)
    check_memory(3 * 4 * min(users_per_batch, matrix.shape[0]) * model.n_columns, "users_per_batch")
    parts = []
    groups = list(batches(matrix.shape[0], users_per_batch))
    for users in progress_bar(groups, desc=label, unit="batch", disable=label is None):
        parts.append(
            evaluate_fidelity(
                model,
                dense(matrix[users], model.device),
                torch.from_numpy(target[users]).to(model.device),
                dense(importance[users], model.device),
                **options,
            )
        )
    return FidelityResult.concatenate(parts)


def fidelity_of_scores(
    model: Recommender, matrix: sp.csr_matrix, target: np.ndarray, scores: sp.csr_matrix, metric: str
) -> float:
    """:func:`mean_fidelity` of scores (n, I) that are there already, as an explainer returns them."""
    if not is_of_ranks(metric):
        return float(evaluate_users(model, matrix, target, scores).per_user()[metric].mean())
    total, count = 0.0, 0
    for values in values_of_ranks(model, matrix, target, scores, metric):
        total += values.sum()
        count += values.size
    return float(total / count)


def fidelity_per_user(
    model: Recommender, matrix: sp.csr_matrix, target: np.ndarray, scores: sp.csr_matrix, metric: str
) -> np.ndarray:
    """:func:`fidelity_of_scores` of every user: (n,)."""
    if not is_of_ranks(metric):
        return evaluate_users(model, matrix, target, scores).per_user()[metric].to_numpy()
    return np.concatenate([values.mean(axis=1) for values in values_of_ranks(model, matrix, target, scores, metric)])


def is_of_ranks(metric: str) -> bool:
    """Whether a metric, POS@K or NDCG, only takes the ranks without the most important items."""
    name, _, cutoff = metric.partition("@")
    return metric == "NDCG" or (name == "POS" and cutoff.isdigit())


def values_of_ranks(
    model: Recommender, matrix: sp.csr_matrix, target: np.ndarray, scores: sp.csr_matrix, metric: str
) -> Iterator[np.ndarray]:
    """Values (b, steps) of POS@K or NDCG along the curves, one batch of users at a time."""
    _, _, cutoff = metric.partition("@")
    for users in batches(matrix.shape[0], 512):
        history, importance = dense(matrix[users], model.device), dense(scores[users], model.device)
        rank = ranks_without_most(model, history, torch.from_numpy(target[users]).to(history.device), importance)
        yield rank <= int(cutoff) if cutoff else 1 / np.log2(1 + rank)
