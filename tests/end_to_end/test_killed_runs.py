"""Trials: runs that are killed, that meet, and whose files are damaged, end with the tables of an undisturbed run."""

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lxr.runs import cli
from lxr.runs.pipeline import Pipeline
from lxr.runs.stages import plan_stages
from lxr.utils.environment import PROJECT_ROOT
from lxr.utils.locks import LOCK

# The data and a recommender: two notebooks.
TINY = ["--smoke", "--recommenders", "mf", "--before", "05_lxr", "--jobs", "1", "--device", "cpu"]


def start(results: Path) -> subprocess.Popen:
    """A tiny run in a separate process."""
    command = [sys.executable, "run_all.py", *TINY, "--results", str(results)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=PROJECT_ROOT, **pipes)


def finish(results: Path) -> str:
    """Run to the end; returns what was printed."""
    process = start(results)
    printed, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return printed


def tables(results: Path) -> dict[str, bytes]:
    found = {path.name: path.read_bytes() for path in (results / "synthetic" / "tables").glob("*.*")}
    assert {"data.csv", "recommender_mf.csv"} <= found.keys()
    return found


def kill(process: subprocess.Popen) -> None:
    """Kill a run, and wait until its kernels have seen that it is gone."""
    kernels = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(kernels, timeout=30)
    assert not alive, "a kernel outlives its run"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """Results of a run that nothing has disturbed."""
    results = tmp_path_factory.mktemp("undisturbed")
    finish(results)
    return results


@pytest.mark.slow
def test_a_run_may_be_killed_at_any_moment(undisturbed, tmp_path, trials):
    for trial in range(trials):
        results, moment = tmp_path / str(trial), random.Random(trial).uniform(0, 8)
        lock = results / "synthetic" / LOCK
        process = start(results)
        while process.poll() is None and not (lock.is_file() and lock.read_text()):
            time.sleep(0.05)
        if trial == 0:  # no other run may start meanwhile
            second = start(results)
            _, errors = second.communicate(timeout=60)
            assert second.returncode == 1
            assert errors.count("\n") == 1 and f"in use by another run: process {process.pid} on " in errors
        time.sleep(moment)
        kill(process)
        printed = finish(results)  # the lock is free
        assert tables(results) == tables(undisturbed), f"killed {moment:.1f} s after its start"
        assert printed.count("  run  ") + printed.count("  skip ") == 2
        assert not list(results.rglob("*.tmp.ipynb"))


@pytest.mark.slow
def test_whatever_is_damaged_is_made_again(undisturbed, tmp_path, trials):
    for trial in range(trials):
        generator, results = random.Random(trial), tmp_path / str(trial)
        shutil.copytree(undisturbed, results)
        options = cli.parse([*TINY, "--results", str(results)])
        root = results / "synthetic"
        pipeline = Pipeline(plan_stages(options), root)
        stage = generator.choice(pipeline.stages)
        names = [f"stages/{stage.name}.json", *stage.record(root)["outputs"]]
        assert f"notebooks/{stage.name}.ipynb" in names
        for name in names:
            whole = (root / name).read_bytes()
            damage(root / name, generator)
            assert pipeline.why_stale(stage), f"{name} is damaged, unnoticed"
            (root / name).write_bytes(whole)
            assert not pipeline.why_stale(stage)
        for name in generator.sample(names, 3):
            damage(root / name, generator)
        assert pipeline.run()[stage.name].state == "done" and tables(results) == tables(undisturbed)
        assert not any(pipeline.why_stale(stage) for stage in pipeline.stages)


def damage(path: Path, generator: random.Random) -> None:
    """Delete a file, shorten it, or change one of its bits."""
    content = bytearray(path.read_bytes())
    kind, place = generator.choice(["gone", "short", "changed"]), generator.randrange(len(content))
    content[place] ^= 1 << generator.randrange(8)
    if kind == "gone":
        path.unlink()
    else:
        path.write_bytes(content if kind == "changed" else content[:place])
