"""Published numbers, test users and recommender of the authors of LXR, and our numbers in their layout."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from lxr.recommenders.built_in.mf import MF
from lxr.utils.checks import check_choice, check_natural
from lxr.utils.storage import DataError, short
from lxr.utils.weights import restore_weights

FIDELITY = Path(__file__).with_name("published_fidelity.csv")
KINDS = ("curves", "fixed")
AUTHORS_LAYERS = {"history_encoder.weight": "mlp.linear_x.weight", "item_encoder.weight": "mlp.linear_y.weight"}


def authors_recommender(path: str | Path) -> MF:
    """Load the MF recommender of the first release of LXR from its weights.

    Args:
        path: ``Data_preprocessing/recommender_model.pt`` of the first release. Its items are all items of MovieLens 1M
            (every rating positive, no core), in the order of their ids.

    Returns:
        A recommender with the authors' weights, and with zero biases because theirs has none.

    Raises:
        DataError: a missing file, other content than weights of two linear layers, other shapes, or numbers that are not
            finite.

    Source: Barkan et al., WWW 2024, repository ExplainingRecommendations/LXR: 20 factors, 3,706 items.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     names = ("mlp.linear_x.weight", "mlp.linear_y.weight")
        ...     torch.save({name: torch.eye(2, 5) for name in names}, f"{folder}/model.pt")
        ...     model = authors_recommender(f"{folder}/model.pt")
        >>> model.n_items, model.n_factors, model.activation
        (5, 2, 'sigmoid')
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a foreign file: torch raises many kinds
        raise DataError(f"{path}: cannot read weights saved by PyTorch: {short(error)}") from error
    found = list(state) if isinstance(state, dict) else type(state).__name__
    if not isinstance(state, dict) or set(state) != set(AUTHORS_LAYERS.values()):
        raise DataError(f"{path}: expected the weights {', '.join(AUTHORS_LAYERS.values())}, found {found}")
    weights = {own: state[theirs] for own, theirs in AUTHORS_LAYERS.items()}
    shapes = [tuple(getattr(weight, "shape", ())) for weight in weights.values()]
    if shapes[0] != shapes[1] or len(shapes[0]) != 2 or 0 in shapes[0]:
        raise DataError(f"{path}: expected two matrices (n_factors, n_items), found shapes {shapes[0]} and {shapes[1]}")
    n_factors, n_items = shapes[0]
    model = MF(n_items, n_factors=n_factors)
    biases = {name.replace("weight", "bias"): torch.zeros(n_factors) for name in weights}
    restore_weights(model, weights | biases, path)
    return model.eval()


def published_test_users(n_users: int) -> np.ndarray:
    """Test users of the authors' published code.

    Args:
        n_users: number of users, in the order of their ids.

    Returns:
        Ascending indices of a fifth of the users, rounded up.

    Raises:
        ValueError: ``n_users`` is not a natural number of at least 2.

    Source: ``train_test_split(test_size=.2, random_state=42)`` of scikit-learn in the data preparation of their code.

    Example:
        >>> published_test_users(10)
        array([1, 8])
    """
    check_natural(n_users=n_users)
    if n_users < 2:
        raise ValueError(f"n_users: expected at least 2, found {n_users}")
    order = np.random.RandomState(42).permutation(n_users)  # the legacy generator of scikit-learn
    return np.sort(order[: math.ceil(n_users / 5)])


def published_fidelity(dataset: str, recommender: str, kind: str = "curves") -> pd.DataFrame:
    """Published means of fidelity metrics; empty if there are none.

    Args:
        dataset, recommender: names in this project. The authors trained their own recommender.
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
    """Our means in the layout of the authors' tables, as far as we have them.

    Args:
        per_user: explainer → result of :meth:`lxr.FidelityResult.per_user`.
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
    """Published means next to ours, for the common explainers and metrics.

    Args:
        ours: explainers × metrics, the result of :func:`in_published_layout`.
        published: explainers × metrics, the result of :func:`published_fidelity`.

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
