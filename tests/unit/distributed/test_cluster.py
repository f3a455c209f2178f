"""Clusters: what is checked before the work, what is tried again, what is one clear error, and what is cancelled."""

import json
import os
import signal
import time
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path

import pytest

from lxr.distributed import ClusterError, cluster, connect
from lxr.distributed.requirements import Requirements, versions


def total(numbers, more):
    return sum(numbers) + more


def killed(path, times):
    """Kill the worker the first times."""
    marks = Path(path)
    marks.mkdir(exist_ok=True)
    if len(list(marks.iterdir())) < times:
        (marks / str(os.getpid())).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def hungry(path):
    """Leave a mark for each try."""
    Path(path, str(time.time_ns())).touch()
    raise MemoryError("too large")


def waits_until_unwanted(path):
    Path(path, "begun").touch()
    while cluster.is_wanted():
        time.sleep(0.05)
    Path(path, "ended").touch()


def appears(path: Path) -> bool:
    end = time.monotonic() + 60
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.05)
    return path.exists()


def test_an_address_is_an_address_or_a_scheduler_file(tmp_path):
    pytest.importorskip("distributed", reason="the extra distributed is not installed")
    (tmp_path / "other.json").write_text("[]")
    for bad in ("nowhere.json", tmp_path / "other.json"):
        with pytest.raises(ValueError, match=r"address: expected tcp://host:port or a scheduler file, found '.*json'"):
            connect(bad)
    with pytest.raises(ValueError, match=r"address: expected a scheduler at tcp://127.0.0.1:1 within 0.5 s, found none"):
        connect("tcp://127.0.0.1:1", timeout=0.5)


def test_every_difference_of_versions_is_named():
    assert Requirements(tuple(versions().items())).complaints() == []
    other = versions() | {"torch": "0.1", "missing": "1", "sources of lxr": "beef"}
    del other["numpy"]
    said = Requirements(tuple(other.items())).complaints()
    assert [each.partition(":")[0] for each in said] == ["sources of lxr", "torch", "missing", "numpy"]
    assert said[1] == f"torch: expected 0.1, found {versions()['torch']}" and said[2] == "missing: expected 1, found none"


def test_a_token_must_be_there_and_the_same(tmp_path):
    token = tmp_path / "token"
    assert "found another one or none" in Requirements((), token).complaints()[-1]
    token.write_text("something else")
    assert "found another one" in Requirements((), token).complaints()[-1]
    token.write_text(token.name)
    assert "expected the client's directory" not in "".join(Requirements((), token).complaints())


@pytest.mark.slow
def test_a_cluster_without_workers_is_refused(distributed):
    with (
        distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as empty,
        pytest.raises(ValueError, match=r"expected at least one worker at .* within 0.5 s, found none: start one by"),
    ):
        connect(empty.scheduler_address, timeout=0.5)


@pytest.mark.slow
def test_workers_are_checked_before_they_get_work(workers, tmp_path, monkeypatch):
    address = workers.scheduler_address
    workers.wait_for_workers(2)
    with connect(address, directory=tmp_path) as executor:
        assert executor.submit(pow, 2, exp=5).result() == 32
        assert len(list(tmp_path.iterdir())) == 1  # the token, for workers that join later
        executor.requirements = replace(executor.requirements, versions=(("torch", "0.1"),))
        with pytest.raises(ValueError, match=r"worker tcp://.* differs from the client:\n.*torch: expected 0.1"):
            executor.submit(pow, 2, 5).result()  # as by a worker that has joined later
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(cluster, "versions", lambda: versions() | {"torch": "0.1", "numpy": "0.2"})
    with pytest.raises(ValueError, match="workers differ") as error:
        connect(address)
    assert str(error.value).count("torch: expected 0.1, found") == str(error.value).count("numpy: expected 0.2") == 2
    monkeypatch.undo()
    monkeypatch.setattr(cluster, "write_token", lambda directory: directory / "on this machine only")
    with pytest.raises(ValueError, match=r"worker tcp://.*: .*: expected the client's directory, found another one or none"):
        connect(address, directory=tmp_path)


@pytest.mark.slow
def test_lost_and_hungry_tasks_are_tried_again_and_cancelled_ones_end(workers, tmp_path):
    path = tmp_path / "scheduler.json"
    path.write_text(json.dumps({"address": workers.scheduler_address}))
    with connect(path, retries=1) as executor:
        numbers = executor.share(list(range(100)))
        assert [executor.submit(total, numbers, more).result() for more in (0, 1)] == [4950, 4951]
        waiting = executor.submit(waits_until_unwanted, tmp_path)
        assert appears(tmp_path / "begun") and waiting.cancel() and appears(tmp_path / "ended")
        with pytest.raises(CancelledError):
            waiting.result()
        (tmp_path / "tries").mkdir()
        with pytest.raises(ClusterError, match=r"hungry: all 2 tries failed: worker tcp://.* ran out of memory"):
            executor.submit(hungry, tmp_path / "tries").result()
        assert len(list((tmp_path / "tries").iterdir())) == 2
        with pytest.raises(ZeroDivisionError):  # its own error is not tried again
            executor.submit(divmod, 1, 0).result()
        assert executor.submit(killed, tmp_path / "once", 1).result() == "alive"
        with pytest.raises(
            ClusterError, match="killed: all 2 tries were lost with their workers; the last worker was tcp://"
        ):
            executor.submit(killed, tmp_path / "twice", 2).result()
        assert executor.submit(total, numbers, 2).result() == 4952  # though all workers that held them are gone


@pytest.mark.slow
def test_a_lost_scheduler_is_one_error(distributed):
    short_lived = distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=":0")
    executor = connect(short_lived.scheduler_address, timeout=1)
    tasks = [executor.submit(time.sleep, 3) for _ in range(2)]
    short_lived.close()
    for task in tasks:
        with pytest.raises(cluster.SchedulerLostError, match=r"the scheduler at .* was lost: start it, and run again"):
            task.result(timeout=30)
    with pytest.raises(ClusterError, match="was lost"):
        executor.submit(pow, 2, 5)
    executor.shutdown()
