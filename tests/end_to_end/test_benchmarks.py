"""Benchmarks run. What they measure is not tested: machines differ, and are shared."""

import importlib

import pytest

import lxr
from lxr.explainers.registry import LXR_FAMILIES


@pytest.fixture
def explainers(monkeypatch):
    """The benchmark of the explainers, as a module."""
    monkeypatch.syspath_prepend(lxr.utils.environment.PROJECT_ROOT / "benchmarks")
    return importlib.import_module("explainers")


@pytest.mark.parametrize("name", [name for name, spec in lxr.EXPLAINERS.items() if spec.family not in LXR_FAMILIES])
def test_every_explainer_can_be_measured(explainers, train_matrix, name):
    costs = explainers.costs(name, lxr.MF(train_matrix.shape[1], n_factors=4), train_matrix, train_matrix[:3], rounds=1)
    assert costs["s per 1,000 users"] > 0 and costs["making [s]"] >= 0
