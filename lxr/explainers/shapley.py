"""SHAP: Shapley values of history items, or of clusters of items."""

import contextlib
import threading
import warnings
from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F

from lxr.data.histories import EntryLists, Histories
from lxr.explainers.base import Explainer, ascending_items, training_lists, user_generator
from lxr.explainers.lime import mask_function
from lxr.explainers.objectives import OBJECTIVES, Objective, objective_of
from lxr.recommenders.base import Recommender
from lxr.utils.checks import (
    check_between,
    check_positive,
    check_seed,
)
from lxr.utils.extras import extra
from lxr.utils.memory import check_memory
from lxr.utils.sparse import batches
from lxr.utils.threads import one_thread

_GLOBAL_STATE = threading.Lock()  # of NumPy's random numbers


class SHAPItems(Explainer):
    """Shapley values of the history items for g relative to the empty history, by Kernel SHAP.

    The values of a user sum to g(x) − g(∅). They are exact if the budget covers all subsets of the history. A value below
    zero means that the item lowers g, on average over the orders of adding items.

    Args:
        model: the explained recommender.
        n_samples: number of subsets of a history to score. If a history has more than a quarter as many items, each item
            gets four subsets, because fewer hardly determine the values; a warning says so.
        objective: g, a name in :data:`lxr.OBJECTIVES` or a function like them.
        batch_size: histories per forward pass; bounds the memory.
        seed: seed of the subsets.

    Raises:
        ValueError: an option that is not positive, or an unknown objective.

    Source: Lundberg & Lee, NeurIPS 2017, section 4.1; computed by the package ``shap``, without its default selection of ten
    features.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> history, target = torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3])
        >>> SHAPItems(model, objective="logit").explain(history, target).round(decimals=2)
        tensor([[2., 0., 0., 0.]])
    """

    is_signed: ClassVar[bool] = True
    search_space: ClassVar[dict] = {"n_samples": [256, 512, 1024, 2048], "objective": list(OBJECTIVES)}

    def __init__(
        self,
        model: Recommender,
        *,
        n_samples: int = 1024,
        objective: str | Objective = "log-odds",
        batch_size: int = 512,
        seed: int = 0,
    ):
        super().__init__(model)
        check_positive(n_samples=n_samples, batch_size=batch_size)
        self.n_samples, self.batch_size, self.seed = n_samples, batch_size, check_seed(seed)
        self.objective = objective_of(objective)
        self.max_history, self.overflow_note = n_samples // 4, "they get four samples per item"

    @one_thread("blas")
    def importance(self, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """Shapley values, one user at a time."""
        with extra("explainers"):
            from shap import KernelExplainer

        found = []
        for one, item in zip(histories.keep(histories.real).split(1), target.tolist(), strict=True):
            items, place = ascending_items(one.lists()[0])
            score = mask_function(self.model, one.trimmed(), item, objective=self.objective, batch_size=self.batch_size)

            def of_items(masks: np.ndarray, score=score, place: np.ndarray = place) -> np.ndarray:
                return score(masks[:, place])

            with _seeded(user_generator(self.seed, item, items)):
                explainer = KernelExplainer(of_items, np.zeros((1, len(items))))
                values = explainer.shap_values(
                    np.ones((1, len(items))), nsamples=max(self.n_samples, 4 * len(items)), l1_reg=0, silent=True
                )
            found.append(values[0][place])
        return histories.padded(torch.from_numpy(np.concatenate(found)).float().to(histories.device))


class SHAPClusters(Explainer):
    """Shapley values of clusters of items for the target's log-odds; each history item gets the value of its cluster.

    The players are the clusters that occur in the history; a coalition represents the history of all their items. So there
    are only 2^clusters histories for all users: they are scored once, and the values of a user are look-ups. They are
    exact: every coalition is counted. (User features are clustered with the items.) A value below zero means that the items
    of the cluster lower the log-odds together. If a recommender excludes the target because it is in a coalition's history
    (−∞), the coalition is scored again without the target.

    Args:
        model: the explained recommender.
        train_matrix: (n, I) CSR histories of the training users, whose columns are clustered by k-means; or
            :class:`lxr.EntryLists`.
        n_clusters: number of clusters, at most 12; by default 10, or the number of items if smaller.
        batch_size: histories per forward pass; bounds the memory, except for the table (2^clusters, I) of scores.
        seed: seed of k-means.

    Raises:
        ValueError: training users of another catalogue, an impossible number of clusters, or a recommender that uses the
            order of entries: a coalition, the items of whole clusters, has none.

    Source: the SHAP baseline of Barkan et al., WWW 2024 (whose code never switches the last cluster on and takes the softmax
    of a softmax); Lundberg & Lee, NeurIPS 2017, computed by the package ``shap``. The background is the empty history,
    while their code takes sampled training users: a value measures the presence of a cluster, not its exchange for others.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> history, target = torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3])
        >>> train = sp.csr_matrix([[1, 1, 0, 0], [1, 0, 0, 1], [0, 1, 1, 1]])
        >>> SHAPClusters(model, train).explain(history, target).round(decimals=2)
        tensor([[2., 0., 0., 0.]])
    """

    is_signed: ClassVar[bool] = True
    ignores_order: ClassVar[bool] = True
    search_space: ClassVar[dict] = {"n_clusters": [2, 4, 6, 8, 10, 12]}

    def __init__(
        self,
        model: Recommender,
        train_matrix: EntryLists | sp.csr_matrix,
        *,
        n_clusters: int | None = None,
        batch_size: int = 512,
        seed: int = 0,
    ):
        with extra("explainers"):
            from sklearn.cluster import KMeans

        super().__init__(model)
        matrix = training_lists(model, train_matrix=train_matrix).matrix()
        check_positive(batch_size=batch_size)
        seed = check_seed(seed)
        n_clusters = self.catalogue_defaults(model.n_columns)["n_clusters"] if n_clusters is None else n_clusters
        check_between(1, min(12, model.n_columns), n_clusters=n_clusters)
        self.n_clusters, self.batch_size = n_clusters, batch_size
        with one_thread(), warnings.catch_warnings():  # sums of several threads depend on their order
            warnings.filterwarnings("ignore", message="Number of distinct clusters")  # for identical items
            self.cluster = KMeans(n_clusters, n_init=1, random_state=seed).fit_predict(matrix.T.tocsr())  # (I,)
        self.table = self.score_coalitions()

    @classmethod
    def catalogue_defaults(cls, n_items: int) -> dict:
        """Ten clusters, or one per item if there are fewer items."""
        return {"n_clusters": min(10, n_items)}

    @torch.no_grad()
    def score_coalitions(self) -> np.ndarray:
        """Log-odds (2^clusters, I) of all items for histories of whole clusters; bit c of a row is cluster c."""
        check_memory(4 * 2**self.n_clusters * self.model.n_columns, "n_clusters")
        table = np.empty((2**self.n_clusters, self.model.n_columns), dtype=np.float32)
        for codes in batches(len(table), self.batch_size):
            table[codes] = self.model.log_odds(self.model(self.histories(codes))).cpu().numpy()
        return table

    def histories(self, codes: np.ndarray) -> torch.Tensor:
        """Histories (b, I) of whole clusters, given by the bits of each code (b,)."""
        on = (codes[:, None] >> np.arange(self.n_clusters)) & 1  # (b, clusters)
        return torch.from_numpy(on[:, self.cluster].astype(np.float32)).to(self.model.device)

    @torch.no_grad()
    def ask_without(self, target: int) -> None:
        """Complete the table: score coalitions that exclude the target again, without the target in their history."""
        missing = np.flatnonzero(~np.isfinite(self.table[:, target]))
        for codes in batches(len(missing), self.batch_size, missing):
            logits = self.model(self.histories(codes).index_fill_(1, torch.tensor([target], device=self.model.device), 0))
            self.table[codes, target] = self.model.log_odds(logits)[:, target].cpu().numpy()

    def importance(self, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """Value of each entry's cluster; users with the same clusters share one computation."""
        with extra("explainers"):
            from shap import KernelExplainer

        for item in target.unique().tolist():
            self.ask_without(item)
        cluster = torch.from_numpy(self.cluster).long().to(histories.device)[histories.items]  # (B, L)
        member = F.one_hot(cluster, self.n_clusters) * histories.real[:, :, None]
        present, group = np.unique(member.amax(dim=1).double().cpu().numpy(), axis=0, return_inverse=True)
        values = np.empty((len(histories), self.n_clusters))
        powers = 2 ** np.arange(self.n_clusters)
        for number, clusters in enumerate(present):
            users = np.flatnonzero(group.ravel() == number)
            targets, index = np.unique(target.cpu().numpy()[users], return_inverse=True)

            def look_up(coalitions: np.ndarray, targets: np.ndarray = targets) -> np.ndarray:
                return self.table[(coalitions @ powers).astype(int)[:, None], targets]

            explainer = KernelExplainer(look_up, np.zeros((1, self.n_clusters)))
            found = explainer.shap_values(clusters[None], nsamples=2**self.n_clusters, l1_reg=0, silent=True)
            values[users] = found[0].T[index]  # (clusters, targets) → (users, clusters)
        return torch.from_numpy(values).float().to(histories.device).gather(1, cluster)


@contextlib.contextmanager
def _seeded(generator: np.random.Generator) -> Iterator[None]:
    """Seed NumPy's global random state, from which ``shap`` draws, and restore it; one thread at a time."""
    with _GLOBAL_STATE:
        state = np.random.get_state()
        try:
            np.random.seed(generator.integers(2**32))
            yield
        finally:
            np.random.set_state(state)
