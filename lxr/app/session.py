"""The session of the explorer without its widgets: a history, a recommendation, a what-if."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from lxr.app.models import Models
from lxr.data.histories import Histories
from lxr.recommenders.recommendations import best_items, histories_of
from lxr.reporting.explanation import TargetRank, UserExplanation, explain_history, rank_without

STEPS = 10  # reasons that are left out one after the other


@dataclass(frozen=True, eq=False)
class Recommendation:
    """One recommendation for one history: why, and what if.

    Attributes:
        models: the recommender and its explainers.
        history: history of one user.
        user: row of the user; None if the history is one's own.
        target: the explained item.
        explanations, falls: so far, by explainer.

    Example: see :class:`Exploration`.
    """

    models: Models
    history: Histories
    user: int | None
    target: int
    explanations: dict[str, UserExplanation] = field(default_factory=dict)
    falls: dict[str, list[int]] = field(default_factory=dict)

    def explanation(self, name: str) -> UserExplanation:
        """Explanation of the target by an explainer, computed once."""
        if name not in self.explanations:
            about = self.models.model, self.models.data, self.history
            self.explanations[name] = explain_history(*about, self.models.explainer(name), name, self.target, self.user)
        return self.explanations[name]

    @cached_property
    def sentence(self) -> str:
        """The counterfactual in words, which is the same whoever explains."""
        return self.explanation(self.models.names[0]).sentence

    @property
    def title(self) -> str:
        """Title of the explained item."""
        return self.models.data.titles(np.array([self.target]))[0]

    @cached_property
    def baseline(self) -> TargetRank:
        """Rank of the target with the whole history."""
        return self.without(())

    def without(self, removed: Iterable[int]) -> TargetRank:
        """Rank of the target without some of the items."""
        return rank_without(self.models.model, self.history, self.target, sorted(removed))

    def fall(self, name: str) -> list[int]:
        """Ranks of the target without the first 0, 1, … reasons of an explainer; at most ``STEPS`` are left out."""
        if name not in self.falls:
            reasons = self.explanation(name).items[:STEPS]
            histories = self.history.repeat(len(reasons) + 1)
            stays = ~histories.among([reasons[:step] for step in range(len(reasons) + 1)])
            with torch.no_grad():
                logits = self.models.model.logits_after_deletion(histories, stays)
            candidates = logits.masked_fill(~self.history.unseen(logits.shape[1]), -torch.inf)
            self.falls[name] = (1 + (candidates > logits[:, [self.target]]).sum(dim=1)).tolist()
        return self.falls[name]

    def what_if(self, removed: Iterable[int]) -> pd.DataFrame:
        """With the whole history (row ``now``) and without some of its items (``without``).

        Returns:
            ``rank`` and ``probability`` of the target, and ``first``, the title of the first recommendation.
        """
        frame = pd.DataFrame([vars(self.baseline), vars(self.without(removed))], index=["now", "without"])
        return frame.assign(first=self.models.data.titles(frame["first"].to_numpy()))


class Ranked(NamedTuple):
    """A recommendation in a list, see :meth:`Exploration.ranking`.

    Attributes:
        item, title: the recommended item and its title.
        rank, was: without the removed items, and with the whole history.
        probability: without the removed items.
    """

    item: int
    title: str
    rank: int
    was: int
    probability: float


class Exploration:
    """A history, one of its recommendations, and the items that are removed for now.

    Args:
        models: whose recommendations are explored.
        user: row of the user to begin with; the first one who is offered by default.

    Attributes:
        user, history: as in :class:`Recommendation`.
        recommendation: at first the top one; None while the history is empty, or nothing is left to recommend.
        removed: history items that are left out.

    Example:
        >>> exploration = Exploration(TrainedModels("results", "ml-1m", "mf"))  # doctest: +SKIP
        >>> exploration.remove(exploration.recommendation.explanation("lxr").items[:3])  # doctest: +SKIP
        >>> exploration.what_if()  # doctest: +SKIP
    """

    def __init__(self, models: Models, user: int | None = None):
        self.models = models
        self.choose_user(int(models.users[0]) if user is None else user)

    def choose_user(self, user: int) -> None:
        """Take the history of a user, by row."""
        lists = histories_of(self.models.model, self.models.data, np.array([user]))
        self.take(lists.batch(device=self.models.model.device), user)

    def start_empty(self) -> None:
        """Begin an empty custom history."""
        self.take_items([])

    def add(self, item: int) -> None:
        """Put an item into the history, as its newest entry; the history is one's own from now on."""
        self.take_items([*self.history.entries.tolist(), item])

    def take_items(self, items: Sequence[int]) -> None:
        """Take a custom history of items, oldest first; a repeated item counts if the recommender uses the order."""
        model = self.models.model
        entries = list(items if model.is_ordered else dict.fromkeys(items))
        self.take(Histories.of_lists([entries], model.n_columns).to(model.device), None)

    def take(self, history: Histories, user: int | None) -> None:
        """Explain the top recommendation of the history of one user."""
        self.history, self.user = history, user
        self.recommendation: Recommendation | None = None
        self.removed: set[int] = set()
        first = self.recommendations(1)["item"].tolist()
        if history.real.any() and first:
            self.choose_target(*first)

    def choose_target(self, item: int) -> None:
        """Explain this recommendation; what was removed is put back."""
        self.recommendation, self.removed = Recommendation(self.models, self.history, self.user, item), set()

    def remove(self, items: Iterable[int]) -> None:
        """Leave history items out."""
        self.removed |= {int(item) for item in items}

    def put_back(self, items: Iterable[int]) -> None:
        """Have history items in again."""
        self.removed -= {int(item) for item in items}

    def recommendations(self, count: int = 10) -> pd.DataFrame:
        """The first recommendations for the whole history, by rank: ``item`` (its column), ``title``, ``probability``."""
        return self._recommended(self.history, count)

    def recommendations_without(self, count: int = 10) -> pd.DataFrame:
        """The first recommendations without the removed items, which are none of them."""
        return self._recommended(self._rest, count)

    @property
    def _rest(self) -> Histories:
        """The history without the removed items."""
        return self.history.keep(~self.history.among([sorted(self.removed)]))

    def _recommended(self, history: Histories, count: int) -> pd.DataFrame:
        """The best items for a history that are not in the whole history, by rank."""
        best = best_items(self.models.model, history, count, seen=self.history).set_index("rank").rename_axis(None)
        return best.assign(title=self.models.data.titles(best["item"].to_numpy()))[["item", "title", "score", "probability"]]

    def ranking(self, count: int = 10) -> list[Ranked]:
        """The first recommendations without the removed items, by rank, and the explained one at its rank."""
        if self.recommendation is None:
            return []
        model, target = self.models.model, self.recommendation.target
        with torch.no_grad():
            logits = torch.cat([model.logits(self.history), model.logits(self._rest)])
        probability = model.log_activation(logits)[1].exp()
        before, after = logits.masked_fill(~self.history.unseen(model.n_columns), -torch.inf)
        order = after.argsort(descending=True, stable=True)[: min(count, int((after > -torch.inf).sum()))].tolist()
        items = order if target in order else [*order, target]
        ranks = [*range(1, len(order) + 1), 1 + int((after > after[target]).sum())]
        was = [1 + int((before > before[item]).sum()) for item in items]
        rows = zip(items, self.models.data.titles(np.array(items)), ranks, was, probability[items].tolist(), strict=False)
        return [Ranked(*row) for row in rows]

    def what_if(self) -> pd.DataFrame:
        """The recommendation with and without the removed items, see :meth:`Recommendation.what_if`; no rows without one."""
        return (
            self.recommendation.what_if(self.removed)
            if self.recommendation
            else pd.DataFrame(columns=["rank", "probability", "first"])
        )
