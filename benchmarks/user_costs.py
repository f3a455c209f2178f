"""Processor seconds and bytes of a user, by size of the catalogue: `python benchmarks/user_costs.py`.

Users of `scale.py` with equally long histories; MF of 64 factors that is not trained, because training does not change the
cost of scoring. Every size runs in a separate process with one thread, to measure its own peaks. A stage counts the time of
its processor, which other processes on the machine hardly change. Batches are as large as 256 MiB of logits allow, and have
at most 512 histories.

Tables go to `results/scale/tables`, their provenance to `results/scale/run.json`:

- `users`: milliseconds of a processor per user, one row for each stage, one column for each size;
- `memory`: the highest memory [GB] of the process in every stage;
- `bytes`: bytes of the models, and of the history of a user, as they are sent to workers.
"""

import argparse
import json
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from inspect import signature
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from measuring import measured, write_results
from scale import generated_pairs

import lxr
from lxr.counterfactuals import LeavesTop, Prefixes, smallest_prefix
from lxr.utils.environment import PROJECT_ROOT

SIZES = [  # items, length of histories, explained users
    *((10_000, 50, 256), (10_000, 100, 256)),
    *((100_000, 100, 64), (1_000_000, 100, 12)),
]
UNTRAINED = ["gradient", "leave-one-out", "lime", "rank-margin-path"]
LOGITS = 2**26  # 256 MiB
VALIDATION = 4  # users for the choice of an epoch


def equal_histories(n_users: int, n_items: int, length: int) -> sp.csr_matrix:
    """Histories (n_users, n_items) of equal length: random parts of generated ones that are longer."""
    pairs = generated_pairs(4 * n_users, n_items, mean=8 * length).sample(frac=1, random_state=0)
    by_user = pairs.groupby("user")["item"]
    chosen = pairs[(by_user.transform("size") >= length) & (by_user.cumcount() < length)].sort_values(["user", "item"])
    items = chosen["item"].to_numpy()[: n_users * length]
    indptr = np.arange(0, len(items) + 1, length)
    return sp.csr_matrix((np.ones(len(items), dtype=np.float32), items, indptr), (len(indptr) - 1, n_items))


class Costs:
    """Rows of the table of costs, in the order of the measurements."""

    def __init__(self, size: str):
        self.size, self.rows = size, []

    def add(self, work: str, explainer: str, run: Callable, *of_users: np.ndarray | sp.csr_matrix) -> object:
        """Measure a stage and return its result; it runs on two users first, which does not count."""
        run(*(each[:2] for each in of_users))
        result, found = measured(partial(run, *of_users))
        self.append(work, explainer, of_users[0].shape[0], found["processor seconds"], found["peak [GB]"])
        return result

    def append(self, work: str, explainer: str, users: int, seconds: float, peak: float) -> None:
        """Add a measured stage."""
        found = {"users": 1000 * seconds / users, "memory": peak}
        self.rows.append({"work": work, "explainer": explainer, "size": self.size} | found)

    def train(self, name: str, users: int, make: Callable) -> lxr.Explainer:
        """Measure what comes before the first of two epochs, and the second epoch."""
        ends, started = [], time.process_time()
        explainer, found = measured(partial(make, epochs=2, report=lambda *_: ends.append(time.process_time())))
        epoch = ends[1] - ends[0]
        self.append("before training", name, users, max(0, ends[0] - started - epoch), found["peak [GB]"])
        self.append("training, an epoch", name, users, epoch, found["peak [GB]"])
        return explainer


def run_size(n_items: int, length: int, explained: int, training: int) -> dict:
    """Costs and bytes at one size."""
    torch.set_num_threads(1)
    matrix, batch = equal_histories(explained + training + VALIDATION, n_items, length), min(512, LOGITS // n_items)
    test, validation, train = np.split(np.arange(matrix.shape[0]), [explained, explained + VALIDATION])
    test, validation, train = matrix[test], matrix[validation], matrix[train]
    model, costs, make = lxr.MF(n_items), Costs(f"{n_items} x {length}"), lxr.EXPLAINERS
    target = costs.add("recommending", "", partial(lxr.top_item, model), test)
    made = {}
    for name, users in (("lxr", train), ("lxr-path-rank", train[:explained])):
        made[name] = costs.train(name, users.shape[0], partial(make[name], model, users, validation))
    for name in UNTRAINED:
        options = {"batch_size": batch} if "batch_size" in signature(make[name]).parameters else {}
        made[name] = make[name](model, train, validation, **options)
    for name, by in made.items():
        scores = costs.add("explaining", name, partial(by.explain, users_per_batch=batch), test, target)
    judge, cut = (partial(run, model, batch_size=batch) for run in (lxr.evaluate_fidelity, first_prefix))
    costs.add("judging", "", judge, test, target, scores)
    costs.add("smallest prefix", "", cut, test, target, scores)
    found = {"items": n_items, "history": length} | sizes(model, made["lxr"], test)
    return {"costs": costs.rows, "bytes": [found]}


def first_prefix(model: lxr.Recommender, *of_users: object, batch_size: int) -> Prefixes:
    """Smallest prefixes of explanations without which another item is recommended."""
    return smallest_prefix(model, *of_users, LeavesTop(1), batch_size=batch_size)


def sizes(model: lxr.Recommender, explainer: lxr.Explainer, test: sp.csr_matrix) -> dict:
    """Bytes of the models, and bytes per user of histories, as they are sent to workers."""
    lists = lxr.EntryLists.of_matrix(test)
    return {
        "recommender [bytes]": len(pickle.dumps(model)),
        "LXR [bytes]": len(pickle.dumps(explainer.network)),
        "history [bytes per user]": (len(pickle.dumps(lists)) - len(pickle.dumps(lists[:0]))) / len(lists),
    }


def measured_sizes(count: int, training: int) -> Iterator[dict]:
    """Results of each size, from a separate process."""
    for size in lxr.utils.progress_bar(SIZES[:count], desc="sizes"):
        command = [sys.executable, __file__, "--size", *map(str, size), "--training", str(training)]
        yield json.loads(subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout)


def in_columns(costs: pd.DataFrame, value: str) -> pd.DataFrame:
    """One row for each stage, one column for each size, both in the order of the measurements."""
    stages, sizes = costs.drop_duplicates(["work", "explainer"]), costs["size"].unique()
    table = costs.pivot(index=["work", "explainer"], columns="size", values=value)[sizes]
    table = table.loc[pd.MultiIndex.from_frame(stages[["work", "explainer"]])]
    return table.reset_index("explainer").rename_axis(columns=None)


def main() -> None:
    """Write and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--training", type=int, default=128, metavar="N", help="training users of LXR")
    parser.add_argument("--sizes", type=int, default=len(SIZES), metavar="N", help="number of sizes, from the smallest")
    parser.add_argument("--size", type=int, nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=PROJECT_ROOT / "results/scale", help="directory of the tables")
    options = parser.parse_args()
    if options.size:
        print(json.dumps(run_size(*options.size, options.training)))
        return
    found = list(measured_sizes(options.sizes, options.training))
    costs, sizes_found = (pd.DataFrame([row for size in found for row in size[name]]) for name in ("costs", "bytes"))
    tables = {"users": (in_columns(costs, "users"), 2), "memory": (in_columns(costs, "memory"), 2)}
    tables["bytes"] = sizes_found.set_index("items"), 1
    write_results(options.out, tables, parameters={"sizes": SIZES[: options.sizes], "training": options.training})
    for table, _ in tables.values():
        print(table.to_string())


if __name__ == "__main__":
    main()
