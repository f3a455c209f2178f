"""Fidelity of explanations: one perturbation trajectory per user, and the metrics over it.

Order a user's history by importance (descending, ties by ascending item id). Every masked history that any metric needs
keeps a contiguous stretch [start, stop) of that order: [k, n) without the k most explaining items, [0, n − k) without the k
least explaining, [0, k) with only the k most explaining. So this module collects the stretches of all metrics, scores each
distinct one once, and lets each metric select its own results.

Sources: Barkan et al., WWW 2024 (perturbation curves: POS, NEG, DEL, INS, NDCG); Baklanov et al., SIGIR 2025
(fixed-length metrics: POS@K,Ke, CDCG, DEL, INS).
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

from lxr.data.histories import EntryLists, Histories
from lxr.data.inputs import as_entries, as_importance, as_list_scores, as_lists
from lxr.distributed.shards import map_shards
from lxr.metrics.names import CUTOFFS, LENGTHS
from lxr.metrics.result import FidelityResult
from lxr.metrics.trajectory import only_most, part_sizes, ranks, score_stretches, without_most
from lxr.recommenders.base import Recommender
from lxr.recommenders.modes import evaluating
from lxr.utils.checks import check_all_positive, check_different, check_positive
from lxr.utils.memory import check_memory
from lxr.utils.sparse import USERS_PER_BATCH, batches


def evaluate_fidelity(
    model: Recommender,
    history: object,
    target: object,
    importance: object,
    *,
    steps: int = 10,
    cutoffs: Sequence[int] = CUTOFFS,
    lengths: Sequence[int] = LENGTHS,
    log_odds: bool = False,
    batch_size: int = 512,
    users_per_batch: int = USERS_PER_BATCH,
    label: str | None = None,
    executor: Executor | None = None,
) -> FidelityResult:
    """Evaluate one explainer's importance scores for a group of users.

    Args:
        model: recommender of I items, on the device to compute on.
        history: :class:`lxr.Histories`; (B, I) binary histories: tensor, array, frame or lists; or :class:`lxr.EntryLists`
            or a SciPy matrix, which are read one batch at a time, so there may be any number of users. At least one entry
            each.
        target: (B,) explained items, outside the histories.
        importance: scores as explainers return them: (B, L) for :class:`lxr.Histories`, (N,) for :class:`lxr.EntryLists`,
            (B, I), dense or sparse, for the others. Sparse scores of sparse histories have no other entries; a missing one
            is 0.
        steps: number of parts of each history for the curves (sizes as in ``np.array_split``).
        cutoffs: the K of POS@K and NEG@K.
        lengths: the explanation lengths Ke of the fixed-length metrics.
        log_odds: also measure the curves ``DEL log-odds`` and ``INS log-odds``. Probabilities near 1 (of a sigmoid
            recommender with a large weight of positives) hardly change until most of a history is gone; log-odds do.
        batch_size: masked histories per forward pass; bounds the memory, does not change the result.
        users_per_batch: users at a time of entry lists or sparse histories.
        label: label of a progress bar over sparse histories; None for no bar.
        executor: computes batches of entry lists or sparse histories, see :func:`lxr.distributed.map_shards`; None for this
            thread. The result is the same.

    Returns:
        Per-user metrics, in the order of the rows. DEL and INS of ``curves`` are probabilities, ``fixed`` divides them by
        the unperturbed probability. Ranks are taken on logits among the items outside the *original* history.

    Raises:
        ValueError: a wrong shape, a history that is empty or not binary, a target inside the history or outside the
            catalogue, an importance that is NaN or infinite at a history item, an empty or non-positive option.
        DataError: a batch of the executor failed; names its users and the worker.

    Example:
        >>> import lxr  # item 0 speaks for item 2, item 1 for item 3
        >>> weights = torch.tensor([[0.0, 0, 2, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]])
        >>> model = lxr.wrap(lambda history: history @ weights, n_items=4, activation="sigmoid")
        >>> history, target = torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([2])
        >>> result = evaluate_fidelity(model, history, target, importance=torch.tensor([[1.0, 0, 0, 0]]))
        >>> result.curves["POS@1"][0, [0, 1, 10]]  # removing item 0 brings item 3 to the top
        array([1., 0., 1.])
        >>> sparse = evaluate_fidelity(model, sp.csr_matrix(history), target, importance=sp.csr_matrix([[2.0, 1, 0, 0]]))
        >>> sparse.curves["POS@1"][0, [0, 1, 10]]
        array([1., 0., 1.])
    """
    check_all_positive(cutoffs=cutoffs, lengths=lengths)
    check_different(cutoffs=cutoffs, lengths=lengths)
    check_positive(steps=steps, batch_size=batch_size, users_per_batch=users_per_batch)
    judge = partial(
        _evaluate,
        steps=steps,
        cutoffs=tuple(cutoffs),
        lengths=tuple(lengths),
        batch_size=batch_size,
        log_odds=log_odds,
    )
    about = (model, history, target, importance)
    return FidelityResult.concatenate(of_batches(judge, *about, users_per_batch, label, executor))


def of_batches(
    judge: Callable[[Recommender, Histories, torch.Tensor, torch.Tensor], Any],
    model: Recommender,
    history: object,
    target: object,
    importance: object,
    users_per_batch: int = USERS_PER_BATCH,
    label: str | None = None,
    executor: Executor | None = None,
) -> list:
    """Check histories with their targets and scores in any form, and judge them: batch by batch if they are sparse.

    Args:
        judge: function of the recommender, histories (b), targets (b,) and scores (b, L).
        model, history, target, importance, users_per_batch, label, executor: as for :func:`evaluate_fidelity`.

    Returns:
        The judgement of each batch.

    Raises:
        ValueError: as :func:`evaluate_fidelity`.
    """
    if not (sp.issparse(history) or isinstance(history, EntryLists)):
        histories, chosen = as_entries(model, history, target)
        if isinstance(history, Histories):
            return [judge(model, histories, chosen, as_importance(importance, histories.shape, histories.device))]
        rows = as_importance(importance, (len(histories), model.n_columns), histories.device)
        return [judge(model, histories, chosen, histories.at(rows))]
    lists, items = as_lists(model, history, target)
    scores = as_list_scores(lists, history, importance)

    def cut(users: np.ndarray) -> tuple[EntryLists, np.ndarray, np.ndarray]:
        return lists[users], items[users], scores[lists.indptr[users[0]] : lists.indptr[users[-1] + 1]]

    groups = list(batches(len(lists), users_per_batch))
    judge_users = partial(_judge_users, judge)
    with evaluating(model):
        return list(map_shards(judge_users, groups, shared=(model,), cut=cut, executor=executor, label=label))


def _judge_users(judge: Callable, model: Recommender, part: tuple[EntryLists, np.ndarray, np.ndarray]) -> Any:
    """Judge the scores (N,) of the entries of some users, for their targets (b,)."""
    lists, items, scores = part
    histories = lists.batch(device=model.device)
    target, values = (torch.from_numpy(each).to(model.device) for each in (items, scores))
    return judge(model, histories, target, histories.padded(values))


def _evaluate(
    model: Recommender,
    histories: Histories,
    target: torch.Tensor,
    importance: torch.Tensor,
    steps: int,
    cutoffs: tuple[int, ...],
    lengths: tuple[int, ...],
    batch_size: int,
    log_odds: bool,
) -> FidelityResult:
    """:func:`evaluate_fidelity` of checked entries and scores (B, L)."""
    n_masked = len(histories) * (3 * (steps + 1) + 2 * len(lengths))
    check_memory(8 * n_masked * (8 + len(cutoffs)), "steps")  # their positions, ranks, and metrics
    rank_of = ranks(histories, importance)
    n = histories.lengths.cpu().numpy()  # (B,)
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
    rank, log_prob, *odds = score_stretches(model, histories, target, rank_of, stretches, batch_size, log_odds=log_odds)
    curves, fixed = _metrics_of(rank, log_prob, cutoffs)
    for values in odds:
        curves |= {"DEL log-odds": values["curve without most"], "INS log-odds": values["curve only most"]}
    return FidelityResult(
        curves,
        fixed,
        lengths,
        history_length=n,
        target=target.cpu().numpy(),
        rank=rank["full"][:, 0].astype(np.int64),
        prob=np.exp(log_prob["full"][:, 0]),
    )


def _metrics_of(
    rank: dict[str, np.ndarray], log_prob: dict[str, np.ndarray], cutoffs: tuple[int, ...]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Metrics along the curves (B, steps + 1) and of fixed lengths (B, len(lengths)), by name."""
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
    return curves, fixed


