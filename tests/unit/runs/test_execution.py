"""Stages on workers: a process each, with the worker's files and the run's environment, which ends with its task."""

import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import psutil
import pytest
from processes import kernels

from lxr.distributed.cluster import ClusterError, SchedulerLostError
from lxr.runs import execution
from lxr.runs.pipeline import Pipeline
from lxr.runs.stage import Stage
from lxr.utils.storage import DataError

NOTEBOOK = """
import os
import time
import lxr
workspace = lxr.runs.Workspace("toy", {"dataset": "toy", "results": results})
(workspace.root / "begun").touch()
time.sleep(seconds)
if fail:
    raise RuntimeError("the toy was told to fail")
workspace.output("environment.txt").write_text(f"{os.environ['LXR_SCHEDULER']} {os.environ['OMP_NUM_THREADS']}")
workspace.finish()
"""


class Workers(ThreadPoolExecutor):
    """Workers of this process, to which everything is sent by pickle."""

    address, resources, failure = "tcp://host:1", {}, None

    def submit(self, function, /, *args):
        if self.failure:
            raise self.failure
        return super().submit(function, *pickle.loads(pickle.dumps(args)))


@pytest.fixture
def stage(tmp_path, monkeypatch) -> Stage:
    """A stage, on workers with three threads."""
    monkeypatch.setattr(execution, "leave_slot", lambda: 3)
    parameters = nbformat.v4.new_code_cell('results = ""\nseconds = 0\nfail = False')
    parameters.metadata["tags"] = ["parameters"]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    cells = [parameters, nbformat.v4.new_code_cell(NOTEBOOK)]
    nbformat.write(nbformat.v4.new_notebook(metadata={"kernelspec": kernel}, cells=cells), tmp_path / "toy.ipynb")
    return Stage("toy", tmp_path / "toy.ipynb", {"results": str(tmp_path)})


def pipeline(stage: Stage, tmp_path: Path, executor: Workers, **parameters) -> Pipeline:
    stage = Stage(stage.name, stage.notebook, stage.parameters | parameters)
    return Pipeline([stage], tmp_path / "toy", executor=executor)


@pytest.mark.slow
def test_a_stage_on_a_worker_has_its_threads_and_the_scheduler(stage, tmp_path):
    with Workers(1) as workers:
        failed = pipeline(stage, tmp_path, workers, fail=True).run()["toy"]
        assert failed.state == "failed" and "RuntimeError: the toy was told to fail" in failed.detail
        assert pipeline(stage, tmp_path, workers).run()["toy"].state == "done"
    assert (tmp_path / "toy" / "environment.txt").read_text() == "tcp://host:1 3"
    assert pipeline(stage, tmp_path, None).run()["toy"].state == "skipped"  # the stamp does not depend on the cluster


@pytest.mark.slow
def test_a_stage_that_nobody_waits_for_ends_with_its_kernel(stage, tmp_path, monkeypatch):
    begun = tmp_path / "toy" / "begun"
    monkeypatch.setattr(execution, "is_wanted", lambda: not begun.exists())
    started = time.monotonic()
    with Workers(1) as workers:
        outcome = pipeline(stage, tmp_path, workers, seconds=600).run()["toy"]
    assert outcome.state == "failed" and begun.exists() and time.monotonic() - started < 300
    _, alive = psutil.wait_procs(kernels(), timeout=30)
    assert not alive


def test_a_worker_with_another_notebook_is_refused(stage, tmp_path):
    errand = execution.Errand.of(stage, tmp_path, {})
    assert errand.received() == stage
    stage.notebook.write_text("{}")
    with pytest.raises(DataError, match=r"toy.ipynb: expected the client's file \(.{12}\), found .{12} on this worker"):
        errand.received()
    stage.notebook.unlink()
    with pytest.raises(DataError, match="found none on this worker"):
        errand.received()


def test_a_lost_worker_fails_its_stage_and_a_lost_scheduler_ends_the_run(stage, tmp_path):
    with Workers(1) as workers:
        workers.failure = ClusterError("all 3 tries were lost; the last worker was tcp://host:2")
        outcome = pipeline(stage, tmp_path, workers).run()["toy"]
        assert (outcome.state, outcome.detail) == ("failed", f"notebooks/toy.ipynb: {workers.failure}")
        workers.failure = SchedulerLostError("the scheduler was lost")
        with pytest.raises(SchedulerLostError):
            pipeline(stage, tmp_path, workers).run()
