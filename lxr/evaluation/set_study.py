"""Comparison of the counterfactual sets of all explainers with the smallest ones."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lxr.counterfactuals.goals import LeavesTop
from lxr.counterfactuals.prefix import smallest_prefix
from lxr.counterfactuals.sets import CounterfactualSet, counterfactual_sets
from lxr.data.histories import EntryLists
from lxr.data.inputs import as_list_scores, as_lists
from lxr.metrics.counterfactual_sets import necessary_and_sufficient, size_metrics
from lxr.recommenders.base import Recommender
from lxr.utils.checks import check_all_positive, check_different
from lxr.utils.progress import progress_bar

SMALLEST = "smallest set"


@dataclass(frozen=True, eq=False)
class LeavingTop:
    """Sets whose removal takes B targets out of the top K.

    Attributes:
        sets: B smallest sets, as far as found, with certificates.
        sizes: explainers × users, sizes of the smallest prefixes; NaN where no prefix reaches the goal.
        necessary, sufficient: explainers × users, whether the first items (as many as in the smallest set) are necessary or
            sufficient; NaN for users without a set.
        seconds: (explainers,) seconds per user, without the time of the explanation.

    Example: see :func:`counterfactual_study`.
    """

    sets: list[CounterfactualSet]
    sizes: pd.DataFrame
    necessary: pd.DataFrame
    sufficient: pd.DataFrame
    seconds: pd.Series

    @property
    def smallest(self) -> np.ndarray:
        """Proven sizes (B,) of the smallest sets, else NaN."""
        return np.array([one.size if one.certificate == "optimal" else np.nan for one in self.sets], dtype=float)

    def table(self) -> pd.DataFrame:
        """Explainers × metrics."""
        quality = {name: size_metrics(sizes.to_numpy(), self.smallest) for name, sizes in self.sizes.iterrows()}
        judged = {"PN": self.necessary.mean(axis=1), "PS": self.sufficient.mean(axis=1)}
        return pd.DataFrame(quality).T.assign(**judged)


@dataclass(frozen=True, eq=False)
class SetStudy:
    """Counterfactual sets of many users: by all explainers, and the smallest.

    Attributes:
        by_k: K → sets whose removal takes the targets out of the top K.

    Example: see :func:`counterfactual_study`.
    """

    by_k: dict[int, LeavingTop]

    def table(self) -> pd.DataFrame:
        """Explainers × ``validity@K``, ``set size@K``, ``relative size@K``, ``optimal@K``, ``Gini@K``, ``PN@K``, …."""
        return pd.concat([part.table().add_suffix(f"@{k}") for k, part in self.by_k.items()], axis=1).rename_axis(
            "explainer"
        )

    def certificates(self) -> pd.DataFrame:
        """Certificates of the smallest sets: one row for each K.

        Returns:
            Shares of users by certificate; share of users whose set is at most one item larger than the bound (or proven
            not to exist); mean gap of the others.
        """
        return pd.DataFrame({k: _certified(part.sets) for k, part in self.by_k.items()}).T.rename_axis("K")

    def times(self) -> pd.DataFrame:
        """Mean seconds per user without explaining; for the smallest sets also the median and the 90th percentile."""
        columns = {}
        for k, part in self.by_k.items():
            median, most = np.quantile([one.seconds for one in part.sets], [0.5, 0.9])
            more = pd.Series({f"{SMALLEST}, median": median, f"{SMALLEST}, 90 % within": most})
            columns[f"leaving the top {k} [s / user]"] = pd.concat([part.seconds, more])
        return pd.DataFrame(columns).rename_axis("explainer")


def _certified(sets: Sequence[CounterfactualSet]) -> dict[str, float]:
    """A row of :meth:`SetStudy.certificates`."""
    certificates = pd.Series([one.certificate for one in sets])
    gaps = np.array([np.nan if one.gap is None else one.gap for one in sets])
    none = (certificates == "none").to_numpy()
    opened = gaps[gaps > 0]
    return {
        "optimal": (certificates == "optimal").mean(),
        "none exists": none.mean(),
        "bound": (certificates == "bound").mean(),
        "within one item": ((gaps <= 1) | none).mean(),
        "mean gap of bounds": opened.mean() if len(opened) else 0.0,
    }


def counterfactual_study(
    model: Recommender,
    matrix: object,
    target: object,
    scores: Mapping[str, object],
    *,
    ks: Sequence[int] = (1, 5, 10),
    time_limit: float = 2.0,
    batch_size: int = 512,
    label: str | None = None,
) -> SetStudy:
    """Compare the smallest prefix of every explainer with the smallest set, for leaving the top K.

    Args:
        model: recommender of I items.
        matrix: :class:`lxr.EntryLists`, or (B, I) histories, CSR or dense.
        target: (B,) explained items, the first recommendations.
        scores: explainer → (N,) scores of entry lists, or (B, I) scores of rows.
        ks: lengths K of the list that the target must leave.
        time_limit: seconds for each smallest set.
        batch_size: histories per forward pass.
        label: label of progress bars; None for no bars.

    Returns:
        Sets and sizes, with tables.

    Raises:
        ValueError: as :func:`lxr.counterfactuals.smallest_prefix`, or ``ks`` are not different positive integers.

    Example:
        >>> import lxr, torch  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), 4, "sigmoid", is_linear=True)
        >>> scores = {"good": [[2.0, 1, 0, 0]], "bad": [[1.0, 2, 0, 0]]}
        >>> study = counterfactual_study(model, [[1, 1, 0, 0]], [3], scores, ks=[1])
        >>> study.table()[["validity@1", "set size@1", "PN@1"]].T
        explainer   smallest set  good  bad
        validity@1           1.0   1.0  0.0
        set size@1           1.0   1.0  NaN
        PN@1                 1.0   1.0  0.0
    """
    check_all_positive(ks=ks)
    check_different(ks=ks)
    histories, items = as_lists(model, matrix, target)
    read = {name: as_list_scores(histories, matrix, values) for name, values in scores.items()}
    return SetStudy({k: _leaving(model, histories, items, read, k, time_limit, batch_size, label) for k in ks})


def _leaving(
    model: Recommender,
    histories: EntryLists,
    items: np.ndarray,
    scores: dict[str, np.ndarray],
    k: int,
    time_limit: float,
    batch_size: int,
    label: str | None,
) -> LeavingTop:
    """:func:`counterfactual_study` of one K, for checked input."""
    label = label and f"{label}: leaving the top {k}"
    sets = counterfactual_sets(
        model, histories, items, LeavesTop(k), time_limit=time_limit, batch_size=batch_size, label=label
    )
    removed = [np.empty(0, dtype=int) if one.removed is None else one.removed for one in sets]
    sizes = {SMALLEST: np.array([np.nan if one.size is None else one.size for one in sets])}
    judged = {SMALLEST: necessary_and_sufficient(model, histories, items, removed, k, batch_size=batch_size)}
    seconds = {SMALLEST: float(np.mean([one.seconds for one in sets]))}
    for name in progress_bar(scores, desc=label, unit="explainer", disable=label is None):
        started = time.perf_counter()
        prefixes = smallest_prefix(model, histories, items, scores[name], LeavesTop(k), batch_size=batch_size)
        seconds[name] = (time.perf_counter() - started) / len(items)
        sizes[name] = np.where(prefixes.found, prefixes.size, np.nan)
        order = np.lexsort((histories.items, -scores[name], histories.users))
        first = [
            histories.items[order[start : start + len(one)]]
            for start, one in zip(histories.indptr[:-1], removed, strict=True)
        ]
        judged[name] = necessary_and_sufficient(model, histories, items, first, k, batch_size=batch_size)
    known = np.isfinite(sizes[SMALLEST])
    necessary, sufficient = ({name: np.where(known, both[i], np.nan) for name, both in judged.items()} for i in (0, 1))
    return LeavingTop(sets, pd.DataFrame(sizes).T, pd.DataFrame(necessary).T, pd.DataFrame(sufficient).T, pd.Series(seconds))
