"""One function per table."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import scipy.sparse as sp

from lxr.data.inputs import as_pair
from lxr.data.interactions import Interactions
from lxr.explainers.accent import Counterfactual
from lxr.metrics.agreement import overlap_of_positions, positions
from lxr.metrics.ground_truth import area_under_roc, precision
from lxr.metrics.result import LOWER, FidelityResult, direction
from lxr.metrics.statistics import bootstrap_interval, check_permutations, holm, sign_flip_test
from lxr.recommenders.base import Recommender
from lxr.recommenders.ranking import rank_quality
from lxr.utils.markup import quoted


def data_table(ratings: pd.DataFrame, data: Interactions, parts: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """What there is in ratings, in the histories that are kept of them, and in each part of the users.

    Args:
        ratings: as read, duplicates included.
        data: what :func:`lxr.prepare` has made of them.
        parts: name → indices of users.

    Returns:
        One row each; items are those of the row, and so is the density; lengths are of the users' histories.
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


def recommender_table(models: Mapping[str, Recommender], matrix: sp.csr_matrix, seed: int = 0) -> pd.DataFrame:
    """Ranking quality of recommenders, one row each.

    Args:
        models: name → recommender.
        matrix: (n_users, I) CSR histories; the same item of each user is hidden for every recommender.
    """
    table = pd.DataFrame({name: rank_quality(model, matrix, seed=seed) for name, model in models.items()}).T
    arrows = {column: f"{column} {'↓' if column == 'MPR' else '↑'}" for column in table.columns}
    return table.rename(columns=arrows).rename_axis("recommender")


