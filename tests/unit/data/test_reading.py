"""Reading the user's own files: every value is read as written, or an error names the row."""

import datetime
import decimal
import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import lxr
from lxr.data import movielens
from lxr.data.reading.columns import exact_ids, integer_ids
from lxr.data.reading.download import read_member
from lxr.data.reading.quotes import find_quotes
from lxr.data.reading.raw_text import CHUNK
from lxr.utils import memory


def read(directory: Path, name: str, content: str | bytes, **columns) -> pd.DataFrame:
    """Write a file and read it as ratings."""
    (directory / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return lxr.read_ratings_file(directory / name, **columns)


def rows_of(ratings: pd.DataFrame) -> list[tuple]:
    """The rows of a frame as tuples of Python values."""
    return list(ratings.itertuples(index=False, name=None))


def refused(directory: Path, name: str, content: str | bytes, message: str, **columns) -> None:
    """The file is refused in one line that names it, and says this."""
    with pytest.raises(lxr.DataError, match=message) as caught:
        read(directory, name, content, **columns)
    assert str(directory / name) in str(caught.value) and "\n" not in str(caught.value)


# --- dialects --------------------------------------------------------------------------------------------------------

TWO = [("ann", 7, 4.5), ("bob", 9, 3.0)]
DIALECTS = {
    "semicolons, decimal commas": ("a.csv", "user;item;rating\nann;7;4,5\nbob;9;3\n", "separator ';', decimal ','"),
    "semicolons in a TSV": ("a.tsv", "user;item;rating\nann;7;4.5\nbob;9;3\n", "separator ';'"),
    "tabs in a CSV": ("a.csv", "user\titem\trating\nann\t7\t4.5\nbob\t9\t3\n", r"separator '\t'"),
    "bars": ("a.csv", "user|item|rating\nann|7|4.5\nbob|9|3\n", "separator '|'"),
    "blanks": ("a.csv", "user, item,  rating\nann, 7,  4.5\nbob, 9, 3\n", "blanks after separators"),
    "capitals": ("A.CSV", "user,item,rating\nann,7,4.5\nbob,9,3\n", None),
    "capitals, gzipped": ("A.TSV.GZ", gzip.compress(b"user\titem\trating\nann\t7\t4.5\nbob\t9\t3\n"), None),
    "CR": ("a.csv", "user,item,rating\rann,7,4.5\rbob,9,3\r", "line ends CR"),
    "CR and CRLF": ("a.csv", "user,item,rating\r\nann,7,4.5\rbob,9,3\r\n", None),
    "quoted TSV": ("a.tsv", '"user"\t"item"\t"rating"\n"ann"\t"7"\t"4.5"\nbob\t9\t3\n', "values in quotes"),
    "quoted CSV": ("a.csv", '"user","item","rating"\n"ann","7","4.5"\nbob,9,3\n', None),
    "quoted separators": ("a.csv", '"user";"item";"rating"\n"ann";"7";"4,5"\nbob;9;3\n', "separator ';', decimal ','"),
    "plus, point, exponent": ("a.csv", "user,item,rating\nann,7,+4.50\nbob,9,.3e1\n", None),
}


@pytest.mark.parametrize(("name", "content", "dialect"), DIALECTS.values(), ids=DIALECTS)
def test_a_dialect_is_found_out_and_said(tmp_path, name, content, dialect):
    found = read(tmp_path, name, content)
    assert rows_of(found) == TWO
    assert found.attrs.get("dialect") == (None if dialect is None else [f"{tmp_path / name}: {dialect}"])


UNCLEAR = {
    "comma and point": ("a;b;1,5\nc;d;2.5\n", r"row 3: expected a decimal comma as rating, as in row 2, found '2\.5'"),
    "thousands?": ("a;b;1,500\nc;d;2\n", "row 2: expected a number as rating, found '1,500', whose comma may be"),
    "both in one": ("a;b;1.500,5\n", r"row 2: expected a number as rating, found '1\.500,5'"),
    "no number": ("a;b;1,5\nc;d;x\n", "row 3: expected a number as rating, found 'x'"),
}


@pytest.mark.parametrize(("rows", "message"), UNCLEAR.values(), ids=UNCLEAR)
def test_a_decimal_comma_is_never_guessed(tmp_path, rows, message):
    refused(tmp_path, "a.csv", "user;item;rating\n" + rows, message)


def test_a_comma_is_none_where_commas_separate_or_tabs(tmp_path):
    refused(tmp_path, "a.csv", 'user,item,rating\na,b,"4,5"\n', "row 2: expected a number as rating, found '4,5'")
    refused(tmp_path, "a.tsv", "user\titem\trating\na\tb\t4,5\n", "row 2: expected a number as rating, found '4,5'")


# --- quotes ----------------------------------------------------------------------------------------------------------

HEADER = "user,item,rating,title\n"
STRAY = {
    "never closed": (HEADER + '1,1,5,A\n1,2,4,"B\n2,1,5,A\n', "row 3: .*closed.*found '\"B'"),
    "closed within the value": (HEADER + '1,1,5,"A" side\n2,1,5,A\n', "row 2: .*closed"),
    "closed in a later row": (HEADER + '1,1,5,A\n1,2,4,"B\n2,1,5,A\n2,2,5,C"\n3,1,4,A\n', "row 3: .*swallow"),
    "closed in the next row": (HEADER + '1,1,5,A\n1,2,4,"B\n2,1,5,A"\n', "row 3: .*swallow"),
    "of the first column": ('title,user,item,rating\nA,1,1,5\n"B,1,2,4\nC",2,1,5\n', "row 3: .*swallow"),
    "after a blank": (HEADER + '1,1,5, "A"\n', "row 2: .*closed"),
    "in the header": ('user,item,rating,"title\n1,1,5,A\n', "row 1: .*closed"),
    "behind a title of two lines": (HEADER + '1,1,5,"A\nB"\n1,2,4,"C\n', "row 3: .*closed"),
    "two, of words": (HEADER + 'ann,i1,5,A\nbob,i2,4,"B\nann,i3,4,C\nbob,i1,3,D"\n', "row 3: .*swallow"),
}


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize(("content", "message"), STRAY.values(), ids=STRAY)
def test_a_stray_quote_is_named(tmp_path, content, message, end):
    refused(tmp_path, "a.csv", content.replace("\n", end), message)
    if "swallows" in message:
        refused(tmp_path, "a.tsv", content.replace(",", "\t").replace("\n", end), message)


FINE = {
    "two lines": '"Two\nlines"',
    "a quote and a comma in the second line": '"Two\nlines, ""said"" it, twice"',
    "prose with as many commas as a row has": '"One\ntwo, three, four, five\nsix"',
    "an empty line": '"Two\n\nlines"',
    "a quote within": 'The 5" single',
    "quotes within": 'The ""Best"" of',
    "nothing in quotes": '""',
    "quotes alone": '""""""',
}


@pytest.mark.parametrize("title", FINE.values(), ids=FINE)
def test_a_value_in_quotes_stays_what_it_is(tmp_path, title):
    content = f"user,item,rating,title\n1,1,5,{title}\n2,1,4,{title}\n2,2,3,Z\n"
    found = read(tmp_path, "a.csv", content, items_path=tmp_path / "a.csv")
    inside = title[1:-1].replace('""', '"') if title.startswith('"') else title
    assert rows_of(found) == [(1, 1, 5), (2, 1, 4), (2, 2, 3)]
    assert found.attrs["titles"] == ({1: inside} if inside else {}) | {2: "Z"}


def test_a_title_of_two_lines_may_come_first(tmp_path):
    content = 'title,user,item,rating\n"Two\nlines",1,1,5\n"a, b\nc",1,2,4\nZ,2,2,3\n'
    found = read(tmp_path, "a.csv", content, items_path=tmp_path / "a.csv")
    assert rows_of(found) == [(1, 1, 5), (1, 2, 4), (2, 2, 3)] and found.attrs["titles"] == {1: "Two\nlines", 2: "Z"}


def test_a_tsv_is_read_as_pandas_writes_it_and_as_recbole_does(tmp_path):
    titles = ['The "Best" of', '"Heroes"', "two\nlines", "a\ttab", "plain"]
    frame = pd.DataFrame({"user": 1, "item": range(5), "rating": 5, "title": titles})
    frame.to_csv(tmp_path / "a.tsv", sep="\t", index=False)
    found = lxr.read_ratings_file(tmp_path / "a.tsv", items_path=tmp_path / "a.tsv")
    assert found.attrs["titles"] == dict(enumerate(titles))
    literal = 'user\titem\trating\ttitle\n1\t0\t5\t"Heroes" and others\n1\t1\t5\t"Low\n'
    for name in ("b.tsv", "b.inter"):
        found = read(tmp_path, name, literal, items_path=tmp_path / name)
        assert found.attrs["titles"] == {0: '"Heroes" and others', 1: '"Low'}
    refused(tmp_path, "c.tsv", literal.replace('"Low', '"Low"'), "row 2: .*closed")  # both ways in one file


@given(st.text(alphabet='",\nab', max_size=14))
def test_the_fast_look_at_quotes_equals_a_slow_one(text):
    expected, stray, place, start = False, None, 0, True
    while place < len(text):  # character by character, as RFC 4180 has it
        end = place + 1
        if text[place] == '"' and start:
            while end < len(text) and (text[end] != '"' or text[end : end + 2] == '""'):
                end += 2 if text[end] == '"' else 1
            closed = end < len(text) and (end + 1 == len(text) or text[end + 1] in ",\n")
            stray = place if not closed and stray is None else stray
            expected, end = (True, end + 1) if closed else (expected, place + 1)
        start = end - 1 < len(text) and text[end - 1] in ",\n"
        place = end
    found = find_quotes(text.encode(), ",")
    assert (found.any, found.stray) == (expected, stray)


# --- ids, ratings, times ---------------------------------------------------------------------------------------------


def parquet(directory: Path, **columns) -> pd.DataFrame:
    """Read a Parquet file of three rows, with these columns instead of the usual ones."""
    usual = {"user": [1, 2, 3], "item": [1, 2, 3], "rating": [5.0, 4.0, 3.0]}
    pa.parquet.write_table(pa.table(usual | columns), directory / "a.parquet")
    return lxr.read_ratings_file(directory / "a.parquet")


EXACT = {
    "the largest floats": (pa.array([1.0, 2.0**53 - 1, -0.0]), [1, 2**53 - 1, 0]),
    "single precision": (pa.array([1, 2, 2**24 - 1], pa.float32()), [1, 2, 2**24 - 1]),
    "unsigned": (pa.array([1, 2, 2**63], pa.uint64()), ["1", "2", str(2**63)]),
    "decimals of a database": (pa.array([decimal.Decimal("1"), decimal.Decimal("20"), decimal.Decimal("3")]), [1, 20, 3]),
    "long decimals": (pa.array([decimal.Decimal(2**70), decimal.Decimal(1), decimal.Decimal(2)]), [str(2**70), "1", "2"]),
    "a dictionary": (pa.array(["b", "a", "b"]).dictionary_encode(), ["b", "a", "b"]),
    "large text": (pa.array(["b", "a", "1"], pa.large_string()), ["b", "a", "1"]),
    "int8": (pa.array([1, -2, 3], pa.int8()), [1, -2, 3]),
}
NOT_EXACT = {
    "2**53": (pa.array([1.0, 2.0**53, 3.0]), r"row 2: expected an integer below 2\*\*53 as user, .* found 9007199254740992"),
    "single precision": (pa.array([1, 2**24, 3], pa.float32()), r"row 2: expected an integer below 2\*\*24"),
    "fractions": (pa.array([1.0, 2.5, 3.0]), r"row 2: expected an integer .*found 2\.5"),
    "infinite": (pa.array([1.0, 2.0, -np.inf]), "row 3: expected an integer .*found -inf"),
    "decimal fractions": (pa.array([decimal.Decimal("1.5")] * 3), "row 1: expected an integer or text .*1.5"),
    "booleans": (pa.array([True, False, True]), "row 1: expected an integer or text .*found True"),
    "bytes": (pa.array([b"a", b"b", b"\xff"]), "row 1: expected an integer or text .*found b'a'"),
    "lists": (pa.array([[1], [2], [3]]), "row 1: expected an integer or text"),
    "dates": (pa.array([datetime.date(2026, 1, day) for day in (1, 2, 3)]), "row 1: expected an integer or text .*date"),
    "times": (pa.array([datetime.datetime(2026, 1, day) for day in (1, 2, 3)]), "row 1: expected an integer or text"),
    "missing in a dictionary": (
        pa.array(["b", None, "b"]).dictionary_encode(),
        "row 2: expected an id of the user, found none",
    ),
    "blank": (pa.array(["b", " ", "c"]), "row 2: expected an id of the user, found none"),
    "NUL": (pa.array(["b", "a\0", "a"]), "row 2: expected an id of the user without NUL"),
    "blanks around": (
        pa.array(["b", "a ", "a"]),
        "row 3: expected every user to be written in one way, here 'a ', found 'a'",
    ),
}


@pytest.mark.parametrize(("values", "expected"), EXACT.values(), ids=EXACT)
def test_ids_of_any_exact_type_are_read(tmp_path, values, expected):
    assert parquet(tmp_path, user=values)["user"].tolist() == expected


@pytest.mark.parametrize(("values", "message"), NOT_EXACT.values(), ids=NOT_EXACT)
def test_ids_that_are_not_exact_are_refused(tmp_path, values, message):
    with pytest.raises(lxr.DataError, match=rf"a\.parquet, {message}"):
        parquet(tmp_path, user=values)


NO_RATINGS = {
    "dates": (pa.array([datetime.datetime(2026, 1, 1)] * 3), "row 1: expected a number as rating, found Timestamp"),
    "days": (pa.array([datetime.date(2026, 1, 1)] * 3), "row 1: expected a number as rating, found datetime.date"),
    "durations": (pa.array([datetime.timedelta(1)] * 3), "row 1: expected a number as rating, found Timedelta"),
    "lists": (pa.array([[1.0]] * 3), "row 1: expected a number as rating"),
    "too large to be exact": (
        pa.array([1, 2**53 + 1, 3]),
        r"row 2: expected a number below 2\*\*53 as rating, found 9007199254740993",
    ),
}


@pytest.mark.parametrize(("values", "message"), NO_RATINGS.values(), ids=NO_RATINGS)
def test_what_is_no_number_is_no_rating(tmp_path, values, message):
    with pytest.raises(lxr.DataError, match=rf"a\.parquet, {message}"):
        parquet(tmp_path, rating=values)


def test_numbers_of_any_type_are_ratings(tmp_path):
    # True and False are 1 and 0, one to one: a column "liked" is a rating. Text like 'True' is not.
    for values in (
        [True, False, True],
        [decimal.Decimal("1"), decimal.Decimal("0"), decimal.Decimal("1")],
        ["1", " 0", "1e0"],
    ):
        assert parquet(tmp_path, rating=pa.array(values))["rating"].tolist() == [1, 0, 1]
    refused(tmp_path, "a.csv", "user,item,rating\n1,1,True\n", "row 2: expected a number as rating, found 'True'")


def test_digits_of_other_scripts_make_no_integers(tmp_path):
    found = read(tmp_path, "a.csv", "user,item,rating\n1\u0661,1,5\n11,1,5\n")
    assert found["user"].tolist() == ["1\u0661", "11"]


# What is accepted, and why that is right. Line ends say nothing of values, whether they are CRLF or CR. Blanks around
# numbers and ids are dropped, as long as no two ids become one by that. Gzipped files are known by their content, not by
# their names. (Below: integers beyond 64 bits become text with the same digits. Above: separators by the header; booleans
# are 0 and 1.)
ACCEPTED = {
    "CRLF": ("a.csv", b"user,item,rating\r\n1,2,5\r\n"),
    "CR": ("a.csv", b"user,item,rating\r1,2,5\r"),
    "blanks": ("a.csv", b"user,item,rating\n 1,2, 5 \n"),
    "plain text named gz": ("a.csv.gz", b"user,item,rating\n1,2,5\n"),
    "gzipped text not named gz": ("a.csv", gzip.compress(b"user,item,rating\n1,2,5\n")),
    "several gzip members": ("a.csv", gzip.compress(b"user,item,rating\n") + gzip.compress(b"1,2,5\n")),
}


@pytest.mark.parametrize(("name", "content"), ACCEPTED.values(), ids=ACCEPTED)
def test_what_is_rightly_accepted(tmp_path, name, content):
    assert rows_of(read(tmp_path, name, content)) == [(1, 2, 5)]


def test_long_integers_are_text(tmp_path):
    found = read(tmp_path, "a.csv", f"user,item,rating\n{2**70},2,5\n3,4,5\n")
    assert found["user"].tolist() == [str(2**70), "3"] and found["item"].tolist() == [2, 4]


def test_registered_ids_are_written_in_one_way():
    frame = pd.DataFrame({"user": ["1", "2.0", "01"]}).rename_axis("line")
    with pytest.raises(lxr.DataError, match=r"u\.data, line 2: expected one way of writing each user, found '01'"):
        integer_ids(frame, "user", "u.data")
    assert integer_ids(frame.head(2), "user", "u.data").tolist() == [1, 2]
    with pytest.raises(lxr.DataError, match=r"line 0: expected a number below 2.*53 as user, found '9007199254740993'"):
        integer_ids(pd.DataFrame({"user": [str(2**53 + 1)]}).rename_axis("line"), "user", "u.data")


TIMES = {
    "seconds": (["1600000000", "5"], [1600000000, 5]),
    "nanoseconds": (["1600000000000000001", "1600000000000000000"], [1600000000000000001, 1600000000000000000]),
    "fractions": (["1.5", "2"], [1.5, 2.0]),
    "days": (["2026-01-31", "2025-12-01"], [pd.Timestamp("2026-01-31", tz="UTC"), pd.Timestamp("2025-12-01", tz="UTC")]),
    "zones": (
        ["2026-01-31 12:00:00+02:00", "2026-01-31T11:00:00Z"],
        [pd.Timestamp("2026-01-31 10:00", tz="UTC"), pd.Timestamp("2026-01-31 11:00", tz="UTC")],
    ),
}
NO_TIMES = {
    "missing": (["1", ""], "row 3"),
    "a word": (["soon", "1"], "row 2"),
    "a number and a date": (["1", "2026-01-31"], "row 3"),
    "a date and a number": (["2026-01-31", "1"], "row 3"),
    "a zone and none": (["2026-01-31 12:00:00Z", "2026-01-31 12:00:00"], "row 3"),
    "another order": (["31.01.2026", "30.01.2026"], "row 2"),
    "no such day": (["2026-01-31", "2026-02-31"], "row 3"),
    "infinite": (["1", "inf"], "row 3"),
}


@pytest.mark.parametrize(("values", "expected"), TIMES.values(), ids=TIMES)
def test_times_are_numbers_or_dates(tmp_path, values, expected):
    rows = "".join(f"{row},1,5,{value}\n" for row, value in enumerate(values))
    assert read(tmp_path, "a.csv", "user,item,rating,timestamp\n" + rows)["timestamp"].tolist() == expected
    content = "user,item,rating,when\n" + rows
    assert "timestamp" not in read(tmp_path, "a.csv", content)
    assert read(tmp_path, "a.csv", content, timestamp_column="when")["timestamp"].tolist() == expected


@pytest.mark.parametrize(("values", "row"), NO_TIMES.values(), ids=NO_TIMES)
def test_other_times_are_refused_unless_they_do_not_matter(tmp_path, values, row):
    content = "user,item,rating,timestamp\n" + "".join(f"{row},1,5,{value}\n" for row, value in enumerate(values))
    refused(tmp_path, "a.csv", content, f"{row}: expected a number or a date like .* as timestamp")
    assert len(read(tmp_path, "a.csv", content, timestamp_column=None)) == 2


def test_a_column_of_times_that_is_asked_for_has_to_be_there(tmp_path):
    refused(tmp_path, "a.csv", "user,item,rating\n1,1,5\n", "expected a column when", timestamp_column="when")
    twice = "user,item,rating,timestamp,timestamp:float\n1,1,5,1,2\n"
    refused(tmp_path, "a.csv", twice, "expected one column timestamp")
    assert (
        read(tmp_path, "a.inter", "user:token\titem:token\trating:float\ttimestamp:float\n1\t1\t5\t7\n")["timestamp"][0] == 7
    )


def test_titles_are_text(tmp_path):
    for values, expected in (([1984, 300], {1: "1984", 2: "300"}), (["A", None], {1: "A"})):
        frame = pd.DataFrame({"user": 1, "item": [1, 2], "rating": 5, "title": values})
        frame.to_parquet(tmp_path / "a.parquet")
        found = lxr.read_ratings_file(tmp_path / "a.parquet", items_path=tmp_path / "a.parquet")
        assert found.attrs["titles"] == expected
    for bad in ([b"A", b"B"], [["A"], ["B"]], [1.5, 2.5], ["A\0", "B"]):
        frame.assign(title=bad).to_parquet(tmp_path / "a.parquet")
        with pytest.raises(lxr.DataError, match=r"a\.parquet, row 1: expected text .*as title"):
            lxr.read_ratings_file(tmp_path / "a.parquet", items_path=tmp_path / "a.parquet")


BAD_ARGUMENTS = [
    *(("path", value) for value in (None, 5, b"a.csv", "", ["a.csv"])),
    *(("items_path", value) for value in (5, b"a.csv")),
    *((name, value) for name in ("user_column", "item_column", "title_column") for value in (None, 3, "", ["user"])),
    *((name, value) for name in ("rating_column", "timestamp_column") for value in (3, "", ["user"])),
]


@pytest.mark.parametrize(("name", "value"), BAD_ARGUMENTS, ids=str)
def test_bad_arguments_are_refused(tmp_path, name, value):
    (tmp_path / "a.csv").write_text("user,item,rating\n1,2,5\n")
    with pytest.raises(ValueError, match=f"^{name}: expected a (path|name), found "):
        lxr.read_ratings_file(**{"path": tmp_path / "a.csv", name: value})


@pytest.mark.parametrize(
    ("name", "value"), [("name", None), ("name", ["ml-1m"]), ("data_dir", 5), ("data_dir", b"x")], ids=str
)
def test_bad_arguments_of_a_dataset_are_refused(name, value):
    for load in (lxr.load_ratings, lxr.load_dataset):
        with pytest.raises(ValueError, match=f"^{name}: expected a (path|name), found "):
            load(**{"name": "synthetic", name: value})


# --- bytes -----------------------------------------------------------------------------------------------------------

BYTES = {
    "UTF-16": ("user,item,rating\n1,2,5\n".encode("utf-16"), "expected utf-8 text, found UTF-16"),
    "UTF-16 without a mark": ("user,item,rating\n1,2,5\n".encode("utf-16-le"), "line 1: expected text, found a NUL byte"),
    "NUL": (b"user,item,rating\n1,2,5\n1,\x003,4\n", "line 3: expected text, found a NUL byte"),
    "latin-1": ("user,item,rating\n1,2,5\n1,é,4\n".encode("latin-1"), "line 3: expected utf-8 text, found byte 0xe9"),
    "latin-1 with CR": (
        "user,item,rating\r1,2,5\r1,é,4\r".encode("latin-1"),
        "line 3: expected utf-8 text, found byte 0xe9",
    ),
    "zip": (b"PK\x03\x04" + bytes(50), "expected utf-8 text, found a zip archive"),
    "Parquet": (b"PAR1" + bytes(50), "expected utf-8 text, found a Parquet file"),
}


@pytest.mark.parametrize(("content", "message"), BYTES.values(), ids=BYTES)
def test_other_bytes_are_named(tmp_path, content, message):
    refused(tmp_path, "a.csv", content, message)
    refused(tmp_path, "a.csv.gz", gzip.compress(content), message)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8", "utf-8-sig"])
def test_movies_are_read_in_latin_1_and_in_utf_8(tmp_path, monkeypatch, encoding):
    monkeypatch.setattr(movielens, "ML_1M_RATINGS", 1)
    (tmp_path / "ratings.dat").write_text("1::10::5::0\n")
    (tmp_path / "users.dat").write_text("")
    (tmp_path / "movies.dat").write_bytes(
        "10::Cité des enfants perdus, La (1995)::Fantasy\n11::Ü (1)::Drama\n".encode(encoding)
    )
    assert lxr.load_ratings("ml-1m", tmp_path).attrs["titles"] == {10: "La Cité des enfants perdus (1995)", 11: "Ü (1)"}


def test_a_character_that_stands_for_the_separator_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(movielens, "ML_1M_RATINGS", 1)
    (tmp_path / "users.dat").write_text("")
    (tmp_path / "ratings.dat").write_text("1::10::5::0\n")
    (tmp_path / "movies.dat").write_text("10::Ten::Drama\n11::Ele\x1fven::Drama\n")
    with pytest.raises(lxr.DataError, match=r"movies\.dat, line 2: expected text, found the control character"):
        lxr.load_ratings("ml-1m", tmp_path)


# --- memory ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def little_memory(monkeypatch):
    """Fifty megabytes are free."""
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 50_000_000}))


