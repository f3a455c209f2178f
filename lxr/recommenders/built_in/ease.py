"""EASE: a linear item-item model in closed form."""

from typing import ClassVar

import numpy as np
import scipy.sparse as sp
import torch
from scipy.optimize import minimize
from scipy.special import expit

from lxr.data.histories import EntryLists, Rows
from lxr.recommenders.base import Recommender
from lxr.recommenders.first_layer import first_layer
from lxr.utils.checks import check_positive_numbers
from lxr.utils.item_table import ItemTable
from lxr.utils.memory import check_memory

BYTES_PER_WEIGHT = 28  # three copies of the weights in single precision, two matrices in double precision
N_CALIBRATING = 300  # training users whose scores set the level of the probabilities


class EASE(Recommender):
    """EASE ("embarrassingly shallow autoencoder"): every item is regressed on the other items of a history.

    The scores of a history x are x B. B minimises ‖X − X B‖² + λ ‖B‖² over training histories X, with zeros on its diagonal:
    no item predicts itself. With P = (XᵀX + λ)⁻¹ the minimum is B_ij = −P_ij / P_jj. :func:`lxr.fit` computes it in one
    step; of its options only ``seed`` has an effect, on the hidden items of validation users.

    A score estimates the 0 or 1 of one item, so every item has its own probability σ(a · score + b). The numbers a > 0 and b
    are the same for all items and do not change the ranking. They maximise the likelihood of the histories of up to 300
    training users (Platt scaling), each scored by an EASE without this user. That has a closed form, too, and needs no
    hidden items, because no item is in its own score.

    Args:
        n_items: number of items. The weights are a matrix of this size squared.
        regularization: λ, in users: a higher value gives smaller weights.
        seed: without effect, since nothing is random.
        n_features: number of user features; their columns follow the items. They are inputs of the regressions, too.

    Attributes:
        item_to_item: linear layer whose table (I, I) is a · B and whose biases are b; all 0 before training.

    Raises:
        ValueError: λ is not positive, or the weights would take more memory than is free.

    Source: Steck, WWW 2019, eq. 8; Platt, Advances in Large Margin Classifiers 1999 (a and b).

    Example:
        >>> import lxr
        >>> matrix = lxr.load_dataset("synthetic").matrix
        >>> model = EASE(matrix.shape[1], regularization=50)
        >>> lxr.fit(model, matrix[:400], matrix[400:500])["epoch"].tolist()
        [1]
        >>> model.item_to_item.table.diagonal().any(), model.is_linear
        (tensor(False), True)
    """

    is_linear = True
    is_closed_form = True
    takes_rows = True
    search_space: ClassVar[dict] = {"regularization": (10.0, 5000.0, "log")}

    def __init__(self, n_items: int, *, regularization: float = 500.0, seed: int = 0, n_features: int = 0):
        super().__init__(n_items, n_features=n_features, seed=seed)
        check_positive_numbers(regularization=regularization)
        n = self.n_columns
        check_memory(BYTES_PER_WEIGHT * n**2, f"n_items ({n} x {n} weights)")
        self.regularization = regularization
        self.item_to_item = ItemTable(n, n)
        torch.nn.init.zeros_(self.item_to_item.table)
        torch.nn.init.zeros_(self.item_to_item.bias)

    def forward(self, history: torch.Tensor | Rows, candidates: torch.Tensor | None = None) -> torch.Tensor:
        """Map histories (B, I) to logits (B, I), or (B, C) of candidates (B, C)."""
        if candidates is not None and isinstance(history, Rows):
            return self._score_candidates(history, candidates)
        return first_layer(self.item_to_item, history)

    def _score_candidates(self, history: Rows, candidates: torch.Tensor) -> torch.Tensor:
        """Logits (B, C) of candidates (B, C), from one weight for each pair of an entry and a candidate of its row."""
        table, bias = self.item_to_item.table, self.item_to_item.bias
        parts = table[history.items[:, None], candidates[history.users]]  # (N, C)
        parts = parts if history.weights is None else parts * history.weights[:, None].to(table.dtype)
        return bias[candidates].index_add(0, history.users, parts)

    @torch.no_grad()
    def solve(self, histories: EntryLists) -> float:
        """Compute B, a and b from training histories.

        Returns:
            The minimum of ‖X − X B‖² + λ ‖B‖², per user and item.
        """
        matrix = histories.matrix().astype(np.float64)
        gram = torch.from_numpy((matrix.T @ matrix).toarray())
        gram.diagonal().add_(self.regularization)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram))
        del gram
        diagonal = inverse.diagonal().clone()
        slope, shift = self._level(matrix, inverse.numpy())
        table = inverse.div_(-diagonal).mul_(slope)
        table.diagonal().zero_()
        self.item_to_item.table.copy_(table)
        self.item_to_item.bias.fill_(shift)
        return float(self.of_items((1 / diagonal - self.regularization)[None]).mean()) / len(histories)

    def _level(self, matrix: sp.csr_matrix, inverse: np.ndarray) -> tuple[float, float]:
        """Numbers a and b for P (I, I), from training users (n, I) at regular distances."""
        n_users = matrix.shape[0]
        some = matrix[np.linspace(0, n_users - 1, min(n_users, N_CALIBRATING)).astype(int)]
        consumed = some.toarray()
        scores = unseen_scores(consumed, some @ inverse, inverse.diagonal())
        return platt_scaling(scores[:, : self.n_items].ravel(), consumed[:, : self.n_items].ravel() > 0)


def unseen_scores(x: np.ndarray, projected: np.ndarray, diagonal: np.ndarray) -> np.ndarray:
    """Scores (n, I) of each training user by an EASE that is trained without this user.

    With q = P x, the residual of item j is q_j / P_jj. Without the user it is larger by 1 / (1 − h_j), as in every ridge
    regression. The leverage of the user in the regression of item j is h_j = xᵀ P x − q_j² / P_jj.

    Args:
        x: (n, I) histories.
        projected: (n, I) x P.
        diagonal: (I,) diagonal of P.
    """
    leverage = (x * projected).sum(axis=1, keepdims=True) - projected**2 / diagonal
    return x - projected / diagonal / (1 - leverage)


def platt_scaling(scores: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Slope a > 0 and shift b of the probabilities σ(a · score + b) with the highest likelihood.

    The labels count as slightly less than 1 and more than 0, so that a stays finite where scores separate the labels.

    Args:
        scores: (n,) scores.
        labels: (n,) bool.

    Source: Platt, Advances in Large Margin Classifiers 1999, eqs. 1-2.

    Example:
        >>> slope, shift = platt_scaling(np.array([0.0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 0, 1, 1], dtype=bool))
        >>> round(slope, 2), round(shift, 2)
        (0.81, -0.41)
    """
    positive = labels.sum()
    share = np.where(labels, (positive + 1) / (positive + 2), 1 / (len(labels) - positive + 2))

    def loss_and_gradient(level: np.ndarray) -> tuple[float, np.ndarray]:
        logits = level[0] * scores + level[1]
        error = expit(logits) - share
        return np.mean(np.logaddexp(0, logits) - share * logits), np.array([np.mean(error * scores), np.mean(error)])

    start = np.array([1.0, np.log((positive + 1) / (len(labels) - positive + 1))])
    found = minimize(loss_and_gradient, start, jac=True, method="L-BFGS-B", bounds=[(1e-3, None), (None, None)])
    return float(found.x[0]), float(found.x[1])
