"""Sequence files: the order of a line, and what is no such file."""

import gzip
import re
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lxr
from lxr.utils.environment import PROJECT_ROOT

PUBLISHED = PROJECT_ROOT.parent / "shared" / "data" / "sequences"
SIZES = {  # users, items, entries
    "Beauty": (22_363, 12_101, 198_502),
    "LastFM": (1_090, 3_646, 52_551),
    "Sports_and_Outdoors": (35_598, 18_357, 296_337),
    "Toys_and_Games": (19_412, 11_924, 167_597),
}


def read(directory: Path, content: bytes) -> pd.DataFrame:
    """The ratings of a sequence file."""
    (directory / "visits.txt").write_bytes(content)
    return lxr.read_sequences_file(directory / "visits.txt")


@pytest.mark.parametrize(
    "content",
    [
        b"7 30 10 20\n9 20 30\n",
        b"7\t30\t10\t20\r\n9\t20\t30\r\n\r\n",
        b"\xef\xbb\xbf 7  30 \t10 20 \n9 20 30",
        gzip.compress(b"7 30 10 20\n9 20 30\n"),
    ],
    ids=["blanks", "tabs, Windows", "byte order mark", "gzipped"],
)
def test_a_line_is_a_user_and_items_oldest_first(tmp_path, content):
    ratings = read(tmp_path, content)
    assert ratings.columns.tolist() == ["user", "item", "timestamp"]
    assert ratings.to_numpy().tolist() == [[7, 30, 1], [7, 10, 2], [7, 20, 3], [9, 20, 1], [9, 30, 2]]
    assert ratings.attrs == {"source": [str(tmp_path / "visits.txt")]}
    data = lxr.prepare(ratings, min_users_per_item=1)
    entries = data.histories()
    assert data.item_ids[entries.items].tolist() == [30, 10, 20, 20, 30]
    assert data.titles(entries.items[:1]) == ["30"]


def test_ids_may_be_text(tmp_path):
    ratings = read(tmp_path, "zoé B00-1 spotify:track:9 B00-1\nann 007 8.b\n".encode())
    assert ratings["user"].tolist() == ["zoé"] * 3 + ["ann"] * 2
    assert ratings["item"].tolist() == ["B00-1", "spotify:track:9", "B00-1", "007", "8.b"]
    data = lxr.prepare(ratings, min_users_per_item=1, repeats="keep")
    assert data.histories(data.rows_of("zoé")).lengths.tolist() == [3]  # an item again is another entry


LINES = "1 20 30 40\n2 30 20 40\n3 40 30 20\n4 20 40 30\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", ": expected at least one line of data, found none"),
        (LINES.replace("2 30 20 40", ""), ", line 2: expected a user and at least one item, found ''"),
        (LINES.replace("2 30 20 40", " \t"), r", line 2: expected a user and at least one item, found ' \t'"),
        (LINES.replace("3 40 30 20", "3"), ", line 3: expected a user and at least one item, found '3'"),
        (
            LINES.replace("4 20", "2 20"),
            ", line 4: expected one line for each user, with all items, and line 2 has this user",
        ),
        (LINES.replace("3 40", "3 x40"), ", line 3: expected an integer as item, like most of this file, found 'x40'"),
        ("user items\n" + 10 * LINES, ", line 1: expected an integer as user, like most of this file, found 'user'"),
        (LINES.replace(" ", ","), ", line 1: expected a user and at least one item, found '1,20,30,40'"),
        ("1 20,30\n", ", line 1: expected an id as item, and blanks or tabs between ids, found '20,30'"),
        ("1 20:3 30:5\n", ", line 1: expected an id as item, and blanks or tabs between ids, found '20:3'"),
        (LINES.replace("3 40", "3 4.5"), ", line 3: expected an id as item, and blanks or tabs between ids, found '4.5'"),
        (LINES.replace("3 40", "3 -1"), ", line 3: expected an id as item, and blanks or tabs between ids, found '-1'"),
        (b"1 2\n3 4\0\n", ", line 2: expected text, found a NUL byte"),
        ("1 2\nzoé 4\n".encode("latin-1"), ", line 2: expected utf-8 text, found byte 0xe9"),
        ("1 2\n".encode("utf-16"), ": expected utf-8 text, found UTF-16"),
        (b"PK\x03\x04 1 2", ": expected utf-8 text, found a zip archive"),
    ],
    ids=str,
)
def test_what_is_no_sequence_file_is_refused_with_the_line(tmp_path, content, message):
    with pytest.raises(lxr.DataError, match=f"^{re.escape(str(tmp_path / 'visits.txt') + message)}"):
        read(tmp_path, content if isinstance(content, bytes) else content.encode())


def test_a_path_has_to_lead_to_a_file(tmp_path):
    with pytest.raises(ValueError, match="path: expected"):
        lxr.read_sequences_file(3)
    with pytest.raises(lxr.DataError, match=r"none.txt: cannot read the file"):
        lxr.read_sequences_file(tmp_path / "none.txt")


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_published_sequences_are_read_whole_and_in_order(name):
    path = PUBLISHED / f"{name}.txt"
    if not path.is_file():
        pytest.skip(f"needs {name}.txt in ../shared/data/sequences")
    start = time.perf_counter()
    ratings = lxr.read_sequences_file(path)
    assert time.perf_counter() - start < 5  # about half a second where nothing else runs
    data = lxr.prepare(ratings, min_users_per_item=1)
    assert (*data.matrix.shape, len(data.histories().items)) == SIZES[name]
    lines = path.read_text().splitlines()
    for line in np.random.default_rng(0).choice(lines, 20):
        user, *items = map(int, line.split())
        assert data.item_ids[data.histories(data.rows_of(user)).items].tolist() == items
