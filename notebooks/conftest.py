"""Cells of notebooks as tests: what a notebook needs is run before its first cell."""

from pathlib import Path

import pytest

ready: set[Path] = set()  # notebooks whose inputs are there


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Run the stages that the notebook of a cell needs."""
    from lxr.runs.canonical_notebooks import make_inputs, use_one_thread

    use_one_thread()
    if item.path not in ready:
        make_inputs(item.path)
        ready.add(item.path)
