"""MovieLens: files, archives and mirrors, what is refused, and counts of the real data."""

import dataclasses
import functools
import hashlib
import http.server
import io
import re
import subprocess
import threading
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from raw_files import contents, message_of, write

import lxr
from lxr.data import movielens
from lxr.data.reading import download
from lxr.utils.environment import PROJECT_ROOT, data_directory

RATINGS = "1::10::5::978300760\n1::30::3::978302109\n2::20::4::978301968\n"


MOVIES = "10::Net, The (1995)::Thriller\n20::Misérables, Les (1995)::Drama\n30::Toy Story (1995)::Comedy\n"


USERS = "1::F::1::10::48067\n2::M::56::16::70072\n"


ML_1M_FILES = {"ratings.dat": RATINGS, "movies.dat": MOVIES, "users.dat": USERS}


def zipped(files: dict[str, str | bytes]) -> bytes:
    """A zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content if isinstance(content, bytes) else content.encode("latin-1"))
    return buffer.getvalue()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def small_ml_1m(monkeypatch):
    """MovieLens 1M is complete with three ratings."""
    monkeypatch.setattr(movielens, "ML_1M_RATINGS", 3)


# --- MovieLens 1M ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("below", ["ml-1m", "."], ids=["own directory", "data directory"])
@pytest.mark.parametrize("by_environment", [False, True], ids=["argument", "environment"])
def test_ml_1m_is_found(small_ml_1m, offline, tmp_path, monkeypatch, below, by_environment):
    write(tmp_path / below, ML_1M_FILES)
    monkeypatch.setenv("LXR_DATA_DIR", str(tmp_path if by_environment else tmp_path / "elsewhere"))
    ratings = lxr.load_ratings("ml-1m", None if by_environment else tmp_path)
    assert ratings.to_dict("list") == {
        "user": [1, 1, 2],
        "item": [10, 30, 20],
        "rating": [5, 3, 4],
        "timestamp": [978300760, 978302109, 978301968],
    }
    assert ratings.attrs["titles"] == {10: "The Net (1995)", 20: "Les Misérables (1995)", 30: "Toy Story (1995)"}
    assert [Path(path).resolve() for path in ratings.attrs["source"]] == [(tmp_path / below / "ratings.dat").resolve()]


@pytest.mark.parametrize("change", [lambda text: text.replace("\n", "\r\n"), str.rstrip], ids=["CRLF", "no last line end"])
def test_line_ends_do_not_matter(small_ml_1m, offline, tmp_path, change):
    write(tmp_path / "changed", {name: change(text) for name, text in ML_1M_FILES.items()})
    write(tmp_path / "plain", ML_1M_FILES)
    changed, plain = (lxr.load_ratings("ml-1m", tmp_path / name) for name in ("changed", "plain"))
    assert changed.attrs["titles"] == plain.attrs["titles"]
    changed.attrs = plain.attrs = {}
    pd.testing.assert_frame_equal(changed, plain)


BAD_ML_1M = {
    "movies missing": ({"movies.dat": None}, r"ml-1m: found ratings\.dat, but movies\.dat is missing"),
    "too few fields": (
        {"ratings.dat": RATINGS.replace("::5::", "::")},
        r"ratings\.dat, line 1: expected user::item::rating::timestamp, found '1::10::978300760'",
    ),
    "too many fields": (
        {"ratings.dat": RATINGS.replace("::4::", "::4::4::")},
        r"ratings\.dat, line 3: expected user::item::rating::timestamp, found '2::20::4::4::978301968'",
    ),
    "cut within a line": (
        {"ratings.dat": RATINGS[:-15]},
        r"ratings\.dat, line 3: expected user::item::rating::timestamp, found '2::20'",
    ),
    "another separator": ({"ratings.dat": RATINGS.replace("::", ",")}, r"ratings\.dat, line 1: .*found '1,10,5,978300760'"),
    "blank line": ({"ratings.dat": RATINGS.replace("\n2", "\n\n2")}, r"ratings\.dat, line 3: expected .*found ''"),
    "rating is no number": (
        {"ratings.dat": RATINGS.replace("::3::", "::three::")},
        r"ratings\.dat, line 2: expected a number as rating, found 'three'",
    ),
    "rating is empty": (
        {"ratings.dat": RATINGS.replace("::3::", "::::")},
        r"ratings\.dat, line 2: expected a number as rating, found ''",
    ),
    "rating is not a number": (
        {"ratings.dat": RATINGS.replace("::3::", "::nan::")},
        r"ratings\.dat, line 2: expected a number as rating, found 'nan'",
    ),
    "rating is infinite": ({"ratings.dat": RATINGS.replace("::3::", "::inf::")}, r"ratings\.dat, line 2: .*found 'inf'"),
    "user is no integer": (
        {"ratings.dat": RATINGS.replace("2::20", "2.5::20")},
        r"ratings\.dat, line 3: expected a non-negative integer as user, found '2\.5'",
    ),
    "item is no integer": (
        {"ratings.dat": RATINGS.replace("::20::", "::x::")},
        r"ratings\.dat, line 3: expected a non-negative integer as item, found 'x'",
    ),
    "not text": (
        {"ratings.dat": RATINGS.encode().replace(b"30::3", b"30::\xff")},
        r"ratings\.dat, line 2: expected utf-8 text, found byte 0xff",
    ),
    "empty": ({"ratings.dat": ""}, r"ratings\.dat: expected at least one line of data, found none"),
    "title line malformed": (
        {"movies.dat": MOVIES.replace("::Drama", "")},
        r"movies\.dat, line 2: expected item::title::genres, found '20::Mis",
    ),
    "movie is no integer": (
        {"movies.dat": MOVIES.replace("20::", "x::")},
        r"movies\.dat, line 2: expected a non-negative integer as item, found 'x'",
    ),
    "truncated": ({"ratings.dat": RATINGS[:40]}, r"ratings\.dat is truncated or altered: expected 3 ratings, found 2"),
    "too long": ({"ratings.dat": RATINGS + "2::10::4::0\n"}, r"ratings\.dat .*: expected 3 ratings, found 4"),
}


@pytest.mark.parametrize("changed, message", BAD_ML_1M.values(), ids=BAD_ML_1M)
def test_bad_ml_1m_is_refused(small_ml_1m, offline, tmp_path, changed, message):
    directory = write(tmp_path / "ml-1m", ML_1M_FILES | changed)
    found = message_of("ml-1m", tmp_path)
    assert re.search(message, found) and str(directory) in found


def test_ml_1m_with_too_few_lines_says_how_many_there_should_be(offline, tmp_path):
    write(tmp_path / "ml-1m", ML_1M_FILES)
    assert "expected 1000209 ratings, found 3" in message_of("ml-1m", tmp_path)


# --- MovieLens 100K --------------------------------------------------------------------------------------------------

# Of the last, the official file knows no year.
ML_100K_TITLES = {
    1: ("Toy Story", "1995"),
    2: ("Net, The", "1995"),
    3: ("Misérables, Les", "1995"),
    4: ("Horseman on the Roof, The (Hussard sur le toit, Le)", "1995"),
    5: ("Land Before Time III: The Time of the Great Giving (1995)", "V"),
}


def ml_100k_ratings() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    pairs = generator.permutation([(user, item) for user in range(1, 9) for item in ML_100K_TITLES])[:30]
    ratings = pd.DataFrame(pairs, columns=["user", "item"])
    return ratings.assign(rating=generator.integers(1, 6, 30), timestamp=generator.integers(8e8, 9e8, 30))


def lines(frame: pd.DataFrame, header: str = "") -> bytes:
    return (header + frame.to_csv(sep="\t", header=False, index=False, lineterminator="\n")).encode()


def official_files() -> dict[str, bytes]:
    """A small MovieLens 100K as GroupLens writes it: Latin-1, no headers, titles with their year."""
    items = [
        f"{item}|{title} ({year})|01-Jan-1995||http://us.imdb.com/|{'|'.join('0' * 19)}\n"
        for item, (title, year) in ML_100K_TITLES.items()
    ]
    users = [f"{user}|24|M|technician|85711\n" for user in range(1, 9)]
    return {
        "u.data": lines(ml_100k_ratings()),
        "u.item": "".join(items).encode("latin-1"),
        "u.user": "".join(users).encode("latin-1"),
    }


def recbole_files() -> dict[str, bytes]:
    """The same as RecBole writes it: UTF-8, headers, the year by itself."""
    items = [f"{item}\t{title}\t{year}\tDrama Comedy\n" for item, (title, year) in ML_100K_TITLES.items()]
    users = [f"{user}\t24\tM\ttechnician\t85711\n" for user in range(1, 9)]
    item_header = "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    user_header = "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n"
    return {
        "ml-100k.inter": lines(ml_100k_ratings(), "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"),
        "ml-100k.item": (item_header + "".join(items)).encode(),
        "ml-100k.user": (user_header + "".join(users)).encode(),
    }


@pytest.fixture
def small_ml_100k(monkeypatch):
    """The checksums of MovieLens 100K are those of the small files."""
    monkeypatch.setattr(movielens, "ML_100K_RATINGS_SHA256", digest(official_files()["u.data"]))
    checksums = {name: digest(content) for name, content in recbole_files().items()}
    monkeypatch.setattr(movielens, "RECBOLE_FILES", checksums)


@pytest.mark.parametrize("below", ["ml-100k", "."], ids=["own directory", "data directory"])
def test_both_sources_of_ml_100k_are_the_same(small_ml_100k, offline, tmp_path, below):
    write(tmp_path / "official" / below, official_files())
    write(tmp_path / "recbole" / below, recbole_files())
    official, recbole = (lxr.load_ratings("ml-100k", tmp_path / name) for name in ("official", "recbole"))
    titles = official.attrs["titles"]
    assert titles == recbole.attrs["titles"]
    assert titles == {
        1: "Toy Story (1995)",
        2: "The Net (1995)",
        3: "Les Misérables (1995)",
        4: "The Horseman on the Roof (Hussard sur le toit, Le) (1995)",
        5: "Land Before Time III: The Time of the Great Giving (1995) (V)",
    }
    official.attrs = recbole.attrs = {}
    pd.testing.assert_frame_equal(official, recbole)
    pd.testing.assert_frame_equal(official, ml_100k_ratings().astype({"rating": float}))


def test_the_item_without_a_title_is_the_same_in_both_sources_of_ml_100k(small_ml_100k, offline, tmp_path):
    # Item 267, as the two write it.
    official = official_files() | {
        "u.item": official_files()["u.item"] + b"267|unknown||||" + b"|".join([b"0"] * 19) + b"\n"
    }
    recbole = recbole_files() | {"ml-100k.item": recbole_files()["ml-100k.item"] + b"267\tunkonwn\tunkonwn\tunknown\n"}
    write(tmp_path / "official", official)
    write(tmp_path / "recbole", recbole)
    for name in ("official", "recbole"):
        assert lxr.load_ratings("ml-100k", tmp_path / name).attrs["titles"][267] == "unknown"


BAD_ML_100K = {
    "altered": ("u.data", lambda text: text.replace(b"\t5\t", b"\t4\t", 1), "or altered: expected SHA-256"),
    "truncated": ("u.data", lambda text: text[: text.rindex(b"\n", 0, -1) + 1], "or altered: expected SHA-256"),
    "cut within a line": ("u.data", lambda text: text[:-12], "line 30: expected user<tab>item<tab>rating<tab>timestamp"),
    "rating is no number": ("u.data", lambda text: b"1\t2\tfive\t0\n" + text, "line 1: .*number as rating, found 'five'"),
    "titles missing": ("u.item", lambda text: None, "found u.data, but u.item is missing"),
    "title line malformed": (
        "u.item",
        lambda text: text.replace(b"2|Net", b"2 Net").replace(b"|", b" "),
        "line 1: expected",
    ),
    "item is no integer": ("u.item", lambda text: text.replace(b"2|Net", b"x|Net"), "line 2: .*integer.*'x'"),
    "RecBole, altered": (
        "ml-100k.inter",
        lambda text: text.replace(b"\t5\t", b"\t4\t", 1),
        "or altered: expected SHA-256",
    ),
    "RecBole, cut within a line": ("ml-100k.inter", lambda text: text[:-12], "line 31: expected user<tab>item"),
    "RecBole, titles missing": ("ml-100k.item", lambda text: None, "found ml-100k.inter, but ml-100k.item is missing"),
    "RecBole, item is no integer": (
        "ml-100k.item",
        lambda text: text.replace(b"2\tNet", b"x\tNet"),
        "line 3: .*integer.*'x'",
    ),
}


@pytest.mark.parametrize("name, change, message", BAD_ML_100K.values(), ids=BAD_ML_100K)
def test_bad_ml_100k_is_refused(small_ml_100k, offline, tmp_path, name, change, message):
    files = official_files() if name.startswith("u.") else recbole_files()
    changed = change(files[name])
    assert changed != files[name]
    directory = write(tmp_path / "ml-100k", files | {name: changed})
    found = message_of("ml-100k", tmp_path)
    assert re.search(message, found) and str(directory / name if changed else directory) in found
    if "SHA-256" in message:
        assert digest(files[name]) in found and digest(changed) in found


USER_FEATURES = {
    1: {"gender": "male", "age": "18–24", "occupation": "technician"},
    2: {"gender": "female", "age": "under 18", "occupation": None},
    3: {"gender": "male", "age": "56 or older", "occupation": None},
    4: {"gender": "female", "age": "50–55", "occupation": "writer"},
}


ML_100K_USERS = "1|24|M|technician|85711\n2|7|F|other|T8H1N\n3|73|M|none|0\n4|50|F|writer|1\n"


@pytest.mark.parametrize("source", ["official", "recbole"])
def test_users_of_ml_100k(small_ml_100k, offline, tmp_path, source):
    header = recbole_files()["ml-100k.user"].split(b"\n")[0] + b"\n"
    recbole = recbole_files() | {"ml-100k.user": header + ML_100K_USERS.replace("|", "\t").encode()}
    name = "u.user" if source == "official" else "ml-100k.user"
    directory = write(tmp_path, official_files() | {"u.user": ML_100K_USERS} if source == "official" else recbole)
    ratings = lxr.load_ratings("ml-100k", tmp_path, user_features=True)
    found, expected = (pd.DataFrame(users).fillna("unknown") for users in (ratings.attrs["user_features"], USER_FEATURES))
    pd.testing.assert_frame_equal(found, expected)
    assert ratings.attrs["source"][1:] == [str(directory / name)]


def test_users_of_ml_1m(small_ml_1m, offline, tmp_path):
    write(tmp_path, ML_1M_FILES | {"users.dat": "1::F::1::10::48067\n2::M::56::0::70072\n3::M::35::20::0\n"})
    assert "user_features" not in lxr.load_ratings("ml-1m", tmp_path).attrs
    ratings = lxr.load_ratings("ml-1m", tmp_path, user_features=True)
    users = pd.DataFrame(ratings.attrs["user_features"]).T.fillna("unknown")
    assert users.index.tolist() == [1, 2, 3]
    assert users["gender"].tolist() == ["female", "male", "male"]
    assert users["age"].tolist() == ["under 18", "56 or older", "35–44"]
    assert users["occupation"].tolist() == ["K-12 student", "unknown", "writer"]
    assert ratings.attrs["source"] == [str(tmp_path / "ratings.dat"), str(tmp_path / "users.dat")]


BAD_USERS = {
    "a field is missing": ("users.dat", "1::F::1::10\n", "line 1: expected user::gender::age::occupation::zip code"),
    "unknown gender": ("users.dat", USERS + "3::X::1::10::0\n", "line 3: expected F or M as gender, found 'X'"),
    "age is no number": ("users.dat", "1::F::old::10::0\n", "line 1: expected a non-negative integer as age, found 'old'"),
    "age is too low": ("users.dat", USERS + "3::F::0::10::0\n", "line 3: expected an age of at least 1, found '0'"),
    "unknown occupation": ("users.dat", "1::F::1::21::0\n", "line 1: expected an occupation from 0 to 20, found '21'"),
    "user is no number": ("users.dat", "one::F::1::1::0\n", "line 1: expected a non-negative integer as user, found 'one'"),
    "no users": ("users.dat", None, "found ratings.dat, but users.dat is missing"),
    "ML-100K, unknown gender": ("u.user", "1|24||writer|0\n", "line 1: expected F or M as gender, found ''"),
    "ML-100K, no users": ("u.user", None, "found u.data, but u.user is missing"),
    "RecBole, a field is missing": ("ml-100k.user", "header\n1\t24\tM\twriter\n", "line 2: expected user<tab>age"),
    "RecBole, no users": ("ml-100k.user", None, "found ml-100k.inter, but ml-100k.user is missing"),
}


@pytest.mark.parametrize("file, content, message", BAD_USERS.values(), ids=BAD_USERS)
def test_bad_users_are_refused_if_they_are_asked_for(small_ml_1m, small_ml_100k, offline, tmp_path, file, content, message):
    name = "ml-1m" if file == "users.dat" else "ml-100k"
    files = {"users.dat": ML_1M_FILES, "u.user": official_files(), "ml-100k.user": recbole_files()}[file]
    directory = write(tmp_path, files | {file: content})
    lxr.load_ratings(name, tmp_path)  # which does not open it
    with pytest.raises(lxr.DataError, match=re.escape(message)) as caught:
        lxr.load_ratings(name, tmp_path, user_features=True)
    assert str(directory / file if content else directory) in str(caught.value)


TITLES = {
    "Net, The (1995)": "The Net (1995)",
    "Misérables, Les (1995)": "Les Misérables (1995)",
    "American in Paris, An (1951)": "An American in Paris (1951)",
    "Good, The Bad and The Ugly, The (1966)": "The Good, The Bad and The Ugly (1966)",
    "Blue Angel, The (Blaue Engel, Der) (1930)": "The Blue Angel (Blaue Engel, Der) (1930)",
    "Net, The": "The Net",
    "Avventura, L' (1960)": "L'Avventura (1960)",
    "Toy Story (1995)": "Toy Story (1995)",
    "Paris, Texas (1984)": "Paris, Texas (1984)",
    "Thieves (Voleurs, Les) (1996)": "Thieves (Voleurs, Les) (1996)",
    "Maybe, Theodore (1990)": "Maybe, Theodore (1990)",
    "The Net (1995)": "The Net (1995)",
    "": "",
}


@pytest.mark.parametrize("title, natural", TITLES.items(), ids=TITLES)
def test_articles_move_to_the_front_of_titles(title, natural):
    assert movielens.natural_title(title) == natural


# --- downloads -------------------------------------------------------------------------------------------------------


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files without a log."""

    def log_message(self, *arguments):
        pass


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """Maker of the registered archive of MovieLens 1M, served by this machine: content, and what its SHA-256 should be."""
    directory = tmp_path / "served"
    directory.mkdir()
    handler = functools.partial(QuietHandler, directory=directory)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    def register(content: bytes | None, sha256: str) -> download.Archive:
        if content is not None:
            (directory / "ml-1m.zip").write_bytes(content)
        url = f"http://127.0.0.1:{server.server_port}/ml-1m.zip"
        archive = download.Archive("ml-1m", url, sha256, tuple(ML_1M_FILES))
        monkeypatch.setattr(movielens, "ML_1M", archive)
        return archive

    yield register
    server.shutdown()
    server.server_close()