def test_what_does_not_fit_into_memory_is_refused_before(tmp_path, little_memory):
    rows = b"1,2,5\n" * 3_000_000
    packed = gzip.compress(b"user,item,rating\n" + rows, 1)
    assert len(packed) < 1_000_000 and len(rows) < 2 * CHUNK
    refused(tmp_path, "a.csv.gz", packed, r"expected a file that fits into memory \(50\.0 MB free\), found at least")
    refused(tmp_path, "a.csv", b"user,item,rating\n" + rows, "expected a file that fits into memory")
    ones = pa.array(np.ones(1_000_000, dtype=np.int8))
    pa.parquet.write_table(pa.table({"user": ones, "item": ones, "rating": ones}), tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 50_000
    with pytest.raises(lxr.DataError, match=r"a\.parquet: expected a file that fits into memory .*found 1000000 rows"):
        lxr.read_ratings_file(tmp_path / "a.parquet")
    assert len(read(tmp_path, "b.csv", b"user,item,rating\n1,2,5\n")) == 1
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("u.data", bytes(60_000_000))
    with zipfile.ZipFile(buffer) as archive, pytest.raises(lxr.DataError, match=r"u\.data: .*fits into memory.*60\.0 MB"):
        read_member(archive, "u.data")


def test_a_call_that_does_not_fit_names_the_argument_to_lower(little_memory):
    with pytest.raises(ValueError, match=r"n_users: .*needs 240\.0 MB: lower n_users"):
        lxr.split_users(10**7, seed=42)
    assert len(lxr.split_users(10**5, seed=42)[0]) == 70_000


# --- properties ------------------------------------------------------------------------------------------------------

WORDS = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\x85\u2028\u2029"), min_size=1, max_size=6
)
WORDS = WORDS.map(str.strip).filter(bool)
INTEGERS = st.integers(-(10**17), 10**17)
NUMBERS = st.floats(-(2.0**40), 2.0**40).map(lambda value: value + 0.0)
TITLES = st.text(st.sampled_from("ab \",;\t\n|é愛'1"), min_size=1, max_size=12)


