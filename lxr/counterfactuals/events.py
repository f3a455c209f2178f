"""A goal as events that are linear in the removed items: a rival passes an item, and enough events must happen.

For a recommender that is linear in the history, the effect of removing items on a logit is the sum of single effects; for
others, the sum is a bound. :mod:`lxr.counterfactuals.programs` finds a smallest set.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from lxr.counterfactuals.goals import ChangesList, Enters, Goal

NEAR = 100  # events on either side of the decisive one in the greedy search


@dataclass(frozen=True)
class Events:
    """Events, of which a number must happen.

    Attributes:
        margin: (E,) distance of each event from happening.
        gain: (n, E) effect of removing each of the n history items on this distance. An event happens without the items S
            if the sum of their gains exceeds the margin.
        needed: number of events that must happen.
    """

    margin: np.ndarray
    gain: np.ndarray
    needed: int

    def shifted(self, slack: float) -> "Events":
        """The events with margins reduced by ``slack``, to allow for rounding."""
        return replace(self, margin=self.margin - slack)

    def happen(self, removed: np.ndarray) -> bool:
        """Whether enough events happen without some items, given by their positions (m,)."""
        return int((self.gain[removed].sum(axis=0) > self.margin).sum()) >= self.needed

    def possible(self, size: int) -> np.ndarray:
        """Return which events (E,) can happen by removing at most ``size`` items."""
        return top_sums(self.gain, size) > self.margin

    def within(self, size: int) -> "Events":
        """Events that removing at most ``size`` items can decide; certain events are counted and dropped."""
        always = -top_sums(-self.gain, size) > self.margin
        return self.among(self.possible(size) & ~always, self.needed - int(always.sum()))

    def among(self, kept: np.ndarray, needed: int) -> "Events":
        """Some of the events, given by a mask (E,)."""
        return Events(self.margin[kept], self.gain[:, kept], needed)

    def fewest(self, limit: int) -> int:
        """Smallest number of items with which enough events can happen individually: a lower bound on the size.

        ``limit`` + 1 if it is larger than ``limit``.
        """
        if self.needed <= 0:
            return 0
        if len(self.margin) < self.needed:
            return limit + 1
        reach = np.sort(self.gain.clip(min=0), axis=0)[::-1][:limit].cumsum(axis=0)  # (limit, E)
        enough = (reach > self.margin).sum(axis=1) >= self.needed
        return 1 + int(enough.argmax()) if enough.any() else limit + 1


@dataclass(frozen=True)
class Pairs:
    """A goal as pairs of items: in enough pairs, ``lower`` must pass ``upper``.

    Attributes:
        upper: (E,) items.
        lower: (E,) items.
        needed: required number of pairs.
    """

    upper: np.ndarray
    lower: np.ndarray
    needed: int

    def among(self, kept: np.ndarray) -> "Pairs":
        """Some of the pairs, given by a mask (E,), with the same number needed."""
        return Pairs(self.upper[kept], self.lower[kept], self.needed)

    def events(self, logits: np.ndarray, falls: np.ndarray) -> Events:
        """The events for logits (I,) of the whole history and their falls (n, I) without each item."""
        gain = falls[:, self.upper] - falls[:, self.lower]
        return Events(logits[self.upper] - logits[self.lower], gain, self.needed)


def pairs_of(goal: Goal, logits: np.ndarray, target: int, candidates: np.ndarray) -> Pairs:
    """Pairs of items for a goal.

    Args:
        goal: goal of the set.
        logits: (I,) logits of the whole history.
        target: the explained item.
        candidates: (I,) booleans, the items outside the history.

    Returns:
        Target and each rival, K of which must pass it; for :class:`Enters` each rival and the target, which must pass all
        but K − 1; for :class:`ChangesList` each item of the list and each item outside, one of which must pass.
    """
    rivals = np.flatnonzero(candidates)
    if isinstance(goal, ChangesList):
        last = np.sort(logits[rivals])[-min(goal.k, len(rivals))]
        inside, outside = rivals[logits[rivals] >= last], rivals[logits[rivals] < last]
        return Pairs(inside.repeat(len(outside)), np.tile(outside, len(inside)), 1)
    rivals = rivals[rivals != target]
    here = np.full_like(rivals, target)
    if isinstance(goal, Enters):
        return Pairs(rivals, here, len(rivals) - goal.k + 1)
    return Pairs(here, rivals, goal.k)


def top_sums(values: np.ndarray, size: int) -> np.ndarray:
    """The highest sums (E,) of at most ``size`` of the values in each column of (n, E)."""
    positive = values.clip(min=0)
    if size >= len(values):
        return positive.sum(axis=0)
    if size <= 0:
        return np.zeros(values.shape[1])
    return np.partition(positive, len(values) - size, axis=0)[len(values) - size :].sum(axis=0)


def greedy_order(events: Events) -> Iterator[int]:
    """Positions of items in greedy order: each removal brings the decisive event as near as possible.

    The decisive event is the last necessary event by margin, among the events near it at the start.
    """
    near = np.argsort(events.margin, kind="stable")[max(0, events.needed - NEAR) : events.needed + NEAR]
    place = min(events.needed, NEAR) - 1
    margin, gain, left = events.margin[near], events.gain[:, near], np.arange(len(events.gain))
    while len(left) and place < len(near):
        after = margin - gain[left]  # (left, near)
        best = int(np.partition(after, place, axis=1)[:, place].argmin())
        margin = after[best]
        yield int(left[best])
        left = np.delete(left, best)


def greedy_set(events: Events) -> np.ndarray | None:
    """The shortest prefix (m,) of the greedy order with which enough events happen; None if there is none."""
    removed: list[int] = []
    for position in greedy_order(events):
        removed.append(position)
        if events.happen(np.array(removed)):
            return np.array(removed)
    return None


def sets_within(events: Events, size: int, most: int) -> np.ndarray | None:
    """All sets of ``size`` items with which enough events happen.

    Args:
        events: events of the goal.
        size: size of the sets, at least 1.
        most: largest number of sets.

    Returns:
        (R, size) ascending positions; None if some step leaves more than ``most`` partial sets.
    """
    events = events.within(size)
    n = len(events.gain)
    if len(events.margin) < events.needed:
        return np.empty((0, size), dtype=int)
    later = np.zeros((size + 1, n + 1, len(events.margin)))  # largest gain of items from a position on
    for position in range(n - 1, -1, -1):
        later[:, position] = later[:, position + 1]
        later[1:, position] = np.maximum(later[1:, position], later[:-1, position + 1] + events.gain[position])
    sets, sums = np.empty((1, 0), dtype=int), np.zeros((1, len(events.margin)))
    for step in range(size):
        grown = []
        for position in range(step, n - size + step + 1):
            before = sets[:, -1] < position if step else np.ones(1, dtype=bool)
            added = sums[before] + events.gain[position]
            hopeful = (added + later[size - step - 1, position + 1] > events.margin).sum(axis=1) >= events.needed
            chosen = np.flatnonzero(before)[hopeful]
            grown.append((np.column_stack([sets[chosen], np.full(len(chosen), position)]), added[hopeful]))
            if sum(len(part) for part, _ in grown) > most:
                return None
        sets, sums = (np.concatenate(parts) for parts in zip(*grown, strict=True))
    return sets
