"""Base class of recommenders that use the order of a history."""

from collections.abc import Callable

import torch

from lxr.data.histories import Histories
from lxr.recommenders.base import Recommender
from lxr.recommenders.last_layer import Score
from lxr.recommenders.modes import uncounted, with_gradients


class SequentialRecommender(Recommender):
    """Base class of recommenders that use the order of a history. A subclass defines ``forward(items, keep)``.

    ``forward`` gets items (B, L), oldest first, and the share (B, L) of each entry that counts, and returns logits (B, I).
    An entry with the share 0, such as the padding at the end, must have no influence. Shares between 0 and 1 are a soft
    mask: gradients come from it. It need not equal deletion, which also moves positions; metrics come from deletion.

    Dense rows have no order: calling the recommender with them is refused.

    Example:
        >>> class Latest(SequentialRecommender):  # after the newest item the next one
        ...     def forward(self, items, keep):
        ...         age = keep.flip(1).cumsum(1).flip(1)  # 1 at the newest entry
        ...         newest = keep * torch.exp(1 - age)
        ...         return torch.zeros(len(items), self.n_items).scatter_add(1, (items + 1) % self.n_items, newest)
        >>> import lxr
        >>> model, histories = Latest(4), lxr.Histories.of_lists([[2, 0]], n_columns=4)
        >>> model.logits(histories).argmax(), model.logits_after_deletion(histories, torch.tensor([[True, False]])).argmax()
        (tensor(1), tensor(3))
    """

    is_ordered = True

    def forward(self, items: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Map items (B, L), oldest first, and their kept shares (B, L) to logits (B, I)."""
        raise NotImplementedError

    def __call__(self, history: torch.Tensor) -> torch.Tensor:
        """Refuse dense rows.

        Raises:
            ValueError: always.
        """
        name = type(self).__name__
        raise ValueError(
            f"history: {name} uses the order of entries: expected lxr.Histories for model.logits, found rows (B, I)"
        )

    def logits(
        self, histories: Histories, keep: torch.Tensor | None = None, candidates: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Logits after a share of every entry is kept, as for :meth:`lxr.Recommender.logits`."""
        real = histories.real.to(self.precision or torch.float32)
        shares = real if keep is None else keep.to(real.dtype) * real
        logits = self._checked(self._forward(histories.items, shares), (len(histories), self.n_columns), shares)
        return logits if candidates is None else logits.gather(1, candidates)

    def logits_after_deletion(
        self, histories: Histories, stays: torch.Tensor, candidates: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Logits for the shorter histories, the rest of which is closed up."""
        return self.logits(histories.keep(stays), candidates=candidates)

    def can_slice(self, histories: Histories) -> bool:
        """True if the recommender can score slices of the items, by :meth:`use_scores`."""
        return self.takes_slices

    def use_scores(self, histories: Histories, stays: torch.Tensor, use: Callable[[Score], torch.Tensor]) -> torch.Tensor:
        """Result of a function that asks for logits after deletion, as for :meth:`lxr.Recommender.use_scores`."""
        rest = histories.keep(stays)
        real = rest.real.to(self.precision or torch.float32)
        return self._use(use, real, rest.items, real)

    @property
    def differentiable(self) -> bool:
        """Whether logits have a gradient with respect to the kept shares; tests one history."""
        items = torch.zeros(1, 1, dtype=torch.int64, device=self.device)
        histories = Histories(items, torch.ones_like(items, dtype=torch.bool), self.n_columns)
        with with_gradients(), uncounted(self):
            keep = torch.ones(1, 1, device=self.device, requires_grad=True)
            total = self.logits(histories, keep).sum()
            return total.requires_grad and torch.autograd.grad(total, keep, allow_unused=True)[0] is not None
