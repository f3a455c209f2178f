"""Has training an explainer led to anything? A comparison with a random order on its validation users."""

import warnings

import numpy as np
import scipy.sparse as sp

from lxr.explainer import explain_users, fidelity_per_user
from lxr.fidelity import LOWER, direction
from lxr.modes import uncounted
from lxr.recommenders import Recommender
from lxr.similarity import RandomOrder

CLEARLY = 2.0  # standard errors


def report_unlearned(
    model: Recommender, name: str, scores: sp.csr_matrix, target: np.ndarray, metric: str, seed: int = 0
) -> None:
    """Warn if explanations are not clearly better than a random order: by two standard errors of the paired difference.

    The comparison is not counted as a cost of the explainer.

    Args:
        model: the explained recommender.
        name: of the explainer.
        scores: (n, I) CSR explanations of the validation users.
        target: (n,) explained items.
        metric: the criterion of the training.
        seed: of the random order.

    Warns:
        UserWarning: they are not; names both means.

    Example:
        >>> import torch, lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> good, bad, target = sp.csr_matrix([[2.0, 1, 0, 0]] * 9), sp.csr_matrix([[1.0, 2, 0, 0]] * 9), np.full(9, 3)
        >>> with warnings.catch_warnings(record=True) as said:
        ...     report_unlearned(model, "good", good, target, "INS")
        ...     report_unlearned(model, "bad", bad, target, "INS")
        >>> [str(warning.message).split(":")[0] for warning in said]
        ['bad']
    """
    matrix = sp.csr_matrix((np.ones_like(scores.data), scores.indices, scores.indptr), shape=scores.shape)
    with uncounted(model), warnings.catch_warnings(action="ignore"):
        random = explain_users(RandomOrder(model, seed), matrix, target)
        found, chance = (fidelity_per_user(model, matrix, target, each, metric) for each in (scores, random))
    ahead = (chance - found) * (1 if direction(metric) == LOWER else -1)
    error = ahead.std(ddof=1) / np.sqrt(len(ahead)) if len(ahead) > 1 else np.inf
    if ahead.mean() > max(CLEARLY * error, 0.0):
        return
    figures = f"{metric} {found.mean():.3f}, of a random order {chance.mean():.3f}"
    warnings.warn(
        f"{name}: not clearly better than a random order on {len(ahead)} validation users: {figures}. It may have learned "
        "nothing: published hyperparameters belong to the recommenders of their authors, each recommender takes a search of "
        "its own (run_all.py --tune explainers)",
        stacklevel=4,  # past the decorator of what trains
    )
