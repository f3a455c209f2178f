"""Code shared by the benchmarks: clocks, memory, interleaved tasks, and real data."""

import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

import lxr

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
    """Highest memory of this process, polled fifty times a second."""

    def __init__(self):
        super().__init__(daemon=True)
        self.process, self.highest, self.over = psutil.Process(), 0, threading.Event()

    def run(self) -> None:
        """Poll until asked to stop."""
        while True:
            self.highest = max(self.highest, self.process.memory_info().rss)
            if self.over.wait(0.02):
                return


def measured(work: Callable[[], object]) -> tuple[object, dict]:
    """Return the result of a stage, its wall and processor time, and the peak memory of the process during it."""
    peak, started, processor = Peak(), time.perf_counter(), time.process_time()
    peak.start()
    result = work()
    taken = {"seconds": time.perf_counter() - started, "processor seconds": time.process_time() - processor}
    peak.over.set()
    peak.join()
    return result, taken | {"peak [GB]": peak.highest / 1024**3}


def dataset_at_hand(data_dir: Path | None) -> str:
    """MovieLens 1M if the data directory has it, else MovieLens 100K."""
    folder = lxr.utils.environment.data_directory(data_dir)
    return "ml-1m" if any((folder / path).is_file() for path in ("ml-1m/ratings.dat", "ratings.dat")) else "ml-100k"
