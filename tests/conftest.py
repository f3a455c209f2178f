"""Toy recommenders whose answers are known by hand, small random ones, and random histories from seeded generators."""

import contextlib
import pickle
import random
import sys

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from toys import WRAPPED

import lxr

torch.set_num_threads(1)  # tensors this small lose more time to threads than they gain

N_ITEMS = 20
UNTRAINED_ITEM = N_ITEMS - 1  # consumed by no training user


@pytest.fixture(autouse=True)
def closed_figures():
    """No test leaves figures open: matplotlib warns of too many."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


def linear(weights, activation="sigmoid", bias=0.0) -> lxr.Recommender:
    """history @ weights + bias: leave-one-out and gradient × input on the logit of y are column y of the weights."""
    weights, bias = torch.tensor(weights, dtype=torch.float32), torch.tensor(bias, dtype=torch.float32)
    return lxr.wrap(lambda history: history @ weights + bias, len(weights), activation)


def integers(activation, seed=0) -> lxr.Recommender:
    """A linear recommender of small integers: exact on every machine, with many equal logits."""
    generator = np.random.default_rng(seed)
    return linear(generator.integers(-2, 3, (N_ITEMS, N_ITEMS)), activation, generator.integers(-2, 3, N_ITEMS))


def widened(model: lxr.Recommender, seed=0) -> lxr.Recommender:
    """Weights and biases drawn so widely that probabilities differ and the empty history is no special case."""
    generator = torch.Generator().manual_seed(seed)
    weights = model.state_dict().items()
    model.load_state_dict({name: 0.5 * torch.empty(value.shape).normal_(generator=generator) for name, value in weights})
    return model


RECOMMENDERS = {
    "mf": lambda: widened(lxr.MF(N_ITEMS, n_factors=4)),
    "vae": lambda: widened(lxr.VAE(N_ITEMS, n_hidden=16, n_latent=4)),
    "ncf": lambda: widened(lxr.NCF(N_ITEMS, n_factors=4, layers=(6, 3), max_pairs=3 * N_ITEMS)),
    "linear-sigmoid": lambda: integers("sigmoid"),
    "linear-softmax": lambda: integers("softmax"),
} | WRAPPED


@pytest.fixture(name="linear")
def linear_fixture():
    """Maker of linear recommenders: weights (I, I), activation, bias (I,)."""
    return linear


@pytest.fixture(params=["mf", "vae", "ncf"])
def model(request):
    """A small random MF, VAE or NCF."""
    return RECOMMENDERS[request.param]()


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.slow if name in WRAPPED else ()) for name in RECOMMENDERS])
def any_model(request):
    """A small random MF, VAE or NCF, a linear recommender of integers with either activation, or one that was wrapped."""
    return RECOMMENDERS[request.param]()


@pytest.fixture
def histories():
    """Maker of random histories (B, I) of given lengths."""

    def make(lengths, n_items=N_ITEMS, seed=0):
        generator = np.random.default_rng(seed)
        history = torch.zeros(len(lengths), n_items)
        for row, length in enumerate(lengths):
            history[row, generator.choice(n_items, length, replace=False)] = 1
        return history

    return make


@pytest.fixture
def history(histories):
    """Seven users: histories of one item, of every remainder by ten, and of all items but two."""
    return histories([1, 2, 3, 7, 10, 13, N_ITEMS - 2])


@pytest.fixture
def train_matrix():
    """Sixty training users, none of whom consumed the last item."""
    consumed = np.random.default_rng(1).random((60, N_ITEMS)) < 0.3
    consumed[:, :2] |= consumed.sum(axis=1, keepdims=True) < 2  # everybody has at least two items
    consumed[:, UNTRAINED_ITEM] = False
    return sp.csr_matrix(consumed.astype(np.float32))


@pytest.fixture
def untrained_item():
    """The item that no training user consumed."""
    return UNTRAINED_ITEM


@pytest.fixture
def planted():
    """Users of two tastes, even items and odd items: (train_matrix, validation_matrix), 80 and 40 of them."""
    generator = np.random.default_rng(2)
    likes = (np.arange(120)[:, None] + np.arange(N_ITEMS)) % 2 == 0
    consumed = generator.random((120, N_ITEMS)) < np.where(likes, 0.6, 0.05)
    consumed[:, :4] |= likes[:, :4]  # everybody has at least two items
    matrix = sp.csr_matrix(consumed.astype(np.float32))
    return matrix[:80], matrix[80:]


@pytest.fixture(scope="session")
def trained_results(tmp_path_factory):
    """A directory of results with the trained models of a tiny run: an MF of the synthetic data, and its LXR."""
    results = tmp_path_factory.mktemp("results")
    root, options = results / "synthetic", {"n_factors": 8}
    data = lxr.load_dataset("synthetic")
    data.save(root / "interactions.npz")
    train, validation, test = lxr.split_users(data.matrix.shape[0], seed=42)
    lxr.data.save_split(train, validation, test, root / "split.npz")
    model = lxr.MF(data.matrix.shape[1], **options)
    lxr.fit(model, data.matrix[train], data.matrix[validation], epochs=40)
    model.save(root / "mf/recommender.pt")
    lxr.EXPLAINERS["lxr"](model, data.matrix[train], data.matrix[validation], epochs=2).save(root / "mf/lxr.pt")
    return results


BAD_USERS = {
    "narrow history": (lambda history, target: (history[:, :-1], target), r"history: expected shape \(B, 20\)"),
    "flat history": (lambda history, target: (history[0], target), r"history: expected shape \(B, 20\)"),
    "no user": (lambda history, target: (history[:0], target[:0]), "history: expected at least one user"),
    "empty history": (lambda history, target: (replaced(history, 1, 0), target), "history, row 1: .*at least one item"),
    "negative history": (lambda history, target: (replaced(history, 1, -1), target), "history, row 1: .*only 0 and 1"),
    "weighted history": (lambda history, target: (replaced(history, 1, 0.5), target), "history, row 1: .*only 0 and 1"),
    "NaN in history": (lambda history, target: (replaced(history, 1, torch.nan), target), "history, row 1: .*only 0 and 1"),
    "too few targets": (lambda history, target: (history, target[:-1]), r"target: expected shape \(3,\), found \(2,\)"),
    "column of targets": (lambda history, target: (history, target[:, None]), r"target: expected shape \(3,\)"),
    "float target": (lambda history, target: (history, target.float()), "target: expected integer.*found torch.float32"),
    "bool target": (lambda history, target: (history, target > 0), "target: expected integer.*found torch.bool"),
    "target too high": (lambda history, target: (history, replaced(target, 1, 20)), "target, row 1: .*found 20"),
    "negative target": (lambda history, target: (history, replaced(target, 1, -1)), "target, row 1: .*found -1"),
    "target consumed": (lambda history, target: (replaced(history, 1, 1), target), "target, row 1: .*outside the history"),
}


def replaced(tensor: torch.Tensor, row: int, value) -> torch.Tensor:
    """A copy with one row filled with one value."""
    copy = tensor.clone()
    copy[row] = value
    return copy


@pytest.fixture(params=list(BAD_USERS))
def bad_users(request, histories):
    """(history, target, message): three users, the second or all unexplainable, and the expected message."""
    history = histories([3, 4, 5])
    change, message = BAD_USERS[request.param]
    return *change(history, (history == 0).int().argmax(dim=1)), message


@pytest.fixture
def untouched_rng():
    """Context that fails if the global random state of PyTorch, NumPy or Python differs afterwards."""

    def state():
        return torch.get_rng_state().numpy().tobytes(), pickle.dumps(np.random.get_state()), random.getstate()

    @contextlib.contextmanager
    def unchanged():
        before = state()
        yield
        names = ("torch", "numpy", "random")
        changed = [name for name, old, new in zip(names, before, state(), strict=True) if old != new]
        assert not changed, f"the global random state was changed: {', '.join(changed)}"

    return unchanged


def model_state(model: torch.nn.Module) -> dict:
    """All that a caller could find changed in a recommender: values, flags, gradients, mode."""
    return {
        "values": {name: value.clone() for name, value in model.state_dict().items()},
        "requires_grad": [parameter.requires_grad for parameter in model.parameters()],
        "gradients": [parameter.grad for parameter in model.parameters()],
        "training": model.training,
    }


@pytest.fixture
def unchanged_model():
    """Context that fails if a recommender differs afterwards; within it, one parameter is frozen, to see it stay so."""

    @contextlib.contextmanager
    def unchanged(model):
        for parameter in list(model.parameters())[:1]:
            parameter.requires_grad_(False)
        before = model_state(model)
        yield
        after = model_state(model)
        values, expected = after.pop("values"), before.pop("values")
        assert all(torch.equal(values[name], expected[name]) for name in expected)
        assert after == before

    return unchanged


@pytest.fixture(scope="session", name="distributed")
def distributed_package():
    """The package distributed, with time for workers that start slowly."""
    package = pytest.importorskip("distributed", reason="the extra distributed is not installed")
    import dask

    dask.config.set({"distributed.deploy.lost-worker-timeout": "120s"})
    return package


@pytest.fixture(scope="session")
def workers(distributed, tmp_path_factory):
    """The cluster of all tests: two processes of this machine, with one thread each."""
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0", "host": "127.0.0.1"}
    with distributed.LocalCluster(**options, local_directory=str(tmp_path_factory.mktemp("dask"))) as cluster:
        yield cluster
