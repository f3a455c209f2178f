"""Base class of all explainers, and their contract."""

import contextlib
import inspect
import warnings
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any, ClassVar, overload

import numpy as np
import scipy.sparse as sp
import torch

from lxr.data.histories import EntryLists, Histories
from lxr.data.inputs import as_entries, as_lists, as_lists_for
from lxr.distributed.shards import map_shards
from lxr.metrics.trajectory import check_scores
from lxr.recommenders.base import Recommender
from lxr.recommenders.modes import evaluating, ordinary, with_gradients
from lxr.recommenders.probes import check_answers
from lxr.utils.checks import check_differentiable, check_instance, check_positive
from lxr.utils.memory import check_memory
from lxr.utils.sparse import batches


class Made:
    """Object that records the arguments of its constructor, so it can be made again.

    (A separate base class: next to ``__init__``, ``__new__`` would hide the signature from :func:`inspect.signature`.)
    """

    arguments: dict[str, Any]

    def __new__(cls, *arguments, **options):
        """Make the object; ``__init__`` reports wrong arguments."""
        made = super().__new__(cls)
        with contextlib.suppress(TypeError):
            bound = inspect.signature(cls).bind(*arguments, **options)
            bound.apply_defaults()
            made.arguments = dict(bound.arguments)
        return made