ML_1M_ZIP = zipped({f"ml-1m/{name}": text for name, text in ML_1M_FILES.items()} | {"ml-1m/README": "licence"})


def test_an_archive_is_downloaded_once(serve, small_ml_1m, tmp_path, monkeypatch):
    serve(ML_1M_ZIP, digest(ML_1M_ZIP))
    first = lxr.load_ratings("ml-1m", tmp_path / "new" / "data")
    assert contents(tmp_path / "new" / "data") == ["ml-1m", "ml-1m/movies.dat", "ml-1m/ratings.dat", "ml-1m/users.dat"]
    monkeypatch.setattr(download.pooch, "retrieve", None)
    pd.testing.assert_frame_equal(lxr.load_ratings("ml-1m", tmp_path / "new" / "data"), first)


@pytest.mark.parametrize("home", [None, b"not found, says the portal of the hotel"], ids=["silent", "altered"])
def test_a_mirror_answers_if_the_official_home_does_not(serve, small_ml_1m, tmp_path, monkeypatch, home):
    archive = serve(ML_1M_ZIP, digest(ML_1M_ZIP))
    elsewhere = archive.url.replace("ml-1m.zip", "home.zip")
    if home is not None:
        (tmp_path / "served" / "home.zip").write_bytes(home)
    monkeypatch.setattr(movielens, "ML_1M", dataclasses.replace(archive, url=elsewhere, mirrors=(archive.url,)))
    assert len(lxr.load_ratings("ml-1m", tmp_path / "data")) == 3
    assert contents(tmp_path / "data") == ["ml-1m", "ml-1m/movies.dat", "ml-1m/ratings.dat", "ml-1m/users.dat"]


