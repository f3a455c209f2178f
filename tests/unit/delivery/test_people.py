"""Histories of people who are not in the data: both formats, and what is refused, with the place."""

import numpy as np
import pytest
import scipy.sparse as sp

import lxr
from lxr.delivery.people import read_people


@pytest.fixture
def data():
    """Items 10, 20 and 30 of two users, 1 and 2."""
    return lxr.Interactions(sp.csr_matrix(np.ones((2, 3), dtype=np.float32)), np.array([1, 2]), np.array([10, 20, 30]))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.csv", "item,when,user\n30,x,7\n10,x,5\n10,x,7\n30,x,7\n"),
        ("p.jsonl", '{"user": 7, "items": [30, 10, 30]}\n{"user": 5, "items": [10]}\n'),
        ("p.jsonl", '{"user": "7", "items": ["30"]}\n{"user": 5, "items": [10]}\n{"user": 7, "items": [10]}\n'),
    ],
)
def test_both_formats_give_the_same_histories(data, tmp_path, name, text):
    (tmp_path / name).write_text(text)
    people = read_people(tmp_path / name, data)
    assert people.user_ids.tolist() == [7, 5] and people.item_ids.tolist() == [10, 20, 30]
    assert people.matrix.toarray().tolist() == [[1, 0, 1], [1, 0, 0]]


def test_people_have_the_order_of_the_file(data, tmp_path):
    (tmp_path / "p.csv").write_text("user,item\n7,10\n5,30\n7,20\n5,20\n")
    people = read_people(tmp_path / "p.csv", data)
    assert people.histories().items.tolist() == [0, 1, 2, 1] and people.has_order
    (tmp_path / "p.csv").write_text("user,item\n7,10\n7,20\n")  # ascending, too
    assert read_people(tmp_path / "p.csv", data).has_order


def test_ids_are_texts_where_those_of_the_data_are(tmp_path):
    data = lxr.Interactions(sp.csr_matrix((1, 2)), np.array(["a"]), np.array(["007", "x"]), np.array(["Seven", "X"]))
    (tmp_path / "p.csv").write_text("user,item\n1,007\n")
    people = read_people(tmp_path / "p.csv", data)
    assert people.user_ids.tolist() == ["1"] and people.matrix.indices.tolist() == [0]
    assert people.titles(np.array([0])) == ["Seven"]


def test_nothing_is_known_of_their_features(tmp_path):
    data = lxr.load_dataset("synthetic", user_features=True)
    (tmp_path / "p.csv").write_text("user,item\n9,3\n")
    people = read_people(tmp_path / "p.csv", data)
    assert (people.n_features, people.n_columns) == (data.n_features, data.n_columns)
    assert people.matrix.indices.tolist() == data.columns_of(3).tolist()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.txt", "", r"p.txt: expected a file of histories, .jsonl or .csv, found '.txt'"),
        ("p.csv", "user,item\n", r"p.csv: expected histories, found none"),
        ("p.csv", "", r"p.csv: expected a CSV file, found: No columns"),
        ("p.csv", "user,thing\n1,2\n", r"p.csv: expected the columns user and item, found user, thing"),
        ("p.csv", "user,item\n1,10\n1,40\n", r"p.csv, row 2: expected an item of the data, found 40"),
        ("p.csv", "user,item\n1,10\n1,x\n", r"p.csv, row 2: expected an integer as item, found 'x'"),
        ("p.csv", "user,item\n,10\n", r"p.csv, row 1: expected an integer as user, found ''"),
        ("p.jsonl", "", r"p.jsonl: expected histories, found none"),
        (
            "p.jsonl",
            '{"user": 1, "items": [10]}\n{"user": 2, "items": []}\n',
            r"p.jsonl, line 2: expected {.*found {\"user\": 2",
        ),
        ("p.jsonl", '{"user": 1, "items": 10}\n', r"p.jsonl, line 1: expected "),
        ("p.jsonl", "[1]\n", r"p.jsonl, line 1: expected "),
        ("p.jsonl", '{"user": 1, "items": [10', r"p.jsonl, line 1: expected "),
        ("p.jsonl", '{"user": 1, "items": [10, 40]}\n', r"p.jsonl, line 1: expected an item of the data, found 40"),
        ("p.jsonl", '{"user": 1.5, "items": [10]}\n', r"p.jsonl, line 1: expected an integer as user, found 1.5"),
        ("p.jsonl", '{"user": null, "items": [10]}\n', r"p.jsonl, line 1: expected an integer as user, found None"),
    ],
)
def test_bad_files_are_refused(data, tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(lxr.DataError, match=message):
        read_people(tmp_path / name, data)


def test_a_missing_file_is_refused(data, tmp_path):
    for name in ("p.csv", "p.jsonl"):
        with pytest.raises(lxr.DataError, match=f"{name}: expected a"):
            read_people(tmp_path / name, data)
