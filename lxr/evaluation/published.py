"""Figures that the authors of LXR have published, and ours in the same layout."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from lxr.utils.checks import check_choice

FIDELITY = Path(__file__).with_name("published_fidelity.csv")
KINDS = ("curves", "fixed")


def published_fidelity(dataset: str, recommender: str, kind: str = "curves") -> pd.DataFrame:
    """Published means of fidelity metrics; empty where there are none.

    Args:
        dataset, recommender: as in this project; the authors trained a recommender of their own, which is not available.
        kind: ``"curves"``: mean over the eleven steps from 0 % to 100 % of the history removed, or ``"fixed"``: mean over
            the lengths Ke = 1 … 5, where DEL and INS are not divided by the unperturbed probability.

    Returns:
        Explainers × metrics.

    Raises:
        ValueError: an unknown kind.

    Source: outputs stored in the notebooks ``metrics_continous`` and ``metrics_discrete`` of the code published with
    Baklanov et al., SIGIR 2025: MovieLens 1M, 1,208 test users.

    Example:
        >>> published_fidelity("ml-1m", "mf")["POS@20"].head(2).to_dict()
        {'jaccard': 0.8068, 'cosine': 0.7436}
    """
    check_choice(KINDS, kind=kind)
    rows = pd.read_csv(FIDELITY).query("dataset == @dataset and recommender == @recommender and kind == @kind")
    table = rows.pivot(index="explainer", columns="metric", values="value")
    return table.loc[rows["explainer"].unique(), rows["metric"].unique()].rename_axis(columns=None)


def in_published_layout(per_user: Mapping[str, pd.DataFrame], kind: str = "curves") -> pd.DataFrame:
    """Our means as the authors report theirs, as far as we have them.

    Args:
        per_user: explainer → what :meth:`lxr.FidelityResult.per_user` returns.
        kind: as for :func:`published_fidelity`.

    Returns:
        Explainers × metrics.

    Example:
        >>> toy = pd.DataFrame({"NDCG": [0.25, 0.75], "INS@Ke=1": [1.0, 0.5], "probability": [0.5, 0.5]})
        >>> in_published_layout({"lxr": toy}, kind="fixed")
               INS
        lxr  0.375
    """
    means = {
        name: frame.mean(numeric_only=True) if kind == "curves" else _fixed_means(frame) for name, frame in per_user.items()
    }
    return pd.DataFrame(means).T


def _fixed_means(frame: pd.DataFrame) -> pd.Series:
    """Means over lengths and users of the fixed-length metrics of one explainer, DEL and INS as plain probabilities."""
    fixed = frame.filter(like="Ke=")
    metric = fixed.columns.str.replace(r"[,@]Ke=\d+$", "", regex=True)
    probability = fixed.mul(frame["probability"], axis=0).mean()
    return probability.where(metric.isin(["DEL", "INS"]), fixed.mean()).groupby(metric, sort=False).mean()


def compare_with_published(ours: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Published and our figures side by side, for the explainers and metrics that both have.

    Args:
        ours: explainers × metrics, what :func:`in_published_layout` returns.
        published: explainers × metrics, what :func:`published_fidelity` returns.

    Returns:
        Two rows for each of the common explainers, then ``Kendall τ``: the agreement of the two orders of explainers by each
        metric, 1 for the same order, −1 for the opposite one.

    Example:
        >>> ours = pd.DataFrame({"NDCG": [0.2, 0.4]}, index=["lxr", "lime"])
        >>> compare_with_published(ours, published=ours / 2)
                         NDCG
        lxr, published    0.1
        lxr, ours         0.2
        lime, published   0.2
        lime, ours        0.4
        Kendall τ         1.0
    """
    from scipy.stats import kendalltau

    explainers = [name for name in published.index if name in ours.index]
    metrics = [name for name in published.columns if name in ours.columns]
    ours, published = ours.loc[explainers, metrics], published.loc[explainers, metrics]
    rows: dict[str, pd.Series] = {}
    for name in explainers:
        rows |= {f"{name}, published": published.loc[name], f"{name}, ours": ours.loc[name]}
    rows["Kendall τ"] = pd.Series({name: kendalltau(published[name], ours[name]).statistic for name in metrics})
    return pd.DataFrame(rows).T
