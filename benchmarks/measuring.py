"""What the benchmarks share: clocks, works that take turns, and real data."""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import lxr

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
import naive  # noqa: F401  (the reference implementations, for whoever measures against them)


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def side_by_side(rounds: int, **works: Callable[[], object]) -> dict[str, float]:
    """Median wall times of works that take turns, after one round that does not count."""
    times = {name: [] for name in works}
    for _ in range(rounds + 1):
        for name, work in works.items():
            times[name].append(seconds(work))
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def dataset_at_hand(data_dir: Path | None) -> str:
    """MovieLens 1M where the data directory has it, else MovieLens 100K."""
    place = lxr.datasets.data_directory(data_dir)
    return "ml-1m" if any((place / path).is_file() for path in ("ml-1m/ratings.dat", "ratings.dat")) else "ml-100k"
