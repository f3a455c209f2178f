"""Ranking quality of all built-in recommenders by cross-validation: `python benchmarks/recommenders.py`.

Users are divided into five parts at random. Each part is tested once; of the others, an eighth chooses the epoch. So every
user is a test user once, which shows differences that the test users of one split cannot show. All recommenders have the
hyperparameters of a full run; `mf, tuned` and `vae, tuned` those of `results/ml-100k/tuned_<recommender>.json`. Both were
chosen on validation users of the reference run, who are test users here once.

Tables go to `results/recommenders/tables`, their provenance to `results/recommenders/run.json`:

- `ranking`: HR@10 and NDCG@10 of a random hidden item and of the newest item, with standard errors (`±`); `training [s]` is
  the processor time of one training on one thread;
- `next_item`: the sequential recommenders against the others on the newest item, with the 95 % interval of the difference.
"""

import argparse
import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import lxr
from lxr.data import EntryLists
from lxr.data.datasets import preparation_rule
from lxr.metrics.statistics import difference_interval
from lxr.recommenders.ranking import hidden_item_ranks
from lxr.reporting.formats import to_csv
from lxr.runs.plan import FIT_OPTIONS, FIXED_PARAMETERS, TUNABLE_PARAMETERS
from lxr.tuning.records import load_tuned
from lxr.utils.environment import PROJECT_ROOT, environment
from lxr.utils.records import write_json
from lxr.utils.storage import sha256

SEED, N_PARTS = 42, 5
TUNED = {"mf, tuned": "mf", "vae, tuned": "vae"}
SEQUENTIAL = ("sasrec", "gru4rec")
HIDDEN = {"random item": False, "newest item": True}  # whether the hidden item is the last


def parts(n_users: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rows of training, validation and test users of every part."""
    all_parts = np.array_split(np.random.default_rng(SEED).permutation(n_users), N_PARTS)
    for number, test in enumerate(all_parts):
        rest = np.concatenate(all_parts[:number] + all_parts[number + 1 :])
        validation, train = np.split(rest, [len(rest) // 8])
        yield train, validation, test


def hyperparameters(name: str, dataset: str) -> dict:
    """Options of the class and of `lxr.fit`."""
    recommender = TUNED.get(name, name)
    tuned = load_tuned(dataset, recommender)["recommender"]["options"] if name in TUNED else {}
    return TUNABLE_PARAMETERS[recommender] | FIXED_PARAMETERS[recommender] | tuned


def trained(name: str, options: dict, lists: EntryLists, train: np.ndarray, validation: np.ndarray) -> lxr.Recommender:
    """A trained recommender."""
    if name == "popularity":
        return lxr.Popularity(lists[train].matrix())
    of_fit = {key: options[key] for key in FIT_OPTIONS if key in options}
    of_class = {key: value for key, value in options.items() if key not in of_fit}
    model = lxr.RECOMMENDERS[TUNED.get(name, name)](lists.n_columns, seed=SEED, **of_class)
    lxr.fit(model, lists[train], lists[validation], seed=SEED, **of_fit)
    return model


def tested(options: dict[str, dict], lists: EntryLists) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ranks of hidden items, one row per recommender, hidden item and user, and seconds of each training."""
    ranks, seconds = [], []
    for number, (train, validation, test) in enumerate(parts(len(lists))):
        for name, chosen in options.items():
            started = time.process_time()
            model = trained(name, chosen, lists, train, validation)
            seconds.append({"recommender": name, "seconds": time.process_time() - started})
            for hidden, last in HIDDEN.items():
                rank, _ = hidden_item_ranks(model, lists[test], seed=SEED, last=last)
                ranks.append(pd.DataFrame({"recommender": name, "hidden": hidden, "part": number, "rank": rank}))
    return pd.concat(ranks, ignore_index=True), pd.DataFrame(seconds)


def with_gains(ranks: pd.DataFrame) -> pd.DataFrame:
    """Ranks with the gain of every user by each metric."""
    hit = ranks["rank"] <= 10
    return ranks.assign(**{"HR@10": hit.astype(float), "NDCG@10": np.where(hit, 1 / np.log2(1 + ranks["rank"]), 0)})


def ranking_table(gains: pd.DataFrame, seconds: pd.DataFrame) -> pd.DataFrame:
    """Means with standard errors over all users, one row per recommender."""
    columns = {}
    for hidden, metric in itertools.product(HIDDEN, ("HR@10", "NDCG@10")):
        by_name = gains[gains["hidden"] == hidden].groupby("recommender", sort=False)[metric]
        columns |= {f"{hidden}, {metric}": by_name.mean(), f"± {hidden}, {metric}": by_name.sem()}
    return pd.DataFrame(columns).assign(**{"training [s]": seconds.groupby("recommender")["seconds"].mean()})


def next_item_table(gains: pd.DataFrame) -> pd.DataFrame:
    """Differences of sequential recommenders to all others on the newest item, with intervals over users."""
    newest, rows = gains[gains["hidden"] == "newest item"], []
    for metric in ("HR@10", "NDCG@10"):
        values = pd.DataFrame({name: part[metric].to_numpy() for name, part in newest.groupby("recommender", sort=False)})
        low, high = difference_interval(values.to_numpy(), seed=SEED)
        for (a, name), (b, other) in itertools.product(enumerate(values), repeat=2):
            if name in SEQUENTIAL and other not in SEQUENTIAL:
                limits = {"difference": values[name].mean() - values[other].mean(), "low": low[a, b], "high": high[a, b]}
                rows.append({"recommender": name, "other": other, "metric": metric} | limits)
    return pd.DataFrame(rows).set_index(["recommender", "other", "metric"])


def main() -> None:
    """Train and test all recommenders, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="ml-100k")
    parser.add_argument("--data-dir", type=Path, help="raw data; by default LXR_DATA_DIR of the environment, or Data/")
    parser.add_argument("--out", type=Path, default=PROJECT_ROOT / "results/recommenders")
    options = parser.parse_args()
    torch.set_num_threads(1)
    ratings = lxr.load_ratings(options.dataset, options.data_dir)
    lists = lxr.prepare(ratings, **preparation_rule(options.dataset)).histories()
    named = {name: hyperparameters(name, options.dataset) for name in (*TUNABLE_PARAMETERS, *TUNED)}
    ranks, seconds = tested({"popularity": {}} | named, lists)
    gains = with_gains(ranks)
    (options.out / "tables").mkdir(parents=True, exist_ok=True)
    for name, table in {"ranking": ranking_table(gains, seconds), "next_item": next_item_table(gains)}.items():
        (options.out / f"tables/{name}.csv").write_text(to_csv(table.round(4), 4), encoding="utf-8")
        print(table.round(3).to_string())
    record = {
        "command": "python benchmarks/recommenders.py",
        "environment": environment() | {"threads": torch.get_num_threads()},
        "data": {Path(path).name: sha256(Path(path)) for path in ratings.attrs["source"]},
        "parameters": {"seed": SEED, "dataset": options.dataset, "parts": N_PARTS, "users": len(lists)} | named,
    }
    write_json(record, options.out / "run.json")


if __name__ == "__main__":
    main()
