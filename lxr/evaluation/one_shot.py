"""Is any one-shot explainer better than one that imitates paths?

One-shot explainers look at the recommender's answers near the whole history, and never at what is left of it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lxr.explainers.base import Explainer
from lxr.explainers.gradients import GradientTimesInput
from lxr.explainers.leave_one_out import LeaveOneOut
from lxr.explainers.objectives import Objective, RankMargin, SoftRank
from lxr.metrics.result import LOWER, FidelityResult, direction
from lxr.metrics.statistics import check_permutations, holm, sign_flip_test
from lxr.recommenders.base import Recommender

METHODS: dict[str, type[LeaveOneOut | GradientTimesInput]] = {"leave-one-out": LeaveOneOut, "gradient": GradientTimesInput}
LEVEL = 0.05


def one_shot_rivals(model: Recommender, rivals: Sequence[int]) -> dict[str, Explainer]:
    """Leave-one-out and gradient × input of every objective but the log-probability, of which they are registered.

    Args:
        model: the explained recommender.
        rivals: numbers K of rivals of the rank margins; those that the catalogue does not have are left out.

    Returns:
        ``"leave-one-out logit"`` and so on → explainer.
    """
    objectives: dict[str, str | Objective] = {"logit": "logit", "log-odds": "log-odds", "soft-rank": SoftRank()}
    objectives |= {f"rank-margin-{k}": RankMargin(k) for k in rivals if k < model.n_columns}
    return {
        f"{method} {name}": explainer(model, objective=objective)
        for method, explainer in METHODS.items()
        for name, objective in objectives.items()
    }


def against_table(
    results: Mapping[str, FidelityResult],
    explainer: str,
    others: Sequence[str],
    metrics: Sequence[str],
    n_permutations: int = 10_000,
    seed: int = 0,
) -> pd.DataFrame:
    """One explainer against each of several others, by paired tests over the users.

    Args:
        results: explainer → result, of the same users.
        explainer: the one that stands against all others.
        others: these.
        metrics: by which they are compared.
        n_permutations, seed: of :func:`lxr.metrics.statistics.sign_flip_test`.

    Returns:
        One row per metric and other: ``metric``, ``other``, its ``mean``, that of the ``explainer``,
        ``difference`` (of the explainer less the other), ``p_holm``, corrected for all rows, and ``verdict`` on the
        explainer, see :func:`verdict`.

    Raises:
        ValueError: so few permutations that no corrected p could be below 5 %.
    """
    check_permutations(n_permutations, len(others) * len(metrics))
    per_user = [results[name].per_user() for name in (explainer, *others)]
    tables = []
    for metric in metrics:
        values = np.column_stack([frame[metric] for frame in per_user])  # (n_users, 1 + n_others)
        mean = values.mean(axis=0)
        columns = {"other": list(others), "mean": mean[1:], "explainer": mean[0], "difference": mean[0] - mean[1:]}
        p = sign_flip_test(values, n_permutations, seed)[0, 1:]
        tables.append(pd.DataFrame({"metric": metric} | columns | {"p_holm": p}))
    table = pd.concat(tables, ignore_index=True)
    table["p_holm"] = holm(table["p_holm"].to_numpy())
    rows = zip(table["metric"], table["difference"], table["p_holm"], strict=True)
    return table.assign(verdict=[verdict(*row) for row in rows])


def verdict(metric: str, difference: float, p: float) -> str:
    """What a test says of an explainer: ``"better"``, ``"worse"``, or ``"not to be told apart"``.

    Args:
        metric: its name.
        difference: of the explainer less the other.
        p: corrected.
    """
    if p >= LEVEL:
        return "not to be told apart"
    return "better" if (difference < 0) == (direction(metric) == LOWER) else "worse"


def bars_table(
    against: pd.DataFrame, results: Mapping[str, FidelityResult], paths: Sequence[str] = ("rank-margin-path",)
) -> pd.DataFrame:
    """An explainer against the best of the others, one row per metric.

    Args:
        against: what :func:`against_table` returns.
        results: explainer → result, of the same users, the paths among them.
        paths: what the explainer imitates, or may reach.

    Returns:
        Indexed by metric with its direction: the other with the best ``mean`` (of equals the first), and its row of
        ``against``; ``others better``: how many others a test finds better than the explainer; and for each path
        ``to <path>``, the share of the distance from that other to the path that the explainer covers, see
        :func:`share_covered`.
    """
    rows = []
    for metric, tests in against.groupby("metric", sort=False):
        best = tests.loc[tests["mean"].idxmin() if direction(metric) == LOWER else tests["mean"].idxmax()]
        ends = {path: results[path].per_user()[metric].mean() for path in paths}
        shares = {f"to {path}": share_covered(metric, best["mean"], best["explainer"], end) for path, end in ends.items()}
        rows.append(best.to_dict() | {"others better": int((tests["verdict"] == "worse").sum())} | shares)
    return with_directions(pd.DataFrame(rows).rename(columns={"other": "best other"}).set_index("metric"))


def between_table(against: pd.DataFrame, start: str, end: str) -> pd.DataFrame:
    """An explainer between two others, one row per metric.

    Args:
        against: what :func:`against_table` returns, the two among its others.
        start, end: the two.

    Returns:
        Indexed by metric with its direction: the means of ``start``, ``end`` and the explainer; its difference to each of
        them, the corrected p and the verdict on it; and ``share``, of the distance from start to end that it covers, see
        :func:`share_covered`.
    """
    from_start, from_end = (against[against["other"] == name].set_index("metric") for name in (start, end))
    table = pd.DataFrame({start: from_start["mean"], end: from_end["mean"], "explainer": from_start["explainer"]})
    for name, tests in ((start, from_start), (end, from_end)):
        for column in ("difference", "p_holm", "verdict"):
            table[f"{column}, {name}"] = tests[column]
    table["share"] = [share_covered(*row) for row in table[[start, "explainer", end]].itertuples(name=None)]
    return with_directions(table)


def with_directions(table: pd.DataFrame) -> pd.DataFrame:
    """The same table, each metric of its index with its direction: ``"POS@5"`` → ``"POS@5 ↓"``."""
    return table.rename(index=lambda metric: f"{metric} {direction(metric)}")


def share_covered(metric: str, start: float, reached: float, end: float) -> float:
    """Share of the distance from ``start`` to ``end`` that lies behind ``reached``; NaN if the end is not the better one.

    Example:
        >>> share_covered("NDCG", 0.5, 0.375, 0.25)  # lower is better
        0.5
    """
    better = end < start if direction(metric) == LOWER else end > start
    return float((start - reached) / (start - end)) if better else np.nan
