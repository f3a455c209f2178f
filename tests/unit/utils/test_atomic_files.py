"""Files are whole or absent."""

import pytest

from lxr.utils.storage import atomic_path


def test_an_atomic_path_is_whole_or_absent(tmp_path):
    path = tmp_path / "new" / "table.csv"
    with pytest.raises(ZeroDivisionError), atomic_path(path) as temporary:
        temporary.write_text("half")
        assert temporary.parent == path.parent and temporary.suffix == ".csv"
        _ = 1 / 0
    assert list(path.parent.iterdir()) == []
    with atomic_path(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert [entry.name for entry in path.parent.iterdir()] == ["table.csv"] and path.read_text() == "whole"
