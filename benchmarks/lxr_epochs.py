"""Processor seconds of an LXR epoch, by size of the catalogue: `python benchmarks/lxr_epochs.py [--before CHECKOUT]`.

1,024 generated users with histories of 95 items on average, and recommenders that are not trained, which does not change
the cost of a step. One thread. With `--before`, the same runs with the package of another checkout, the two taking turns.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch

import lxr

RECOMMENDERS = {"mf": lxr.MF, "vae": lxr.VAE}
HERE = Path(__file__).resolve()


def histories(n_users: int, n_items: int, mean: float, seed: int = 0) -> sp.csr_matrix:
    """Random histories (n_users, n_items) of geometrically distributed lengths."""
    rng = np.random.default_rng(seed)
    lengths = np.clip(rng.geometric(1 / mean, n_users), 2, n_items // 2)
    indices = np.concatenate([np.sort(rng.choice(n_items, length, replace=False)) for length in lengths])
    return sp.csr_matrix(
        (np.ones(len(indices), dtype=np.float32), indices, np.append(0, lengths.cumsum())), (n_users, n_items)
    )


def seconds_per_epoch(recommender: str, n_items: int, n_users: int, mean: float, epochs: int) -> float:
    """Median processor time of an epoch, after a first one that does not count; four validation users."""
    matrix, ends = histories(n_users + 4, n_items, mean), []
    settings = lxr.LXRSettings(epochs=epochs + 1)
    lxr.train_lxr(
        RECOMMENDERS[recommender](n_items),
        matrix[:n_users],
        matrix[n_users:],
        settings=settings,
        report=lambda epoch, value: ends.append(time.process_time()),
    )
    return statistics.median(np.diff(ends))


def asked_of(checkout: Path, *arguments: object) -> float:
    """The same in another process, with the package of a checkout."""
    command = [sys.executable, str(HERE), "--one", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(checkout), "PYTHONWARNINGS": "ignore"}
    return json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, encoding="utf-8").stdout)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, help="another checkout, to compare with")
    parser.add_argument("--items", type=int, nargs="+", default=[3_381, 30_000])
    parser.add_argument("--users", type=int, default=1_024)
    parser.add_argument("--mean", type=float, default=95, help="length of histories")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.one:
        name, *numbers = options.one
        print(json.dumps(seconds_per_epoch(name, int(numbers[0]), int(numbers[1]), float(numbers[2]), int(numbers[3]))))
        return
    versions = {"now [s]": HERE.parent.parent} | ({"before [s]": options.before.resolve()} if options.before else {})
    table = []
    for name in RECOMMENDERS:
        for n_items in options.items:
            arguments = (name, n_items, options.users, options.mean, options.epochs)
            times = {version: [] for version in versions}
            for _ in range(options.rounds):
                for version, checkout in versions.items():
                    times[version].append(asked_of(checkout, *arguments))
            row = {"recommender": name, "items": n_items} | {each: statistics.median(found) for each, found in times.items()}
            table.append(row | ({"before / now": row["before [s]"] / row["now [s]"]} if options.before else {}))
    print(pd.DataFrame(table).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
