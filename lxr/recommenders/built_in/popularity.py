"""The recommender by popularity."""

import numpy as np
import scipy.sparse as sp
import torch

from lxr.data.inputs import as_matrix
from lxr.recommenders.base import Recommender


class Popularity(Recommender):
    """Recommender by popularity among training users, for any history: the floor of every comparison.

    Args:
        train_matrix: (n_users, n_items + n_features) CSR histories of the training users.
        n_features: number of user features; their columns follow the items.

    Example:
        >>> Popularity(sp.csr_matrix([[1, 1, 0], [0, 1, 0]]))(torch.eye(3)[:1])
        tensor([[1., 2., 0.]])
    """

    is_linear = True
    counts: torch.Tensor

    def __init__(self, train_matrix: sp.csr_matrix, *, n_features: int = 0):
        train_matrix = as_matrix(train_matrix=train_matrix)
        super().__init__(train_matrix.shape[1] - n_features, n_features=n_features)
        counts = np.asarray(train_matrix.sum(axis=0), dtype=np.float32).ravel()
        self.register_buffer("counts", torch.from_numpy(counts))

    def forward(self, history: torch.Tensor) -> torch.Tensor:
        """Map histories (B, I) to the same counts (B, I) for everyone."""
        return self.counts.expand(history.shape[0], -1)  # torch.export does not support len
