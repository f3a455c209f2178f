"""Recommenders in files: they come back, and damaged files are named."""

import pytest
import torch
from toys import small

import lxr


def test_saved_recommender_comes_back(name, history, tmp_path):
    model, path = small(name, seed=7), tmp_path / "new folder" / "model.pt"
    model.save(path)
    loaded = lxr.load(path)
    assert type(loaded) is type(model)
    assert not loaded.training
    histories = lxr.Histories.of_dense(history)
    assert torch.equal(loaded.logits(histories), model.logits(histories))
    assert [file.name for file in path.parent.iterdir()] == ["model.pt"]


def test_missing_file_is_named(tmp_path):
    with pytest.raises(lxr.DataError, match=r"absent\.pt is missing"):
        lxr.load(tmp_path / "absent.pt")


@pytest.mark.parametrize("damage", [lambda content: b"", lambda content: b"not weights", lambda content: content[:-100]])
def test_corrupt_file_is_named(tmp_path, damage):
    path = tmp_path / "model.pt"
    small("mf").save(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(lxr.DataError, match=r"model\.pt is damaged"):
        lxr.load(path)


@pytest.mark.parametrize("content", [{"weights": {}}, [1, 2]])
def test_file_of_something_else_is_named(tmp_path, content):
    path = tmp_path / "model.pt"
    torch.save(content, path)
    with pytest.raises(lxr.DataError, match=r"model\.pt"):
        lxr.load(path)
