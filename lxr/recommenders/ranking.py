"""Ranking quality of a recommender on held-out items: HR@K, NDCG@K, MRR, MPR."""

import numpy as np
import torch

from lxr.data.histories import EntryLists
from lxr.data.inputs import as_entry_lists, check_model
from lxr.recommenders.base import Recommender
from lxr.utils.checks import check_logits, check_seed
from lxr.utils.sparse import batches


def hide_one_item(lists: EntryLists, seed: int, n_features: int = 0, *, last: bool = False) -> tuple[EntryLists, np.ndarray]:
    """Hide one entry of every user with at least two, other than user features.

    A random one is drawn among the items in ascending order: it is the same for every order of the entries.

    Args:
        lists: histories of any number of users.
        seed: seed of the choice.
        n_features: number of user features in the last columns, which stay.
        last: hide the last entry, the newest where there are times, instead of a random one.

    Returns:
        The remaining histories of these n users, and the hidden items (n,). With repeats, a history may have the item again.

    Raises:
        ValueError: no user has two items.
    """
    draws = np.random.default_rng(check_seed(seed)).random(len(lists))
    lists, eligible, is_item = _of_two_items(lists, n_features)
    lengths, draws = _item_counts(lists, is_item), draws[eligible]
    which = lengths - 1 if last else (draws * lengths).astype(int)
    places = np.flatnonzero(is_item)
    if not last:
        places = places[np.lexsort((lists.items[places], lists.users[places]))]
    hidden = places[lengths.cumsum() - lengths + which]
    stays = np.ones(len(lists.items), dtype=bool)
    stays[hidden] = False
    return lists.taken(stays, lists.indptr - np.arange(len(lists) + 1)), lists.items[hidden]


def _of_two_items(lists: EntryLists, n_features: int) -> tuple[EntryLists, np.ndarray, np.ndarray]:
    """Histories with two items or more, their users (n,), and which of their entries (N,) are items."""
    eligible = np.flatnonzero(_item_counts(lists, lists.items < lists.n_columns - n_features) >= 2)
    if not len(eligible):
        raise ValueError("matrix: expected at least one user with two or more items, found none")
    chosen = lists[eligible]
    return chosen, eligible, chosen.items < lists.n_columns - n_features


def _item_counts(lists: EntryLists, is_item: np.ndarray) -> np.ndarray:
    """Number of items (n,) of each user, from the entries (N,) that are items."""
    return np.diff(np.append(0, is_item.cumsum())[lists.indptr])


def hidden_item_ranks(
    model: Recommender, matrix: object, *, seed: int = 0, last: bool = False, batch_size: int = 512
) -> tuple[np.ndarray, np.ndarray]:
    """Rank of one hidden item per user, among itself and the items outside the rest of the history.

    Ties count half (a constant score equals a random order, not the first place). With repeats, the hidden item may also be
    in the rest of the history; it is ranked nevertheless.

    Args:
        model, matrix, seed, last: as for :func:`rank_quality`.
        batch_size: histories per forward pass; bounds the memory.

    Returns:
        Ranks (n,), 1 the best, and the numbers of candidates (n,), for the n users with two items or more.

    Raises:
        ValueError: as for :func:`rank_quality`.

    Example:
        >>> import lxr
        >>> popular = lxr.Popularity(np.array([[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]]))
        >>> newest = lxr.EntryLists(np.array([0, 1, 2, 3]), np.array([0, 2, 4]), n_columns=4)
        >>> hidden_item_ranks(popular, newest, last=True)  # item 1 after item 0, item 3 after item 2
        (array([1., 3.]), array([3, 3]))
    """
    check_model(model)
    lists = as_entry_lists(model.n_columns, matrix=matrix)
    if last and not isinstance(matrix, EntryLists):
        raise ValueError(f"last: expected lxr.EntryLists, which have an order, found {type(matrix).__name__}")
    rest, hidden = hide_one_item(lists, seed, model.n_features, last=last)
    ranks, counts = np.empty(len(hidden)), np.empty(len(hidden), dtype=int)
    for users in batches(len(hidden), batch_size):
        histories = rest.batch(users, model.device)
        item = torch.from_numpy(hidden[users]).to(model.device)[:, None]  # (B, 1)
        candidates = histories.unseen(model.n_columns).scatter(1, item, True)  # (B, I)
        with torch.no_grad():
            logits = model.logits(histories).masked_fill(~candidates, -torch.inf)
        check_logits(logits)
        score = logits.gather(1, item)
        higher, equal = (logits > score).sum(dim=1), (logits == score).sum(dim=1) - 1
        ranks[users] = (1 + higher + equal / 2).cpu().numpy()
        counts[users] = model.of_items(candidates).sum(dim=1).cpu().numpy()
    return ranks, counts


