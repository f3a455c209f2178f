"""Fitted models of other libraries on a small catalogue: of the packages themselves, or stand-ins with their interface.

A new case needs a row in ``docs/models_that_fit.csv``. The contracts then run on it.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from torch import nn
from toys import N_ITEMS

import lxr
from lxr.utils.environment import PROJECT_ROOT

N_USERS = 40
ORDER = np.random.default_rng(8).permutation(N_ITEMS)  # library number → column of the data


@cache
def small_data() -> lxr.Interactions:
    """Forty users of two tastes with entries in order; ids are text."""
    generator = np.random.default_rng(7)
    rows = []
    for user in range(N_USERS):
        liked = np.where(np.arange(N_ITEMS) % 2 == user % 2, 6.0, 1.0)
        chosen = generator.choice(N_ITEMS, generator.integers(3, 8), replace=False, p=liked / liked.sum())
        rows += [(f"u{user:02}", f"i{item:02}", place) for place, item in enumerate(chosen)]
    return lxr.prepare(pd.DataFrame(rows, columns=["user", "item", "timestamp"]), min_users_per_item=1)


@dataclass(frozen=True)
class Case:
    """A model of a library.

    Attributes:
        library: name of the library.
        model: name of the model.
        make: function from data to the fitted model.
        package: package that it needs; None for a stand-in.
        has_ids: whether the model has the ids of its items.
        padding: number of items before the first, such as the padding.
    """

    library: str
    model: str
    make: Callable
    package: str | None = None
    has_ids: bool = False
    padding: int = 0

    @property
    def name(self) -> str:
        """Name of the case."""
        return f"{self.library} {self.model}"


@cache
def adapted(case: Case) -> lxr.Recommender:
    """The model of a case as a recommender; skips the test if its package is absent."""
    if case.package and importlib.util.find_spec(case.package) is None:
        pytest.skip(f"needs the package {case.package}")
    data = small_data()
    options = {} if case.has_ids else {"item_ids": [*["[PAD]"] * case.padding, *data.item_ids[ORDER]]}
    if case.library == "PyTorch":
        options["activation"] = "softmax"
    torch.manual_seed(3)
    return lxr.adapt(case.make(data), data, **options)


def of_library(module: str):
    """Decorator: the class says that it is of another library."""

    def renamed(cls):
        cls.__module__ = module
        return cls

    return renamed


def library_matrix(data: lxr.Interactions, padding: int = 0) -> sp.csr_matrix:
    """Training users (n, padding + I) in the order of the library."""
    return sp.hstack([sp.csr_matrix((N_USERS, padding)), data.matrix[:, ORDER]], format="csr", dtype=np.float32)


def weights(data: lxr.Interactions, padding: int = 0) -> np.ndarray:
    """EASE weights (I, I) in the order of the library."""
    matrix = library_matrix(data, padding).toarray()
    inverse = np.linalg.inv(matrix.T @ matrix + 5 * np.eye(matrix.shape[1]))
    found = inverse / -np.diag(inverse)
    np.fill_diagonal(found, 0)
    return found


# --- cornac ----------------------------------------------------------------------------------------------------------


def cornac_data(data: lxr.Interactions, sequences: bool):
    """Dataset of cornac, whose item numbers are in another order than the data's."""
    import cornac

    entries = data.histories()
    rows = [(data.user_ids[user], data.item_ids[item], 1.0) for user, item in zip(entries.users, entries.items, strict=True)]
    if sequences:
        rows = [(user, user, item, place) for place, (user, item, _) in enumerate(rows)]
        return cornac.data.SequentialDataset.build(rows, fmt="USIT")
    return cornac.data.Dataset.build([rows[place] for place in np.random.default_rng(5).permutation(len(rows))])


def of_cornac(name: str, sequences: bool = False, change: Callable | None = None, **options) -> Callable:
    """Maker of a model of cornac, fitted by cornac."""

    def make(data):
        import cornac

        model = getattr(cornac.models, name)(**options).fit(cornac_data(data, sequences))
        if change is not None:
            change(model)
        return model

    return make


def graph_vectors(model) -> None:
    """Vectors as LightGCN leaves them: training needs the package dgl."""
    matrix = model.train_set.matrix
    generator = np.random.default_rng(0)
    model.V = generator.normal(size=(matrix.shape[1], 8)).astype(np.float32)
    model.U = (matrix @ model.V + 0.3 * generator.normal(size=(matrix.shape[0], 8))).astype(np.float32)


