"""Shares of explanations that come from user features."""

from collections.abc import Mapping

import pandas as pd

from lxr.data.histories import EntryLists
from lxr.data.interactions import Interactions
from lxr.metrics.agreement import Scores, entry_scores, positions


def feature_table(
    scores: Mapping[str, Scores], data: Interactions, histories: EntryLists | None = None, *, count: int = 5
) -> pd.DataFrame:
    """Shares of the first reasons that are user features, one row per explainer.

    Args:
        scores: explainer → (N,) importance of the entries of ``histories``, or (n, I) CSR importance of rows.
        data: histories with user features.
        histories: the explained entries; None for rows.
        count: reasons that people read.

    Returns:
        For every kind of feature, and for ``all`` of them: the share of first reasons that are such features
        (``"age, first"``), and of the first ``count`` reasons (``"age, first 5"``).

    Raises:
        ValueError: data without user features.

    Example:
        >>> import lxr
        >>> ratings = pd.DataFrame({"user": [1, 1, 2, 2], "item": [7, 8, 7, 8], "rating": 5})
        >>> ratings.attrs["user_features"] = {1: {"age": "young"}, 2: {"age": "old"}}
        >>> data = lxr.prepare(ratings)
        >>> feature_table({"toy": data.matrix}, data, count=3)["age, first 3"].round(2).tolist()  # one of three
        [0.33]
    """
    if data.feature_kinds is None:
        raise ValueError("data: expected user features, found none")
    kinds, rows = list(dict.fromkeys(data.feature_kinds)), {}
    for name, each in scores.items():
        lists, values = entry_scores(histories, scores=each)
        position = positions(values, lists)
        row: dict[str, float] = {}
        for length, label in ((1, "first"), (count, f"first {count}")):
            reasons = lists.items[position < length]
            named = data.feature_kinds[reasons[reasons >= len(data.item_ids)] - len(data.item_ids)]
            row |= {f"{kind}, {label}": (named == kind).sum() / len(reasons) for kind in kinds}
            row[f"all, {label}"] = len(named) / len(reasons)
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("explainer")
