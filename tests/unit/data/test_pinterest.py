"""Pinterest: its forms and counts."""

import pytest
from raw_files import write

import lxr
from lxr.data import pinterest
from lxr.utils.environment import data_directory

# --- Pinterest and Yahoo! Music --------------------------------------------------------------------------------------


@pytest.mark.parametrize("below", ["pinterest", "."], ids=["own directory", "data directory"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pinterest.csv", "0,0,1\n0,7,1\n5,7,1\n"),
        ("pinterest_data.csv", "0,0,1\n0,7,1\n5,7,1\n"),
        ("pinterest-20.train.rating", "0\t0\t1.0\n0\t7\t1.0\n5\t7\t1.0\n"),
        ("pinterest-20.train.rating", "0\t0\t1\t0\n0\t7\t1\t0\n5\t7\t1\t0\n"),
    ],
)
def test_every_form_of_pinterest_is_read(tmp_path, below, name, text):
    write(tmp_path / below, {name: text})
    ratings = lxr.load_ratings("pinterest", tmp_path)
    assert ratings.attrs == {"source": [str(tmp_path / below / name)]}
    assert ratings[["user", "item", "rating"]].to_numpy().tolist() == [[0, 0, 1], [0, 7, 1], [5, 7, 1]]
    assert list(ratings.columns[3:]) == (["timestamp"] if text.count("\t") == 9 else [])


def test_all_of_pinterest_counts(tmp_path):
    write(tmp_path, {"pinterest.csv": "0,0,0\n0,7,1\n5,7,0.5\n5,0,1\n5,9,1\n"})
    data = lxr.load_dataset("pinterest", tmp_path)
    assert data.matrix.toarray().tolist() == [[1, 1], [1, 1]] and data.item_ids.tolist() == [0, 7]


@pytest.fixture(scope="module")
def real_pinterest():
    """Pinterest's ratings from the data directory."""
    home = data_directory()
    if not any((home / below / "pinterest.csv").is_file() for below in ("pinterest", ".")):
        pytest.skip(f"pinterest.csv is not in {home}")
    return lxr.load_ratings("pinterest", home)


def test_pinterest_has_its_counts(real_pinterest):
    assert real_pinterest["user"].nunique() == 37_501 and real_pinterest["item"].nunique() == 9_836
    data = lxr.prepare(pinterest, **lxr.data.preparation_rule("pinterest"))
    assert data.matrix.shape == (37_501, 9_686) and data.matrix.nnz == 1_000_004  # 150 items have one user
