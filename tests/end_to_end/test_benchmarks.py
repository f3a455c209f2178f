"""Benchmarks run. What they measure is not tested: machines differ, and are shared."""

import importlib
import sys

import pytest
import torch

import lxr
from lxr.explainers import LXR_FAMILIES


@pytest.fixture
def benchmark_of(monkeypatch):
    """A benchmark, as a module, by its name."""
    monkeypatch.syspath_prepend(lxr.utils.environment.PROJECT_ROOT / "benchmarks")
    return importlib.import_module


@pytest.fixture
def explainers(benchmark_of):
    """The benchmark of the explainers."""
    return benchmark_of("explainers")


@pytest.mark.slow
@pytest.mark.parametrize("name", lxr.EXPLAINERS.names(without=LXR_FAMILIES))
def test_every_explainer_can_be_measured(explainers, train_matrix, name):
    costs = explainers.costs(name, lxr.MF(train_matrix.shape[1], n_factors=4), train_matrix, train_matrix[:3], rounds=1)
    assert costs["s per 1,000 users"] > 0 and costs["making [s]"] >= 0


@pytest.mark.slow
def test_explaining_everyone_is_measured(benchmark_of, tmp_path):
    module = benchmark_of("delivery")
    words = module.prepared(tmp_path, 200, 400, "leave-one-out")
    said, found = module.watched([sys.executable, "-m", "lxr", "explain", *words, "--out", str(tmp_path / "out")])
    assert " users by leave-one-out: 1 file in " in said
    assert found["seconds"] > 0 and found["peak [GB]"] > 0.1


@pytest.mark.slow
def test_the_authors_recommender_has_its_tables(benchmark_of, train_matrix):
    module = benchmark_of("authors_recommender")
    model = lxr.MF(train_matrix.shape[1], n_factors=4)
    with torch.no_grad():
        model.item_encoder.weight.fill_(1.0)
        model.history_encoder.weight.fill_(100.0)  # so that every probability is 1
    names = ["jaccard", "lxr", "leave-one-out"]
    tables = {name: table for name, (table, _) in module.tables_of(model, train_matrix, train_matrix[:9], names).items()}
    assert list(tables) == ["ranking", "headline", "against_lxr", "published_curves"]
    assert tables["ranking"].loc[module.AUTHORS, "users with ties at 1"] == 1
    assert list(tables["headline"].index) == names
    assert set(tables["against_lxr"]["other"]) == {"jaccard", "leave-one-out"}
    assert "Kendall τ" in tables["published_curves"].index


@pytest.mark.slow
def test_the_service_can_be_measured(benchmark_of, tmp_path):
    pytest.importorskip("fastapi")
    module = benchmark_of("service")
    users = module.save_bundle(tmp_path / "bundle", "rank-margin", 300, 100)
    table = module.measure(tmp_path / "bundle", users, [20.0], 1.0)
    assert table[["requests", "refused"]].to_numpy().tolist() == [[20, 0]]
    assert 0 < table["p50 [ms]"].item() <= table["p99 [ms]"].item()


@pytest.mark.slow
def test_counterfactual_sets_are_measured(benchmark_of, train_matrix):
    module = benchmark_of("counterfactual_sets")
    model, matrix = module.trained("ease", train_matrix, train_matrix, weights=None), train_matrix[:5]
    target = lxr.top_item(model, matrix)
    row = module.row_of(model, matrix, target, 1, *module.timed_sets(model, matrix, target, 1, time_limit=60))
    assert row["proven"] == 1 and 0 <= row["greedy optimal"] <= 1
