"""Latency of the service: `python benchmarks/service.py`.

An MF of 10,000 generated items is trained for an epoch, saved as a bundle, and served by `lxr serve` in another process.
Requests come at random times (a Poisson process), independent of earlier answers, over persistent connections. The time of
an answer counts from the due time of its request.
"""

import argparse
import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from scale import generated_ratings

import lxr

OPTIONS = {"lxr": {"epochs": 1}, "lxr-path-pure-rank": {"epochs": 2}}


def save_bundle(path: Path, explainer: str, n_users: int, n_items: int) -> np.ndarray:
    """Save a bundle of an MF; returns the ids of its users."""
    data = lxr.prepare(generated_ratings(n_users, n_items), min_rating=4, min_users_per_item=1)
    train, validation, _ = (data.matrix[part] for part in lxr.split_users(len(data.user_ids)))
    model = lxr.MF(data.n_items)
    lxr.fit(model, train, validation, epochs=1)
    made = lxr.EXPLAINERS[explainer](model, train[:500], validation[:100], **OPTIONS.get(explainer, {}))
    lxr.save(path, model=model, explainer=made, data=data)
    print(f"{data.n_items} items, {len(data.user_ids)} users, {data.matrix.nnz / len(data.user_ids):.0f} items a user")
    return data.user_ids


class Connections:
    """Persistent connections to a service; a new one is opened if none is free."""

    def __init__(self, port: int):
        self.port, self.free = port, []

    async def ask(self, body: dict) -> int:
        """Send one request and read the answer; returns the status."""
        self.free = [each for each in self.free if not each[0].at_eof()]  # the service closes idle ones after 5 s
        reader, writer = self.free.pop() if self.free else await asyncio.open_connection("127.0.0.1", self.port)
        content = json.dumps(body).encode()
        head = (
            f"POST /explain HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(content)}"
        )
        writer.write(head.encode() + b"\r\n\r\n" + content)
        answer = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(re.search(rb"content-length: (\d+)", answer, re.IGNORECASE)[1]))
        self.free.append((reader, writer))
        return int(answer.split(b" ", 2)[1])


async def ask_at(port: int, users: np.ndarray, rate: float, seconds: float, seed: int) -> tuple[np.ndarray, int]:
    """Seconds (n,) until the answer to each request of some period, and the number of refused requests."""
    generator = np.random.default_rng(seed)
    connections, count = Connections(port), int(rate * seconds)
    due, asked = generator.exponential(1 / rate, count).cumsum(), generator.choice(users, count)
    started = time.perf_counter()

    async def one(moment: float, user: int) -> tuple[float, int]:
        await asyncio.sleep(max(0.0, moment - (time.perf_counter() - started)))
        status = await connections.ask({"user": int(user)})
        return time.perf_counter() - started - moment, status

    found = await asyncio.gather(*(one(*each) for each in zip(due, asked, strict=True)))
    return np.array([seconds for seconds, _ in found]), sum(status != 200 for _, status in found)


def measure(path: Path, users: np.ndarray, rates: list[float], seconds: float) -> pd.DataFrame:
    """Milliseconds until an answer, by rate."""
    command = [sys.executable, "-m", "lxr", "serve", str(path), "--port", "0"]
    rows = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as service:
        try:
            port = int(re.search(r":(\d+)/docs", service.stdout.readline())[1])
            asyncio.run(ask_at(port, users, 20, 3, seed=1))  # the first answers take longer
            for rate in rates:
                before = processor_seconds(service.pid)
                waited, refused = asyncio.run(ask_at(port, users, rate, seconds, seed=0))
                used = processor_seconds(service.pid) - before
                p50, p90, p99 = np.percentile(1000 * waited, (50, 90, 99))
                row = {"requests a second": rate, "requests": len(waited), "refused": refused}
                row |= {"p50 [ms]": p50, "p90 [ms]": p90, "p99 [ms]": p99, "CPU a request [ms]": 1000 * used / len(waited)}
                rows.append(row | {"load of the machine": psutil.getloadavg()[0]})
        finally:
            service.terminate()
    return pd.DataFrame(rows)


def processor_seconds(process: int) -> float:
    """Seconds that a process has been on a processor."""
    times = psutil.Process(process).cpu_times()
    return times.user + times.system


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--explainers", nargs="+", default=["rank-margin", "lxr", "lxr-path-pure-rank"], metavar="NAME")
    parser.add_argument("--rates", type=float, nargs="+", default=[10, 50, 100], help="requests a second")
    parser.add_argument("--seconds", type=float, default=30, help="of each rate")
    parser.add_argument("--size", type=int, nargs=2, default=(5_000, 10_000), metavar=("USERS", "ITEMS"))
    options = parser.parse_args()
    for explainer in options.explainers:
        with tempfile.TemporaryDirectory() as directory:
            users = save_bundle(Path(directory, "bundle"), explainer, *options.size)
            table = measure(Path(directory, "bundle"), users, options.rates, options.seconds)
        print(f"\n{explainer}, on {psutil.cpu_count()} cores\n{table.round(1).to_string(index=False)}")


if __name__ == "__main__":
    main()