def test_an_altered_mirror_is_refused_too(serve, tmp_path, monkeypatch):
    archive = serve(ML_1M_ZIP[:-1] + b"x", digest(ML_1M_ZIP))
    elsewhere = archive.url.replace("ml-1m.zip", "home.zip")
    monkeypatch.setattr(movielens, "ML_1M", dataclasses.replace(archive, url=elsewhere, mirrors=(archive.url,)))
    message = message_of("ml-1m", tmp_path / "data")
    for part in (f"{elsewhere}: 404", f"{archive.url}: SHA256 hash", digest(ML_1M_ZIP[:-1] + b"x")):
        assert part in message
    assert contents(tmp_path / "data") == []


def test_ml_1m_has_a_mirror_that_is_tried_second(offline, tmp_path):
    (mirror,) = movielens.ML_1M.mirrors
    message = message_of("ml-1m", tmp_path)
    assert message.index(movielens.ML_1M.url) < message.index(f"{mirror}: connection refused")


def test_an_altered_archive_is_refused(serve, tmp_path):
    expected = digest(ML_1M_ZIP)
    altered = ML_1M_ZIP[:-1] + b"x"
    archive = serve(altered, expected)
    message = message_of("ml-1m", tmp_path / "data")
    for part in (archive.url, expected, digest(altered)):
        assert part in message
    assert contents(tmp_path / "data") == []


