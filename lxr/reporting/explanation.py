"""Explanation of one recommendation: in numbers, in words, as a figure, and with items left out."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from lxr.counterfactuals.goals import LeavesTop
from lxr.counterfactuals.sets import CounterfactualSet, smallest_set
from lxr.data.histories import Histories
from lxr.data.inputs import as_entries, as_items
from lxr.data.interactions import Interactions
from lxr.explainers.base import Explainer
from lxr.recommenders.base import Recommender
from lxr.reporting import families
from lxr.reporting.sentences import set_sentences
from lxr.utils.checks import check_natural, check_positive
from lxr.utils.markup import html_text, plain, quoted, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = 10  # number of reasons to show
SECONDS = 2.0  # time limit for a smallest set
ROW = (
    '<tr><td style="text-align: left">{title}</td><td style="width: 16em">{bar}</td>'
    '<td style="text-align: right">{score}</td></tr>'
)
AGAINST = "Below zero (grey): speaks against the recommendation."


@dataclass(frozen=True)
class TargetRank:
    """Rank of an item among all items that the user has not consumed.

    Attributes:
        rank: 1 + the number of items with a higher logit.
        probability: probability of the item.
        first: the item in first place.

    Example: see :func:`lxr.explain`.
    """

    rank: int
    probability: float
    first: int


@dataclass(frozen=True, repr=False, eq=False)
class UserExplanation:
    """Explanation of one recommendation of one user.

    Attributes:
        model: the recommender.
        data: histories with the titles.
        history: history of one user, with n entries.
        target: the explained item.
        scores: (n,) importance of the entries, in their order.
        explainer: name of the explainer.
        user: row of the user in ``data.matrix``; None for a custom history.
        is_signed: whether a score below zero speaks against the target, see :class:`lxr.explainers.base.Explainer`.

    Example:
        >>> import lxr
        >>> data = lxr.load_dataset("synthetic")
        >>> (explanation,) = lxr.explain(lxr.MF(data.n_items), data, users=0)
        >>> explanation.title, explanation.target_rank.rank
        ('Group B, item 3', 1)
    """

    model: Recommender
    data: Interactions
    history: Histories
    target: int
    scores: np.ndarray
    explainer: str
    user: int | None = None
    is_signed: bool = False

    @cached_property
    def items(self) -> np.ndarray:
        """(n,) history items, the most important first, ties by ascending item."""
        return self._entries[self._order]

    @cached_property
    def importance(self) -> np.ndarray:
        """(n,) scores of :attr:`items`."""
        return self.scores[self._order]

    @cached_property
    def _entries(self) -> np.ndarray:
        """(n,) items of the entries, in their order."""
        return self.history.entries.cpu().numpy()

    @cached_property
    def _order(self) -> np.ndarray:
        """(n,) entries, the most important first."""
        return np.lexsort((self._entries, -self.scores))

    @cached_property
    def shown(self) -> np.ndarray:
        """(n,) displayed importance of :attr:`items`: the scores, if their sign has a meaning.

        Other scores are rescaled to the range from 0 (least important item of the history) to 1 (most important).
        """
        scores = self.importance
        if self.is_signed:
            return scores
        low, high = scores.min(initial=np.inf), scores.max(initial=-np.inf)
        return (scores - low) / (high - low) if high > low else np.ones_like(scores)

    @property
    def numbers(self) -> list[str]:
        """:attr:`shown` as text."""
        return [f"{score:{'.3g' if self.is_signed else '.2f'}}" for score in self.shown.tolist()]

    @property
    def scale(self) -> str:
        """Meaning of the numbers in a few words."""
        return f"importance by {self.explainer}" + ("" if self.is_signed else ", from 0 (least) to 1 (most)")

    @property
    def title(self) -> str:
        """Title of the explained item."""
        return self.data.titles(np.array([self.target]))[0]

    @cached_property
    def target_rank(self) -> TargetRank:
        """Rank of the explained item."""
        return self.without([])

    def without(self, items) -> TargetRank:
        """Rank of the explained item without some history items; leaving items out never adds candidates.

        Args:
            items: (m,) indices; ``explanation.items[:3]`` are the three most important.

        Raises:
            ValueError: an item that is not in the history.
        """
        return rank_without(self.model, self.history, self.target, items)

    @cached_property
    def counterfactual(self) -> CounterfactualSet:
        """Smallest set whose removal makes the target lose its place, with a certificate."""
        return smallest_set(self.model, self.history, self.target, LeavesTop(self.target_rank.rank), time_limit=SECONDS)

    @cached_property
    def sentence(self) -> str:
        """The counterfactual in words.

        "Without “A” and “B”, “X” would have been recommended instead of “Y”. No smaller set exists."; for a target further
        down: "Without “A”, “Y” would fall from place 3 to 5: “V” and “W” would come before it."
        """
        explained = self.history, np.array([self.target]), [self.counterfactual]
        return set_sentences(self.model, self.data, *explained, self.target_rank.rank)[0]

    def to_frame(self, count: int | None = None) -> pd.DataFrame:
        """History items, the most important first, or the first ``count`` of them: ``item``, ``title``, ``importance``."""
        if count is not None:
            check_natural(count=count)
        items = self.items[:count]
        columns = {"item": items, "title": self.data.titles(items), "importance": self.importance[:count]}
        return pd.DataFrame(columns, index=range(1, len(items) + 1))

    def plot(self, count: int = SHOWN, ax: "Axes | None" = None) -> "Axes":
        """Bars of the first ``count`` history items by title, with the counterfactual below.

        Args:
            count: number of items.
            ax: axes of the bars alone, without the counterfactual; a new figure by default.
        """
        from lxr.reporting.plots import plot_explanation  # only figures need matplotlib

        check_positive(count=count)
        titles, shown = self.data.titles(self.items[:count]), self.shown[:count]
        scale = self.scale + (f"\n{AGAINST}" if self.is_signed and (shown < 0).any() else "")
        heading, sentence = f"{self.recommendation}. Reasons:", "" if ax else self.sentence
        return plot_explanation(
            titles, shown, heading=heading, scale=scale, sentence=sentence, ax=ax, is_signed=self.is_signed
        )

    @property
    def recommendation(self) -> str:
        """User and recommendation in words."""
        title = quoted(self.title)
        if self.user is None:
            return f"For this custom history, {title} is recommended"
        return f"User {plain(self.data.user_ids[self.user])} is recommended {title}"

    @property
    def heading(self) -> str:
        """User and recommendation on one line."""
        where = f"rank {self.target_rank.rank}, probability {self.target_rank.probability:.3f}"
        return f"{self.recommendation} ({where}). Reasons by {self.explainer}:"

    @property
    def remarks(self) -> list[str]:
        """Remarks below the first items: the meaning of grey bars, and the number of further items."""
        against = [AGAINST] * bool((self.is_signed & (self.shown[:SHOWN] < 0)).any())
        more = [f"and {len(self.items) - SHOWN} more"] * (len(self.items) > SHOWN)
        return more + against

    def __repr__(self) -> str:
        return (
            f"UserExplanation(user={self.user}, target={self.target}, explainer={self.explainer!r}, {len(self.items)} items)"
        )

    def __str__(self) -> str:
        titles = [shortened(title, 80) for title in self.data.titles(self.items[:SHOWN])]
        width = max(map(len, titles))
        rows = enumerate(zip(titles, self.numbers, strict=False), start=1)
        lines = [f"{position:4}. {title:{width}}  {number}" for position, (title, number) in rows]
        remarks = [f"      {remark}" for remark in self.remarks]
        return "\n".join([self.heading, *lines, *remarks, f"({self.scale})", self.sentence])

    def _repr_html_(self) -> str:
        titles = [html_text(shortened(title)) for title in self.data.titles(self.items[:SHOWN])]
        rows = zip(titles, bars_of(self.shown)[:SHOWN], self.numbers, strict=False)
        table = "".join(ROW.format(title=title, bar=bar, score=number) for title, bar, number in rows)
        remarks = "".join(f"<p>{remark}</p>" for remark in [*self.remarks, html_text(self.scale)])
        return f"<p>{html_text(self.heading)}</p><table>{table}</table>{remarks}<p>{html_text(self.sentence)}</p>"


def explain_history(
    model: Recommender,
    data: Interactions,
    history: Histories,
    explainer: Explainer,
    name: str,
    target: int,
    user: int | None = None,
) -> UserExplanation:
    """Explain one item to one history, without warnings.

    Args:
        model: the recommender.
        data: histories with the titles.
        history: history of one user.
        explainer: an explainer of ``model``.
        name: name of the explainer.
        target: column of the explained item.
        user: row of the user; None for a custom history.

    Raises:
        ValueError: an empty history, or a target inside the history or outside the catalogue.
    """
    history, chosen = as_entries(model, history, [target])
    scores = explainer._explain_checked(history, chosen)[history.real].cpu().numpy()
    return UserExplanation(model, data, history, int(chosen), scores, name, user, explainer.is_signed)


def rank_without(model: Recommender, history: Histories, target: int, removed) -> TargetRank:
    """Rank of an item for the history of one user without the items ``removed`` (m,)."""
    logits = logits_without(model, history, removed)
    candidates = logits.masked_fill(~history.unseen(model.n_columns), -torch.inf)[0]
    probability = float(model.log_activation(logits)[0, target].exp())
    return TargetRank(1 + int((candidates > logits[0, target]).sum()), probability, int(candidates.argmax()))


def logits_without(model: Recommender, history: Histories, removed) -> torch.Tensor:
    """Logits (1, I) for the history of one user without the items ``removed`` (m,).

    Raises:
        ValueError: an item that is not in the history.
    """
    removed = as_items("items", removed)
    absent = set(removed.tolist()) - set(history.entries.tolist())
    if absent:
        raise ValueError(f"items: expected items of the history, found {min(absent)}")
    with torch.no_grad():
        return model.logits_after_deletion(history, ~history.among([removed]))


def bars_of(shown: np.ndarray) -> list[str]:
    """A bar of HTML for each number (n,), all on one scale; negative ones are grey and point left.

    Args:
        shown: values of :attr:`UserExplanation.shown`, negative only if the sign has a meaning.
    """
    low, high = min(0.0, shown.min(initial=0)), max(0.0, shown.max(initial=0))
    scale = 100 / ((high - low) or 1.0)
    return [
        f'<div style="height: 0.8em; border-radius: 2px; margin-left: {scale * (min(score, 0) - low):.1f}%; '
        f'width: {scale * abs(score):.1f}%; background: {families.FOR if score >= 0 else families.AGAINST}"></div>'
        for score in shown
    ]
