"""Growth of time and memory with users and items: `python benchmarks/scale.py`.

Histories of 50 items on average, before repeated pairs are dropped, are generated, up to 1,000,000 users and 100,000 items.
Every size runs in a separate process, to measure its own peaks. Training runs one epoch each, MF and NCF with sampled
negatives; LXR has at most 100,000 training users, since far fewer suffice; explanation and evaluation take a fixed number of
users.
"""

import argparse
import json
import subprocess
import sys
from functools import partial
from unittest.mock import patch

import numpy as np
import pandas as pd
import psutil
import scipy.sparse as sp
from measuring import measured

import lxr
from lxr.metrics import chunks

SIZES = [(10_000, 1_000), (100_000, 10_000), (1_000_000, 100_000)]
RATINGS_PER_USER, N_TASTES = 180, 20
NEGATIVES, LXR_USERS = 100, 100_000


def generated_ratings(
    n_users: int, n_items: int, seed: int = 0, *, ratings_per_user: int = RATINGS_PER_USER
) -> pd.DataFrame:
    """Ratings from 1 to 5 of items with a long tail; every user prefers the items of one taste.

    Each taste has every twentieth item; within a taste and over all items the chance of an item falls like 1 / rank. The
    number of ratings of a user is log-normal, with this mean before repeated pairs are dropped.
    """
    generator = np.random.default_rng(seed)
    length = generator.lognormal(np.log(ratings_per_user) - 0.5, 1.0, n_users).astype(int).clip(2, n_items // 4)
    user = np.repeat(np.arange(n_users, dtype=np.int32), length)
    in_taste = generator.random(len(user), dtype=np.float32) < 0.7
    ranks = np.where(in_taste, n_items // N_TASTES, n_items)
    rank = (ranks ** generator.random(len(user), dtype=np.float32)).astype(np.int32) - 1  # log-uniform: 1 / rank
    item = np.where(in_taste, rank * N_TASTES + user % N_TASTES, rank).astype(np.int32)
    pairs = np.unique(user.astype(np.int64) * n_items + item)
    rating = generator.integers(1, 6, len(pairs), dtype=np.int8)
    return pd.DataFrame(
        {"user": (pairs // n_items).astype(np.int32), "item": (pairs % n_items).astype(np.int32), "rating": rating}
    )


def generated_pairs(n_users: int, n_items: int, mean: int = 50, seed: int = 0) -> pd.DataFrame:
    """Pairs of users and items, as :func:`generated_ratings` draws them, without ratings: every pair counts."""
    parts, share = [], 50_000  # users at a time; bounds the memory
    for start in range(0, n_users, share):
        ratings = generated_ratings(min(share, n_users - start), n_items, seed + start, ratings_per_user=mean)
        parts.append(ratings[["user", "item"]].assign(user=lambda frame, start=start: frame["user"] + np.int32(start)))
    return pd.concat(parts, ignore_index=True)


def run_size(n_users: int, n_items: int, recommender: str, explained: int) -> dict:
    """All stages at one size: stage → seconds and peak memory."""
    stages = {}
    pairs = generated_pairs(n_users, n_items)
    data, stages["preparation"] = measured(partial(lxr.prepare, pairs))
    rows = len(pairs)
    del pairs
    train, validation, test = (data.matrix[users] for users in lxr.split_users(data.matrix.shape[0], seed=42))
    validation, test = validation[:explained], test[:explained]
    options = {} if recommender == "vae" else {"negatives": NEGATIVES}
    model = lxr.RECOMMENDERS[recommender](data.matrix.shape[1], **options)
    _, stages["recommender, an epoch"] = measured(lambda: lxr.fit(model, train, validation, epochs=1))
    make = lxr.EXPLAINERS["lxr"]
    explainer, stages["LXR, an epoch"] = measured(lambda: make(model, train[:LXR_USERS], validation, epochs=1))
    target = lxr.top_item(model, test)
    scores, stages[f"LXR explains {explained} users"] = measured(lambda: explainer.explain(test, target))
    for name in ("cosine", "gradient", "leave-one-out", "rank-margin-path"):
        baseline = lxr.EXPLAINERS[name](model, train, validation)
        _, stages[f"{name} explains {explained} users"] = measured(lambda by=baseline: by.explain(test, target))
    _, stages[f"evaluation of {explained} users"] = measured(lambda: lxr.evaluate_fidelity(model, test, target, scores))
    shape = {"ratings": rows, "users": data.matrix.shape[0], "items": data.matrix.shape[1], "interactions": data.matrix.nnz}
    return {"shape": shape, "stages": stages}


def run_judging(n_items: int, recommender: str, explained: int) -> pd.DataFrame:
    """Evaluation of random scores by an untrained recommender, in chunks of items and with all logits at once."""
    pairs = generated_pairs(explained, n_items)
    matrix = sp.csr_matrix((np.ones(len(pairs), dtype=np.float32), (pairs["user"], pairs["item"])), (explained, n_items))
    generator = np.random.default_rng(0)
    target = np.array([np.setdiff1d(generator.integers(0, n_items, row.nnz + 1), row.indices)[0] for row in matrix])
    scores = sp.csr_matrix((generator.random(matrix.nnz) + 1, matrix.indices, matrix.indptr), matrix.shape)
    model, found = lxr.RECOMMENDERS[recommender](n_items), {}
    for name, limit in {"in chunks": chunks.LOGITS_AT_ONCE, "all logits at once": np.inf}.items():
        before = psutil.Process().memory_info().rss / 1024**3
        with patch.object(chunks, "LOGITS_AT_ONCE", limit):
            result, found[name] = measured(lambda: lxr.evaluate_fidelity(model, matrix, target, scores))
        found[name] |= {"further memory [GB]": found[name]["peak [GB]"] - before, "NDCG": result.curves["NDCG"].mean()}
    return pd.DataFrame(found).T


def exponents(seconds: pd.DataFrame, sizes: dict[str, tuple[int, int]]) -> pd.Series:
    """Exponent by which the time of each stage grows with users x items, from the first to the last size."""
    first, last = seconds.columns[0], seconds.columns[-1]
    growth = np.prod(sizes[last], dtype=float) / np.prod(sizes[first], dtype=float)
    return np.log(seconds[last] / seconds[first]) / np.log(growth)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recommender", choices=list(lxr.RECOMMENDERS), default="mf")
    parser.add_argument("--explained", type=int, default=1_000, metavar="N", help="users to explain and to evaluate")
    parser.add_argument("--sizes", type=int, default=len(SIZES), metavar="N", help="number of sizes, from the smallest")
    parser.add_argument("--size", type=int, nargs=2, metavar=("USERS", "ITEMS"), help="only this size, as JSON")
    parser.add_argument("--judge", type=int, metavar="ITEMS", help="only the evaluation in such a catalogue, in two ways")
    options = parser.parse_args()
    if options.judge:
        print(run_judging(options.judge, options.recommender, options.explained).round(4).to_string())
        return
    if options.size:
        print(json.dumps(run_size(*options.size, options.recommender, options.explained)))
        return
    command = [sys.executable, __file__, "--recommender", options.recommender, "--explained", str(options.explained)]
    found = {}
    sizes = {f"{users:,} x {items:,}": (users, items) for users, items in SIZES[: options.sizes]}
    for name, size in lxr.utils.progress_bar(sizes.items(), desc="sizes"):
        finished = subprocess.run(
            [*command, "--size", *map(str, size)], stdout=subprocess.PIPE, encoding="utf-8", check=True
        )
        found[name] = json.loads(finished.stdout)
    stages = {name: pd.DataFrame(record["stages"]).T for name, record in found.items()}
    peaks = pd.DataFrame({name: table["peak [GB]"] for name, table in stages.items()})
    print(f"{options.recommender}\n{pd.DataFrame({name: record['shape'] for name, record in found.items()}).to_string()}")
    for clock in ("seconds", "processor seconds"):
        times = pd.DataFrame({name: table[clock] for name, table in stages.items()})
        print(f"\n{clock}, and the exponent by which they grow with users x items")
        print(times.assign(exponent=exponents(times, sizes)).round(2).to_string())
    print(f"\nhighest memory of the process [GB]\n{peaks.round(2).to_string()}")


if __name__ == "__main__":
    main()
