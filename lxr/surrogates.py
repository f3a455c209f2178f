"""Explainers that fit a simple model to a recommender around one history: LIME, LIRE, SHAP.

They run the packages ``lime`` and ``shap`` on functions of the history alone: which of its items are kept. That is tens of
features instead of a whole catalogue. What they fit is additive, so by default it is the log-odds of the target, which do
not flatten where its probability comes near 0 or 1.
"""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
import torch
from threadpoolctl import threadpool_limits

from lxr.checks import (
    check_between,
    check_integers,
    check_natural,
    check_numbers,
    check_positive,
    check_positive_numbers,
    check_seed,
)
from lxr.explainer import Explainer, user_generator
from lxr.inputs import as_matrix
from lxr.interactions import batches, dense
from lxr.memory import check_memory
from lxr.objectives import Objective, objective_of
from lxr.recommenders import Recommender


def mask_function(
    model: Recommender,
    history: torch.Tensor,
    target: int,
    objective: str | Objective = "log-odds",
    batch_size: int = 512,
) -> Callable[..., np.ndarray]:
    """The recommender as a function of which history items are kept: what packages such as shap and lime ask for.

    Args:
        model: any recommender.
        history: (I,) one binary history of h items.
        target: the explained item.
        objective: g, a name in :data:`lxr.OBJECTIVES` or a function like them.
        batch_size: histories per forward pass; bounds the memory.

    Returns:
        A function of masks (S, h), one column per history item in ascending order, that returns g (S,) as float64. A
        second argument, if given, are items (S, I) that are added to the histories, a CSR matrix.

    Example:
        >>> import lxr
        >>> model = lxr.wrap(lambda x: x @ torch.tensor([[0.0, 0, 2], [0, 0, 1], [0, 0, 0]]), 3, "sigmoid")
        >>> score = mask_function(model, torch.tensor([1.0, 1, 0]), target=2, objective="logit")
        >>> score(np.array([[1, 1], [1, 0], [0, 0]]))
        array([3., 2., 0.])
    """
    g, items = objective_of(objective), history.nonzero().ravel()

    @torch.no_grad()
    def score(masks: np.ndarray, added: sp.csr_matrix | None = None) -> np.ndarray:
        values = np.empty(len(masks))
        for rows in batches(len(masks), batch_size):
            x = torch.zeros(len(rows), len(history), device=history.device)
            if added is not None:
                x += dense(added[rows], history.device)
            x[:, items] = torch.from_numpy(np.asarray(masks[rows], dtype=np.float32)).to(history.device)
            y = torch.full((len(rows),), target, device=history.device)
            values[rows] = g(model, x, y, history.expand_as(x)).cpu().numpy()
        return values

    return score