def test_an_archive_that_is_no_zip_is_refused(serve, tmp_path):
    archive = serve(b"not found, says the portal of the hotel", digest(b"not found, says the portal of the hotel"))
    message = message_of("ml-1m", tmp_path / "data")
    assert archive.url in message and "not a zip file" in message
    assert contents(tmp_path / "data") == []


def test_an_archive_that_is_not_there_is_reported(serve, tmp_path):
    archive = serve(None, "0" * 64)
    message = message_of("ml-1m", tmp_path / "data")
    assert archive.url in message and "404" in message
    assert contents(tmp_path / "data") == []


@pytest.mark.parametrize("error", [OSError("the disk is full"), KeyboardInterrupt()], ids=repr)
def test_an_interrupted_download_leaves_nothing(offline, tmp_path, monkeypatch, error):
    def half(url, known_hash, fname, path, downloader):
        (Path(path) / fname).write_bytes(ML_1M_ZIP[:100])
        raise error

    monkeypatch.setattr(download.pooch, "retrieve", half)
    with pytest.raises((lxr.DataError, KeyboardInterrupt)):
        lxr.load_ratings("ml-1m", tmp_path)
    assert contents(tmp_path) == []


@pytest.fixture
def wheel(offline, monkeypatch):
    """Maker of a package index that answers ``pip download`` with a wheel of these files."""

    def register(files: dict[str, bytes]) -> None:
        def download(command, **options):
            directory = Path(command[command.index("--dest") + 1])
            assert command[-1] == movielens.RECBOLE_WHEEL
            inside = {f"recbole/dataset_example/ml-100k/{name}": content for name, content in files.items()}
            (directory / "recbole-1.2.1-py3-none-any.whl").write_bytes(zipped(inside))
            return subprocess.CompletedProcess(command, 0, "", "")

        monkeypatch.setattr(movielens.subprocess, "run", download)

    return register


