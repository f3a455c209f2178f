"""Metrics of counterfactual sets: sizes relative to the smallest possible, necessity, sufficiency, inequality."""

from collections.abc import Sequence

import numpy as np
import torch

from lxr.data.inputs import as_lists
from lxr.recommenders.base import Recommender
from lxr.utils.checks import check_positive


def necessary_and_sufficient(
    model: Recommender,
    history: object,
    target: object,
    sets: Sequence[np.ndarray],
    k: int = 1,
    *,
    batch_size: int = 512,
) -> tuple[np.ndarray, np.ndarray]:
    """Whether sets of history items are necessary, and whether they are sufficient, for targets in the top K.

    A set is necessary if the target leaves the top K when the set is removed, and sufficient if the target stays there when
    only the set is kept. The means over users are the probabilities PN and PS. Ranks are taken among the items outside the
    whole history.

    Args:
        model: recommender of I items.
        history: :class:`lxr.EntryLists`, or (B, I) binary histories, dense or CSR; at least one item each.
        target: (B,) explained items, outside the histories.
        sets: B arrays of history items.
        k: length K of the list of recommendations.
        batch_size: histories per forward pass.

    Returns:
        Two arrays (B,) of booleans.

    Raises:
        ValueError: histories or targets that cannot be explained, another number of sets, or an option that is not positive.

    Source: Tan et al., Counterfactual Explainable Recommendation, CIKM 2021, section 5 (PN and PS).

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> necessary_and_sufficient(model, [[1, 1, 0, 0]] * 2, target=[3, 3], sets=[np.array([0]), np.array([1])])
        (array([ True, False]), array([ True, False]))
    """
    check_positive(k=k, batch_size=batch_size)
    lists, items = as_lists(model, history, target)
    if len(sets) != len(items):
        raise ValueError(f"sets: expected {len(items)}, one for each user, found {len(sets)}")
    necessary, sufficient = np.empty((2, len(items)), dtype=bool)
    size = max(1, batch_size // 2)
    for start in range(0, len(items), size):
        users = slice(start, start + size)
        histories = lists.batch(users, model.device)
        kept = histories.among(sets[users])
        chosen = torch.from_numpy(items[users]).to(model.device)
        with torch.no_grad():
            logits = model.logits_after_deletion(histories.repeat(2), torch.cat([~kept, kept]))
        unseen = histories.unseen(model.n_columns).repeat(2, 1)
        before = (logits > logits.gather(1, chosen.repeat(2)[:, None])) & unseen
        inside = (before.sum(dim=1) < k).view(2, -1).cpu().numpy()
        necessary[users], sufficient[users] = ~inside[0], inside[1]
    return necessary, sufficient


def gini(sizes: np.ndarray) -> float:
    """Gini coefficient of sizes.

    Args:
        sizes: (n,) numbers of at least 0.

    Returns:
        0 if all are equal, towards 1 if few sets have most of the items.

    Example:
        >>> gini(np.array([2, 2, 2])), gini(np.array([0, 0, 0, 4]))
        (0.0, 0.75)
    """
    ascending = np.sort(np.asarray(sizes, dtype=float))
    n, total = len(ascending), ascending.sum()
    return float((2 * np.arange(1, n + 1) - n - 1) @ ascending / (n * total)) if total else 0.0


def size_metrics(sizes: np.ndarray, smallest: np.ndarray) -> dict[str, float]:
    """Sizes of sets relative to the smallest ones.

    Args:
        sizes: (n,) sizes of sets that reach the goal; NaN where no set was found.
        smallest: (n,) proven sizes of the smallest sets; NaN where they are unknown or no set exists.

    Returns:
        ``validity`` (share of users with a set), ``set size`` (mean over these), ``Gini``; and, over users whose smallest
        set is proven, ``optimal`` (share of sets that are no larger) and ``relative size`` (mean of size / smallest, over
        those with a set). NaN where there is no user.

    Example:
        >>> size_metrics(np.array([2.0, 3, np.nan]), np.array([2.0, 2, 4]))["relative size"]
        1.25
    """
    found, proven = np.isfinite(sizes), np.isfinite(smallest)
    both = found & proven
    return {
        "validity": float(found.mean()),
        "set size": float(sizes[found].mean()) if found.any() else np.nan,
        "relative size": float((sizes / smallest)[both].mean()) if both.any() else np.nan,
        "optimal": float((sizes[proven] == smallest[proven]).mean()) if proven.any() else np.nan,
        "Gini": gini(sizes[found]) if found.any() else np.nan,
    }
