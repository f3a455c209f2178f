"""Fixtures shared by the tests of recommenders."""

import pytest
from toys import ORDER_FREE

import lxr


@pytest.fixture(params=ORDER_FREE)
def name(request):
    """Every registered recommender of rows."""
    return request.param


@pytest.fixture(params=[name for name in ORDER_FREE if not lxr.RECOMMENDERS[name].is_closed_form])
def learner(request):
    """Those that are trained step by step."""
    return request.param
