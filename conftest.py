"""Settings of all tests, those in notebooks included."""

import os

import hypothesis
import pytest
from xdist.scheduler import LoadFileScheduling

# Kernels inherit the environment. A progress bar's text differs from run to run, and tests run side by side.
os.environ |= {"TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1"}

collect_ignore = ["notebooks/config"]  # voila's settings have the name of its package

# The same examples in every run, and no time limit for any: test machines are shared.
hypothesis.settings.register_profile("lxr", derandomize=True, deadline=None, max_examples=60, database=None)
hypothesis.settings.load_profile("lxr")


def pytest_addoption(parser):
    """Let tests marked ``slow`` be repeated more often than usual."""
    parser.addoption("--trials", type=int, default=1, help="repetitions of every kill, lock and damage trial (1)")


@pytest.fixture
def trials(request) -> int:
    """Repetitions of a kill, lock or damage trial."""
    return request.config.getoption("--trials")


def pytest_collectstart(collector):
    """Compare the text of notebook outputs, not what the canonical form leaves out."""
    if type(collector).__name__ == "IPyNbFile":
        collector.skip_compare += ("stderr", "text/html", "text/markdown", "image/png", "image/svg+xml")


def pytest_collection_modifyitems(items):
    """Mark the cells of notebooks, which are compared with their stored output."""
    for item in items:
        if type(item).__name__ == "IPyNbCell":
            item.add_marker("notebooks")


class NotebooksTogether(LoadFileScheduling):
    """Each file on one worker, and all notebooks on one: each finds there what those before it have made."""

    def _split_scope(self, nodeid: str) -> str:
        return "notebooks" if nodeid.startswith("notebooks/") else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Share out the files of ``--dist loadfile``."""
    return NotebooksTogether(config, log) if config.getoption("dist") == "loadfile" else None
