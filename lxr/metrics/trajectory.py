"""One perturbation trajectory per user: stretches of the order of importance, each scored once."""

from dataclasses import dataclass

import numpy as np
import torch

from lxr.recommenders.base import Recommender
from lxr.utils.checks import check_finite, check_logits


def part_sizes(n: np.ndarray, steps: int) -> np.ndarray:
    """Items removed after each step: histories of length n (B,) → (B, steps + 1), from 0 to n.

    The parts are as in ``np.array_split``: the first n mod steps parts have one item more.
    """
    step = np.arange(steps + 1)
    return step * (n[:, None] // steps) + np.minimum(step, n[:, None] % steps)


def without_most(n: np.ndarray, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Stretches without the k most important of n items: n (B,), k (B, m) → start and stop, (B, m) each."""
    return k, np.broadcast_to(n[:, None], k.shape)


def only_most(k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Stretches of the k most important items: k (B, m) → start and stop, (B, m) each."""
    return np.zeros_like(k), k


@dataclass(frozen=True)
class ItemOrder:
    """The history items of every user, most important first, as one flat list.

    Attributes:
        items: (total,) item indices, user after user.
        start: (B,) start of each user's items.
        length: (B,) number of each user's items.
    """

    items: np.ndarray
    start: np.ndarray
    length: np.ndarray

    @classmethod
    def by_importance(cls, history: torch.Tensor, importance: torch.Tensor) -> "ItemOrder":
        """Order by descending importance, ties by ascending item; refuse scores that are not finite."""
        entries = history.nonzero(as_tuple=True)  # ascending by user, then by item
        scores = importance.detach().to(history.device)[entries].double().cpu().numpy()
        user, item = (index.cpu().numpy() for index in entries)
        check_finite(user, item, scores)
        return cls.by_keys(user, item, scores[:, None], len(history))

    @classmethod
    def by_keys(cls, user: np.ndarray, item: np.ndarray, keys: np.ndarray, n_users: int) -> "ItemOrder":
        """Order the items (N,) of each user by descending keys (N, m).

        The first key decides, the others break ties; remaining ties keep their order. Users (N,) are ascending.
        """
        length = np.bincount(user, minlength=n_users)
        return cls(item[np.lexsort((*-keys.T[::-1], user))], length.cumsum() - length, length)

    @property
    def rank(self) -> np.ndarray:
        """Position (total,), from 0, of each of :attr:`items` in the order of its user."""
        return np.arange(len(self.items)) - self.start.repeat(self.length)

    def positions(self, history: torch.Tensor) -> torch.Tensor:
        """Position in the order, from 0, of every history item of (B, I) histories; 0 elsewhere."""
        user = np.arange(len(self.length)).repeat(self.length)
        result = torch.zeros_like(history)
        result[torch.from_numpy(user), torch.from_numpy(self.items)] = torch.from_numpy(self.rank).to(history)
        return result

    def flat_indices(self, user: np.ndarray, start: np.ndarray, stop: np.ndarray, n_items: int) -> np.ndarray:
        """Indices of the items of the stretches [start, stop) of R users in a flattened (R, n_items) tensor."""
        count = stop - start
        first = self.start[user] + start - (count.cumsum() - count)
        item = self.items[np.arange(count.sum()) + first.repeat(count)]
        return item + (np.arange(len(user)) * n_items).repeat(count)


def score_stretches(
    model: Recommender,
    history: torch.Tensor,
    target: torch.Tensor,
    order: ItemOrder,
    stretches: dict[str, tuple[np.ndarray, np.ndarray]],
    batch_size: int,
    *,
    log_odds: bool = False,
) -> tuple[dict[str, np.ndarray], ...]:
    """Rank and log-probability of the targets on every stretch, each distinct one computed once.

    Args:
        stretches: name → (start, stop), each (B, m): keep the items at positions start … stop − 1 of the order.
        log_odds: also compute log-odds of the targets.

    Returns:
        Dictionaries name → (B, m): rank of the target, its log-probability, and its log-odds if requested.
    """
    size = int(order.length.max()) + 1
    shapes = {name: start.shape for name, (start, _) in stretches.items()}
    codes = []
    for start, stop in stretches.values():
        start, stop = np.where(start == stop, 0, start), np.where(start == stop, 0, stop)  # all empty stretches are one
        user = np.arange(len(start))[:, None]
        codes.append(((user * size + start) * size + stop).ravel())
    distinct, position = np.unique(np.concatenate(codes), return_inverse=True)
    user, start, stop = distinct // size**2, distinct // size % size, distinct % size
    found = _score_masked(model, history, target, order, user, start, stop, batch_size, log_odds)

    ends = np.cumsum([np.prod(shape) for shape in shapes.values()])[:-1]
    split = dict(zip(shapes, np.split(position, ends), strict=True))
    return tuple({name: values[index].reshape(shapes[name]) for name, index in split.items()} for values in found)


@torch.no_grad()
def _score_masked(
    model: Recommender,
    history: torch.Tensor,
    target: torch.Tensor,
    order: ItemOrder,
    user: np.ndarray,
    start: np.ndarray,
    stop: np.ndarray,
    batch_size: int,
    log_odds: bool,
) -> list[np.ndarray]:
    """Rank, log-probability and, if requested, log-odds of the target, (R,) each, for R masked histories.

    Masked histories are (user, start, stop), each (R,), users ascending.

    Raises:
        ValueError: the score of a target, or of an item in the first batch, is not a number; names the row or item.
    """
    device, n_items, n_rows = history.device, history.shape[1], min(batch_size, len(user))
    rank, log_prob, *odds = np.empty((3 if log_odds else 2, len(user)))
    candidates = 1 - history  # (B, I)
    # Three buffers serve all batches. Comparing into a float buffer (1.0: the item beats the target) and summing it is
    # several times faster than summing booleans, and exact up to 2^24 items.
    masked = torch.zeros(n_rows, n_items, device=device)
    beats, better = torch.empty_like(masked), torch.empty(n_rows, device=device)
    for begin in range(0, len(user), batch_size):
        rows = slice(begin, begin + batch_size)
        of = user[rows]  # (R,)
        size, chosen = len(of), target[torch.from_numpy(of).to(device)]
        kept = torch.from_numpy(order.flat_indices(of, start[rows], stop[rows], n_items)).to(device)
        masked.view(-1)[kept] = 1
        logits = model(masked[:size])  # (R, I)
        if begin == 0:  # checking every batch would take longer than the rest
            check_logits(logits)
        torch.gt(logits, logits.gather(1, chosen[:, None]), out=beats[:size])
        log_prob[rows] = model.target_log_prob(logits, chosen).cpu().numpy()
        for values in odds:
            values[rows] = model.target_log_odds(logits, chosen).cpu().numpy()
        masked.view(-1)[kept] = 0
        first = np.flatnonzero(np.diff(of, prepend=-1))  # starts of users
        counts = np.diff(first, append=size).tolist()
        for one, marks, out in zip(of[first], beats[:size].split(counts), better[:size].split(counts), strict=True):
            torch.mv(marks, candidates[one], out=out)
        rank[rows] = 1 + better[:size].cpu().numpy()
    if np.isnan(log_prob).any():
        raise ValueError(f"model: the score of the target of row {user[np.isnan(log_prob)][0]} is not a number")
    return [rank, log_prob, *odds]
