"""Every loader of text on good and malformed files of its format; ratings and titles in the user's own files."""

import gzip
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lxr
from lxr.data import movielens

RATINGS = pd.DataFrame({"user": [1, 1, 2, 3], "item": [10, 30, 20, 10], "rating": [90.0, 75.0, 71.0, 100.0]})
WORDS = RATINGS.assign(user=["ann", "ann", "bob", "zoe"], item=["007", "x-1", "8", "007"])


def lines(separator: str, header: str = "", end: str = "") -> str:
    """The ratings as text."""
    rows = [separator.join(map(str, map(int, row))) + end + "\n" for row in RATINGS.itertuples(index=False)]
    return header + "".join(rows)


def registered(name: str, file: str):
    """Maker of a loader of a registered dataset: writes its file, and loads it."""

    def load(directory: Path, content: bytes) -> pd.DataFrame:
        for other in {"ratings.dat": ["movies.dat", "users.dat"]}.get(file, []):
            (directory / other).write_text("10::Ten (2010)::Drama\n")
        (directory / file).write_bytes(content)
        return lxr.load_ratings(name, directory)

    return load


def own(file: str, **columns):
    """Maker of a loader of a user's own file."""

    def load(directory: Path, content: bytes) -> pd.DataFrame:
        (directory / file).write_bytes(content)
        return lxr.read_ratings_file(directory / file, **columns)

    return load


RECBOLE = {"user_column": "user_id", "item_column": "item_id"}
KDD = "1|2\n10\t90\n30\t75\n2|1\n20\t71\n3|1\n10\t100\n"
# Loader, text of the ratings, separator, and what its numbers of lines are called.
LOADERS = {
    "ml-1m": (registered("ml-1m", "ratings.dat"), lines("::", end="::0"), "::", "line"),
    "pinterest": (registered("pinterest", "pinterest.csv"), lines(","), ",", "line"),
    "pinterest, He et al.": (registered("pinterest", "pinterest-20.train.rating"), lines("\t"), "\t", "line"),
    "yahoo-music": (registered("yahoo-music", "yahoo-music.csv"), lines(","), ",", "line"),
    "yahoo-music, KDD Cup": (registered("yahoo-music", "trainIdx1.txt"), KDD, "\t", "line"),
    "csv": (own("own.csv"), lines(",", "user,item,rating\n"), ",", "row"),
    "tsv": (own("own.tsv"), lines("\t", "user\titem\trating\n"), "\t", "row"),
    "RecBole": (
        own("own.inter", **RECBOLE),
        lines("\t", "user_id:token\titem_id:token\trating:float\n"),
        "\t",
        "row",
    ),
}
OWN = ("csv", "tsv", "RecBole")


@pytest.fixture(autouse=True)
def small_ml_1m(monkeypatch):
    """MovieLens 1M is complete with four ratings."""
    monkeypatch.setattr(movielens, "ML_1M_RATINGS", 4)


@pytest.fixture(params=list(LOADERS))
def loader(request):
    """(name, load, text, separator, word for a line)."""
    return request.param, *LOADERS[request.param]


