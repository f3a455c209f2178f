"""The rank of a recommendation as the reasons of explainers are removed, as a picture and in words."""

from collections.abc import Mapping, Sequence

import numpy as np

from lxr.utils.markup import html_attribute, html_text

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 340, 150, 40, 10, 12, 34
LOOKS = (("#2c7fb8", ""), ("#c2570c", "5 3"))  # colour and dashes of each line


def fall_of(falls: Mapping[str, Sequence[int]]) -> str:
    """HTML of the ranks without the first 0, 1, … reasons: a picture for the eye, and one sentence per explainer.

    Args:
        falls: explainer → ranks. The first two are drawn.
    """
    if not falls:
        return ""
    lines = list(zip(falls, falls.values(), LOOKS, strict=False))
    said = [sentence(name, ranks) for name, ranks, _ in lines]
    drawn = "".join(_line(ranks, _scales(falls), look) for _, ranks, look in lines)
    legend = "".join(
        f'<p><svg width="30" height="10" aria-hidden="true">{_stroke("M0,5 H30", look)}</svg> {html_text(text)}</p>'
        for text, (*_, look) in zip(said, lines, strict=True)
    )
    return (
        f'<div class="lxr-falls"><svg class="lxr-fall" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{html_attribute(" ".join(said))}">{_axes(falls)}{drawn}</svg>'
        f'<div aria-hidden="true">{legend}</div></div>'
    )


def sentence(name: str, ranks: Sequence[int]) -> str:
    """The fall in words: how many reasons take the place away, and the rank at the end."""
    lost = next((step for step, rank in enumerate(ranks) if rank > ranks[0]), None)
    if lost is None:
        return f"{name}: rank {ranks[0]} holds without its first {len(ranks) - 1} reasons."
    first = "its first reason" if lost == 1 else f"its first {lost} reasons"
    return f"{name}: rank {ranks[0]} is lost without {first}; without {len(ranks) - 1}, the rank is {ranks[-1]}."


def _scales(falls: Mapping[str, Sequence[int]]) -> tuple[int, float]:
    """Steps of the horizontal axis, and the logarithm of the largest rank of the vertical one."""
    steps = max(1, *(len(ranks) - 1 for ranks in falls.values()))
    return steps, float(np.log10(max(10, *(max(ranks) for ranks in falls.values()))))


def _place(step: float, rank: float, scales: tuple[int, float]) -> tuple[float, float]:
    """Coordinates of a rank; rank 1 is at the top."""
    steps, decades = scales
    across, down = step / steps, np.log10(rank) / decades
    return LEFT + across * (WIDTH - LEFT - RIGHT), TOP + down * (HEIGHT - TOP - BOTTOM)


def _line(ranks: Sequence[int], scales: tuple[int, float], look: tuple[str, str]) -> str:
    """The ranks of one explainer."""
    points = [_place(step, rank, scales) for step, rank in enumerate(ranks)]
    path = "M" + " L".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return _stroke(path, look) + "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{look[0]}"/>' for x, y in points)


def _stroke(path: str, look: tuple[str, str]) -> str:
    """A path without filling."""
    return f'<path d="{path}" fill="none" stroke="{look[0]}" stroke-width="2" stroke-dasharray="{look[1]}"/>'


def _axes(falls: Mapping[str, Sequence[int]]) -> str:
    """Grid lines at powers of ten, numbers of reasons, and names of both axes."""
    scales = _scales(falls)
    steps, decades = scales
    parts = []
    for decade in range(int(decades) + 1):
        x, y = _place(0, 10**decade, scales)
        parts.append(f'<path d="M{x},{y:.1f} H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{x - 6}" y="{y + 4:.1f}" text-anchor="end">{10**decade:,}</text>')
    for step in {0, steps // 2, steps}:
        x, _ = _place(step, 1, scales)
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="middle">{step}</text>')
    parts.append(f'<text x="{(WIDTH + LEFT - RIGHT) / 2}" y="{HEIGHT - 4}" text-anchor="middle">reasons left out</text>')
    parts.append(f'<text x="10" y="{(HEIGHT - BOTTOM + TOP) / 2}" text-anchor="middle" class="lxr-upright">rank</text>')
    return f'<g aria-hidden="true">{"".join(parts)}</g>'
