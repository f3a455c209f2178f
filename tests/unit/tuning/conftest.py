"""Fixtures shared by the tests of tuning."""

from pathlib import Path

import pytest


@pytest.fixture
def journal(tmp_path) -> Path:
    return tmp_path / "below" / "study.journal"
