"""Two processes of a cluster do what this process does, bit for bit; one of them may be killed."""

import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

import lxr
from lxr.evaluation import exhaustive_optimum, greedy_bound, random_bound
from lxr.runs import cli

pytestmark = pytest.mark.slow


@dataclass
class Users:
    """Users of the synthetic data, and a recommender of them."""

    data: lxr.Interactions
    model: lxr.Recommender
    lists: lxr.EntryLists
    target: np.ndarray


@pytest.fixture(scope="module")
def users() -> Users:
    data = lxr.load_dataset("synthetic")
    model = lxr.MF(data.n_items, n_factors=8)
    lists = data.histories(np.arange(24))
    return Users(data, model, lists, lxr.top_item(model, lists))


class Mortal(lxr.Explainer):
    """Numbers of the items. The first process that meets a history with the item ``doomed`` first is killed."""

    def __init__(self, model, file: Path, doomed: int):
        super().__init__(model)
        self.file, self.doomed = file, doomed

    def importance(self, histories, target):
        """Numbers of the items."""
        if self.doomed in histories.items[:, 0] and not self.file.exists():
            self.file.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return histories.items.float()


class Failing(lxr.Explainer):
    """No explanations."""

    def importance(self, histories, target):
        """Fail."""
        raise LookupError("no explanation")


def test_explanations(users, executor):
    for name in ("lime", "rank-margin-path"):
        explainer = lxr.EXPLAINERS[name](users.model, users.data.matrix)
        alone, found = (
            explainer.explain(users.lists, users.target, users_per_batch=9, executor=each) for each in (None, executor)
        )
        np.testing.assert_array_equal(found, alone)
    about = {"rows": np.arange(9), "n_recommendations": 2, "users_per_batch": 4}
    by_lambda = lxr.wrap(lambda history: history @ torch.ones(users.data.n_items, users.data.n_items).tril(), 160, "sigmoid")
    alone, found = (
        lxr.explain(by_lambda, users.data, explainer="leave-one-out", **about, executor=each) for each in (None, executor)
    )
    assert list(found.records()) == list(alone.records())


def test_judging_and_bounds(users, executor):
    scores = lxr.EXPLAINERS["gradient"](users.model, users.data.matrix).explain(users.lists, users.target)
    about, how = (users.model, users.lists, users.target), {"users_per_batch": 11}
    for judge in (
        lambda **options: lxr.evaluate_fidelity(*about, scores, **how, **options),
        lambda **options: greedy_bound(*about, **how, **options),
        lambda **options: random_bound(*about, **how, **options),
    ):
        found, alone = judge(executor=executor), judge()
        assert found.per_user().equals(alone.per_user())
    assert lxr.metrics.fidelity_of_scores(*about, scores, "POS@20", executor=executor) == lxr.metrics.fidelity_of_scores(
        *about, scores, "POS@20"
    )
    histories, target = users.lists.batch(np.arange(6)), torch.from_numpy(users.target[:6])
    alone, found = (
        exhaustive_optimum(users.model, histories, target, 2, users_per_batch=4, executor=each) for each in (None, executor)
    )
    assert {name: values.tolist() for name, values in found.items()} == {name: each.tolist() for name, each in alone.items()}


def test_lessons_of_paths(users, executor):
    options = {"epochs": 2, "n_users": 140, "augmentation": 1, "looks": (1,), "hidden_size": 8}
    made = [
        lxr.EXPLAINERS["lxr-path"](
            users.model, users.data.matrix[:140], users.data.matrix[140:160], **options, executor=each
        )
        for each in (None, executor)
    ]
    alone, found = (explainer.network.state_dict() for explainer in made)
    assert all(torch.equal(found[name], value) for name, value in alone.items())


def test_files_of_the_command(users, cluster, tmp_path, monkeypatch, capsys):
    users.model.save(tmp_path / "mf.pt")
    users.data.save(tmp_path / "data.npz")
    monkeypatch.chdir(tmp_path)  # the workers are elsewhere
    files = ["--model", "mf.pt", "--data", "data.npz", "--histories", "carts.csv"]
    command = ["explain", *files, "--users-per-file", "4", "--out"]
    carts = [f"{user},{item}\n" for user in range(10) for item in range(user, user + 5)]
    Path("carts.csv").write_text("user,item\n" + "".join(carts))
    assert cli.main([*command, "alone", "--jobs", "1"]) == 0
    assert cli.main([*command, "found", "--scheduler", cluster.scheduler_address]) == 0
    alone, found = ({path.name: path.read_bytes() for path in Path(out).glob("part-*")} for out in ("alone", "found"))
    assert found == alone and len(found) == 3
    assert ", 3 of them from earlier runs" not in capsys.readouterr().out


def test_a_function_that_always_fails(users, cluster, executor):
    with pytest.raises(lxr.DataError) as caught:
        Failing(users.model).explain(
            users.lists, users.target, users_per_batch=9, label="failing explains", executor=executor
        )
    pids = [worker.process.process.pid for worker in cluster.workers.values()]
    where = [f"failed on {socket.gethostname()}, process {pid}: LookupError: no explanation" for pid in pids]
    assert str(caught.value) in [f"failing explains: users 0 to 8: {each}" for each in where]


def test_a_worker_killed_in_the_middle(users, cluster, executor, tmp_path):
    before = {worker.process.process.pid for worker in cluster.workers.values()}
    explainer = Mortal(users.model, tmp_path / "killed", doomed=int(users.lists[20:21].items[0]))
    found = explainer.explain(users.lists, users.target, users_per_batch=2, executor=executor)
    assert (tmp_path / "killed").exists() and {w.process.process.pid for w in cluster.workers.values()} != before
    np.testing.assert_array_equal(found, users.lists.items)