def summary_table(results: Mapping[str, FidelityResult], n_resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Means and intervals of every explainer and metric, in long form.

    Returns:
        Columns ``explainer``, then those of :meth:`lxr.FidelityResult.summary`.
    """
    parts = {name: result.summary(n_resamples=n_resamples, seed=seed) for name, result in results.items()}
    return pd.concat(parts, names=["explainer"]).droplevel(1).reset_index()


def fidelity_table(summary: pd.DataFrame, metrics: Sequence[str] | None = None) -> pd.DataFrame:
    """Explainers × metrics, means only, each metric with its direction.

    Args:
        summary: what :func:`summary_table` returns.
        metrics: the metrics to show, in this order; all by default.
    """
    order = list(dict.fromkeys(summary["metric"])) if metrics is None else list(metrics)
    names = list(dict.fromkeys(summary["explainer"]))
    return with_arrows(summary.pivot(index="explainer", columns="metric", values="mean").loc[names, order])


def with_arrows(table: pd.DataFrame) -> pd.DataFrame:
    """The same table, each metric with its direction: ``"POS@5"`` → ``"POS@5 ↓"``."""
    return table.rename(columns=lambda metric: f"{metric} {direction(metric)}").rename_axis(columns=None)


def interval_table(summary: pd.DataFrame, metrics: Sequence[str], decimals: int = 3) -> pd.DataFrame:
    """Explainers × metrics as text, ``mean [low, high]``."""
    text = summary.assign(
        mean=[
            f"{mean:.{decimals}f} [{low:.{decimals}f}, {high:.{decimals}f}]"
            for mean, low, high in zip(summary["mean"], summary["ci_low"], summary["ci_high"], strict=True)
        ]
    )
    return fidelity_table(text, metrics)


def comparison_table(
    results: Mapping[str, FidelityResult], metrics: Sequence[str], n_permutations: int = 10_000, seed: int = 0
) -> pd.DataFrame:
    """Paired tests between every two explainers, for each metric.

    Returns:
        One row per metric and pair: ``metric``, ``explainer``, ``other``, ``difference`` (mean of the first less mean of the
        second), ``p`` of the sign-flip permutation test over users (:func:`lxr.metrics.statistics.sign_flip_test`), and
        ``p_holm``, corrected for all pairs of that metric.

    Raises:
        ValueError: so few permutations that no corrected p could be below 5 %.
    """
    names = list(results)
    first, second = np.triu_indices(len(names), k=1)
    check_permutations(n_permutations, len(first))
    per_user = [results[name].per_user() for name in names]
    tables = []
    for metric in metrics:
        values = np.column_stack([frame[metric] for frame in per_user])  # (n_users, n_explainers)
        mean, p = values.mean(axis=0), sign_flip_test(values, n_permutations, seed)[first, second]
        tables.append(
            pd.DataFrame(
                {
                    "metric": metric,
                    "explainer": np.array(names)[first],
                    "other": np.array(names)[second],
                    "difference": mean[first] - mean[second],
                    "p": p,
                    "p_holm": holm(p),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def mark_best(table: pd.DataFrame, comparisons: pd.DataFrame, level: float = 0.05) -> pd.DataFrame:
    """Marks of the entries of a table of means: ``"best"`` of a metric, ``"tie"`` for what no test tells apart from it.

    Args:
        table: explainers × metrics, what :func:`fidelity_table` returns.
        comparisons: what :func:`comparison_table` returns for these explainers and at least these metrics.
        level: of the corrected tests.
    """
    marks = pd.DataFrame("", table.index, table.columns)
    for column in table:
        metric, arrow = column.split(" ")
        best = table[column].idxmin() if arrow == LOWER else table[column].idxmax()
        rows = comparisons[(comparisons["metric"] == metric) & (comparisons["p_holm"] >= level)]
        ties = pd.concat([rows["other"][rows["explainer"] == best], rows["explainer"][rows["other"] == best]])
        marks.loc[ties, column] = "tie"
        marks.loc[best, column] = "best"
    return marks


def group_table(results: Mapping[str, FidelityResult], groups: pd.Series, metrics: Sequence[str]) -> pd.DataFrame:
    """Means within groups of users.

    Args:
        results: explainer → result.
        groups: (n_users,) the group of each user, see :func:`quartiles`.
        metrics: the metrics to show.

    Returns:
        Long form: ``explainer``, ``group``, ``n_users``, and a column per metric.
    """
    parts = {}
    for name, result in results.items():
        grouped = result.per_user()[list(metrics)].groupby(groups.array, observed=True)
        parts[name] = grouped.mean().assign(n_users=grouped.size())
    table = pd.concat(parts, names=["explainer", "group"]).reset_index()
    return table[["explainer", "group", "n_users", *metrics]]


def quartiles(values: np.ndarray) -> pd.Series:
    """The quarter of each value among all of them, named by its bounds, ``"8–21"``; equal values share a quarter.

    Example:
        >>> quartiles(np.array([1, 2, 3, 4, 5, 6, 7, 8])).unique().tolist()
        ['1–2', '3–4', '5–6', '7–8']
    """
    quarter = np.searchsorted(np.quantile(values, [0.25, 0.5, 0.75]), values)
    numbers, codes = np.unique(quarter, return_inverse=True)
    names = [f"{values[quarter == number].min()}–{values[quarter == number].max()}" for number in numbers]
    return pd.Series(pd.Categorical.from_codes(codes, names, ordered=True))


def first_release_table(results: Mapping[str, FidelityResult]) -> pd.DataFrame:
    """Explainers × metrics by the convention of the first release of LXR's code, :meth:`FidelityResult.first_release`."""
    means = pd.DataFrame({name: result.first_release().mean() for name, result in results.items()}).T
    return with_arrows(means.rename_axis("explainer"))


def seed_table(summaries: Mapping[str, pd.DataFrame], metrics: Sequence[str]) -> pd.DataFrame:
    """How much results vary between trainings, beside how much they vary between users.

    Args:
        summaries: training → what :func:`summary_table` returns.
        metrics: the metrics to show.

    Returns:
        Explainers × three columns per metric: the ``mean`` over trainings, their standard deviation ``sd``, and the ``±``
        of users, half the width of the 95 % interval over users, mean over trainings.
    """
    joined = pd.concat(summaries.values())
    joined["half"] = (joined["ci_high"] - joined["ci_low"]) / 2
    groups = joined.groupby(["explainer", "metric"], sort=False)
    spread = groups.agg(mean=("mean", "mean"), sd=("mean", "std"), half=("half", "mean")).rename(columns={"half": "± users"})
    wide = spread.unstack("metric", sort=False)
    return pd.DataFrame({f"{metric} {kind}": wide[kind][metric] for metric in metrics for kind in spread})


def tuning_table(records: Mapping[str, Mapping], explainers: Sequence[str]) -> pd.DataFrame:
    """Who was tuned, with how many trials, and what it has brought.

    Args:
        records: ``"recommender"`` and explainers → what :func:`lxr.tuning.records.tuning_record` returns.
        explainers: all of the comparison; those without options, or not tuned, have no trials.

    Returns:
        One row each: ``metric``, its values on validation users with the ``start`` options and with the best, ``trials`` and
        how many of them were ``pruned`` or ``failed``, ``users`` by whom, ``minutes``, the chosen ``options``.
    """
    rows = {}
    for name in ["recommender", *explainers]:
        record = records.get(name, {"trials": 0, "options": {}})
        row = {column: record.get(column) for column in ("metric", "start", "value", "trials", "pruned", "failed", "users")}
        options = ", ".join(f"{option} {value}" for option, value in record["options"].items())
        rows[name] = row | {"minutes": f"{record.get('seconds', 0) / 60:.1f}", "options": options or "none"}
    return pd.DataFrame(rows).T.rename_axis("tuned")


def explanation_table(scores: Mapping[str, sp.csr_matrix], row: int, data: Interactions, count: int = 5) -> pd.DataFrame:
    """The ``count`` most important history items of one user by title, one column per explainer.

    Args:
        scores: explainer → (n, I) CSR importance.
        row: the user's row in them.
        data: for the titles.
    """
    columns = {name: data.titles(top_explanation(matrix, row, count)) for name, matrix in scores.items()}
    return pd.DataFrame({name: pd.Series(titles) for name, titles in columns.items()}).rename(index=lambda i: i + 1)


def feature_table(scores: Mapping[str, sp.csr_matrix], data: Interactions, count: int = 5) -> pd.DataFrame:
    """How much explanations owe to what is known of the users, one row per explainer.

    Args:
        scores: explainer → (n, I) CSR importance.
        data: with user features.
        count: reasons that people read.

    Returns:
        For every kind of feature, and for ``all`` of them: the share of first reasons that are such features
        (``"age, first"``), and of the first ``count`` reasons (``"age, first 5"``).
    """
    if data.feature_kinds is None:
        raise ValueError("data: expected user features, found none")
    kinds, rows = list(dict.fromkeys(data.feature_kinds)), {}
    for name, matrix in scores.items():
        place = positions(matrix)
        row: dict[str, float] = {}
        for length, label in ((1, "first"), (count, f"first {count}")):
            reasons = matrix.indices[place < length]
            named = data.feature_kinds[reasons[reasons >= len(data.item_ids)] - len(data.item_ids)]
            row |= {f"{kind}, {label}": (named == kind).sum() / len(reasons) for kind in kinds}
            row[f"all, {label}"] = len(named) / len(reasons)
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("explainer")


def counterfactual_sentence(data: Interactions, target: int, counterfactual: Counterfactual | None) -> str:
    """A counterfactual explanation in words, with titles.

    Args:
        data: for the titles.
        target: the explained item.
        counterfactual: what :meth:`lxr.explainers.accent.ACCENT.counterfactuals` found for it.
    """
    (recommended,) = quoted_titles(data, [target])
    if counterfactual is None:
        return f"No set was found without which one of the next best items takes the place of {recommended}."
    (replacement,) = quoted_titles(data, [counterfactual.replacement])
    removed = enumeration(quoted_titles(data, counterfactual.removed))
    return f"Without {removed}, {replacement} would have been recommended instead of {recommended}."


def fall_sentence(
    data: Interactions,
    target: int,
    removed: Sequence[int] | np.ndarray,
    places: tuple[int, int],
    passing: Sequence[int],
    count: int = 3,
) -> str:
    """A counterfactual explanation in words of an item that is not recommended first.

    Args:
        data: for the titles.
        target: the explained item.
        removed: the set without which it falls; empty if none was found.
        places: of the target, with the whole history and without the set.
        passing: items that are before it without the set, and were not with it, the best first.
        count: so many of them are named.

    Example:
        >>> data = Interactions(sp.csr_matrix((1, 5)), np.array([0]), np.arange(5), np.array(list("ABCDE")))
        >>> fall_sentence(data, 2, [0], (3, 5), [3, 4])
        'Without “A”, “C” would fall from place 3 to 5: “D” and “E” would come before it.'
    """
    (title,) = quoted_titles(data, [target])
    place, fallen = places
    if not len(removed):
        return f"No set was found without which one of the next best items takes place {place} from {title}."
    others = [f"{len(passing) - count} other{'s' if len(passing) > count + 1 else ''}"] * (len(passing) > count)
    named = enumeration([*quoted_titles(data, passing[:count]), *others])
    without = enumeration(quoted_titles(data, removed))
    return f"Without {without}, {title} would fall from place {place} to {fallen}: {named} would come before it."


def quoted_titles(data: Interactions, items: Sequence[int] | np.ndarray) -> list[str]:
    """Titles of items as they stand in sentences."""
    return [quoted(title) for title in data.titles(np.asarray(items, dtype=int))]


def enumeration(names: Sequence[str]) -> str:
    """Names in a sentence.

    Example:
        >>> enumeration(["A"]), enumeration(["A", "B", "C"])
        ('A', 'A, B and C')
    """
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def top_explanation(scores: sp.csr_matrix, row: int, count: int) -> np.ndarray:
    """The most important items of one row, ties by ascending item."""
    begin, end = scores.indptr[row], scores.indptr[row + 1]
    return scores.indices[begin:end][np.argsort(-scores.data[begin:end], kind="stable")[:count]]


def agreement_table(scores: Mapping[str, sp.csr_matrix], p: float = 0.9) -> pd.DataFrame:
    """Explainers × explainers: :func:`lxr.rank_biased_overlap` of their orders, mean over users.

    Args:
        scores: explainer → (n, I) CSR importance of the same history items.
        p: persistence; the higher, the deeper an order is read.
    """
    first = next(iter(scores.values()))
    places = {name: positions(as_pair(first=first, **{name: matrix})[1]) for name, matrix in scores.items()}
    return pd.DataFrame(
        {a: {b: overlap_of_positions(places[a], places[b], first.indptr, p).mean() for b in places} for a in places}
    )


def ground_truth_table(
    scores: Mapping[str, sp.csr_matrix],
    truth: sp.csr_matrix,
    cutoffs: Sequence[int] = (1, 3, 5),
    n_resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Explanations against true reasons, one row per explainer.

    Args:
        scores: explainer → (n, I) CSR importance.
        truth: (n, I) CSR with the same entries, 1 for a true reason, else 0, as :func:`lxr.true_reasons` gives it.
        cutoffs: the K of precision@K.
        n_resamples: bootstrap samples of the interval.
        seed: of the resampling.

    Returns:
        ``precision@K ↑`` and ``AUC ↑``, means over the users for whom they are defined (K true reasons; a history with
        reasons and other items); the 95 % interval of the AUC (``AUC low``, ``AUC high``); ``fails``: the interval reaches
        down to 0.5, so that the explainer finds the reasons no better than a random order; and the numbers of users.

    Raises:
        ValueError: other entries in ``truth``, or no user with both reasons and other items.
    """
    rows = {}
    for name, matrix in scores.items():
        values = pd.DataFrame({f"precision@{count}": precision(matrix, truth, count) for count in cutoffs})
        values["AUC"] = area_under_roc(matrix, truth)
        areas = values[["AUC"]].dropna().to_numpy()
        if not len(areas):
            raise ValueError("truth: expected at least one user with both reasons and other items, found none")
        (low,), (high,) = bootstrap_interval(areas, n_resamples=n_resamples, seed=seed)
        rows[name] = {
            **values.mean().rename(lambda metric: f"{metric} ↑"),
            "AUC low": low,
            "AUC high": high,
            "fails": bool(low <= 0.5),
            **values.count().rename(lambda metric: f"users {metric}"),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("explainer")
