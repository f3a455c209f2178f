"""Fixtures shared by the tests of explainers."""

import copy

import pytest

import lxr


@pytest.fixture
def target(model, history):
    """The top recommendations of MF or VAE."""
    return lxr.top_item(model, history)


@pytest.fixture
def double_model(model):
    """The same recommender in double precision, for finite differences."""
    return copy.deepcopy(model).double()
