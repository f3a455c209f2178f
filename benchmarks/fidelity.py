"""Cost of the evaluation, as ratios measured side by side in one run: `python benchmarks/fidelity.py`.

MovieLens 1M if the data directory has it, else MovieLens 100K. The recommenders are not trained, which does not change the
cost of a forward pass. Each quantity is the median of several rounds, in which the compared functions take turns.
"""

import argparse
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from measuring import dataset_at_hand, measured, oracles, side_by_side

import lxr
from lxr.explainers.base import training_lists
from lxr.explainers.learned.lxr_network import start_network
from lxr.utils.sparse import batches

CUTOFFS, LENGTHS, STEPS = (1, 5, 10, 20, 50, 100), (1, 2, 3, 4, 5), 10
RECOMMENDERS = {name: lxr.RECOMMENDERS[name] for name in ("mf", "vae", "ncf")}  # of rows
OPTIONS = {"steps": STEPS, "cutoffs": CUTOFFS, "lengths": LENGTHS, "batch_size": 512}


@contextlib.contextmanager
def recorded(model: lxr.Recommender) -> Iterator[list[lxr.Histories]]:
    """Context with a list of the histories that the recommender is asked about, after deletion."""
    asked, answer = [], model.logits_after_deletion

    def record(histories: lxr.Histories, stays: torch.Tensor) -> torch.Tensor:
        asked.append(histories.keep(stays))
        return answer(histories, stays)

    model.logits_after_deletion = record
    try:
        yield asked
    finally:
        del model.logits_after_deletion


@torch.no_grad()
def tensor_loop(model: lxr.Recommender, row: torch.Tensor, target: int, importance: torch.Tensor) -> None:
    """Metrics of one user in a straightforward loop: tensors, but one masked history at a time."""
    items = row.nonzero().ravel()
    order = items[torch.argsort(importance[items], descending=True, stable=True)]
    sizes = np.cumsum([0] + [len(part) for part in np.array_split(np.arange(len(order)), STEPS)])

    def score(kept: torch.Tensor) -> tuple[int, float]:
        masked = torch.zeros_like(row)
        masked[kept] = 1.0
        logits = model(masked[None])
        probability = float(torch.exp(model.target_log_prob(logits, torch.tensor([target]))))
        ranking = torch.argsort(logits[0].masked_fill(row > 0, -torch.inf), descending=True)
        return 1 + int((ranking == target).nonzero()), probability

    for size in sizes:
        for kept in (order[size:], order[: len(order) - size], order[:size]):
            score(kept)
    for length in LENGTHS:
        for kept in (order[length:], order[:length]):
            score(kept)


def naive_metrics(model: lxr.Recommender, row: torch.Tensor, target: int, importance: torch.Tensor) -> None:
    """The metrics of one user by the reference implementation of the tests."""
    row, importance = row.tolist(), importance.tolist()
    oracles.curve_metrics(model, row, target, importance, STEPS, CUTOFFS)
    oracles.fixed_metrics(model, row, target, importance, LENGTHS, CUTOFFS)


def fidelity_costs(model: lxr.Recommender, history: torch.Tensor, rounds: int, sample: int) -> dict[str, float]:
    """Time of the evaluation, and its ratios to the floor and to per-user loops."""
    target = lxr.top_item(model, history)
    importance = torch.rand(history.shape, generator=torch.Generator().manual_seed(0))

    def evaluate():
        lxr.evaluate_fidelity(model, history, target, importance, **OPTIONS)

    with recorded(model) as asked:
        evaluate()

    @torch.no_grad()
    def floor():
        for masked in asked:
            model.logits(masked)

    def loop(metrics: Callable, users: int) -> Callable[[], None]:
        chosen = np.linspace(0, len(history) - 1, users).astype(int)
        return lambda: [metrics(model, history[user], int(target[user]), importance[user]) for user in chosen]

    times = side_by_side(
        rounds,
        evaluate=evaluate,
        floor=floor,
        loop=loop(tensor_loop, sample),
        naive=loop(naive_metrics, max(1, sample // 10)),
    )
    users = len(history)
    return {
        "users": users,
        "masked histories": sum(map(len, asked)),
        "evaluation [s]": times["evaluate"],
        "evaluation / bare forward passes": times["evaluate"] / times["floor"],
        "per-user tensor loop / evaluation": times["loop"] / sample * users / times["evaluate"],
        "naive reference / evaluation": times["naive"] / max(1, sample // 10) * users / times["evaluate"],
    }


def training_costs(model: lxr.Recommender, matrix, validation, settings: lxr.LXRSettings, rounds: int) -> dict[str, float]:
    """Time of an LXR epoch, validation included, and its ratio to its bare forward and backward passes."""
    target = torch.from_numpy(lxr.top_item(model, matrix))
    network = start_network(model, settings, 0, training_lists(model, train_matrix=matrix))
    groups = [(lxr.Histories.of_matrix(matrix[users]), target[users]) for users in batches(len(target), settings.batch_size)]

    def floor():
        for histories, explained in groups:
            network.zero_grad()
            mask = torch.sigmoid(network(histories, explained))
            (
                model.log_prob_of(histories, explained, mask) + model.log_prob_of(histories, explained, 1 - mask)
            ).sum().backward()

    def train(epochs: int) -> Callable[[], None]:
        return lambda: lxr.train_lxr(model, matrix, validation, settings=replace(settings, epochs=epochs))

    model.requires_grad_(False)
    times = side_by_side(rounds, one=train(1), three=train(3), floor=floor)
    epoch = (times["three"] - times["one"]) / 2
    return {"LXR, 40 epochs [s]": 40 * epoch, "LXR epoch / bare forward and backward passes": epoch / times["floor"]}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, help="raw data; by default LXR_DATA_DIR of the environment, or Data/")
    parser.add_argument("--rounds", type=int, default=3, help="number of rounds for the median")
    parser.add_argument("--sample", type=int, default=20, help="users of the per-user loops, extrapolated to all")
    options = parser.parse_args()
    name = dataset_at_hand(options.data_dir)
    matrix = lxr.load_dataset(name, options.data_dir).matrix
    train, validation, test = lxr.split_users(matrix.shape[0], seed=42)
    history = lxr.utils.dense(matrix[test])
    peaks, columns = {}, {}
    for recommender, cls in RECOMMENDERS.items():  # before other code takes memory
        model = cls(matrix.shape[1])
        judge = partial(lxr.evaluate_fidelity, model, history, lxr.top_item(model, history), history)
        _, cost = measured(partial(judge, **OPTIONS))
        peaks[recommender] = {"peak memory of the process [GB]": cost["peak [GB]"]}
    for recommender, cls in RECOMMENDERS.items():
        model = cls(matrix.shape[1])
        columns[recommender] = peaks[recommender] | fidelity_costs(model, history, options.rounds, options.sample)
        settings = lxr.explainers.published_settings(name, recommender)
        columns[recommender] |= training_costs(model, matrix[train], matrix[validation], settings, options.rounds)
    print(f"{name}, {torch.get_num_threads()} threads, PyTorch {torch.__version__}, medians of {options.rounds} rounds")
    print(pd.DataFrame(columns).to_string(float_format="{:,.2f}".format))


if __name__ == "__main__":
    main()
