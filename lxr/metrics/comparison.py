"""Comparisons of several explainers: means with intervals, paired tests, groups of users, repeated trainings."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lxr.metrics.result import FidelityResult
from lxr.metrics.statistics import check_permutations, difference_interval, holm, sign_flip_test


def summary_table(results: Mapping[str, FidelityResult], *, n_resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Means and intervals of every explainer and metric, in long form.

    Args:
        results: explainer → result.
        n_resamples: bootstrap samples of the intervals.
        seed: seed of the resampling.

    Returns:
        The column ``explainer``, then the columns of :meth:`lxr.FidelityResult.summary`.

    Example:
        >>> import lxr, torch  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> histories, target = [[1, 1, 0, 0]], [3]
        >>> scores = {"good": [[2.0, 1, 0, 0]], "bad": [[1.0, 2, 0, 0]]}
        >>> results = {name: lxr.evaluate_fidelity(model, histories, target, each, steps=2) for name, each in scores.items()}
        >>> summary = summary_table(results)
        >>> summary[summary["metric"] == "NDCG"][["explainer", "metric", "direction", "mean"]].round(2)
           explainer metric direction  mean
        14      good   NDCG         ↓  0.88
        74       bad   NDCG         ↓  1.00
    """
    parts = {name: result.summary(n_resamples=n_resamples, seed=seed) for name, result in results.items()}
    return pd.concat(parts, names=["explainer"]).droplevel(1).reset_index()


