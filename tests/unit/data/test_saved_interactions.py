"""Interactions in files: they come back, and damaged files are refused."""

import numpy as np
import pandas as pd
import pytest
from toy_ratings import CHAIN

import lxr
from lxr.data import load_split

# --- files -----------------------------------------------------------------------------------------------------------


def assert_same_data(found: lxr.Interactions, expected: lxr.Interactions) -> None:
    """Equal in every attribute."""
    assert found.matrix.dtype == np.float32 and found.matrix.shape == expected.matrix.shape
    assert found.matrix.toarray().tolist() == expected.matrix.toarray().tolist()
    for name in ("user_ids", "item_ids", "item_titles", "item_groups"):
        values, wanted = getattr(found, name), getattr(expected, name)
        assert (values is None) == (wanted is None)
        assert wanted is None or values.tolist() == wanted.tolist()
    assert found.n_duplicates == expected.n_duplicates


def with_titles() -> pd.DataFrame:
    ratings = CHAIN.copy()
    ratings.attrs = {"titles": {10: "Misérables", 20: "愛", 30: "Net"}, "groups": {10: 0, 20: 1, 30: 0}}
    return ratings


SAVED = {
    "integer ids": lambda: CHAIN,
    "titles": with_titles,
    "string ids": lambda: CHAIN.astype({"user": str, "item": str}),
    "duplicates": lambda: pd.concat([CHAIN, CHAIN.head(3)]),
}


@pytest.mark.filterwarnings("ignore:.*duplicate")
@pytest.mark.parametrize("ratings", SAVED.values(), ids=SAVED)
def test_what_is_saved_is_loaded(tmp_path, ratings):
    data = lxr.prepare(ratings())
    data.save(tmp_path / "below" / "interactions.npz")
    assert_same_data(lxr.Interactions.load(tmp_path / "below" / "interactions.npz"), data)


@pytest.fixture
def saved(tmp_path):
    """(path, data): interactions in a file."""
    data = lxr.prepare(with_titles())
    data.save(tmp_path / "interactions.npz")
    return tmp_path / "interactions.npz", data


def test_a_missing_file_is_named(tmp_path):
    for load in (lxr.Interactions.load, load_split):
        with pytest.raises(lxr.DataError, match=r"none\.npz is missing"):
            load(tmp_path / "none.npz")


def test_a_truncated_file_is_refused(saved):
    path, _ = saved
    content = path.read_bytes()
    for length in range(0, len(content), 37):
        path.write_bytes(content[:length])
        with pytest.raises(lxr.DataError, match=r"interactions\.npz is damaged"):
            lxr.Interactions.load(path)


def test_a_damaged_byte_never_goes_unnoticed(saved):
    path, data = saved
    content = path.read_bytes()
    refused = 0
    for position in range(0, len(content), 5):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :])
        try:
            found = lxr.Interactions.load(path)
        except lxr.DataError as error:
            assert "interactions.npz" in str(error)
            refused += 1
        else:  # time stamps and the like
            assert_same_data(found, data)
    assert refused > 50


def write_npy(path):
    with path.open("wb") as file:
        np.save(file, np.arange(3))


OTHER_FILES = {
    "text": lambda path: path.write_text("user,item\n1,2\n"),
    "empty": lambda path: path.write_bytes(b""),
    "a single array": write_npy,
    "other arrays": lambda path: np.savez(path, scores=np.arange(3)),
    "a directory": lambda path: (path.unlink(), path.mkdir()),
    "pointers that do not fit": lambda path: np.savez(
        path, indices=[0], indptr=[0, 1, 4], user_ids=[1], item_ids=[1], n_duplicates=0
    ),
}


@pytest.mark.parametrize("overwrite", OTHER_FILES.values(), ids=OTHER_FILES)
def test_another_file_is_refused(saved, overwrite):
    path, _ = saved
    overwrite(path)
    with pytest.raises(lxr.DataError, match=r"interactions\.npz"):
        lxr.Interactions.load(path)


@pytest.mark.parametrize("error", [OSError("no space left"), KeyboardInterrupt()], ids=repr)
def test_an_interrupted_save_leaves_the_old_file(saved, monkeypatch, error):
    path, data = saved

    def half(file, **arrays):
        file.write(b"half of it")
        raise error

    monkeypatch.setattr(np, "savez_compressed", half)
    with pytest.raises(type(error)):
        lxr.prepare(CHAIN).save(path)
    assert [entry.name for entry in path.parent.iterdir()] == ["interactions.npz"]
    assert_same_data(lxr.Interactions.load(path), data)
