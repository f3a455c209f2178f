"""Fixtures shared by the tests of recommenders."""

import pytest
from toys import TINY

import lxr


@pytest.fixture(params=TINY)
def name(request):
    """Every registered recommender."""
    return request.param


@pytest.fixture(params=[name for name in TINY if not lxr.RECOMMENDERS[name].is_ordered])
def name_of_rows(request):
    """Every registered recommender of rows (B, I)."""
    return request.param


@pytest.fixture
def training_data(name, planted):
    """Histories of training and validation users, in the form that a recommender is trained on."""
    is_ordered = lxr.RECOMMENDERS[name].is_ordered
    return tuple(lxr.EntryLists.of_matrix(matrix) for matrix in planted) if is_ordered else planted