def comparison_table(
    results: Mapping[str, FidelityResult], metrics: Sequence[str], *, n_permutations: int = 10_000, seed: int = 0
) -> pd.DataFrame:
    """Paired tests between every two explainers, for each metric.

    Args:
        results: explainer → result, of the same users.
        metrics: metrics of the comparison.
        n_permutations, seed: options of :func:`lxr.metrics.sign_flip_test`.

    Returns:
        One row per metric and pair: ``metric``, ``explainer``, ``other``, ``difference`` (mean of the first minus mean of
        the second), ``low`` and ``high``, its 95 % interval, not corrected for the number of pairs
        (:func:`lxr.metrics.statistics.difference_interval`), ``p`` of the sign-flip permutation test over users
        (:func:`lxr.metrics.statistics.sign_flip_test`), and ``p_holm``, corrected for all pairs of that metric.

    Raises:
        ValueError: too few permutations: no corrected p could be below 5 %.

    Example:
        >>> import lxr, torch  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> histories, target = np.tile([1, 1, 0, 0], (9, 1)), np.full(9, 3)
        >>> orders = {"good": [2.0, 1, 0, 0], "bad": [1.0, 2, 0, 0]}
        >>> scores = {name: np.tile(order, (9, 1)) for name, order in orders.items()}
        >>> results = {name: lxr.evaluate_fidelity(model, histories, target, each) for name, each in scores.items()}
        >>> comparison_table(results, ["NDCG"], n_permutations=999)[["metric", "explainer", "other", "difference"]].round(2)
          metric explainer other  difference
        0   NDCG      good   bad       -0.03
    """
    names = list(results)
    first, second = np.triu_indices(len(names), k=1)
    check_permutations(n_permutations, len(first))
    per_user = [results[name].per_user() for name in names]
    tables = []
    for metric in metrics:
        values = np.column_stack([frame[metric] for frame in per_user])  # (n_users, n_explainers)
        mean, p = values.mean(axis=0), sign_flip_test(values, n_permutations=n_permutations, seed=seed)[first, second]
        low, high = difference_interval(values, seed=seed)
        tables.append(
            pd.DataFrame(
                {
                    "metric": metric,
                    "explainer": np.array(names)[first],
                    "other": np.array(names)[second],
                    "difference": mean[first] - mean[second],
                    "low": low[first, second],
                    "high": high[first, second],
                    "p": p,
                    "p_holm": holm(p),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def inner_area_table(results: Mapping[str, FidelityResult]) -> pd.DataFrame:
    """Means of the inner areas of all curves: without the first step (nothing removed) and the last (all removed).

    The published area stays the primary metric. Both ends are the same for every explainer, so the order of explainers and
    the paired tests equal those of the published area; with eleven steps differences are 11/9 as large.

    Args:
        results: explainer → result.

    Returns:
        Explainers × metrics.

    Example:
        >>> import lxr, torch  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> result = lxr.evaluate_fidelity(model, [[1, 1, 0, 0]], [3], [[2.0, 1, 0, 0]], steps=2)
        >>> result.curves["NDCG"].round(2), inner_area_table({"good": result})["NDCG"].round(2).to_dict()
        (array([[1.  , 0.63, 1.  ]]), {'good': 0.63})
    """
    means = {name: result.per_user(ends=False)[list(result.curves)].mean() for name, result in results.items()}
    return pd.DataFrame(means).T.rename_axis("explainer")


def group_table(results: Mapping[str, FidelityResult], groups: pd.Series, metrics: Sequence[str]) -> pd.DataFrame:
    """Means within groups of users.

    Args:
        results: explainer → result.
        groups: (n_users,) the group of each user, see :func:`quartiles`.
        metrics: the metrics to show.

    Returns:
        Long form: ``explainer``, ``group``, ``n_users``, and a column per metric.

    Example:
        >>> import lxr, scipy.sparse as sp
        >>> model, matrix = lxr.MF(6), sp.csr_matrix(np.tri(4, 6))
        >>> results = {"toy": lxr.evaluate_fidelity(model, matrix, [5, 5, 5, 5], matrix)}
        >>> group_table(results, quartiles(np.array([1, 2, 3, 4])), ["NDCG"])[["explainer", "group", "n_users"]]
          explainer group  n_users
        0       toy   1–1        1
        1       toy   2–2        1
        2       toy   3–3        1
        3       toy   4–4        1
    """
    parts = {}
    for name, result in results.items():
        grouped = result.per_user()[list(metrics)].groupby(groups.array, observed=True)
        parts[name] = grouped.mean().assign(n_users=grouped.size())
    table = pd.concat(parts, names=["explainer", "group"]).reset_index()
    return table[["explainer", "group", "n_users", *metrics]]


def strata_table(
    results: Mapping[str, FidelityResult],
    groups: pd.Series,
    pairs: Sequence[tuple[str, str]],
    metrics: Sequence[str],
    *,
    n_permutations: int = 10_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Paired tests within groups of users, which show whether the better explainer depends on the user.

    Holm's correction covers all pairs in all groups, for each metric separately.

    Args:
        results: explainer → result, of the same users.
        groups: (n_users,) the group of each user, see :func:`quartiles`.
        pairs: explainers to compare.
        metrics: metrics of the comparison.
        n_permutations, seed: options of :func:`lxr.metrics.sign_flip_test`.

    Returns:
        One row per metric, group and pair: ``metric``, ``group``, ``n_users``, ``explainer``, ``other``, ``difference``
        (mean of the first minus mean of the second), ``p`` and ``p_holm``.

    Raises:
        ValueError: too few permutations: no corrected p could be below 5 %.

    Example:
        >>> import lxr, torch  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> histories, target = np.tile([1, 1, 0, 0], (9, 1)), np.full(9, 3)
        >>> orders = {"good": [2.0, 1, 0, 0], "bad": [1.0, 2, 0, 0]}
        >>> scores = {name: np.tile(order, (9, 1)) for name, order in orders.items()}
        >>> results = {name: lxr.evaluate_fidelity(model, histories, target, each) for name, each in scores.items()}
        >>> groups = quartiles(np.array([1, 1, 1, 1, 1, 2, 2, 2, 2]))
        >>> strata_table(results, groups, [("good", "bad")], ["NDCG"])[["group", "n_users", "difference", "p_holm"]].round(2)
          group  n_users  difference  p_holm
        0   1–1        5       -0.03    0.13
        1   2–2        4       -0.03    0.13
    """
    names = list(dict.fromkeys(name for pair in pairs for name in pair))
    first, second = ([names.index(pair[side]) for pair in pairs] for side in (0, 1))
    users = {group: np.flatnonzero(groups == group) for group in groups.cat.categories}
    check_permutations(n_permutations, len(pairs) * len(users))
    per_user = [results[name].per_user() for name in names]
    tables = []
    for metric in metrics:
        values, parts = np.column_stack([frame[metric] for frame in per_user]), []  # (n_users, n_explainers)
        for group, rows in users.items():
            mean, p = values[rows].mean(axis=0), sign_flip_test(values[rows], n_permutations=n_permutations, seed=seed)
            codes = [groups.cat.categories.get_loc(group)] * len(pairs)
            stratum = pd.Categorical.from_codes(codes, groups.cat.categories, ordered=True)
            what = {"metric": metric, "group": stratum, "n_users": len(rows)}
            pair = {"explainer": np.array(names)[first], "other": np.array(names)[second]}
            found = {"difference": mean[first] - mean[second], "p": p[first, second]}
            parts.append(pd.DataFrame(what | pair | found))
        table = pd.concat(parts, ignore_index=True)
        tables.append(table.assign(p_holm=holm(table["p"].to_numpy())))
    return pd.concat(tables, ignore_index=True)


def quartiles(values: np.ndarray) -> pd.Series:
    """Quarter of each value among all values; equal values share a quarter.

    Args:
        values: (n,) numbers.

    Returns:
        (n,) names of quarters by their bounds, ``"8–21"``, in order.

    Example:
        >>> quartiles(np.array([1, 2, 3, 4, 5, 6, 7, 8])).unique().tolist()
        ['1–2', '3–4', '5–6', '7–8']
    """
    quarter = np.searchsorted(np.quantile(values, [0.25, 0.5, 0.75]), values)
    numbers, codes = np.unique(quarter, return_inverse=True)
    names = [f"{values[quarter == number].min()}–{values[quarter == number].max()}" for number in numbers]
    return pd.Series(pd.Categorical.from_codes(codes, names, ordered=True))


def first_release_table(results: Mapping[str, FidelityResult]) -> pd.DataFrame:
    """Means by the convention of the first release of LXR's code, :meth:`lxr.FidelityResult.first_release`.

    Args:
        results: explainer → result.

    Returns:
        Explainers × metrics.

    Example:
        >>> import lxr, scipy.sparse as sp
        >>> model, matrix = lxr.MF(6), sp.csr_matrix(np.tri(4, 6))
        >>> table = first_release_table({"toy": lxr.evaluate_fidelity(model, matrix, [5, 5, 5, 5], matrix, cutoffs=[20])})
        >>> table.columns.tolist()
        ['POS@20', 'NEG@20', 'DEL', 'INS', 'NDCG', 'rankA@20', 'rankB']
    """
    means = pd.DataFrame({name: result.first_release().mean() for name, result in results.items()}).T
    return means.rename_axis("explainer")


def seed_table(summaries: Mapping[str, pd.DataFrame], metrics: Sequence[str]) -> pd.DataFrame:
    """Spread of results over trainings, next to their spread over users.

    Args:
        summaries: training → result of :func:`summary_table`.
        metrics: the metrics to show.

    Returns:
        Explainers × three columns per metric: the ``mean`` over trainings, their standard deviation ``sd``, and the ``±``
        of users, half the width of the 95 % interval over users, mean over trainings.

    Example:
        >>> first = pd.DataFrame({"explainer": ["lxr"], "metric": "NDCG", "mean": 0.25, "ci_low": 0.125, "ci_high": 0.375})
        >>> seed_table({1: first, 2: first.assign(mean=0.75)}, ["NDCG"]).round(3).loc["lxr"].tolist()
        [0.5, 0.354, 0.125]
    """
    joined = pd.concat(summaries.values())
    joined["half"] = (joined["ci_high"] - joined["ci_low"]) / 2
    groups = joined.groupby(["explainer", "metric"], sort=False)
    spread = groups.agg(mean=("mean", "mean"), sd=("mean", "std"), half=("half", "mean")).rename(columns={"half": "± users"})
    wide = spread.unstack("metric", sort=False)
    return pd.DataFrame({f"{metric} {kind}": wide[kind][metric] for metric in metrics for kind in spread})
