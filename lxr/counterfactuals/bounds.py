"""Bounds of a recommender's answers that hold for every set of so many removed items.

The layers are replaced by straight lines, above and below, between the values that they can reach (Zhang et al., Efficient
Neural Network Robustness Certification, NeurIPS 2018: CROWN; here with parallel lines). What is left is linear in the
removed items: optimistic events. If they do not suffice for a goal, no set of that size reaches it.
"""

from dataclasses import dataclass

import numpy as np
import torch

from lxr.counterfactuals.events import Events, Pairs
from lxr.recommenders.network import Network

ITEMS_AT_A_TIME = 256  # whose layers are bounded together


@dataclass(frozen=True, eq=False)
class Lines:
    """Linear functions of the removed items, r in {0, 1}^n: slope · r + [low, high].

    Attributes:
        slope: (…, n).
        low: (…).
        high: (…).
    """

    slope: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor

    def interval(self, size: int, exact: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Lowest and highest values (…) for ``size`` removed items, or for up to so many."""
        lowest, highest = self.slope, self.slope
        if not exact:
            lowest, highest = lowest.clamp(max=0), highest.clamp(min=0)
        least = lowest.topk(size, dim=-1, largest=False).values.sum(dim=-1)
        return self.low + least, self.high + highest.topk(size, dim=-1).values.sum(dim=-1)

    def combined(self, weights: torch.Tensor, bias: torch.Tensor) -> "Lines":
        """Functions weights (…, m, h) · self (…, h) + bias (…, m)."""
        up, down = weights.clamp(min=0), weights.clamp(max=0)
        low, high = self.low[..., None], self.high[..., None]
        return Lines(
            weights @ self.slope,
            (up @ low + down @ high).squeeze(-1) + bias,
            (up @ high + down @ low).squeeze(-1) + bias,
        )


def optimistic_events(network: Network, items: np.ndarray, pairs: Pairs, size: int) -> Events:
    """Events that happen whenever those of the recommender do, whichever items are removed.

    Args:
        network: layers of the recommender.
        items: (n,) history items.
        pairs: of the goal.
        size: number of removed items, below n: exactly, if the network normalizes histories, else at most.

    Returns:
        The events, linear in the removed items.
    """
    scale = (len(items) - size) ** -0.5 if network.is_normalized else 1.0
    entries = torch.from_numpy(items)
    first = network.first[:, entries] * scale
    upper, lower = (torch.from_numpy(part) for part in (pairs.upper, pairs.lower))
    if len(network.bias) == 1:  # hidden layers are shared: bound the difference
        hidden = _hidden(network, first, network.bias, size)
        last = network.last[upper] - network.last[lower]
        difference = Lines(hidden.slope[0], hidden.low[0], hidden.high[0]).combined(last, torch.zeros(len(last)))
        slope, low = difference.slope, difference.low
    else:
        (high_item, high_at), (low_item, low_at) = (part.unique(return_inverse=True) for part in (upper, lower))
        above, below = (_outputs(network, first, chosen, size) for chosen in (high_item, low_item))
        slope = above.slope[high_at] - below.slope[low_at]
        low = above.low[high_at] - below.high[low_at]
    low = low + network.constant[upper] - network.constant[lower]
    if network.skip is not None:
        history, table = (part for part in network.skip)
        parts = (table[:, upper] - table[:, lower]).T @ history[:, entries] * scale  # (E, n)
        slope, low = slope - parts, low + parts.sum(dim=1)
    return Events(low.numpy(), -slope.numpy().T, pairs.needed)


def _outputs(network: Network, first: torch.Tensor, chosen: torch.Tensor, size: int) -> Lines:
    """What the layers contribute to the logits of some items (R,): functions (R,)."""
    last, outputs = network.last.expand(len(network.bias), -1), []
    for some in chosen.split(ITEMS_AT_A_TIME):
        hidden = _hidden(network, first, network.bias[some], size)
        outputs.append(hidden.combined(last[some][:, None], torch.zeros(len(some), 1)))
    return Lines(*(torch.cat([getattr(part, name)[:, 0] for part in outputs]) for name in ("slope", "low", "high")))


def _hidden(network: Network, first: torch.Tensor, bias: torch.Tensor, size: int) -> Lines:
    """The last hidden layer, (R, h), for first layers of the history items (h, n) and biases (R, h)."""
    start = first.sum(dim=1) + bias
    lines = Lines(-first.expand(len(bias), -1, -1), start, start)
    exact = network.is_normalized
    lines = _activated(lines, network.activation, *lines.interval(size, exact))
    for weights, shift in network.deeper:
        lines = lines.combined(weights, shift)
        lines = _activated(lines, network.activation, *lines.interval(size, exact))
    return lines


def _activated(lines: Lines, activation: str, lowest: torch.Tensor, highest: torch.Tensor) -> Lines:
    """An activation of functions with values from ``lowest`` to ``highest``, between two parallel lines."""
    slope, low, high = (relu_lines if activation == "relu" else tanh_lines)(lowest, highest)
    return Lines(slope[..., None] * lines.slope, slope * lines.low + low, slope * lines.high + high)


def relu_lines(lowest: torch.Tensor, highest: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Slope k and intercepts a, b with k x + a ≤ max(x, 0) ≤ k x + b between two values."""
    slope = (highest.clamp(min=0) - lowest.clamp(min=0)) / (highest - lowest).clamp(min=1e-300)
    slope = torch.where(highest > lowest, slope, (lowest > 0).double()).clamp(0, 1)
    high = torch.maximum(lowest.clamp(min=0) - slope * lowest, highest.clamp(min=0) - slope * highest)
    return slope, torch.where((lowest < 0) & (highest > 0), torch.zeros_like(high), high), high


def tanh_lines(lowest: torch.Tensor, highest: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Slope k and intercepts a, b with k x + a ≤ tanh x ≤ k x + b between two values."""
    width = highest - lowest
    chord = (highest.tanh() - lowest.tanh()) / width.clamp(min=1e-12)
    slope = torch.where(width > 1e-6, chord, 1 - lowest.tanh() ** 2).clamp(0, 1)
    ends = lowest.tanh() - slope * lowest, highest.tanh() - slope * highest
    low, high = torch.minimum(*ends), torch.maximum(*ends)
    at = torch.atanh((1 - slope).sqrt().clamp(max=1 - 1e-15))  # where the slope of tanh is k
    for point in (at, -at):
        inside = (point > lowest) & (point < highest)
        value = point.tanh() - slope * point
        low, high = (
            torch.where(inside, torch.minimum(low, value), low),
            torch.where(inside, torch.maximum(high, value), high),
        )
    return slope, low, high