def squares(model) -> None:
    """Vectors as WMF leaves them after enough steps: training needs the package tensorflow."""
    generator = np.random.default_rng(0)
    matrix = model.train_set.matrix.toarray()
    model.V = generator.normal(size=(matrix.shape[1], 4))
    for row, consumed in enumerate(matrix):
        weight = np.where(consumed > 0, model.a, model.b)
        gram = (model.V.T * weight) @ model.V + model.lambda_u / 2 * np.eye(4)
        model.U[row] = np.linalg.solve(gram, model.V.T @ (weight * consumed))


class Backbone(nn.Module):
    """Encoder of the interface of transformers: training with BERT needs this package."""

    def __init__(self, width):
        super().__init__()
        self.layer = nn.Linear(width, width)
        self.place = nn.Parameter(torch.randn(1, 64, width))

    def forward(self, inputs_embeds, attention_mask):
        mask = attention_mask[..., None].float()
        x = torch.tanh(self.layer(inputs_embeds + self.place[:, -inputs_embeds.shape[1] :])) * mask
        mean = x.sum(dim=1, keepdim=True) / mask.sum(dim=1, keepdim=True).clamp(min=1)
        return SimpleNamespace(last_hidden_state=x + mean)


def bert4rec(data):
    """BERT4Rec of cornac with another encoder."""
    import cornac
    from cornac.models.transformer_rec import backbones

    make, backbones.BACKBONES["bert"] = (
        backbones.BACKBONES["bert"],
        (lambda embedding_dim, **_: Backbone(embedding_dim), "bidirectional"),
    )
    try:
        model = cornac.models.BERT4Rec(embedding_dim=8, n_epochs=2, max_len=6, num_blocks=1, n_sample=4, seed=1)
        return model.fit(cornac_data(data, sequences=True))
    finally:
        backbones.BACKBONES["bert"] = make


# --- implicit --------------------------------------------------------------------------------------------------------


def of_implicit(module: str, name: str, **options) -> Callable:
    """Maker of a model of implicit, fitted by implicit."""

    def make(data):
        model = getattr(importlib.import_module(module), name)(num_threads=1, **options)
        model.fit(library_matrix(data), show_progress=False)
        return model

    return make


# --- RecBole: stand-ins ----------------------------------------------------------------------------------------------


class SequentialRecommender(nn.Module):
    """Base class of RecBole's sequential models."""

    def __init__(self, n_items, max_seq_length=6, width=8):
        super().__init__()
        self.ITEM_SEQ, self.ITEM_SEQ_LEN, self.loss_type = "item_id_list", "item_length", "CE"
        self.n_items, self.max_seq_length, self.device = n_items, max_seq_length, torch.device("cpu")
        self.item_embedding = nn.Embedding(n_items, width, padding_idx=0)
        nn.init.normal_(self.item_embedding.weight, std=0.3)

    def full_sort_predict(self, interaction):
        states = self.states(interaction[self.ITEM_SEQ])
        last = (interaction[self.ITEM_SEQ_LEN] - 1).view(-1, 1, 1).expand(-1, -1, states.shape[2])
        return states.gather(1, last).squeeze(1) @ self.item_embedding.weight.T


class MultiHeadAttention(nn.Module):
    """Attention of RecBole: it gets a mask (B, 1, T, T) of numbers."""

    def forward(self, x, mask):
        return x + (x @ x.transpose(1, 2) + mask.squeeze(1)).softmax(dim=2) @ x


@of_library("recbole.model.sequential_recommender.sasrec")
class SASRec(SequentialRecommender):
    """SASRec with one layer."""

    def __init__(self, n_items):
        super().__init__(n_items)
        self.position_embedding, self.attention = nn.Embedding(self.max_seq_length, 8), MultiHeadAttention()
        nn.init.normal_(self.position_embedding.weight, std=0.3)

    def states(self, numbers):
        x = self.item_embedding(numbers) + self.position_embedding(torch.arange(numbers.shape[1]).expand_as(numbers))
        seen = (numbers != 0)[:, None, None].expand(-1, -1, numbers.shape[1], -1).tril()
        return self.attention(x, torch.where(seen, 0.0, -10000.0))


@of_library("recbole.model.sequential_recommender.gru4rec")
class GRU4Rec(SequentialRecommender):
    """GRU4Rec."""

    def __init__(self, n_items):
        super().__init__(n_items)
        self.gru_layers = nn.GRU(8, 8, batch_first=True)

    def states(self, numbers):
        return self.gru_layers(self.item_embedding(numbers))[0]


@of_library("recbole.model.sequential_recommender.bert4rec")
class BERT4Rec(SequentialRecommender):
    """BERT4Rec, which looks up another list than it gets: no soft mask."""

    def states(self, numbers):
        x = self.item_embedding(nn.functional.pad(numbers, (0, 1))[:, 1:])
        return (x * torch.arange(1, 1 + numbers.shape[1])[:, None]).cumsum(dim=1)


