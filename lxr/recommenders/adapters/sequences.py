"""Scorers of entries around the sequential models of other libraries."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import nn

Side = Literal["left", "right"]
ATTENTIONS = ("MultiheadAttention", "MultiHeadAttention")  # of PyTorch and of RecBole
NOTHING = 1.0  # score of every item for the empty history, as in cornac


class PaddedSequences(nn.Module):
    """Base class of scorers around a model of padded lists of item numbers. A subclass defines :meth:`scores`.

    Entries with the share 0 are left out and the rest is closed up, as after deletion. Other shares are a soft mask
    (:func:`softened`), if the model has attention or looks up the list in ``table``.

    Args:
        module: the model.
        width: entries that the model takes; the newest are used.
        padding: item number at the padding.
        side: side of the padding.
        table: embedding of the items; None for a model without soft mask.
        token: further item number at the end of the list, such as a mask token; None without one.
    """

    module: Any

    def __init__(
        self,
        module: nn.Module,
        width: int,
        *,
        padding: int,
        side: Side,
        table: nn.Embedding | None = None,
        token: int | None = None,
    ):
        super().__init__()
        self.module, self.table, self.token, self.padding = module, table, token, padding
        self.width, self.side = width - (token is not None), side

    def scores(self, numbers: torch.Tensor) -> torch.Tensor:
        """Map padded item numbers (B, T) to scores (B, I)."""
        raise NotImplementedError

    def forward(self, items: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
        """Map items (B, L) and their kept shares (B, L) to scores (B, I)."""
        items, share = newest(items, keep, self.width, self.side)
        real = share > 0
        numbers, share = items.masked_fill(~real, self.padding), share.where(real, 1)
        if self.token is not None:
            numbers, share = F.pad(numbers, (0, 1), value=self.token), F.pad(share, (0, 1), value=1)
        with softened(self.module, self.table, numbers, share):
            return self.scores(numbers).where(real.any(dim=1, keepdim=True), NOTHING)


def newest(items: torch.Tensor, share: torch.Tensor, width: int, side: Side) -> tuple[torch.Tensor, torch.Tensor]:
    """The newest entries with a positive share, closed up, with their shares.

    Args:
        items: (B, L) items, oldest first.
        share: (B, L) shares.
        width: entries to take.
        side: side of the padding.

    Returns:
        Items and shares, both (B, width); the share is 0 at the padding.

    Example:
        >>> newest(torch.tensor([[7, 8, 9]]), torch.tensor([[1.0, 0, 0.5]]), 4, "left")[1]
        tensor([[0.0000, 0.0000, 1.0000, 0.5000]])
    """
    order = (share > 0).to(torch.uint8).argsort(dim=1, stable=True)[:, -width:]
    items, share = (F.pad(each.gather(1, order), (width - order.shape[1], 0)) for each in (items, share))
    if side == "left":
        return items, share
    order = (share <= 0).to(torch.uint8).argsort(dim=1, stable=True)
    return items.gather(1, order), share.gather(1, order)


@contextlib.contextmanager
def softened(module: nn.Module, table: nn.Embedding | None, numbers: torch.Tensor, share: torch.Tensor) -> Iterator[None]:
    """Let each entry count for its share in calls of a model.

    Attention weighs an entry by its share: the logarithm is added to the attention's logits. A model without attention gets
    scaled embeddings. Shares of 1 change nothing, and so does a model that looks up another list in its table.

    Args:
        module: the model.
        table: its embedding of the items; None if it looks up the list elsewhere.
        numbers: (B, T) item numbers that the model gets.
        share: (B, T) shares, positive.
    """
    attentions = [each for each in module.modules() if type(each).__name__ in ATTENTIONS]
    seen = table is None

    def bias(attention: nn.Module, given: tuple, named: dict) -> tuple[tuple, dict] | None:
        if not seen:
            return None
        log = share.log()[:, None]  # (B, 1, T)
        if not isinstance(attention, nn.MultiheadAttention):
            return (given[0], given[1] + log[:, None], *given[2:]), named
        mask, log = named.get("attn_mask"), log.repeat_interleave(attention.num_heads, dim=0)  # (B * heads, 1, T)
        if mask is None:
            return given, named | {"attn_mask": log.expand(-1, share.shape[1], -1)}
        barred = torch.zeros_like(mask, dtype=log.dtype).masked_fill(mask, -torch.inf) if mask.dtype == torch.bool else mask
        return given, named | {"attn_mask": barred + log}

    def scale(embedding: nn.Module, given: tuple, rows: torch.Tensor) -> torch.Tensor | None:
        nonlocal seen
        is_list = given[0].shape == numbers.shape and torch.equal(given[0], numbers)
        seen = seen or is_list
        return rows * share[..., None] if is_list and not attentions else None

    with contextlib.ExitStack() as hooks:
        for attention in attentions:
            hooks.enter_context(attention.register_forward_pre_hook(bias, with_kwargs=True))
        if table is not None:
            hooks.enter_context(table.register_forward_hook(scale))
        yield


def examples(numbers: Sequence[int], width: int) -> list[list[int]]:
    """Lists of item numbers to compare scores of: short, long, and longer than the model takes."""
    ends = min(3, width), width, width + 2
    lists = [[numbers[(7 * place + end) % len(numbers)] for place in range(end)] for end in ends]
    return [[numbers[-1]], *lists]
