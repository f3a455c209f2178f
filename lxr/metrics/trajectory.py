"""One perturbation trajectory per user: stretches of the order of importance, each scored once."""

import numpy as np
import torch

from lxr.data.histories import Histories
from lxr.metrics.chunks import chunk_width, in_chunks, standing
from lxr.recommenders.base import Recommender
from lxr.recommenders.last_layer import Score
from lxr.utils.checks import check_finite, check_logits

LOGITS_AT_A_TIME = 2**27  # 512 MiB in single precision


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


def ranks(histories: Histories, scores: torch.Tensor) -> torch.Tensor:
    """Position of every entry in the order of importance, from 0; ties keep the order of the entries.

    Args:
        histories: histories of B users.
        scores: (B, L) scores; those at the padding are ignored.

    Returns:
        (B, L) int64; positions of padding come after those of entries.

    Raises:
        ValueError: a score that is not finite; names the row and the item.

    Example:
        >>> ranks(Histories.of_lists([[4, 7, 9], [5]]), torch.tensor([[0.2, 0.9, 0.2], [0.1, 0.3, 0.0]]))
        tensor([[1, 0, 2],
                [0, 1, 2]])
    """
    check_scores(histories, scores)
    order = scores.detach().double().masked_fill(~histories.real, -torch.inf).argsort(dim=1, descending=True, stable=True)
    place = torch.arange(order.shape[1], device=order.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, place)


def check_scores(histories: Histories, scores: torch.Tensor) -> None:
    """Refuse scores (B, L) of entries that are NaN or infinite."""
    bad = ~scores.isfinite() & histories.real
    if bad.any():
        user, entry = bad.nonzero(as_tuple=True)
        values = (user, histories.items[user, entry], scores.detach()[user, entry])
        check_finite(*(value.cpu().numpy() for value in values))


def score_stretches(
    model: Recommender,
    histories: Histories,
    target: torch.Tensor,
    rank: torch.Tensor,
    stretches: dict[str, tuple[np.ndarray, np.ndarray]],
    batch_size: int,
    *,
    log_odds: bool = False,
) -> tuple[dict[str, np.ndarray], ...]:
    """Rank and log-probability of the targets on every stretch, each distinct one computed once.

    Args:
        rank: (B, L) positions of the entries in the order of importance.
        stretches: name → (start, stop), each (B, m): keep the entries at positions start … stop − 1 of the order.
        log_odds: also compute log-odds of the targets.

    Returns:
        Dictionaries name → (B, m): rank of the target, its log-probability, and its log-odds if requested.
    """
    size = histories.shape[1] + 1
    shapes = {name: start.shape for name, (start, _) in stretches.items()}
    codes = []
    for start, stop in stretches.values():
        start, stop = np.where(start == stop, 0, start), np.where(start == stop, 0, stop)  # all empty stretches are one
        user = np.arange(len(start))[:, None]
        codes.append(((user * size + start) * size + stop).ravel())
    distinct, position = np.unique(np.concatenate(codes), return_inverse=True)
    user, start, stop = distinct // size**2, distinct // size % size, distinct % size
    masked = torch.from_numpy(np.stack([user, start, stop])).to(histories.device)
    found = _score_masked(model, histories, target, rank, masked, batch_size, log_odds)

    ends = np.cumsum([np.prod(shape) for shape in shapes.values()])[:-1]
    split = dict(zip(shapes, np.split(position, ends), strict=True))
    return tuple({name: values[index].reshape(shapes[name]) for name, index in split.items()} for values in found)


@torch.no_grad()
def _score_masked(
    model: Recommender,
    histories: Histories,
    target: torch.Tensor,
    rank: torch.Tensor,
    masked: torch.Tensor,
    batch_size: int,
    log_odds: bool,
) -> list[np.ndarray]:
    """Rank, log-probability and, if requested, log-odds of the target, (R,) each, for R masked histories.

    Masked histories are users, starts and stops of stretches (3, R), users ascending.

    Raises:
        ValueError: the score of a target, or of an item in the first batch, is not a number; names the row or item.
    """
    user, start, stop = masked
    found = torch.empty(3 if log_odds else 2, len(user), dtype=torch.float64)
    chunks = in_chunks(model, histories, min(batch_size, len(user)))
    size = batch_size if chunks else min(batch_size, max(1, LOGITS_AT_A_TIME // model.n_columns))
    judge = _judge_in_chunks if chunks else _judge_at_once
    for begin in range(0, len(user), size):
        rows = slice(begin, begin + size)
        of = user[rows]  # (R,)
        first, last = int(of[0]), int(of[-1]) + 1
        few = histories[first:last].trimmed()
        part, place, chosen = few[of - first], rank[first:last, : few.shape[1]][of - first], target[of]
        stays = (place >= start[rows, None]) & (place < stop[rows, None])
        # Checking every batch would take longer than the rest.
        found[:, rows] = judge(model, part, stays, chosen, log_odds, begin == 0).cpu()
    if found[1].isnan().any():
        row = int(user[found[1].isnan().to(user.device)][0])
        raise ValueError(f"model: the score of the target of row {row} is not a number")
    return list(found.numpy())


def _judge_at_once(
    model: Recommender, histories: Histories, stays: torch.Tensor, target: torch.Tensor, log_odds: bool, checked: bool
) -> torch.Tensor:
    """Rank, log-probability and, if requested, log-odds of targets (R,) after deletion, (2 or 3, R), from logits (R, I)."""
    logits = model.logits_after_deletion(histories, stays)
    if checked:
        check_logits(logits)
    return _stacked(model, target_rank(logits, target, histories), logits, target, log_odds)


def _judge_in_chunks(
    model: Recommender, histories: Histories, stays: torch.Tensor, target: torch.Tensor, log_odds: bool, checked: bool
) -> torch.Tensor:
    """:func:`_judge_at_once` without the logits of all items."""

    def use(score: Score) -> torch.Tensor:
        rank, logits = standing(model, score, target, histories, checked=checked)
        return _stacked(model, rank, logits, torch.zeros_like(target), log_odds).T

    return model.use_scores(histories, stays, use).T


def _stacked(
    model: Recommender, rank: torch.Tensor, logits: torch.Tensor, target: torch.Tensor, log_odds: bool
) -> torch.Tensor:
    """Ranks (R,) with the log-probabilities and, if requested, log-odds of targets (R,) in logits (R, I): (2 or 3, R)."""
    found = [rank, model.target_log_prob(logits, target)]
    return torch.stack([each.double() for each in ([*found, model.target_log_odds(logits, target)] if log_odds else found)])


def target_rank(logits: torch.Tensor, target: torch.Tensor, histories: Histories) -> torch.Tensor:
    """1 + the number of items outside the histories whose logits (R, I) are above the target's: (R,) float32.

    Chunks of items share one buffer. Comparing into a float buffer and summing it is several times faster than summing
    booleans, and exact up to 2^24 items.
    """
    own = logits.gather(1, target[:, None])
    width = min(logits.shape[1], chunk_width(len(logits), logits.device))
    above, buffer = torch.zeros(len(logits), device=logits.device), torch.empty(len(logits), width, device=logits.device)
    for chunk in logits.split(width, dim=1):
        above += torch.gt(chunk, own, out=buffer[:, : chunk.shape[1]]).sum(dim=1)
    consumed = (logits.gather(1, histories.items) > own) & histories.first_times
    return 1 + above - consumed.sum(dim=1)
