"""What the tests of tuning share."""

from pathlib import Path

import pytest


@pytest.fixture
def journal(tmp_path) -> Path:
    return tmp_path / "below" / "study.journal"
