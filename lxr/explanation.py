"""One recommendation of one user, explained: in numbers, in words, as a figure, and what if items were not there."""

import html
from dataclasses import dataclass
from functools import cached_property
from operator import index
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from lxr.explainer import Explainer
from lxr.explainers import EXPLAINERS
from lxr.inputs import as_explained
from lxr.interactions import Interactions, dense, split_users
from lxr.perturbation import ACCENT, Counterfactual
from lxr.recommenders import Recommender, top_item
from lxr.tables import counterfactual_sentence, titles_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = 10  # reasons that people read
FEW = 64  # histories at a time that ACCENT tries for one user: sets are small as a rule
ROW = (
    '<tr><td style="text-align: left">{title}</td><td style="width: 16em">{bar}</td>'
    '<td style="text-align: right">{score:.3g}</td></tr>'
)


@dataclass(frozen=True)
class Standing:
    """Where an item stands among all that the user has not consumed.

    Attributes:
        rank: 1 + the number of items with a higher logit.
        probability: of the item.
        first: the item that is recommended.
    """

    rank: int
    probability: float
    first: int


@dataclass(frozen=True, repr=False, eq=False)
class UserExplanation:
    """Why an item is recommended to one user.

    Attributes:
        model: the recommender.
        data: for the titles.
        history: (1, I) binary history.
        target: the explained item.
        scores: (I,) importance of the history items; 0 elsewhere.
        explainer: name of the explainer.
        user: row of the user in ``data.matrix``; None for a history of one's own.

    Example:
        >>> import lxr
        >>> data = lxr.load_dataset("synthetic")
        >>> explanation = lxr.explain_user(lxr.Popularity(data.matrix), data, user=0, explainer="cosine")
        >>> explanation.title, explanation.standing.rank
        ('Group E, item 1', 1)
    """

    model: Recommender
    data: Interactions
    history: torch.Tensor
    target: int
    scores: np.ndarray
    explainer: str
    user: int | None = None

    @cached_property
    def items(self) -> np.ndarray:
        """(n,) history items, the most important first, ties by ascending item."""
        items = self.history[0].nonzero().ravel().cpu().numpy()
        return items[np.argsort(-self.scores[items], kind="stable")]

    @property
    def title(self) -> str:
        """Title of the explained item."""
        return titles_of(self.data, np.array([self.target]))[0]

    @cached_property
    def standing(self) -> Standing:
        """Where the explained item stands."""
        return self.without([])

    def without(self, items) -> Standing:
        """Where the explained item would stand without some history items; masking never adds candidates.

        Args:
            items: (m,) indices; ``explanation.items[:3]`` are the three most important.

        Raises:
            ValueError: an item that is not in the history.
        """
        return standing(self.model, self.history, self.target, items)

    @cached_property
    def counterfactual(self) -> Counterfactual | None:
        """The smallest set without which another item would have been recommended, by ACCENT; None if it finds none."""
        target = torch.tensor([self.target], device=self.history.device)
        accent = ACCENT(self.model, batch_size=FEW)
        return accent.counterfactuals(self.history, target)[0]

    @property
    def sentence(self) -> str:
        """The counterfactual in words: "Without A and B, X would have been recommended instead of Y."."""
        if self.standing.rank > 1:
            (first,) = titles_of(self.data, np.array([self.standing.first]))
            return f"{self.title} is in place {self.standing.rank}: {first} is recommended before it, with all items there."
        return counterfactual_sentence(self.data, self.target, self.counterfactual)

    def to_frame(self, count: int | None = None) -> pd.DataFrame:
        """History items, the most important first, or the first ``count`` of them: ``item``, ``title``, ``importance``."""
        items = self.items[:count]
        columns = {"item": items, "title": titles_of(self.data, items), "importance": self.scores[items]}
        return pd.DataFrame(columns, index=range(1, len(items) + 1))

    def plot(self, count: int = SHOWN, ax: "Axes | None" = None) -> "Axes":
        """Bars of the first ``count`` history items by title; see :func:`lxr.plots.plot_explanation`."""
        from lxr.plots import plot_explanation  # matplotlib is not needed for anything else here

        frame = self.to_frame(count)
        return plot_explanation(frame["title"].tolist(), frame["importance"].to_numpy(), self.title, self.explainer, ax)

    @property
    def heading(self) -> str:
        """Who is recommended what, on one line."""
        who = "A history of one's own" if self.user is None else f"User {self.data.user_ids[self.user]}"
        place = f"rank {self.standing.rank}, probability {self.standing.probability:.3f}"
        return f"{who} is recommended {self.title} ({place}), by {self.explainer} because of"

    def __repr__(self) -> str:
        return (
            f"UserExplanation(user={self.user}, target={self.target}, explainer={self.explainer!r}, {len(self.items)} items)"
        )

    def __str__(self) -> str:
        frame = self.to_frame(SHOWN)
        width = frame["title"].str.len().max()
        lines = [f"{row.Index:4}. {row.title:{width}}  {row.importance:.3g}" for row in frame.itertuples()]
        more = [f"      and {len(self.items) - SHOWN} more"] if len(self.items) > SHOWN else []
        return "\n".join([self.heading, *lines, *more, self.sentence])

    def _repr_html_(self) -> str:
        frame = self.to_frame(SHOWN)
        bars = bars_of(frame["importance"].to_numpy())
        rows = (
            ROW.format(title=html.escape(title), bar=bar, score=score)
            for title, bar, score in zip(frame["title"], bars, frame["importance"], strict=True)
        )
        more = f"<p>and {len(self.items) - SHOWN} more</p>" if len(self.items) > SHOWN else ""
        table = f"<table>{''.join(rows)}</table>"
        return f"<p>{html.escape(self.heading)}</p>{table}{more}<p>{html.escape(self.sentence)}</p>"


