"""Efficiency of workers, overhead of shards, bytes and memory: `python benchmarks/workers.py`.

Generated users of `scale.py`; MF of 64 factors that is not trained; one scheduler and its workers, which are processes with
one thread each, on this machine. All clusters run throughout and take turns, no executor among them, so other work on the
machine changes ratios less than times. Four workers on two processors are oversubscribed: their efficiency is at most 1/2.

Tables go to `results/scale/tables`, their provenance to `results/scale/run.json`:

- `workers`: time, and processor time of all processes together, divided by those without an executor; the efficiency, which
  is the time of one worker / (n × time of n workers); the highest memory of the client and of a worker;
- `shards`: milliseconds of an empty shard, and of these the processor time of client and scheduler, one process here;
- `traffic`: mean number of entries of a user, bytes that are sent once to every worker, and bytes of a user on the way to a
  worker, on the way back, and in a Parquet file with ten reasons.
"""

import argparse
import contextlib
import os
import pickle
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import torch
from distributed import LocalCluster
from measuring import Peak, write_results
from scale import generated_pairs

import lxr
from lxr.distributed import ClusterExecutor, connect, map_shards
from lxr.utils.environment import PROJECT_ROOT

EXPLAINERS = ["leave-one-out", "rank-margin-path"]
EMPTY = 200  # empty shards
Work = Callable[[Executor | None], object]


class Team:
    """A number of workers, with an executor over them; none of both for a number of zero."""

    def __init__(self, n_workers: int, executor: ClusterExecutor | None = None):
        self.n_workers, self.executor = n_workers, executor
        pids = executor.client.run(os.getpid).values() if executor else ()
        self.workers = [psutil.Process(pid) for pid in pids]

    def run(self, work: Work) -> dict[str, float]:
        """Time, processor time of the client and all workers, and highest memory [GB] of each kind."""
        peaks = [Peak(), *([Peak(*self.workers)] if self.workers else [])]
        for peak in peaks:
            peak.start()
        before, started = self.processor_seconds(), time.perf_counter()
        work(self.executor)
        found = {"time": time.perf_counter() - started, "processor time": self.processor_seconds() - before}
        return found | dict(zip(("client [GB]", "worker [GB]"), [peak.end() for peak in peaks], strict=False))

    def processor_seconds(self) -> float:
        """Processor time of the client, which has the scheduler, and of all workers."""
        return time.process_time() + sum(sum(worker.cpu_times()[:2]) for worker in self.workers)


@contextlib.contextmanager
def teams(counts: list[int]) -> Iterator[list[Team]]:
    """No executor, and a cluster for each number of workers, all at the same time."""
    with contextlib.ExitStack() as stack:
        found = [Team(0)]
        for count in counts:
            options = {"n_workers": count, "threads_per_worker": 1, "dashboard_address": ":0"}
            cluster = stack.enter_context(LocalCluster(**options))
            found.append(Team(count, stack.enter_context(connect(cluster.scheduler_address, timeout=120))))
        yield found


def compared(rounds: int, work: Work, found: list[Team]) -> pd.DataFrame:
    """Medians of all teams (rows), which take turns, after one round that does not count."""
    runs = [pd.DataFrame([team.run(work) for team in found]) for _ in range(rounds + 1)]
    table = pd.concat(runs[1:]).groupby(level=0).median()
    alone, one = table.loc[0], table.loc[found[1].n_workers]
    workers = [team.n_workers for team in found]
    ratios = {f"{column} / no executor": table[column] / alone[column] for column in ("time", "processor time")}
    efficiency = (one["time"] / (workers * table["time"])).where(np.array(workers) > 0)
    return pd.DataFrame({"workers": workers} | ratios | {"efficiency": efficiency}).join(table.filter(like="[GB]"))


