"""Cost of explaining, as ratios measured side by side in one run: `python benchmarks/explainers.py`.

Every explainer that uses the recommender is compared with its bare passes (forward, or forward and backward, in batches of
the same size). Untrained ones are also compared with their reference implementation, which explains one user with one
history per pass and takes finite differences for gradients. The time of making an explainer includes its training.
MovieLens 1M if the data directory has it, else MovieLens 100K. The recommenders are trained for a few epochs only: their
quality does not matter here, but targets need real rivals.
"""

import argparse
import copy
import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import shap
import torch
from measuring import dataset_at_hand, oracles, seconds, side_by_side

import lxr
from lxr.explainers import LXR_FAMILIES

SEED, BATCH = 42, 512
ASKING = lxr.EXPLAINERS.names(without=("similarity", *LXR_FAMILIES))


def one_by_one(
    name: str, explainer: lxr.Explainer, train: np.ndarray, row: list, target: int
) -> Callable[[], object] | None:
    """The reference implementation of an explainer with its default options, for one user; None if there is none."""
    model = explainer.model
    double, margin = copy.deepcopy(model).double(), oracles.rank_margin
    starts = functools.partial(oracles.baseline_user, train, row, target, SEED)
    items = oracles.items_of(row)

    def kernel_shap():
        def score(masks):
            histories = ([item for item, kept in zip(items, mask, strict=True) if kept] for mask in masks)
            return np.array(
                [oracles.log_odds(oracles.logits_of(model, kept), target, items, model.activation) for kept in histories]
            )

        explainer = shap.KernelExplainer(score, np.zeros((1, len(items))))
        explainer.shap_values(np.ones((1, len(items))), nsamples=1024, l1_reg=0, silent=True)

    empty = [0.0] * len(row)
    return {
        "lime": lambda: oracles.lime(model, row, target, oracles.log_odds, SEED, 150, 50, 100),
        "lire": lambda: oracles.lire(model, train, row, target, oracles.log_odds, SEED, 200, 50, 0.1),
        "shap": lambda: oracles.shap_clusters(model, row, target, explainer.cluster),
        "shap-items": kernel_shap,
        "accent": lambda: oracles.accent(model, row, target, 5),
        "leave-one-out": lambda: oracles.leave_one_out(model, row, target, oracles.log_prob),
        "gradient": lambda: oracles.gradient_times_input(double, row, target, oracles.log_prob),
        "integrated-gradients": lambda: oracles.integrated_gradients(double, row, empty, target, oracles.log_prob, 20),
        "spinrec": lambda: oracles.spinrec(double, row, [starts(draw) for draw in range(10)], target, oracles.log_prob, 10),
        "rank-margin": lambda: oracles.gradient_times_input(double, row, target, margin),
        "rank-margin-path": lambda: oracles.gradient_path(double, row, target, margin, 5, 0.1),
    }.get(name)


def bare_passes(model: lxr.Recommender, history: torch.Tensor, target: torch.Tensor, passes: int, gradients: int) -> None:
    """A number of forward passes, and of gradients of the target's log-probability with respect to the history."""
    with torch.no_grad():
        for start in range(0, passes - gradients, BATCH):
            model(history[: min(BATCH, passes - gradients - start)])
    for start in range(0, gradients, BATCH):
        x = history[: min(BATCH, gradients - start)].clone().requires_grad_()
        torch.autograd.grad(model.target_log_prob(model(x), target[: len(x)]).sum(), x)


def costs(name: str, model: lxr.Recommender, train, matrix, rounds: int) -> dict[str, float]:
    """Time of one explainer, and its ratios to the bare passes and to the reference implementation."""
    target = lxr.top_item(model, matrix)
    with lxr.evaluation.measure_cost(model) as making:
        explainer = lxr.EXPLAINERS[name](model, train, seed=SEED)
    with lxr.evaluation.measure_cost(model) as cost:
        explainer.explain(matrix, target)
    repeats = -(-BATCH // matrix.shape[0])
    some, items = lxr.utils.dense(matrix).repeat(repeats, 1)[:BATCH], torch.from_numpy(target).repeat(repeats)[:BATCH]
    times = side_by_side(
        rounds,
        explain=lambda: explainer.explain(matrix, target),
        floor=lambda: bare_passes(model, some, items, cost.n_scored, cost.n_gradients),
    )
    lengths = np.diff(matrix.indptr)
    typical = int(np.abs(lengths - lengths.mean()).argmin())
    row = matrix[[typical]].toarray()[0].tolist()
    reference = one_by_one(name, explainer, train.toarray(), row, int(target[typical]))
    naive_seconds = seconds(reference) if reference else float("nan")
    per_user = times["explain"] / matrix.shape[0]
    return {
        "making [s]": making.seconds,
        "s per 1,000 users": 1000 * per_user,
        "passes per user": cost.n_scored / matrix.shape[0],
        "with gradient": cost.n_gradients / matrix.shape[0],
        "explainer / bare passes": times["explain"] / times["floor"] if cost.n_scored else float("nan"),
        "reference [s per user]": naive_seconds,
        "reference / explainer": naive_seconds / per_user,
    }


def main() -> None:
    """Print one table per recommender."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, help="raw data; by default LXR_DATA_DIR of the environment, or Data/")
    parser.add_argument("--rounds", type=int, default=3, help="number of rounds for the median")
    parser.add_argument("--users", type=int, default=200, help="test users to explain")
    parser.add_argument("--recommenders", nargs="+", default=["mf", "vae", "ncf"], metavar="NAME")
    parser.add_argument("--explainers", nargs="+", default=ASKING, metavar="NAME")
    options = parser.parse_args()
    name = dataset_at_hand(options.data_dir)
    matrix = lxr.load_dataset(name, options.data_dir).matrix
    train, validation, test = lxr.split_users(matrix.shape[0], seed=42)
    users = test[np.linspace(0, len(test) - 1, min(options.users, len(test))).astype(int)]
    print(f"{name}, {len(users)} users, {torch.get_num_threads()} threads, PyTorch {torch.__version__}")
    for recommender in options.recommenders:
        model = lxr.RECOMMENDERS[recommender](matrix.shape[1])
        lxr.fit(model, matrix[train], matrix[validation], seed=SEED, epochs=20)
        rows = {
            explainer: costs(explainer, model, matrix[train], matrix[users], options.rounds)
            for explainer in lxr.utils.progress_bar(options.explainers, desc=recommender)
        }
        print(f"\n{recommender}\n{pd.DataFrame(rows).T.to_string(float_format='{:,.2f}'.format)}")


if __name__ == "__main__":
    main()
