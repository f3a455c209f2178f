"""Base class and training loss of recommenders that predict the next item: SASRec and GRU4Rec."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from lxr.data.histories import Histories
from lxr.recommenders.base import Activation
from lxr.recommenders.built_in.mf import drop
from lxr.recommenders.last_layer import Candidates, answer, inner_products, score_candidates
from lxr.recommenders.sequential import SequentialRecommender
from lxr.utils.checks import check_dropout, check_positive
from lxr.utils.weights import linear_layer

Dropout = Callable[[torch.Tensor], torch.Tensor]
USERS_PER_GROUP = 32


class NextItem(SequentialRecommender):
    """Base class of recommenders whose state after a history scores the next item.

    The logit of item i is s · e_i + b_i: the state s after the newest entry, the embedding e_i of the item, which also
    represents it in the history, and a bias. The state before the first entry is learned: it scores the empty history.

    A subclass defines :meth:`states`, for histories without gaps, and :meth:`soft_state`, for a soft mask. Both agree if
    every share is zero or one: an entry that is left out counts as deleted.

    Args:
        n_items: number of items.
        n_factors: width of the embeddings and states.
        dropout: share of the embeddings, and of the results of layers, that is hidden in training.
        max_length: number of the newest entries that count; older ones have no influence.
        negatives: items drawn at each step, the same for all entries of the batch, from which the loss is estimated; None
            for the whole catalogue.
        seed: seed of the initial weights.
        n_features: 0; user features are refused, because they have no place in an order.

    Raises:
        ValueError: user features, or an option outside its range.

    Source: the cross-entropy over the catalogue follows Klenitskiy & Vasilev, RecSys 2023.
    """

    activation: Activation = "softmax"
    takes_slices = True

    def __init__(
        self,
        n_items: int,
        *,
        n_factors: int,
        dropout: float,
        max_length: int,
        negatives: int | None,
        seed: int,
        n_features: int,
    ):
        super().__init__(n_items, n_features=n_features, seed=seed)
        if n_features:
            expected = f"expected 0, because {type(self).__name__} takes no user features"
            raise ValueError(f"n_features: {expected}, found {n_features}")
        check_positive(n_factors=n_factors, max_length=max_length)
        check_dropout(dropout=dropout)
        if negatives is not None:
            check_positive(negatives=negatives)
        self.n_factors, self.dropout, self.max_length, self.negatives = n_factors, dropout, max_length, negatives
        self.item = linear_layer(n_factors, n_items)  # embeddings (I, n_factors) and biases (I,)

    def states(self, items: torch.Tensor, lengths: torch.Tensor, dropped: Dropout) -> torch.Tensor:
        """States (B, L + 1, n_factors) before the first and after every item (B, L), of which the first (B,) count.

        A state ignores later items, other than by their number.
        """
        raise NotImplementedError

    def soft_state(self, items: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
        """State (B, n_factors) after items (B, L), of which shares (B, L) are kept; differentiable in these."""
        raise NotImplementedError

    def last_state(self, items: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """State (B, n_factors) after the first (B,) of items (B, L)."""
        return at(self.states(items, lengths, unchanged), lengths)

    def embedded(self, items: torch.Tensor) -> torch.Tensor:
        """Embeddings (…, n_factors) of items (…) in a history: larger than those to score, which start small."""
        return F.embedding(items, self.item.weight) * self.n_factors**0.5

    def forward(  # type: ignore[override]
        self, items: torch.Tensor, keep: torch.Tensor, candidates: Candidates = None
    ) -> torch.Tensor:
        """Map items (B, L), oldest first, and their kept shares (B, L) to logits (B, I), or (B, C) of candidates (B, C)."""
        return answer(inner_products(self._state(items, keep), self.item.weight, bias=self.item.bias), candidates)

    def _state(self, items: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
        """State (B, n_factors) after items (B, L), of which shares (B, L) are kept."""
        if keep.requires_grad or ((keep != 0) & (keep != 1)).any():
            return self.soft_state(items, within(keep, self.max_length))
        rest = newest(Histories(items, keep == 1), self.max_length)
        return self.last_state(rest.items, rest.lengths)

    def loss(self, histories: Histories, generator: torch.Generator, step: int) -> torch.Tensor:
        """Cross-entropy of every entry, given the entries before it, mean over entries.

        With ``negatives``, the sum over the catalogue is estimated, without bias, from the items drawn. Its logarithm, and
        with it the loss, is a little too small on average.
        """
        windows, is_start = drawn_windows(histories, self.max_length + 1, generator)
        groups = windows.lengths.argsort(stable=True).split(USERS_PER_GROUP)  # of similar lengths: padding takes time
        parts = [self._states_and_targets(windows[users].trimmed(), is_start[users], generator) for users in groups]
        states, target = (torch.cat(each) for each in zip(*parts, strict=True))  # (N, n_factors), (N,)
        if self.negatives is None:
            return F.cross_entropy(self.item(states), target)
        drawn = torch.randint(self.n_items, (self.negatives,), generator=generator).to(target.device)
        wanted = score_candidates(states, self.item.weight[target][:, None]) + self.item.bias[target][:, None]  # (N, 1)
        others = F.linear(states, self.item.weight[drawn], self.item.bias[drawn])  # (N, negatives)
        others = others.masked_fill(drawn == target[:, None], -torch.inf)
        others = others + torch.tensor(self.n_items / self.negatives).log()
        return (torch.cat([wanted, others], dim=1).logsumexp(dim=1) - wanted[:, 0]).mean()

    def _states_and_targets(
        self, histories: Histories, is_start: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """States (N, n_factors) before the entries, with dropout, and their items (N,); first entries only at the start."""
        known = histories.real.clone()
        known[:, 0] &= is_start
        states = self.states(histories.items[:, :-1], histories.lengths - 1, lambda x: drop(x, self.dropout, generator))
        return states[known], histories.items[known]


def unchanged(x: torch.Tensor) -> torch.Tensor:
    """The tensor itself: no dropout."""
    return x


def at(states: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """The states (B, d) at one place (B,) of each row (B, L, d)."""
    return states[torch.arange(len(states), device=states.device), place]


def newest(histories: Histories, count: int) -> Histories:
    """The newest entries of every user, ``count`` at most, closed up."""
    later = histories.real.flip(1).cumsum(dim=1).flip(1)
    return histories.keep(later <= count)


def drawn_windows(histories: Histories, count: int, generator: torch.Generator) -> tuple[Histories, torch.Tensor]:
    """Parts of histories: ``count`` entries in a row at most, drawn at random, and whether each (B,) has the first entry."""
    first = torch.zeros_like(histories.lengths)
    if histories.shape[1] > count:
        shares = torch.rand(len(histories), generator=generator).to(histories.device)
        first = (shares * (histories.lengths - count + 1).clamp(min=1)).long()
    place = torch.arange(histories.shape[1], device=histories.device) - first[:, None]
    return histories.keep((place >= 0) & (place < count)), first == 0


def within(keep: torch.Tensor, count: int) -> torch.Tensor:
    """Shares (B, L) among the newest entries: an entry leaves as the kept shares of newer ones exceed ``count`` − 1.

    Example:
        >>> within(torch.tensor([[1.0, 0.5, 1, 1]]), 2)
        tensor([[0., 0., 1., 1.]])
        >>> within(torch.tensor([[1.0, 1, 0.5, 1]]), 2)
        tensor([[0.0000, 0.5000, 0.5000, 1.0000]])
    """
    if keep.shape[1] <= count:
        return keep
    return keep * (1 - (newer(keep) - (count - 1)).relu().clamp(max=1))


def newer(keep: torch.Tensor) -> torch.Tensor:
    """Kept shares (B, L) of all newer entries together."""
    return keep.flip(1).cumsum(dim=1).flip(1) - keep