class Counting(Executor):
    """Computes in this thread, and counts the bytes that a cluster would send."""

    def __init__(self):
        self.shared, self.once, self.there, self.back = [], 0, 0, 0

    def share(self, value: object) -> object:
        """Count a value that is sent once to each worker."""
        self.shared.append(value)
        self.once += len(pickle.dumps(value))
        return value

    def submit(self, function: Callable, /, *args: object, **options: object) -> Future:
        """Compute a task; count its arguments, without shared values, and its result."""
        sent, future = [arg for arg in args if not any(arg is value for value in self.shared)], Future()
        future.set_result(result := function(*args, **options))
        self.there, self.back = self.there + len(pickle.dumps(sent)), self.back + len(pickle.dumps(result))
        return future


def traffic(works: dict[str, Work], model: lxr.Recommender, lists: lxr.EntryLists) -> pd.DataFrame:
    """Bytes of each work; those of explanations on disk do not depend on the explainer."""
    rows = {}
    for name, work in works.items():
        work(counting := Counting())
        of_users = {"to a worker": counting.there, "back": counting.back}
        rows[name] = {"entries": len(lists.items) / len(lists), "once per worker": counting.once}
        rows[name] |= {key: value / len(lists) for key, value in of_users.items()}
    data = lxr.Interactions(lists.matrix(), np.arange(len(lists)), np.arange(lists.n_columns))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "explanations.parquet"
        lxr.explain(model, data, rows=np.arange(len(lists)), explainer="gradient").to_parquet(path, reasons=10)
        rows[EXPLAINERS[0]]["on disk"] = path.stat().st_size / len(lists)
    return pd.DataFrame(rows).T.rename_axis("work")


def nothing(shard: int) -> int:
    """An empty shard."""
    return shard


def overhead(rounds: int, found: list[Team]) -> pd.DataFrame:
    """Milliseconds of an empty shard, by the number of workers: in all, and of the processor of the client and scheduler."""

    def empty(team: Team) -> dict[str, float]:
        before, started = time.process_time(), time.perf_counter()
        list(map_shards(nothing, range(EMPTY), executor=team.executor))
        taken = {"empty shard [ms]": time.perf_counter() - started, "scheduler [ms]": time.process_time() - before}
        return {name: 1000 * value / EMPTY for name, value in taken.items()}

    runs = [pd.DataFrame([empty(team) for team in found[1:]]) for _ in range(rounds + 1)]
    table = pd.concat(runs[1:]).groupby(level=0).median()
    return table.set_axis(pd.Index([team.n_workers for team in found[1:]], name="workers"))


def main() -> None:
    """Write and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=1024)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--shard", type=int, default=256, help="users of a shard")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4], help="numbers of workers; 1 is the first")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=PROJECT_ROOT / "results/scale", help="directory of the tables")
    options = parser.parse_args()
    torch.set_num_threads(1)
    lists = lxr.prepare(generated_pairs(options.users, options.items)).histories()
    model = lxr.MF(lists.n_columns)
    target, shard = lxr.top_item(model, lists), {"users_per_batch": options.shard}
    made = {name: lxr.EXPLAINERS[name](model, lists) for name in EXPLAINERS}
    scores = made[EXPLAINERS[0]].explain(lists, target)
    works: dict[str, Work] = {
        name: lambda executor, by=by: by.explain(lists, target, executor=executor, **shard) for name, by in made.items()
    }
    works["judging"] = lambda executor: lxr.evaluate_fidelity(model, lists, target, scores, executor=executor, **shard)
    with teams(options.workers) as found:
        bar = lxr.utils.progress_bar(works.items(), desc="works")
        tables = {name: compared(options.rounds, work, found) for name, work in bar}
        shards = overhead(options.rounds, found)
    workers = pd.concat(tables, names=["work"]).reset_index(level=1, drop=True)
    results = {"workers": (workers, 2), "shards": (shards, 2), "traffic": (traffic(works, model, lists), 1)}
    parameters = {name: value for name, value in vars(options).items() if name != "out"}
    write_results(options.out, results, parameters=parameters | {"users": len(lists), "items": lists.n_columns})
    for table, decimals in results.values():
        print(f"{table.round(decimals).to_string()}\n")


if __name__ == "__main__":
    main()