def test_ml_100k_comes_from_the_wheel_if_its_home_does_not_answer(wheel, small_ml_100k, tmp_path):
    wheel(recbole_files())
    ratings = lxr.load_ratings("ml-100k", tmp_path)
    assert len(ratings) == 30 and ratings.attrs["titles"][2] == "The Net (1995)"
    assert contents(tmp_path) == ["ml-100k", "ml-100k/ml-100k.inter", "ml-100k/ml-100k.item", "ml-100k/ml-100k.user"]


@pytest.mark.parametrize("name", list(movielens.RECBOLE_FILES))
def test_an_altered_file_in_the_wheel_is_refused(wheel, small_ml_100k, tmp_path, name):
    altered = recbole_files()[name] + b"\n"
    wheel(recbole_files() | {name: altered})
    message = message_of("ml-100k", tmp_path)
    for part in (movielens.RECBOLE_WHEEL, name, digest(recbole_files()[name]), digest(altered)):
        assert part in message
    assert contents(tmp_path) == []


# --- the real thing --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ml_1m():
    """MovieLens 1M as :func:`lxr.load_dataset` prepares it, and the ratings it was made of."""
    places = [data_directory(), PROJECT_ROOT.parent / "shared" / "data"]
    candidates = [place for place in places for below in ("ml-1m", ".") if (place / below / "ratings.dat").is_file()]
    if not candidates:
        pytest.skip("MovieLens 1M is in none of the data directories: " + ", ".join(str(place) for place in places))
    loaded = []

    def load(*arguments, **options):
        loaded.append(lxr.load_ratings(*arguments, **options))  # reading takes seconds: once is enough
        return loaded[-1]

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("lxr.data.preparation.load_ratings", load)
        data = lxr.load_dataset("ml-1m", candidates[0])
    return data, loaded[0]


