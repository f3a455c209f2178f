"""Fixtures shared by the tests of recommenders."""

from dataclasses import replace

import numpy as np
import pytest
from toys import ORDER_FREE, TINY

import lxr


@pytest.fixture(params=TINY)
def name(request):
    """Every registered recommender."""
    return request.param


@pytest.fixture(params=[name for name in TINY if not lxr.RECOMMENDERS[name].is_closed_form])
def learner(request):
    """Every registered recommender that is trained step by step."""
    return request.param


@pytest.fixture(params=ORDER_FREE)
def name_of_rows(request):
    """Every registered recommender of rows (B, I)."""
    return request.param


@pytest.fixture
def training_data(learner, planted):
    """Histories of training and validation users, in the form that a recommender is trained on."""
    if not lxr.RECOMMENDERS[learner].is_ordered:
        return planted
    times = (np.arange(matrix.nnz, dtype=float) for matrix in planted)
    return tuple(replace(lxr.EntryLists.of_matrix(matrix), times=time) for matrix, time in zip(planted, times, strict=True))
