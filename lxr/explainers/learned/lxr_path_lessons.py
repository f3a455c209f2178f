"""Lessons of LXR on paths: users with the signals of their entries, and the orders to imitate."""

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lxr.data.histories import EntryLists
from lxr.data.inputs import as_lists
from lxr.distributed.shards import map_shards
from lxr.explainers.base import Explainer
from lxr.explainers.gradients import GradientTimesInput
from lxr.explainers.greedy import GreedySearch
from lxr.explainers.learned.base import HiddenNetwork
from lxr.explainers.learned.lxr_path_settings import PathSettings
from lxr.explainers.learned.lxr_path_signals import Signals
from lxr.explainers.leave_one_out import LeaveOneOut
from lxr.explainers.paths import GradientPath, InsertionPath
from lxr.metrics.agreement import positions
from lxr.recommenders.base import Recommender
from lxr.recommenders.recommendations import top_item
from lxr.utils.sparse import batches

SEARCHES = {"rank": ("rank",), "score": ("del", "ins")}  # criteria of the greedy searches, by objective
STEPS: dict[str, Any] = {"singles": 10, "share": 0.05}  # steps of the imitated paths: finer than those of the baseline


@dataclass(frozen=True)
class Examples:
    """Top recommendations of many users, with the signals of their history items.

    Attributes:
        lists: histories of n users.
        target: (n,) explained items.
        signals: (N, F) signals of all N entries.
    """

    lists: EntryLists
    target: np.ndarray
    signals: torch.Tensor

    @classmethod
    def of(
        cls,
        signals: Signals,
        model: Recommender,
        history: object,
        *,
        users_per_batch: int = 256,
        executor: Executor | None = None,
    ) -> "Examples":
        """Compute signals of histories, :class:`lxr.EntryLists` or (n, I) CSR, batch by batch."""
        lists, target = as_lists(model, history, top_item(model, history))
        parts = map_shards(
            _signals_of_users,
            list(batches(len(lists), users_per_batch)),
            shared=(signals, model),
            cut=lambda users: (lists[users], target[users]),
            executor=executor,
        )
        return cls(lists, target, torch.cat([part.to(model.device) for part in parts]))

    def entries(self, users: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the entries (m,) of some users (b,), user after user, and their counts (b,)."""
        entry, length = self.lists.places_of(users), self.lists.lengths[users]
        return torch.from_numpy(entry).to(self.signals.device), torch.from_numpy(length).long().to(self.signals.device)

    @torch.no_grad()
    def scores(self, network: HiddenNetwork) -> np.ndarray:
        """Scores (N,) of all entries by a network."""
        groups = (self.entries(users) for users in batches(len(self.target), 512))
        return torch.cat([network(self.signals[entry], length) for entry, length in groups]).cpu().numpy()


def _signals_of_users(signals: Signals, model: Recommender, part: tuple[EntryLists, np.ndarray]) -> torch.Tensor:
    """Signals (N, F) of the entries of some users, for their targets (b,), on the CPU."""
    lists, target = part
    return signals(model, lists.batch(device=model.device), torch.from_numpy(target).to(model.device)).cpu()


def teacher_positions(
    model: Recommender, examples: Examples, settings: PathSettings, executor: Executor | None = None
) -> np.ndarray:
    """Position (N,) of every history item in the imitated order, from 0; the mean if there are two orders."""
    teachers: list[Explainer]
    if settings.teacher == "path":
        paths = (GradientPath,) if settings.objective == "rank" else (GradientPath, InsertionPath)
        teachers = [path(model, objective=settings.g, **STEPS) for path in paths]
    elif settings.teacher == "search":
        teachers = [GreedySearch(model, criterion) for criterion in SEARCHES[settings.objective]]
    else:
        teacher = LeaveOneOut if settings.teacher == "leave-one-out" else GradientTimesInput
        teachers = [teacher(model, objective=settings.g)]
    label = "paths of training users"
    scores = [teacher.explain(examples.lists, examples.target, label=label, executor=executor) for teacher in teachers]
    orders = [positions(each, examples.lists) for each in scores]
    return np.asarray(np.mean(orders, axis=0, dtype=np.float32))


def with_parts(lists: EntryLists, n_parts: int, rng: np.random.Generator) -> EntryLists:
    """The histories of n users, then ``n_parts`` random parts of each: n (1 + n_parts) users.

    A part has one entry at least, in the order of the history. Each entry stays with a probability drawn for its part.
    """
    length, n = lists.lengths, len(lists.items)
    chosen = [np.ones(n, dtype=bool)]
    for _ in range(n_parts):
        stays = rng.random(n) < rng.uniform(0.3, 0.9, len(length)).repeat(length)
        stays[lists.indptr[:-1] + (rng.random(len(length)) * length).astype(int)] = True
        chosen.append(stays)
    counts = [np.diff(np.append(0, stays.cumsum())[lists.indptr]) for stays in chosen]
    place = np.concatenate([np.flatnonzero(stays) for stays in chosen])
    return lists.taken(place, np.append(0, np.concatenate(counts).cumsum()))