SAME = {
    "as it is": str.encode,
    "Windows line ends": lambda text: text.replace("\n", "\r\n").encode(),
    "byte order mark": lambda text: text.encode("utf-8-sig"),
    "gzipped": lambda text: gzip.compress(text.encode()),
    "no last line end": lambda text: text.rstrip().encode(),
    "empty lines at the end": lambda text: (text + "\n\r\n").encode(),
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_the_ratings_are_read_as_they_are(loader, tmp_path, change):
    _, load, text, _, _ = loader
    found = load(tmp_path, change(text))
    assert found.attrs["source"] and all(Path(path).parent == tmp_path for path in found.attrs["source"])
    pd.testing.assert_frame_equal(found[["user", "item", "rating"]], RATINGS, check_names=False)
    assert found.index.equals(pd.RangeIndex(4))


# Line 2 of the data; errors of registered formats and of own files, None if it is valid.
BAD = {
    "rating is no number": (("75", "good"), "good'", "expected a number as rating, found 'good'"),
    "rating is NaN": (("75", "nan"), "nan'", "expected a number as rating, found 'nan'"),
    "rating is infinite": (("75", "inf"), "inf'", "expected a number as rating, found 'inf'"),
    "rating is missing": (("75", ""), "expected", "expected a number as rating, found ''"),
    "item is missing": (("30", ""), "expected", "expected an id of the item, found none"),
    "item is a word": (("30", "x"), "expected .*x", None),
    "negative item": (("30", "-30"), "expected .*-30", None),
    "a value too many": (("75", "75{}1{}2{}3"), "expected .*75", "expected user.* found '1.+30.+75.+1.+2.+3"),
    "a value too few": (("{}75", ""), "expected .*30", "expected user.* found '1.+30'"),
    "another separator": (("30{}75", "30;75"), "expected .*30;75", "expected user.* found '1.+30;75'"),
}


@pytest.mark.parametrize(("change", "of_registered", "of_own"), BAD.values(), ids=BAD)
def test_a_malformed_line_is_named(loader, tmp_path, change, of_registered, of_own):
    name, load, text, separator, word = loader
    old, new = (part.replace("{}", separator) for part in change)
    assert old in text
    content = text.replace(old, new, 1).encode()
    message = of_own if name in OWN else of_registered
    if message is None:
        assert load(tmp_path, content)["item"].tolist()[1] == (-30 if new == "-30" else new)
        return
    number = 3 if name in (*OWN, "yahoo-music, KDD Cup") else 2
    with pytest.raises(lxr.DataError) as caught:
        load(tmp_path, content)
    assert re.search(rf"{re.escape(str(tmp_path))}.*, {word} {number}: .*{message}", str(caught.value))


WHOLE_FILES = {
    "empty": (lambda text: b"", "expected at least one line of data, found none"),
    "empty lines": (lambda text: b"\n\n", "expected at least one line of data, found none"),
    "no UTF-8": (lambda text: text.encode().replace(b"30", b"\xff"), r"line \d: expected utf-8 text, found byte 0xff"),
    "cut gzip": (lambda text: gzip.compress(text.encode())[:30], "cannot read the file: "),
}


@pytest.mark.parametrize(("change", "message"), WHOLE_FILES.values(), ids=WHOLE_FILES)
def test_a_file_without_text_is_refused(loader, tmp_path, change, message):
    _, load, text, _, _ = loader
    with pytest.raises(lxr.DataError, match=message) as caught:
        load(tmp_path, change(text))
    assert str(tmp_path) in str(caught.value)


def test_duplicates_are_read_and_counted_when_prepared(loader, tmp_path):
    name, load, text, separator, _ = loader
    again = {"ml-1m": lines("::", end="::0").splitlines()[0], "yahoo-music, KDD Cup": "1|1\n10\t90"}
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(movielens, "ML_1M_RATINGS", 5)
        ratings = load(tmp_path, (text + again.get(name, separator.join(["1", "10", "90"])) + "\n").encode())
    assert len(ratings) == 5
    with pytest.warns(UserWarning, match="1 duplicate"):
        data = lxr.prepare(ratings, min_rating=71, min_items_per_user=1, min_users_per_item=1)
    assert data.n_duplicates == 1 and data.matrix.nnz == 4


# --- the user's own files ---------------------------------------------------------------------------------------------


def write_own(path: Path, frame: pd.DataFrame) -> Path:
    """Write a frame as the kind of file that its name tells."""
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="," if ".csv" in path.suffixes else "\t")
    return path


KINDS = ["own.csv", "own.csv.gz", "own.tsv", "own.inter", "own.v2.tsv.gz", "own.parquet"]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("frame", [RATINGS, WORDS], ids=["numbers", "words"])
def test_every_kind_of_file_gives_the_same(tmp_path, name, frame):
    path = write_own(tmp_path / name, frame.rename(columns={"user": "who", "rating": "stars"}).assign(more="…"))
    found = lxr.read_ratings_file(path, user_column="who", rating_column="stars")
    assert found.attrs == {"source": [str(path)]}
    found.attrs = {}
    pd.testing.assert_frame_equal(found, frame)
    implicit = lxr.read_ratings_file(path, user_column="who", rating_column=None)
    assert implicit["rating"].tolist() == [1.0] * 4
    data = lxr.prepare(found, min_items_per_user=1, min_users_per_item=1)
    assert data.user_ids.tolist() == sorted(frame["user"].unique()) and data.matrix.nnz == 4


