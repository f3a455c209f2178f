"""Shards on any executor: order, memory, one error that names the shard, and the rest cancelled."""

import os
import socket
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import torch
from executors import Pickling, Sharing, Waiting

import lxr
from lxr.distributed import map_shards
from lxr.utils.threads import torch_threads

USERS = [np.arange(start, start + 3) for start in range(0, 12, 3)]


def total(offset, users):
    return offset + int(users.sum())


def failing_at(user, users):
    if user in users:
        raise KeyError("no such user")
    return users


def out_of_memory(users):
    raise MemoryError("too large")


def n_threads(shard):
    return torch.get_num_threads()


@pytest.mark.parametrize("executor", [None, Pickling(), Sharing(), ThreadPoolExecutor(2)])
def test_results_come_in_the_order_of_the_shards(executor):
    assert list(map_shards(total, USERS, shared=(100,), executor=executor)) == [103, 112, 121, 130]
    assert list(map_shards(partial(total, 1), USERS, executor=executor, cut=lambda users: 2 * users)) == [7, 25, 43, 61]


def test_shared_values_are_sent_once():
    executor, offset = Sharing(), 100
    list(map_shards(total, USERS, shared=(offset,), executor=executor))
    assert executor.held == [offset]


def test_a_bounded_number_of_shards_is_cut_ahead():
    cut = []

    def note(shard):
        cut.append(shard)
        return -shard

    results = map_shards(abs, range(10), executor=Waiting(10), cut=note, ahead=3)
    assert [(next(results), len(cut)) for _ in range(9)] == [(done, min(done + 3, 10)) for done in range(9)]


def test_a_shard_that_fails_is_one_error_with_its_users_and_its_worker():
    where = f"{socket.gethostname()}, process {os.getpid()}"
    for options, stage in (({"label": "judging"}, "judging"), ({}, "failing at"), ({"stage": "a stage"}, "a stage")):
        message = f"^{stage}: users 3 to 5: failed on {where}: KeyError: 'no such user'$"
        with pytest.raises(lxr.DataError, match=message):
            list(map_shards(failing_at, USERS, shared=(4,), executor=Pickling(), **options))
    with pytest.raises(KeyError):  # in this thread, as it is
        list(map_shards(failing_at, USERS, shared=(4,)))


def test_a_shard_that_fails_cancels_the_rest():
    executor = Waiting(1)
    with pytest.raises(lxr.DataError, match="users 0 to 2"):
        list(map_shards(failing_at, USERS, shared=(1,), executor=executor))
    assert [future.cancelled() for future in executor.futures] == [False, True, True, True]


def test_who_stops_early_cancels_the_rest():
    executor = Waiting(1)
    results = map_shards(failing_at, USERS, shared=(7,), executor=executor, ahead=2)
    next(results)
    results.close()
    assert [future.cancelled() for future in executor.futures] == [False, True]


def test_an_interruption_cancels_the_rest():
    executor = Waiting(0, interrupted_at=2)
    with pytest.raises(KeyboardInterrupt):
        list(map_shards(failing_at, USERS, shared=(7,), executor=executor))
    assert [future.cancelled() for future in executor.futures] == [True, True]


@pytest.mark.parametrize(
    ("function", "shared", "message"),
    [
        (total, (lambda: 1,), "total: users 0 to 2: cannot be sent to a worker: .*lambda.* cannot be pickled"),
        (
            total,
            (lxr.wrap(lambda x: 2 * x, 3, "sigmoid"),),
            "cannot be sent to a worker: Wrapped cannot be pickled: .*lambda",
        ),
        (out_of_memory, (), "out of memory: users 0 to 2: no result: MemoryError: too large"),
    ],
)
def test_a_shard_without_a_result_is_one_error(function, shared, message):
    with pytest.raises(lxr.DataError, match=message):
        list(map_shards(function, USERS, shared=shared, executor=Pickling()))


def test_a_lost_worker_is_one_error():
    executor = ThreadPoolExecutor(1)
    executor.submit = partial(lost, executor)
    message = r"total: users 0 to 2: a worker ended unexpectedly \(out of memory\?\): terminated abruptly"
    with pytest.raises(lxr.DataError, match=message):
        list(map_shards(total, USERS, shared=(1,), executor=executor))


def lost(executor, function, /, *arguments):
    raise BrokenExecutor("terminated abruptly")


def test_a_task_has_the_threads_of_the_caller():
    before = torch.get_num_threads()
    with torch_threads(3), ThreadPoolExecutor(1) as executor:
        executor.submit(torch.set_num_threads, 2).result()
        assert list(map_shards(n_threads, [0, 1], executor=executor)) == [3, 3]
        assert executor.submit(torch.get_num_threads).result() == 2
    assert torch.get_num_threads() == before
