"""Studies of LXR on paths: stale gradients, meaning of signals, reliance of the network on each."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch

from lxr.data.inputs import as_list_scores, as_lists
from lxr.explainers.gradients import gradient_at_rest
from lxr.explainers.learned.lxr_path import PathLXR
from lxr.explainers.learned.lxr_path_lessons import Examples
from lxr.explainers.learned.lxr_path_signals import relative
from lxr.explainers.objectives import Objective
from lxr.metrics.agreement import positions, rank_correlation
from lxr.metrics.fidelity import fidelity_of_scores
from lxr.recommenders.base import Recommender
from lxr.utils.sparse import USERS_PER_BATCH, batches


def path_agreement_table(
    model: Recommender,
    history: object,
    target: np.ndarray,
    objective: Objective,
    path: sp.csr_matrix | np.ndarray,
    scores: Mapping[str, sp.csr_matrix | np.ndarray],
    *,
    shares: Sequence[float] = (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7),
) -> pd.DataFrame:
    """Agreement of explanations with fresh ones along a deletion path.

    Args:
        model: the explained recommender.
        history: histories of n users: :class:`lxr.EntryLists`, or (n, I) CSR.
        target: (n,) explained items.
        objective: g, whose gradient is the reference at a point of the path.
        path: importance, which gives the order of removal: (N,) for entry lists, (n, I) CSR for a matrix.
        scores: explainer → importance in the same form.
        shares: removed shares of the history.

    Returns:
        Shares × explainers: rank correlation with the gradient at the remaining history, over the remaining items; mean
        over the users for whom it is defined.

    Example:
        >>> import lxr
        >>> model, matrix = lxr.MF(9), sp.csr_matrix(np.tri(3, 9, k=3))
        >>> target, g = lxr.top_item(model, matrix), lxr.OBJECTIVES["logit"]
        >>> right = lxr.EXPLAINERS["gradient"](model, matrix, objective="logit").explain(matrix, target)
        >>> table = path_agreement_table(model, matrix, target, g, right, {"gradient": right}, shares=(0, 0.25))
        >>> table["gradient"].round(2).tolist()
        [1.0, 1.0]
    """
    lists, target = as_lists(model, history, target)
    others = {name: as_list_scores(lists, history, each) for name, each in scores.items()}
    gone, table = positions(as_list_scores(lists, history, path), lists), {}
    for share in shares:
        stays = gone >= (share * lists.lengths)[lists.users]
        left, parts = lists.taken(stays, np.append(0, stays.cumsum())[lists.indptr]), []
        for users in batches(len(target), USERS_PER_BATCH):
            histories = lists.batch(users, model.device)
            there = stays[lists.indptr[users[0]] : lists.indptr[users[-1] + 1]]
            kept = histories.padded(torch.from_numpy(there).to(model.device))
            chosen = torch.from_numpy(target[users]).to(model.device)
            parts.append(gradient_at_rest(objective, model, histories, kept, chosen)[kept].cpu().numpy())
        now = np.concatenate(parts)
        table[share] = {name: np.nanmean(rank_correlation(each[stays], now, left)) for name, each in others.items()}
    return pd.DataFrame.from_dict(table, orient="index").rename_axis("removed")


def signal_table(examples: Examples, names: Sequence[str], groups: np.ndarray) -> pd.DataFrame:
    """Mean signals of groups of history items, as inputs of the ordering network.

    Args:
        examples: histories with signals (N, F) of all N entries.
        names: (F,) names of the signals.
        groups: (N,) group of each entry.

    Returns:
        Groups × signals, each relative to its mean size over the history, mean over the items.

    Example:
        >>> from lxr.data.histories import EntryLists
        >>> histories = EntryLists(np.array([0, 1, 0, 2]), np.array([0, 2, 4]), n_columns=3)
        >>> examples = Examples(histories, np.array([2, 1]), torch.tensor([[1.0], [3.0], [2.0], [2.0]]))
        >>> signal_table(examples, ["whole"], np.array(["a", "b", "a", "b"]))
           whole
        a   0.75
        b   1.25
    """
    length = torch.from_numpy(examples.lists.lengths).long().to(examples.signals.device)
    seen = relative(examples.signals, length).cpu().numpy()
    return pd.DataFrame(seen, columns=list(names)).groupby(groups, observed=True).mean()


def reliance_table(explainer: PathLXR, examples: Examples, metric: str, *, seed: int = 0) -> pd.Series:
    """Importance of signals to a network: a metric with each signal shuffled among the items of every user.

    Args:
        explainer: the trained network.
        examples: examples of unseen users.
        metric: metric of :func:`lxr.metrics.fidelity_of_scores`.
        seed: seed of the shuffling.

    Returns:
        The metric with no signal shuffled (``none``), then with each signal shuffled, by name.

    Source: Breiman, Random Forests, Machine Learning 2001, section 10 (permutation importance).

    Example:
        >>> import lxr
        >>> data, model = lxr.load_dataset("synthetic"), lxr.MF(160, n_factors=4)
        >>> settings = lxr.PathSettings(epochs=1, n_users=20, looks=(1,))
        >>> explainer = lxr.train_path_lxr(model, data.matrix[:40], data.matrix[40:60], settings=settings)
        >>> read = Examples.of(explainer.network.signals, model, data.matrix[60:80])
        >>> reliance_table(explainer, read, "NDCG").index.tolist()[:2]
        ['none', 'whole']
    """
    network, about = explainer.network, (explainer.model, examples.lists, examples.target)
    rng, user = np.random.default_rng(seed), examples.lists.users
    found = {"none": fidelity_of_scores(*about, examples.scores(network), metric)}
    for column, name in enumerate(network.signals.names):
        signals = examples.signals.clone()
        signals[:, column] = signals[np.lexsort((rng.random(len(user)), user)), column]
        found[name] = fidelity_of_scores(*about, replace(examples, signals=signals).scores(network), metric)
    return pd.Series(found, name=metric)