@pytest.mark.parametrize("name", KINDS)
def test_titles_come_from_another_file_or_the_same(tmp_path, name):
    path = write_own(tmp_path / name, RATINGS)
    rows = {"item": ["10", "30", "40", "x", "20"], "title": ["Ten, old", "Thirty", "Forty", "X", None]}
    items = write_own(tmp_path / f"items-{name}", pd.DataFrame(rows))
    found = lxr.read_ratings_file(path, items_path=items)
    assert found.attrs["source"] == [str(path), str(items)]
    data = lxr.prepare(found, min_items_per_user=1, min_users_per_item=1)
    assert dict(zip(data.item_ids, data.item_titles, strict=True)) == {"10": "Ten, old", "30": "Thirty", "20": "20"}
    path = write_own(path, RATINGS.assign(title=RATINGS["item"].map("Item {}".format)))
    found = lxr.read_ratings_file(path, items_path=path)
    assert found.attrs == {"titles": {10: "Item 10", 20: "Item 20", 30: "Item 30"}, "source": [str(path)]}


def test_values_in_quotes_may_hold_separators_and_line_ends(tmp_path):
    (tmp_path / "own.csv").write_text('user,item,rating,title,,\n1,"a,b",5,"two\nlines, ""said"" it",,\n2,c,x,C,,\n')
    with pytest.raises(lxr.DataError, match=r"own\.csv, row 3: expected a number as rating, found 'x'"):
        lxr.read_ratings_file(tmp_path / "own.csv")
    found = lxr.read_ratings_file(tmp_path / "own.csv", rating_column=None, items_path=tmp_path / "own.csv")
    assert found.attrs["titles"] == {"a,b": 'two\nlines, "said" it', "c": "C"}


def test_recbole_names_columns_with_or_without_types(tmp_path):
    (tmp_path / "a.inter").write_text('user_id:token\titem_id:token\tscore:float\nu"1\t5\t3.5\n')
    (tmp_path / "a.item").write_text('item_id:token\tname:token_seq\n5\t"Five\n')
    columns = {"user_column": "user_id", "item_column": "item_id", "rating_column": "score", "title_column": "name"}
    short = lxr.read_ratings_file(tmp_path / "a.inter", items_path=tmp_path / "a.item", **columns)
    types = {"user_column": "token", "item_column": "token", "rating_column": "float", "title_column": "token_seq"}
    whole = {name: f"{column}:{types[name]}" for name, column in columns.items()}
    found = lxr.read_ratings_file(tmp_path / "a.inter", items_path=tmp_path / "a.item", **whole)
    pd.testing.assert_frame_equal(found, short)
    assert short.loc[0].tolist() == ['u"1', 5, 3.5] and short.attrs["titles"] == {5: '"Five'}


IDS = {
    "integers": (["3", "-1", "0"], [3, -1, 0]),
    "leading zeros": (["007", "8", "9"], ["007", "8", "9"]),
    "numbers and words": (["1", "b", "2"], ["1", "b", "2"]),
    "too long for an integer": (["1", "99999999999999999999", "2"], ["1", "99999999999999999999", "2"]),
    "spaces around": ([" 1", "2 ", "3"], [1, 2, 3]),
    "decimals": (["1.5", "2", "3"], ["1.5", "2", "3"]),
    "missing values by name": (["NA", "null", "nan"], ["NA", "null", "nan"]),
}


@pytest.mark.parametrize(("values", "expected"), IDS.values(), ids=IDS)
def test_ids_are_integers_if_all_are_and_else_text(tmp_path, values, expected):
    path = write_own(tmp_path / "own.csv", pd.DataFrame({"user": values, "item": 1, "rating": 5}))
    assert lxr.read_ratings_file(path)["user"].tolist() == expected


