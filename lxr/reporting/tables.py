"""One function per table: numbers that were computed elsewhere, put into rows and columns; and words of them."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import scipy.sparse as sp

from lxr.counterfactuals.sets import CounterfactualSet
from lxr.data.interactions import Interactions
from lxr.metrics.names import LOWER, direction
from lxr.utils.markup import quoted


def data_table(ratings: pd.DataFrame, data: Interactions, parts: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Dataset statistics: ratings, kept histories, and each part of the users.

    Args:
        ratings: as read, duplicates included.
        data: what :func:`lxr.prepare` has made of them.
        parts: name → indices of users.

    Returns:
        One row each; items are those of the row, and so is the density; lengths are of the users' histories.

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
        qualities: name → what :func:`lxr.rank_quality` returns, of the same histories and with the same seed.

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
    """Means only.

    Args:
        summary: what :func:`lxr.metrics.summary_table` returns.
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
        summary: what :func:`lxr.metrics.summary_table` returns.
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
        table: explainers × metrics, what :func:`fidelity_table` returns.
        comparisons: what :func:`lxr.metrics.comparison_table` returns for these explainers and at least these metrics.
        level: of the corrected tests.

    Returns:
        Explainers × metrics: ``"best"`` of a metric, ``"tie"`` for no significant difference to it, ``""`` for the rest.

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
        records: ``"recommender"`` and explainers → what :func:`lxr.tuning.records.tuning_record` returns.
        explainers: all of the comparison; those without options, or not tuned, have no trials.

    Returns:
        One row each: ``metric``, its values on validation users with the ``start`` options and with the best, ``trials`` and
        how many of them were ``pruned`` or ``failed``, ``users`` by whom, ``minutes``, the chosen ``options``.

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


def explanation_table(scores: Mapping[str, sp.csr_matrix], row: int, data: Interactions, *, count: int = 5) -> pd.DataFrame:
    """The most important history items of one user, one column per explainer.

    Args:
        scores: explainer → (n, I) CSR importance.
        row: the user's row in them.
        data: for the titles.
        count: so many items.

    Returns:
        Titles, indexed by their position from 1.

    Example:
        >>> data = Interactions(sp.csr_matrix((1, 3)), np.array([0]), np.arange(3), np.array(["A", "B", "C"]))
        >>> explanation_table({"lxr": sp.csr_matrix([[0.1, 0.7, 0.2]])}, 0, data, count=2)
          lxr
        1   B
        2   C
    """
    columns = {name: data.titles(_top_explanation(matrix, row, count)) for name, matrix in scores.items()}
    return pd.DataFrame({name: pd.Series(titles) for name, titles in columns.items()}).rename(index=lambda i: i + 1)


def counterfactual_sentence(data: Interactions, target: int, found: CounterfactualSet) -> str:
    """A counterfactual explanation in words, with titles, of the item that is recommended first.

    Args:
        data: for the titles.
        target: the explained item.
        found: its counterfactual set, as :func:`lxr.counterfactuals.smallest_set` returns it.

    Returns:
        The sentence, and a second one if it is proven that no smaller set exists.

    Example:
        >>> data = Interactions(sp.csr_matrix((1, 4)), np.array([0]), np.arange(4), np.array(list("ABCD")))
        >>> counterfactual_sentence(data, 2, CounterfactualSet(np.array([0, 3]), 1, bound=2, length=2, seconds=0.1))
        'Without “A” and “D”, “B” would have been recommended instead of “C”. No smaller set exists.'
    """
    (recommended,) = _quoted_titles(data, [target])
    if found.removed is None:
        if found.certificate == "none":
            return f"Whichever items are left out, no other item takes the place of {recommended}."
        return f"No set was found without which another item takes the place of {recommended}."
    (replacement,) = _quoted_titles(data, [found.replacement])
    removed = enumeration(_quoted_titles(data, found.removed))
    return f"Without {removed}, {replacement} would have been recommended instead of {recommended}.{_proof(found)}"


def fall_sentence(
    data: Interactions,
    target: int,
    found: CounterfactualSet,
    ranks: tuple[int, int],
    passing: Sequence[int],
    *,
    count: int = 3,
) -> str:
    """A counterfactual explanation in words of an item that is not recommended first.

    Args:
        data: for the titles.
        target: the explained item.
        found: the set without which it falls, as :func:`lxr.counterfactuals.smallest_set` returns it.
        ranks: of the target, with the whole history and without the set.
        passing: items that are before it without the set, and were not with it, the best first.
        count: so many of them are named.

    Returns:
        The sentence, and a second one if it is proven that no smaller set exists.

    Example:
        >>> data = Interactions(sp.csr_matrix((1, 5)), np.array([0]), np.arange(5), np.array(list("ABCDE")))
        >>> found = CounterfactualSet(np.array([0]), 3, bound=1, length=2, seconds=0.1)
        >>> fall_sentence(data, 2, found, (3, 5), [3, 4])
        'Without “A”, “C” would fall from place 3 to 5: “D” and “E” would come before it.'
    """
    (title,) = _quoted_titles(data, [target])
    rank, fallen = ranks
    if found.removed is None:
        if found.certificate == "none":
            return f"Whichever items are left out, {title} does not fall below place {rank}."
        return f"No set was found without which {title} falls below place {rank}."
    others = [f"{len(passing) - count} other{'s' if len(passing) > count + 1 else ''}"] * (len(passing) > count)
    named = enumeration([*_quoted_titles(data, passing[:count]), *others])
    without = enumeration(_quoted_titles(data, found.removed))
    fall = f"Without {without}, {title} would fall from place {rank} to {fallen}: {named} would come before it."
    return fall + _proof(found)


def _proof(found: CounterfactualSet) -> str:
    """Sentence about a set of several items that is proven to be a smallest one."""
    return " No smaller set exists." if found.certificate == "optimal" and found.bound > 1 else ""


def _quoted_titles(data: Interactions, items: Sequence[int] | np.ndarray) -> list[str]:
    """Titles of items, quoted for a sentence."""
    return [quoted(title) for title in data.titles(np.asarray(items, dtype=int))]


def enumeration(names: Sequence[str]) -> str:
    """Names in a sentence.

    Example:
        >>> enumeration(["A"]), enumeration(["A", "B", "C"])
        ('A', 'A, B and C')
    """
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _top_explanation(scores: sp.csr_matrix, row: int, count: int) -> np.ndarray:
    """The most important items of one row, ties by ascending item."""
    begin, end = scores.indptr[row], scores.indptr[row + 1]
    return scores.indices[begin:end][np.argsort(-scores.data[begin:end], kind="stable")[:count]]
