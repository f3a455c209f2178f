"""The contract of all explainers, and their application to sparse histories of many users."""

import hashlib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
import torch

from lxr.checks import check_differentiable, check_finite, check_instance, check_positive, first
from lxr.fidelity import check_metric, evaluate_users, ranks_without_most
from lxr.inputs import as_csr, as_explained, as_matrix, as_users, check_model
from lxr.interactions import batches, dense, item_counts
from lxr.memory import check_memory
from lxr.modes import evaluating, ordinary, with_gradients
from lxr.probes import check_answers
from lxr.progress import progress
from lxr.recommenders import Recommender, top_item
from lxr.storage import ANEW, DataError, read_npz, save_npz


class Explainer:
    """Scores how much each item of a history is responsible for a recommendation.

    A subclass defines :meth:`importance`; users are always rows, and an explanation depends on its own row alone.

    Args:
        model: the explained recommender.

    Attributes:
        model: the recommender whose recommendations are explained.
        needs_gradient: whether it must be differentiable.
        is_signed: whether a score below zero says that the item speaks against the recommendation: without it, what the
            explainer is about (the target's score, say) would be higher. Otherwise only the order of the scores means
            something, and figures show them on a scale from 0 to 1.
        longest: history items that an explainer's budget is made for; None if it has none.
        if_longer: what it does about longer histories.
        search_space: what :mod:`lxr.tuning` may choose its options from.

    Raises:
        ValueError: a recommender without a gradient, if one is needed, or whose answers cannot be explained
            (:func:`lxr.probes.check_answers`).

    Warns:
        UserWarning: the recommender ignores the history, or its scores look like probabilities where logits are expected.

    Example:
        >>> import lxr
        >>> class Position(Explainer):  # items that stand later in the catalogue matter more
        ...     def importance(self, history, target):
        ...         return torch.arange(1.0, 1 + history.shape[1]).expand_as(history)
        >>> Position(lxr.MF(4)).explain(torch.tensor([[1.0, 0, 1, 0]]), torch.tensor([3]))
        tensor([[1., 0., 3., 0.]])
    """

    needs_gradient = False
    is_signed: ClassVar[bool] = False
    longest: int | None = None
    if_longer = ""
    search_space: ClassVar[dict] = {}

    def __init__(self, model: Recommender):
        check_answers(model)
        if self.needs_gradient:
            check_differentiable(model)
        self.model = model

    @classmethod
    def sized(cls, n_items: int) -> dict:
        """Defaults of options that depend on the size of the catalogue."""
        return {}

    def explain(self, history: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Explain one recommendation per user.

        Args:
            history: (B, I) binary histories, at least one item each: tensor, array, frame, lists or SciPy matrix.
            target: (B,) explained items, outside the histories: tensor, array, series or list of integers.

        Returns:
            (B, I) scores, higher for the items that are more responsible; 0 outside the history.

        Raises:
            ValueError: a wrong shape, an empty or non-binary history, a target inside its history, or a score that is not
                finite.

        Warns:
            UserWarning: histories are longer than the explainer's budget is made for, or all items of a history score the
                same.
        """
        history, target = as_explained(self.model, history, target)
        lengths = history.sum(dim=1).cpu().numpy().astype(int)
        self.report_long(lengths)
        scores = self.scores(history, target)
        self.report_equal(scores[history > 0].cpu().numpy(), lengths)
        return scores

    def scores(self, history: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """:meth:`explain` for input that is known to be right."""
        with with_gradients(), evaluating(self.model):
            history, target = ordinary(history), ordinary(target)
            scores = torch.where(history > 0, self.importance(history, target), 0.0).detach()
        if not scores.isfinite().all():
            user, item = history.nonzero(as_tuple=True)
            check_finite(user.cpu().numpy(), item.cpu().numpy(), scores[user, item].cpu().numpy())
        return scores

    def importance(self, history: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Scores (B, I) of checked input; what stands outside the history does not matter."""
        raise NotImplementedError

    def report_long(self, lengths: np.ndarray) -> None:
        """Warn of histories (lengths (B,)) that are longer than the budget is made for."""
        if self.longest is not None and (lengths > self.longest).any():
            warnings.warn(
                f"{type(self).__name__}: {(lengths > self.longest).sum()} of {len(lengths)} histories have more than "
                f"{self.longest} items (the longest {lengths.max():.0f}): {self.if_longer}",
                stacklevel=3,
            )

    def report_equal(self, scores: np.ndarray, lengths: np.ndarray) -> None:
        """Warn of histories of at least two items whose scores are all the same.

        Args:
            scores: (N,) of all items, user after user.
            lengths: (B,) items of each user, at least one.
        """
        start = lengths.cumsum() - lengths
        equal = (np.maximum.reduceat(scores, start) == np.minimum.reduceat(scores, start)) & (lengths >= 2)
        if equal.any():
            warnings.warn(
                f"{type(self).__name__}: for {equal.sum()} of {len(lengths)} users all items score the same: their order is "
                "that of the item numbers and explains nothing",
                stacklevel=3,
            )


def check_explainer(explainer: object) -> None:
    """Refuse what is no explainer, its name among others."""
    check_instance(Explainer, "an explainer, as lxr.EXPLAINERS[name](model, train_matrix) makes it", explainer=explainer)


def user_generator(seed: int, target: int, items: np.ndarray) -> np.random.Generator:
    """Random numbers for explaining one target by one history: they depend on these and the seed alone, so that they are
    the same in whatever batch the user comes. (The seed is below 2³².)"""
    # An array is hashed faster than a list.
    return np.random.default_rng(np.concatenate([np.array([seed, target], dtype=np.uint32), items.astype(np.uint32)]))


def in_batches(function: Callable[..., torch.Tensor], size: int, *tensors: torch.Tensor) -> torch.Tensor:
    """Apply a function to ``size`` rows of all tensors at a time, and join what it returns."""
    return torch.cat([function(*rows) for rows in zip(*(tensor.split(size) for tensor in tensors), strict=True)])


def top_items(model: Recommender, matrix: sp.csr_matrix, batch_size: int = 512) -> np.ndarray:
    """:func:`lxr.top_item` of sparse histories, dense one batch at a time.

    Args:
        model: recommender of I items.
        matrix: (n, I) histories: CSR, or any other form that :func:`lxr.inputs.as_matrix` takes.
        batch_size: users that are dense at a time.

    Returns:
        (n,) items; of equal logits, the lowest.

    Raises:
        ValueError: no binary CSR matrix of this catalogue, a user who has consumed every item, or a logit that is not a
            number.

    Example:
        >>> import lxr
        >>> popular = lxr.Popularity(sp.csr_matrix([[1, 1, 1], [0, 1, 1], [0, 0, 1]]))
        >>> top_items(popular, sp.csr_matrix([[1, 0, 0], [0, 0, 1]]))
        array([2, 1])
    """
    check_model(model)
    matrix = as_matrix(model.n_items, matrix=matrix)
    check_positive(batch_size=batch_size)
    check_memory(3 * 4 * min(batch_size, matrix.shape[0]) * model.n_items, "batch_size")
    full = item_counts(matrix, model.n_features) == model.n_targets
    if full.any():
        raise ValueError(f"matrix, row {first(full)}: nothing is left to recommend, every item is consumed")
    groups = batches(matrix.shape[0], batch_size)
    return np.concatenate([top_item(model, dense(matrix[users], model.device)).cpu().numpy() for users in groups])


def explain_users(
    explainer: Explainer, matrix: sp.csr_matrix, target: np.ndarray, batch_size: int = 256, label: str | None = None
) -> sp.csr_matrix:
    """Explain the recommendations of many users, dense one batch at a time.

    Args:
        explainer: any explainer.
        matrix: (n, I) histories: CSR, or any other form that :func:`lxr.inputs.as_matrix` takes.
        target: (n,) explained items.
        batch_size: users per call.
        label: of a progress bar, or None for none.

    Returns:
        (n, I) CSR scores, one for each history item (zeros included), items ascending in each row.

    Raises:
        ValueError: an empty history, or a target that is inside its history or outside the catalogue.

    Warns:
        UserWarning: histories are longer than the explainer's budget is made for, or all items of a history score the same.

    Example:
        >>> import lxr
        >>> train = sp.csr_matrix([[1, 1, 0, 0], [1, 1, 0, 1], [0, 1, 1, 1]])
        >>> cosine = lxr.EXPLAINERS["cosine"](lxr.MF(4), train)
        >>> explain_users(cosine, sp.csr_matrix([[1, 0, 1, 0]]), target=np.array([1])).toarray().round(2)
        array([[0.82, 0.  , 0.58, 0.  ]], dtype=float32)
    """
    check_explainer(explainer)
    matrix, target = as_users(explainer.model, matrix, target)
    check_positive(batch_size=batch_size)
    check_memory(3 * 4 * min(batch_size, matrix.shape[0]) * explainer.model.n_items, "batch_size")
    explainer.report_long(np.diff(matrix.indptr))
    device = explainer.model.device
    values = np.empty(matrix.nnz, dtype=np.float32)
    groups = list(batches(matrix.shape[0], batch_size))
    for users in progress(groups, desc=label, unit="batch", disable=label is None):
        history = dense(matrix[users], device)
        scores = explainer.scores(history, torch.from_numpy(target[users]).to(device))
        values[matrix.indptr[users[0]] : matrix.indptr[users[-1] + 1]] = scores[history > 0].cpu().numpy()
    explainer.report_equal(values, np.diff(matrix.indptr))
    return sp.csr_matrix((values, matrix.indices, matrix.indptr), shape=matrix.shape)


def mean_fidelity(
    explainer: Explainer, matrix: sp.csr_matrix, target: np.ndarray | None = None, metric: str = "POS@20"
) -> float:
    """One fidelity metric, mean over users: the criterion by which epochs and hyperparameters are chosen.

    Args:
        explainer: any explainer.
        matrix: (n, I) CSR histories.
        target: (n,) explained items; the top recommendations by default.
        metric: any of :meth:`lxr.FidelityResult.per_user`, curves by the mean over their steps. POS@K and NDCG take a third
            of the time of the others.

    Returns:
        The mean; its name says whether lower is better (:func:`lxr.fidelity.direction`).

    Raises:
        ValueError: an unknown metric.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> explainer = lxr.EXPLAINERS["leave-one-out"](model, sp.csr_matrix((1, 4)))
        >>> mean_fidelity(explainer, sp.csr_matrix([[1, 1, 0, 0]]), metric="POS@1,Ke=1")  # item 0 removed: item 2 is first
        0.0
    """
    check_metric(metric)
    check_explainer(explainer)
    matrix = as_matrix(explainer.model.n_items, matrix=matrix)
    target = top_items(explainer.model, matrix) if target is None else target
    return fidelity_of_scores(explainer.model, matrix, target, explain_users(explainer, matrix, target, 512), metric)


def fidelity_of_scores(
    model: Recommender, matrix: sp.csr_matrix, target: np.ndarray, scores: sp.csr_matrix, metric: str
) -> float:
    """:func:`mean_fidelity` of scores (n, I) that are there already, as :func:`explain_users` returns them."""
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


def save_scores(scores: sp.csr_matrix, path: str | Path) -> None:
    """Write the scores that :func:`explain_users` returns to one ``.npz`` file, atomically.

    Args:
        scores: (n, I) CSR; the file holds their values, and a checksum of the entries to which they belong. They are read
            with the histories beside them.
        path: the file.

    Raises:
        ValueError: no matrix of scores, or scores that are not finite; nothing is written.

    Example: see :func:`load_scores`.
    """
    if not sp.issparse(scores):  # dense ones do not say which zeros are scores
        raise ValueError(f"scores: expected a CSR matrix with a score per history item, found {type(scores).__name__}")
    scores = as_csr("scores", scores)
    values = scores.data if np.issubdtype(scores.dtype, np.floating) else scores.data.astype(float)
    if not np.isfinite(values).all():
        raise ValueError(f"scores: expected finite numbers, found {values[~np.isfinite(values)][0]}")
    save_npz(path, scores=values, entries=digest_of_entries(scores))


def load_scores(path: str | Path, matrix: sp.csr_matrix) -> sp.csr_matrix:
    """Read what :func:`save_scores` wrote.

    Args:
        path: the file.
        matrix: (n, I) CSR histories that the scores explain; the items of a history may be in any order.

    Returns:
        (n, I) CSR scores with exactly the entries of ``matrix``, zeros included, items ascending.

    Raises:
        ValueError: no binary histories.
        DataError: the file is missing or damaged, or its scores are of other histories.

    Example:
        >>> import tempfile
        >>> matrix, scores = sp.csr_matrix([[1, 0, 1]]), sp.csr_matrix([[0.2, 0, 0.7]])
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     save_scores(scores, f"{directory}/scores.npz")
        ...     load_scores(f"{directory}/scores.npz", matrix).toarray()
        array([[0.2, 0. , 0.7]])
    """
    arrays = read_npz(path, required=("scores", "entries"))
    values, matrix = arrays["scores"], as_matrix(matrix=matrix)
    if values.ndim != 1 or not np.issubdtype(values.dtype, np.floating) or not np.isfinite(values).all():
        raise DataError(f"{path} is damaged: expected finite numbers in one dimension, found others: {ANEW}")
    if len(values) != matrix.nnz:
        raise DataError(f"{path}: expected {matrix.nnz} scores, one per history item, found {len(values)}")
    if not np.array_equal(arrays["entries"], digest_of_entries(matrix)):
        raise DataError(f"{path}: expected scores of these histories, found those of other users or other items")
    return sp.csr_matrix((values, matrix.indices, matrix.indptr), shape=matrix.shape)


def digest_of_entries(matrix: sp.csr_matrix) -> np.ndarray:
    """SHA-256, as (32,) bytes, of the places of the entries of a matrix in canonical form."""
    parts = (np.array(matrix.shape), matrix.indptr, matrix.indices)
    return np.frombuffer(hashlib.sha256(b"".join(part.astype("<i8").tobytes() for part in parts)).digest(), dtype=np.uint8)
