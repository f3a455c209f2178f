"""The dataset registry: data directories, names, and words for what is missing."""

import errno
import os
import re
import tempfile

import pytest
from raw_files import contents, message_of

import lxr
from lxr.data import movielens, pinterest, yahoo_music
from lxr.data.reading import download
from lxr.utils.environment import PROJECT_ROOT, data_directory


def test_the_data_directory_is_the_projects_own_by_default(monkeypatch):
    monkeypatch.delenv("LXR_DATA_DIR", raising=False)
    assert data_directory() == PROJECT_ROOT / "Data"


@pytest.mark.parametrize(
    ("dataset", "parts"),
    [
        ("pinterest", ["pinterest.csv", "pinterest-20.train.rating", pinterest.NCF, "He et al. 2017"]),
        ("yahoo-music", ["yahoo-music.csv", "trainIdx1.txt", yahoo_music.WEBSCOPE, "C15", "KDD Cup 2011", "agreement"]),
    ],
)
def test_what_cannot_be_downloaded_is_asked_for(offline, tmp_path, dataset, parts):
    message = message_of(dataset, tmp_path / "data")
    for part in (dataset, str(tmp_path / "data" / dataset), *parts):
        assert part in message
    assert contents(tmp_path) == []


@pytest.mark.parametrize("name", ["ml-1m", "ml-100k"])
def test_without_a_network_the_message_says_what_to_do(offline, tmp_path, name):
    archive = {"ml-1m": movielens.ML_1M, "ml-100k": movielens.ML_100K}[name]
    message = message_of(name, tmp_path / "data")
    for part in (archive.url, *archive.files, str(tmp_path / "data" / name), "connection refused", "--dataset synthetic"):
        assert part in message
    assert ("no matching distribution" in message) == (name == "ml-100k")
    assert contents(tmp_path) in ([], ["data"])


@pytest.mark.parametrize("error", [TimeoutError(), OSError(), ConnectionResetError("peer\nreset")], ids=repr)
def test_a_download_that_fails_without_a_word_is_reported(offline, tmp_path, monkeypatch, error):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(download.pooch, "retrieve", fail)
    message = message_of("ml-1m", tmp_path)
    assert movielens.ML_1M.url in message and "--dataset synthetic" in message


@pytest.mark.parametrize("name", ["ml-1m", "ml-100k"])
@pytest.mark.parametrize("below", [".", "below"])
def test_a_file_in_the_place_of_the_data_directory_is_refused(offline, tmp_path, name, below):
    (tmp_path / "data").write_text("a file")
    message = message_of(name, tmp_path / "data" / below)
    assert re.search("cannot (write to|create|use) the data directory", message) and str(tmp_path / "data") in message
    assert contents(tmp_path) == ["data"]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS], ids=errno.errorcode.get)
def test_a_data_directory_that_cannot_be_written_is_refused(offline, tmp_path, monkeypatch, number):
    def refuse(*arguments, **options):
        raise OSError(number, os.strerror(number), str(tmp_path))

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    message = message_of("ml-1m", tmp_path)
    assert re.search("cannot (write to|create|use) the data directory", message)
    assert str(tmp_path) in message and os.strerror(number) in message


# --- synthetic -------------------------------------------------------------------------------------------------------


def test_an_unknown_dataset_lists_the_known_ones(tmp_path):
    for load in (lxr.load_ratings, lxr.load_dataset):
        with pytest.raises(
            ValueError, match="unknown dataset 'netflix': expected one of synthetic, synthetic-sequences, ml-100k"
        ):
            load("netflix", tmp_path)