def test_ids_in_parquet_may_be_of_other_types(tmp_path):
    big = np.array([2**64 - 1, 1, 2], dtype=np.uint64)
    frame = pd.DataFrame({"user": big, "item": [1.0, 2.0, 3.0], "rating": [True, False, True]})
    found = lxr.read_ratings_file(write_own(tmp_path / "own.parquet", frame))
    assert found["user"].tolist() == ["18446744073709551615", "1", "2"] and found["item"].tolist() == [1, 2, 3]
    assert found["rating"].tolist() == [1, 0, 1]


BAD_OWN = {
    "missing": ("none.csv", None, {}, r"none\.csv: cannot read the file: No such file"),
    "a directory": (".csv", None, {}, "expected a file"),
    "another kind": ("own.xlsx", b"PK", {}, r"own\.xlsx: expected a file \.csv, .* or \.parquet, found \.xlsx"),
    "no kind": ("own", b"user,item\n", {}, "found no suffix"),
    "no Parquet": ("own.parquet", b"user,item,rating\n", {}, r"own\.parquet: not a readable Parquet file"),
    "no header": ("own.csv", b"1,10,5\n2,10,5\n", {}, "expected a column user, found 1, 10, 5"),
    "two other separators": (
        "own.csv",
        b"user;item|rating\n1;10|5\n",
        {},
        r"expected a column user, found user;item\|rating",
    ),
    "no rating": ("own.csv", b"user,item\n1,10\n", {}, "expected a column rating, found user, item"),
    "a column twice": ("own.csv", b"user,item,item\n1,10,5\n", {"rating_column": None}, "expected one column item"),
    "a column for two": ("own.csv", b"user,item\n1,10\n", {"rating_column": "item"}, "expected different columns"),
    "header alone": ("own.csv", b"user,item,rating\n", {}, "expected at least one line of data, found none"),
    "open quote": ("own.csv", b'user,item,rating\n1,"10,5\n2,20,5\n', {}, "expected"),
}


@pytest.mark.parametrize(("name", "content", "columns", "message"), BAD_OWN.values(), ids=BAD_OWN)
def test_a_bad_file_of_ones_own_is_refused(tmp_path, name, content, columns, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(lxr.DataError, match=message) as caught:
        lxr.read_ratings_file(tmp_path / name, **columns)
    assert str(tmp_path / name) in str(caught.value) and "\n" not in str(caught.value)


BAD_PARQUET = {
    "no rows": (RATINGS.head(0), "expected at least one row, found none"),
    "user missing": (RATINGS.assign(user=[1, None, 2, 3]), r"row 2: expected an id of the user, found none"),
    "rating missing": (RATINGS.assign(rating=[1, 2, 3, None]), r"row 4: expected a number as rating, found .*nan"),
    "rating infinite": (RATINGS.assign(rating=[1, 2, np.inf, 3]), r"row 3: expected a number as rating, found .*inf"),
    "rating a word": (RATINGS.assign(rating=["1", "2", "x", "3"]), r"row 3: expected a number as rating, found 'x'"),
}


@pytest.mark.parametrize(("frame", "message"), BAD_PARQUET.values(), ids=BAD_PARQUET)
def test_bad_parquet_is_refused(tmp_path, frame, message):
    with pytest.raises(lxr.DataError, match=rf"own\.parquet.*{message}"):
        lxr.read_ratings_file(write_own(tmp_path / "own.parquet", frame))


def test_titles_of_other_items_are_refused(tmp_path):
    path = write_own(tmp_path / "own.csv", RATINGS)
    items = write_own(tmp_path / "items.csv", pd.DataFrame({"item": ["a", "b"], "title": ["A", "B"]}))
    with pytest.raises(
        lxr.DataError, match=r"items\.csv: expected titles of the items of .*own\.csv, \['10', .*of \['a', 'b'\]"
    ):
        lxr.read_ratings_file(path, items_path=items)
    (tmp_path / "untitled.csv").write_text("item,title\n10,\n")
    with pytest.raises(lxr.DataError, match=r"untitled\.csv: expected titles .* none but of \[\]"):
        lxr.read_ratings_file(path, items_path=tmp_path / "untitled.csv")
    with pytest.raises(lxr.DataError, match=r"items\.csv: expected a column name, found item, title"):
        lxr.read_ratings_file(path, items_path=items, title_column="name")
