"""LXR and its rivals on the authors' own recommender: `python benchmarks/authors_recommender.py recommender_model.pt`.

The file is `Data_preprocessing/recommender_model.pt` of the first release of LXR (ExplainingRecommendations/LXR on GitHub).
It belongs to the authors and is not part of this repository. Data are those of that release: MovieLens 1M, every rating a
positive, no core. Test users are the published ones; all others are training users, with a tenth of them for the choice of
epochs. LXR has the published hyperparameters, its rivals have their defaults: nothing is tuned.

Tables go to `results/authors-mf/tables`, their provenance to `results/authors-mf/run.json`:

- `headline`: means over the test users;
- `against_lxr`: LXR against every other explainer, with the 95 % interval of the difference;
- `published_curves`: the published means (perhaps of another MF) and ours, with Kendall's τ of the orders;
- `ranking`: ranking quality of the recommender and of popularity, and the share of users
  with ties at a float32 probability of 1.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch

import lxr
from lxr.evaluation import (
    against_table,
    authors_recommender,
    compare_with_published,
    in_published_layout,
    published_fidelity,
    published_test_users,
)
from lxr.recommenders import Popularity
from lxr.reporting.formats import to_csv
from lxr.utils.environment import PROJECT_ROOT, environment
from lxr.utils.records import write_json
from lxr.utils.storage import sha256

SEED = 42
METRICS = ["POS@5", "POS@20", "NDCG", "DEL", "INS", "CDCG@Ke=5"]
EXPLAINERS = [
    *("random", "popularity", "jaccard", "cosine", "tf-idf", "lime", "shap", "accent", "lxr"),
    *("lxr-path-rank", "leave-one-out", "spinrec", "rank-margin-path"),
]
AUTHORS = "mf of the authors"


def ranking_table(model: lxr.Recommender, train: sp.csr_matrix, test: sp.csr_matrix) -> pd.DataFrame:
    """Ranking quality of the recommender and of popularity, and the share of users with several candidates at exactly 1."""
    history = lxr.utils.dense(test)
    with torch.no_grad():
        at_one = ((torch.sigmoid(model(history)) == 1) & (history == 0)).sum(dim=1)
    both = {"popularity": Popularity(train), AUTHORS: model}
    table = pd.DataFrame({name: lxr.rank_quality(each, test, seed=SEED) for name, each in both.items()}).T
    table.loc[AUTHORS, "users with ties at 1"] = float((at_one > 1).float().mean())
    return table.rename_axis("recommender")


def judged(model: lxr.Recommender, train: sp.csr_matrix, test: sp.csr_matrix, names: list[str]) -> dict:
    """Explainer → its fidelity on the test users; prints progress."""
    target, results = lxr.top_item(model, test), {}
    for name in names:
        explainer = lxr.EXPLAINERS[name](model, train, seed=SEED)
        results[name] = lxr.evaluate_fidelity(model, test, target, explainer.explain(test, target))
        print(name, round(float(results[name].per_user()["POS@20"].mean()), 4), flush=True)
    return results


def tables_of(
    model: lxr.Recommender, train: sp.csr_matrix, test: sp.csr_matrix, names: list[str]
) -> dict[str, tuple[pd.DataFrame, int]]:
    """All tables of one recommender, each with its digits after the point."""
    results = judged(model, train, test, names)
    per_user = {name: result.per_user() for name, result in results.items()}
    headline = pd.DataFrame({name: frame[METRICS].mean() for name, frame in per_user.items()}).T.rename_axis("explainer")
    others = [name for name in names if name != "lxr"]
    return {
        "ranking": (ranking_table(model, train, test), 4),
        "headline": (headline, 3),
        "against_lxr": (against_table(results, "lxr", others, METRICS).set_index("metric"), 4),
        "published_curves": (compare_with_published(in_published_layout(per_user), published_fidelity("ml-1m", "mf")), 3),
    }


def main() -> None:
    """Write the tables and their record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="recommender_model.pt of the first release")
    parser.add_argument("--data-dir", type=Path, help="raw data; by default LXR_DATA_DIR of the environment, or Data/")
    parser.add_argument("--out", type=Path, default=PROJECT_ROOT / "results/authors-mf", help="directory of the tables")
    options = parser.parse_args()
    model = authors_recommender(options.file)
    ratings = lxr.load_ratings("ml-1m", options.data_dir)
    rule = {"min_rating": 0, "min_items_per_user": 1, "min_users_per_item": 1}
    matrix = lxr.prepare(ratings, **rule).matrix
    if matrix.shape[1] != model.n_items:
        parser.error(f"{options.file}: expected a recommender of {matrix.shape[1]} items, found {model.n_items}")
    test = published_test_users(matrix.shape[0])
    train = np.setdiff1d(np.arange(matrix.shape[0]), test)
    tables = tables_of(model, matrix[train], matrix[test], EXPLAINERS)
    (options.out / "tables").mkdir(parents=True, exist_ok=True)
    for name, (table, decimals) in tables.items():
        text = to_csv(table.round(decimals), decimals)
        (options.out / f"tables/{name}.csv").write_text(text, encoding="utf-8")
    record = {
        "command": "python benchmarks/authors_recommender.py recommender_model.pt",
        "environment": environment() | {"threads": torch.get_num_threads()},
        "data": {Path(path).name: sha256(Path(path)) for path in (*ratings.attrs["source"], options.file)},
        "parameters": {"seed": SEED, "train": len(train), "test": len(test)} | rule,
    }
    write_json(record, options.out / "run.json")


if __name__ == "__main__":
    main()
