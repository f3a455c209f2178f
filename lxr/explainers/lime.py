"""LIME and LIRE: a linear model of the recommender around one history; and the mask function that SHAP also uses.

The packages ``lime`` and ``shap`` get functions of the kept history items: tens of features instead of a whole catalogue.
The fitted models are additive, so by default they fit the log-odds of the target, which do not flatten near a probability
of 0 or 1.
"""

from collections.abc import Callable
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
import torch

from lxr.data.histories import EntryLists, Histories
from lxr.explainers.base import Explainer, ascending_items, training_lists, user_generator
from lxr.explainers.objectives import OBJECTIVES, Objective, objective_of
from lxr.recommenders.base import Recommender
from lxr.utils.checks import check_integers, check_natural, check_numbers, check_positive, check_positive_numbers, check_seed
from lxr.utils.extras import extra
from lxr.utils.sparse import batches, rows_of
from lxr.utils.threads import one_thread


def mask_function(
    model: Recommender,
    histories: Histories,
    target: int,
    *,
    objective: str | Objective = "log-odds",
    batch_size: int = 512,
) -> Callable[..., np.ndarray]:
    """The recommender as a function of the kept history items, for packages such as shap and lime.

    Args:
        model: any recommender.
        histories: one history of h entries.
        target: the explained item.
        objective: g, a name in :data:`lxr.OBJECTIVES` or a function like them.
        batch_size: histories per forward pass; bounds the memory.

    Returns:
        A function of masks (S, h) of zeros and ones, one column per entry, that returns g (S,) as float64. A second
        argument, a CSR matrix (S, I), adds items to the histories.

    Example:
        >>> import lxr
        >>> model = lxr.wrap(lambda x: x @ torch.tensor([[0.0, 0, 2], [0, 0, 1], [0, 0, 0]]), 3, "sigmoid")
        >>> score = mask_function(model, lxr.Histories.of_lists([[0, 1]], n_columns=3), target=2, objective="logit")
        >>> score(np.array([[1, 1], [1, 0], [0, 0]]))
        array([3., 2., 0.])
    """
    g, device = objective_of(objective), histories.device

    @torch.no_grad()
    def score(masks: np.ndarray, added: sp.csr_matrix | None = None) -> np.ndarray:
        values = np.empty(len(masks))
        for rows in batches(len(masks), batch_size):
            stays = torch.from_numpy(np.asarray(masks[rows]) > 0).to(device)
            original = histories[torch.zeros(len(rows), dtype=torch.int64, device=device)]
            perturbed, kept = original, stays
            if added is not None:
                others = Histories.of_matrix(added[rows], device)
                perturbed, kept = original.joined(others), torch.cat([stays, others.real], dim=1)
            y = torch.full((len(rows),), target, device=device)
            logits = model.logits_after_deletion(perturbed, kept)
            values[rows] = g(model, logits, y, original, stays).cpu().numpy()
        return values

    return score


