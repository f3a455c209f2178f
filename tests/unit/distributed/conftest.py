"""One small cluster for all tests of this folder."""

import pytest

from lxr.distributed import connect


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """Two worker processes of one thread each."""
    distributed = pytest.importorskip("distributed", reason="the extra distributed is not installed")
    folder = str(tmp_path_factory.mktemp("dask"))
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0", "local_directory": folder}
    with distributed.LocalCluster(**options, host="127.0.0.1") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def executor(cluster):
    """Executor of the cluster."""
    with connect(cluster.scheduler_address, timeout=300) as executor:
        yield executor