@st.composite
def frames(draw) -> pd.DataFrame:
    """Ratings with ids of one kind in each column, and titles of all kinds, one for each row's item."""
    size = draw(st.integers(1, 8))
    columns = {
        name: draw(st.lists(draw(st.sampled_from([WORDS, INTEGERS])), min_size=size, max_size=size))
        for name in ("user", "item")
    }
    columns["rating"] = draw(st.lists(NUMBERS, min_size=size, max_size=size))
    columns["title"] = draw(st.lists(TITLES, min_size=size, max_size=size))
    return pd.DataFrame(columns)


def same(found: pd.DataFrame, frame: pd.DataFrame) -> bool:
    """Return whether ids, as text, and ratings are those of the frame, row by row."""
    ids = all(found[name].astype(str).tolist() == frame[name].astype(str).tolist() for name in ("user", "item"))
    return ids and found["rating"].tolist() == frame["rating"].tolist()


WRITERS = {
    "comma": ("a.csv", {}),
    "semicolon": ("a.csv", {"sep": ";"}),
    "decimal comma": ("a.csv", {"sep": ";", "decimal": ","}),
    "tab": ("a.tsv", {"sep": "\t"}),
    "CRLF": ("a.csv", {"lineterminator": "\r\n"}),
    "all quoted": ("a.csv", {"quoting": 1}),
    "tab, all quoted": ("a.tsv", {"sep": "\t", "quoting": 1}),
    "gzip": ("a.csv.gz", {}),
    "Parquet": ("a.parquet", None),
}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options"), WRITERS.values(), ids=WRITERS)
@given(frame=frames())
def test_a_frame_is_read_as_it_was_written_or_refused(tmp_path_factory, name, options, frame):
    path = tmp_path_factory.getbasetemp() / name
    if options is None:
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, **options)
    try:
        found = lxr.read_ratings_file(path, items_path=path)
    except lxr.DataError as error:  # decimal commas that may be thousands, or titles that look like rows
        assert ", row " in str(error)
        assume(False)
    assert same(found, frame)
    titles = {str(item): title for item, title in zip(frame["item"], frame["title"], strict=True)}
    assert {str(item): title for item, title in found.attrs["titles"].items()} == titles


