"""Bounds on a recommender's logits that hold for every set of removed items of some size.

The layers are replaced by straight lines, above and below, between the values that they can reach (Zhang et al., Efficient
Neural Network Robustness Certification, NeurIPS 2018: CROWN). The result is linear in the removed items: optimistic events.
If they do not suffice for a goal, no set of that size reaches it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from lxr.counterfactuals.events import Events, Pairs
from lxr.recommenders.network import Network

FEW_ITEMS = 128  # activations with bounds for every set of history items


# Slopes (…, m) of functions of m variables -> their lowest and highest sums (…) over the range of the variables.
Extremes = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True, eq=False)
class Lines:
    """Functions between two straight lines: from low_slope · variables + low to high_slope · variables + high.

    Attributes:
        low_slope, high_slope: (…, m).
        low, high: (…).
    """

    low_slope: torch.Tensor
    low: torch.Tensor
    high_slope: torch.Tensor
    high: torch.Tensor

    def combined(self, weights: torch.Tensor, bias: torch.Tensor) -> "Lines":
        """Functions weights (…, k, h) · self (…, h) + bias (…, k)."""
        up, down = weights.clamp(min=0), weights.clamp(max=0)
        low, high = self.low[..., None], self.high[..., None]
        if self.low_slope is self.high_slope:  # parallel lines stay parallel
            low_slope = high_slope = weights @ self.low_slope
        else:
            low_slope, high_slope = (
                up @ self.low_slope + down @ self.high_slope,
                up @ self.high_slope + down @ self.low_slope,
            )
        return Lines(
            low_slope,
            (up @ low + down @ high).squeeze(-1) + bias,
            high_slope,
            (up @ high + down @ low).squeeze(-1) + bias,
        )

    def activated(self, activation: str, extremes: Extremes) -> "Lines":
        """The activation of the functions."""
        least, most = self.low + extremes(self.low_slope)[0], self.high + extremes(self.high_slope)[1]
        if activation == "tanh":
            slope, low, high = tanh_lines(least, most)
            if self.low_slope is self.high_slope:
                both = slope[..., None] * self.low_slope
                return Lines(both, slope * self.low + low, both, slope * self.high + high)
            low_slope = high_slope = slope
        else:
            low_slope, high_slope, high = relu_lines(least, most)
            low = torch.zeros_like(high)
        return Lines(
            low_slope[..., None] * self.low_slope,
            low_slope * self.low + low,
            high_slope[..., None] * self.high_slope,
            high_slope * self.high + high,
        )


def of_sets(size: int, exact: bool) -> Extremes:
    """Extremes over all sets of (at most) ``size`` removed items: variables are 1 for removed items."""

    def extremes(slope: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        lowest, highest = (slope, slope) if exact else (slope.clamp(max=0), slope.clamp(min=0))
        return lowest.topk(size, dim=-1, largest=False).values.sum(dim=-1), highest.topk(size, dim=-1).values.sum(dim=-1)

    return extremes


def of_box(lowest: torch.Tensor, highest: torch.Tensor) -> Extremes:
    """Extremes over all variables between (m,) and (m,)."""

    def extremes(slope: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        up, down = slope.clamp(min=0), slope.clamp(max=0)
        return up @ lowest + down @ highest, up @ highest + down @ lowest

    return extremes


def optimistic_events(network: Network, items: np.ndarray, pairs: Pairs, size: int) -> Events:
    """Events that happen whenever the recommender's events happen, for any removed items.

    Args:
        network: layers of the recommender.
        items: (n,) history items.
        pairs: pairs of the goal.
        size: number of removed items, below n: exactly, if the network normalizes histories, else at most.

    Returns:
        The events, linear in the removed items.
    """
    scale = (len(items) - size) ** -0.5 if network.is_normalized else 1.0
    entries = torch.from_numpy(items)
    first = network.first[:, entries] * scale  # (h, n)
    upper, lower = (torch.from_numpy(part) for part in (pairs.upper, pairs.lower))
    sets = of_sets(size, network.is_normalized)
    if len(network.bias) == 1:  # hidden layers are shared: bound the difference
        hidden = _hidden(network, first.sum(dim=1), -first, network.bias[0], sets)
        difference = hidden.combined(network.last[upper] - network.last[lower], torch.zeros(len(upper)))
        slope, low = difference.low_slope, difference.low
    else:
        (above, above_at), (below, below_at) = (part.unique(return_inverse=True) for part in (upper, lower))
        high, little = (_outputs(network, first, chosen, sets) for chosen in (above, below))
        slope = high.low_slope[above_at] - little.high_slope[below_at]
        low = high.low[above_at] - little.high[below_at]
    low = low + network.constant[upper] - network.constant[lower]
    if network.skip is not None:
        history, table = network.skip
        parts = (table[:, upper] - table[:, lower]).T @ history[:, entries] * scale  # (E, n)
        slope, low = slope - parts, low + parts.sum(dim=1)
    return Events(low.numpy(), -slope.numpy().T, pairs.needed)


def _outputs(network: Network, first: torch.Tensor, chosen: torch.Tensor, sets: Extremes) -> Lines:
    """Contributions of the layers to the logits of some items (R,), for first layers of the history items (h, n).

    Each item has its own layers. For fast bounds of many items, the units of the first layer may change independently.
    """
    whole, last = first.sum(dim=1), network.last.expand(len(network.bias), -1)[chosen]
    are_few = len(chosen) <= FEW_ITEMS
    start, extremes = (-first, sets) if are_few else (torch.eye(len(whole)).double(), of_box(*sets(-first)))
    hidden = _hidden(network, whole, start, network.bias[chosen], extremes)
    output = hidden.combined(last[:, None], torch.zeros(len(chosen), 1))
    slopes = (slope[:, 0] if are_few else slope[:, 0] @ -first for slope in (output.low_slope, output.high_slope))
    return Lines(next(slopes), output.low[:, 0], next(slopes), output.high[:, 0])


def _hidden(network: Network, whole: torch.Tensor, slope: torch.Tensor, bias: torch.Tensor, extremes: Extremes) -> Lines:
    """The last hidden layer (…, h'); the first is ``whole`` (h,) + slope (h, m) · variables + bias (…, h)."""
    start = whole + bias
    slope = slope.expand(*start.shape, -1)
    lines = Lines(slope, start, slope, start).activated(network.activation, extremes)
    for weights, shift in network.deeper:
        lines = lines.combined(weights, shift).activated(network.activation, extremes)
    return lines


def relu_lines(lowest: torch.Tensor, highest: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Slopes k and l and an intercept b with k x ≤ max(x, 0) ≤ l x + b between two values."""
    high_slope = (highest.clamp(min=0) - lowest.clamp(min=0)) / (highest - lowest).clamp(min=1e-300)
    high_slope = torch.where(highest > lowest, high_slope, (lowest > 0).double()).clamp(0, 1)
    low_slope = torch.where((lowest < 0) & (highest > 0), (highest > -lowest).double(), high_slope)
    at_ends = lowest.clamp(min=0) - high_slope * lowest, highest.clamp(min=0) - high_slope * highest
    return low_slope, high_slope, torch.maximum(*at_ends)


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
