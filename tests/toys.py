"""Small recommenders: those of the registry, and models of others, each as its own package would hand it over."""

import numpy as np
import pandas as pd
import torch
from torch import nn

import lxr
from lxr.explainers import LXR_FAMILIES

N_ITEMS, N_FACTORS = 20, 4


def autoencoder() -> lxr.Recommender:
    """A plain module with a dropout that must not act."""
    module = nn.Sequential(
        nn.Linear(N_ITEMS, N_FACTORS), nn.Tanh(), nn.Dropout(0.5), nn.Linear(N_FACTORS, N_ITEMS, bias=False)
    )
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        nn.init.normal_(parameter, generator=generator)
    return lxr.wrap(module, N_ITEMS, "softmax")


def item_to_item() -> lxr.Recommender:
    """A linear model of float64 weights, as NumPy leaves them: cosine similarities of items."""
    users = np.random.default_rng(3).random((60, N_ITEMS)) < 0.3
    gram = users.T.astype(float) @ users
    norm = np.sqrt(np.diag(gram))
    weights = torch.from_numpy(gram / norm / norm[:, None] - np.eye(N_ITEMS))
    return lxr.wrap(lambda history: history.double() @ weights, N_ITEMS, "sigmoid")


def fold_in(items: torch.Tensor, confidence: float, penalty: float):
    """Scores of ALS with item factors Y (I, f): user factors u solve (YᵀY + λ + Σ (c − 1) y yᵀ) u = Σ c y over a history."""
    gram = items.T @ items + penalty * torch.eye(items.shape[1])
    outer = items[:, :, None] * items[:, None, :]  # (I, f, f)
    return lambda x: (
        torch.linalg.solve(gram + (confidence - 1) * torch.tensordot(x, outer, 1), confidence * x @ items) @ items.T
    )


def als() -> lxr.Recommender:
    """Matrix factorisation whose user factors are recomputed from the history."""
    items = torch.randn(N_ITEMS, N_FACTORS, generator=torch.Generator().manual_seed(4))
    return lxr.wrap(fold_in(items, confidence=10.0, penalty=0.5), N_ITEMS, "sigmoid")


def black_box() -> lxr.Recommender:
    """A function of NumPy arrays whose result is float64 and in Fortran order."""
    generator = np.random.default_rng(5)
    into, out = generator.normal(size=(N_ITEMS, N_FACTORS)), generator.normal(size=(N_FACTORS, N_ITEMS))
    return lxr.wrap(lambda history: np.asfortranarray(np.tanh(history @ into) @ out), N_ITEMS, "softmax")


WRAPPED = {"autoencoder": autoencoder, "item-to-item": item_to_item, "als": als, "black-box": black_box}
NEED_GRADIENT = [
    *lxr.EXPLAINERS.names(*LXR_FAMILIES),
    "gradient",
    "integrated-gradients",
    "integrated-gradients-rank",
    "spinrec",
    "spinrec-rank",
    "rank-margin",
    "rank-margin-path",
    "soft-rank-path",
]


TINY = {
    "mf": {"n_factors": 4},
    "vae": {"n_hidden": 16, "n_latent": 4},
    "ncf": {"n_factors": 4, "layers": [6, 3], "max_pairs": 3 * N_ITEMS},
    "ease": {"regularization": 5.0},
    "lightgcn": {"n_factors": 4},
}


ORDER_FREE = [name for name, cls in lxr.RECOMMENDERS.items() if not cls.is_ordered]


def small(name, seed=0, **options) -> lxr.Recommender:
    """A small recommender of the registry: untrained, or in closed form for random users."""
    model = lxr.RECOMMENDERS[name](N_ITEMS, seed=seed, **TINY[name] | options)
    if model.is_closed_form:
        model.solve(random_lists(60, model.n_columns))
    return model


def random_lists(n_users, n_columns=N_ITEMS, seed=0) -> lxr.EntryLists:
    """Histories of two to nine items in a random order."""
    generator = np.random.default_rng(seed)
    lists = [generator.choice(n_columns, generator.integers(2, 10), replace=False) for _ in range(n_users)]
    indptr = np.append(0, np.cumsum([len(each) for each in lists]))
    return lxr.EntryLists(np.concatenate(lists), indptr, n_columns, times=np.arange(indptr[-1]))


def with_biases(model: lxr.Recommender) -> lxr.Recommender:
    """Biases are not zero either."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1)
    return model


class Fading(lxr.SequentialRecommender):
    """Every item adds its row of a table, and counts 0.7 times as much with each later item."""

    def __init__(self, n_items=N_ITEMS, n_features=0, seed=0):
        super().__init__(n_items, n_features=n_features, seed=seed)
        drawn = torch.randn(self.n_columns, self.n_columns, generator=torch.Generator().manual_seed(seed))
        self.table = nn.Parameter(drawn)

    def forward(self, items, keep):
        """Map items (B, L), oldest first, and their kept shares (B, L) to logits (B, I)."""
        later = keep.flip(1).cumsum(dim=1).flip(1) - keep
        return (keep * 0.7**later)[:, None].bmm(self.table[items]).squeeze(1)


def function(sign):
    """A recommender without weights."""
    weights = torch.linspace(-1, 1, N_ITEMS * N_ITEMS).reshape(N_ITEMS, N_ITEMS)
    return lxr.wrap(lambda history: sign * history @ weights, N_ITEMS, "sigmoid")


def network_of(model):
    """An untrained LXR of a recommender."""
    return lxr.LXR(model, lxr.explainers.ExplainerNetwork(N_ITEMS, 4), lxr.LXRSettings(hidden_size=4), pd.DataFrame())