class GeneralRecommender(nn.Module):
    """Base class of RecBole's models of users."""

    def __init__(self, data):
        super().__init__()
        self.USER_ID, self.device, self.n_users, self.n_items = "user_id", torch.device("cpu"), N_USERS, N_ITEMS + 1
        self.interaction_matrix = library_matrix(data, padding=1)


@of_library("recbole.model.general_recommender.ease")
class EASE(GeneralRecommender):
    """EASE."""

    def __init__(self, data):
        super().__init__(data)
        self.item_similarity = weights(data, padding=1)

    def full_sort_predict(self, interaction):
        return torch.from_numpy(self.interaction_matrix[interaction["user_id"].numpy()] @ self.item_similarity).flatten()


@of_library("recbole.model.general_recommender.multivae")
class MultiVAE(GeneralRecommender):
    """MultiVAE with linear layers."""

    def __init__(self, data):
        super().__init__(data)
        rows = [row.indices.tolist() for row in self.interaction_matrix]
        self.history_item_id = torch.tensor([row + [0] * (N_ITEMS - len(row)) for row in rows])
        self.layers = nn.Sequential(nn.Linear(self.n_items, 4), nn.Tanh(), nn.Linear(4, self.n_items))

    def forward(self, history):
        return self.layers(nn.functional.normalize(history)), None, None

    def full_sort_predict(self, interaction):
        rows = self.interaction_matrix[interaction["user_id"].numpy()].toarray()
        return self(torch.from_numpy(rows).float())[0].view(-1)


@of_library("recbole.model.general_recommender.lightgcn")
class LightGCN(GeneralRecommender):
    """LightGCN with two layers, whose users have small vectors of their own."""

    def __init__(self, data):
        super().__init__(data)
        graph = sp.bmat([[None, self.interaction_matrix], [self.interaction_matrix.T, None]]).tocsr()
        root = sp.diags(np.maximum(graph.sum(axis=1).A1, 1) ** -0.5)
        matrix = (root @ graph @ root).tocoo()
        places = np.stack([matrix.row, matrix.col])
        self.norm_adj_matrix = torch.sparse_coo_tensor(places, torch.from_numpy(matrix.data).float(), matrix.shape)
        self.n_layers = 2
        self.vectors = nn.Parameter(torch.cat([0.1 * torch.randn(N_USERS, 8), torch.randn(self.n_items, 8)]))

    def get_ego_embeddings(self):
        return self.vectors

    def full_sort_predict(self, interaction):
        layers = [self.vectors]
        for _ in range(self.n_layers):
            layers.append(self.norm_adj_matrix @ layers[-1])
        found = torch.stack(layers).mean(dim=0)
        return (found[interaction["user_id"]] @ found[N_USERS:].T).view(-1)


@of_library("recbole.model.general_recommender.bpr")
class BPR(GeneralRecommender):
    """BPR."""


# --- RecTools: stand-ins ---------------------------------------------------------------------------------------------


class Network(nn.Module):
    """Transformer of RecTools with one layer."""

    def __init__(self, n_items, width=8):
        super().__init__()
        self.table, self.attention = nn.Embedding(n_items, width), nn.MultiheadAttention(width, 2, batch_first=True)
        self.item_model = SimpleNamespace(get_all_embeddings=lambda: self.table.weight)
        self.places = nn.Parameter(torch.randn(6, width))

    def encode_sessions(self, batch, vectors):
        numbers = batch["x"]
        x = (vectors[numbers] + self.places) * (numbers != 0)[..., None]
        later = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        return x + self.attention(x, x, x, attn_mask=later, need_weights=False)[0]

    def similarity_module(self, states, vectors):
        return states @ vectors.T


@of_library("rectools.models.nn.transformers.sasrec")
class SASRecModel:
    """SASRec of RecTools."""

    extra = ("PAD",)

    def __init__(self, data):
        ids = [*self.extra, *data.item_ids[ORDER]]
        extra_ids = {token: number for number, token in enumerate(self.extra)}
        self.data_preparator = SimpleNamespace(
            item_id_map=SimpleNamespace(external_ids=np.array(ids)), item_extra_tokens=self.extra, extra_token_ids=extra_ids
        )
        self.lightning_model = SimpleNamespace(torch_model=Network(len(ids)))
        self.session_max_len, self.loss = 6, "softmax"


@of_library("rectools.models.nn.transformers.bert4rec")
class BERT4RecModel(SASRecModel):
    """BERT4Rec of RecTools."""

    extra = ("PAD", "MASK")


@of_library("rectools.models.ease")
class EASEModel:
    """EASE of RecTools."""

    def __init__(self, data):
        self.weight = weights(data).T


@of_library("rectools.models.lightfm")
class LightFMWrapperModel:
    """A model of users."""


# --- no library ------------------------------------------------------------------------------------------------------


