"""Costs: passes and gradients are counted while explaining."""

import itertools
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
import scipy.sparse as sp
from executors import Pickling

import lxr
from lxr.evaluation import Cost, cost_table
from lxr.reporting.plots import plot_cost


def test_passes_and_gradients_are_counted_while_measuring(model, train_matrix, history):
    target, n_items = lxr.top_item(model, history), int(history.sum())
    with lxr.evaluation.measure_cost(model) as cost:
        lxr.EXPLAINERS["leave-one-out"](model, train_matrix).explain(history, target)
    assert (cost.n_scored, cost.n_gradients) == (len(history) + n_items, 0)
    with lxr.evaluation.measure_cost(model) as cost:
        lxr.EXPLAINERS["integrated-gradients"](model, train_matrix, n_steps=6).explain(history, target)
    assert (cost.n_scored, cost.n_gradients) == (6 * len(history), 6 * len(history))
    model(history)
    assert cost.n_scored == 6 * len(history)  # no longer
    assert cost.seconds > 0


def test_tasks_of_an_executor_count_wherever_they_run(model, train_matrix, history, monkeypatch):
    explainer, target = lxr.EXPLAINERS["integrated-gradients"](model, train_matrix, n_steps=6), lxr.top_item(model, history)
    entries = lxr.EntryLists.of_matrix(sp.csr_matrix(history.numpy()))
    passes = set()
    for executor in (None, ThreadPoolExecutor(2), Pickling()):
        if isinstance(executor, Pickling):  # its tasks are in other processes
            monkeypatch.setattr(os, "getpid", itertools.count().__next__)
        with lxr.evaluation.measure_cost(model, executor) as cost:
            explainer.explain(entries, target, users_per_batch=2, executor=cost.executor)
        passes.add((cost.n_scored, cost.n_gradients))
        assert cost.seconds > 0
    assert passes == {(6 * len(history), 6 * len(history))}


def test_passes_without_a_gradient_of_the_history_are_no_gradients(history):
    model = lxr.MF(20)
    with lxr.evaluation.measure_cost(model) as cost:
        assert model(history).requires_grad  # by its weights
    assert (cost.n_scored, cost.n_gradients) == (len(history), 0)


def test_measuring_ends_with_an_error_too(model, history):
    with pytest.raises(KeyError), lxr.evaluation.measure_cost(model) as cost:
        model(history)
        time.sleep(0.05)
        raise KeyError
    model(history)
    assert cost.n_scored == len(history)
    assert 0.05 <= cost.seconds < 5


def test_costs_are_per_user_and_drawn(model):
    costs = {
        "random": (Cost(), Cost(seconds=0.5)),
        "lxr": (
            Cost(seconds=3.0, n_scored=70),
            Cost(seconds=0.25, n_scored=20, n_gradients=10),
        ),
    }
    table = cost_table(costs, n_users=5).set_index("explainer")
    assert table.loc["lxr"].tolist() == [3.0, 70, 50.0, 4.0, 2.0]
    figure = plot_cost(pd.DataFrame({"NDCG": {"random": 0.9, "lxr": 0.4}}), table, ["NDCG"])
    *dots, front = figure.axes[0].lines
    assert {dot.get_label(): dot.get_xydata()[0].tolist() for dot in dots} == {"random": [100.0, 0.9], "lxr": [50.0, 0.4]}
    assert front.get_xydata().tolist() == [[50.0, 0.4]]  # nothing is faster or more faithful
    assert [text.get_text() for text in figure.axes[0].texts] == ["lxr"]