@pytest.mark.slow
@pytest.mark.slow
def test_ml_1m_has_the_papers_counts(ml_1m):
    data, _ = ml_1m
    assert data.matrix.shape == (6037, 3381) and data.matrix.nnz == 575_128
    assert np.diff(data.matrix.indptr).min() >= 2 and np.diff(data.matrix.tocsc().indptr).min() >= 2
    titles = dict(zip(data.item_ids.tolist(), data.item_titles.tolist(), strict=True))
    assert titles[1] == "Toy Story (1995)" and titles[260] == "Star Wars: Episode IV - A New Hope (1977)"
    assert titles[296] == "Pulp Fiction (1994)" and titles[2571] == "The Matrix (1999)"
    assert all(re.search(r"\(\d{4}\)$", title) for title in titles.values())


@pytest.mark.slow
@pytest.mark.slow
def test_ml_1m_as_the_first_release_of_lxr_used_it(ml_1m):
    _, ratings = ml_1m
    data = lxr.prepare(ratings, min_rating=0, min_items_per_user=1, min_users_per_item=1)
    assert data.matrix.shape == (6040, 3706) and data.matrix.nnz == 1_000_209
    assert data.n_duplicates == 0


@pytest.fixture(scope="module")
def ml_100k(tmp_path_factory):
    """MovieLens 100K from the data directory, else downloaded into a temporary one."""
    home = data_directory()
    places = [home / below / name for below in ("ml-100k", ".") for name in ("u.data", "ml-100k.inter")]
    directory = home if any(place.is_file() for place in places) else tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("PIP_RETRIES", "0")
        monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
        try:
            return lxr.load_dataset("ml-100k", directory)
        except lxr.DataError as error:
            if directory == home:
                raise
            pytest.skip(str(error))