class Fading(nn.Module):
    """A module of items and mask, for which an entry counts less with each later one."""

    def __init__(self, data):
        super().__init__()
        self.table = nn.Embedding(N_ITEMS, 4)

    def forward(self, items, mask):
        later = mask.flip(1).cumsum(dim=1).flip(1) - mask
        return (self.table(items) * (mask * 0.7**later)[..., None]).sum(dim=1) @ self.table.weight.T


class Votes:
    """A scorer in the style of scikit-learn."""

    def __init__(self, data):
        self.rows = library_matrix(data).toarray()

    def predict_proba(self, rows):
        near = (rows @ self.rows.T >= 2).astype(float)
        return (near @ self.rows + 0.5) / (near.sum(axis=1, keepdims=True) + 1)


def layers(data):
    """A module of rows."""
    return nn.Sequential(nn.Linear(N_ITEMS, 4), nn.Tanh(), nn.Linear(4, N_ITEMS))


SEQUENCES = {"embedding_dim": 8, "n_epochs": 2, "max_len": 6, "n_sample": 4, "seed": 1}
GRU = {"layers": [8], "n_epochs": 2, "n_sample": 4, "batch_size": 8, "seed": 1}
VAE = {"k": 4, "autoencoder_structure": [8], "n_epochs": 3, "batch_size": 20, "seed": 1}


def of_package(model: str, make: Callable, package: str, has_ids: bool) -> Case:
    """A case of an optional package."""
    return Case(package, model, make, package, has_ids)


CASES = [
    *(
        of_package(model, make, "cornac", has_ids=True)
        for model, make in {
            "SASRec": of_cornac("SASRec", sequences=True, num_heads=2, **SEQUENCES),
            "GRU4Rec": of_cornac("GRU4Rec", sequences=True, **GRU),
            "BERT4Rec": bert4rec,
            "VAECF": of_cornac("VAECF", **VAE),
            "EASE": of_cornac("EASE", lamb=5, verbose=False),
            "WMF": of_cornac("WMF", change=squares, k=4, trainable=False, verbose=False, seed=1),
            "LightGCN": of_cornac("LightGCN", change=graph_vectors, trainable=False),
            "MF": of_cornac("MF", k=4, max_iter=2, seed=1),
            "BPR": of_cornac("BPR", k=4, max_iter=2, seed=1),
        }.items()
    ),
    *(
        of_package(model, make, "implicit", has_ids=False)
        for model, make in {
            "ALS": of_implicit("implicit.cpu.als", "AlternatingLeastSquares", factors=4, alpha=5, random_state=1),
            "BM25": of_implicit("implicit.nearest_neighbours", "BM25Recommender", K=6),
            "TF-IDF": of_implicit("implicit.nearest_neighbours", "TFIDFRecommender", K=6),
            "cosine": of_implicit("implicit.nearest_neighbours", "CosineRecommender", K=6),
            "BPR": of_implicit("implicit.cpu.bpr", "BayesianPersonalizedRanking", factors=4, random_state=1),
            "logistic MF": of_implicit("implicit.cpu.lmf", "LogisticMatrixFactorization", factors=4, random_state=1),
        }.items()
    ),
    Case("RecBole", "SASRec", lambda data: SASRec(N_ITEMS + 1), padding=1),
    Case("RecBole", "GRU4Rec", lambda data: GRU4Rec(N_ITEMS + 1), padding=1),
    Case("RecBole", "BERT4Rec", lambda data: BERT4Rec(N_ITEMS + 1), padding=1),
    Case("RecBole", "MultiVAE", MultiVAE, padding=1),
    Case("RecBole", "EASE", EASE, padding=1),
    Case("RecBole", "LightGCN", LightGCN, padding=1),
    Case("RecBole", "BPR", BPR, padding=1),
    Case("RecTools", "SASRec", SASRecModel, has_ids=True),
    Case("RecTools", "BERT4Rec", BERT4RecModel, has_ids=True),
    Case("RecTools", "EASE", EASEModel),
    Case("RecTools", "LightFM", lambda data: LightFMWrapperModel()),
    Case("PyTorch", "module of items and mask", Fading),
    Case("PyTorch", "module of rows", layers),
    Case("scikit-learn", "scorer of rows", Votes),
]

TABLE = pd.read_csv(PROJECT_ROOT / "docs/models_that_fit.csv", keep_default_na=False).set_index(["library", "model"])


def cases(**columns: str) -> list[Case]:
    """Cases whose rows of the table have these values."""
    rows = {(case.library, case.model): case for case in CASES}
    chosen = TABLE.loc[(TABLE[list(columns)] == pd.Series(columns)).all(axis=1)]
    return [rows[place] for place in chosen.index if place in rows]
