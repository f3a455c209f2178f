"""Fixtures shared by the tests of datasets."""

import subprocess

import pytest

from lxr.data import movielens
from lxr.data.reading import download


@pytest.fixture
def offline(monkeypatch):
    """No download succeeds: the connection is refused, and pip fails."""

    def refuse(*arguments, **options):
        raise ConnectionError("connection refused")

    def fail(command, **options):
        return subprocess.CompletedProcess(command, 1, "", "WARNING: retrying\nERROR: no matching distribution\n")

    monkeypatch.setattr(download.pooch, "retrieve", refuse)
    monkeypatch.setattr(movielens.subprocess, "run", fail)