def ranks_without_most(
    model: Recommender,
    history: object,
    target: object,
    importance: object,
    *,
    steps: int = 10,
    batch_size: int = 512,
    executor: Executor | None = None,
) -> np.ndarray:
    """Rank of the target at each step of removing the most important items.

    The choice of an epoch needs only this part of :func:`evaluate_fidelity`.

    Args:
        model, history, target, importance, steps, batch_size, executor: as for :func:`evaluate_fidelity`.

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
    check_positive(steps=steps, batch_size=batch_size)
    judge = partial(_ranks_without_most, steps=steps, batch_size=batch_size)
    return np.concatenate(of_batches(judge, model, history, target, importance, executor=executor))


def _ranks_without_most(
    model: Recommender, histories: Histories, target: torch.Tensor, importance: torch.Tensor, steps: int, batch_size: int
) -> np.ndarray:
    """:func:`ranks_without_most` of checked entries and scores (B, L)."""
    n = histories.lengths.cpu().numpy()
    stretches = {"curve": without_most(n, part_sizes(n, steps))}
    rank, _ = score_stretches(model, histories, target, ranks(histories, importance), stretches, batch_size)
    return rank["curve"]


def fidelity_of_scores(
    model: Recommender,
    matrix: object,
    target: object,
    scores: object,
    metric: str,
    *,
    executor: Executor | None = None,
) -> float:
    """One fidelity metric of existing scores, mean over users.

    Args:
        model: recommender of I items, on the device to compute on.
        matrix: histories of n users: CSR or dense (n, I), or :class:`lxr.Histories`.
        target: (n,) explained items.
        scores: scores of their items (n, I), CSR or dense, or of their entries (n, L).
        metric: a metric of :meth:`lxr.FidelityResult.per_user`; curves count with the mean over their steps. POS@K and NDCG
            take a third of the time of the others.
        executor: as for :func:`evaluate_fidelity`.

    Returns:
        The mean.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> scores = sp.csr_matrix([[2.0, 1, 0, 0]])
        >>> fidelity_of_scores(model, sp.csr_matrix([[1, 1, 0, 0]]), np.array([3]), scores, "POS@1,Ke=1")
        0.0
    """
    values = fidelity_per_user(model, matrix, target, scores, metric, executor=executor)
    return float(values.mean())


def fidelity_per_user(
    model: Recommender,
    matrix: object,
    target: object,
    scores: object,
    metric: str,
    *,
    batch_size: int = 512,
    executor: Executor | None = None,
) -> np.ndarray:
    """:func:`fidelity_of_scores` of every user.

    Args:
        model, matrix, target, scores, metric, executor: as for :func:`fidelity_of_scores`.
        batch_size: masked histories per forward pass; bounds the memory.

    Returns:
        (n,) values.

    Example: see :func:`fidelity_of_scores`.
    """
    name, _, cutoff = metric.partition("@")
    if not (metric == "NDCG" or (name == "POS" and cutoff.isdigit())):
        result = evaluate_fidelity(model, matrix, target, scores, batch_size=batch_size, executor=executor)
        return result.per_user()[metric].to_numpy()
    rank = ranks_without_most(  # all that these two metrics need
        model, matrix, target, scores, batch_size=batch_size, executor=executor
    )
    along = rank <= int(cutoff) if cutoff else 1 / np.log2(1 + rank)
    return np.asarray(along.mean(axis=1))