def rank_quality(model: Recommender, matrix: object, *, seed: int = 0, last: bool = False) -> dict[str, float]:
    """Quality of a recommender on one hidden item per user, ranked among all items the user has not seen.

    Args:
        model: the recommender.
        matrix: :class:`lxr.EntryLists`, or (n_users, I) CSR histories, or any other form that
            :func:`lxr.data.inputs.as_matrix` takes; ignores users with fewer than two items.
        seed: seed of the choice of hidden items.
        last: hide the last entry of every user, the newest where there are times, instead of a random one.

    Returns:
        ``HR@10``, ``HR@50``, ``HR@100`` (share of users whose item is among the first K), ``NDCG@10``
        (mean of 1 / log2(1 + rank) within the first ten), ``MRR`` (mean of 1 / rank): higher is better; ``MPR`` (mean
        percentile rank, 0 the top, 0.5 random): lower is better.

    Raises:
        ValueError: no user has two items, not histories of this catalogue, or ``last`` for histories without an order.

    Source: Liang et al., WWW 2018, section 4.2; Hu, Koren & Volinsky, ICDM 2008, eq. 8 (MPR).

    Example:
        >>> import lxr
        >>> data = lxr.load_dataset("synthetic")
        >>> popular = lxr.Popularity(data.matrix[:400])
        >>> quality = rank_quality(popular, data.matrix[400:])
        >>> {name: round(value, 2) for name, value in quality.items()}
        {'HR@10': 0.14, 'HR@50': 0.51, 'HR@100': 0.79, 'NDCG@10': 0.06, 'MRR': 0.06, 'MPR': 0.4}
        >>> round(rank_quality(popular, data.histories(range(400, 600)), last=True)["MPR"], 2)  # of the newest items
        0.35
    """
    rank, candidates = hidden_item_ranks(model, matrix, seed=seed, last=last)
    quality = {f"HR@{cutoff}": float(np.mean(rank <= cutoff)) for cutoff in (10, 50, 100)}
    quality["NDCG@10"] = float(np.mean(np.where(rank <= 10, 1 / np.log2(1 + rank), 0)))
    quality["MRR"] = float(np.mean(1 / rank))
    quality["MPR"] = float(np.mean((rank - 1) / np.maximum(candidates - 1, 1)))
    return quality


def holdout_ndcg(
    model: Recommender, rest: EntryLists, hidden: EntryLists, cutoff: int = 100, batch_size: int = 512
) -> float:
    """Mean NDCG@``cutoff`` of several hidden items per user: the criterion of early stopping.

    Args:
        model: the recommender.
        rest: histories of n users for the model.
        hidden: items to find, at least one per user; with repeats, also those that are in ``rest``.

    Returns:
        The mean, from 0 to 1.

    Source: Liang et al., WWW 2018, section 4.2.
    """
    cutoff = min(cutoff, rest.n_columns)
    discount = 1 / torch.log2(torch.arange(2, cutoff + 2, device=model.device, dtype=torch.float32))  # (cutoff,)
    total = 0.0
    for users in batches(len(rest), batch_size):
        histories = rest.batch(users, model.device)
        relevant = ~hidden.batch(users, model.device).unseen(rest.n_columns)  # (B, I)
        candidates = histories.unseen(rest.n_columns) | relevant
        with torch.no_grad():
            top = model.logits(histories).masked_fill(~candidates, -torch.inf).topk(cutoff, dim=1).indices
        gain = (relevant.gather(1, top) * discount).sum(dim=1)
        ideal = discount.cumsum(0)[relevant.sum(dim=1).clamp(max=cutoff) - 1]
        total += float((gain / ideal).sum())
    return total / len(rest)


def hide_share(
    lists: EntryLists, share: float, seed: int, n_features: int = 0, *, last: bool = False
) -> tuple[EntryLists, EntryLists]:
    """Split the history of every user with at least two items: hide ``share`` of it, at least one item and never all.

    The last ``n_features`` columns are user features, which stay. The hidden entries are drawn at random, or with ``last``
    the last of the user, the newest where there are times.

    Returns:
        (rest, hidden), both of n users, in the order of the entries.

    Raises:
        ValueError: no user has two items.
    """
    generator = np.random.default_rng(check_seed(seed))
    lists, _, is_item = _of_two_items(lists, n_features)
    lengths, users = _item_counts(lists, is_item), lists.users
    draws = np.ones(len(users))  # features come last
    n = is_item.sum()
    draws[is_item] = -np.arange(n) if last else generator.random(n)
    order = np.lexsort((draws, users))  # those to hide first within each row
    position = np.empty(len(users), dtype=int)
    position[order] = np.arange(len(users)) - lists.indptr[users]
    n_hidden = np.clip((share * lengths).astype(int), 1, lengths - 1)
    is_hidden = position < n_hidden[users]
    n_before = np.append(0, is_hidden.cumsum())[lists.indptr]
    return lists.taken(~is_hidden, lists.indptr - n_before), lists.taken(is_hidden, n_before)
