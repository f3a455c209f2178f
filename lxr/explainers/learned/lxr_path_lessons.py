"""Lessons of LXR on paths: users with the signals of their entries, and the orders to imitate."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

from lxr.data.histories import Histories
from lxr.data.inputs import as_users
from lxr.explainers.base import Explainer
from lxr.explainers.gradients import GradientTimesInput
from lxr.explainers.learned.base import HiddenNetwork
from lxr.explainers.learned.lxr_path_settings import PathSettings
from lxr.explainers.learned.lxr_path_signals import Signals
from lxr.explainers.leave_one_out import LeaveOneOut
from lxr.explainers.paths import GradientPath, InsertionPath
from lxr.metrics.agreement import positions
from lxr.recommenders.base import Recommender
from lxr.recommenders.recommendations import top_item
from lxr.utils.sparse import batches

STEPS: dict[str, Any] = {"singles": 10, "share": 0.05}  # steps of the imitated paths: finer than those of the baseline


@dataclass(frozen=True)
class Examples:
    """Top recommendations of many users, with the signals of their history items.

    Attributes:
        matrix: (n, I) CSR histories.
        target: (n,) explained items.
        signals: (N, F) signals of all N entries.
    """

    matrix: sp.csr_matrix
    target: np.ndarray
    signals: torch.Tensor

    @classmethod
    def of(cls, signals: Signals, model: Recommender, matrix: sp.csr_matrix, *, users_per_batch: int = 256) -> "Examples":
        """Compute signals of histories, batch by batch."""
        matrix, target = as_users(model, matrix, top_item(model, matrix))
        items = torch.from_numpy(target).to(model.device)
        parts = [
            signals(model, Histories.of_matrix(matrix[users], model.device), items[users])
            for users in batches(matrix.shape[0], users_per_batch)
        ]
        return cls(matrix, target, torch.cat(parts))

    def entries(self, users: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the entries (m,) of some users (b,), user after user, and their counts (b,)."""
        length = np.diff(self.matrix.indptr)[users]
        first = self.matrix.indptr[users] - (length.cumsum() - length)
        entry = torch.from_numpy(np.arange(length.sum()) + first.repeat(length))
        return entry.to(self.signals.device), torch.from_numpy(length).long().to(self.signals.device)

    @torch.no_grad()
    def scores(self, network: HiddenNetwork) -> sp.csr_matrix:
        """Scores of all entries by a network."""
        groups = (self.entries(users) for users in batches(len(self.target), 512))
        values = torch.cat([network(self.signals[entry], length) for entry, length in groups]).cpu().numpy()
        return sp.csr_matrix((values, self.matrix.indices, self.matrix.indptr), shape=self.matrix.shape)


def teacher_positions(model: Recommender, examples: Examples, settings: PathSettings) -> np.ndarray:
    """Position (N,) of every history item in the imitated order, from 0; the mean if there are two orders."""
    teachers: list[Explainer]
    if settings.teacher == "path":
        paths = (GradientPath,) if settings.objective == "rank" else (GradientPath, InsertionPath)
        teachers = [path(model, objective=settings.g, **STEPS) for path in paths]
    else:
        teacher = LeaveOneOut if settings.teacher == "leave-one-out" else GradientTimesInput
        teachers = [teacher(model, objective=settings.g)]
    label = "paths of training users"
    scores = [teacher.explain(examples.matrix, examples.target, label=label) for teacher in teachers]
    return np.asarray(np.mean([positions(each) for each in scores], axis=0, dtype=np.float32))
