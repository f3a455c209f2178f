"""An executor of the cluster that all tests share."""

import pytest

from lxr.distributed import connect


@pytest.fixture(scope="session")
def cluster(workers):
    """The cluster of all tests."""
    return workers


@pytest.fixture(scope="session")
def executor(cluster):
    """Executor of the cluster."""
    with connect(cluster.scheduler_address, timeout=300) as executor:
        yield executor
