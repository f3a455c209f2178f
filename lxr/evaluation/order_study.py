"""Studies of order: explanations by the soft mask and by deletion, and their dependence on the age of an entry."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch

from lxr.data.histories import EntryLists, Histories
from lxr.explainers.learned.base import ages
from lxr.explainers.leave_one_out import LeaveOneOut
from lxr.explainers.objectives import at_kept
from lxr.metrics.agreement import Scores, average_ranks, entry_scores, rank_correlation
from lxr.recommenders.base import Recommender
from lxr.recommenders.recommendations import top_item
from lxr.utils.checks import check_positive, check_seed


class MaskedOneOut(LeaveOneOut):
    """g(x) − g(x with entry i masked) for every entry i: leave-one-out by the soft mask.

    The entry gets the share 0. Deletion (:class:`lxr.explainers.LeaveOneOut`) also moves the positions of others. The two
    are the same for order-free recommenders, and for those that treat a share of 0 as deletion: SASRec, GRU4Rec.

    Args:
        model: the explained recommender.
        objective: g, a name in :data:`lxr.OBJECTIVES` or a function like them.
        batch_size: histories per forward pass; bounds the memory.

    Raises:
        ValueError: an unknown objective, or ``batch_size`` is not positive.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> history, target = torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3])
        >>> MaskedOneOut(model, objective="logit").explain(history, target).round(decimals=2)
        tensor([[2., 0., 0., 0.]])
    """

    def value(self, histories: Histories, stays: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The objective (R,) of targets (R,) after all entries but those that stay (R, L) are masked."""
        return at_kept(self.objective, self.model, histories, stays.float(), target)


def order_effect(model: Recommender, histories: EntryLists, *, seed: int = 0) -> pd.Series:
    """Share of users whose first recommendation stays when their entries come in another order.

    Args:
        model: the recommender.
        histories: entries of n users, oldest first.
        seed: seed of the random order.

    Returns:
        Shares for the entries reversed, in a random order, and with the newest one moved to the beginning. 1 for an
        order-free recommender.

    Example:
        >>> import lxr
        >>> data = lxr.load_dataset("synthetic")
        >>> order_effect(lxr.MF(data.n_items), data.histories(range(9))).to_dict()
        {'reversed': 1.0, 'random order': 1.0, 'newest first': 1.0}
    """
    place = np.arange(len(histories.items))
    newest_first = np.where(_ages(histories) == 0, -1, place)
    draws = np.random.default_rng(check_seed(seed)).random(len(place))
    keys = {"reversed": -place, "random order": draws, "newest first": newest_first}
    first, shares = top_item(model, histories), {}
    for name, key in keys.items():
        changed = histories.taken(np.lexsort((key, histories.users)), histories.indptr)
        shares[name] = float((top_item(model, changed) == first).mean())
    return pd.Series(shares)


def correlation_table(scores: Mapping[str, Scores], histories: EntryLists | None = None) -> pd.DataFrame:
    """Explainers × explainers: Spearman's rank correlation within users, mean over the users for whom it is defined.

    Args:
        scores: explainer → (N,) importance of the entries of ``histories``, or (n, I) CSR importance of rows.
        histories: the explained entries; None for rows.

    Returns:
        The table, 1 on its diagonal.

    Example:
        >>> histories = EntryLists(np.array([4, 1, 2]), np.array([0, 3]), n_columns=5)
        >>> correlation_table({"a": np.array([3.0, 2, 1]), "b": np.array([3.0, 1, 2])}, histories)
             a    b
        a  1.0  0.5
        b  0.5  1.0
    """
    return pd.DataFrame(
        {a: {b: np.nanmean(rank_correlation(scores[a], scores[b], histories)) for b in scores} for a in scores}
    )


def age_table(scores: Mapping[str, np.ndarray], histories: EntryLists, *, n_ages: int = 20) -> pd.DataFrame:
    """Mean importance of entries by their age, as a share of the ranks of a history.

    Args:
        scores: explainer → (N,) importance of the entries.
        histories: entries of n users with at least one history of two entries, oldest first.
        n_ages: the number of newest entries to show.

    Returns:
        Ages (0 is the newest entry) × explainers: 1 if the entry is always the most important, 0 if always the least, 0.5
        for a random order. Histories of a single entry do not count.

    Example:
        >>> histories = EntryLists(np.array([4, 1, 2]), np.array([0, 3]), n_columns=5)
        >>> age_table({"recent": np.array([0.0, 1, 2])}, histories)["recent"].tolist()
        [1.0, 0.5, 0.0]
    """
    check_positive(n_ages=n_ages)
    length = histories.lengths[histories.users]
    age = _ages(histories)
    shown = (age < n_ages) & (length > 1)
    columns = {}
    for name, each in scores.items():
        _, values = entry_scores(histories, **{name: each})
        share = (average_ranks(histories, values) - 1)[shown] / (length[shown] - 1)
        columns[name] = pd.Series(share).groupby(age[shown]).mean()
    return pd.DataFrame(columns).rename_axis("age")


def _ages(histories: EntryLists) -> np.ndarray:
    """Number (N,) of newer entries of the same user."""
    return ages(torch.from_numpy(histories.lengths)).numpy()
