"""Tables of computed numbers, one function each."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lxr.data.histories import EntryLists
from lxr.data.interactions import Interactions
from lxr.metrics.agreement import Scores, entry_scores
from lxr.metrics.names import LOWER, direction


def data_table(ratings: pd.DataFrame, data: Interactions, parts: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Dataset statistics: ratings, kept histories, and each part of the users.

    Args:
        ratings: raw ratings, duplicates included.
        data: histories that :func:`lxr.prepare` made of them.
        parts: name → indices of users.

    Returns:
        One row each; items and density are of the row's own users; lengths are of their histories.

    Example:
        >>> import lxr
        >>> ratings = pd.DataFrame({"user": [1, 1, 2, 2, 3], "item": [7, 8, 7, 8, 9], "rating": 5})
        >>> data_table(ratings, lxr.prepare(ratings), {})[["users", "items", "interactions", "density %"]]
                 users  items  interactions   density %
        ratings      3      3             5   55.555556
        kept         2      2             4  100.000000
    """
    kept = {"kept": data.item_matrix} | {name: data.item_matrix[users] for name, users in parts.items()}
    counts = {"ratings": (ratings["user"].value_counts().to_numpy(), ratings["item"].nunique())}
    counts |= {name: (np.diff(matrix.indptr), len(np.unique(matrix.indices))) for name, matrix in kept.items()}
    rows = {
        name: {
            "users": len(lengths),
            "items": n_items,
            "interactions": int(lengths.sum()),
            "density %": 100 * lengths.sum() / (len(lengths) * n_items),
            "shortest": int(lengths.min()),
            "median": float(np.median(lengths)),
            "longest": int(lengths.max()),
        }
        for name, (lengths, n_items) in counts.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def recommender_table(qualities: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """Ranking quality of recommenders, one row each.

    Args:
        qualities: name → result of :func:`lxr.rank_quality`, for the same histories and seed.

    Returns:
        Recommenders × metrics.

    Example:
        >>> recommender_table({"popularity": {"HR@10": 0.25, "MPR": 0.5}, "mf": {"HR@10": 0.75, "MPR": 0.25}}).T
        recommender  popularity    mf
        HR@10              0.25  0.75
        MPR                0.50  0.25
    """
    return pd.DataFrame(qualities).T.rename_axis("recommender")


def fidelity_table(summary: pd.DataFrame, metrics: Sequence[str] | None = None) -> pd.DataFrame:
    """Table of means.

    Args:
        summary: result of :func:`lxr.metrics.summary_table`.
        metrics: the metrics to show, in this order; all by default.

    Returns:
        Explainers × metrics.

    Example:
        >>> summary = pd.DataFrame({"explainer": ["lxr", "lxr"], "metric": ["DEL", "NDCG"], "mean": [0.25, 0.5]})
        >>> fidelity_table(summary, ["NDCG", "DEL"]).to_dict("index")
        {'lxr': {'NDCG': 0.5, 'DEL': 0.25}}
    """
    order = list(dict.fromkeys(summary["metric"])) if metrics is None else list(metrics)
    names = list(dict.fromkeys(summary["explainer"]))
    return summary.pivot(index="explainer", columns="metric", values="mean").loc[names, order].rename_axis(columns=None)


def interval_table(summary: pd.DataFrame, metrics: Sequence[str], *, decimals: int = 3) -> pd.DataFrame:
    """Means with their intervals, as text.

    Args:
        summary: result of :func:`lxr.metrics.summary_table`.
        metrics: the metrics to show, in this order.
        decimals: digits after the point.

    Returns:
        Explainers × metrics, ``"mean [low, high]"``.

    Example:
        >>> summary = pd.DataFrame({"explainer": ["lxr"], "metric": "NDCG", "mean": 0.5, "ci_low": 0.25, "ci_high": 0.75})
        >>> interval_table(summary, ["NDCG"], decimals=2).to_dict("index")
        {'lxr': {'NDCG': '0.50 [0.25, 0.75]'}}
    """
    text = summary.assign(
        mean=[
            f"{mean:.{decimals}f} [{low:.{decimals}f}, {high:.{decimals}f}]"
            for mean, low, high in zip(summary["mean"], summary["ci_low"], summary["ci_high"], strict=True)
        ]
    )
    return fidelity_table(text, metrics)


def mark_best(table: pd.DataFrame, comparisons: pd.DataFrame, *, level: float = 0.05) -> pd.DataFrame:
    """Marks of the entries of a table of means.

    Args:
        table: explainers × metrics, the result of :func:`fidelity_table`.
        comparisons: result of :func:`lxr.metrics.comparison_table` for these explainers and at least these metrics.
        level: significance level of the corrected tests.

    Returns:
        Explainers × metrics: ``"best"``, ``"tie"`` if no test finds a difference to the best, ``""`` for the rest.

    Example:
        >>> table = pd.DataFrame({"NDCG": [0.25, 0.26, 0.75]}, index=["lxr", "lime", "random"])
        >>> pairs = [("lxr", "lime"), ("lxr", "random"), ("lime", "random")]
        >>> tests = pd.DataFrame(pairs, columns=["explainer", "other"]).assign(metric="NDCG", p_holm=[0.7, 0.01, 0.01])
        >>> mark_best(table, tests)["NDCG"].tolist()
        ['best', 'tie', '']
    """
    marks = pd.DataFrame("", table.index, table.columns)
    for column in table:
        best = table[column].idxmin() if direction(column) == LOWER else table[column].idxmax()
        rows = comparisons[(comparisons["metric"] == column) & (comparisons["p_holm"] >= level)]
        ties = pd.concat([rows["other"][rows["explainer"] == best], rows["explainer"][rows["other"] == best]])
        marks.loc[ties, column] = "tie"
        marks.loc[best, column] = "best"
    return marks


def tuning_table(records: Mapping[str, Mapping], explainers: Sequence[str]) -> pd.DataFrame:
    """Tuning summary: trials, the metric before and after, and the chosen options.

    Args:
        records: ``"recommender"`` and explainers → results of :func:`lxr.tuning.records.tuning_record`.
        explainers: all explainers of the comparison; untuned ones have no trials.

    Returns:
        One row each: ``metric``, its values on validation users with the ``start`` options and with the best, numbers of
        ``trials``, of ``pruned`` and ``failed`` ones, and of ``users``; ``minutes``, and the chosen ``options``.

    Example:
        >>> record = {"metric": "POS@20", "start": 0.5, "value": 0.25, "trials": 9, "options": {"k": 5}, "seconds": 90}
        >>> tuning_table({"lime": record}, ["lime"]).loc["lime", ["metric", "value", "trials", "options"]].tolist()
        ['POS@20', 0.25, 9, 'k 5']
    """
    rows = {}
    for name in ["recommender", *explainers]:
        record = records.get(name, {"trials": 0, "options": {}})
        row = {column: record.get(column) for column in ("metric", "start", "value", "trials", "pruned", "failed", "users")}
        options = ", ".join(f"{option} {value}" for option, value in record["options"].items())
        rows[name] = row | {"minutes": f"{record.get('seconds', 0) / 60:.1f}", "options": options or "none"}
    return pd.DataFrame(rows).T.rename_axis("tuned")


def explanation_table(
    scores: Mapping[str, Scores],
    row: int,
    data: Interactions,
    histories: EntryLists | None = None,
    *,
    count: int = 5,
) -> pd.DataFrame:
    """The most important history items of one user, one column per explainer.

    Args:
        scores: explainer → (N,) importance of the entries of ``histories``, or (n, I) CSR importance of rows.
        row: row of the user in the scores.
        data: histories with the titles.
        histories: the explained entries; None for rows.
        count: number of items.

    Returns:
        Titles, indexed by their position from 1.

    Example:
        >>> import scipy.sparse as sp
        >>> data = Interactions(sp.csr_matrix((1, 3)), np.array([0]), np.arange(3), np.array(["A", "B", "C"]))
        >>> explanation_table({"lxr": sp.csr_matrix([[0.1, 0.7, 0.2]])}, 0, data, count=2)
          lxr
        1   B
        2   C
    """
    columns = {}
    for name, each in scores.items():
        lists, values = entry_scores(histories, scores=each)
        columns[name] = data.titles(_top_explanation(lists, values, row, count))
    return pd.DataFrame({name: pd.Series(titles) for name, titles in columns.items()}).rename(index=lambda i: i + 1)


def _top_explanation(lists: EntryLists, scores: np.ndarray, row: int, count: int) -> np.ndarray:
    """The most important items of one user, ties by ascending item."""
    begin, end = lists.indptr[row], lists.indptr[row + 1]
    items, values = lists.items[begin:end], scores[begin:end]
    return items[np.lexsort((items, -values))[:count]]
