"""One function per table."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch

from lxr.agreement import check_same_entries, overlap_of_positions, positions
from lxr.fidelity import FidelityResult
from lxr.ground_truth import area_under_roc, precision
from lxr.interactions import Interactions, dense
from lxr.perturbation import Counterfactual
from lxr.ranking import rank_quality
from lxr.recommenders import Recommender
from lxr.statistics import bootstrap_interval


def recommender_table(models: Mapping[str, Recommender], matrix: sp.csr_matrix, seed: int = 0) -> pd.DataFrame:
    """Ranking quality of recommenders, one row each.

    Args:
        models: name → recommender.
        matrix: (n_users, I) CSR histories; the same item of each user is hidden for every recommender.
    """
    table = pd.DataFrame({name: rank_quality(model, matrix, seed) for name, model in models.items()}).T
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
    table = summary.pivot(index="explainer", columns="metric", values="mean").loc[names, order]
    arrows = dict(zip(summary["metric"], summary["direction"], strict=True))
    return table.rename(columns=lambda metric: f"{metric} {arrows[metric]}").rename_axis(columns=None)


def interval_table(summary: pd.DataFrame, metrics: Sequence[str], decimals: int = 3) -> pd.DataFrame:
    """Explainers × metrics as text, ``mean [low, high]``."""
    text = summary.assign(
        mean=[
            f"{mean:.{decimals}f} [{low:.{decimals}f}, {high:.{decimals}f}]"
            for mean, low, high in zip(summary["mean"], summary["ci_low"], summary["ci_high"], strict=True)
        ]
    )
    return fidelity_table(text, metrics)


def recommendation_table(model: Recommender, data: Interactions, user: int, count: int = 10) -> pd.DataFrame:
    """The first ``count`` recommendations of a user by title, with their logits."""
    history = dense(data.matrix[[user]], model.device)
    with torch.no_grad():
        logits = model(history).masked_fill(history > 0, -torch.inf)[0]
    top = logits.topk(count)
    titles = titles_of(data, top.indices.cpu().numpy())
    return pd.DataFrame({"recommendation": titles, "logit": top.values.cpu().numpy()}, index=range(1, count + 1))


def explanation_table(scores: Mapping[str, sp.csr_matrix], row: int, data: Interactions, count: int = 5) -> pd.DataFrame:
    """The ``count`` most important history items of one user by title, one column per explainer.

    Args:
        scores: explainer → (n, I) CSR importance.
        row: the user's row in them.
        data: for the titles.
    """
    columns = {name: titles_of(data, top_explanation(matrix, row, count)) for name, matrix in scores.items()}
    return pd.DataFrame({name: pd.Series(titles) for name, titles in columns.items()}).rename(index=lambda i: i + 1)


def counterfactual_sentence(data: Interactions, target: int, counterfactual: Counterfactual | None) -> str:
    """A counterfactual explanation in words, with titles.

    Args:
        data: for the titles.
        target: the explained item.
        counterfactual: what :meth:`lxr.perturbation.ACCENT.counterfactuals` found for it.
    """
    (recommended,) = titles_of(data, np.array([target]))
    if counterfactual is None:
        return f"Whatever is removed, none of the next best items takes the place of {recommended}."
    *others, last = titles_of(data, counterfactual.removed)
    removed = f"{', '.join(others)} and {last}" if others else last
    (replacement,) = titles_of(data, np.array([counterfactual.replacement]))
    return f"Without {removed}, {replacement} would have been recommended instead of {recommended}."


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
    (first, *others) = scores.values()
    for matrix in others:
        check_same_entries(first, matrix)
    places = {name: positions(matrix) for name, matrix in scores.items()}
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


def titles_of(data: Interactions, items: np.ndarray) -> list[str]:
    """Titles of items, or their ids where there are none."""
    names = data.item_ids if data.item_titles is None else data.item_titles
    return [str(name) for name in names[items]]
