"""Answers of a recommender without some items of one history."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from lxr.counterfactuals.events import Pairs, pairs_of
from lxr.counterfactuals.goals import Goal
from lxr.data.histories import Histories
from lxr.recommenders.base import Recommender


@dataclass(frozen=True, eq=False)
class Question:
    """Checks of sets of one user against a goal; sets are masks (R, n) over the history items.

    A removed item leaves with all of its entries.

    Attributes:
        model: the recommender.
        history: history of one user.
        target: the explained item.
        goal: the goal of the sets.
        batch_size: histories per forward pass.
    """

    model: Recommender
    history: Histories
    target: int
    goal: Goal
    batch_size: int = 512

    @cached_property
    def items(self) -> np.ndarray:
        """(n,) history items, ascending."""
        return np.unique(self.history.entries.cpu().numpy())

    @cached_property
    def place(self) -> np.ndarray:
        """(1, L) position in :attr:`items` of the item of each entry; any number at the padding."""
        return np.searchsorted(self.items, self.history.items.cpu().numpy()).clip(max=len(self.items) - 1)

    @cached_property
    def candidates(self) -> torch.Tensor:
        """(1, I) items outside the history."""
        return self.history.unseen(self.model.n_columns)

    @cached_property
    def whole(self) -> torch.Tensor:
        """(1, I) logits of the whole history."""
        with torch.no_grad():
            return self.model.logits(self.history)

    @cached_property
    def pairs(self) -> Pairs:
        """The goal as pairs of items, without user features."""
        logits = self.whole[0].double().cpu().numpy()
        candidates = self.candidates[0].cpu().numpy() & np.isfinite(logits)
        return pairs_of(self.goal, logits, self.target, candidates)

    def mask(self, *sets: np.ndarray) -> np.ndarray:
        """Sets of positions of history items as masks (R, n)."""
        masks = np.zeros((len(sets), len(self.items)), dtype=bool)
        for row, removed in zip(masks, sets, strict=True):
            row[removed] = True
        return masks

    @torch.no_grad()
    def logits(self, removed: np.ndarray) -> torch.Tensor:
        """Logits (R, I) without the sets (R, n)."""
        stays = torch.from_numpy(~removed[:, self.place[0]]).to(self.history.device)  # (R, L)
        return self.model.logits_after_deletion(self.history.repeat(len(removed)), stays)

    def reached(self, removed: np.ndarray) -> np.ndarray:
        """Whether the goal is reached without the sets (R, n): (R,)."""
        size = self.batch_size
        parts = [self._compared(self.goal.reached, removed[i : i + size]) for i in range(0, len(removed), size)]
        return np.concatenate(parts) if parts else np.empty(0, dtype=bool)

    def successor(self, removed: np.ndarray) -> int:
        """The item that takes over without a set (n,)."""
        return int(self._compared(self.goal.successor, removed[None])[0])

    def _compared(self, of_goal, removed: np.ndarray) -> np.ndarray:
        """Apply a method of the goal to the logits without the sets (R, n); returns (R,)."""
        logits = self.logits(removed)
        target = torch.full((len(logits),), self.target, device=logits.device)
        whole, candidates = self.whole.expand_as(logits), self.candidates.expand_as(logits)
        return of_goal(logits, whole, target, candidates).cpu().numpy()

    @cached_property
    def falls(self) -> np.ndarray:
        """(n, I) fall of each logit without each single item."""
        return self.falls_around(self.mask(np.empty(0, dtype=int))[0])

    def falls_around(self, removed: np.ndarray) -> np.ndarray:
        """(n, I) fall of each logit without each item, with some other items removed, given by a mask (n,)."""
        changed = removed ^ np.eye(len(removed), dtype=bool)
        size = self.batch_size
        others = torch.cat([self.logits(changed[i : i + size]) for i in range(0, len(changed), size)])
        falls = (self.logits(removed[None]).double() - others.double()).cpu().numpy()
        return np.where(removed[:, None], -falls, falls)
