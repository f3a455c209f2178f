"""Fidelity of LXR with default settings: `python benchmarks/defaults.py`.

Recommenders of five kinds (MF, VAE, NCF, EASE, ALS), on MovieLens 100K and on generated data with histories of about five
items, and an external recommender if its checkpoint is given. Each is explained with the published and with the default
settings. A share is a position between a random order (0) and leave-one-out (1), by means over validation users. They are
not used in training; a fifth of the training users chooses the epoch.
"""

import argparse
import functools
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch

import lxr
from lxr.data.synthetic import synthetic_ratings
from lxr.explainers import mean_fidelity
from lxr.explainers.learned.lxr_settings import VARIANTS, LXRSettings, Variant, default_settings, published_settings

SEED, N_FACTORS, ROUNDS = 42, 32, 5
METRICS = ("POS@20", "NDCG")
SHORT = {"n_users": 1000, "n_items": 160, "items_per_user": 5}
Rule = Callable[[lxr.Recommender, sp.csr_matrix, Variant], LXRSettings]


def published(model: lxr.Recommender, train: sp.csr_matrix, variant: Variant) -> LXRSettings:
    """The published settings of MovieLens 1M, for the recommender of the same kind of score."""
    return published_settings("ml-1m", "vae" if model.activation == "softmax" else "mf", variant)


RULES: dict[str, Rule] = {"published": published, "default": default_settings}


def ease(train: sp.csr_matrix, penalty: float = 100.0) -> lxr.Recommender:
    """EASE in closed form: x B with B = I − P / diag(P), P the inverse of the penalised Gram matrix."""
    gram = (train.T @ train).toarray().astype(float)
    inverse = np.linalg.inv(gram + penalty * np.eye(len(gram)))
    weights = torch.from_numpy(np.eye(len(gram)) - inverse / np.diag(inverse)).float()
    return lxr.wrap(lambda history: history @ weights, train.shape[1], "sigmoid")


def fold_in(x: torch.Tensor, items: torch.Tensor, confidence: float = 10.0, penalty: float = 1.0) -> torch.Tensor:
    """User factors u (B, f) of histories (B, I), from item factors Y (I, f): (YᵀY + λ + Σ (c − 1) y yᵀ) u = Σ c y."""
    gram = items.T @ items + penalty * torch.eye(items.shape[1])
    outer = items[:, :, None] * items[:, None, :]
    return torch.linalg.solve(gram + (confidence - 1) * torch.tensordot(x, outer, 1), confidence * x @ items)


def als(train: sp.csr_matrix) -> lxr.Recommender:
    """ALS on implicit feedback: solves for the factors of users and of items in turn."""
    x = lxr.utils.dense(train)
    items = 0.1 * torch.randn(train.shape[1], N_FACTORS, generator=torch.Generator().manual_seed(SEED))
    for _ in range(ROUNDS):
        items = fold_in(x.T, fold_in(x, items))
    return lxr.wrap(lambda history: fold_in(history, items) @ items.T, train.shape[1], "sigmoid")


CLOSED = {"ease": ease, "als": als}


def fitted(name: str, train: sp.csr_matrix, validation: sp.csr_matrix) -> lxr.Recommender:
    """A recommender of the registry with its default options."""
    model = lxr.RECOMMENDERS[name](train.shape[1], seed=SEED)
    lxr.fit(model, train, validation, seed=SEED)
    return model


def checkpoint(directory: Path) -> tuple[lxr.Recommender, sp.csr_matrix]:
    """The matrix factorisation of CFExpRec for Amazon, `MF_Amazon.pth` and `interaction.csv`, with its training data."""
    from sklearn.model_selection import train_test_split

    weights = torch.load(directory / "MF_Amazon.pth", map_location="cpu", weights_only=True)
    pairs, _ = train_test_split(pd.read_csv(directory / "interaction.csv").values, test_size=0.2, random_state=16)
    matrix = sp.csr_matrix(
        (np.ones(len(pairs), dtype=np.float32), [np.unique(each, return_inverse=True)[1] for each in pairs.T])
    )
    items = (weights["item_fc.weight"] + weights["item_bias"]).T
    into, bias = weights["users_fc.weight"].T, weights["users_fc.bias"]
    return lxr.wrap(lambda x: (x @ into + bias) @ items, matrix.shape[1], "sigmoid"), matrix


