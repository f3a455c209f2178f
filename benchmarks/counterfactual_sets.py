"""Proven share and time of smallest counterfactual sets: `python benchmarks/counterfactual_sets.py`.

MovieLens 1M if the data directory has it, else MovieLens 100K. MF and EASE are linear in the history, VAE and NCF not.
Without `--weights DIRECTORY` (mf.pt, vae.pt, ncf.pt, saved by `save`), recommenders are trained.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from measuring import dataset_at_hand

import lxr
from lxr.counterfactuals import CounterfactualSet, LeavesTop, smallest_prefix, smallest_set
from lxr.counterfactuals.events import greedy_set
from lxr.counterfactuals.question import Question
from lxr.runs.plan import FIT_OPTIONS, TUNABLE_PARAMETERS

EPOCHS = {"mf": 60, "vae": 60, "ncf": 40, "ease": 1}


def trained(name: str, matrix: sp.csr_matrix, validation: sp.csr_matrix, weights: Path | None) -> lxr.Recommender:
    """Recommender by name, from a file if there is one."""
    if weights and (weights / f"{name}.pt").is_file():
        return lxr.load(weights / f"{name}.pt")
    options = TUNABLE_PARAMETERS.get(name, {}) | {"epochs": EPOCHS[name]}
    model = lxr.RECOMMENDERS[name](matrix.shape[1], **{key: options[key] for key in options if key not in FIT_OPTIONS})
    lxr.fit(model, matrix, validation, **{key: options[key] for key in options if key in FIT_OPTIONS})
    return model


def greedy_sizes(model: lxr.Recommender, matrix: sp.csr_matrix, target: np.ndarray, k: int) -> np.ndarray:
    """Sizes (n,) of the sets of greedy removal by the falls of single items; NaN if no such set reaches the goal."""
    sizes = np.full(len(target), np.nan)
    for row, item in enumerate(target):
        question = Question(model, lxr.Histories.of_matrix(matrix[[row]]), int(item), LeavesTop(k))
        events = question.pairs.events(question.whole[0].double().numpy(), question.falls)
        found = greedy_set(events)
        if found is not None and question.reached(question.mask(found))[0]:
            sizes[row] = len(found)
    return sizes


def prefix_sizes(explainer: lxr.Explainer, matrix: sp.csr_matrix, target: np.ndarray, k: int) -> np.ndarray:
    """Sizes (n,) of the smallest prefixes of an explainer; NaN if none reaches the goal."""
    prefixes = smallest_prefix(explainer.model, matrix, target, explainer.explain(matrix, target), LeavesTop(k))
    return np.where(prefixes.found, prefixes.size, np.nan)


def timed_sets(
    model: lxr.Recommender, matrix: sp.csr_matrix, target: np.ndarray, k: int, time_limit: float
) -> tuple[list[CounterfactualSet], np.ndarray]:
    """Smallest sets of some users, and the processor seconds (n,), which other processes do not affect."""
    sets, seconds = [], np.empty(len(target))
    for row in lxr.utils.progress_bar(range(len(target)), desc=f"leaving the top {k}"):
        started = time.process_time()
        sets.append(smallest_set(model, matrix[[row]], int(target[row]), LeavesTop(k), time_limit=time_limit))
        seconds[row] = time.process_time() - started
    return sets, seconds


def row_of(
    model: lxr.Recommender,
    matrix: sp.csr_matrix,
    target: np.ndarray,
    k: int,
    sets: list[CounterfactualSet],
    processor: np.ndarray,
) -> dict:
    """Share of proven sets, their time, and shares of optimal cheap orders."""
    certificates = np.array([one.certificate for one in sets])
    gaps = np.array([np.inf if one.gap is None else one.gap for one in sets])
    seconds = np.array([one.seconds for one in sets])
    smallest = np.array([np.nan if one.certificate != "optimal" else one.size for one in sets])
    is_known = np.isfinite(smallest)
    explainers = {name: lxr.EXPLAINERS[name](model, matrix) for name in ("leave-one-out", "rank-margin", "accent")}
    sizes = {"greedy": greedy_sizes(model, matrix, target, k)}
    sizes |= {name: prefix_sizes(explainer, matrix, target, k) for name, explainer in explainers.items()}
    return {
        "K": k,
        "proven": np.mean(certificates != "bound"),
        "none exists": np.mean(certificates == "none"),
        "within one": np.mean((gaps <= 1) | (certificates == "none")),
        "mean size": np.mean([one.size for one in sets if one.size is not None]),
        "median [s]": np.median(seconds),
        "90 % within [s]": np.quantile(seconds, 0.9),
        "longest [s]": seconds.max(),
        "median, processor [s]": np.median(processor),
        "90 % within, processor [s]": np.quantile(processor, 0.9),
    } | {f"{name} optimal": np.mean(values[is_known] == smallest[is_known]) for name, values in sizes.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, help="raw data; by default LXR_DATA_DIR of the environment, or Data/")
    parser.add_argument("--weights", type=Path, help="directory of trained recommenders")
    parser.add_argument("--recommenders", nargs="+", default=["mf", "ease", "vae", "ncf"])
    parser.add_argument("--users", type=int, default=200, help="test users, drawn at random")
    parser.add_argument("--time-limit", type=float, default=2.0, help="seconds for each user")
    parser.add_argument("--seed", type=int, default=0, help="of the users")
    options = parser.parse_args()
    torch.set_num_threads(1)
    name = dataset_at_hand(options.data_dir)
    data = lxr.load_dataset(name, options.data_dir)
    train, validation, test = lxr.split_users(data.matrix.shape[0], seed=42)
    users = np.random.default_rng(options.seed).choice(test, min(options.users, len(test)), replace=False)
    matrix = data.matrix[users]
    print(f"{name}, {len(users)} test users (seed {options.seed}), {options.time_limit:g} s each, one thread")
    for recommender in options.recommenders:
        model = trained(recommender, data.matrix[train], data.matrix[validation], options.weights)
        target, rows = lxr.top_item(model, matrix), []
        for k in (1, 5, 10):
            rows.append(row_of(model, matrix, target, k, *timed_sets(model, matrix, target, k, options.time_limit)))
        print(f"\n{recommender}\n{pd.DataFrame(rows).set_index('K').T.to_string(float_format='{:.3f}'.format)}", flush=True)


if __name__ == "__main__":
    main()
