"""Ranking quality of a recommender on held-out items: HR@K, NDCG@K, MRR, MPR."""

import numpy as np
import scipy.sparse as sp
import torch

from lxr.data.inputs import as_matrix, check_model
from lxr.recommenders.base import Recommender
from lxr.utils.checks import check_logits, check_seed
from lxr.utils.sparse import batches, dense, item_counts


def hide_one_item(matrix: sp.csr_matrix, seed: int, n_features: int = 0) -> tuple[sp.csr_matrix, np.ndarray]:
    """Hide one random item of every user with at least two.

    Args:
        matrix: (n_users, I) CSR histories, column indices sorted if there are features.
        seed: seed of the choice.
        n_features: number of user features in the last columns, which stay.

    Returns:
        The remaining histories (n, I) of these n users, and the hidden items (n,).

    Raises:
        ValueError: no user has two items.
    """
    generator = np.random.default_rng(check_seed(seed))
    lengths = item_counts(matrix, n_features)
    draws = generator.random(len(lengths))
    eligible = lengths >= 2
    if not eligible.any():
        raise ValueError("matrix: expected at least one user with two or more items, found none")
    positions = matrix.indptr[:-1][eligible] + (draws * lengths)[eligible].astype(int)
    hidden = matrix.indices[positions]
    rest = matrix.copy()
    rest.data[positions] = 0
    rest = rest[eligible]
    rest.eliminate_zeros()
    return rest, hidden


def _hidden_item_ranks(
    model: Recommender, matrix: sp.csr_matrix, hidden: np.ndarray, batch_size: int = 512
) -> tuple[np.ndarray, np.ndarray]:
    """Rank of each user's hidden item among the items outside the history.

    Ties count half (a constant score equals a random order, not the first place).

    Returns:
        Ranks (n,), 1 the best, and the numbers of candidates (n,).
    """
    ranks = np.empty(len(hidden))
    for users in batches(len(hidden), batch_size):
        history = dense(matrix[users], model.device)  # (B, I)
        with torch.no_grad():
            logits = model(history).masked_fill(history > 0, -torch.inf)
        check_logits(logits)
        score = logits.gather(1, torch.from_numpy(hidden[users]).long().to(model.device)[:, None])  # (B, 1)
        higher, equal = (logits > score).sum(dim=1), (logits == score).sum(dim=1) - 1
        ranks[users] = (1 + higher + equal / 2).cpu().numpy()
    return ranks, model.n_items - item_counts(matrix, model.n_features)


def rank_quality(model: Recommender, matrix: sp.csr_matrix, *, seed: int = 0) -> dict[str, float]:
    """Quality of a recommender on one hidden item per user, ranked among all items the user has not seen.

    Args:
        model: the recommender.
        matrix: (n_users, I) CSR histories, or any other form that :func:`lxr.data.inputs.as_matrix` takes; ignores users
            with fewer than two items.
        seed: seed of the choice of hidden items.

    Returns:
        ``HR@10``, ``HR@50``, ``HR@100`` (share of users whose item is among the first K), ``NDCG@10``
        (mean of 1 / log2(1 + rank) within the first ten), ``MRR`` (mean of 1 / rank): higher is better; ``MPR`` (mean
        percentile rank, 0 the top, 0.5 random): lower is better.

    Raises:
        ValueError: no user has two items, or not a binary matrix of this catalogue.

    Source: Liang et al., WWW 2018, section 4.2; Hu, Koren & Volinsky, ICDM 2008, eq. 8 (MPR).

    Example:
        >>> import lxr
        >>> matrix = lxr.load_dataset("synthetic").matrix
        >>> quality = rank_quality(lxr.Popularity(matrix[:400]), matrix[400:])
        >>> {name: round(value, 2) for name, value in quality.items()}
        {'HR@10': 0.14, 'HR@50': 0.51, 'HR@100': 0.79, 'NDCG@10': 0.06, 'MRR': 0.06, 'MPR': 0.4}
    """
    check_model(model)
    rest, hidden = hide_one_item(as_matrix(model.n_columns, matrix=matrix), seed, model.n_features)
    rank, candidates = _hidden_item_ranks(model, rest, hidden)
    quality = {f"HR@{cutoff}": float(np.mean(rank <= cutoff)) for cutoff in (10, 50, 100)}
    quality["NDCG@10"] = float(np.mean(np.where(rank <= 10, 1 / np.log2(1 + rank), 0)))
    quality["MRR"] = float(np.mean(1 / rank))
    quality["MPR"] = float(np.mean((rank - 1) / np.maximum(candidates - 1, 1)))
    return quality


def holdout_ndcg(
    model: Recommender, rest: sp.csr_matrix, hidden: sp.csr_matrix, cutoff: int = 100, batch_size: int = 512
) -> float:
    """Mean NDCG@``cutoff`` of several hidden items per user: the criterion of early stopping.

    Args:
        model: the recommender.
        rest: (n_users, I) CSR histories for the model.
        hidden: (n_users, I) CSR items to find, at least one per user.

    Returns:
        The mean, from 0 to 1.

    Source: Liang et al., WWW 2018, section 4.2.
    """
    cutoff = min(cutoff, rest.shape[1])
    discount = 1 / torch.log2(torch.arange(2, cutoff + 2, device=model.device, dtype=torch.float32))  # (cutoff,)
    total = 0.0
    for users in batches(rest.shape[0], batch_size):
        history, relevant = dense(rest[users], model.device), dense(hidden[users], model.device)
        with torch.no_grad():
            top = model(history).masked_fill(history > 0, -torch.inf).topk(cutoff, dim=1).indices
        gain = (relevant.gather(1, top) * discount).sum(dim=1)
        ideal = discount.cumsum(0)[relevant.sum(dim=1).long().clamp(max=cutoff) - 1]
        total += float((gain / ideal).sum())
    return total / rest.shape[0]


def hide_share(matrix: sp.csr_matrix, share: float, seed: int, n_features: int = 0) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """Split the history of every user with at least two items: hide ``share`` of it, at least one item and never all.

    The last ``n_features`` columns are user features, which stay.

    Returns:
        (rest, hidden), both (n, I) CSR.

    Raises:
        ValueError: no user has two items.
    """
    generator = np.random.default_rng(check_seed(seed))
    lengths = item_counts(matrix, n_features)
    eligible = matrix[lengths >= 2].tocsr()
    if eligible.shape[0] == 0:
        raise ValueError("matrix: expected at least one user with two or more items, found none")
    lengths = lengths[lengths >= 2]
    rows = np.repeat(np.arange(len(lengths)), np.diff(eligible.indptr))
    is_item = eligible.indices < matrix.shape[1] - n_features
    draws = np.ones(eligible.nnz)  # features come last
    draws[is_item] = generator.random(is_item.sum())
    order = np.lexsort((draws, rows))  # a random order within each row
    position = np.empty(eligible.nnz, dtype=int)
    position[order] = np.arange(eligible.nnz) - eligible.indptr[rows]
    n_hidden = np.clip((share * lengths).astype(int), 1, lengths - 1)
    is_hidden = position < n_hidden[rows]
    rest, hidden = eligible.copy(), eligible.copy()
    rest.data, hidden.data = (~is_hidden).astype(np.float32), is_hidden.astype(np.float32)
    rest.eliminate_zeros()
    hidden.eliminate_zeros()
    return rest, hidden