@given(
    frame=frames(),
    place=st.floats(0, 1, exclude_max=True),
    new=st.sampled_from(['"', ",", "\n", "\r", "x", "\0", "\xff", "", '"\n']),
)
def test_a_damaged_file_never_loses_rows_silently(tmp_path_factory, frame, place, new):
    path = tmp_path_factory.getbasetemp() / "damaged.csv"
    frame = frame.assign(title=frame["title"].str.replace("\n", " "))  # so that a row is a line
    content = frame.to_csv(index=False).encode()
    at = int(place * len(content))
    path.write_bytes(content[:at] + new.encode("latin-1") + content[at + 1 :])
    try:
        found = lxr.read_ratings_file(path)
    except lxr.DataError as error:
        assert str(path) in str(error)
        return
    joined = content[at : at + 1] == b"\n"  # the damage itself may have joined two rows, or cut one
    assert abs(len(found) - len(frame)) <= (1 if joined or new in ("\n", "\r", '"\n') else 0)


@given(
    st.lists(
        st.one_of(
            st.integers(-(2**80), 2**80), st.floats(), st.text(max_size=3), st.booleans(), st.none(), st.binary(max_size=2)
        ),
        min_size=1,
        max_size=5,
    )
)
def test_ids_stay_different_or_are_refused(values):
    series = pd.Series(values, dtype=object).rename_axis("row")
    try:
        found = exact_ids(series, "user", "ratings")
    except lxr.DataError as error:
        assert "ratings, row " in str(error)
        return
    assert found.nunique() == len({str(int(value)) if isinstance(value, float) else str(value) for value in values})
