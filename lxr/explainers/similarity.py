"""Explainers that do not use the recommender: item similarities of the training users, popularity, recency, random order."""

from typing import ClassVar

import numpy as np
import scipy.sparse as sp
import torch

from lxr.data.histories import EntryLists, Histories
from lxr.explainers.base import Explainer, ascending_items, training_lists, user_generator
from lxr.recommenders.base import Recommender
from lxr.utils.checks import check_seed
from lxr.utils.extras import extra


class SimilarityExplainer(Explainer):
    """Base class: the importance of a history item is its similarity to the target.

    A subclass defines the similarity S; only the rows of S for the targets of a batch are computed, never the whole of S.

    Args:
        model: the explained recommender (not consulted).
        train_matrix: histories of the training users, the source of similarities: (n, I) CSR, or :class:`lxr.EntryLists`.

    Raises:
        ValueError: training users of another catalogue, or in a matrix for a recommender that uses the order of entries.

    Source: Barkan et al., WWW 2024, with the baselines Jaccard and cosine.
    """

    def __init__(self, model: Recommender, train_matrix: EntryLists | sp.csr_matrix):
        super().__init__(model)
        matrix = training_lists(model, train_matrix=train_matrix).matrix()
        self.by_item = sp.csr_matrix(matrix.T, dtype=np.float32)  # (I, n)
        self.counts = np.diff(self.by_item.indptr).astype(np.float64)  # (I,), C_ii

    def importance(self, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """S(target, ·) for each user."""
        items, position = np.unique(target.cpu().numpy(), return_inverse=True)
        rows = np.nan_to_num(self.similarity(items), nan=0.0, posinf=0.0)  # (len(items), I); 0 / 0: an untrained item
        scores = rows[position[:, None], histories.items.cpu().numpy()].astype(np.float32)
        return torch.from_numpy(scores).to(histories.device)

    def similarity(self, items: np.ndarray) -> np.ndarray:
        """Rows of the similarity matrix: items (m,) → (m, I)."""
        raise NotImplementedError

    def cooccurrence(self, items: np.ndarray) -> np.ndarray:
        """Rows of C = XᵀX: items (m,) → (m, I)."""
        return (self.by_item[items] @ self.by_item.T).toarray().astype(np.float64)


class Jaccard(SimilarityExplainer):
    """Jaccard similarity C_ij / (C_ii + C_jj − C_ij).

    Example:
        >>> import lxr
        >>> model = lxr.MF(4)
        >>> history, target = torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3])
        >>> train = sp.csr_matrix([[1, 1, 0, 0], [1, 0, 0, 1], [0, 1, 1, 1]])
        >>> Jaccard(model, train).explain(history, target).round(decimals=2)
        tensor([[0.3300, 0.3300, 0.0000, 0.0000]])
    """

    def similarity(self, items: np.ndarray) -> np.ndarray:
        """Rows of the similarity matrix: items (m,) → (m, I)."""
        both = self.cooccurrence(items)
        with np.errstate(invalid="ignore", divide="ignore"):
            return both / (self.counts[items][:, None] + self.counts - both)


class Cosine(SimilarityExplainer):
    """Cosine similarity C_ij / √(C_ii C_jj).

    Example:
        >>> import lxr
        >>> model = lxr.MF(4)
        >>> history, target = torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3])
        >>> train = sp.csr_matrix([[1, 1, 0, 0], [1, 0, 0, 1], [0, 1, 1, 1]])
        >>> Cosine(model, train).explain(history, target).round(decimals=2)
        tensor([[0.5000, 0.5000, 0.0000, 0.0000]])
    """

    def similarity(self, items: np.ndarray) -> np.ndarray:
        """Rows of the similarity matrix: items (m,) → (m, I)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.cooccurrence(items) / np.sqrt(self.counts[items][:, None] * self.counts)


class TfIdf(SimilarityExplainer):
    """Cosine between items after TF-IDF weighting: an item is a document, and its users are the terms.

    Weights of items would cancel in the cosine between items; weights of users do not: a user of few items says more about
    the similarity of two items than a user of all items. IDF is smoothed as in scikit-learn.

    Args:
        model: the explained recommender (not consulted).
        train_matrix: histories of the training users: (n, I) CSR, or :class:`lxr.EntryLists`.

    Example:
        >>> import lxr
        >>> model = lxr.MF(4)
        >>> history, target = torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3])
        >>> train = sp.csr_matrix([[1, 1, 0, 0], [1, 0, 0, 1], [0, 1, 1, 1]])
        >>> TfIdf(model, train).explain(history, target).round(decimals=2)
        tensor([[0.5500, 0.4000, 0.0000, 0.0000]])
    """

    def __init__(self, model: Recommender, train_matrix: EntryLists | sp.csr_matrix):
        with extra("explainers"):
            from sklearn.feature_extraction.text import TfidfTransformer  # takes long to import
            from sklearn.preprocessing import normalize

        super().__init__(model, train_matrix)
        self.weighted = normalize(TfidfTransformer(norm=None).fit_transform(self.by_item))  # (I, n)

    def similarity(self, items: np.ndarray) -> np.ndarray:
        """Rows of the similarity matrix: items (m,) → (m, I)."""
        return (self.weighted[items] @ self.weighted.T).toarray()


class PopularItems(SimilarityExplainer):
    """Importance by popularity among training users, for any target: C_jj.

    Example:
        >>> import lxr
        >>> model = lxr.MF(4)
        >>> history, target = torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3])
        >>> train = sp.csr_matrix([[1, 1, 0, 0], [1, 0, 0, 1], [0, 1, 1, 1]])
        >>> PopularItems(model, train).explain(history, target).round(decimals=2)
        tensor([[2., 2., 0., 0.]])
    """

    def similarity(self, items: np.ndarray) -> np.ndarray:
        """The same counts for every item: items (m,) → (m, I)."""
        return np.broadcast_to(self.counts, (len(items), len(self.counts)))


class NewestFirst(Explainer):
    """Importance by recency, for any target: the place of the entry in the history, 0 for the oldest.

    Histories need an order: rows are refused. So the registry has it by name only (``"recent"``).

    Args:
        model: the explained recommender (not consulted).

    Example:
        >>> import lxr
        >>> histories = Histories.of_lists([[2, 0, 1], [3]], n_columns=5)
        >>> NewestFirst(lxr.MF(5)).explain(histories, torch.tensor([4, 4]))
        tensor([[0., 1., 2.],
                [0., 0., 0.]])
    """

    is_ordered: ClassVar[bool] = True

    def importance(self, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """Numbers of older entries."""
        return histories.real.cumsum(dim=1).float() - 1


class RandomOrder(Explainer):
    """Random importance: the floor of every comparison.

    Args:
        model: the explained recommender (not consulted).
        seed: seed of the draws, which also depend on the user's history and target.

    Example:
        >>> import lxr
        >>> model = lxr.MF(4)
        >>> history, target = torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([3])
        >>> RandomOrder(model, seed=1).explain(history, target).round(decimals=2)
        tensor([[0.2600, 0.8200, 0.0000, 0.0000]])
    """

    def __init__(self, model: Recommender, *, seed: int = 0):
        super().__init__(model)
        self.seed = check_seed(seed)

    def importance(self, histories: Histories, target: torch.Tensor) -> torch.Tensor:
        """Uniform draws, one for each entry; their order is that of the items."""
        draws = []
        for items, item in zip(histories.lists(), target.tolist(), strict=True):
            ascending, place = ascending_items(items)
            draws.append(user_generator(self.seed, item, ascending).random(len(items))[place])
        return histories.padded(torch.from_numpy(np.concatenate(draws)).float().to(histories.device))