class LIME(Explainer):
    """Coefficients of a ridge regression of g on the kept history items, for samples around the history.

    Every sample changes 50 to 100 items: it removes random items of the history and adds random unseen items (fewer if
    there are not enough; never the target or a user feature). Nearer samples weigh more: the weight is 1 − the sample's
    number of changes / the sum over all samples. A coefficient below zero means that g is higher in samples without the
    item.

    Args:
        model: the explained recommender.
        n_samples: perturbed histories per user. A warning says if a history has more items: the samples then do not
            determine the regression without its penalty.
        min_flips, max_flips: bounds of the number of changes.
        kernel_width: w of the alternative weight √exp(−d² / w²) of a sample at distance d, as in ``lime.lime_text``.
        n_features: number of items to keep, by the absolute coefficients of a first, hardly penalised regression; the
            others score 0. All items by default.
        objective: g, a name in :data:`lxr.OBJECTIVES` or a function like them.
        batch_size: histories per forward pass; bounds the memory.
        seed: seed of the samples.

    Raises:
        ValueError: an option that is not positive, ``max_flips`` below ``min_flips``, or an unknown objective.

    Source: Ribeiro et al., KDD 2016; Nóbrega & Marinho, SAC 2019, for recommenders. Numbers of samples and changes and the
    weights are those of the code published with Baklanov et al., SIGIR 2025; the regression is LimeBase of the package
    ``lime`` with ``feature_selection="highest_weights"``.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> history, target = torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3])
        >>> LIME(model, min_flips=1, objective="logit").explain(history, target).round(decimals=2)
        tensor([[1.5200, 0.2600, 0.0000, 0.0000]])
    """

    is_signed: ClassVar[bool] = True
    search_space: ClassVar[dict] = {
        "n_samples": (100, 1000, "log"),
        "min_flips": [1, 10, 50],
        "kernel_width": [None, 10.0, 25.0, 50.0, 100.0],
        "objective": list(OBJECTIVES),
    }

    def __init__(
        self,
        model: Recommender,
        *,
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
        self.max_history, self.overflow_note = n_samples, f"{n_samples} samples alone do not determine their scores"

    @one_thread("blas")  # threads cost more than such small regressions
    def importance(self, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """Coefficients, one user at a time."""
        found = []
        for one, item in zip(histories.keep(histories.real).split(1), target.tolist(), strict=True):
            items, place = ascending_items(one.lists()[0])
            kept, added = self.neighborhood(items, item, user_generator(self.seed, item, items))
            score = mask_function(self.model, one.trimmed(), item, objective=self.objective, batch_size=self.batch_size)
            values = score(kept[:, place], added)
            coefficients = self.regress(kept, values, self.distance(kept.sum(axis=1), np.diff(added.indptr), len(items)))
            found.append(coefficients[place])
        return histories.padded(torch.from_numpy(np.concatenate(found)).float().to(histories.device))

    def neighborhood(
        self, items: np.ndarray, target: int, generator: np.random.Generator
    ) -> tuple[np.ndarray, sp.csr_matrix]:
        """The history and its perturbations: kept items (S, h), 0 or 1, and added items (S, I)."""
        others = np.setdiff1d(np.arange(self.model.n_items), np.append(items, target))
        kept, added = np.ones((self.n_samples + 1, len(items))), [np.empty(0, dtype=np.int64)]
        for sample in kept[1:]:
            flips = int(generator.integers(self.min_flips, self.max_flips, endpoint=True))
            n_removed = min(int(generator.integers(flips, endpoint=True)), len(items))
            sample[generator.choice(len(items), n_removed, replace=False)] = 0
            added.append(generator.choice(others, min(flips - n_removed, len(others)), replace=False))
        return kept, rows_of(added, self.model.n_columns)

    @staticmethod
    def distance(n_kept: np.ndarray, n_added: np.ndarray, n_items: int) -> np.ndarray:
        """Distances (S,) of samples from a history of n items, by numbers (S,) of kept and added items: the changes."""
        return n_items - n_kept + n_added

    def proximity(self, distance: np.ndarray) -> np.ndarray:
        """Weights (S,) of samples at distances (S,)."""
        if self.kernel_width is None:
            return 1 - distance / max(distance.sum(), 1)
        return np.sqrt(np.exp(-((distance / self.kernel_width) ** 2)))

    def regress(self, kept: np.ndarray, values: np.ndarray, distance: np.ndarray) -> np.ndarray:
        """Coefficients (h,) of a ridge regression of values (S,) on masks (S, h), weighted by distances (S,)."""
        with extra("explainers"):
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
        for index, value in coefficients:
            result[index] = value
        return result


class LIRE(LIME):
    """LIME with samples that only remove items, and with the histories of similar users as further samples.

    Every sample leaves each history item out with the same probability. The training users whose histories are most similar
    (cosine) are further samples: shared items are kept, their other items are added, except the target. The distance of a
    sample is 100 times its cosine distance from the history, and its weight √exp(−d² / w²).

    Args:
        model: the explained recommender.
        train_matrix: histories of the training users: (n, I) CSR, or :class:`lxr.EntryLists`.
        n_samples: perturbed histories per user.
        n_neighbours: number of similar users, or all training users if fewer. 0 gives LIME on the user's own items, not
            LIRE; tuning does not choose it.
        share: probability that a sample leaves an item out.
        kernel_width: width w of the weights.
        n_features, objective, batch_size, seed: as for :class:`LIME`.

    Raises:
        ValueError: training users of another catalogue, or an impossible option.

    Source: in the manner of Brunot et al.: Preference-based and local post-hoc explanations for recommender systems,
    Information Systems 2022. 200 samples and the probability are those of the code published with Baklanov et al.,
    SIGIR 2025; distance and weights are the defaults of ``lime.lime_text``.

    Example:
        >>> import lxr  # item 0 speaks for item 3, item 1 half as much for item 2
        >>> model = lxr.wrap(lambda x: x.flip(1) * torch.tensor([0.0, 0, 1, 2]), n_items=4, activation="sigmoid")
        >>> history, target = torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3])
        >>> train = sp.csr_matrix([[1, 1, 0, 0], [1, 0, 0, 1], [0, 1, 1, 1]])
        >>> LIRE(model, train, objective="logit").explain(history, target).round(decimals=2)
        tensor([[ 1.8300, -0.0100,  0.0000,  0.0000]])
    """

    search_space: ClassVar[dict] = {
        "n_samples": (100, 1000, "log"),
        "n_neighbours": [1, 10, 50, 200],
        "share": (0.05, 0.5),
        "kernel_width": [5.0, 10.0, 25.0, 50.0, 100.0],
        "objective": list(OBJECTIVES),
    }

    def __init__(
        self,
        model: Recommender,
        train_matrix: EntryLists | sp.csr_matrix,
        *,
        n_samples: int = 200,
        n_neighbours: int = 50,
        share: float = 0.1,
        kernel_width: float = 25.0,
        n_features: int | None = None,
        objective: str | Objective = "log-odds",
        batch_size: int = 512,
        seed: int = 0,
    ):
        super().__init__(
            model,
            n_samples=n_samples,
            kernel_width=kernel_width,
            n_features=n_features,
            objective=objective,
            batch_size=batch_size,
            seed=seed,
        )
        check_natural(n_neighbours=n_neighbours)
        check_numbers("a number between 0 and 1", lambda value: 0 < value < 1, share=share)
        self.train_lists = training_lists(model, train_matrix=train_matrix)
        self.train_matrix = self.train_lists.matrix()
        self.n_neighbours, self.share = n_neighbours, share

    def neighborhood(
        self, items: np.ndarray, target: int, generator: np.random.Generator
    ) -> tuple[np.ndarray, sp.csr_matrix]:
        """The history, its perturbations and its neighbours: kept items (S, h), 0 or 1, and added items (S, I)."""
        perturbed = generator.random((self.n_samples, len(items))) >= self.share
        own = np.isin(np.arange(self.model.n_columns), items).astype(float)
        cosine = self.train_matrix @ own / np.sqrt(np.maximum(np.diff(self.train_matrix.indptr), 1))  # (n,), up to √h
        neighbours = np.argsort(-cosine, kind="stable")[: self.n_neighbours]
        shared = self.train_matrix[neighbours][:, items].toarray() > 0
        others = [self.others(self.train_lists[user : user + 1].items, np.append(items, target)) for user in neighbours]
        nothing = [np.empty(0, dtype=np.int64)] * (1 + self.n_samples)
        kept = np.concatenate([np.ones((1, len(items))), perturbed, shared])
        return kept, rows_of(nothing + others, self.model.n_columns)

    def others(self, theirs: np.ndarray, known: np.ndarray) -> np.ndarray:
        """The distinct items of a neighbour, in their order, without user features and without the known items."""
        new = theirs[(theirs < self.model.n_items) & ~np.isin(theirs, known)]
        return new[np.sort(np.unique(new, return_index=True)[1])]

    @staticmethod
    def distance(n_kept: np.ndarray, n_added: np.ndarray, n_items: int) -> np.ndarray:
        """Distances (S,) of samples from a history of n items, by numbers of kept and added items: 100 · (1 − cosine)."""
        return 100 * (1 - n_kept / np.sqrt(n_items * np.maximum(n_kept + n_added, 1)))
