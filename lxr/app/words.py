"""The state of the explorer as text."""

from collections.abc import Sequence

import numpy as np

from lxr.app.session import Exploration, Ranked
from lxr.reporting.explanation import SHOWN, UserExplanation
from lxr.utils.markup import plain, quoted


def whom(exploration: Exploration) -> str:
    """The user in words: ``"user 7, from 26 items"``."""
    length = len(exploration.history.entries)
    user = "you" if exploration.user is None else f"user {plain(exploration.models.data.user_ids[exploration.user])}"
    return f"{user}, from {length} {'item' if length == 1 else 'items'}"


def lines_of(
    exploration: Exploration, ranking: Sequence[Ranked], explanations: Sequence[UserExplanation], sentence: str
) -> list[str]:
    """Recommendations, reasons, the counterfactual and the what-if as lines of text; none without a recommendation.

    Args:
        exploration: the explored history.
        ranking: its recommendations, see :meth:`lxr.app.Exploration.ranking`.
        explanations: explanations of the panels, if they are known.
        sentence: the counterfactual in words, or an empty text.
    """
    if exploration.recommendation is None:
        return []
    lines = [f"Recommended to {whom(exploration)}:"]
    lines += [f"{row.rank}. {row.title} · {row.probability:.1%}" for row in ranking]
    for explanation in explanations:
        lines += ["", f"Why {quoted(explanation.title)}, {explanation.scale}:"]
        titles = explanation.data.titles(explanation.items[:SHOWN])
        rows = zip(titles, explanation.numbers, strict=False)
        lines += [f"{place}. {title}: {number}" for place, (title, number) in enumerate(rows, start=1)]
    lines += ["", sentence] * bool(sentence)
    if exploration.removed:
        target = next(row for row in ranking if row.item == exploration.recommendation.target)
        left_out = "; ".join(exploration.models.data.titles(np.array(sorted(exploration.removed))))
        lines += ["", f"Left out: {left_out}.", f"{quoted(target.title)}: rank {target.was} → {target.rank}."]
    return lines
