"""Trials: `lxr explain`, killed at any moment and started again, ends with the files of an undisturbed run."""

import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

import lxr
from lxr.delivery import read_explanations

N_FILES = 75  # of eight users each


@pytest.fixture(scope="module")
def command(tmp_path_factory) -> list:
    """The command without its directory."""
    folder, data = tmp_path_factory.mktemp("delivery"), lxr.load_dataset("synthetic")
    lxr.MF(data.n_items, n_factors=8).save(folder / "mf.pt")
    data.save(folder / "data.npz")
    what = ["--model", folder / "mf.pt", "--data", folder / "data.npz", "--explainer", "rank-margin-path", "--top", "1"]
    return [sys.executable, "-m", "lxr", "explain", *map(str, what), "--users-per-file", "8"]


@pytest.fixture(scope="module")
def undisturbed(command, tmp_path_factory) -> Path:
    """The directory of a run that nothing has disturbed."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    subprocess.run([*command, "--out", str(out)], check=True, capture_output=True, timeout=300)
    assert len(files(out)) == N_FILES
    return out


def files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("part-*")}


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [2])
def test_a_run_may_be_killed_at_any_moment(command, undisturbed, tmp_path, trials, jobs):
    expected = files(undisturbed)
    for trial in range((trials + 1) // 2):
        out, generator = tmp_path / str(trial), random.Random(10 * trial + jobs)
        words = [*command, "--out", str(out), "--jobs", str(jobs)]
        for _ in range(2):
            kill(subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), out, generator)
        there = files(out)
        assert there.items() <= expected.items()
        finished = subprocess.run(words, check=True, capture_output=True, encoding="utf-8", timeout=300)
        assert files(out) == expected
        assert f"600 explanations of 600 users by rank-margin-path: {N_FILES} files in {out}" in finished.stdout
        frame = read_explanations(out)
        assert not frame.duplicated(["user", "rank"]).any() and frame["user"].nunique() == 600
        assert not list(out.glob(".*.tmp*"))


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [2])
def test_an_interrupted_run_says_so_and_goes_on(command, undisturbed, tmp_path, jobs):
    words = [*command, "--out", str(tmp_path / "out"), "--jobs", str(jobs)]
    process = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # tests in the background ignore it
    )
    while process.poll() is None and len(files(tmp_path / "out")) < 3:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "interrupted: finished files are kept; run the same command to resume"
    assert "Traceback" not in errors
    assert 3 <= len(files(tmp_path / "out")) < N_FILES
    subprocess.run(words, check=True, capture_output=True, timeout=300)
    assert files(tmp_path / "out") == files(undisturbed)


@pytest.mark.slow
def test_one_run_at_a_time(command, tmp_path):
    words = [*command, "--out", str(tmp_path / "out"), "--jobs", "1"]
    first = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while first.poll() is None and not files(tmp_path / "out"):
        time.sleep(0.01)
    first.send_signal(signal.SIGSTOP)
    try:
        second = subprocess.run(words, check=False, capture_output=True, encoding="utf-8", timeout=60)
    finally:
        first.kill()
        first.wait()
    assert second.returncode == 1
    (line,) = second.stderr.splitlines()
    assert f"is in use by another run: process {first.pid} on " in line


def kill(process: subprocess.Popen, out: Path, generator: random.Random) -> None:
    """Kill a run after it has written some more files, and see that its processes end with it."""
    wanted = len(files(out)) + generator.randint(0, 20)
    while process.poll() is None and len(list(out.glob("part-*"))) < wanted:
        time.sleep(0.01)
    time.sleep(generator.uniform(0, 0.1))
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive, "a process outlives its parent"
