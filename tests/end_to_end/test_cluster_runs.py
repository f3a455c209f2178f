"""Runs on a cluster: a worker that is killed, and an interruption, end with the tables of a run of one machine."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil
import pytest
from processes import kernels

from lxr.utils.environment import PROJECT_ROOT

pytestmark = pytest.mark.slow
TINY = ["--smoke", "--recommenders", "mf", "--before", "02_mf", "--device", "cpu"]  # one notebook


def start(results: Path, *options: str) -> subprocess.Popen:
    command = [sys.executable, "run_all.py", *TINY, "--results", str(results), *options]
    # What a shell runs in the background ignores the interrupt from the keyboard, and so would what it starts.
    listen = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=PROJECT_ROOT, preexec_fn=listen, env=environment, **pipes)


def finish(process: subprocess.Popen) -> str:
    printed, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    return printed


def soon(ready: Callable[[], object]) -> object:
    """Wait until something is true; returns it."""
    end = time.monotonic() + 300
    while not (found := ready()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def worker_of(kernel: psutil.Process) -> psutil.Process:
    return kernel.parent().parent()


def files(results: Path) -> dict[str, bytes]:
    """Data, weights and tables."""
    found = [path for path in (results / "synthetic").rglob("*.*") if path.suffix in (".npz", ".pt", ".csv", ".md", ".tex")]
    return {path.relative_to(results).as_posix(): path.read_bytes() for path in found}


def test_a_run_on_a_cluster_gives_the_same_files_even_if_a_worker_is_killed(workers, tmp_path):
    finish(start(tmp_path / "alone"))
    scheduler = tmp_path / "scheduler.json"
    scheduler.write_text(json.dumps({"address": workers.scheduler_address}))
    on_cluster = ["--scheduler", str(scheduler)]
    run = start(tmp_path / "cluster", *on_cluster)
    kernel = soon(kernels)[0]
    assert kernel.parent().parent().parent().pid != run.pid
    worker_of(kernel).kill()
    _, alive = psutil.wait_procs([kernel], timeout=60)
    assert not alive, "a kernel outlives its worker"
    assert "1 done, 0 skipped, 0 failed" in finish(run)
    made = files(tmp_path / "cluster")
    assert {"synthetic/interactions.npz", "synthetic/tables/data.csv"} <= made.keys()
    assert made == files(tmp_path / "alone")
    assert not [path for path in (tmp_path / "cluster").rglob(".*") if path.suffix != ".csv" and "token" in path.name]
    record = json.loads((tmp_path / "cluster/synthetic/stages/01_data_preparation.json").read_text())
    assert record["environment"]["machine"]["processors"] == os.cpu_count() and record["key"]
    assert "1 skipped" in finish(start(tmp_path / "cluster"))  # stamps are those of any run


def test_an_interrupted_run_leaves_no_kernels_on_its_workers(workers, tmp_path):
    run = start(tmp_path, "--scheduler", workers.scheduler_address)
    started = soon(kernels)
    assert started
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=120)
    assert run.returncode == 130 and "finished stages are kept" in errors
    _, alive = psutil.wait_procs(started, timeout=60)
    assert not alive, "a kernel outlives the run"


def test_a_run_without_its_scheduler_says_so_in_one_line(tmp_path):
    run = start(tmp_path, "--scheduler", "nowhere.json")
    _, errors = run.communicate(timeout=120)
    assert run.returncode == 1
    assert errors.count("\n") == 1 and "expected tcp://host:port or a scheduler file, found 'nowhere.json'" in errors
