"""SASRec: self-attention over the history."""

from collections.abc import Iterable
from typing import ClassVar, cast

import torch
import torch.nn.functional as F
from torch import nn

from lxr.recommenders.built_in.next_item import Dropout, NextItem, at, newer, unchanged
from lxr.utils.checks import check_positive
from lxr.utils.weights import initialize, linear_layer

LEAST_SHARE = 1e-30  # too small to change a sum of attention weights, large enough for a gradient


class SASRec(NextItem):
    """SASRec: self-attention over the history, from every entry to itself, to earlier ones and to a learned start.

    Every entry is the sum of the embeddings of its item and of its age: the number of newer entries. The state after the
    newest entry scores the next item. In training, ages count to the end of the window, so older states learn other ages.

    A soft mask means three things. Attention to an earlier entry is weighed by its kept share. Ages count kept shares;
    between two ages, their embeddings are mixed. The result is the mean of the states after all entries, weighed by the
    share of each times the left-out shares of all newer ones; each of these states treats its own entry as kept. If every
    share is zero or one, the answer is that to the shorter history: leaving out entries equals deleting them.

    Args:
        n_items: number of items.
        n_factors: width of the embeddings and states.
        n_layers: number of layers, each self-attention and a network of one hidden layer.
        n_heads: heads of the attention; divides ``n_factors``.
        dropout: share of the embeddings and of the results of layers that is hidden in training.
        max_length: number of the newest entries that count; older ones have no influence.
        negatives: items drawn at each step, the same for all entries of the batch, from which the loss is estimated; None
            for the whole catalogue.
        seed: seed of the initial weights.
        n_features: 0; user features are refused, because they have no place in an order.

    Raises:
        ValueError: user features, or an option outside its range.

    Source: Kang & McAuley, ICDM 2018; the loss is the cross-entropy over the catalogue (Klenitskiy & Vasilev, RecSys 2023).

    Example:
        >>> import lxr
        >>> model = SASRec(n_items=5, n_factors=4)
        >>> histories = lxr.Histories.of_lists([[2, 0], [4]], n_columns=5)
        >>> stays = histories.items == 2  # without the newest entry of each
        >>> deleted, masked = model.logits_after_deletion(histories, stays), model.logits(histories, stays.float())
        >>> deleted.shape, torch.allclose(deleted, masked, atol=1e-6)
        (torch.Size([2, 5]), True)
    """

    search_space: ClassVar[dict] = {"n_factors": [32, 64, 128], "n_layers": [1, 2, 3], "dropout": (0.1, 0.7)}

    def __init__(
        self,
        n_items: int,
        *,
        n_factors: int = 64,
        n_layers: int = 2,
        n_heads: int = 1,
        dropout: float = 0.3,
        max_length: int = 200,
        negatives: int | None = None,
        seed: int = 0,
        n_features: int = 0,
    ):
        super().__init__(
            n_items,
            n_factors=n_factors,
            dropout=dropout,
            max_length=max_length,
            negatives=negatives,
            seed=seed,
            n_features=n_features,
        )
        check_positive(n_layers=n_layers, n_heads=n_heads)
        if n_factors % n_heads:
            raise ValueError(f"n_heads: expected a divisor of n_factors, {n_factors}, found {n_heads}")
        self.n_layers, self.n_heads = n_layers, n_heads
        self.start = nn.Parameter(torch.empty(1, n_factors))
        self.ages = nn.Parameter(torch.empty(max_length, n_factors))
        self.layers = nn.ModuleList(Layer(n_factors, n_heads) for _ in range(n_layers))
        initialize(self, seed)

    def states(self, items: torch.Tensor, lengths: torch.Tensor, dropped: Dropout) -> torch.Tensor:
        """States (B, L + 1, n_factors) before the first and after every item (B, L), of which the first (B,) count."""
        x = dropped(self._inputs(items, self.ages[newer_items(items, lengths)]))
        for layer in self._layers():
            x = layer(x, dropped)
        return normed(x)

    def last_state(self, items: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """State (B, n_factors) after the first (B,) of items (B, L): the last layer computes no other."""
        x = self._inputs(items, self.ages[newer_items(items, lengths)])
        *layers, last = self._layers()
        for layer in layers:
            x = layer(x, unchanged)
        seen = torch.arange(x.shape[1], device=x.device) <= lengths[:, None]
        return normed(last(x, unchanged, seen[:, None, None], lengths))[:, 0]

    def soft_state(self, items: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
        """State (B, n_factors) after items (B, L), of which shares (B, L) are kept."""
        x = self._inputs(items, self._of_ages(newer(keep)))
        share = F.pad(keep, (1, 0), value=1.0)  # with the start
        bias = attention_bias(share)
        for layer in self._layers():
            x = layer(x, unchanged, bias)
        newer_are_out = (1 - keep).flip(1).cumprod(dim=1).flip(1)  # and the entry itself
        is_newest = share * F.pad(newer_are_out, (0, 1), value=1.0)
        return torch.einsum("bl,bld->bd", is_newest, normed(x))

    def _layers(self) -> Iterable["Layer"]:
        """The layers, the first first."""
        return cast(Iterable[Layer], self.layers)

    def _of_ages(self, age: torch.Tensor) -> torch.Tensor:
        """Embeddings (B, L, n_factors) of ages (B, L), mixed between two integers."""
        last = self.max_length - 1
        below = (age.detach().ceil() - 1).clamp(0, last).long()  # of integers the slope is that towards fewer entries
        above = (below + 1).clamp(max=last)
        return torch.lerp(F.embedding(below, self.ages), F.embedding(above, self.ages), (age - below)[..., None])

    def _inputs(self, items: torch.Tensor, age: torch.Tensor) -> torch.Tensor:
        """The start and the entries (B, L + 1, n_factors) of items (B, L) with embeddings of ages (B, L, n_factors)."""
        return torch.cat([self.start.expand(len(items), 1, -1), self.embedded(items) + age], dim=1)


class Layer(nn.Module):
    """Self-attention and a network of one hidden layer, each added to its input, which it gets normalised."""

    def __init__(self, width: int, n_heads: int):
        super().__init__()
        self.n_heads = n_heads
        self.query, self.key, self.value = (linear_layer(width, width) for _ in range(3))
        self.output = linear_layer(width, width)
        self.inner, self.outer = linear_layer(width, width), linear_layer(width, width)

    def forward(
        self, x: torch.Tensor, dropped: Dropout, mask: torch.Tensor | None = None, place: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Map states (B, L, d) to (B, L, d), or to (B, 1, d) at one place (B,) of each row.

        Args:
            x: the states.
            dropped: dropout of the results.
            mask: allowed pairs, or numbers to add to the attention (B, 1, L, L); each state and those before it by default.
            place: the one place.
        """
        given = normed(x)
        key, value = self._heads(self.key(given)), self._heads(self.value(given))
        if place is not None:
            x, given = at(x, place)[:, None], at(given, place)[:, None]
        query = self._heads(self.query(given))
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=mask is None)
        x = x + dropped(self.output(found.transpose(1, 2).flatten(2)))
        return x + dropped(self.outer(F.relu(self.inner(normed(x)))))

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        """(B, L, d) → (B, heads, L, d / heads)."""
        return x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)


def normed(x: torch.Tensor) -> torch.Tensor:
    """States (…, d) of mean 0 and variance 1, without weights: the next layer has them."""
    return F.layer_norm(x, x.shape[-1:])


def newer_items(items: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Number (B, L) of newer items among the first (B,) of items (B, L); 0 for those after them."""
    return (lengths[:, None] - 1 - torch.arange(items.shape[1], device=items.device)).clamp(min=0)


def attention_bias(share: torch.Tensor) -> torch.Tensor:
    """Numbers (B, 1, L, L) to add to the attention: log-shares (B, L) of earlier entries, 0 for itself, −∞ for later ones.

    A share of 0 counts as ``LEAST_SHARE``: the weight vanishes in the sum, and the gradient of the attention stays finite.

    Example:
        >>> attention_bias(torch.tensor([[1.0, 0.5, 1.0]])).exp()[0, 0]
        tensor([[1.0000, 0.0000, 0.0000],
                [1.0000, 1.0000, 0.0000],
                [1.0000, 0.5000, 1.0000]])
    """
    value = share.detach()
    log = (share + (value.clamp(min=LEAST_SHARE) - value)).log()
    size = (share.shape[1], share.shape[1])
    earlier, allowed = (torch.ones(size, dtype=torch.bool, device=share.device).tril(diagonal) for diagonal in (-1, 0))
    return torch.where(earlier, log[:, None, None, :], 0.0).masked_fill(~allowed, -torch.inf)