class Explainer(Made):
    """Base class of explainers, which score how much each history item is responsible for a recommendation.

    A subclass defines :meth:`importance` of entries; users are always rows, and an explanation depends on its own row alone.

    Args:
        model: the explained recommender.

    Attributes:
        model: the recommender whose recommendations are explained.
        needs_gradient: whether the recommender must be differentiable.
        is_signed: whether a score below zero means that the item speaks against the recommendation: without the item, the
            explained quantity (the target's score, say) would be higher. Otherwise only the order of the scores has a
            meaning, and figures show them on a scale from 0 to 1.
        is_ordered: whether the scores depend on the order of the entries, whatever the recommender: dense rows are refused.
        ignores_order: whether recommenders that use the order of entries are refused.
        max_history: longest history for the sampling budget; None if there is no budget.
        overflow_note: treatment of longer histories, for a warning.
        search_space: values of the options that :mod:`lxr.tuning` may choose.
        arguments: arguments of the constructor by name, defaults included.

    Raises:
        ValueError: the recommender lacks a necessary gradient, it uses an order that this class ignores, or its answers
            cannot be explained (:func:`lxr.recommenders.probes.check_answers`).

    Warns:
        UserWarning: the recommender ignores the history, or its scores look like probabilities instead of logits.

    Example:
        >>> import lxr
        >>> class Position(Explainer):  # items later in the catalogue matter more
        ...     def importance(self, histories, target):
        ...         return 1.0 + histories.items
        >>> Position(lxr.MF(4)).explain(torch.tensor([[1.0, 0, 1, 0]]), torch.tensor([3]))
        tensor([[1., 0., 3., 0.]])
    """

    needs_gradient = False
    is_signed: ClassVar[bool] = False
    is_ordered: ClassVar[bool] = False
    ignores_order: ClassVar[bool] = False
    max_history: int | None = None
    overflow_note = ""
    search_space: ClassVar[dict] = {}

    def __init__(self, model: Recommender):
        check_answers(model)
        if self.needs_gradient:
            check_differentiable(model)
        if self.ignores_order and model.is_ordered:
            found = f"{type(model).__name__}, which uses it"
            raise ValueError(
                f"model: {type(self).__name__} expected a recommender that ignores the order of entries, found {found}"
            )
        self.model = model

    @classmethod
    def catalogue_defaults(cls, n_items: int) -> dict:
        """Defaults of options that depend on the size of the catalogue."""
        return {}

    @overload
    def explain(self, history: torch.Tensor | Histories, target: torch.Tensor) -> torch.Tensor: ...

    @overload
    def explain(
        self,
        history: EntryLists,
        target: np.ndarray,
        *,
        users_per_batch: int = 256,
        label: str | None = None,
        executor: Executor | None = None,
    ) -> np.ndarray: ...

    @overload
    def explain(
        self,
        history: sp.csr_matrix,
        target: np.ndarray,
        *,
        users_per_batch: int = 256,
        label: str | None = None,
        executor: Executor | None = None,
    ) -> sp.csr_matrix: ...

    def explain(self, history, target, *, users_per_batch=256, label=None, executor=None):
        """Explain one recommendation per user: a batch in one call, entry lists and SciPy matrices batch by batch.

        Args:
            history: :class:`lxr.Histories` (B, L); :class:`lxr.EntryLists` of B users; or (B, I) binary histories: tensor,
                array, frame, lists or SciPy matrix. At least one entry each.
            target: (B,) explained items, outside the histories: tensor, array, series or list of integers.
            users_per_batch: users of entry lists or of a SciPy matrix at a time; bounds the memory.
            label: label of a progress bar over these batches; None for no bar.
            executor: computes these batches, see :func:`lxr.distributed.map_shards`; None for this thread. The scores are
                the same.

        Returns:
            Scores, higher for entries that are more responsible. For :class:`lxr.Histories` a tensor (B, L), 0 at the
            padding; for :class:`lxr.EntryLists` an array (N,), one score per entry; for dense histories a tensor (B, I), 0
            outside the history; for a SciPy matrix a CSR matrix (B, I) with one entry per history item (zeros included),
            items ascending.

        Raises:
            ValueError: a wrong shape, an empty or non-binary history, a target inside its history or outside the
                catalogue, or a score that is not finite.
            DataError: a batch of the executor failed; names its users and the worker.

        Warns:
            UserWarning: histories are too long for the explainer's budget, or all items of a history have the same score.

        Example:
            >>> import lxr
            >>> train = sp.csr_matrix([[1, 1, 0, 0], [1, 1, 0, 1], [0, 1, 1, 1]])
            >>> cosine = lxr.EXPLAINERS["cosine"](lxr.MF(4), train)
            >>> cosine.explain(sp.csr_matrix([[1, 0, 1, 0]]), [1]).toarray().round(2)
            array([[0.82, 0.  , 0.58, 0.  ]], dtype=float32)
        """
        if self.is_ordered and not isinstance(history, Histories | EntryLists):
            expected = f"{type(self).__name__} uses the order of entries: expected lxr.Histories or lxr.EntryLists"
            raise ValueError(f"history: {expected}, found {type(history).__name__}")
        if sp.issparse(history) or isinstance(history, EntryLists):
            lists, target = as_lists(self.model, history, target)
            flat = self._explain_lists(lists, target, users_per_batch, label, executor)
            if isinstance(history, EntryLists):
                return flat
            return sp.csr_matrix((flat, lists.items, lists.indptr), shape=(len(lists), lists.n_columns))
        histories, target = as_entries(self.model, history, target)
        lengths = histories.lengths.cpu().numpy()
        self.warn_about_long_histories(lengths)
        scores = self._explain_checked(histories, target)
        self.warn_about_equal_scores(scores[histories.real].cpu().numpy(), lengths)
        return scores if isinstance(history, Histories) else histories.spread(scores, self.model.n_columns)

    def _explain_lists(
        self, lists: EntryLists, target: np.ndarray, users_per_batch: int, label: str | None, executor: Executor | None
    ) -> np.ndarray:
        """:meth:`explain` for the checked entries of many users, batch by batch."""
        check_positive(users_per_batch=users_per_batch)
        check_memory(3 * 4 * min(users_per_batch, len(lists)) * self.model.n_columns, "users_per_batch")
        self.warn_about_long_histories(lists.lengths)
        with evaluating(self.model):
            parts = map_shards(
                _explain_users,
                list(batches(len(lists), users_per_batch)),
                shared=(self,),
                cut=lambda users: (lists[users], target[users]),
                executor=executor,
                label=label,
            )
            scores = np.concatenate(list(parts))
        self.warn_about_equal_scores(scores, lists.lengths)
        return scores

    def _explain_checked(self, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """:meth:`explain` for checked entries, without warnings."""
        with with_gradients(), evaluating(self.model):
            histories, target = histories.mapped(ordinary), ordinary(target)
            scores = torch.where(histories.real, self.importance(histories, target), 0.0).detach()
        check_scores(histories, scores)
        return scores

    def importance(self, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """Scores (B, L) of the entries of checked histories; scores at the padding are ignored."""
        raise NotImplementedError

    def warn_about_long_histories(self, lengths: np.ndarray) -> None:
        """Warn of histories (lengths (B,)) that are too long for the budget."""
        if self.max_history is not None and (lengths > self.max_history).any():
            warnings.warn(
                f"{type(self).__name__}: {(lengths > self.max_history).sum()} of {len(lengths)} histories have more than "
                f"{self.max_history} items (the longest {lengths.max():.0f}): {self.overflow_note}",
                stacklevel=3,
            )

    def warn_about_equal_scores(self, scores: np.ndarray, lengths: np.ndarray) -> None:
        """Warn of histories of two or more items with equal scores.

        Args:
            scores: (N,) scores of all items, user after user.
            lengths: (B,) number of items of each user, at least one.
        """
        start = lengths.cumsum() - lengths
        equal = (np.maximum.reduceat(scores, start) == np.minimum.reduceat(scores, start)) & (lengths >= 2)
        if equal.any():
            warnings.warn(
                f"{type(self).__name__}: for {equal.sum()} of {len(lengths)} users all items score the same: their order is "
                "that of the item numbers and explains nothing",
                stacklevel=3,
            )


def _explain_users(explainer: Explainer, part: tuple[EntryLists, np.ndarray]) -> np.ndarray:
    """Scores (N,) of the entries of some users, for their targets (b,)."""
    lists, target = part
    device = explainer.model.device
    histories = lists.batch(device=device)
    found = explainer._explain_checked(histories, torch.from_numpy(target).to(device))
    return found[histories.real].float().cpu().numpy()


def check_explainer(explainer: object) -> None:
    """Refuse anything but an explainer, such as its name."""
    check_instance(Explainer, "an explainer, as lxr.EXPLAINERS[name](model, train_matrix) makes it", explainer=explainer)


def training_lists(model: Recommender, **histories: object) -> EntryLists:
    """Histories of other users, of which an explainer is made.

    A recommender that uses the order of entries gets them as they are. The others get every item once, ascending: then the
    result does not depend on the form of the histories.

    Args:
        model: the explained recommender.
        histories: :class:`lxr.EntryLists`, or (n, I) histories as :func:`lxr.data.inputs.as_matrix` takes them, by the name
            of the argument.

    Raises:
        ValueError: no user, another catalogue, or a matrix for a recommender that uses the order of entries.

    Example:
        >>> import lxr
        >>> newest_last = EntryLists(np.array([2, 0, 1]), np.array([0, 2, 3]), n_columns=3)
        >>> training_lists(lxr.MF(3), train_matrix=newest_last).items
        array([0, 2, 1])
    """
    if model.is_ordered:
        return replace(as_lists_for(model, **histories), weights=None)  # recommenders are trained on ones
    ((name, value),) = histories.items()
    return as_lists_for(model, **{name: value.matrix() if isinstance(value, EntryLists) else value})


def user_generator(seed: int, target: int, items: np.ndarray) -> np.random.Generator:
    """Random numbers for explaining one target by one history.

    They depend only on these and on the seed (below 2³²), not on the batch of the user.
    """
    # hashing an array is faster than hashing a list
    return np.random.default_rng(np.concatenate([np.array([seed, target], dtype=np.uint32), items.astype(np.uint32)]))


def ascending_items(items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The items (h,) of one history, ascending, and the place (h,) of each entry among them.

    Random numbers are drawn for ascending items, so they do not depend on the order of the entries.
    """
    order = items.argsort(kind="stable")
    return items[order], order.argsort()


def in_batches(function: Callable[..., torch.Tensor], size: int, *rows: Histories | torch.Tensor) -> torch.Tensor:
    """Apply a function to ``size`` rows of all arguments at a time, and join the results."""
    return torch.cat([function(*part) for part in zip(*(each.split(size) for each in rows), strict=True)])
