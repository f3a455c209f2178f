"""Standing of targets in large catalogues, computed in chunks of items: no matrix (R, I) of logits is ever in memory."""

import itertools
from collections.abc import Iterator

import torch

from lxr.data.histories import Histories
from lxr.recommenders.base import Recommender
from lxr.recommenders.last_layer import Score
from lxr.utils.checks import check_logits

LOGITS_AT_ONCE = 2**23  # below this, all logits of a batch are computed at once
LOGITS_PER_CHUNK = {"cpu": 2**18}  # 1 MiB in single precision, which stays in the cache of a core
LOGITS_PER_CHUNK_ELSEWHERE = 2**25  # 128 MiB: every call of an accelerator takes time


def chunk_width(n_rows: int, device: torch.device) -> int:
    """Items whose logits for so many rows make one chunk on a device."""
    return max(1, LOGITS_PER_CHUNK.get(device.type, LOGITS_PER_CHUNK_ELSEWHERE) // n_rows)


def in_chunks(model: Recommender, histories: Histories, n_masked: int) -> bool:
    """True if a batch of masked histories has too many logits for one matrix, and the recommender can score slices."""
    return n_masked * model.n_columns > LOGITS_AT_ONCE and model.can_slice(histories)


@torch.no_grad()
def standing(
    model: Recommender, score: Score, target: torch.Tensor, histories: Histories, *, checked: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rank of targets, and their logits against those of all other items.

    The rank is 1 + the number of items outside the histories whose logits are above the target's. A target is never its own
    rival. Its logit comes from the same kind of product of matrices as the chunks, so equal items have equal logits. Ranks
    equal those of the whole matrix of logits, unless logits differ by rounding: some processors round a product of matrices
    by its shape.

    Args:
        model: the recommender.
        score: function from items to logits (R, C).
        target: (R,) items outside the histories.
        histories: original histories (R, L).
        checked: refuse logits that are not numbers.

    Returns:
        (R,) ranks; and (R, 2) the target's logit and the log-sum-exp of the logits of all other items, which stand for the
        whole catalogue in :meth:`lxr.Recommender.target_log_prob`. Only a softmax needs the second, else it is −∞.

    Raises:
        ValueError: a logit that is not a number; names the row and the item.
    """
    width = chunk_width(len(target), target.device)
    own = _own_logits(score, target, width)  # (R, 1)
    above = torch.zeros(len(own), device=own.device)
    rest = own.new_full((-(-model.n_items // width), len(own)), -torch.inf)  # a tensor per chunk would fragment the memory
    buffer = torch.empty(len(own), min(width, model.n_items), device=own.device)
    for number, (items, row, column, is_target) in enumerate(_chunks(model.n_items, width, target, histories)):
        logits = score(items)  # (R, C)
        if checked:
            check_logits(logits, items.start)
        above += torch.gt(logits, own, out=buffer[:, : logits.shape[1]]).sum(dim=1)
        above.index_add_(0, row, (logits[row, column] > own[row, 0]).to(above), alpha=-1)
        if model.activation == "softmax":
            own_places = row[is_target], column[is_target]
            torch.logsumexp(logits.index_put(own_places, own.new_tensor(-torch.inf)), dim=1, out=rest[number])
    return 1 + above, torch.stack([own[:, 0], rest.logsumexp(dim=0)], dim=1)


def _own_logits(score: Score, target: torch.Tensor, width: int) -> torch.Tensor:
    """Logits (R, 1) of targets (R,), from one product of matrices of about the shape of a chunk."""
    distinct, place = target.unique(return_inverse=True)
    return score(distinct.repeat(-(-width // len(distinct)))).gather(1, place[:, None])


def _chunks(
    n_items: int, width: int, target: torch.Tensor, histories: Histories
) -> Iterator[tuple[slice, torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Slices of the items, each with the pairs that are not rivals: the items of a history, and the target.

    Returns:
        The slice; rows and columns (N,) of the pairs in its logits; and (N,) bool, whether a pair is that of a target.
    """
    items = torch.cat([histories.items, target[:, None]], dim=1)
    known = torch.cat([histories.first_times, torch.ones_like(target, dtype=torch.bool)[:, None]], dim=1)
    row, place = known.nonzero(as_tuple=True)
    item, order = items[row, place].sort()
    row, is_target = row[order], place[order] == histories.shape[1]
    edges = torch.arange(0, n_items + width, width, device=item.device).clamp(max=n_items)
    bounds = torch.searchsorted(item, edges).tolist()
    for (start, stop), between in zip(itertools.pairwise(edges.tolist()), itertools.pairwise(bounds), strict=True):
        pairs = slice(*between)
        yield slice(start, stop), row[pairs], item[pairs] - start, is_target[pairs]
