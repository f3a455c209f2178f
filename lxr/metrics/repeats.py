"""Stability of a comparison: means and orders with other trainings, other splits, other targets."""

import math
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import pandas as pd

from lxr.metrics.names import LOWER, direction
from lxr.utils.checks import check_numbers


def interval_of_runs(means: np.ndarray, *, level: float = 0.95) -> tuple[float, float]:
    """Interval of the mean over a few runs by Student's t distribution.

    With three runs it is 2.5 standard deviations to either side. It treats runs as independent draws of a normal
    distribution. Splits of the same users overlap, so their interval is rather too short.

    Args:
        means: (n_runs,) one value of each run.
        level: confidence level.

    Returns:
        Lower and upper limit; both NaN for a single run.

    Source: Student: The Probable Error of a Mean. Biometrika 1908.

    Example:
        >>> low, high = interval_of_runs(np.array([0.25, 0.5, 0.75]))
        >>> round(low, 3), round(high, 3)
        (-0.121, 1.121)
    """
    from scipy import stats  # takes a second to import

    check_numbers("a number between 0 and 1", lambda value: 0 < value < 1, level=level)
    n, mean = len(means), float(np.mean(means))
    if n < 2:
        return math.nan, math.nan
    half = stats.t.ppf((1 + level) / 2, n - 1) * np.std(means, ddof=1) / math.sqrt(n)
    return float(mean - half), float(mean + half)


def repeat_table(
    trainings: Mapping[int, pd.DataFrame], splits: Mapping[int, pd.DataFrame], metrics: Sequence[str], *, decimals: int = 3
) -> pd.DataFrame:
    """Means with three 95 % intervals: over users, over trainings, over splits of the users.

    Args:
        trainings: seed of the training → result of :func:`lxr.metrics.summary_table`; the first is the main run.
        splits: seed of the split → the same; the first is the main run again. Only explainers in all of them are used.
        metrics: the metrics to show.
        decimals: digits after the point.

    Returns:
        One row per metric and explainer: ``metric``, ``explainer``, and ``"mean [low, high]"`` over ``users`` (bootstrap,
        of the main run), ``trainings`` and ``splits`` (:func:`interval_of_runs`), or an empty text for a single run.

    Example:
        >>> main = pd.DataFrame({"explainer": ["lxr"], "metric": "NDCG", "mean": 0.25, "ci_low": 0.125, "ci_high": 0.375})
        >>> repeat_table({42: main, 1: main.assign(mean=0.35)}, {42: main}, ["NDCG"], decimals=2)[["explainer", "trainings"]]
          explainer           trainings
        0       lxr  0.30 [-0.34, 0.94]
    """

    def text(mean: float, low: float, high: float) -> str:
        return "" if math.isnan(low) else f"{mean:.{decimals}f} [{low:.{decimals}f}, {high:.{decimals}f}]"

    main = _by_row(next(iter(trainings.values())))
    means = {kind: _means(list(runs.values())) for kind, runs in {"trainings": trainings, "splits": splits}.items()}
    rows = []
    for row in _common([*trainings.values(), *splits.values()], metrics):
        cells = {"metric": row[0], "explainer": row[1], "users": text(*main.loc[row, ["mean", "ci_low", "ci_high"]])}
        for kind, runs in means.items():
            values = runs.loc[row].to_numpy()
            cells[kind] = text(values.mean(), *interval_of_runs(values))
        rows.append(cells)
    return pd.DataFrame(rows)


def rank_table(runs: Mapping[str, pd.DataFrame], metrics: Sequence[str]) -> pd.DataFrame:
    """Ranks of the explainers in every run, 1 the best by the mean; equal means share the better rank.

    Args:
        runs: name of a run → result of :func:`lxr.metrics.summary_table`. Only explainers in all of them are used.
        metrics: the metrics to show.

    Returns:
        One row per metric and explainer: ``metric``, ``explainer``, and a column per run.

    Example:
        >>> first = pd.DataFrame({"explainer": ["lxr", "lime"], "metric": "NDCG", "mean": [0.2, 0.3]})
        >>> rank_table({"split 42": first, "split 1": first.assign(mean=[0.3, 0.2])}, ["NDCG"])
          metric explainer  split 42  split 1
        0   NDCG       lxr         1        2
        1   NDCG      lime         2        1
    """
    means = _means(list(runs.values())).set_axis(list(runs), axis=1).loc[_common(list(runs.values()), metrics)]
    ranks = [_ranks(means.loc[[metric]], direction(metric)) for metric in metrics]
    return pd.concat(ranks).reset_index()


def ranks_by_metric(means: pd.DataFrame) -> pd.DataFrame:
    """Ranks of the explainers by each metric, 1 the best; equal means share the better rank.

    Args:
        means: explainers × metrics.

    Returns:
        Explainers × metrics.

    Raises:
        ValueError: a column that is not a metric.

    Example:
        >>> ranks_by_metric(pd.DataFrame({"DEL": [0.2, 0.3], "INS": [0.2, 0.3]}, index=["lxr", "lime"]))
              DEL  INS
        lxr     1    2
        lime    2    1
    """
    return pd.concat([_ranks(means[[metric]], direction(metric)) for metric in means], axis=1)


def order_agreement(means: Mapping[Hashable, pd.DataFrame]) -> pd.DataFrame:
    """Kendall's τ of every order of explainers with the first one, by each metric: 1 same order, −1 opposite order.

    Args:
        means: name → explainers × metrics, of the same explainers and metrics.

    Returns:
        Names × metrics; NaN where there is no order: a single explainer, or no means.

    Source: Kendall: A New Measure of Rank Correlation. Biometrika 1938 (τ-b, with ties).

    Example:
        >>> first = pd.DataFrame({"NDCG": [0.1, 0.2, 0.3]}, index=["lxr", "lime", "random"])
        >>> order_agreement({1: first, 2: first.assign(NDCG=[0.2, 0.1, 0.3])}).round(2).to_dict()
        {'NDCG': {1: 1.0, 2: 0.33}}
    """
    from scipy.stats import kendalltau

    first = next(iter(means.values()))
    found = {
        name: {metric: kendalltau(first[metric], table.loc[first.index, metric]).statistic for metric in first}
        for name, table in means.items()
    }
    return pd.DataFrame.from_dict(found, orient="index")


def _ranks(means: pd.DataFrame, better: str) -> pd.DataFrame:
    """Ranks of the rows in every column."""
    return means.rank(ascending=better == LOWER, method="min").astype(int)


def _by_row(summary: pd.DataFrame) -> pd.DataFrame:
    """A summary by metric and explainer."""
    return summary.set_index(["metric", "explainer"])


def _means(summaries: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Metrics and explainers × runs."""
    return pd.concat([_by_row(summary)["mean"] for summary in summaries], axis=1)


def _common(summaries: Sequence[pd.DataFrame], metrics: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of metric and explainer that all summaries have, in the order of the first."""
    names = [set(summary["explainer"]) for summary in summaries]
    shared = [name for name in dict.fromkeys(summaries[0]["explainer"]) if all(name in each for each in names)]
    return [(metric, name) for metric in metrics for name in shared]
