"""Fixtures shared by the tests of recommenders."""

import pytest
from toys import TINY


@pytest.fixture(params=TINY)
def name(request):
    """Every registered recommender."""
    return request.param
