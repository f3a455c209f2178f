"""A tiny run on two workers with separate directories, one of which is killed, compared with a run without a cluster.

    python benchmarks/two_hosts.py

It starts a scheduler and two workers as plain processes. If it may create network namespaces (root on Linux), each worker is
in its own, as on another host; results are in a directory that both can reach, as on a cluster.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from lxr.utils.environment import PROJECT_ROOT

RUN = ["run_all.py", "--smoke", "--recommenders", "mf", "--explainers", "lxr", "--before", "explore", "--device", "cpu"]
BRIDGE, NETWORK = "lxr-hosts", "10.213.7"
SILENT = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
ENVIRONMENT = os.environ | {"PYTHONPATH": str(PROJECT_ROOT), "OMP_NUM_THREADS": "1"}


def ip(words: str) -> bool:
    """Run a command of iproute2; false if there is none, or if it is not permitted."""
    with contextlib.suppress(FileNotFoundError):
        return subprocess.run(["ip", *words.split()], **SILENT, check=False).returncode == 0
    return False


@contextlib.contextmanager
def hosts() -> Iterator[tuple[str, list[list[str]]]]:
    """Address for the scheduler, and the prefix of a command on each of two hosts: namespaces, or nothing."""
    names, made = [f"{BRIDGE}-1", f"{BRIDGE}-2"], []
    try:
        if ip(f"link add {BRIDGE} type bridge"):
            made.append(f"link del {BRIDGE}")
            right = ip(f"addr add {NETWORK}.1/24 dev {BRIDGE}") and ip(f"link set {BRIDGE} up")
            for number, name in enumerate(names, 2):
                made.append(f"netns del {name}")
                right = right and all(
                    ip(words)
                    for words in (
                        f"netns add {name}",
                        f"link add lxr-{number} type veth peer name eth0 netns {name}",
                        f"link set lxr-{number} master {BRIDGE} up",
                        f"-n {name} addr add {NETWORK}.{number}/24 dev eth0",
                        f"-n {name} link set eth0 up",
                        f"-n {name} link set lo up",
                    )
                )
            if right:
                print(f"two network namespaces, {NETWORK}.2 and {NETWORK}.3")
                yield f"{NETWORK}.1", [["ip", "netns", "exec", name] for name in names]
                return
        print("no network namespaces here: two processes with separate directories")
        yield "127.0.0.1", [[], []]
    finally:
        for words in reversed(made):
            ip(words)


def run(results: Path, *options: str) -> subprocess.Popen:
    """Start a tiny run."""
    command = [sys.executable, *RUN, "--results", str(results), *options]
    return subprocess.Popen(
        command, cwd=PROJECT_ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finished(process: subprocess.Popen, what: str) -> None:
    """Wait for a run, and say how it ended; a failure ends this script."""
    began = time.monotonic()
    printed, errors = process.communicate()
    if process.returncode:
        raise SystemExit(f"{what}: {errors}")
    print(f"{what}: {printed.strip().splitlines()[-1]}, waited {time.monotonic() - began:.0f} s")


def files(results: Path) -> dict[str, bytes]:
    """Data, weights, scores and tables of a run, without measured times."""
    found = [path for path in results.rglob("*.*") if path.suffix in (".npz", ".pt", ".csv", ".md", ".tex")]
    return {path.relative_to(results).as_posix(): path.read_bytes() for path in found if "cost" not in path.name}


def kernel_below(worker: subprocess.Popen) -> psutil.Process | None:
    """The kernel of a notebook on a worker, if there is one."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(worker.pid).children(recursive=True):
            if "ipykernel_launcher" in child.cmdline():
                return child
    return None


def kill_a_busy_one(workers: list[subprocess.Popen], process: subprocess.Popen) -> None:
    """Kill the process that works for a nanny, and look after its kernel."""
    while process.poll() is None:
        for worker in workers:
            if kernel := kernel_below(worker):
                kernel.parent().parent().kill()
                _, alive = psutil.wait_procs([kernel], timeout=30)
                print(f"killed a worker in the middle of a notebook; its kernel {'lives on' if alive else 'has ended'}")
                return
        time.sleep(0.2)


def main() -> None:
    with TemporaryDirectory(prefix="lxr-hosts-") as directory, hosts() as (host, prefixes):
        here, started = Path(directory), []
        file = here / "scheduler.json"
        try:
            command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", host, "--port", "0"]
            started.append(
                subprocess.Popen([*command, "--no-dashboard", "--scheduler-file", str(file)], env=ENVIRONMENT, **SILENT)
            )
            while not file.is_file() or not file.read_text(encoding="utf-8"):
                time.sleep(0.2)
            address = json.loads(file.read_text(encoding="utf-8"))["address"]
            for number, prefix in enumerate(prefixes):
                (here / f"host-{number}").mkdir()
                command = [*prefix, sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1"]
                place = here / f"host-{number}"
                started.append(subprocess.Popen([*command, "--no-dashboard"], cwd=place, env=ENVIRONMENT, **SILENT))
            finished(run(here / "alone"), "without a cluster")
            process = run(here / "cluster", "--scheduler", str(file))
            kill_a_busy_one(started[1:], process)
            finished(process, "on two workers")
            alone, cluster = files(here / "alone"), files(here / "cluster")
            different = [name for name in alone | cluster if alone.get(name) != cluster.get(name)]
            print(f"{len(alone)} files, {len(different)} differ: {' '.join(different)}")
        finally:
            for each in reversed(started):
                each.terminate()
                each.wait()


if __name__ == "__main__":
    main()