@pytest.mark.slow
def test_users_of_the_real_ml_1m(ml_1m):
    _, ratings = ml_1m
    users = movielens.read_ml_1m_users(Path(ratings.attrs["source"][0]).parent)
    assert len(users) == 6040 and users["occupation"].isna().sum() == 711
    assert users["gender"].value_counts().to_dict() == {"male": 4331, "female": 1709}
    assert users["age"].value_counts()["25–34"] == 2096 and users["occupation"].nunique() == 20


@pytest.mark.slow
def test_entries_of_the_real_ml_100k_ascend_in_time(ml_100k):
    entries = ml_100k.histories()
    same_user = np.diff(entries.users) == 0
    assert (np.diff(entries.times)[same_user] >= 0).all() and (np.diff(entries.items)[same_user] < 0).any()
    assert set(np.unique(entries.weights)) == {4, 5} and (entries.matrix() != ml_100k.matrix).nnz == 0
    days = pd.to_datetime(entries.times, unit="s")
    assert (days.min().year, days.max().year) == (1997, 1998)
    rest, last = lxr.split_last(entries)
    assert len(last) == 942 and len(rest.items) == 55_211 - 942


@pytest.mark.slow
def test_ml_100k_has_the_papers_counts(ml_100k):
    assert ml_100k.matrix.shape == (942, 1283) and ml_100k.matrix.nnz == 55_211
    titles = dict(zip(ml_100k.item_ids.tolist(), ml_100k.item_titles.tolist(), strict=True))
    assert titles[1] == "Toy Story (1995)" and titles[38] == "The Net (1995)" and titles[50] == "Star Wars (1977)"