def explain_user(
    model: Recommender,
    data: Interactions,
    user: int,
    explainer: str | Explainer = "lxr",
    target: int | None = None,
    seed: int = 42,
    **options,
) -> UserExplanation:
    """Explain a recommendation of one user.

    Args:
        model: any recommender of these items.
        data: histories of all users.
        user: row of the user in ``data.matrix``.
        explainer: an explainer of this model; or a name in :data:`lxr.EXPLAINERS`, of which one is made (for LXR: trained)
            with the training and validation users of :func:`lxr.split_users`. For several users, make it once.
        target: the explained item; the top recommendation by default.
        seed: of the split and of the explainer, if that is given by its name.
        options: of the explainer, if that is given by its name.

    Returns:
        What prints, plots and shows itself in a notebook.

    Raises:
        ValueError: an unknown explainer or one of another model, a user who is not there or has an empty history, a target
            inside the history or outside the catalogue.

    Warns:
        UserWarning: the history is longer than the explainer's budget is made for, or all of its items score the same.

    Example:
        >>> import lxr
        >>> data = lxr.load_dataset("synthetic")
        >>> model = lxr.Popularity(data.matrix)
        >>> lxr.explain_user(model, data, user=0, explainer="cosine").to_frame(2)["title"].tolist()
        ['Group E, item 18', 'Group D, item 9']
    """
    check_catalogue(model, data)
    user = row("user", user, data.matrix.shape[0])
    name = explainer if isinstance(explainer, str) else type(explainer).__name__
    if isinstance(explainer, str):
        train, validation, _ = split_users(data.matrix.shape[0], seed=seed)
        explainer = EXPLAINERS[explainer](model, data.matrix[train], data.matrix[validation], seed=seed, **options)
    elif options:
        raise ValueError(f"options: expected none with an explainer that is already made, found {', '.join(options)}")
    history = dense(data.matrix[[user]], model.device)
    explanation = explain_history(model, data, history, explainer, name, target, user)
    lengths = np.array([len(explanation.items)])
    explainer.report_long(lengths)
    explainer.report_equal(explanation.scores[explanation.items], lengths)
    return explanation


def explain_history(
    model: Recommender,
    data: Interactions,
    history: torch.Tensor,
    explainer: Explainer,
    name: str,
    target: int | None = None,
    user: int | None = None,
) -> UserExplanation:
    """:func:`explain_user` for any history (1, I) and an explainer that is made; ``name`` is what it is called."""
    if not isinstance(explainer, Explainer) or explainer.model is not model:
        of = "an explainer of another model" if isinstance(explainer, Explainer) else type(explainer).__name__
        raise ValueError(f"explainer: expected a name or an explainer of this model, found {of}")
    if target is None:
        target = top_item(model, history)[0]
    history, chosen = as_explained(model, history, [row("target", target, model.n_targets)])
    scores = explainer.scores(history, chosen)[0].cpu().numpy()
    return UserExplanation(model, data, history, int(chosen), scores, name, user)


def standing(model: Recommender, history: torch.Tensor, target: int, removed) -> Standing:
    """Where an item stands for a history (1, I) of which the items ``removed`` (m,) are left out."""
    removed = torch.as_tensor(np.asarray(removed, dtype=np.int64), device=history.device)
    absent = set(removed.tolist()) - set(history[0].nonzero().ravel().tolist())
    if absent:
        raise ValueError(f"items: expected items of the history, found {min(absent)}")
    with torch.no_grad():
        logits = model(history.index_fill(1, removed, 0.0))  # (1, I)
    candidates = logits.masked_fill(history > 0, -torch.inf)[0]
    probability = float(model.log_activation(logits)[0, target].exp())
    return Standing(1 + int((candidates > logits[0, target]).sum()), probability, int(candidates.argmax()))


def bars_of(importance: np.ndarray) -> list[str]:
    """A bar of HTML for each score (n,), all on one scale; those below zero are grey and go to the left."""
    low, high = min(0.0, importance.min(initial=0)), max(0.0, importance.max(initial=0))
    scale = 100 / ((high - low) or 1.0)
    return [
        f'<div style="height: 0.8em; border-radius: 2px; margin-left: {scale * (min(score, 0) - low):.1f}%; '
        f'width: {scale * abs(score):.1f}%; background: {"#2c7fb8" if score >= 0 else "#b5b5b5"}"></div>'
        for score in importance
    ]


def check_catalogue(model: Recommender, data: Interactions) -> None:
    """Refuse data of other items than the recommender's."""
    if data.matrix.shape[1] != model.n_items:
        raise ValueError(f"data: expected the {model.n_items} items of the model, found {data.matrix.shape[1]}")


def row(name: str, value, count: int) -> int:
    """A row or an item, if it is an integer below ``count``."""
    try:
        found = index(value)
    except TypeError:
        found = -1
    if not 0 <= found < count:
        raise ValueError(f"{name}: expected an integer from 0 to {count - 1}, found {value!r}")
    return found
