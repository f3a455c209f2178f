"""Comparison of one-shot explainers with explainers on paths.

One-shot explainers use the recommender's answers near the whole history, and never those of a reduced history.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lxr.explainers.base import Explainer
from lxr.explainers.gradients import GradientTimesInput
from lxr.explainers.leave_one_out import LeaveOneOut
from lxr.explainers.objectives import Objective, RankMargin
from lxr.metrics.names import LOWER, direction
from lxr.metrics.result import FidelityResult
from lxr.metrics.statistics import check_permutations, difference_interval, holm, sign_flip_test
from lxr.recommenders.base import Recommender

_METHODS: dict[str, type[LeaveOneOut | GradientTimesInput]] = {"leave-one-out": LeaveOneOut, "gradient": GradientTimesInput}
_LEVEL = 0.05


def one_shot_rivals(model: Recommender, rivals: Sequence[int]) -> dict[str, Explainer]:
    """Leave-one-out and gradient × input of every objective, whatever tuning has chosen for the registered ones.

    Args:
        model: the explained recommender.
        rivals: numbers K of rivals of the rank margins; those that the catalogue does not have are left out.

    Returns:
        ``"leave-one-out log-prob"`` and so on → explainer.

    Example:
        >>> import lxr
        >>> list(one_shot_rivals(lxr.MF(9), rivals=[5]))[:4]
        ['leave-one-out log-prob', 'leave-one-out logit', 'leave-one-out log-odds', 'leave-one-out soft-rank']
    """
    objectives: dict[str, str | Objective] = {name: name for name in ("log-prob", "logit", "log-odds", "soft-rank")}
    objectives |= {f"rank-margin-{k}": RankMargin(k) for k in rivals if k < model.n_columns}
    return {
        f"{method} {name}": explainer(model, objective=objective)
        for method, explainer in _METHODS.items()
        for name, objective in objectives.items()
    }


def against_table(
    results: Mapping[str, FidelityResult],
    explainer: str,
    others: Sequence[str],
    metrics: Sequence[str],
    *,
    n_permutations: int = 10_000,
    seed: int = 0,
) -> pd.DataFrame:
    """One explainer against each of several others, by paired tests over the users.

    Args:
        results: explainer → result, of the same users.
        explainer: the one that is compared with all others.
        others: these.
        metrics: by which they are compared.
        n_permutations, seed: of :func:`lxr.metrics.sign_flip_test`.

    Returns:
        One row per metric and other: ``metric``, ``other``, its ``mean``, that of the ``explainer``,
        ``difference`` (of the explainer less the other), ``low`` and ``high``, its 95 % interval over users, which is not
        corrected, ``p_holm``, corrected for all rows, and ``verdict`` on the explainer: ``"better"``, ``"worse"``,
        or ``"no significant difference"``.

    Raises:
        ValueError: so few permutations that no corrected p could be below 5 %.

    Example:
        >>> import lxr, torch  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> histories, target = np.tile([1, 1, 0, 0], (9, 1)), np.full(9, 3)
        >>> orders = {"mine": [2.0, 1, 0, 0], "same": [3.0, 1, 0, 0], "worse": [1.0, 2, 0, 0]}
        >>> scores = {name: np.tile(order, (9, 1)) for name, order in orders.items()}
        >>> results = {name: lxr.evaluate_fidelity(model, histories, target, each) for name, each in scores.items()}
        >>> against = against_table(results, "mine", ["same", "worse"], ["NDCG"])
        >>> against[["metric", "other", "difference", "verdict"]].round(2)
          metric  other  difference                    verdict
        0   NDCG   same        0.00  no significant difference
        1   NDCG  worse       -0.03                     better
    """
    check_permutations(n_permutations, len(others) * len(metrics))
    per_user = [results[name].per_user() for name in (explainer, *others)]
    tables = []
    for metric in metrics:
        values = np.column_stack([frame[metric] for frame in per_user])  # (n_users, 1 + n_others)
        mean = values.mean(axis=0)
        columns = {"other": list(others), "mean": mean[1:], "explainer": mean[0], "difference": mean[0] - mean[1:]}
        low, high = difference_interval(values, seed=seed)
        columns |= {"low": low[0, 1:], "high": high[0, 1:]}
        p = sign_flip_test(values, n_permutations=n_permutations, seed=seed)[0, 1:]
        tables.append(pd.DataFrame({"metric": metric} | columns | {"p_holm": p}))
    table = pd.concat(tables, ignore_index=True)
    table["p_holm"] = holm(table["p_holm"].to_numpy())
    rows = zip(table["metric"], table["difference"], table["p_holm"], strict=True)
    return table.assign(verdict=[_verdict(*row) for row in rows])


def _verdict(metric: str, difference: float, p: float) -> str:
    """Verdict of a test on an explainer: ``"better"``, ``"worse"``, or ``"no significant difference"``.

    Args:
        metric: name of the metric.
        difference: mean of the explainer minus mean of the other method.
        p: corrected p-value.
    """
    if p >= _LEVEL:
        return "no significant difference"
    return "better" if (difference < 0) == (direction(metric) == LOWER) else "worse"


def bars_table(
    against: pd.DataFrame, results: Mapping[str, FidelityResult], paths: Sequence[str] = ("rank-margin-path",)
) -> pd.DataFrame:
    """An explainer against the best of the others, one row per metric.

    Args:
        against: result of :func:`against_table`.
        results: explainer → result, of the same users, the paths among them.
        paths: explainers that the explainer imitates or may reach.

    Returns:
        Indexed by metric: the other with the best ``mean`` (the first one of ties), and its row of
        ``against``; ``others better``: how many others a test finds better than the explainer; and for each path
        ``to <path>``, the share of the distance from that other to the path that the explainer covers (NaN if
        the path is not the better one).

    Example:
        >>> import lxr, torch  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> histories, target = np.tile([1, 1, 0, 0], (9, 1)), np.full(9, 3)
        >>> orders = {"mine": [2.0, 1, 0, 0], "same": [3.0, 1, 0, 0], "worse": [1.0, 2, 0, 0]}
        >>> scores = {name: np.tile(order, (9, 1)) for name, order in orders.items()}
        >>> results = {name: lxr.evaluate_fidelity(model, histories, target, each) for name, each in scores.items()}
        >>> against = against_table(results, "mine", ["same", "worse"], ["NDCG"])
        >>> bars_table(against, results, paths=["same"]).loc["NDCG", ["best other", "verdict"]].tolist()
        ['same', 'no significant difference']
    """
    rows = []
    for metric, tests in against.groupby("metric", sort=False):
        best = tests.loc[tests["mean"].idxmin() if direction(metric) == LOWER else tests["mean"].idxmax()]
        ends = {path: results[path].per_user()[metric].mean() for path in paths}
        shares = {f"to {path}": _share_covered(metric, best["mean"], best["explainer"], end) for path, end in ends.items()}
        rows.append(best.to_dict() | {"others better": int((tests["verdict"] == "worse").sum())} | shares)
    return pd.DataFrame(rows).rename(columns={"other": "best other"}).set_index("metric")


def between_table(against: pd.DataFrame, start: str, end: str) -> pd.DataFrame:
    """An explainer between two others, one row per metric.

    Args:
        against: result of :func:`against_table`, with the two among its others.
        start, end: the two.

    Returns:
        Indexed by metric: the means of ``start``, ``end`` and the explainer; its difference to each of
        them with its 95 % interval, the corrected p and the verdict on it; and ``share``, of the distance from start to end
        that it covers (NaN if the end is not the better one).

    Example:
        >>> import lxr, torch  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> histories, target = np.tile([1, 1, 0, 0], (9, 1)), np.full(9, 3)
        >>> orders = {"mine": [2.0, 1, 0, 0], "same": [3.0, 1, 0, 0], "worse": [1.0, 2, 0, 0]}
        >>> scores = {name: np.tile(order, (9, 1)) for name, order in orders.items()}
        >>> results = {name: lxr.evaluate_fidelity(model, histories, target, each) for name, each in scores.items()}
        >>> against = against_table(results, "mine", ["same", "worse"], ["NDCG"])
        >>> between_table(against, start="worse", end="same")["share"].tolist()  # all the way
        [1.0]
    """
    from_start, from_end = (against[against["other"] == name].set_index("metric") for name in (start, end))
    table = pd.DataFrame({start: from_start["mean"], end: from_end["mean"], "explainer": from_start["explainer"]})
    for name, tests in ((start, from_start), (end, from_end)):
        for column in ("difference", "low", "high", "p_holm", "verdict"):
            table[f"{column}, {name}"] = tests[column]
    table["share"] = [_share_covered(*row) for row in table[[start, "explainer", end]].itertuples(name=None)]
    return table


def _share_covered(metric: str, start: float, reached: float, end: float) -> float:
    """Share of the distance from ``start`` to ``end`` that ``reached`` covers; NaN if the end is not the better one.

    Example:
        >>> _share_covered("NDCG", 0.5, 0.375, 0.25)  # lower is better
        0.5
    """
    better = end < start if direction(metric) == LOWER else end > start
    return float((start - reached) / (start - end)) if better else np.nan
