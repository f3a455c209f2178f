"""Code shared by the benchmarks: clocks, memory, interleaved tasks, tables, and real data."""

import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import psutil

import lxr
from lxr.reporting.formats import to_csv
from lxr.utils.environment import environment
from lxr.utils.records import read_json, write_json

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
import oracles  # noqa: F401  (the reference implementations, for other benchmarks)


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def side_by_side(rounds: int, **works: Callable[[], object]) -> dict[str, float]:
    """Median wall times of functions that take turns, after one round that does not count."""
    times = {name: [] for name in works}
    for _ in range(rounds + 1):
        for name, work in works.items():
            times[name].append(seconds(work))
    return {name: statistics.median(values[1:]) for name, values in times.items()}


class Peak(threading.Thread):
    """Highest memory [bytes] of one of some processes, by default of this one, polled fifty times a second."""

    def __init__(self, *processes: psutil.Process):
        super().__init__(daemon=True)
        self.processes, self.highest, self.over = processes or (psutil.Process(),), 0, threading.Event()

    def run(self) -> None:
        """Poll until asked to stop."""
        while True:
            self.highest = max(self.highest, *(process.memory_info().rss for process in self.processes))
            if self.over.wait(0.02):
                return

    def end(self) -> float:
        """Stop, and return the highest memory [GB]."""
        self.over.set()
        self.join()
        return self.highest / 1024**3


def measured(work: Callable[[], object]) -> tuple[object, dict]:
    """Return the result of a stage, its wall and processor time, and the peak memory of the process during it."""
    peak, started, processor = Peak(), time.perf_counter(), time.process_time()
    peak.start()
    result = work()
    taken = {"seconds": time.perf_counter() - started, "processor seconds": time.process_time() - processor}
    return result, taken | {"peak [GB]": peak.end()}


def write_results(out: Path, tables: dict[str, tuple[pd.DataFrame, int]], *, parameters: dict) -> None:
    """Write tables, each with its digits after the point, and their provenance.

    Provenance goes to `run.json` of the directory, which has one entry for each benchmark that writes to it.
    """
    words = [Path(sys.argv[0]).name, *sys.argv[1:]]
    if "--out" in words:
        del words[words.index("--out") : words.index("--out") + 2]
    (out / "tables").mkdir(parents=True, exist_ok=True)
    for name, (table, decimals) in tables.items():
        (out / f"tables/{name}.csv").write_text(to_csv(table.round(decimals), decimals), encoding="utf-8")
    found = {
        "command": f"python benchmarks/{' '.join(words)}",
        "environment": environment(),
        "load": list(os.getloadavg()),  # processes that wanted a processor, means over 1, 5 and 15 minutes
        "parameters": parameters,
        "tables": sorted(tables),
    }
    record = read_json(out / "run.json") or {}
    write_json(record | {Path(sys.argv[0]).stem: found}, out / "run.json")


def dataset_at_hand(data_dir: Path | None) -> str:
    """MovieLens 1M if the data directory has it, else MovieLens 100K."""
    folder = lxr.utils.environment.data_directory(data_dir)
    return "ml-1m" if any((folder / path).is_file() for path in ("ml-1m/ratings.dat", "ratings.dat")) else "ml-100k"