def subjects(options: argparse.Namespace) -> Iterator[tuple[str, str, lxr.Recommender, sp.csr_matrix, sp.csr_matrix]]:
    """Data, recommender, the model, and histories of its training and of its validation users."""
    for data in options.data:
        short = lxr.prepare(synthetic_ratings(**SHORT)) if data == "short" else None
        matrix = (short or lxr.load_dataset(data, options.data_dir)).matrix
        train, validation, _ = (matrix[users] for users in lxr.split_users(matrix.shape[0], seed=SEED))
        for name in options.recommenders:
            model = CLOSED[name](train) if name in CLOSED else fitted(name, train, validation)
            yield data, name, model, train, validation
    if options.checkpoint:
        model, matrix = checkpoint(options.checkpoint)
        train, validation, _ = (matrix[users] for users in lxr.split_users(matrix.shape[0], seed=SEED))
        yield "amazon", "cfexprec", model, train, validation


def shares(
    model: lxr.Recommender,
    train: sp.csr_matrix,
    validation: sp.csr_matrix,
    settings: dict[str, Callable[[sp.csr_matrix], LXRSettings]],
) -> Iterator[dict]:
    """One row per settings: the share of every metric, the best epoch, the wall time, and whether the training warned."""
    order = np.random.default_rng(SEED).permutation(train.shape[0])
    chosen_by, learned_from = (train[np.sort(users)] for users in np.split(order, [len(order) // 5]))
    simple = {name: lxr.EXPLAINERS[name](model, train, seed=SEED) for name in ("random", "leave-one-out")}
    ends = {metric: [mean_fidelity(each, validation, metric=metric) for each in simple.values()] for metric in METRICS}
    for name, make in settings.items():
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            started = time.perf_counter()
            explainer = lxr.train_lxr(model, learned_from, chosen_by, SEED, settings=make(learned_from))
            taken = time.perf_counter() - started
        found = {metric: mean_fidelity(explainer, validation, metric=metric) for metric in METRICS}
        reached = {metric: (start - found[metric]) / (start - end) for metric, (start, end) in ends.items()}
        chosen = explainer.settings
        best = f"{explainer.training[chosen.criterion].idxmin() + 1} of {chosen.epochs}"
        is_chance = any("random order" in str(warning.message) for warning in said)
        yield (
            {"settings": name}
            | reached
            | {
                "λ": max(chosen.lambda_pos, chosen.lambda_neg),
                "best epoch": best,
                "seconds": taken,
                "warned": is_chance,
            }
        )


def main() -> None:
    """Print one row per data, recommender, variant and settings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, help="raw data; by default LXR_DATA_DIR of the environment, or Data/")
    parser.add_argument("--data", nargs="*", default=["ml-100k", "short"], metavar="NAME")
    parser.add_argument("--recommenders", nargs="+", default=["mf", "vae", "ncf", "ease", "als"], metavar="NAME")
    parser.add_argument("--variants", nargs="+", default=VARIANTS, choices=VARIANTS)
    parser.add_argument("--checkpoint", type=Path, help="directory of CFExpRec's Amazon data and checkpoint")
    options = parser.parse_args()
    for data, name, model, train, validation in subjects(options):
        settings = {
            f"{variant}, {rule}": functools.partial(RULES[rule], model, variant=variant)
            for variant in options.variants
            for rule in RULES
        }
        for row in shares(model, train, validation, settings):
            print(
                pd.DataFrame([{"data": data, "recommender": name} | row]).round(2).to_csv(index=False, header=False), end=""
            )


if __name__ == "__main__":
    main()