class LIME(Explainer):
    """Coefficients of a ridge regression of g on which history items are kept, around the history.

    Every sample changes the history in 50 to 100 places: a random part of them are its own items, which are taken out, the
    others are unseen items, which are put in (fewer where there are not so many; never the target or a user feature). The
    nearer a sample, the more it counts: its weight is 1 − its number of changes / the sum of all samples'. A coefficient
    below zero means that g is higher in samples without the item.

    Args:
        model: the explained recommender.
        n_samples: perturbed histories per user. Histories of more items are possible, since the regression is penalised,
            but no longer determined by the samples: a warning says so.
        min_flips, max_flips: bounds of the number of changes.
        kernel_width: w of another weight, √exp(−d² / w²) of a sample at distance d, that of ``lime.lime_text``.
        n_features: items to keep, those of the highest absolute coefficients in a first, hardly penalised regression; the
            others score 0. All of them by default.
        objective: g, a name in :data:`lxr.OBJECTIVES` or a function like them.
        batch_size: histories per forward pass; bounds the memory.
        seed: of the samples.

    Raises:
        ValueError: an option that is not positive, ``max_flips`` below ``min_flips``, or an unknown objective.

    Source: Ribeiro et al., KDD 2016; Nóbrega & Marinho, SAC 2019, for recommenders. Numbers of samples and changes and the
    weights are those of the code published with Baklanov et al., SIGIR 2025; the regression is LimeBase of the package
    ``lime`` with ``feature_selection="highest_weights"``.
    """

    is_signed: ClassVar[bool] = True
    search_space: ClassVar[dict] = {
        "n_samples": (100, 500, "log"),
        "min_flips": [1, 10, 50],
        "kernel_width": [None, 25.0, 50.0, 100.0],
    }

    def __init__(
        self,
        model: Recommender,
        n_samples: int = 150,
        min_flips: int = 50,
        max_flips: int = 100,
        kernel_width: float | None = None,
        n_features: int | None = None,
        objective: str | Objective = "log-odds",
        batch_size: int = 512,
        seed: int = 0,
    ):
        super().__init__(model)
        check_positive(n_samples=n_samples, min_flips=min_flips, batch_size=batch_size)
        expected = f"an integer of at least min_flips = {min_flips}"
        check_integers(expected, lambda value: value >= min_flips, max_flips=max_flips)
        if kernel_width is not None:
            check_positive_numbers(kernel_width=kernel_width)
        if n_features is not None:
            check_positive(n_features=n_features)
        self.n_samples, self.min_flips, self.max_flips = n_samples, min_flips, max_flips
        self.kernel_width, self.n_features = kernel_width, n_features
        self.objective, self.batch_size, self.seed = objective_of(objective), batch_size, check_seed(seed)
        self.longest, self.if_longer = n_samples, f"{n_samples} samples and the penalty share out what they explain"

    @threadpool_limits.wrap(limits=1, user_api="blas")  # threads cost more than such small regressions
    def importance(self, history: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Coefficients, one user at a time."""
        scores = torch.zeros_like(history)
        for row, item, out in zip(history, target.tolist(), scores, strict=True):
            items = np.flatnonzero(row.cpu().numpy())
            kept, added = self.neighbourhood(items, item, user_generator(self.seed, item, items))
            values = mask_function(self.model, row, item, self.objective, self.batch_size)(kept, added)
            coefficients = self.regress(kept, values, self.distance(kept.sum(axis=1), np.diff(added.indptr), len(items)))
            out[torch.from_numpy(items)] = torch.from_numpy(coefficients).to(out)
        return scores

    def neighbourhood(
        self, items: np.ndarray, target: int, generator: np.random.Generator
    ) -> tuple[np.ndarray, sp.csr_matrix]:
        """The history and its perturbations: items kept (S, h), 0 or 1, and items added (S, I)."""
        others = np.setdiff1d(np.arange(self.model.n_targets), np.append(items, target))
        kept, added = np.ones((self.n_samples + 1, len(items))), [np.empty(0, dtype=np.int64)]
        for sample in kept[1:]:
            flips = generator.integers(self.min_flips, self.max_flips, endpoint=True)
            n_removed = min(generator.integers(flips, endpoint=True), len(items))
            sample[generator.choice(len(items), n_removed, replace=False)] = 0
            added.append(generator.choice(others, min(flips - n_removed, len(others)), replace=False))
        return kept, rows_of(added, self.model.n_items)

    @staticmethod
    def distance(n_kept: np.ndarray, n_added: np.ndarray, n_items: int) -> np.ndarray:
        """Distances (S,) from a history of n items to samples that keep and add so many (S,): the number of changes."""
        return n_items - n_kept + n_added

    def proximity(self, distance: np.ndarray) -> np.ndarray:
        """Weights (S,) of samples at distances (S,)."""
        if self.kernel_width is None:
            return 1 - distance / max(distance.sum(), 1)
        return np.sqrt(np.exp(-((distance / self.kernel_width) ** 2)))

    def regress(self, kept: np.ndarray, values: np.ndarray, distance: np.ndarray) -> np.ndarray:
        """Coefficients (h,) of a ridge regression of values (S,) on masks (S, h), samples at distances (S,) count less."""
        from lime.lime_base import LimeBase

        _, coefficients, _, _ = LimeBase(self.proximity).explain_instance_with_data(
            kept,
            values[:, None],
            distance,
            label=0,
            num_features=self.n_features or kept.shape[1],
            feature_selection="highest_weights",
        )
        result = np.zeros(kept.shape[1])
        for place, value in coefficients:
            result[place] = value
        return result


class LIRE(LIME):
    """LIME whose samples only take items out, completed by the histories of similar users.

    Every sample leaves each history item out with the same probability. The training users whose histories are most similar
    (cosine) are further samples: what they share with the history is kept, the rest of their items is added, the target left
    out. The distance of a sample is 100 times its cosine distance from the history, and its weight √exp(−d² / w²).

    Args:
        model: the explained recommender.
        train_matrix: (n, I) CSR histories of the training users.
        n_samples: perturbed histories per user.
        n_neighbours: similar users, or all training users if they are fewer.
        share: probability of an item to be left out of a sample.
        kernel_width: w.
        n_features, objective, batch_size, seed: as for :class:`LIME`.

    Raises:
        ValueError: training users of another catalogue, or an impossible option.

    Source: in the manner of Brunot et al.: Preference-based and local post-hoc explanations for recommender systems,
    Information Systems 2022. 200 samples and the probability are those of the code published with Baklanov et al.,
    SIGIR 2025; distance and weights are the defaults of ``lime.lime_text``.
    """

    search_space: ClassVar[dict] = {
        "n_samples": (100, 400, "log"),
        "n_neighbours": [0, 50, 200],
        "share": (0.05, 0.5),
        "kernel_width": [10.0, 25.0, 50.0, 100.0],
    }

    def __init__(
        self,
        model: Recommender,
        train_matrix: sp.csr_matrix,
        n_samples: int = 200,
        n_neighbours: int = 50,
        share: float = 0.1,
        kernel_width: float = 25.0,
        n_features: int | None = None,
        objective: str | Objective = "log-odds",
        batch_size: int = 512,
        seed: int = 0,
    ):
        options = {"kernel_width": kernel_width, "n_features": n_features, "objective": objective}
        super().__init__(model, n_samples, batch_size=batch_size, seed=seed, **options)
        check_natural(n_neighbours=n_neighbours)
        check_numbers("a number between 0 and 1", lambda value: 0 < value < 1, share=share)
        self.train_matrix = as_matrix(model.n_items, train_matrix=train_matrix)
        self.n_neighbours, self.share = n_neighbours, share

    def neighbourhood(
        self, items: np.ndarray, target: int, generator: np.random.Generator
    ) -> tuple[np.ndarray, sp.csr_matrix]:
        """The history, its perturbations and its neighbours: items kept (S, h), 0 or 1, and items added (S, I)."""
        perturbed = generator.random((self.n_samples, len(items))) >= self.share
        own = np.isin(np.arange(self.model.n_items), items).astype(float)
        cosine = self.train_matrix @ own / np.sqrt(np.maximum(np.diff(self.train_matrix.indptr), 1))  # (n,), but for √h
        neighbours = self.train_matrix[np.argsort(-cosine, kind="stable")[: self.n_neighbours]]
        shared = neighbours[:, items].toarray() > 0
        theirs = neighbours[:, : self.model.n_targets]
        others = [np.setdiff1d(row.indices, np.append(items, target)) for row in theirs]
        nothing = [np.empty(0, dtype=np.int64)] * (1 + self.n_samples)
        kept = np.concatenate([np.ones((1, len(items))), perturbed, shared])
        return kept, rows_of(nothing + others, self.model.n_items)

    @staticmethod
    def distance(n_kept: np.ndarray, n_added: np.ndarray, n_items: int) -> np.ndarray:
        """Distances (S,) from a history of n items to samples that keep and add so many (S,): 100 · (1 − cosine)."""
        return 100 * (1 - n_kept / np.sqrt(n_items * np.maximum(n_kept + n_added, 1)))


def rows_of(items: list[np.ndarray], n_items: int) -> sp.csr_matrix:
    """A binary matrix (len(items), I) with these items in its rows."""
    indptr = np.cumsum([0] + [len(row) for row in items])
    indices = np.concatenate(items)
    return sp.csr_matrix((np.ones(len(indices), dtype=np.float32), indices, indptr), shape=(len(items), n_items))


class SHAPItems(Explainer):
    """Shapley values of the history items for g, against the empty history, by Kernel SHAP.

    The values of a user sum to g(x) − g(∅). They are exact where the budget covers all subsets of the history. A value below
    zero means that the item lowers g, on average over the orders in which items may join.

    Args:
        model: the explained recommender.
        n_samples: subsets of a history that are scored. A history of more than a quarter as many items gets four per item,
            since fewer hardly determine its values: a warning says so.
        objective: g, a name in :data:`lxr.OBJECTIVES` or a function like them.
        batch_size: histories per forward pass; bounds the memory.
        seed: of the subsets.

    Raises:
        ValueError: an option that is not positive, or an unknown objective.

    Source: Lundberg & Lee, NeurIPS 2017, section 4.1; computed by the package ``shap``, without its default selection of ten
    features.
    """

    is_signed: ClassVar[bool] = True
    search_space: ClassVar[dict] = {"n_samples": [256, 512, 1024]}

    def __init__(
        self,
        model: Recommender,
        n_samples: int = 1024,
        objective: str | Objective = "log-odds",
        batch_size: int = 512,
        seed: int = 0,
    ):
        super().__init__(model)
        check_positive(n_samples=n_samples, batch_size=batch_size)
        self.n_samples, self.batch_size, self.seed = n_samples, batch_size, check_seed(seed)
        self.objective = objective_of(objective)
        self.longest, self.if_longer = n_samples // 4, "they get four samples per item"

    @threadpool_limits.wrap(limits=1, user_api="blas")
    def importance(self, history: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Shapley values, one user at a time."""
        from shap import KernelExplainer

        scores = torch.zeros_like(history)
        for row, item, out in zip(history, target.tolist(), scores, strict=True):
            items = np.flatnonzero(row.cpu().numpy())
            score = mask_function(self.model, row, item, self.objective, self.batch_size)
            with seeded(user_generator(self.seed, item, items)):
                explainer = KernelExplainer(score, np.zeros((1, len(items))))
                values = explainer.shap_values(
                    np.ones((1, len(items))), nsamples=max(self.n_samples, 4 * len(items)), l1_reg=0, silent=True
                )
            out[torch.from_numpy(items)] = torch.from_numpy(values[0]).to(out)
        return scores


class SHAPClusters(Explainer):
    """Shapley values of clusters of items for the log-odds of the target; every history item inherits its cluster's.

    The players are the clusters that occur in the history; a coalition stands for the history of all their items. So there
    are only 2^clusters histories, whoever is explained: they are scored once, and the values of a user are look-ups. They
    are exact: every coalition is counted. (User features are clustered with the items.) A value below zero means that the
    items of the cluster lower the log-odds together. Where a recommender refuses to recommend the target because it is in a
    coalition's history (−∞), it is asked anew, without it there.

    Args:
        model: the explained recommender.
        train_matrix: (n, I) CSR histories of the training users, whose columns are clustered by k-means.
        n_clusters: number of clusters, at most 12; 10, or all items if they are fewer, by default.
        batch_size: histories per forward pass; bounds the memory, but for the table (2^clusters, I) of their scores.
        seed: of k-means.

    Raises:
        ValueError: training users of another catalogue, or an impossible number of clusters.

    Source: the SHAP baseline of Barkan et al., WWW 2024 (whose code never switches the last cluster on and takes the softmax
    of a softmax); Lundberg & Lee, NeurIPS 2017, computed by the package ``shap``.
    """

    is_signed: ClassVar[bool] = True
    search_space: ClassVar[dict] = {"n_clusters": [2, 4, 6, 8, 10, 12]}

    def __init__(
        self,
        model: Recommender,
        train_matrix: sp.csr_matrix,
        n_clusters: int | None = None,
        batch_size: int = 512,
        seed: int = 0,
    ):
        from sklearn.cluster import KMeans

        super().__init__(model)
        train_matrix = as_matrix(model.n_items, train_matrix=train_matrix)
        check_positive(batch_size=batch_size)
        seed = check_seed(seed)
        n_clusters = self.sized(model.n_items)["n_clusters"] if n_clusters is None else n_clusters
        check_between(1, min(12, model.n_items), n_clusters=n_clusters)
        self.n_clusters, self.batch_size = n_clusters, batch_size
        with threadpool_limits(1), warnings.catch_warnings():  # sums of several threads depend on their order
            warnings.filterwarnings("ignore", message="Number of distinct clusters")  # items that no one tells apart
            self.cluster = KMeans(n_clusters, n_init=1, random_state=seed).fit_predict(train_matrix.T.tocsr())  # (I,)
        self.table = self.score_coalitions()

    @classmethod
    def sized(cls, n_items: int) -> dict:
        """Ten clusters, or one per item if they are fewer."""
        return {"n_clusters": min(10, n_items)}

    @torch.no_grad()
    def score_coalitions(self) -> np.ndarray:
        """Log-odds (2^clusters, I) of all items for histories of whole clusters; bit c of a row stands for cluster c."""
        check_memory(4 * 2**self.n_clusters * self.model.n_items, "n_clusters")
        table = np.empty((2**self.n_clusters, self.model.n_items), dtype=np.float32)
        for codes in batches(len(table), self.batch_size):
            table[codes] = self.model.log_odds(self.model(self.histories(codes))).cpu().numpy()
        return table

    def histories(self, codes: np.ndarray) -> torch.Tensor:
        """Histories (b, I) of whole clusters, those of the bits of each code (b,)."""
        on = (codes[:, None] >> np.arange(self.n_clusters)) & 1  # (b, clusters)
        return torch.from_numpy(on[:, self.cluster].astype(np.float32)).to(self.model.device)

    @torch.no_grad()
    def ask_without(self, target: int) -> None:
        """Complete the table: score coalitions that refuse the target as it is in their history without it there."""
        missing = np.flatnonzero(~np.isfinite(self.table[:, target]))
        for codes in batches(len(missing), self.batch_size, missing):
            logits = self.model(self.histories(codes).index_fill_(1, torch.tensor([target], device=self.model.device), 0))
            self.table[codes, target] = self.model.log_odds(logits)[:, target].cpu().numpy()

    def importance(self, history: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The value of each item's cluster; users with the same clusters and several targets share one computation."""
        from shap import KernelExplainer

        for item in target.unique().tolist():
            self.ask_without(item)
        member = np.eye(self.n_clusters)[self.cluster]  # (I, clusters)
        present, group = np.unique((history.cpu().numpy() @ member > 0).astype(float), axis=0, return_inverse=True)
        values = np.empty((len(history), self.n_clusters))
        powers = 2 ** np.arange(self.n_clusters)
        for number, clusters in enumerate(present):
            users = np.flatnonzero(group.ravel() == number)
            targets, place = np.unique(target.cpu().numpy()[users], return_inverse=True)

            def look_up(coalitions: np.ndarray, targets: np.ndarray = targets) -> np.ndarray:
                return self.table[(coalitions @ powers).astype(int)[:, None], targets]

            explainer = KernelExplainer(look_up, np.zeros((1, self.n_clusters)))
            found = explainer.shap_values(clusters[None], nsamples=2**self.n_clusters, l1_reg=0, silent=True)
            values[users] = found[0].T[place]  # (clusters, targets) → (users, clusters)
        return torch.from_numpy(values[:, self.cluster]).to(history)


@contextlib.contextmanager
def seeded(generator: np.random.Generator) -> Iterator[None]:
    """Seed NumPy's global random state, from which ``shap`` draws, and restore it afterwards."""
    state = np.random.get_state()
    try:
        np.random.seed(generator.integers(2**32))
        yield
    finally:
        np.random.set_state(state)
